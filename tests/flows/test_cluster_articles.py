"""The main job as a flow: the library's own output, and a record of it in Prefect."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
from prefect import runtime
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import State
from prefect.task_runners import ProcessPoolTaskRunner
from prefect.utilities.callables import parameter_schema
from records import artifacts, flow_run_id, messages, published

import flows.backfill as past
import flows.cluster_articles as job
import flows.cluster_new as new
import flows.evaluate as nightly
import flows.tasks as tasks
from dedup import lock, pipeline, read
from dedup.errors import BusyError, InputError, OutputError, RunError, SettingsError
from dedup.pipeline import Run, verbs
from dedup.settings import Settings
from flows.progress import RunProgress

SHARDS = 3
"""Files of the corpus."""


class Made(NamedTuple):
    """A flow run and what the library makes of the same input."""

    state: State[Any]
    output: Path
    expected: Path


@pytest.fixture(scope="module")
def made(api: str, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    state = job.cluster_articles([str(corpus)], str(folder / "flow"), return_state=True)
    pipeline.cluster_articles(corpus, folder / "library")
    return Made(state, folder / "flow", folder / "library")


# What comes out


def test_the_output_is_the_librarys_byte_for_byte(made: Made) -> None:
    assert made.state.is_completed()
    assert published(made.output) == published(made.expected)
    assert read(made.output).summary.num_rows > 5


def test_it_returns_the_run(made: Made) -> None:
    info = read(made.output).info
    assert made.state.result() == {"run_id": info["run_id"], "counts": info["counts"]}


def test_who_is_at_work_on_an_output_is_told_to_others(
    made: Made, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meet(*given: Any, **settings: Any) -> dict[str, Any]:
        with pytest.raises(BusyError, match="flow run flow from wire, process"):
            lock.locked(made.output, "another").__enter__()
        met.append(given)
        return performed(*given, **settings)

    met: list[Any] = []
    performed = pipeline.perform
    monkeypatch.setattr(pipeline, "perform", meet)
    job.cluster_articles([str(corpus)], str(made.output))
    assert met


def test_a_run_waits_no_longer_than_it_was_told(api: str, corpus: Path, tmp_path: Path) -> None:
    with lock.locked(tmp_path, "another"), pytest.raises(BusyError, match="got another, process"):
        job.cluster_articles([str(corpus)], str(tmp_path), wait_minutes=0)
    assert [path.name for path in tmp_path.iterdir()] == [lock.NAME]


def test_other_processes_make_the_same(made: Made, corpus: Path, tmp_path: Path) -> None:
    runner: Any = ProcessPoolTaskRunner(max_workers=1)
    processes = job.cluster_articles.with_options(task_runner=runner)
    processes([str(corpus)], str(tmp_path / "out"))
    assert published(tmp_path / "out") == published(made.expected)


# What Prefect remembers


def test_every_verb_is_a_task_and_every_shard_its_own(made: Made) -> None:
    mine = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id(made.state)]))
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(flow_run_id(made.state))
        tasks = client.read_task_runs(flow_run_filter=mine)
    verbs = Counter(task.name.split("-")[0] for task in tasks)
    assert set(verbs) == {"begin", *pipeline.VERBS, "publish"}
    assert verbs["sign"] == SHARDS
    assert all(task.state and task.state.is_completed() for task in tasks)
    assert run.name == "flow from wire"


def test_the_artifacts_say_what_the_run_says(made: Made) -> None:
    found, result = artifacts(made.state), read(made.output)
    assert set(found) == {"progress", "figures", "largest-clusters", "template"}
    assert found["progress"] == 100
    counts = result.info["counts"]
    assert (
        f"# {counts['clusters']:,} clusters in {counts['articles']:,} articles" in found["figures"]
    )
    for relation, pairs in counts["pairs_by_relation"].items():
        assert f"| {relation} | {pairs:,} |" in found["figures"]
    for name in (*pipeline.VERBS, *Settings.model_fields):
        assert f"| {name.replace('_', ' ')} | " in found["figures"]
    table = json.loads(found["largest-clusters"])
    sizes = [row["size"] for row in table]
    assert sizes == sorted(result.summary["size"].to_pylist(), reverse=True)[: len(table)]
    titles = dict(zip(*result.summary.select(["cluster_id", "lead_title"]), strict=True))
    by_id = {str(cluster): str(title) for cluster, title in titles.items()}
    assert all(row["lead title"] == by_id[row["cluster"]] for row in table)


def test_the_log_follows_the_shards_and_the_library(
    api: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(*given: Any) -> dict[str, Any]:
        logging.getLogger("dedup.pipeline").warning("said by the library")
        return published(*given)

    published = pipeline.publish
    monkeypatch.setattr(pipeline, "publish", publish)
    state = job.cluster_articles([str(corpus)], str(tmp_path / "out"), return_state=True)
    said = messages(state)
    assert "said by the library" in said
    assert [line for line in said if f"sign: {SHARDS} of {SHARDS}" in line]
    assert "100 % publish" in said


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        (["data/wire.parquet"], "demo from wire.parquet"),
        (["s3://news/a/", "b", "c"], "demo from a and 2 more"),
        ([], "demo from nothing"),
    ],
)
def test_a_run_is_named_by_output_and_input(
    inputs: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"inputs": inputs, "output": "out/demo/"}
    monkeypatch.setattr(runtime.flow_run, "parameters", given, raising=False)
    assert job._run_name() == name


# What happens when it does not go well


def test_a_run_picks_up_what_a_killed_one_signed(
    made: Made, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(verb: str, run: Run, number: int, settings: Settings) -> dict[str, Any]:
        if verb != "sign":
            raise RunError("run", "to go on", "a kill", "start again")
        return performed(verb, run, number, settings)

    def read_again(*given: Any) -> Iterator[None]:
        raise AssertionError("a shard was read again")

    performed = pipeline.perform
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "perform", killed)
        with pytest.raises(RunError, match="a kill"):
            job.cluster_articles([str(corpus)], str(output))
    assert not (output / "latest").exists()
    monkeypatch.setattr(verbs, "read_shard", read_again)
    state = job.cluster_articles([str(corpus)], str(output), return_state=True)
    assert f"sign: {SHARDS} of {SHARDS} were there from an earlier try" in messages(state)
    assert published(output) == published(made.expected)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (InputError("input", "a", "b", "c"), 1),
        (SettingsError("setting", "a", "b", "c"), 1),
        (OutputError("output", "a", "b", "c"), 1),
        (ConnectionResetError("the store hung up"), 3),
    ],
)
def test_only_what_may_pass_is_tried_again(
    api: str, error: Exception, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: Any) -> None:
        seen.append(given)
        raise error

    seen: list[Any] = []
    monkeypatch.setattr(pipeline, "begin", failing)
    with pytest.raises(type(error)):
        job.begin.with_options(retry_delay_seconds=0)(["in"], "out", Settings())
    assert len(seen) == tries


def test_nobody_caches_what_files_tell() -> None:
    mine: list[Any] = [
        tasks.part,
        job.begin,
        job.publish,
        new.begin,
        new.renew,
        new.check,
        new.publish,
    ]
    for task in (*mine, nightly.measure):
        assert task.cache_policy is NO_CACHE
        assert task.retries == 2
        assert task.retry_condition_fn is tasks.may_pass
    for flow in (job.cluster_articles, new.cluster_new, past.backfill, nightly.evaluate):
        assert flow.retries == 0


class Progress(RunProgress):
    """Progress without a flow run."""

    def __init__(self, shares: dict[str, float]) -> None:
        self._shares = shares
        self.calls: list[tuple[str, int, int]] = []
        self.said: list[str] = []

    def __call__(self, verb: str, done: int, total: int) -> None:
        self.calls.append((verb, done, total))

    def say(self, words: str) -> None:
        self.said.append(words)


@pytest.mark.parametrize("units", [0, 1, 3, 61, 150, 151, 1_234, 50_000])
def test_any_number_of_units_makes_few_task_runs(
    units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submitted(verb: Any, first: list[int], last: list[int], do: Any) -> list[Any]:
        assert do.value.args == (verb.value, "run")
        runs[verb.value] = spans = [*map(range, first, last)]
        counts = [{"units": len(span), "reused": len(span)} for span in spans]
        return [SimpleNamespace(result=partial(dict, count)) for count in counts]

    runs: dict[str, list[range]] = {}
    monkeypatch.setattr(tasks.part, "map", submitted)
    monkeypatch.setattr(tasks, "as_completed", iter)
    report = Progress({"sign": 45.0, "score": 44.5, "group": 0.5, "publish": 10.0})
    for verb in ("sign", "score", "group"):
        tasks.mapped(verb, units, cast(Run, "run"), Settings(), report)
        assert [number for span in runs[verb] for number in span] == list(range(units))
        assert report.calls[-1] == (verb, units, units)
    assert sum(map(len, runs.values())) <= 150
    assert len(runs["sign"]) <= 67
    again = [f"{verb}: {units} of {units} were there from an earlier try" for verb in runs]
    assert report.said == (again if units else [])


def test_the_verbs_and_publishing_take_all_of_the_time() -> None:
    assert tuple(job._SHARES) == (*pipeline.VERBS, "publish")
    assert sum(job._SHARES.values()) == sum(new._SHARES.values()) == 100


# What a user of Prefect's pages sees


def test_the_form_shows_every_setting_with_its_meaning_and_bounds() -> None:
    schema = parameter_schema(job.cluster_articles)
    shown = schema.definitions["Settings"]["properties"]
    assert set(shown) == set(Settings.model_fields)
    assert all(setting["description"] for setting in shown.values())
    assert shown["num_perm"]["minimum"] == 16
    assert shown["similarity_floor"]["exclusiveMinimum"] == 0
    assert shown["similarity_floor"]["maximum"] == 1
    assert schema.required == ["inputs", "output"]
    assert all(shown["description"] for shown in schema.properties.values())


def test_settings_may_come_as_a_mapping() -> None:
    given = {"inputs": ["a"], "output": "b", "settings": {"similarity_floor": 0.3}}
    taken = job.cluster_articles.validate_parameters(given)
    assert taken["settings"] == Settings(similarity_floor=0.3)
