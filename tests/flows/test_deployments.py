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
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint

import flows

ROOT = Path(flows.__file__).parents[1]
TEXT = (ROOT / "prefect.yaml").read_text()
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load(TEXT)["deployments"]
ASKED = {"inputs": ["in"], "output": "out", "first": "2024-03-01", "last": "2024-03-02"}
"""What a user gives where a deployment does not."""
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


def flow_of(given: dict[str, Any]) -> Any:
    return load_flow_from_entrypoint(given["entrypoint"])


@pytest.mark.parametrize("given", DEPLOYMENTS, ids=NAMES)
def test_its_entrypoint_is_a_flow_that_takes_its_parameters(given: dict[str, Any]) -> None:
    flow, parameters = flow_of(given), given.get("parameters", {})
    missing = set(flow.parameters.required) - set(parameters)
    if given.get("schedules"):
        assert not missing, "a schedule gives none"
    flow.validate_parameters({**{name: ASKED[name] for name in missing}, **parameters})


@pytest.mark.parametrize("given", DEPLOYMENTS, ids=NAMES)
def test_workers_of_a_cluster_find_its_flow_by_name(given: dict[str, Any]) -> None:
    # With each task goes its flow, by its module; one that was loaded from a file has none.
    flow = flow_of(given)
    assert f"{flow.fn.__module__}.{flow.fn.__name__}" == given["entrypoint"]


@pytest.mark.parametrize("given", DEPLOYMENTS, ids=NAMES)
def test_its_form_says_what_each_parameter_means(given: dict[str, Any]) -> None:
    schema = flow_of(given).parameters
    models = [model["properties"] for model in schema.definitions.values()]
    for shown in [schema.properties, *models]:
        assert [name for name in shown if not shown[name].get("description")] == []


def test_only_the_hourly_schedule_is_awake_from_the_start() -> None:
    schedules = {
        (deployment["name"], schedule["slug"]): schedule["active"]
        for deployment in DEPLOYMENTS
        for schedule in deployment.get("schedules", [])
    }
    assert schedules == {("hourly", "hourly"): True, ("evaluate-nightly", "nightly"): False}


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
    assert made.parameters == given.get("parameters", {})
    schedules = given.get("schedules", [])
    assert len(made.schedules) == len(schedules)
    for schedule, wanted in zip(made.schedules, schedules, strict=True):
        assert isinstance(schedule.schedule, CronSchedule)
        assert schedule.schedule.cron == wanted["cron"]
        assert schedule.schedule.timezone == wanted["timezone"]
        assert (schedule.slug, schedule.active) == (wanted["slug"], wanted["active"])
    limit = given["concurrency_limit"]
    assert made.global_concurrency_limit
    assert made.global_concurrency_limit.limit == limit["limit"] == 1
    options = made.concurrency_options
    assert options
    assert options.collision_strategy == limit["collision_strategy"]
    assert options.grace_period_seconds == limit.get("grace_period_seconds")
