"""The lock: one process at a time changes an output, and no dead one keeps it."""

from __future__ import annotations

import importlib.util
import json
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from dedup import lock
from dedup.errors import BusyError, OutputError
from dedup.lock import locked

HOLDS = """
import sys, time
from dedup.lock import locked
with locked(sys.argv[1], purpose="cluster_new", lease_seconds=float(sys.argv[2])):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""
"""A process that says when it has the output, and gives it back after a while."""

HAS_S3 = all(importlib.util.find_spec(name) for name in ("s3fs", "moto", "flask"))
S3 = pytest.param("s3", marks=pytest.mark.skipif(not HAS_S3, reason="s3fs, moto[server] missing"))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of an S3-compatible store on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").clear_instance_cache()
        fsspec.filesystem("s3").mkdir("press")
        yield "press"
        fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


@pytest.fixture(params=["memory", S3])
def store(request: pytest.FixtureRequest) -> str:
    """An output on an object store."""
    name = uuid.uuid4().hex
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('bucket')}/{name}"
    return f"memory://{name}/out"


@pytest.fixture(params=["local", "memory", S3])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name = uuid.uuid4().hex
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('bucket')}/{name}"
    return str(tmp_path / "out") if request.param == "local" else f"memory://{name}/out"


def holding(output: str, lease_seconds: float, seconds: float) -> subprocess.Popen[str]:
    """Another process, once it has the output."""
    command = [sys.executable, "-c", HOLDS, output, str(lease_seconds), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def leases(output: str) -> dict[int, dict[str, Any]]:
    fs, root = fsspec.url_to_fs(output)
    fs.invalidate_cache()
    return {int(Path(p).stem): json.loads(fs.cat_file(p)) for p in fs.ls(f"{root}/.lock", False)}


def eventually(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_comes_second_is_told_who_came_first(output: str) -> None:
    with locked(output, purpose="cluster_new") as held:
        held.check()
        with pytest.raises(BusyError) as busy, locked(output, purpose="rebuild"):
            pytest.fail("both have it")
        held.check()
    assert busy.value.subject == output
    assert busy.value.exit_status == 1
    found = busy.value.got
    assert "cluster_new" in found
    assert f"process {os.getpid()} on {socket.gethostname()} since 20" in found
    with locked(output, purpose="rebuild") as held:
        held.check()


def test_it_is_given_back_when_the_work_fails(output: str) -> None:
    with pytest.raises(ZeroDivisionError), locked(output, purpose="a"):
        _ = 1 // 0
    with locked(output, purpose="b"):
        pass


def test_of_many_threads_one_has_it(output: str) -> None:
    inside, most, count = 0, 0, 0

    def work() -> None:
        nonlocal inside, most, count
        with locked(output, purpose="thread", wait=60):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            count += 1
            inside -= 1

    with pytest.MonkeyPatch.context() as patch:
        for held in (lock._FileLock, lock._Lease):
            patch.setattr(held, "poll_seconds", 0.01)
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (most, count) == (1, 5)


def test_outputs_do_not_hinder_one_another(tmp_path: Path) -> None:
    with locked(tmp_path / "a", purpose="a"), locked(tmp_path / "b", purpose="b") as held:
        held.check()


@pytest.mark.parametrize("kind", ["local", S3])
def test_another_process_is_kept_out_until_it_is_dead(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    output, life = str(tmp_path / "out"), 3.0
    if kind == "s3":
        output = f"s3://{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}"
    process = holding(output, life, seconds=60)
    try:
        with pytest.raises(BusyError, match=f"process {process.pid} on"), locked(output, "b"):
            pytest.fail("both have it")
        time.sleep(life * 1.3 if kind == "s3" else 0)
        with pytest.raises(BusyError), locked(output, "b"):
            pytest.fail("a living process lost it")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with locked(output, "b", wait=life * 2 if kind == "s3" else 0) as held:
        held.check()


def test_who_waits_gets_it_when_it_is_given_back(tmp_path: Path) -> None:
    process = holding(str(tmp_path), 120, seconds=0.5)
    with locked(tmp_path, "b", wait=30) as held:
        held.check()
    assert process.wait() == 0


def test_who_waits_in_vain_is_told(tmp_path: Path) -> None:
    with locked(tmp_path, "a"):
        begun = time.monotonic()
        with pytest.raises(BusyError), locked(tmp_path, "b", wait=0.3):
            pytest.fail("both have it")
        assert 0.3 <= time.monotonic() - begun < 5


def _sleep(started: Any) -> None:
    started.set()
    time.sleep(60)


def test_a_child_that_outlives_its_parent_does_not_keep_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = context.Event()
    with locked(tmp_path, "parent") as held:
        child = context.Process(target=_sleep, args=(started,))
        child.start()
        started.wait()
        held.check()  # the child's end of it is not the parent's
        with pytest.raises(BusyError), locked(tmp_path, "b"):
            pytest.fail("both have it")
    try:
        with locked(tmp_path, "b") as held:
            held.check()
    finally:
        child.kill()
        child.join()


def test_a_lock_that_is_removed_is_lost(tmp_path: Path) -> None:
    with pytest.raises(BusyError, match="removed"), locked(tmp_path, "a") as held:  # noqa: PT012
        (tmp_path / lock.NAME).unlink()
        with locked(tmp_path, "b") as other:
            other.check()
            with pytest.raises(BusyError, match="removed"):
                held.check()


def test_a_folder_that_cannot_be_locked_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), locked(tmp_path / "file", "a"):
        pytest.fail("a file is no folder")

    def unsupported(file: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with pytest.raises(OutputError, match="No locks available"), locked(tmp_path, "a"):
        pytest.fail("not locked")


def test_a_lease_is_renewed(store: str) -> None:
    with locked(store, "a", lease_seconds=1.5):
        [first] = leases(store).values()
        eventually(lambda: leases(store)[1]["expires"] > first["expires"])
        time.sleep(1.5)
        with pytest.raises(BusyError), locked(store, "b"):
            pytest.fail("both have it")


def test_numbers_of_leases_only_grow(store: str) -> None:
    for number in range(1, 4):
        with locked(store, "a"):
            assert list(leases(store)) == [number]
        assert leases(store)[number]["expires"] is None


def test_a_lease_that_ran_out_passes_on_and_its_owner_is_told(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock._Lease, "_keep", lambda lease: None)  # a process that sleeps
    with (  # noqa: PT012
        pytest.raises(BusyError) as told,
        locked(store, "sleeper", lease_seconds=1) as held,
    ):
        held.check()
        time.sleep(1.1)
        with locked(store, "successor") as successor:
            successor.check()
            with pytest.raises(BusyError):
                held.check()
        # What the successor did stays, so to the sleeper its own lease is no longer the last.
        with pytest.raises(BusyError, match="successor"):
            held.check()
    assert "successor" in told.value.got
    with locked(store, "next"):
        assert list(leases(store)) == [3]


def test_a_lease_that_ran_out_is_lost_even_if_no_one_took_it(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock._Lease, "_keep", lambda lease: None)
    with pytest.raises(BusyError, match="ran out"), locked(store, "a", lease_seconds=0.1):
        time.sleep(0.2)


def test_of_two_that_take_over_at_once_one_has_it(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other saw the same lease run out, and comes between the look and the write."""
    create = lock._Lease._create
    rivals: list[Any] = []

    def late(lease: lock._Lease) -> str | None:
        if not rivals:
            rivals.append(locked(store, "rival"))
            rivals[0].__enter__().check()
        return create(lease)

    monkeypatch.setattr(lock._Lease, "_create", late)
    with pytest.raises(BusyError, match="rival"), locked(store, "a"):
        pytest.fail("both have it")
    assert not rivals[0].__exit__(None, None, None)


