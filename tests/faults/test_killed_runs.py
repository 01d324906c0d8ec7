"""Incremental runs, killed anywhere: what is read is of the run before or of this one.

And the next run says what it would have said if nobody had been killed: nothing lost, nothing
twice. A process of its own is ended at its n-th change of the disk, for n spread over all the run.
"""

from __future__ import annotations

import itertools
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from batches import OPEN, Feed, Row, Step, come, messy, take
from test_publishing import kill_process

from dedup import Result, cluster_articles, read
from dedup.errors import BusyError
from dedup.pipeline import cluster_new
from dedup.schemas import OUTPUT_TABLES, table_name
from dedup.store import Store

SEED = 20251124
FIRST, SECOND, THIRD = Step([0, 2]), Step([1], (0,)), Step([3], (1,))
STRIDE = 7
"""Changes of the disk between one kill and the next: so that there are about 25."""


class Begun(NamedTuple):
    """An output with one run, and what each run after it says."""

    feed: Feed
    folder: Path
    expected: list[dict[str, list[Row]]]


def said(found: Result) -> dict[str, list[Row]]:
    """All rows of a run, but for its name and the folder that its files lay in."""
    return {
        name: [without_place(row) for row in getattr(found, name).to_pylist()]
        for name in map(table_name, OUTPUT_TABLES)
    }


def without_place(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name != "run_id"}
    return kept | {"file": Path(row["file"]).name} if "file" in row else kept


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    feed, folder = messy(60, SEED, 4), tmp_path_factory.mktemp("begun")
    expected = [said(take(feed, FIRST, folder))]
    unkilled = copied(folder, tmp_path_factory.mktemp("unkilled"))
    expected += [said(take(feed, step, unkilled)) for step in (SECOND, THIRD)]
    assert_clean(unkilled)
    for before, after in itertools.pairwise(expected):
        assert all(before[name] != after[name] for name in ("clusters", "rejects", "lineage"))
    return Begun(feed, folder, expected)


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target, symlinks=True, dirs_exist_ok=True)
    return target


def assert_clean(folder: Path) -> None:
    """Nothing lies in the output but the kept runs and what they name."""
    store = Store(folder / "out")
    named: set[str] = set()
    for run_id in store.runs():
        state = store.state(run_id)
        assert state is not None
        named |= set(state["files"])
    assert names(folder, "state") == named
    assert names(folder, "runs") == set(store.runs())
    assert names(folder, "work") == set()
    assert names(folder, "") - {".lock"} == {"latest", "runs", "state", "work"}


def names(folder: Path, inside: str) -> set[str]:
    return {path.name for path in (folder / "out" / inside).iterdir()}


def go_on(folder: Path, lists: list[Path]) -> None:
    cluster_new(folder / "in", folder / "out", retract=lists, limits=OPEN)


def test_a_kill_anywhere_in_a_run(begun: Begun, tmp_path: Path) -> None:
    first, second, third = begun.expected
    seen = []
    for step in itertools.count(1, STRIDE):
        folder = copied(begun.folder, tmp_path / str(step))
        run = partial(go_on, folder, come(begun.feed, SECOND, folder))
        if not kill_process(run, step):
            break
        found = said(read(folder / "out"))
        assert found in (first, second)
        seen.append(found == second)
        run()
        assert said(read(folder / "out")) == second
        assert said(take(begun.feed, THIRD, folder)) == third
        assert_clean(folder)
    print(len(seen), "kills,", sum(seen), "of them after the switch")
    assert len(seen) >= 20
    assert seen == sorted(seen) and set(seen) == {True, False}


def test_what_was_taken_down_is_gone_with_the_next_run(begun: Begun, tmp_path: Path) -> None:
    """Also where the kill came after the switch, and nothing is new since."""
    for step in itertools.count(150, STRIDE):
        folder = copied(begun.folder, tmp_path / str(step))
        run = partial(go_on, folder, come(begun.feed, SECOND, folder))
        if not kill_process(run, step):
            break
        run()
        assert_clean(folder)
        assert len(Store(folder / "out").runs()) == 1


def test_what_comes_after_a_kill_is_taken_with_what_was_killed(
    begun: Begun, tmp_path: Path
) -> None:
    """The files of both runs at once: ids of clusters may differ, but nothing else."""
    expected = begun.expected[2]
    for step in range(4, 100, 32):
        folder = copied(begun.folder, tmp_path / str(step))
        run = partial(go_on, folder, come(begun.feed, SECOND, folder))
        assert kill_process(run, step)
        both = Step(THIRD.files, (*SECOND.down, *THIRD.down))
        found = said(take(begun.feed, both, folder))
        for name in ("pairs", "template", "rejects"):
            assert rows_of(found[name]) == rows_of(expected[name])
        assert_clean(folder)


def rows_of(rows: list[Row]) -> list[str]:
    """Rows without the ids of clusters, in a fixed order."""
    return sorted(repr({name: row[name] for name in row if name != "cluster_id"}) for row in rows)


def test_two_runs_at_once(begun: Begun, tmp_path: Path) -> None:
    """The second stops with a word on the first, which goes on."""
    folder = copied(begun.folder, tmp_path / "twice")
    lists = come(begun.feed, SECOND, folder)
    inbox, output, met = folder / "in", folder / "out", []

    def meanwhile(verb: str, done: int, total: int) -> None:
        with pytest.raises(BusyError, match=f"cluster_new, process {os.getpid()} on"):
            cluster_new(inbox, output, retract=lists)
        with pytest.raises(BusyError, match=f"cluster_new, process {os.getpid()} on"):
            cluster_articles(inbox, output)
        met.append(verb)

    options: dict[str, Any] = {"retract": lists, "limits": OPEN, "progress": meanwhile}
    assert said(cluster_new(inbox, output, **options)) == begun.expected[1]
    assert {"sign", "renew", "publish"} <= set(met)
    assert_clean(folder)
    assert cluster_articles(inbox, tmp_path / "other").clusters.num_rows
