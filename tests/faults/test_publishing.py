"""Publishing, killed at every step: output and state are of the run before or of this one.

Each hour of a small incremental run publishes parts of its own, parts kept from the hour before,
and state. On a local disk a process of its own is ended at its n-th change of the disk, as the
interpreter itself reports them, for every n; half of what a write was given is written. Elsewhere
every change from the n-th on is refused.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileOpener
from fsspec.implementations.memory import MemoryFileSystem
from object_store import served

from dedup.schemas import CLUSTERS, REJECTS
from dedup.state.files import StateFiles
from dedup.store import Kept, Store, read

HOURS = 3  # that a run has: the oldest is forgotten


def clusters(hour: int) -> pa.Table:
    texts = dict.fromkeys(("article_id", "cluster_id", "story_id", "lead_id", "relation"), "x")
    numbers = dict.fromkeys(("jaccard", "containment", "lead_containment"), 1.0)
    counts = dict.fromkeys(("cluster_size", "shingles", "template_shingles"), 1)
    row = {**texts, **numbers, **counts, "is_lead": True, "article_id": str(hour)}
    return pa.Table.from_pylist([row], CLUSTERS)


def rejects(hours: list[int]) -> pa.Table:
    row = {"row": 1, "reason": "null_id", "file": "f"}
    return pa.Table.from_pylist([{**row, "detail": str(hour)} for hour in hours], REJECTS)


def texts(hour: int) -> pa.Table:
    return pa.table({"text": [f"what came at {hour}"]})


def later(hours: list[int], hour: int) -> list[int]:
    return [*hours, hour][-HOURS:]


def publish(output: str, hour: int, keep_runs: int) -> None:
    """One run, which goes on from the latest."""
    store, run_id = Store(output), f"r{hour:03}"
    parts: dict[str, pa.Table | Kept] = {}
    hours, files = [hour], [StateFiles(output).write("texts", texts(hour))]
    if store.runs():
        latest = store.latest()
        state = store.state(latest)
        assert state is not None
        if run_id != latest:
            hours = later(state["hours"], hour)
            files = [*state["files"], *files][-HOURS:]
        for path in store.parts(latest, "clusters"):
            parts[Path(path).stem] = Kept(latest, path)
    kept = {f"{old:03}": parts[f"{old:03}"] for old in hours[:-1]}
    tables = {
        "clusters": {**kept, f"{hour:03}": clusters(hour)},
        "rejects": {"part-00000": rejects(hours)},
        "summary": {},
    }
    state = {"run_id": run_id, "hours": hours, "files": files}
    store.publish(run_id, tables, {"hours": hours}, keep_runs, state)


def published(output: str, run_id: str | None = None) -> list[int]:
    """Hours of a run, which its tables, its state and the files of it agree on."""
    store = Store(output)
    run_id = run_id or store.latest()
    found, state = read(output, run_id), store.state(run_id)
    assert state is not None
    hours: list[int] = state["hours"]
    assert found.info["run_id"] == state["run_id"] == run_id
    assert found.info["hours"] == hours
    assert found.clusters["article_id"].to_pylist() == [str(hour) for hour in hours]
    assert found.rejects["detail"].to_pylist() == [str(hour) for hour in hours]
    files = StateFiles(output)
    for hour, name in zip(hours, state["files"], strict=True):
        files.verify(name)
        assert files.read(name).equals(texts(hour))
    return hours


def assert_clean(output: str, keep_runs: int) -> None:
    """Nothing lies there but the kept runs and what they name."""
    store = Store(output)
    runs = store.runs()
    assert len(runs) == keep_runs and runs[-1] == store.latest()
    expected = {"latest" if store.is_local else "latest.json"}
    for run_id in runs:
        state = store.state(run_id)
        assert state is not None
        paths = [file["path"] for file in store.manifest(run_id)["files"]]
        expected |= {f"runs/{run_id}/{path}" for path in (*paths, "run.json", "state.json")}
        expected |= {f"state/{name}" for name in state["files"]}
    if store.is_local:  # links followed by nobody, hidden names and empty folders too
        found = {
            path.relative_to(output).as_posix()
            for path in Path(output).rglob("*")
            if path.is_symlink() or not path.is_dir() or not any(path.iterdir())
        } - {f"runs/{run_id}/summary" for run_id in runs}  # a table without parts
    else:
        store.fs.invalidate_cache()
        found = {name.removeprefix(f"{store.root}/") for name in store.fs.find(store.root)}
    assert found == expected


Kill = Callable[[Callable[[], None], int], bool]
"""Do something, killed at a step; whether it came so far."""

_CHANGES = {"os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir"}


def kill_process(action: Callable[[], None], step: int) -> bool:
    """In a process of its own, which ends at its n-th change of the disk."""
    child = os.fork()
    if not child:
        try:
            _end_at(step)
            action()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def _end_at(step: int) -> None:
    count = 0

    def is_last() -> bool:
        nonlocal count
        count += 1
        return count > step

    def hook(event: str, args: tuple[Any, ...]) -> None:
        opens = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)
        if (opens or event in _CHANGES) and is_last():
            os._exit(9)

    def write(file: Any, content: bytes) -> int:
        if file.f.tell() == 0 and is_last():  # what follows in the same file is no other case
            file.f.write(memoryview(content)[: len(content) // 2])
            file.f.flush()
            os._exit(9)
        return int(file.f.write(content))

    LocalFileOpener.write = write
    sys.addaudithook(hook)


class Killed(Exception):
    """The process is gone, as far as the store can tell."""


def kill_memory(action: Callable[[], None], step: int) -> bool:
    """With every change from the n-th on refused."""
    count = 0

    def counted(original: Any) -> Any:
        def call(fs: Any, path: Any, *args: Any, **named: Any) -> Any:
            nonlocal count
            reads = original.__name__ == "open" and "r" in (*args, "rb")[0]
            count += not reads
            if count > step and not reads:
                raise Killed
            return original(fs, path, *args, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("makedirs", "open", "pipe_file", "put_file", "cp_file", "rm", "rm_file"):
            patch.setattr(MemoryFileSystem, name, counted(getattr(MemoryFileSystem, name)))
        with contextlib.suppress(Killed):
            action()
    return count > step


def kill_s3(action: Callable[[], None], step: int) -> bool:
    """With every request that changes something, from the n-th on, refused."""
    client = pytest.importorskip("aiobotocore.client").AioBaseClient
    count, original = 0, client._make_api_call

    async def call(self: Any, operation: str, parameters: Any) -> Any:
        nonlocal count
        if not operation.startswith(("Get", "Head", "List")):
            count += 1
            if count > step:
                raise Killed
        return await original(self, operation, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_make_api_call", call)
        with contextlib.suppress(Killed):
            action()
    return count > step


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Kill]]:
    """An output with two runs, and how to kill a process that publishes to it."""
    name = uuid.uuid4().hex
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if request.param == "local":
        output, kill = str(tmp_path / "out"), kill_process
    elif request.param == "memory":
        output, kill = f"memory://{name}/out", kill_memory
    else:
        output, kill = f"{request.getfixturevalue('bucket')}/{name}", kill_s3
    for hour in (1, 2):
        publish(output, hour, keep_runs=2)
    assert_clean(output, keep_runs=2)
    yield output, kill
    if request.param == "memory":
        MemoryFileSystem().rm(f"/{name}", recursive=True)


@pytest.mark.parametrize(
    ("place", "then", "keep_runs"),
    [
        ("local", "the same run", 2),
        ("local", "the next run", 1),
        ("memory", "the same run", 1),
        ("memory", "the next run", 2),
        ("s3", "the next run", 2),  # a second or two a step
    ],
    indirect=["place"],
)
def test_a_kill_at_any_step_of_publishing(
    place: tuple[str, Kill], then: str, keep_runs: int
) -> None:
    output, kill = place
    hour, seen, before = 2, set(), published(output)
    for step in range(200):
        hour += 1
        if not kill(partial(publish, output, hour, keep_runs), step):
            break
        # As another process finds it: the one run or the other, in tables and in state.
        for run_id in Store(output).runs():
            after = published(output, run_id)
        assert Store(output).latest() == run_id
        assert after in (before, later(before, hour))
        seen.add(after == before)
        hour += then == "the next run"
        publish(output, hour, keep_runs)
        before = published(output)
        assert before == (after if after[-1] == hour else later(after, hour))
        assert_clean(output, keep_runs)
    print(step, "steps")
    assert published(output) == later(before, hour)
    assert seen == {True, False}  # kills before the switch and after it
    # State file, two parts and two kept ones, state, manifest, switch, run and state file removed.
    assert step >= 10
