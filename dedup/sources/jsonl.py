"""JSON Lines.

Law: a row is a line that is not blank; each is parsed alone, so a bad one costs itself only.

Arrow's own JSON reader is not used: that of version 26 ends the process with a segmentation
fault on a line that holds ``null``, and on news text it is at most twice as fast.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO

from dedup.settings import Settings
from dedup.sources.files import File, open_stream, partition_keys, printable
from dedup.sources.records import BROKEN, Record, broken_off, damaged, record_batches
from dedup.sources.rows import Batch, Fault, check_columns, column_names
from dedup.sources.shards import Shard

_PEEKED_LINES = 100
_BOM = b"\xef\xbb\xbf"

# Not strict: control characters that are not escaped are common in scrapes, and harmless.
_parse = json.JSONDecoder(strict=False).decode


def plan(file: File, position: int, settings: Settings) -> list[Shard]:
    """One shard, once the first lines were seen to hold the columns.

    Raises
    ------
    InputError
        When not one line can be read, or none of the first 100 has the id's or the text's key.
    """
    peeked: list[list[str]] = []
    with open_stream(file.url) as stream:
        try:
            for line in islice(_lines(stream), _PEEKED_LINES):
                parsed = _parsed(line)
                peeked.append(list(parsed) if isinstance(parsed, dict) else [])
        except BROKEN as error:
            if not peeked:
                raise damaged(file.url, error) from error
    keys = dict.fromkeys(key for line_keys in peeked for key in line_keys)
    if keys:
        check_columns(file.url, [*(partition_keys(file.url) | keys)], settings)
    return [Shard(file.url, position, file.size, file.version)]


def read(shard: Shard, settings: Settings) -> Iterator[Batch]:
    """Batches of the file's articles and rejects."""
    with open_stream(shard.file) as stream:
        yield from record_batches(_records(stream, shard.file, settings), settings)


def _records(stream: BinaryIO, url: str, settings: Settings) -> Iterator[Record | Fault]:
    file, constants = printable(url), partition_keys(url)
    names = column_names(settings)
    row = 0
    try:
        for line in _lines(stream):
            yield _record(line, file, row, names, constants)
            row += 1
    except BROKEN as error:
        yield broken_off(file, row, error)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    for number, line in enumerate(stream):
        line = line if number else line.removeprefix(_BOM)
        if line and not line.isspace():
            yield line


def _parsed(line: bytes) -> Any:
    """Value of a line of JSON, or the error that says why it is none."""
    try:
        return _parse(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        return error


def _record(
    line: bytes, file: str, row: int, names: Mapping[str, str], constants: Mapping[str, str | None]
) -> Record | Fault:
    parsed = _parsed(line)
    if not isinstance(parsed, dict):
        return Fault(file, row, None, *_why_no_object(line, parsed))
    values = {role: parsed.get(name, constants.get(name)) for role, name in names.items()}
    article_id, text, published_at = values["article_id"], values["text"], values["published_at"]
    strings = {role: _as_string(value) for role, value in values.items()}
    if strings["article_id"] is None and article_id is not None:
        return Fault(file, row, None, "wrong_type", f"id is {_kind(article_id)}")
    if not isinstance(text, str | None):
        known = printable(strings["article_id"] or "") or None
        return Fault(file, row, known, "wrong_type", f"text is {_kind(text)}")
    if not isinstance(published_at, str | None):
        # Words for what is no date, so that it is counted as one that cannot be read.
        is_number = type(published_at) in (int, float)
        strings["published_at"] = repr(published_at) if is_number else _kind(published_at)
    return Record(file, row, len(line), list(strings.values()))


def _as_string(value: Any) -> str | None:
    """The string itself, an integer's digits, or null for what is neither."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else None


def _kind(value: Any) -> str:
    kinds = {bool: "a boolean", dict: "an object", list: "a list", str: "a string"}
    return kinds.get(type(value), "null" if value is None else "a number")


def _why_no_object(line: bytes, parsed: Any) -> tuple[str, str]:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return "invalid_utf8", f"{error.reason} at byte {error.start} of the line"
    if isinstance(parsed, json.JSONDecodeError):
        return "bad_json", f"{parsed.msg} at character {parsed.pos}"
    if isinstance(parsed, Exception):
        return "bad_json", str(parsed)
    return "bad_json", f"{_kind(parsed)}, not an object"
