"""What this process may use of its machine.

Law: a limit that is set on the process counts, not what the machine has.
"""

from __future__ import annotations

import gc
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


def memory() -> int:
    """Bytes of main memory: the machine's, or less where a control group allows less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    groups = _GROUPS.read_text().splitlines() if _GROUPS.exists() else []
    return min([machine, *_limits(groups, _ROOT)])


def _limits(groups: list[str], root: Path) -> Iterator[int]:
    """Limits of the process's control groups and of those that they lie in.

    Parameters
    ----------
    groups : list of str
        Lines ``number:controllers:path``, as Linux has them in ``/proc/self/cgroup``.
    root : Path
        Where control groups are mounted. A container may see its own group there, by a path that
        leads nowhere in it.
    """
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if not controllers:  # version 2
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = base / path.strip("/")
        for folder in (own, *own.parents):
            file = folder / name
            if folder.is_relative_to(base) and file.exists():
                limit = file.read_text().strip()
                if limit != "max":
                    yield int(limit)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without searches for cycles, for imports: they make many objects, and nearly none is garbage.

    Afterwards all objects count as old, so that the next search does not look through them either.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        if collected:
            gc.enable()


def place_for_kernels() -> None:
    """See that compiled kernels have a place; to be called before Numba is needed.

    Numba keeps them in ``NUMBA_CACHE_DIR``, beside the sources or in the user's cache, and refuses
    to import a kernel when it can write to none of these: a read-only install under a user without
    a home. There they go to a folder of this user's under the system's temporary one.
    """
    # Told by hand: to ask Numba takes longer than all that a command needs to show its help.
    beside = str(Path(__file__).with_name("__pycache__"))
    users = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    places = [os.environ.get("NUMBA_CACHE_DIR", ""), beside, f"{users}/numba"]
    if any(_may_write(Path(place)) for place in places if place and place[0] != "~"):
        return
    folder = _private_folder()
    if folder:
        os.environ["NUMBA_CACHE_DIR"] = folder
        if "numba" in sys.modules:  # which has read its environment
            sys.modules["numba"].config.CACHE_DIR = folder


def _may_write(folder: Path) -> bool:
    """Whether files can be written to a folder, which need not exist yet."""
    # Unlike Path.exists, this says no where it may not look.
    nearest = next(filter(os.path.exists, (folder, *folder.absolute().parents)))
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _private_folder() -> str | None:
    """Temporary folder that is the same for all of this user's processes; None if there is none.

    What lies there is run, so it must be nobody else's.
    """
    import tempfile

    try:
        folder = Path(tempfile.gettempdir()) / f"dedup-kernels-{os.getuid()}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
        closed = not found.st_mode & 0o077
        if ours and closed:
            return str(folder)
        return tempfile.mkdtemp(prefix="dedup-kernels-")
    except OSError:
        return None
