"""Workspace: a file is there whole or not at all."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dedup import workspace
from dedup.ragged import Stored
from dedup.workspace import Workspace

SCHEMA = pa.schema([("n", pa.int64()), ("words", pa.large_list(pa.uint64()))])


def table(*numbers: int) -> pa.Table:
    return pa.table({"n": numbers, "words": [[n] * n for n in numbers]}, SCHEMA)


def test_tables_come_back(tmp_path: Path) -> None:
    work = Workspace(tmp_path / "new" / "folder")
    work.write_table("a", table(1, 2))
    work.write("b", SCHEMA, iter([]))
    assert work.read("a").equals(table(1, 2))
    assert work.read("b").equals(table())
    work.write_table("a", table(3))
    assert work.read("a").equals(table(3))


def test_tables_of_one_prefix_come_in_the_order_of_names(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    for n in (2, 10, 1):
        work.write_table(f"part-{n:03}", table(n))
        work.note(f"part-{n:03}", {"n": n})
    work.write_table("other", table(7))
    assert work.read_all("part-", SCHEMA)["n"].to_pylist() == [1, 2, 10]
    assert [each["n"].to_pylist() for each in work.read_each("part-")] == [[1], [2], [10]]
    assert (work.count("part-"), work.count("nothing-")) == (3, 0)
    assert work.read_each("nothing-") == []
    assert work.read_all("nothing-", SCHEMA).equals(table())
    assert [note["n"] for note in work.notes("part-")] == [1, 2, 10]
    assert work.noted("part-002") == {"n": 2}
    assert work.noted("part-003") is None


def test_what_is_read_ahead_is_what_is_wanted_and_little_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = 7
    print(f"seed {seed}")
    rng, work = np.random.default_rng(seed), Workspace(tmp_path)
    for name in "abc":
        lists = pa.array([np.arange(n) for n in rng.integers(0, 4000, 300)])
        work.write_table(name, pa.table({"n": range(300), "words": lists}).cast(SCHEMA))
    tables = [work.read(name) for name in "cab"]
    stored = Stored(pa.concat_tables(tables)["words"])
    asked: list[tuple[int, int]] = []

    def note(file: mmap.mmap, advice: str, begin: int, length: int) -> None:
        assert advice == "MADV_WILLNEED" and begin % mmap.PAGESIZE == 0
        base = np.frombuffer(file, np.uint8).ctypes.data
        asked.append((base + begin, base + begin + length))

    monkeypatch.setattr(workspace, "_advise", note)
    nowhere = Stored(pa.chunked_array([pa.array([[], []], pa.large_list(pa.uint64()))]))
    for nothing in nowhere.located(np.arange(2)), stored.located(np.empty(0, np.int64)):
        work.ahead(*nothing.addresses)
    assert not asked
    rows = np.concatenate([np.arange(100, 160), rng.integers(0, 900, 40)])
    wanted = stored.located(rows)
    first, after = wanted.addresses
    work.ahead(first, after)
    starts, ends = np.array(asked).T
    covered = (starts[:, None] <= first) & (after <= ends[:, None])
    assert covered.any(axis=0).all()
    # Each of the parts may draw in its first page and what lies before the next part.
    room = mmap.PAGESIZE + workspace._NEXT
    assert (ends - starts).sum() <= (after - first).sum() + len(rows) * room
    assert len(asked) < len(rows) - 50


def test_what_is_removed_stays_readable_where_it_is_in_use(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    for name in ("part-1", "part-2", "other"):
        work.write_table(name, table(5))
    work.note("part-1", {"n": 1})
    (first, second), other = work.read_each("part-"), work.read("other")
    work.remove("part-")
    work.write_table("other", table(6))
    assert {path.name for path in tmp_path.iterdir()} == {"other.arrow", "part-1.json"}
    assert first.equals(table(5)) and second.equals(table(5)) and other.equals(table(5))
    assert work.read("other").equals(table(6))


def test_a_folder_goes_in_one_step_and_what_a_kill_left_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Workspace(tmp_path / "first"), Workspace(tmp_path / "second")
    first.write_table("a", table(5))
    second.write_table("a", table(6))
    found = first.read("a")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            first.discard()
    assert not first.folder.exists()
    assert found.equals(table(5)) and second.read("a").equals(table(6))
    Workspace(tmp_path / "third").discard()
    assert [path.name for path in tmp_path.iterdir()] == ["second"]


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


SMAPS = Path("/proc/self/smaps")


@pytest.mark.skipif(not SMAPS.exists(), reason="the system does not tell what is mapped")
def test_what_was_let_go_is_there_when_it_is_looked_at_again(tmp_path: Path) -> None:
    """So much of it that it takes many pages, which the process holds and then does not."""
    work, n = Workspace(tmp_path), 2_000_000
    work.write_table("a", pa.table({"n": pa.array(range(n))}))
    found = work.read("a")
    assert pc.sum(found["n"]).as_py() == n * (n - 1) // 2
    held = mapped(tmp_path)
    work.release()
    assert held >= 8 * n > 1000 * mapped(tmp_path)
    assert pc.sum(found["n"]).as_py() == n * (n - 1) // 2
    work.release()
    assert work.read("a").equals(found)


def mapped(folder: Path) -> int:
    """Bytes of main memory that this process holds of files in a folder."""
    total, inside = 0, False
    for line in SMAPS.read_text().splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            inside = str(folder) in rest
        elif name == "Rss:" and inside:
            total += int(rest.split()[0]) * 1024
    return total


def test_a_write_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    work = Workspace(tmp_path)
    work.write_table("a", table(1))

    def broken() -> Iterator[pa.RecordBatch]:
        yield from table(2).to_batches()
        raise KeyboardInterrupt

    for name in ("a", "b"):
        with pytest.raises(KeyboardInterrupt):
            work.write(name, SCHEMA, broken())
    assert work.read("a").equals(table(1))
    assert [path.name for path in tmp_path.iterdir()] == ["a.arrow"]


def test_columns_written_apart_come_back_side_by_side_or_not_at_all(tmp_path: Path) -> None:
    work, whole = Workspace(tmp_path), table(1, 2, 3)
    apart = {name: pa.schema([SCHEMA.field(name)]) for name in ("words", "n")}
    batches = [*whole.slice(0, 2).to_batches(), *whole.slice(2).to_batches()]

    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.write_apart(apart, broken())
    assert list(tmp_path.iterdir()) == []
    work.write_apart(apart, iter(batches))
    assert {path.stem for path in tmp_path.iterdir()} == {"words", "n"}
    columns = {name: work.read(name)[name] for name in SCHEMA.names}
    assert pa.table(columns, SCHEMA).equals(whole)
    assert [column.num_chunks for column in columns.values()] == [2, 2]


def test_a_kill_before_the_name_is_taken_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Workspace(tmp_path)
    work.note("a", {"n": 1})

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        work.note("a", {"n": 2})
    assert work.noted("a") == {"n": 1}
    assert work.notes("") == [{"n": 1}]  # what is half written has no such name
