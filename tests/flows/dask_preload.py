"""Preloaded by Dask's workers in `test_dask`: what they make is written down, and some are held.

Each file that a worker puts in its place under ``WATCHED/out`` goes by its name into
``WATCHED/made.txt``. The first worker about to put a file in place whose name begins like that of
a file in ``WATCHED/hold`` takes that one away, as ``WATCHED/held/PID``, and waits to be killed.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("WATCHED", ""))  # read without it when doctests are looked for

replace = os.replace


def watched(source: Any, target: Any, **given: Any) -> None:
    """Rename, as `os.replace`."""
    made = Path(target)
    if made.is_relative_to(FOLDER / "out"):
        for hold in (FOLDER / "hold").iterdir():
            if made.name.startswith(hold.name):
                with suppress(FileNotFoundError):  # another worker was first
                    hold.rename(FOLDER / "held" / str(os.getpid()))
                    time.sleep(600)
        with (FOLDER / "made.txt").open("a") as names:
            names.write(f"{made.name}\n")
    replace(source, target, **given)


def dask_setup(worker: Any) -> None:
    """Called by the worker when it starts."""
    os.replace = watched
