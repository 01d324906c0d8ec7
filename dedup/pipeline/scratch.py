"""Where a run keeps its intermediate files, and whether there is room for them.

Law: a run that its disk could not hold is not begun; one that goes on needs only what is missing.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from dedup.errors import OutputError
from dedup.settings import Settings
from dedup.sources import Shard
from dedup.store import Store

LAYOUT = 2
"""Of a run's folder: raised with what its tables are, so that no run goes on from others."""

# Bytes of intermediate files for each byte of input, by whether that is compressed. Measured on
# made news at some seven kB an article of 3.6 kB: python tests/benchmarks/growth.py
_PER_BYTE, _PER_COMPRESSED_BYTE = 2.5, 6.0
_COMPRESSED = (".parquet", ".gz", ".zst")


def scratch(output: str | Path, settings: Settings) -> Path:
    """Folder that the runs' folders lie in: as set, beside a local output, or the system's."""
    if settings.scratch:
        return Path(settings.scratch).absolute()  # for workers elsewhere
    store = Store(output)
    return Path(store.root) / "work" if store.is_local else Path(tempfile.gettempdir())


def check_room(folder: Path, shards: Iterable[Shard]) -> None:
    """Make sure that there is room for the intermediate files of a run.

    Parameters
    ----------
    folder : Path
        Of the run; the one it lies in is made when missing.
    shards : iterable of Shard

    Raises
    ------
    OutputError
        When it cannot be written to, or its disk has less room than the run is likely to need
        beyond what it has written there.
    """
    base = folder.parent
    needed = sum(
        shard.size * (_PER_COMPRESSED_BYTE if shard.file.endswith(_COMPRESSED) else _PER_BYTE)
        for shard in shards
    )
    try:
        base.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(base).free
        needed -= sum(file.stat().st_size for file in folder.glob("*"))
    except OSError as error:
        raise OutputError(
            str(base),
            "a folder for intermediate files",
            error.strerror or str(error),
            "name another folder: --scratch FOLDER",
        ) from None
    if free < needed:
        raise OutputError(
            str(base),
            f"room for {needed / 1e9:.1f} GB of intermediate files",
            f"{free / 1e9:.1f} GB",
            "make room, or name a folder on a larger disk: --scratch FOLDER",
        )
