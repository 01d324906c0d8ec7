"""The one door in: any input read into articles and rejects, in bounded batches.

Law: every row of the inputs comes out once, as an article or as a reject with its reason; where
shards and batches are cut makes no difference to what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pyarrow as pa

from dedup.errors import InputError
from dedup.settings import Settings
from dedup.sources import csv, jsonl, parquet, rows, txt
from dedup.sources.files import File, format_of, locate
from dedup.sources.rows import Batch
from dedup.sources.shards import Shard, fingerprint

__all__ = ["Batch", "Shard", "fingerprint", "plan_shards", "read_shard", "table_batches"]

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
    files = list(enumerate(locate(inputs)))
    tabular = [entry for entry in files if format_of(entry[1].url) != "txt"]

    def plan(entry: tuple[int, File]) -> list[Shard]:
        position, file = entry
        return _TABULAR[format_of(file.url)].plan(file, position, settings)

    with ThreadPoolExecutor(_PLANNERS) as pool:  # remote files answer slowly
        shards = [shard for planned in pool.map(plan, tabular) for shard in planned]
    shards += txt.plan([entry for entry in files if format_of(entry[1].url) == "txt"])
    return sorted(shards, key=lambda shard: shard.position)


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
