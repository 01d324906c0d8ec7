"""Parquet.

Law: a row group is read in bounded pieces; a damaged one costs its own rows from the damage on,
and no row of another, so where shards are cut makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from dedup.settings import Settings
from dedup.sources import rows
from dedup.sources.files import File, open_file, partition_keys, printable
from dedup.sources.records import BROKEN, broken_off, damaged
from dedup.sources.rows import Batch, column_names
from dedup.sources.shards import Shard

_READ_BYTES = 4 * 2**20
"""Bytes read from storage at a time, so that a large column chunk is never held whole."""


def plan(file: File, position: int, settings: Settings) -> list[Shard]:
    """Shards of runs of row groups, each of about ``settings.shard_rows`` rows.

    Raises
    ------
    InputError
        When the footer cannot be read, or the columns do not fit.
    """
    with _opened(file.url) as parquet:
        schema, metadata = parquet.schema_arrow, parquet.metadata
    keys = partition_keys(file.url).keys() - set(schema.names)
    rows.check_columns(file.url, [*schema.names, *sorted(keys)], settings)
    rows.check_types(file.url, schema, settings)
    counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    if sum(counts) != metadata.num_rows:
        raise damaged(file.url, EOFError("row groups do not add up to the file's rows"))
    # Bytes by share of rows: to ask a damaged footer for a column's size ends the process.
    return [
        Shard(
            file.url,
            position,
            size=file.size * sum(counts[run.start : run.stop]) // max(metadata.num_rows, 1),
            version=file.version,
            first_row=sum(counts[: run.start]),
            row_groups=tuple(run),
        )
        for run in _runs(counts, settings.shard_rows)
    ]


def read(shard: Shard, settings: Settings) -> Iterator[Batch]:
    """Batches of the articles and rejects of the shard's row groups."""
    row, keys = shard.first_row, partition_keys(shard.file)
    with _opened(shard.file) as parquet:
        for group in shard.row_groups or ():
            end = row + parquet.metadata.row_group(group).num_rows
            for piece in _pieces(parquet, group, settings):
                if isinstance(piece, Exception):
                    fault = broken_off(printable(shard.file), row, piece)
                    lost = f"rows {row} to {end - 1} are lost: {fault.detail}"
                    yield rows.rejected([fault._replace(detail=lost)])
                else:
                    yield from rows.arrow_batches(piece, shard.file, row, keys, settings)
                    row += piece.num_rows
            row = end


def _pieces(
    parquet: pq.ParquetFile, group: int, settings: Settings
) -> Iterator[pa.RecordBatch | Exception]:
    """Record batches of a row group, and the error where it breaks off."""
    names = set(column_names(settings).values()).intersection(parquet.schema_arrow.names)
    stored = parquet.metadata.row_group(group)
    fitting = rows.BATCH_BYTES * stored.num_rows // max(stored.total_byte_size, 1)
    step = min(settings.batch_rows, max(fitting, 1))
    broken: Exception = EOFError(f"the row group ends before its {stored.num_rows} rows")
    done = 0
    for size in (step, 1):  # where a piece fails, its first rows may be read one by one
        pieces = parquet.iter_batches(size, [group], sorted(names), use_threads=False)
        try:
            for piece in islice(pieces, done, None):
                yield piece
                done += piece.num_rows
            break
        except BROKEN as error:
            broken = error
    if done < stored.num_rows:
        yield broken


@contextmanager
def _opened(url: str) -> Iterator[pq.ParquetFile]:
    with open_file(url) as source:
        try:
            parquet = pq.ParquetFile(
                source,
                buffer_size=_READ_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
                coerce_int96_timestamp_unit="us",  # nanoseconds overflow silently before 1678
            )
        except (*BROKEN, UnicodeDecodeError) as error:
            raise damaged(url, error) from error
        yield parquet


def _runs(counts: Sequence[int], shard_rows: int) -> Iterator[range]:
    """Runs of row groups that together hold at most `shard_rows` rows, or are one row group."""
    begin = held = 0
    for group, count in enumerate(counts):
        if held and held + count > shard_rows:
            yield range(begin, group)
            begin, held = group, 0
        held += count
    yield range(begin, len(counts))
