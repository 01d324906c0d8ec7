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
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    counts = [group.num_rows for group in groups]
    return [
        Shard(
            file.url,
            position,
            sum(_stored_bytes(groups[group]) for group in run),
            file.version,
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
    step, done = min(settings.batch_rows, max(fitting, 1)), 0

    def batches(size: int) -> Iterator[pa.RecordBatch]:
        return parquet.iter_batches(size, [group], sorted(names), use_threads=False)

    try:
        for batch in batches(step):
            yield batch
            done += batch.num_rows
    except BROKEN:
        try:  # the piece that failed may begin with good rows
            yield from islice(batches(1), done, None)
        except BROKEN as error:
            yield error


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
        except BROKEN as error:
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


def _stored_bytes(group: pq.RowGroupMetaData) -> int:
    return sum(group.column(i).total_compressed_size for i in range(group.num_columns))
