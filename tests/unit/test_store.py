"""The store: one complete run or the one before it, never a mixture."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from dedup.errors import OutputError, RunError
from dedup.schemas import OUTPUT_TABLES, REJECTS, table_name
from dedup.store import Store, read


@pytest.fixture(params=["local", "memory"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "out")
        return
    url = f"memory://{uuid.uuid4().hex}/out"
    yield url
    fsspec.filesystem("memory").rm(url.removeprefix("memory://").partition("/")[0], recursive=True)


def tables(run_id: str) -> dict[str, pa.Table]:
    """Tables of a run; its id stands in one of them."""
    made = {table_name(schema): schema.empty_table() for schema in OUTPUT_TABLES}
    row = {"row": 1, "article_id": None, "reason": "null_id", "detail": run_id, "file": "f"}
    made["rejects"] = pa.Table.from_pylist([row], REJECTS)
    return made


def publish(output: str, run_id: str, keep_runs: int = 5) -> dict[str, Any]:
    store = Store(output)
    store.check()
    return store.publish(run_id, tables(run_id), {"counts": {"rows": 1}}, keep_runs)


def latest(output: str) -> str:
    """Id of the latest run, which its manifest and its tables agree on."""
    found = read(output)
    assert found.rejects["detail"].to_pylist() == [found.info["run_id"]]
    assert Store(output).latest() == found.info["run_id"]
    return str(found.info["run_id"])


def test_what_is_published_is_read(output: str) -> None:
    manifest = publish(output, "r1")
    found = read(output)
    assert found.info == manifest
    assert manifest["counts"] == {"rows": 1}
    assert {file["path"].partition("/")[0] for file in manifest["files"]} == set(tables("r1"))
    for name, table in tables("r1").items():
        assert getattr(found, name).equals(table)
        assert getattr(found, name).schema.field(0).metadata  # descriptions come along


def test_the_latest_run_is_read_and_earlier_ones_are_kept(output: str) -> None:
    for run_id in ("r1", "r2", "r3", "r4"):
        publish(output, run_id, keep_runs=3)
        assert latest(output) == run_id
    assert Store(output).runs() == ["r2", "r3", "r4"]
    assert read(output, "r2").info["run_id"] == "r2"
    with pytest.raises(OutputError, match="r2, r3, r4"):
        read(output, "r1")
    publish(output, "r5", keep_runs=1)
    assert Store(output).runs() == ["r5"]


def test_a_local_latest_is_a_link_and_a_remote_one_is_named(output: str) -> None:
    publish(output, "r1")
    store = Store(output)
    if store.is_local:
        assert os.readlink(f"{output}/latest") == "runs/r1"
        assert Path(output, "latest", "run.json").exists()
    else:
        assert json.loads(store.fs.cat_file(f"{store.root}/latest.json")) == {"run_id": "r1"}


# Whatever changes the file system; the store calls nothing else that does.
_LOCAL_STEPS = [
    *((LocalFileSystem, name) for name in ("makedirs", "open", "pipe_file", "rm", "rm_file")),
    (os, "replace"),
    (Path, "symlink_to"),
]
_MEMORY_STEPS = [
    (MemoryFileSystem, name) for name in ("makedirs", "open", "pipe_file", "rm", "rm_file")
]


class Killed(BaseException):
    """What nothing catches."""


def kill_at(step: int, steps: list[tuple[Any, str]], patch: pytest.MonkeyPatch) -> None:
    """Let the steps before this one happen, and no other after."""
    count = 0

    def counted(original: Any) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            return original(*args, **named)

        return call

    for owner, name in steps:
        patch.setattr(owner, name, counted(getattr(owner, name)))


def test_a_kill_at_any_step_leaves_a_complete_run(output: str) -> None:
    publish(output, "r00")
    publish(output, "r01", keep_runs=2)
    steps = _LOCAL_STEPS if Store(output).is_local else _MEMORY_STEPS
    before, killed, seen = "r01", 0, set()
    for step in range(100):
        run_id = f"r{step + 2:02}"
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, steps, patch)
            try:
                publish(output, run_id, keep_runs=2)
            except Killed:
                killed += 1
            else:
                break
        # As if another process came after.
        after = latest(output)
        assert after in (before, run_id)
        seen.add(after == run_id)
        assert all(read(output, known).info["run_id"] == known for known in Store(output).runs())
        publish(output, f"{run_id}-next", keep_runs=2)
        before = latest(output)
        assert before == f"{run_id}-next"
    assert latest(output) == run_id
    # Each table is made, written and read; the manifest, the name, the pointer and the pruning.
    assert killed > 3 * len(OUTPUT_TABLES)
    assert seen == {True, False}  # kills before the switch and after it


def test_a_killed_publish_can_be_tried_again(output: str) -> None:
    publish(output, "r00")
    steps = _LOCAL_STEPS if Store(output).is_local else _MEMORY_STEPS
    for step in range(100):
        run_id = f"r{step + 1:02}"
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, steps, patch)
            try:
                publish(output, run_id, keep_runs=2)
            except Killed:
                pass
            else:
                break
        manifest = publish(output, run_id, keep_runs=2)
        assert latest(output) == run_id
        assert read(output).info == manifest
    assert step > 3 * len(OUTPUT_TABLES)


def test_what_a_killed_run_left_is_cleared(output: str) -> None:
    steps = _LOCAL_STEPS if Store(output).is_local else _MEMORY_STEPS
    for step in (8, 12, 16):
        with pytest.MonkeyPatch.context() as patch:
            kill_at(step, steps, patch)
            with pytest.raises(Killed):
                publish(output, f"r{step:02}")
    publish(output, "r99", keep_runs=1)
    store = Store(output)
    assert [Path(name).name for name in store.fs.ls(f"{store.root}/runs", detail=False)] == ["r99"]


def test_a_foreign_folder_is_refused(output: str) -> None:
    store = Store(output)
    store.fs.makedirs(store.root)
    store.fs.pipe_file(f"{store.root}/thesis.txt", b"mine")
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        store.check()
    assert store.fs.cat_file(f"{store.root}/thesis.txt") == b"mine"
    assert len(store.fs.ls(store.root, detail=False)) == 1


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for path in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(OutputError):
            Store(path).check()
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The file system's own refusal: permissions do not bind an administrator.
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalFileSystem, "pipe_file", refused)
    with pytest.raises(OutputError, match="Permission denied"):
        Store(tmp_path / "out").check()


def test_reading_nothing(output: str) -> None:
    with pytest.raises(OutputError):
        read(output)
    Store(output).check()
    with pytest.raises(OutputError):
        read(output)
    publish(output, "r1")


@pytest.mark.parametrize("name", [table_name(schema) for schema in OUTPUT_TABLES])
def test_a_damaged_file_is_noticed(output: str, name: str) -> None:
    publish(output, "r1")
    store = Store(output)
    path = f"{store.folder('r1')}/{name}/part-00000.parquet"
    whole = store.fs.cat_file(path)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    another = tables("r2")["rejects"] if name == "rejects" else None
    store.fs.pipe_file(path, bytes(flipped))
    with pytest.raises(RunError, match=name):
        read(output)
    store.fs.pipe_file(path, whole[: len(whole) // 2])
    with pytest.raises(RunError, match=name):
        read(output)
    store.fs.rm_file(path)
    with pytest.raises(RunError, match=name):
        read(output)
    if another is not None:  # a good file of another run, with as many rows
        with store.fs.open(path, "wb") as sink:
            pa.parquet.write_table(another, sink)
        with pytest.raises(RunError, match=name):
            read(output)
    store.fs.pipe_file(path, whole)
    assert latest(output) == "r1"


def test_a_damaged_manifest_is_noticed(output: str) -> None:
    publish(output, "r1")
    store = Store(output)
    store.fs.pipe_file(f"{store.folder('r1')}/run.json", b'{"run_id": "r1", "fil')
    with pytest.raises(RunError, match=r"run\.json"):
        read(output)
