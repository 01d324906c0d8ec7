"""The whole way: a server, deployments, a worker; a run by schedule, and runs by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

import flows
from dedup import read
from dedup.store import Store

ROOT = Path(flows.__file__).parents[1]
DEPLOYMENT = "cluster-new/hourly"
POOL = "dedup"


class Machine:
    """A machine with a Prefect server of its own, as the operator's handbook sets it up."""

    def __init__(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.home = home
        self.stack = ExitStack()
        given = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
        self.env = given | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        self.http = self.stack.enter_context(
            httpx.Client(base_url=self.env["PREFECT_API_URL"], timeout=30)
        )

    def start(self, name: str, *arguments: str) -> None:
        """Start what is left running until the end, and log what it says."""
        log = self.stack.enter_context((self.home / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", name, "start", *arguments],
            cwd=ROOT,
            env=self.env,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.stack.callback(end, process)

    def prefect(self, *arguments: str) -> str:
        """Run a command as the handbook has it."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def ask(self, path: str, **body: Any) -> Any:
        """What the API answers."""
        answer = self.http.post(path, json=body)
        for _ in range(10):
            # Its database is busy; Prefect's own client asks again, too.
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
            answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def until(self, there: Callable[[], Any], seconds: float) -> Any:
        """What is there, once it is."""
        deadline = time.monotonic() + seconds
        while not (found := there()):
            logs = "".join(path.read_text() for path in sorted(self.home.glob("*.log")))
            assert time.monotonic() < deadline, logs
            time.sleep(0.3)
        return found

    def is_up(self) -> bool:
        try:
            return self.http.get("/health").is_success
        except httpx.TransportError:
            return False

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """Flow runs that have ended."""
        found: list[dict[str, Any]] = self.ask("/flow_runs/filter", flow_runs=filters)
        over = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        return [run for run in found if run["state_type"] in over]

    def artifacts(self, run: dict[str, Any]) -> dict[str, Any]:
        mine = {"flow_run_id": {"any_": [run["id"]]}}
        return {made["key"]: made["data"] for made in self.ask("/artifacts/filter", artifacts=mine)}

    def events(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """The library's own events of a run."""
        wanted = {"event": {"name": ["dedup.cluster.large"]}}
        found: list[dict[str, Any]] = self.ask("/events/filter", filter=wanted)["events"]
        resource = f"prefect.flow-run.{run['id']}"
        return [
            event
            for event in found
            if resource in {related["prefect.resource.id"] for related in event["related"]}
        ]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: a worker gives each run a session of its own."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], stdout=subprocess.PIPE, check=True).stdout
    parents = dict(map(int, line.split()) for line in table.splitlines())
    family = [process.pid]
    for parent in family:
        family += [pid for pid in parents if parents[pid] == parent]
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("prefect"))
    with machine.stack:
        machine.start("server")
        machine.until(machine.is_up, 90)
        machine.prefect("work-pool", "create", POOL, "--type", "process")
        machine.prefect("deploy", "--all")
        machine.start("worker", "--pool", POOL)
        yield machine


def test_the_handbooks_automations_are_taken(machine: Machine, tmp_path: Path) -> None:
    handbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(automations:.*?)```", handbook, re.DOTALL)
    file = tmp_path / "automations.yaml"
    file.write_text(shown.replace("block_document_id: ID", f"block_document_id: {uuid4()}"))
    machine.prefect("automation", "create", "--from-file", str(file))
    made = {automation["name"] for automation in machine.ask("/automations/filter")}
    assert made >= {"large cluster", "failed run"}


def arrive(corpus: Path, number: int, inbox: Path) -> None:
    """Put a part of the corpus into the inbox, as a file that is old enough to be whole."""
    target = inbox / f"part-{number}.parquet"
    inbox.mkdir(exist_ok=True)
    shutil.copy(sorted(corpus.iterdir())[number], target)
    os.utime(target, (time.time() - 3600, time.time() - 3600))


def test_a_schedule_and_a_hand_start_runs(machine: Machine, corpus: Path, tmp_path: Path) -> None:
    inbox, output = tmp_path / "inbox", tmp_path / "out"
    arrive(corpus, 0, inbox)
    deployment = machine.http.get(f"/deployments/name/{DEPLOYMENT}").json()

    # By schedule: once, as soon as the server's scheduler may have seen it.
    soon = (datetime.now(UTC) + timedelta(seconds=15)).isoformat()
    changes = {
        "parameters": {"inbox": str(inbox), "output": str(output), "notify_size": 4},
        "schedules": [
            {"slug": "hourly", "schedule": {"interval": 3600, "anchor_date": soon}, "active": True}
        ],
    }
    changed = machine.http.patch(f"/deployments/{deployment['id']}", json=changes)
    assert changed.is_success, changed.text
    (scheduled,) = machine.until(machine.runs, 90)
    assert scheduled["state_type"] == "COMPLETED", scheduled
    assert scheduled["auto_scheduled"]
    assert scheduled["name"] == "out from inbox"
    first = read(output)
    assert first.info["counts"]["articles"] == 100

    # By hand, twice at once: one is cancelled, the other takes what is new.
    arrive(corpus, 1, inbox)
    path = f"/deployments/{deployment['id']}/create_flow_run"
    asked = [machine.ask(path, state={"type": "SCHEDULED"})["id"] for _ in range(2)]
    mine = {"id": {"any_": asked}}
    by_hand = machine.until(lambda: len(runs := machine.runs(**mine)) == 2 and runs, 90)
    done, cancelled = sorted(by_hand, key=lambda run: run["state_type"], reverse=True)
    assert (done["state_type"], cancelled["state_type"]) == ("COMPLETED", "CANCELLED")
    assert cancelled["state"]["message"] == "Deployment concurrency limit reached."
    assert not done["auto_scheduled"]
    assert Store(output).runs() == sorted([first.info["run_id"], read(output).info["run_id"]])
    assert read(output).info["counts"]["articles"] == 200

    # What the pages show of it.
    shown = machine.artifacts(done)
    kinds = {"progress", "figures", "largest-clusters", "growing-clusters", "template"}
    assert set(shown) == kinds == set(machine.artifacts(scheduled))
    sizes = sorted(read(output).summary["size"].to_pylist(), reverse=True)
    assert [row["size"] for row in json.loads(shown["largest-clusters"])] == sizes[:50]

    # What automations hear of it.
    grown = [row for row in json.loads(shown["growing-clusters"]) if row["size"] >= 4]
    reached = {row["cluster"] for row in grown if row["size"] - row["new"] < 4}
    assert reached
    events = machine.until(lambda: len(seen := machine.events(done)) == len(reached) and seen, 20)
    assert {event["payload"]["cluster_id"] for event in events} == reached

    # Nothing new: a word, and nothing published.
    machine.prefect("deployment", "run", DEPLOYMENT, "--watch", "--watch-timeout", "60")
    last = max(machine.runs(), key=lambda run: run["start_time"] or "")
    assert last["state_name"] == "NothingNew"
    assert len(Store(output).runs()) == 2
