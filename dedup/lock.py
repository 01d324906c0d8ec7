"""One process at a time changes an output.

Law: of all that ask for an output, one at a time has it, and no dead process keeps it. Whoever has
lost it is told at the next :meth:`Held.check`, and by the end at the latest.

On a local disk the operating system's advisory lock on ``OUT/.lock`` says who has it; it ends with
the process, however that ends. An object store has no such lock: there it is a lease, renewed
while the process lives and free for others once it has run out.

Leases are numbered objects under ``OUT/.lock``; the highest number counts. A number is only ever
taken by creating its object, which the store refuses to all but the first, and the highest is never
removed, not even when it is given back. So a process that slept through its lease finds a higher
number, and a lease that ran out passes to one successor, for which stores need no other condition
than "create only". The one writes its lease and then looks for a higher number, the other writes
the higher number and then looks whether the lease was renewed, so one of two sees the other however
their clocks differ; but clocks that differ by more than the lease take it from the living.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import socket
import threading
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from dedup.errors import BusyError, OutputError

NAME = ".lock"
"""What lies under an output for the lock: a file on a local disk, a folder on an object store."""

LEASE_SECONDS = 120.0
"""Life of a lease; it is renewed every third of it."""

_SETTLE_SECONDS = 1.0
"""Time for a rival's write to show, on a store that does not refuse to create what is there."""

_log = logging.getLogger(__name__)


class Held(Protocol):
    """An output that this process has to itself."""

    def check(self) -> None:
        """Make sure that this is still so, for a lease with all its life ahead.

        Raises
        ------
        BusyError
            When the output was lost to another, or may have been: nothing may be published.
        OutputError
            When the output cannot be reached to find out.
        """


