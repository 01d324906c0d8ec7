"""State files: named by what they hold, mapped, and whole or an error."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from dedup.errors import RunError
from dedup.ragged import Ragged
from dedup.state.files import StateFiles


class Place:
    """An output and where its state files are mapped from."""

    def __init__(self, output: str, cache: Path) -> None:
        self.output, self.cache = output, cache
        self.fs, root = fsspec.url_to_fs(output)
        self.state = f"{root}/state"
        self.is_local = "://" not in output
        self.mapped = Path(self.state) if self.is_local else cache

    @property
    def files(self) -> StateFiles:
        return StateFiles(self.output, self.cache)

    def names(self) -> set[str]:
        return {Path(name).name for name in self.fs.ls(self.state, detail=False)}


@pytest.fixture(params=["local", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "local":
        yield Place(str(tmp_path / "out"), tmp_path / "cache")
        return
    bucket = uuid.uuid4().hex
    fsspec.filesystem("memory").makedirs(f"/{bucket}/out/state")
    yield Place(f"memory://{bucket}/out", tmp_path / "cache")
    fsspec.filesystem("memory").rm(f"/{bucket}", recursive=True)


SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), metadata={"description": "an id"}),
        ("tokens", pa.large_list(pa.uint64())),
        ("text", pa.large_string()),
    ]
)


def table(rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, 2**63, rng.integers(0, 9)).tolist() for _ in range(rows)]
    ids = [f"a{row}" for row in range(rows)]
    return pa.table({"id": ids, "tokens": lists, "text": ids}, SCHEMA)


def test_what_is_written_is_read(place: Place) -> None:
    for rows in (0, 1, 1000):
        given = table(rows)
        name = place.files.write("texts", given)
        found = place.files.read(name)
        assert found.equals(given)
        assert found.schema.equals(SCHEMA, check_metadata=True)
        place.files.verify(name)
    assert not any(name.startswith(".") for name in place.names())


def test_a_name_says_what_is_in_the_file(place: Place, tmp_path: Path) -> None:
    given = table(50)
    name = place.files.write("texts", given)
    assert place.files.write("texts", given) == name
    assert StateFiles(tmp_path / "elsewhere").write("texts", given) == name
    chunks = pa.concat_tables([given.slice(0, 20), given.slice(20)])
    assert place.files.write("texts", chunks) == name  # however it lies in memory
    others = {
        place.files.write("texts", table(50, seed=1)),
        place.files.write("texts", given.slice(1)),
        place.files.write("counts", given),
    }
    assert len(others | {name}) == 4 and place.names() == others | {name}


def test_columns_are_mapped_without_a_copy(place: Place) -> None:
    """Also those that came in many chunks, cut at different places."""
    parts = [table(rows, seed) for seed, rows in enumerate((3, 0, 500, 497))]
    given = pa.concat_tables(parts)
    whole = place.files.write("texts", given)
    before = pa.total_allocated_bytes()
    found = place.files.read(whole)
    lists = Ragged.of(found["tokens"])
    assert lists.values.base is not None and not lists.values.flags.owndata
    assert pa.total_allocated_bytes() == before
    assert [column.num_chunks for column in found.columns] == [1, 1, 1]
    assert lists.values.tolist() == [value for row in given["tokens"].to_pylist() for value in row]


def test_a_file_outlives_its_removal_while_mapped(place: Place) -> None:
    name = place.files.write("texts", table(100))
    found = place.files.read(name)
    shutil.rmtree(place.mapped)
    assert found.equals(table(100))


@pytest.mark.parametrize("call", ["read", "verify"])
def test_a_missing_file_is_named_with_the_mend(place: Place, call: str) -> None:
    with pytest.raises(RunError, match=r"state/texts-0\.arrow.*--rebuild"):
        getattr(place.files, call)("texts-0.arrow")


def test_a_damaged_file_is_noticed(place: Place) -> None:
    name = place.files.write("texts", table(100))
    path = place.mapped / name
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-1], b"x" * len(whole)):
        path.write_bytes(damaged)
        for call in (place.files.read, place.files.verify):
            with pytest.raises(RunError, match=name):
                call(name)
    flipped = bytearray(whole)
    for at in (0, len(whole) // 2, len(whole) - 1):
        flipped[at] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(RunError, match=name):
            place.files.verify(name)
    path.write_bytes(whole)
    place.files.verify(name)


class Stopped(BaseException):
    """What nothing catches."""


def test_a_stopped_write_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise Stopped

    place.files.write("texts", table(1))
    before = place.names()
    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(Stopped):
        place.files.write("texts", table(2))
    monkeypatch.undo()
    assert {path.name for path in place.mapped.iterdir()} == before


def remote(tmp_path: Path) -> Place:
    return Place(f"memory://{uuid.uuid4().hex}/out", tmp_path / "cache")


def test_a_remote_file_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = remote(tmp_path)
    name = place.files.write("texts", table(10))
    shutil.rmtree(place.cache)
    fetched = []
    original = type(place.fs).get_file

    def counted(fs: Any, remote: str, *args: Any, **named: Any) -> Any:
        fetched.append(remote)
        return original(fs, remote, *args, **named)

    monkeypatch.setattr(type(place.fs), "get_file", counted)
    for _ in range(3):
        assert place.files.read(name).equals(table(10))
    assert fetched == [f"{place.state}/{name}"]
    place.files.write("texts", table(11))  # what is written here need not be fetched
    assert place.files.read(place.files.write("texts", table(11))).num_rows == 11
    assert len(fetched) == 1


def test_a_damaged_fetch_is_noticed_and_not_kept(tmp_path: Path) -> None:
    place = remote(tmp_path)
    name = place.files.write("texts", table(10))
    shutil.rmtree(place.cache)
    content = bytearray(place.fs.cat_file(f"{place.state}/{name}"))
    content[len(content) // 2] ^= 1
    place.fs.pipe_file(f"{place.state}/{name}", bytes(content))
    for _ in range(2):
        with pytest.raises(RunError, match=rf"state/{name}.*--rebuild"):
            place.files.read(name)
    assert list(place.cache.iterdir()) == []


def test_stale_files_leave_the_cache_and_not_the_output(place: Place) -> None:
    names = [place.files.write("texts", table(rows)) for rows in range(3)]
    place.files.keep(names[:1])
    assert place.names() == set(names)
    if not place.is_local:
        assert {path.name for path in place.cache.iterdir()} == {names[0]}
    assert [place.files.read(name).num_rows for name in names] == [0, 1, 2]
    StateFiles(place.output, place.cache / "none").keep([])


def test_each_output_has_a_cache_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outputs = [f"memory://{uuid.uuid4().hex}/out" for _ in range(2)]
    for output in outputs:
        StateFiles(output).write("texts", table(1))
    assert len(list(tmp_path.iterdir())) == 2
    for output in outputs:
        StateFiles(output).keep([])
    assert [list(path.iterdir()) for path in tmp_path.iterdir()] == [[], []]
