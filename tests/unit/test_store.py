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

from dedup.errors import DedupError, OutputError, RunError
from dedup.schemas import OUTPUT_TABLES, REJECTS, table_name
from dedup.state.files import StateFiles
from dedup.store import Kept, Store, read


@pytest.fixture(params=["local", "memory"])
def output(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if request.param == "local":
        yield str(tmp_path / "out")
        return
    url = f"memory://{uuid.uuid4().hex}/out"
    yield url
    fsspec.filesystem("memory").rm(url.removeprefix("memory://").partition("/")[0], recursive=True)


def tables(run_id: str) -> dict[str, pa.Table]:
    """Tables of a run; its id stands in one of them."""
    made = {table_name(schema): schema.empty_table() for schema in OUTPUT_TABLES}
    made["rejects"] = rejects([run_id])
    return made


def rejects(details: list[str]) -> pa.Table:
    row = {"row": 1, "article_id": None, "reason": "null_id", "file": "f"}
    return pa.Table.from_pylist([{**row, "detail": detail} for detail in details], REJECTS)


def publish(output: str, run_id: str, keep_runs: int = 5) -> dict[str, Any]:
    store = Store(output)
    store.check()
    parts = {name: {"part-00000": table} for name, table in tables(run_id).items()}
    return store.publish(run_id, parts, {"counts": {"rows": 1}}, keep_runs)


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


def test_parts_are_read_in_the_order_of_their_names(output: str) -> None:
    named = {"2024-01-02": ["c"], "2024-01-01": ["b", "a"], "2024-01-10": ["d"]}
    parts = {name: rejects(details) for name, details in named.items()}
    manifest = Store(output).publish("r1", {"rejects": parts}, {}, 1)
    store = Store(output)
    assert read(output).rejects["detail"].to_pylist() == ["b", "a", "c", "d"]
    paths = store.parts("r1", "rejects")
    assert paths == [f"rejects/{name}.parquet" for name in sorted(named)]
    assert store.read_part("r1", paths[1])["detail"].to_pylist() == ["c"]
    assert sum(file["rows"] for file in manifest["files"]) == 4
    for file in manifest["files"]:
        assert file["bytes"] == store.fs.size(f"{store.folder('r1')}/{file['path']}")


def test_a_table_without_parts_is_empty(output: str) -> None:
    Store(output).publish("r1", {"rejects": {}}, {}, 1)
    found = read(output)
    for schema in OUTPUT_TABLES:
        assert getattr(found, table_name(schema)).equals(schema.empty_table())
    assert Store(output).parts("r1", "rejects") == []


def test_a_kept_part_is_neither_read_nor_written(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Store(output).publish("r1", {"rejects": {"a": rejects(["1"])}}, {}, 2)
    store = Store(output)
    for name in ("open", "cat_file"):
        original = getattr(type(store.fs), name)

        def refused(*args: Any, original: Any = original, **named: Any) -> Any:
            assert not args[1].endswith("parquet")
            return original(*args, **named)

        monkeypatch.setattr(type(store.fs), name, refused)
    second = store.publish("r2", {"rejects": {"b": Kept("r1", "rejects/a.parquet")}}, {}, 2)
    monkeypatch.undo()
    assert second["files"] == [{**first["files"][0], "path": "rejects/b.parquet"}]
    assert read(output).rejects["detail"].to_pylist() == ["1"]
    if store.is_local:
        first_part = Path(store.folder("r1"), "rejects/a.parquet")
        assert first_part.samefile(Path(store.folder("r2"), "rejects/b.parquet"))
    store.publish("r3", {"rejects": {"c": Kept("r2", "rejects/b.parquet")}}, {}, 1)
    assert Store(output).runs() == ["r3"]
    assert read(output).rejects["detail"].to_pylist() == ["1"]


def test_a_kept_part_is_copied_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refused)
    store = Store(tmp_path / "out")
    store.publish("r1", {"rejects": {"a": rejects(["1"])}}, {}, 2)
    store.publish("r2", {"rejects": {"a": Kept("r1", "rejects/a.parquet")}}, {}, 2)
    assert read(tmp_path / "out").rejects["detail"].to_pylist() == ["1"]
    one, other = (Path(store.folder(run_id), "rejects/a.parquet") for run_id in ("r1", "r2"))
    assert not one.samefile(other)


def test_a_kept_part_must_be_there(output: str) -> None:
    store = Store(output)
    store.publish("r1", {"rejects": {"a": rejects(["1"])}}, {}, 2)
    for kept in (Kept("r1", "rejects/b.parquet"), Kept("r0", "rejects/a.parquet")):
        with pytest.raises(DedupError, match=r"r[01]"):
            store.publish("r2", {"rejects": {"a": kept}}, {}, 2)
    store.fs.rm_file(f"{store.folder('r1')}/rejects/a.parquet")
    with pytest.raises(RunError, match=r"r1/rejects/a\.parquet"):
        store.publish("r2", {"rejects": {"a": Kept("r1", "rejects/a.parquet")}}, {}, 2)
    assert store.latest() == "r1"


def test_a_damaged_part_stays_noticed_when_it_is_kept(output: str) -> None:
    store = Store(output)
    store.publish("r1", {"rejects": {"a": rejects(["1"])}}, {}, 2)
    store.fs.pipe_file(f"{store.folder('r1')}/rejects/a.parquet", b"?")
    store.publish("r2", {"rejects": {"a": Kept("r1", "rejects/a.parquet")}}, {}, 2)
    with pytest.raises(RunError, match=r"r2/rejects/a\.parquet"):
        read(output).loaded()


def test_state_is_published_with_its_run(output: str) -> None:
    publish(output, "r1")
    name = StateFiles(output).write("texts", rejects(["x"]))
    given = {"files": [name], "newest": "2024-01-01T00:00:00Z", "counts": {"a": [1, 2.5, None]}}
    Store(output).publish("r2", {}, {}, 5, given)
    store = Store(output)
    assert store.state("r1") is None
    assert store.state("r2") == given
    with pytest.raises(OutputError, match="r1, r2"):
        store.state("r0")
    path = f"{store.folder('r2')}/state.json"
    content = store.fs.cat_file(path)
    store.fs.pipe_file(path, content.replace(b"2.5", b"2.4"))
    with pytest.raises(RunError, match=r"r2/state\.json.*--rebuild"):
        store.state("r2")
    store.fs.rm_file(path)
    with pytest.raises(RunError, match=r"r2/state\.json.*--rebuild"):
        store.state("r2")


def test_state_must_name_files_that_are_there(output: str) -> None:
    publish(output, "r1")
    with pytest.raises(RunError, match=r"state/texts-0\.arrow"):
        Store(output).publish("r2", {}, {}, 5, {"files": ["texts-0.arrow"]})
    assert Store(output).runs() == ["r1"]


def test_state_files_go_with_the_last_run_that_names_them(output: str) -> None:
    def names() -> set[str]:
        store = Store(output)
        return {Path(name).name for name in store.fs.ls(f"{store.root}/state", detail=False)}

    files, written = StateFiles(output), []
    for number in range(1, 6):
        written.append(files.write("texts", rejects([str(number)])))
        stray = files.write("stray", rejects([str(number)]))
        assert stray in names()
        state = {"files": written[-2:]}  # its own and the one before
        Store(output).publish(f"r{number}", {}, {}, 2, state)
        assert names() == set(written[-3:])
    Store(output).publish("r6", {}, {}, 1, {"files": written[:0]})
    assert names() == set()


def test_nothing_is_removed_that_a_damaged_run_may_need(output: str) -> None:
    store, files = Store(output), StateFiles(output)
    names = [files.write("texts", rejects([str(number)])) for number in range(2)]
    store.publish("r1", {}, {}, 2, {"files": names[:1]})
    store.fs.pipe_file(f"{store.folder('r1')}/state.json", b"{}")
    kept = files.write("texts", rejects(["2"]))
    store.publish("r2", {}, {}, 2, {"files": [kept]})
    assert files.read(names[0]).num_rows == 1
    store.publish("r3", {}, {}, 2, {"files": [kept]})  # r1 goes, and with it the doubt
    found = store.fs.ls(f"{store.root}/state", detail=False)
    assert [Path(name).name for name in found] == [kept]


def test_a_batch_run_leaves_the_state_of_kept_runs(output: str) -> None:
    name = StateFiles(output).write("texts", rejects(["x"]))
    Store(output).publish("r1", {}, {}, 2, {"files": [name]})
    publish(output, "r2", keep_runs=2)
    assert StateFiles(output).read(name).num_rows == 1
    publish(output, "r3", keep_runs=2)
    assert list(Store(output).fs.ls(f"{Store(output).root}/state", detail=False)) == []


def test_runs_stay_when_the_link_to_the_latest_is_lost(output: str) -> None:
    for run_id in ("r1", "r2"):
        publish(output, run_id)
    store = Store(output)
    store.fs.rm_file(f"{store.root}/latest{'' if store.is_local else '.json'}")
    assert store.runs() == ["r1", "r2"]
    publish(output, "r3")
    assert store.runs() == ["r1", "r2", "r3"]


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
    assert Store(output).runs() == []
    publish(output, "r1")


def test_an_output_may_hold_state_work_and_locks(output: str) -> None:
    publish(output, "r1")
    store = Store(output)
    for name in ("state/a.arrow", "work/dedup-1/x.json", ".lock", ".lock.json"):
        store.fs.makedirs(f"{store.root}/{name}".rpartition("/")[0], exist_ok=True)
        store.fs.pipe_file(f"{store.root}/{name}", b"")
    Store(output).check()


def test_an_unknown_kind_of_url_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="nowhere"):
        Store("nowhere://bucket/out")


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
        read(output).loaded()
    store.fs.pipe_file(path, whole[: len(whole) // 2])
    with pytest.raises(RunError, match=name):
        read(output).loaded()
    store.fs.rm_file(path)
    with pytest.raises(RunError, match=name):
        read(output).loaded()
    if another is not None:  # a good file of another run, with as many rows
        with store.fs.open(path, "wb") as sink:
            pa.parquet.write_table(another, sink)
        with pytest.raises(RunError, match=name):
            read(output).loaded()
    store.fs.pipe_file(path, whole)
    assert latest(output) == "r1"


def test_a_damaged_manifest_is_noticed(output: str) -> None:
    publish(output, "r1")
    store = Store(output)
    store.fs.pipe_file(f"{store.folder('r1')}/run.json", b'{"run_id": "r1", "fil')
    with pytest.raises(RunError, match=r"run\.json"):
        read(output)
