"""What a command costs: its whole tree of processes, watched from outside.

Law: nothing that a command started escapes: what outlives its parent comes to the watcher, is
waited for, and counts. Linux only (`/proc`). One command at a time in one process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

_MEMORY_SECONDS, _FOLDER_SECONDS = 0.02, 0.25
"""Between two samples of memory, and of a folder's size, which is dearer."""

_PROPORTIONAL_SECONDS = 1.0
"""Between two samples of proportional memory, for which the kernel walks every page."""

_GRACE_SECONDS = 10.0
"""For what is left of the tree to end by itself once the command has."""

_PR_SET_CHILD_SUBREAPER = 36


class Cost(NamedTuple):
    """What a command cost.

    Attributes
    ----------
    status : int
        Exit status; negative for a signal.
    seconds : float
        By the wall clock, until the command itself ended.
    cpu_seconds : float
        User and system seconds of all its processes.
    peak_rss : int
        Bytes resident, summed over the processes alive at one time: the largest of samples 20 ms
        apart, and no less than the kernel's own high-water mark of any one process. Pages that
        processes share count once for each; so do pages of mapped files.
    peak_pss : int
        The same with shared pages divided among those who share them (proportional set size);
        sampled once a second or less often, so a short peak may be missed; 0 where a command was
        shorter.
    peak_anonymous : int
        Bytes of `peak_rss`'s kind that are no pages of files: what the kernel cannot drop.
    written : int
        Bytes given to the kernel to write.
    peak_folder : int
        Largest size on disk of the watched folder, sampled every quarter of a second or, where
        it has many files, less often; 0 without.
    """

    status: int
    seconds: float
    cpu_seconds: float
    peak_rss: int
    peak_pss: int
    peak_anonymous: int
    written: int
    peak_folder: int


def measured(
    command: Sequence[str | Path],
    folder: Path | None = None,
    timeout: float | None = None,
    **started: Any,
) -> Cost:
    """Run a command to its end and tell what it cost.

    Parameters
    ----------
    command : sequence of str or Path
    folder : Path, optional
        Folder whose size is watched; it may come into being later.
    timeout : float, optional
        Seconds after which the command and all it started are killed.
    **started
        Further arguments of `subprocess.Popen`: ``cwd``, ``env``, ``stdout``, ``stderr``.

    Raises
    ------
    subprocess.TimeoutExpired
        When it was killed for its time.
    OSError
        When it cannot be started.
    """
    _adopt_orphans()
    others = set(_children(os.getpid()))
    began = time.perf_counter()
    child = subprocess.Popen([str(word) for word in command], **started)
    watch = _Watch(others, folder)
    try:
        while not _ended(child.pid):
            watch.sample()
            if timeout is not None and time.perf_counter() - began > timeout:
                raise subprocess.TimeoutExpired(child.args, timeout)
            time.sleep(_MEMORY_SECONDS)
        seconds = time.perf_counter() - began
        watch.sample()
        child.returncode, cpu_seconds = watch.reap(child.pid)
        return watch.cost(child.returncode, seconds, cpu_seconds + watch.orphans(_GRACE_SECONDS))
    finally:
        if child.returncode is None:
            child.kill()
            child.wait()
        watch.orphans(0.0)


class _Watch:
    """Largest figures so far of the processes that this one has besides `others`."""

    def __init__(self, others: set[int], folder: Path | None) -> None:
        self._others, self._folder = others, folder
        self._due = {"folder": 0.0, "Pss": time.perf_counter() + _PROPORTIONAL_SECONDS}
        self._peaks = dict.fromkeys(("VmRSS", "RssAnon", "Pss", "folder"), 0)
        self._written = 0

    def sample(self) -> None:
        processes = list(self._tree())
        found = [_fields(pid, "status") for pid in processes]
        for name in ("VmRSS", "RssAnon"):
            self._raise(name, sum(memory.get(name, 0) for memory in found))
        self._raise("VmRSS", max((memory.get("VmHWM", 0) for memory in found), default=0))
        self._seldom("Pss", _PROPORTIONAL_SECONDS, lambda: _proportional(processes))
        if self._folder:
            self._seldom("folder", _FOLDER_SECONDS, partial(size, self._folder))

    def reap(self, pid: int) -> tuple[int, float]:
        """Status of a process that has ended, and CPU seconds of it and of those it waited for."""
        self._written += _written(pid)
        _, status, usage = os.wait4(pid, 0)
        return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime

    def orphans(self, grace: float) -> float:
        """CPU seconds of what outlived its parent, once it has ended or been killed."""
        cpu_seconds, deadline = 0.0, time.perf_counter() + grace
        while left := [pid for pid in _children(os.getpid()) if pid not in self._others]:
            late = time.perf_counter() >= deadline
            for pid in left:
                if _ended(pid):
                    cpu_seconds += self.reap(pid)[1]
                elif late:
                    os.kill(pid, signal.SIGKILL)
            self.sample()
            time.sleep(_MEMORY_SECONDS)
        return cpu_seconds

    def cost(self, status: int, seconds: float, cpu_seconds: float) -> Cost:
        peaks = self._peaks
        memory = peaks["VmRSS"], peaks["Pss"], peaks["RssAnon"]
        return Cost(status, seconds, cpu_seconds, *memory, self._written, peaks["folder"])

    def _tree(self) -> Iterator[int]:
        waiting = [pid for pid in _children(os.getpid()) if pid not in self._others]
        while waiting:
            pid = waiting.pop()
            yield pid
            waiting += _children(pid)

    def _raise(self, name: str, value: int) -> None:
        self._peaks[name] = max(self._peaks[name], value)

    def _seldom(self, name: str, every: float, look: Callable[[], int]) -> None:
        began = time.perf_counter()
        if began < self._due[name]:
            return
        self._raise(name, look())
        # What takes long is done less often, so that watching does not slow what is watched.
        now = time.perf_counter()
        self._due[name] = now + max(every, 20 * (now - began))


def size(folder: Path) -> int:
    """Bytes that a folder's files take on disk; 0 when there is none."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:  # gone between listing and looking
            continue
    return total


def machine() -> str:
    """What the figures were measured on: cores, their model, and memory."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    count = len(os.sched_getaffinity(0))
    return f"{count} cores of {next(models, 'unknown model')}, {memory / 1e9:.0f} GB"


def _adopt_orphans() -> None:
    """Become the parent of processes whose own has ended."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children(pid: int) -> list[int]:
    """Of every thread of the process; none when it is gone."""
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _ended(pid: int) -> bool:
    """Whether a child has ended; it can still be looked at."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _proportional(processes: Sequence[int]) -> int:
    return sum(_fields(pid, "smaps_rollup").get("Pss", 0) for pid in processes)


def _fields(pid: int, file: str) -> dict[str, int]:
    """What a file of `/proc` says in kB, in bytes; nothing when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    words = (line.split() for line in lines if line.endswith(" kB"))
    return {line[0].rstrip(":"): int(line[-2]) * 1024 for line in words}


def _written(pid: int) -> int:
    """Bytes that a process that has ended, and those it waited for, gave to `write`."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))
