"""Workspace: a file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

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
    assert [note["n"] for note in work.notes("part-")] == [1, 2, 10]
    assert work.noted("part-002") == {"n": 2}
    assert work.noted("part-003") is None


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


def test_a_kill_before_the_name_is_taken_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Workspace(tmp_path)
    work.note("a", {"n": 1})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        work.note("a", {"n": 2})
    assert work.noted("a") == {"n": 1}
    assert work.notes("") == [{"n": 1}]  # what is half written has no such name
