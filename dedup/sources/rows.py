"""From columns of any type to articles and rejects.

Law: every row that comes in goes out once, as an article or as a reject, in the order it came;
only an unusable id or text makes a reject, any other unusable value reads as null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.errors import InputError
from dedup.schemas import ARTICLES, REJECTS
from dedup.settings import Settings
from dedup.sources.dates import to_utc
from dedup.sources.files import printable
from dedup.sources.utf8 import is_utf8

BATCH_BYTES = 64 * 2**20
"""Bytes of text after which a batch is closed; an article that is larger is a batch alone."""


class Batch(NamedTuple):
    """What a run of consecutive input rows became.

    Attributes
    ----------
    articles : pyarrow.RecordBatch
        Of schema ``schemas.ARTICLES``, in the input's order.
    rejects : pyarrow.RecordBatch
        Of schema ``schemas.REJECTS``, in the input's order.
    dates_unread : int
        Articles whose time of publication was given and could not be read; theirs is null.
    """

    articles: pa.RecordBatch
    rejects: pa.RecordBatch
    dates_unread: int


class Fault(NamedTuple):
    """A reject to be; fields as in ``schemas.REJECTS``."""

    file: str
    row: int | None
    article_id: str | None
    reason: str
    detail: str | None


def column_names(settings: Settings) -> dict[str, str]:
    """The input's name of each column of ``schemas.ARTICLES`` that an input provides."""
    return {
        "article_id": settings.id_column,
        "text": settings.text_column,
        "title": settings.title_column,
        "source": settings.source_column,
        "published_at": settings.published_at_column,
        "lang": settings.lang_column,
        "url": settings.url_column,
    }


def check_columns(where: str, found: Sequence[str], settings: Settings) -> None:
    """Make sure that id and text are there, and no column that is read is there twice.

    Raises
    ------
    InputError
        Naming the columns found and the setting to change.
    """
    for role, name in column_names(settings).items():
        count = found.count(name)
        if count > 1 or (count == 0 and role in ("article_id", "text")):
            columns = ", ".join(map(repr, found)) or "none"
            raise InputError(
                printable(where),
                f"one column {name!r}",
                f"{'several' if count else 'none'} among the columns {printable(columns)}",
                f"name the right one: --set {role.removeprefix('article_')}_column=NAME",
            )


def check_types(where: str, schema: pa.Schema, settings: Settings) -> None:
    """Make sure that the id and text columns do not hold lists, structs or maps.

    Raises
    ------
    InputError
        Naming the column and its type.
    """
    for role, name in (("id", settings.id_column), ("text", settings.text_column)):
        if name in schema.names and pa.types.is_nested(kind := schema.field(name).type):
            raise InputError(
                printable(where),
                f"strings in column {name!r}",
                str(kind),
                f"write it as strings, or name another column: --set {role}_column=NAME",
            )


def arrow_batches(
    table: pa.RecordBatch,
    file: str,
    first_row: int,
    constants: Mapping[str, str | None],
    settings: Settings,
) -> Iterator[Batch]:
    """Batches of at most about ``BATCH_BYTES`` of text from rows that are already in Arrow.

    Parameters
    ----------
    table : pyarrow.RecordBatch
        Columns as the input names them, of any type.
    file : str
        Where it came from.
    first_row : int
        Zero-based position of its first row in `file`.
    constants : mapping of str to str or None
        Values of columns that `table` does not have, such as Hive partition keys.
    settings : Settings
        Of which the column names are used.
    """
    size = table.num_rows
    columns = {
        role: _plain(table.column(name))
        if name in table.schema.names
        else pa.repeat(pa.scalar(constants.get(name), pa.large_string()), size)
        for role, name in column_names(settings).items()
    }
    columns["row"] = pa.array(np.arange(first_row, first_row + size))
    columns["file"] = pa.repeat(pa.scalar(printable(file)), size)
    for rows in _bounded(pa.RecordBatch.from_pydict(columns)):
        yield checked(rows)


