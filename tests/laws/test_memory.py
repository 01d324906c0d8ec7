"""However little memory a run may take, and whoever does its units: it says the same, byte by byte.

What a run is made small by here: its memory, so that every verb that can goes in several units, and
the constants that say how many rows are handled at a time.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batches import SCHEMA, messy
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from dedup import Settings
from dedup.errors import RunError
from dedup.pipeline import VERBS, Run, begin, cluster_articles, perform, publish, units
from dedup.workspace import Workspace

SEED = 20250701
PLENTY = Settings(memory="4GB", bucket_cap=6, common_stories=4)
LITTLE = PLENTY.model_copy(
    update={"memory": "300kB", "shard_rows": 40, "batch_rows": 15, "threads": 2}
)
ONCE = {"order", "collect", "group"}
"""Verbs that go in one unit, whatever the memory."""

CONSTANTS = {
    "dedup.pipeline.bodies._COMPARED": 4,
    "dedup.pipeline.bodies._PAIRS": 7,
    "dedup.pipeline.bodies._READ": 6,
    "dedup.pipeline.bodies._TEXTS": 3,
    "dedup.pipeline.evidence._PAIRS": 7,
    "dedup.pipeline.exchange._PAIRS": 50,
    "dedup.pipeline.furniture._ROLLED": 9,
    "dedup.pipeline.furniture._TOGETHER": 2_000,
    "dedup.pipeline.group._ROWS": 16,
    "dedup.pipeline.match._BANDED": 100,
    "dedup.pipeline.match._UNIT": 60,
    "dedup.pipeline.sketch.ARTICLES": 9,
    "dedup.pipeline.sketch._WORDS": 500,
    "dedup.pipeline.stories.ARTICLES": 9,
    "dedup.stages.linkage._PAIRS": 20,
    "dedup.stages.story.SLICE": 30,
}


class Said(NamedTuple):
    """What a run says: the bytes of its tables, and its counts."""

    tables: dict[str, bytes]
    counts: dict[str, Any]


def said(output: Path) -> Said:
    latest = output / "latest"
    tables = {
        path.relative_to(latest).as_posix(): path.read_bytes()
        for path in sorted(latest.rglob("*.parquet"))
    }
    return Said(tables, json.loads((latest / "run.json").read_text())["counts"])


@contextmanager
def few_rows(constants: dict[str, int] = CONSTANTS) -> Iterator[None]:
    """So many at a time and no more."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in constants.items():
            patch.setattr(name, value)
        yield


