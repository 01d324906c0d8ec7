"""What the schedule runs: new files once, nothing past a limit, and a word about it all."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.utilities.callables import parameter_schema
from records import artifacts, flow_run_id, messages

import flows.cluster_new as job
from dedup import lock, pipeline, read
from dedup.errors import BusyError, RunError, SettingsError
from dedup.settings import Limits, Settings
from dedup.store import Store
from dedup.workspace import Workspace
from flows import events
from flows.backfill import backfill

DAYS = ["2024-03-01", "2024-03-02", "2024-03-04"]


def arrive(corpus: Path, number: int, inbox: Path) -> None:
    """Put a part of the corpus into the inbox, as a file that is old enough to be whole."""
    target = inbox / f"{DAYS[number]}.parquet"
    inbox.mkdir(exist_ok=True)
    shutil.copy(sorted(corpus.iterdir())[number], target)
    an_hour_ago = time.time() - 3600 + number
    os.utime(target, (an_hour_ago, an_hour_ago))


@pytest.fixture
def inbox(api: str, corpus: Path, tmp_path: Path) -> Path:
    """An inbox with its first file."""
    arrive(corpus, 0, tmp_path / "inbox")
    return tmp_path / "inbox"


@pytest.fixture
def output(tmp_path: Path) -> str:
    return str(tmp_path / "out")


class Emitted(list[dict[str, Any]]):
    """Events, instead of their way to the server."""

    def __call__(self, event: str, resource: dict[str, str], payload: dict[str, Any]) -> None:
        self.append({"event": event, "resource": resource, "payload": payload})


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> Emitted:
    seen = Emitted()
    monkeypatch.setattr(events, "emit_event", seen)
    return seen


def ids(output: str) -> set[str]:
    return set(read(output).clusters["article_id"].to_pylist())


def given(corpus: Path, *numbers: int) -> set[str]:
    files = sorted(corpus.iterdir())
    return {name for n in numbers for name in pq.read_table(files[n])["id"].to_pylist()}


# What comes out


def test_each_run_takes_what_is_new(
    inbox: Path, corpus: Path, output: str, emitted: Emitted
) -> None:
    first = job.cluster_new(str(inbox), output, return_state=True)
    assert ids(output) == given(corpus, 0)
    assert first.result() == {
        "run_id": read(output).info["run_id"],
        "counts": read(output).info["counts"],
    }
    arrive(corpus, 1, inbox)
    arrive(corpus, 2, inbox)
    second = job.cluster_new(str(inbox), output, notify_size=4, return_state=True)
    assert ids(output) == given(corpus, 0, 1, 2)
    assert len(Store(output).runs()) == 2
    whole = pipeline.cluster_articles(corpus)
    assert sorted(whole.summary["size"].to_pylist()) == sorted(
        read(output).summary["size"].to_pylist()
    )

    # What Prefect remembers of it.
    mine = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id(second)]))
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=mine)
    verbs = {task.name.split("-")[0] for task in tasks}
    assert verbs == {"begin", "sign", "renew", "check", "publish"}
    assert all(task.state and task.state.is_completed() for task in tasks)
    found = artifacts(second)
    assert set(found) == {
        "progress",
        "figures",
        "largest-clusters",
        "growing-clusters",
        "template",
    }
    assert found["progress"] == 100
    grown = json.loads(found["growing-clusters"])
    sizes = dict(zip(*read(output).summary.select(["cluster_id", "size"]), strict=True))
    by_id = {str(cluster): size.as_py() for cluster, size in sizes.items()}
    assert grown
    assert all(row["size"] == by_id[row["cluster"]] and row["new"] > 0 for row in grown)
    assert [row["new"] for row in grown] == sorted((row["new"] for row in grown), reverse=True)
    left_out = read(output).template
    by_source = json.loads(found["template"])
    assert sum(row["shingles"] for row in by_source) == left_out.num_rows

    # Announced is what reached the size in this run, and nothing that had it before.
    before = dict(zip(*read(output, Store(output).runs()[0]).summary.select([0, 2]), strict=True))
    sizes_before = {str(cluster): size.as_py() for cluster, size in before.items()}
    reached = {name for name, size in by_id.items() if size >= 4 > sizes_before.get(name, 0)}
    assert reached
    assert {event["payload"]["cluster_id"] for event in emitted} == reached
    for event in emitted:
        assert event["event"] == "dedup.cluster.large"
        cluster = event["payload"]["cluster_id"]
        assert event["resource"]["prefect.resource.id"] == f"dedup.cluster.{cluster}"
        assert event["payload"]["run_id"] == read(output).info["run_id"]
        assert set(event["payload"]) == {
            *("output", "run_id", "cluster_id", "size", "before", "lead_title", "lead_source")
        }


def test_nothing_new_is_said_and_nothing_published(inbox: Path, output: str) -> None:
    job.cluster_new(str(inbox), output)
    runs = Store(output).runs()
    state = job.cluster_new(str(inbox), output, return_state=True)
    assert state.is_completed()
    assert state.name == "NothingNew"
    assert state.message == f"nothing new in {inbox}"
    assert job.cluster_new(str(inbox), output) == {}
    assert Store(output).runs() == runs
    assert artifacts(state) == {}


def test_a_rebuild_takes_all_again(inbox: Path, output: str) -> None:
    job.cluster_new(str(inbox), output)
    others = Settings(similarity_floor=0.5)
    with pytest.raises(SettingsError, match="--rebuild"):
        job.cluster_new(str(inbox), output, settings=others)
    job.cluster_new(str(inbox), output, settings=others, rebuild=True)
    assert read(output).info["settings"]["similarity_floor"] == 0.5


# What stops a run


def counts(**changes: Any) -> Any:
    """The verb `renew`, with counts changed afterwards."""
    renew = pipeline.renew

    def changed(run: Any, settings: Settings) -> dict[str, Any]:
        made, work = renew(run, settings), Workspace(Path(run.folder))
        work.note("renewed", {**(work.noted("renewed") or {}), **changes})
        return made

    return changed


def test_a_broken_limit_stops_the_run_before_it_is_published(
    inbox: Path, corpus: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.cluster_new(str(inbox), output)
    arrive(corpus, 1, inbox)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "renew", counts(history=[100_000] * 30))
        state = job.cluster_new(str(inbox), output, return_state=True)
        assert state.is_failed()
        assert state.message is not None
        assert "0.1 of the usual 100000 rows, got 100 rows" in state.message
        assert ids(output) == given(corpus, 0)
        assert "growing-clusters" not in artifacts(state)
        limits = Limits(input_share=0)
        let = job.cluster_new(str(inbox), output, limits=limits, return_state=True)
    assert let.is_completed()
    assert ids(output) == given(corpus, 0, 1)
    assert [line for line in messages(let) if "were there from an earlier try" in line]


def test_silence_is_a_failure_after_a_while(inbox: Path, output: str) -> None:
    job.cluster_new(str(inbox), output)
    time.sleep(1)
    with pytest.raises(RunError, match="input since run"):
        job.cluster_new(str(inbox), output, limits=Limits(silence_hours=1e-6))


def test_one_run_at_a_time(inbox: Path, output: str) -> None:
    with (
        lock.locked(output, "another"),
        pytest.raises(BusyError, match="got another, process"),
    ):
        job.cluster_new(str(inbox), output, wait_minutes=0)
    job.cluster_new(str(inbox), output, wait_minutes=0)


def test_the_lock_is_looked_at_before_publishing(
    inbox: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew = pipeline.renew

    def lose(run: Any, settings: Settings) -> dict[str, Any]:
        (Path(output) / lock.NAME).unlink()
        return renew(run, settings)

    monkeypatch.setattr(pipeline, "renew", lose)
    with pytest.raises(BusyError, match="removed"):
        job.cluster_new(str(inbox), output)
    assert not (Path(output) / "latest").exists()


# Days gone by


def test_a_backfill_goes_day_by_day_and_on_where_it_stopped(
    inbox: Path, corpus: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(corpus, 1, inbox)
    arrive(corpus, 2, inbox)
    days = {"first": "2024-03-01", "last": "2024-03-04"}
    begin_new, seen = pipeline.begin_new, []

    def stopped(*given: Any) -> Any:
        seen.append(str(given[5]))
        if len(seen) == 2:
            raise RunError("run", "to go on", "a stop", "start again")
        return begin_new(*given)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "begin_new", stopped)
        state = backfill(str(inbox), output, **days, return_state=True)  # type: ignore[call-overload]
    assert state.is_failed()
    assert seen == ["2024-03-01", "2024-03-02"]
    assert ids(output) == given(corpus, 0)
    table = json.loads(artifacts(state)["backfill"])
    assert [row["day"] for row in table] == seen
    assert table[1]["run"] == "failed"

    done = backfill(str(inbox), output, **days)
    assert list(done) == ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"]
    assert done["2024-03-01"] == done["2024-03-03"] == "nothing new"
    assert [done["2024-03-02"], done["2024-03-04"]] == Store(output).runs()[1:]
    assert ids(output) == given(corpus, 0, 1, 2)


def test_days_in_the_wrong_order_are_refused(inbox: Path, output: str) -> None:
    with pytest.raises(SettingsError, match="parameter last"):
        backfill(str(inbox), output, first="2024-03-04", last="2024-03-01")
    assert not Path(output).exists()


# What a user of Prefect's pages sees


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({}, "out from inbox"),
        ({"rebuild": True}, "out from inbox rebuilt"),
        ({"day": "2024-03-01"}, "out from inbox of 2024-03-01"),
    ],
)
def test_a_run_is_named_by_what_is_asked_of_it(
    asked: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"inbox": "s3://news/inbox/", "output": "/srv/out"}
    monkeypatch.setattr(runtime.flow_run, "parameters", places | asked, raising=False)
    assert job._run_name() == name


def test_the_form_says_what_each_parameter_means() -> None:
    schema = parameter_schema(job.cluster_new)
    assert all(shown["description"] for shown in schema.properties.values())
    assert schema.properties["notify_size"]["minimum"] == 0
    limits = schema.definitions["Limits"]["properties"]
    assert set(limits) == set(Limits.model_fields)
    assert all(shown["description"] and "minimum" in shown for shown in limits.values())
    assert schema.required == ["inbox", "output"]
