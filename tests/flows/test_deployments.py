"""What prefect.yaml says can be deployed, and what is deployed runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment
from prefect.flows import load_flow_from_entrypoint

import flows
from dedup import read
from dedup.settings import Settings

ROOT = Path(flows.__file__).parents[1]
TEXT = (ROOT / "prefect.yaml").read_text()
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(TEXT)["deployments"]
NAMES = [deployment["name"] for deployment in DEPLOYMENTS]


def prefect(api: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": api},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def deployed(api: str) -> Iterator[dict[str, DeploymentResponse]]:
    """Every deployment, as the server has it after `prefect deploy --all`."""
    pools = {deployment["work_pool"]["name"] for deployment in DEPLOYMENTS}
    with get_client(sync_client=True) as client:
        for pool in pools:
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        prefect(api, "deploy", "--all")
        yield {made.name: made for made in client.read_deployments()}


@pytest.mark.parametrize("given", DEPLOYMENTS, ids=NAMES)
def test_its_entrypoint_is_a_flow_that_takes_its_parameters(given: dict[str, Any]) -> None:
    flow: Any = load_flow_from_entrypoint(str(ROOT / given["entrypoint"]))
    needed = {"inputs": ["in"], "output": "out"}
    taken = flow.validate_parameters({**needed, **given.get("parameters", {})})
    assert isinstance(taken["settings"], Settings)


def test_no_variable_is_left_to_the_environment() -> None:
    assert "$" not in TEXT


@pytest.mark.parametrize("given", DEPLOYMENTS, ids=NAMES)
def test_it_is_deployed_as_written(
    given: dict[str, Any], deployed: dict[str, DeploymentResponse]
) -> None:
    made = deployed[given["name"]]
    assert made.entrypoint == given["entrypoint"]
    assert made.work_pool_name == given["work_pool"]["name"]
    assert made.job_variables["env"]["DEDUP_RUNNER"] == "threads:2"
    assert made.tags == given["tags"]
    assert made.description == given["description"]
    assert made.schedules == []
    assert made.global_concurrency_limit
    assert made.global_concurrency_limit.limit == 1
    assert made.concurrency_options
    assert made.concurrency_options.collision_strategy == "ENQUEUE"


def test_a_worker_runs_it(
    api: str, deployed: dict[str, DeploymentResponse], corpus: Path, tmp_path: Path
) -> None:
    parameters = {
        "inputs": [str(corpus)],
        "output": str(tmp_path / "out"),
        "settings": {"similarity_floor": 0.4},
    }
    asked: Any = run_deployment("cluster-articles/adhoc", parameters=parameters, timeout=0)
    prefect(api, "worker", "start", "--pool", "dedup", "--run-once")
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(asked.id)
    assert run.state
    assert run.state.is_completed(), run.state
    assert read(tmp_path / "out").info["settings"]["similarity_floor"] == 0.4