@pytest.fixture
def small() -> Iterator[None]:
    with few_rows():
        yield


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files; some rows come twice, some articles have no source, some no date."""
    folder, rows = tmp_path_factory.mktemp("news"), messy(300, SEED, 4).files
    for number, of_file in enumerate(rows):
        pq.write_table(pa.Table.from_pylist(of_file, SCHEMA), folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def plenty(news: Path, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """With room for everything at once."""
    output, totals = tmp_path_factory.mktemp("plenty"), {}

    def report(verb: str, done: int, total: int) -> None:
        totals[verb] = total

    found = cluster_articles(news, output, PLENTY, report)
    assert totals["propose"] == 2  # the sketches, and all bands
    assert {totals[verb] for verb in VERBS if verb not in ("sign", "sketch", "propose")} == {1}
    # What is the same for all must not be the same because it is empty.
    assert found.pairs.num_rows > 100 and found.summary.num_rows > 20
    assert found.template.num_rows > 300 and found.rejects.num_rows > 5
    assert found.template["source"].null_count
    assert found.info["counts"]["capped_buckets"] > 0
    generators = found.candidates["generator"].value_counts().to_pylist()
    assert all(entry["counts"] > 100 for entry in generators) and len(generators) == 2
    return said(output)


def assert_same(found: Said, expected: Said) -> None:
    assert found.tables.keys() == expected.tables.keys()
    for name, content in expected.tables.items():
        assert found.tables[name] == content, name
    assert found.counts == expected.counts


def test_a_run_in_many_units_says_the_same(
    news: Path, plenty: Said, tmp_path: Path, small: None
) -> None:
    totals: dict[str, int] = {}

    def report(verb: str, done: int, total: int) -> None:
        totals[verb] = total

    cluster_articles(news, tmp_path, LITTLE, report)
    print(totals)
    assert all(totals[verb] > 2 for verb in VERBS if verb not in ONCE)
    assert_same(said(tmp_path), plenty)


@trying(derandomize=True, deadline=None, max_examples=8)
@given(
    memory=st.integers(30, 5_000),
    rows=st.integers(20, 400),
    batch=st.integers(5, 200),
    threads=st.integers(1, 3),
    constants=st.fixed_dictionaries({name: st.integers(5, 2_000) for name in CONSTANTS}),
)
def test_any_memory_and_any_number_of_rows_at_a_time(
    news: Path,
    plenty: Said,
    tmp_path_factory: pytest.TempPathFactory,
    memory: int,
    rows: int,
    batch: int,
    threads: int,
    constants: dict[str, int],
) -> None:
    output = tmp_path_factory.mktemp("any")
    changed = {
        "memory": f"{memory}kB",
        "shard_rows": rows,
        "batch_rows": batch,
        "threads": threads,
    }
    with few_rows(constants):
        cluster_articles(news, output, PLENTY.model_copy(update=changed))
    assert_same(said(output), plenty)


def each_unit(run: Run, settings: Settings, rng: np.random.Generator) -> Iterator[tuple[str, int]]:
    """Every verb, and its units in a random order."""
    for verb in VERBS:
        for number in rng.permutation(units(verb, run, settings)).tolist():
            yield verb, number


def test_units_in_any_order(news: Path, plenty: Said, tmp_path: Path, small: None) -> None:
    print(f"seed {SEED}")
    run = begin([news], tmp_path, LITTLE)
    for verb, number in each_unit(run, LITTLE, np.random.default_rng(SEED)):
        perform(verb, run, number, LITTLE)
    publish(run, LITTLE)
    assert_same(said(tmp_path), plenty)


def elsewhere(verb: str, run: str, number: int, settings: dict[str, Any]) -> dict[str, Any]:
    """A unit done by another process, which has nothing but what JSON carries."""
    with few_rows():
        return perform(verb, Run(**json.loads(run)), number, Settings(**settings))


def test_units_by_other_processes(news: Path, plenty: Said, tmp_path: Path, small: None) -> None:
    """Two at once, which have other threads and other memory than the one that plans."""
    print(f"seed {SEED}")
    rng, run = np.random.default_rng(SEED), begin([news], tmp_path, LITTLE)
    told = json.dumps(run.to_dict())
    unlike = LITTLE.model_copy(update={"memory": "50MB", "threads": 3}).model_dump()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn) as pool:
        for verb in VERBS:
            numbers = rng.permutation(units(verb, run, LITTLE)).tolist()
            done = [pool.submit(elsewhere, verb, told, number, unlike) for number in numbers]
            assert not any(each.result()["reused"] for each in done)
    publish(run, LITTLE)
    assert_same(said(tmp_path), plenty)


def test_a_unit_done_before_is_reused(news: Path, plenty: Said, tmp_path: Path) -> None:
    run = begin([news], tmp_path, LITTLE)
    for verb in VERBS:
        count = units(verb, run, LITTLE)
        first = [perform(verb, run, number, LITTLE) for number in range(count)]
        assert not any(facts["reused"] for facts in first)
        before = changes(Path(run.folder))
        again = [perform(verb, run, number, LITTLE) for number in range(count)]
        assert again == [{**facts, "reused": True} for facts in first]
        assert changes(Path(run.folder)) == before
        # However much memory there is when it goes on.
        assert units(verb, run, PLENTY) == count
    publish(run, LITTLE)
    assert_same(said(tmp_path), plenty)


def changes(folder: Path) -> dict[str, int]:
    """When each file was last changed, in nanoseconds."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize("verb", VERBS)
def test_a_unit_that_was_not_noted_is_done_again(
    verb: str, news: Path, plenty: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files were written, or some of them, but the process was ended before it said so."""
    # What it makes needless is removed only after that.
    monkeypatch.setattr(Workspace, "remove", lambda self, prefix: None)
    run = begin([news], tmp_path, LITTLE)
    for each, number in each_unit(run, LITTLE, np.random.default_rng(SEED)):
        perform(each, run, number, LITTLE)
        if each == verb:
            (Path(run.folder) / f"{verb}-{number:06}.json").unlink()
            assert not perform(each, run, number, LITTLE)["reused"]
    publish(run, LITTLE)
    assert_same(said(tmp_path), plenty)


@pytest.mark.parametrize(
    ("verb", "made"),
    [
        ("order", "signed"),
        ("furnish", "signed"),
        ("sketch", "left-out"),
        ("propose", "bands"),
        ("collect", "shared"),
        ("score", "sketched"),
        ("group", "scored"),
        ("group", "forms"),
    ],
)
def test_a_verb_does_not_begin_before_all_is_there(
    verb: str, made: str, news: Path, tmp_path: Path, small: None
) -> None:
    """What a unit of another verb made is never taken for all there is."""
    run = begin([news], tmp_path, LITTLE)
    for each, number in each_unit(run, LITTLE, np.random.default_rng(SEED)):
        if each == verb:
            break
        perform(each, run, number, LITTLE)
    last = max(Path(run.folder).glob(f"{made}-*.arrow"))
    aside = last.rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="start the run again"):
        perform(verb, run, number, LITTLE)
    aside.rename(last)
    assert not perform(verb, run, number, LITTLE)["reused"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_run_goes_on_with_another_memory(
    verb: str, news: Path, plenty: Said, tmp_path: Path
) -> None:
    """What was begun in many units, one of this verb's the last, is ended with plenty."""
    run = begin([news], tmp_path, LITTLE)
    for each, number in each_unit(run, LITTLE, np.random.default_rng(SEED)):
        perform(each, run, number, LITTLE)
        if each == verb:
            break
    assert (Path(run.folder) / f"{verb}-{number:06}.json").exists()
    cluster_articles(news, tmp_path, PLENTY.model_copy(update={"shard_rows": 40}))
    # It was this run that it went on with.
    assert not Path(run.folder).exists()
    assert_same(said(tmp_path), plenty)