@contextmanager
def locked(
    output: str | Path, purpose: str, wait: float = 0.0, lease_seconds: float = LEASE_SECONDS
) -> Iterator[Held]:
    """Have an output to oneself.

    Threads of one process exclude each other too, and who has the output cannot take it again.

    Parameters
    ----------
    output : str or Path
        The output folder, local (made when missing) or any fsspec URL.
    purpose : str
        What it is taken for; others are told.
    wait : float
        Seconds to wait for others to give it back.
    lease_seconds : float
        How long a dead process may keep others out of an object store.

    Raises
    ------
    BusyError
        When another has it, or at the end when it was lost meanwhile.
    OutputError
        When the output's storage cannot be locked.
    """
    fs, root = fsspec.url_to_fs(str(output))
    note = {
        "purpose": purpose,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    held: _FileLock | _Lease
    if isinstance(fs, LocalFileSystem):
        held = _FileLock(str(output), Path(root, NAME), note)
    else:
        held = _Lease(str(output), fs, f"{root}/{NAME}", note, lease_seconds)
    _take(held, wait)
    try:
        yield held
        held.check()
    finally:
        if os.getpid() == note["pid"]:  # a forked child that unwinds has nothing to give back
            held.release()


def _take(held: _FileLock | _Lease, wait: float) -> None:
    deadline = time.monotonic() + wait
    while (holder := held.take()) is not None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise BusyError(
                held.output,
                "no other process at work on it",
                holder,
                "run again once that has ended",
            )
        time.sleep(min(left, held.poll_seconds))


class _FileLock:
    """The operating system's lock on a local file."""

    poll_seconds = 0.2

    def __init__(self, output: str, path: Path, note: dict[str, Any]) -> None:
        self.output, self.path, self.note = output, path, note
        self.file: int | None = None

    def take(self) -> str | None:
        """Take the lock; or tell who has it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Never removed, as another may be about to lock what is removed.
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise _unusable(self.output, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(self.note).encode(), 0)
        except BlockingIOError:
            holder = _described(os.pread(file, 4096, 0))
            os.close(file)
            return holder
        except OSError as error:
            os.close(file)
            raise _unusable(self.output, error) from error
        self.file = file
        _LOCKS.add(self)
        return None

    def check(self) -> None:
        try:
            is_mine = self.file is not None and os.path.samestat(
                os.fstat(self.file), self.path.stat()
            )
        except FileNotFoundError:
            is_mine = False
        if not is_mine:
            raise _lost(self.output, f"{self.path} removed or replaced meanwhile")

    def release(self) -> None:
        if self.file is not None:
            os.ftruncate(self.file, 0)
            self.forget()

    def forget(self) -> None:
        """Close the file, which gives the lock back once no process has it open."""
        if self.file is not None:
            os.close(self.file)
            self.file = None


_LOCKS: weakref.WeakSet[_FileLock] = weakref.WeakSet()


def _forget_locks() -> None:
    for lock in list(_LOCKS):
        lock.forget()


# A forked child has its parent's file open, and would keep the lock when it outlives the parent.
os.register_at_fork(after_in_child=_forget_locks)


class _Lease:
    """A numbered object that says until when its owner has the output."""

    poll_seconds = 2.0

    def __init__(
        self, output: str, fs: AbstractFileSystem, folder: str, note: dict[str, Any], life: float
    ) -> None:
        self.output, self.fs, self.folder = output, fs, folder
        self.life = timedelta(seconds=life)
        self.note = {"owner": uuid.uuid4().hex, **note}
        self.number = 0
        self.expires = datetime.min.replace(tzinfo=UTC)
        self.lost: str | None = None
        self.mutex = threading.Lock()  # of number, expires, lost, and the object
        self.ended = threading.Event()

    def take(self) -> str | None:
        """Take the lease and keep renewing it; or tell who has it."""
        try:
            number, newest = self._newest()
            if newest and newest["expires"] and _instant(newest) > datetime.now(UTC):
                return _described(newest)
            self.number = number + 1
            rival = self._create() or self._renewed(number, newest)
            if rival is None:
                self._remove_older()
        except OutputError:
            raise
        except Exception as error:  # each storage has error types of its own
            raise _unusable(self.output, error) from error
        if rival is None:
            threading.Thread(target=self._keep, name="dedup-lease", daemon=True).start()
        return rival

    def check(self) -> None:
        try:
            self._renew()
        except Exception as error:  # each storage has error types of its own
            raise _unusable(self.output, error) from error
        if self.lost:
            raise _lost(self.output, self.lost)

    def release(self) -> None:
        self.ended.set()
        with self.mutex:
            if self.lost:
                return
            self.lost = "the lock given back"
            try:
                self._write(None)
            except Exception as error:  # it runs out by itself
                _log.warning("the lock of %s could not be given back: %s", self.output, error)

    def _create(self) -> str | None:
        """Create the object of this number; or tell whose it is."""
        failure: Exception | None = None
        expires = datetime.now(UTC) + self.life
        try:
            self._write(expires, mode="create")
        except Exception as error:  # it may be there all the same, if the answer was lost
            failure = error
        else:
            self._settle(expires)
        number, newest = self._newest()
        if newest is None or number < self.number:
            raise failure or OSError(f"what was written to {self.folder} is not there")
        if newest["owner"] != self.note["owner"]:
            return _described(newest)
        self.expires = expires
        return None

    def _renewed(self, number: int, seen: dict[str, Any] | None) -> str | None:
        """Who renewed the lease before this one after it was seen to have run out, if anyone."""
        before = self._read(number) if number else None
        if before is None or before == seen:
            return None
        self.fs.rm_file(self._path(self.number))
        return _described(before)

    def _settle(self, expires: datetime) -> None:
        """Let a rival's write show, if the store creates what is already there."""
        with suppress(Exception):
            self._write(expires, mode="create")
            message = "the storage of %s cannot keep out a process that starts in the same instant"
            _log.warning(message, self.output)
            time.sleep(_SETTLE_SECONDS)

    def _keep(self) -> None:
        while not self.ended.wait(self.life.total_seconds() / 3) and not self.lost:
            try:
                self._renew()
            except Exception as error:  # there is time to try again
                _log.warning("the lock of %s could not be renewed: %s", self.output, error)

    def _renew(self) -> None:
        with self.mutex:
            if self.lost:
                return
            now = datetime.now(UTC)
            if now < self.expires:
                self._write(now + self.life)
                self.expires = now + self.life
            else:
                self.lost = f"it not renewed before it ran out at {self.expires.isoformat()}"
            number, newest = self._newest()
            if number != self.number:
                self.lost = _described(newest) if newest else f"{self.folder} emptied"

    def _newest(self) -> tuple[int, dict[str, Any] | None]:
        """The highest number there is, and what its object says; 0 and None when there is none."""
        number = max((int(Path(path).stem) for path in self._objects()), default=0)
        newest = self._read(number) if number else None
        if number and newest is None:  # removed since, by the owner of a higher one
            return self._newest()
        return number, newest

    def _objects(self) -> list[str]:
        self.fs.invalidate_cache(self.folder)
        try:
            paths = self.fs.ls(self.folder, detail=False)
        except FileNotFoundError:
            return []
        return [path for path in paths if re.fullmatch(r"\d+\.json", Path(path).name)]

    def _read(self, number: int) -> dict[str, Any] | None:
        path = self._path(number)
        try:
            lease = json.loads(self.fs.cat_file(path))
            return {"owner": lease["owner"], "expires": lease["expires"], **lease}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                path, "a lease", "something else", "remove it, if no run is under way"
            ) from None

    def _write(self, expires: datetime | None, mode: str = "overwrite") -> None:
        lease = {**self.note, "expires": expires and expires.isoformat()}
        self.fs.pipe_file(self._path(self.number), json.dumps(lease).encode(), mode=mode)

    def _remove_older(self) -> None:
        for path in self._objects():
            if int(Path(path).stem) < self.number:
                with suppress(FileNotFoundError):
                    self.fs.rm_file(path)

    def _path(self, number: int) -> str:
        return f"{self.folder}/{number:012}.json"


def _instant(lease: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(lease["expires"])


def _described(note: bytes | dict[str, Any]) -> str:
    """Who has an output, by the note that is left there."""
    try:
        told = note if isinstance(note, dict) else json.loads(note)
        who = f"{told['purpose']}, process {told['pid']} on {told['host']} since {told['since']}"
    except (ValueError, KeyError, TypeError):  # it is being written
        return "another process"
    until = told.get("expires")
    return f"{who}, by a lease that runs out at {until} if it is not renewed" if until else who


def _lost(output: str, got: str) -> BusyError:
    return BusyError(output, "its lock kept from begin to end", got, "run again")


def _unusable(output: str, error: Exception) -> OutputError:
    found = getattr(error, "strerror", None) or " ".join(str(error).split())
    return OutputError(
        output,
        "storage that can be locked",
        found or type(error).__name__,
        "check that it can be reached and written to, or name a folder on another disk",
    )