def _bounded(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if rows.num_rows < 2 or rows["text"].nbytes <= BATCH_BYTES:
        yield rows
        return
    half = rows.num_rows // 2
    yield from _bounded(rows.slice(0, half))
    yield from _bounded(rows.slice(half))


def _plain(column: pa.Array) -> pa.Array:
    """The column without encodings, and without NaN, which is how pandas writes a missing value."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type) or pa.types.is_binary_view(column.type):
        column = column.cast(pa.large_binary())
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), None, column)
    return column


def checked(rows: pa.RecordBatch, faults: Sequence[Fault] = ()) -> Batch:
    """Articles and rejects of some rows.

    Parameters
    ----------
    rows : pyarrow.RecordBatch
        Columns ``row``, ``file`` and those of :func:`column_names`, the latter of any type.
    faults : sequence of Fault
        What was found wrong while they were read; these rows are not in `rows`.
    """
    ids, texts = _text(_spelled(rows["article_id"])), _text(rows["text"])
    reasons = _reasons(ids, texts)
    rejects = _rejects([*faults, *_faults(rows, ids, reasons)])
    columns = {name: rows[name] for name in rows.schema.names}
    kept = pa.RecordBatch.from_pydict(columns | {"article_id": ids.values, "text": texts.values})
    if reasons.null_count < len(reasons):  # to filter is to copy the texts
        kept = kept.filter(reasons.is_null())
    articles, unread = _articles(kept)
    return Batch(articles, rejects, unread)


def rejected(faults: Sequence[Fault]) -> Batch:
    """A batch of rejects only."""
    return Batch(pa.RecordBatch.from_pylist([], schema=ARTICLES), _rejects(faults), 0)


class _Text(NamedTuple):
    values: pa.Array
    """``large_string``; null where the value is null, or is not text."""
    unlike: pa.Array
    """Where a value is of a type that is not text."""
    broken: pa.Array
    """Where a value is text that is not UTF-8."""


def _text(column: pa.Array) -> _Text:
    nowhere = pa.repeat(False, len(column))
    if not _is_text(column.type):
        return _Text(pa.nulls(len(column), pa.large_string()), column.is_valid(), nowhere)
    raw = column.cast(pa.large_binary())
    if is_utf8(raw):
        return _Text(raw.view(pa.large_string()), nowhere, nowhere)
    values = pa.array([_decoded(value) for value in raw.to_pylist()], pa.large_string())
    return _Text(values, nowhere, pc.and_(raw.is_valid(), values.is_null()))


def _spelled(column: pa.Array) -> pa.Array:
    """The column with integers written as their digits."""
    return column.cast(pa.large_string()) if pa.types.is_integer(column.type) else column


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _decoded(raw: bytes | None) -> str | None:
    try:
        return raw.decode() if raw is not None else None
    except UnicodeDecodeError:
        return None


def _blank(values: pa.Array) -> pa.Array:
    """Where a string is null, empty or white space only."""
    nothing = pc.or_(pc.equal(pc.binary_length(values), 0), pc.utf8_is_space(values))
    return nothing.fill_null(True)


def _reasons(ids: _Text, texts: _Text) -> pa.Array:
    """Why each row is rejected, null where it is not; of several reasons the first."""
    tests = {
        "wrong_type": pc.or_(ids.unlike, texts.unlike),
        "invalid_utf8": pc.or_(ids.broken, texts.broken),
        "null_id": _blank(ids.values),
        "empty_text": _blank(texts.values),
    }
    return pc.case_when(pc.make_struct(*tests.values()), *map(pa.scalar, tests))


def _faults(rows: pa.RecordBatch, ids: _Text, reasons: pa.Array) -> Iterator[Fault]:
    for i in np.flatnonzero(reasons.is_valid()):
        reason, detail = reasons[i].as_py(), None
        if reason == "wrong_type":
            role = "article_id" if ids.unlike[i].as_py() else "text"
            detail = f"{role.removeprefix('article_')} is {rows[role].type}"
        elif reason == "invalid_utf8":
            detail = "in the id" if ids.broken[i].as_py() else "in the text"
        position = rows["file"][i].as_py(), rows["row"][i].as_py()
        yield Fault(*position, ids.values[i].as_py(), reason, detail)


def _articles(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    columns = {name: rows[name] for name in ("row", "file", "article_id", "text")}
    for name in ("title", "source", "lang", "url"):
        values = _text(_spelled(rows[name])).values
        columns[name] = pc.if_else(_blank(values), None, values)
    columns["published_at"], unread = _published_at(rows["published_at"])
    arrays = [columns[field.name].cast(field.type) for field in ARTICLES]
    return pa.RecordBatch.from_arrays(arrays, schema=ARTICLES), unread


def _published_at(column: pa.Array) -> tuple[pa.Array, int]:
    """Times in UTC, and how many were given but could not be read."""
    given = column.is_valid()
    if _is_text(column.type):
        text = _text(column)
        column = text.values
        given = pc.or_(text.broken, pc.invert(_blank(column)))
    instants = to_utc(column)
    return instants, pc.sum(pc.and_not(given, instants.is_valid())).as_py() or 0


def _rejects(faults: Sequence[Fault]) -> pa.RecordBatch:
    ordered = sorted(faults, key=lambda fault: (fault.file, -1 if fault.row is None else fault.row))
    rows = [fault._asdict() for fault in ordered]
    return pa.RecordBatch.from_pylist(rows, schema=REJECTS)