def test_a_lease_that_is_renewed_after_all_is_left_to_its_owner(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner's clock is behind: it renews what others have seen run out."""
    create = lock._Lease._create
    with locked(store, "owner", lease_seconds=60) as held:
        fs, root = fsspec.url_to_fs(store)
        [path] = fs.ls(f"{root}/.lock", False)
        past = leases(store)[1] | {"expires": "2026-01-01T00:00:00+00:00"}
        fs.pipe_file(path, json.dumps(past).encode())

        def late(lease: lock._Lease) -> str | None:
            held._write(held.expires)  # type: ignore[attr-defined]
            return create(lease)

        monkeypatch.setattr(lock._Lease, "_create", late)
        with pytest.raises(BusyError, match="owner"), locked(store, "b"):
            pytest.fail("both have it")
        held.check()


def test_an_answer_that_is_lost_loses_no_lease(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that repeats a write whose answer it never got is refused its own."""
    write = lock._Lease._write

    def twice(lease: lock._Lease, expires: Any, mode: str = "overwrite") -> None:
        write(lease, expires, mode)
        if mode == "create":
            write(lease, expires, mode)

    monkeypatch.setattr(lock._Lease, "_write", twice)
    with locked(store, "a") as held:
        held.check()


class Careless(MemoryFileSystem):
    """A store that creates what is there, and answers some later than others."""

    protocol = "careless"

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        time.sleep(float(json.loads(value)["purpose"]))
        super().pipe_file(path, value)


def test_a_store_that_refuses_nothing_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fsspec.register_implementation("careless", Careless, clobber=True)
    monkeypatch.setattr(lock, "_SETTLE_SECONDS", 0.6)
    output, kept = f"careless://{uuid.uuid4().hex}", []

    def work(delay: str) -> None:
        try:
            with locked(output, purpose=delay) as held:
                time.sleep(1)
                held.check()
                kept.append(held)
        except BusyError:
            pass

    delays = ("0", "0.15", "0.2")
    threads = [threading.Thread(target=work, args=(delay,)) for delay in delays]
    with caplog.at_level(logging.WARNING, "dedup.lock"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(kept) == 1
    assert "same instant" in caplog.text


@pytest.mark.skipif(not HAS_S3, reason="s3fs, moto[server] missing")
def test_s3_refuses_to_create_what_is_there(bucket: str) -> None:
    fs, path = fsspec.url_to_fs(f"s3://{bucket}/{uuid.uuid4().hex}")
    fs.pipe_file(path, b"first", mode="create")
    with pytest.raises(OSError):  # noqa: PT011
        fs.pipe_file(path, b"second", mode="create")
    assert fs.cat_file(path) == b"first"


def test_a_store_out_of_reach_is_a_clear_error(
    store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = lock._Lease._write
    with locked(store, "a", lease_seconds=60) as held:

        def broken(lease: lock._Lease, expires: Any, mode: str = "overwrite") -> None:
            raise RuntimeError("connection reset")

        monkeypatch.setattr(lock._Lease, "_write", broken)
        with pytest.raises(OutputError, match="connection reset"):
            held.check()
        monkeypatch.setattr(lock._Lease, "_write", write)
        held.check()


def test_a_damaged_lease_is_a_clear_error() -> None:
    output = f"memory://{uuid.uuid4().hex}"
    fs, root = fsspec.url_to_fs(output)
    fs.pipe_file(f"{root}/.lock/000000000001.json", b"{}")
    with pytest.raises(OutputError, match="remove it"), locked(output, "a"):
        pytest.fail("who has it is not known")
