"""Any split of the same files into runs, in any order, says what one run says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from batches import SCHEMA, START, Feed, Row, Step, messy, survivors, take, told
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedup import Result, Settings, cluster_articles
from dedup.stages.template import outlet

SEED = 20251122
FILES = 6
EVERYTHING = Step(range(FILES), (0, 1, 2))

WEEK = (Settings(), 1)
CAPPED = (Settings(bucket_cap=2, component_limit=3), 1)
WINDOW = (Settings(window_days=2), 3)

SPLITS: dict[str, list[Step]] = {
    "one by one": [Step([n], [n // 2] if n % 2 else []) for n in range(FILES)],
    "last first": [Step([n], [n] if n < 3 else []) for n in reversed(range(FILES))],
    "at once but for late ones": [Step([5, 2, 0, 4]), Step([], (2,)), Step([3, 1], (0, 1))],
    "taken down before they come": [Step([], (0, 1, 2)), Step([3, 4]), Step([0, 1, 2, 5])],
}


class Whole(NamedTuple):
    """A corpus, and what one run says of it."""

    feed: Feed
    settings: Settings
    found: Result


@pytest.fixture(scope="module", params=[WEEK, CAPPED, WINDOW], ids=["week", "capped", "window"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    chosen, stretch = request.param
    feed = messy(350, SEED, FILES, stretch)
    found = take(feed, EVERYTHING, tmp_path_factory.mktemp("one"), chosen)
    # What is the same for all splits must not be the same because it is empty.
    assert found.pairs.num_rows > 100 and found.summary.num_rows > 20
    assert found.template.num_rows > 500
    assert {"retracted", "superseded", "null_id", "empty_text"} == set(
        found.info["counts"]["rejects"]
    )
    if chosen != Settings():  # and the settings must matter
        plain = take(feed, EVERYTHING, tmp_path_factory.mktemp("plain"))
        assert plain.candidates.num_rows > found.candidates.num_rows
        assert told(plain)["pairs"] != told(found)["pairs"]
    return Whole(feed, chosen, found)


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS.keys())
def test_how_files_are_split_into_runs_decides_nothing(
    whole: Whole, split: list[Step], tmp_path: Path
) -> None:
    # Nor does it matter how many pieces a file is read in.
    chosen = whole.settings.model_copy(update={"shard_rows": 20})
    for step in split:
        found = take(whole.feed, step, tmp_path, chosen)
    assert_same(found, whole.found)


def assert_same(found: Result, expected: Result) -> None:
    ours, theirs = told(found), told(expected)
    for name, rows in ours.items():
        assert rows == theirs[name], name


@pytest.mark.parametrize("whole", [WEEK, CAPPED], ids=["week", "capped"], indirect=True)
def test_clusters_are_those_of_the_batch_job(whole: Whole) -> None:
    """Where nothing lies outside the window, which the batch job has not."""
    rows = survivors(whole.feed)
    news = pa.Table.from_pylist(rows, SCHEMA)
    chosen = whole.settings.model_copy(update={"rarity": "language"})
    expected = cluster_articles(news, settings=chosen)
    ours, theirs = told(whole.found), told(expected)
    assert ours["pairs"] == theirs["pairs"]
    for name in ("clusters", "summary"):  # stories are told day by day
        assert without_stories(ours[name]) == without_stories(theirs[name])
    assert by_outlet(ours["template"]) == by_outlet(theirs["template"])


def without_stories(rows: list[Row]) -> list[Row]:
    return [{name: row[name] for name in row if name != "story_id"} for row in rows]


def by_outlet(template: list[Row]) -> set[tuple[str | None, int, int]]:
    return {
        (row["source"] and outlet(row["source"]), row["shingle"], row["articles"])
        for row in template
    }


def test_where_nothing_is_new_nothing_is_published(whole: Whole, tmp_path: Path) -> None:
    found = take(whole.feed, EVERYTHING, tmp_path, whole.settings)
    before = contents(tmp_path / "out")
    os.utime(tmp_path / "in" / "000.parquet", (START.timestamp(),) * 2)  # a new time is no news
    for step in (Step([]), Step([3]), Step([], (1,)), EVERYTHING):
        again = take(whole.feed, step, tmp_path, whole.settings)
        assert again.info == found.info
        assert contents(tmp_path / "out") == before


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


SMALL = Settings(window_days=2, bucket_cap=3, template_stories=2, template_articles=4, threads=1)
_TINY = 5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Few files, of which the first has one outlet alone."""
    feed = messy(80, SEED, _TINY)
    for row in feed.files[0]:
        row["source"] = "Harbour Post"
    found = take(feed, Step(range(_TINY), (0, 1, 2)), tmp_path_factory.mktemp("tiny"), SMALL)
    assert found.pairs.num_rows > 15 and found.template.num_rows > 50
    return Whole(feed, SMALL, found)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    st.permutations(range(_TINY)),
    st.sets(st.integers(1, _TINY - 1)),
    st.tuples(*[st.integers(0, _TINY)] * 3),
)
@example(list(range(_TINY)), set(range(1, _TINY)), (0, 2, 4))
def test_any_split(
    tiny: Whole,
    tmp_path_factory: pytest.TempPathFactory,
    order: Sequence[int],
    cuts: set[int],
    down: tuple[int, ...],
) -> None:
    folder, bounds = tmp_path_factory.mktemp("any"), [0, *sorted(cuts), _TINY]
    for at, (start, stop) in enumerate(pairwise(bounds)):
        last = stop == _TINY
        lists = [n for n, when in enumerate(down) if when == at or (last and when > at)]
        found = take(tiny.feed, Step(order[start:stop], lists), folder, SMALL)
    assert_same(found, tiny.found)


