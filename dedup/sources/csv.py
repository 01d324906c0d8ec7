"""CSV with a header.

Law: a row is a record after the header that is not a blank line, however many lines its quoted
values take; one that is malformed costs itself only.

The standard library's parser is used and not Arrow's, whose reader loses up to a block of good
rows where a stream breaks off, cannot say which row is not UTF-8, and ends at a value that is
longer than its block.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from dedup.settings import Settings
from dedup.sources.files import File, open_stream, partition_keys, printable
from dedup.sources.records import BROKEN, Record, broken_off, damaged, record_batches
from dedup.sources.rows import Batch, Fault, check_columns, column_names
from dedup.sources.shards import Shard

# For the whole process, as the standard library has it. Its default of 131,072 characters is
# below the longest articles; some limit is wanted for a quote that is never closed.
csv.field_size_limit(2**28)


def plan(file: File, position: int, settings: Settings) -> list[Shard]:
    """One shard, once the header was seen to hold the columns.

    Raises
    ------
    InputError
        When the header cannot be read, or has no column of the id's or the text's name.
    """
    with _opened(file.url) as text:
        try:
            header = next(_parsed(text), None)
        except BROKEN as error:
            raise damaged(file.url, error) from error
    if header is not None:
        fields = header[1] if isinstance(header[1], list) else [header[1]]
        keys = partition_keys(file.url).keys() - set(fields)
        check_columns(file.url, [*fields, *sorted(keys)], settings)
    return [Shard(file.url, position, file.size, file.version)]


def read(shard: Shard, settings: Settings) -> Iterator[Batch]:
    """Batches of the file's articles and rejects."""
    with _opened(shard.file) as text:
        yield from record_batches(_records(text, shard.file, settings), settings)


@contextmanager
def _opened(url: str) -> Iterator[TextIO]:
    with (
        open_stream(url) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        yield text


def _records(text: TextIO, url: str, settings: Settings) -> Iterator[Record | Fault]:
    file, constants, row = printable(url), partition_keys(url), 0
    names = column_names(settings).values()
    try:
        parsed = _parsed(text)
        _, header = next(parsed, (0, ""))
        for line, fields in parsed:
            if isinstance(fields, str):
                yield Fault(file, row, None, "bad_row", f"line {line}: {fields}")
            elif len(fields) != len(header):
                found = f"line {line} has {len(fields)} fields, the header has {len(header)}"
                yield Fault(file, row, None, "bad_row", found)
            else:
                value = constants | dict(zip(header, fields, strict=True))
                size = sum(map(len, fields))
                yield Record(file, row, size, [value.get(name) for name in names])
            row += 1
    except BROKEN as error:
        yield broken_off(file, row, error)


def _parsed(text: TextIO) -> Iterator[tuple[int, list[str] | str]]:
    """The line each record begins in, with its fields or with what is wrong with it."""
    ended = False

    def lines() -> Iterator[str]:
        nonlocal ended
        yield from text
        ended = True

    reader = csv.reader(lines())
    while True:
        begin = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield begin, str(error)
            continue
        if ended:  # the parser ends a record at a line's end, unless a quote is open
            yield begin, "a quote is opened and never closed"
        elif fields:
            yield begin, fields
