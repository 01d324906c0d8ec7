"""The one door in: any input read into articles and rejects, in bounded batches.

Law: every row of the inputs comes out once, as an article or as a reject with its reason; where
shards and batches are cut makes no difference to what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pyarrow as pa

from dedup.errors import InputError
from dedup.settings import Settings
from dedup.sources import csv, jsonl, parquet, rows, txt
from dedup.sources.files import File, format_of, locate, printable
from dedup.sources.inbox import Arrivals, InboxFile, new_files, read_ids, to_ledger
from dedup.sources.records import broken_off
from dedup.sources.rows import Batch, Fault
from dedup.sources.shards import Shard, fingerprint

__all__ = [
    "Arrivals",
    "Batch",
    "InboxFile",
    "Shard",
    "fingerprint",
    "new_files",
    "plan_new",
    "plan_shards",
    "read_ids",
    "read_shard",
    "table_batches",
    "to_ledger",
]

_TABULAR: dict[str | None, ModuleType] = {"csv": csv, "jsonl": jsonl, "parquet": parquet}
_PLANNERS = 8


def plan_shards(inputs: Sequence[str | Path], settings: Settings) -> list[Shard]:
    """Shards of everything the inputs name, in the order of file and row.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, folders (with all folders in them) and glob patterns; local paths or fsspec URLs.
        Parquet, JSON Lines, CSV and text files, known by their names' endings. Keys of Hive
        partitions (``source=CNN/``) are columns, unless the file has a column of that name.
        A file that several inputs name is read once; the order of inputs makes no difference.
    settings : Settings
        Of which the column names and ``shard_rows`` are used.

    Returns
    -------
    list of Shard
        Parquet is cut at row groups into runs of about ``shard_rows`` rows, text files of one
        folder into runs of files; any other file is one shard.

    Raises
    ------
    InputError
        When an input names nothing, is of unknown format, cannot be read at all, or has no usable
        id or text column.
    """
    if not inputs:
        raise InputError("inputs", "one at least", "none", "name a file, a folder or a pattern")
    return _planned(locate(inputs), lambda file, position: _plan(file, position, settings))


def plan_new(files: Sequence[InboxFile], settings: Settings) -> list[Shard]:
    """Shards of new files of an inbox, in the order of the files and their rows.

    A file that cannot be read at all, or has no usable id or text column, is a shard that says so:
    its rows are one reject, and the files beside it are not held up.

    Parameters
    ----------
    files : sequence of InboxFile
        As :func:`new_files` found them. Their checksums are the shards' versions.
    settings : Settings
        Of which the column names and ``shard_rows`` are used.

    Raises
    ------
    InputError
        When a file is gone, or could not be reached: a later try may read it.
    """

    def plan(file: File, position: int) -> list[Shard]:
        try:
            return _plan(file, position, settings)
        except InputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise
            fault = broken_off(file.url, None, error)
            return [Shard(file.url, position, file.size, file.version, fault=fault.detail)]

    return _planned([file.source() for file in files], plan)


def _plan(file: File, position: int, settings: Settings) -> list[Shard]:
    shards: list[Shard] = _TABULAR[format_of(file.url)].plan(file, position, settings)
    return shards


def _planned(files: Sequence[File], plan: Callable[[File, int], list[Shard]]) -> list[Shard]:
    numbered = [(file, position) for position, file in enumerate(files)]
    tabular = [entry for entry in numbered if format_of(entry[0].url) != "txt"]
    with ThreadPoolExecutor(_PLANNERS) as pool:  # remote files answer slowly
        shards = [shard for planned in pool.map(lambda e: plan(*e), tabular) for shard in planned]
    texts = [(position, file) for file, position in numbered if format_of(file.url) == "txt"]
    return sorted(shards + txt.plan(texts), key=lambda shard: shard.position)


def read_shard(shard: Shard, settings: Settings) -> Iterator[Batch]:
    """Articles and rejects of a shard, batch by batch, in the order of its rows.

    Parameters
    ----------
    shard : Shard
        As :func:`plan_shards` made it with settings of the same column names.
    settings : Settings
        Of which the column names and ``batch_rows`` are used.

    Yields
    ------
    Batch
        Of at most ``batch_rows`` rows and, unless one article is larger, of about
        ``rows.BATCH_BYTES`` of text.

    Raises
    ------
    InputError
        When the file can no longer be opened.
    """
    if shard.fault is not None:
        yield rows.rejected([Fault(printable(shard.file), None, None, "unreadable", shard.fault)])
        return
    reader = txt if shard.texts else _TABULAR[format_of(shard.file)]
    yield from reader.read(shard, settings)


def table_batches(table: pa.Table, settings: Settings) -> Iterator[Batch]:
    """Articles and rejects of an Arrow table in memory; their ``file`` is "table".

    Raises
    ------
    InputError
        When the table has no usable id or text column.
    """
    rows.check_columns("table", table.schema.names, settings)
    rows.check_types("table", table.schema, settings)
    first_row = 0
    for piece in table.to_batches(max_chunksize=settings.batch_rows):
        yield from rows.arrow_batches(piece, "table", first_row, {}, settings)
        first_row += piece.num_rows