def test_a_sketch_may_hold_every_shingle(tiny: Whole, tmp_path: Path) -> None:
    chosen = SMALL.model_copy(update={"sketch_scale": 1})
    expected = take(tiny.feed, Step(range(_TINY), (0, 1, 2)), tmp_path / "one", chosen)
    for number in range(_TINY):
        lists = (0, 1, 2) if number == 2 else ()
        found = take(tiny.feed, Step([number], lists), tmp_path / "many", chosen)
    assert_same(found, expected)


@pytest.mark.parametrize("seed", range(4))
def test_the_row_in_the_file_modified_last_counts(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")
    text = "The council voted to rebuild the old pier before next summer, at a cost of {}."

    def row(name: str, title: str) -> Row:
        empty: Row = dict.fromkeys(SCHEMA.names)
        return empty | {"id": name, "title": title, "text": text.format(title)}

    times = [START + timedelta(hours=hours) for hours in (2, 1, 1, 3)]
    files = [
        [row("a", "7"), row("b", "8"), row("b", "9")],  # of one file's rows the last
        [row("a", "1"), row("c", "2"), row("b", "3")],
        [row("c", "4"), row("a", "5")],  # of files of one time the last by path
        [row("d", "6")],
    ]
    feed = Feed(files, times, [])
    for number in np.random.default_rng(seed).permutation(len(files)).tolist():
        found = take(feed, Step([number]), tmp_path)
    columns = (found.clusters[name].to_pylist() for name in ("article_id", "title"))
    assert dict(zip(*columns, strict=True)) == {"a": "7", "b": "9", "c": "4", "d": "6"}
    assert found.info["counts"]["rejects"] == {"superseded": 5}


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    feed = messy(60, SEED, 2)
    rows = list({row["id"]: row for row in feed.files[0] if row["id"]}.values())
    feed.files[0] = rows
    take(feed, Step([0]), tmp_path)
    corrected = [{**rows[0], "text": rows[-1]["text"]}, *rows[1:-1]]
    later = Feed([corrected], [feed.times[0] + timedelta(hours=1)], [])
    found = take(later, Step([0]), tmp_path)
    kept = [row for row in (*corrected, rows[-1]) if row["text"].strip()]
    chosen = Settings(rarity="language")
    expected = cluster_articles(pa.Table.from_pylist(kept, SCHEMA), settings=chosen)
    assert told(found)["pairs"] == told(expected)["pairs"]
    assert without_stories(told(found)["clusters"]) == without_stories(told(expected)["clusters"])
    rejects = found.info["counts"]["rejects"]
    assert rejects["superseded"] == sum(bool(row["text"].strip()) for row in corrected)
    assert found.info["counts"]["rows"] == len(rows) + len(corrected)
    changes = [change for change in found.lineage.to_pylist() if change["reason"] == "correction"]
    assert [change["article_id"] for change in changes] == [rows[0]["id"]]
