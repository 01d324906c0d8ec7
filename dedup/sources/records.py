"""Rows that are parsed one by one.

Law: what is wrong with one row costs that row only; a stream that breaks off keeps the rows
before the break.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from dedup.errors import InputError
from dedup.schemas import ARTICLES
from dedup.settings import Settings
from dedup.sources import rows
from dedup.sources.files import printable
from dedup.sources.rows import Batch, Fault, column_names

BROKEN = (OSError, EOFError, zlib.error, pa.ArrowException)
"""What reading a damaged file raises."""


class Record(NamedTuple):
    """A row as parsed; `values` are strings or null, in the order of ``column_names``."""

    file: str
    row: int
    size: int
    values: Sequence[str | None]


def record_batches(items: Iterable[Record | Fault], settings: Settings) -> Iterator[Batch]:
    """Batches of ``settings.batch_rows`` rows, cut short where they reach ``rows.BATCH_BYTES``."""
    records: list[Record] = []
    faults: list[Fault] = []
    size = 0
    for item in items:
        if isinstance(item, Fault):
            faults.append(item)
        else:
            records.append(item)
            size += item.size
        if len(records) + len(faults) == settings.batch_rows or size >= rows.BATCH_BYTES:
            yield _batch(records, faults, settings)
            records, faults, size = [], [], 0
    if records or faults:
        yield _batch(records, faults, settings)


def broken_off(file: str, row: int | None, error: Exception) -> Fault:
    """The reject that stands for all rows from `row` on, or for a file; they cannot be read.

    Raises
    ------
    Exception
        The error itself where it tells of the way to the file and not of the file: a later try
        may read it whole.
    """
    cause = error.__cause__ or error
    of_the_file = (*BROKEN, InputError, UnicodeDecodeError)
    if isinstance(cause, ConnectionError | TimeoutError) or not isinstance(cause, of_the_file):
        raise error
    return Fault(file, row, None, "unreadable", printable(" ".join(str(error).split())))


def damaged(file: str, error: Exception) -> InputError:
    """The error for a file of which nothing can be read."""
    found = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        printable(file), "an undamaged file", printable(found), "replace it or leave it out"
    )


def _batch(records: list[Record], faults: list[Fault], settings: Settings) -> Batch:
    columns = {
        role: _strings([record.values[i] for record in records])
        for i, role in enumerate(column_names(settings))
    }
    columns["row"] = pa.array([record.row for record in records], ARTICLES.field("row").type)
    columns["file"] = pa.array([record.file for record in records], ARTICLES.field("file").type)
    return rows.checked(pa.RecordBatch.from_pydict(columns), faults)


def _strings(values: list[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.large_string())
    except UnicodeEncodeError:
        # Escaped bytes and lone surrogates become bytes that are not UTF-8, for the check to see.
        raw = [v if v is None else v.encode("utf-8", "surrogatepass") for v in values]
        return pa.array(raw, pa.large_binary())
