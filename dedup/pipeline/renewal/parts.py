"""What a run publishes: the parts that changed, and those before them as they were.

Law: a part is a day's rows, so a run writes the days that it changed, whatever came before them;
and what is read of all parts together is what one run over everything would have published.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.schemas import CLUSTERS, OUTPUT_TABLES, PAIRS, SUMMARY, table_name
from dedup.store import Kept, Parts, Store

_MOST_ROWS = 65_536
"""Rows from which on a table that only grows gets another part."""

_SORTED: Mapping[str, list[tuple[str, str]]] = {
    table_name(CLUSTERS): [
        ("cluster_id", "ascending"),
        ("is_lead", "descending"),
        ("article_id", "ascending"),
    ],
    table_name(PAIRS): [("left_id", "ascending"), ("right_id", "ascending")],
    table_name(SUMMARY): [("cluster_id", "ascending")],
}
_EMPTY = "part-00000"
"""Name of the part of a table without rows: readers of a folder find its columns."""

_SCHEMAS = {table_name(schema): schema for schema in OUTPUT_TABLES}


class Published:
    """The parts of the run before.

    Parameters
    ----------
    store : Store
    run_id : str or None
        None where there was none.
    tables : collection of str, optional
        Tables that are gone on from; of any other there are no parts. All by default.
    """

    def __init__(
        self, store: Store, run_id: str | None, tables: Collection[str] | None = None
    ) -> None:
        self._store, self._run_id = store, run_id
        self._tables = _SCHEMAS.keys() if tables is None else tables
        self._manifest = store.manifest(run_id) if run_id else {"counts": {}, "files": []}

    def count(self, name: str) -> int:
        """One of the counts that the run was published with."""
        return int(self._manifest["counts"].get(name, 0))

    def kept(self, table: str) -> dict[str, Kept]:
        """All parts of a table by name."""
        if self._run_id is None or table not in self._tables:
            return {}
        paths = self._store.parts(self._run_id, table)
        names = (path.partition("/")[2].removesuffix(".parquet") for path in paths)
        return {name: Kept(self._run_id, path) for name, path in zip(names, paths, strict=True)}

    def rows(self, table: str, name: str) -> pa.Table:
        """Rows of one part; none where there is no such part."""
        part = self.kept(table).get(name)
        if part is None:
            return _SCHEMAS[table].empty_table()
        return self._store.read_part(part.run_id, part.path)

    def table(self, table: str, parts: Parts) -> pa.Table:
        """All rows of parts, kept or new."""
        read = [self.rows(table, name) if isinstance(p, Kept) else p for name, p in parts.items()]
        return pa.concat_tables([_SCHEMAS[table].empty_table(), *read])

    def size(self, part: pa.Table | Kept) -> int:
        """Rows of a part."""
        if not isinstance(part, Kept):
            return int(part.num_rows)
        files = self._manifest["files"]
        return next(int(file["rows"]) for file in files if file["path"] == part.path)


class Change(NamedTuple):
    """What changes in a table that has a part per day.

    Attributes
    ----------
    table : str
    keys : tuple of str
        Columns by which rows are known.
    gone : pa.Array
        Rows of which a key has one of these values go.
    new : pa.Table
        Rows that come.
    places : ndarray of str, shape (n_new,)
        Part that each comes into.
    touched : collection of str
        Parts that rows go from, or are told otherwise in.
    """

    table: str
    keys: tuple[str, ...]
    gone: pa.Array
    new: pa.Table
    places: np.ndarray
    touched: Collection[str]


def lost(published: Published, returned: Mapping[str, int]) -> pa.Table:
    """Published rows of ``clusters`` of articles that are forgotten, and gone since."""
    ids = pa.array(list(returned), pa.string())
    days = np.array(sorted(set(returned.values())), "datetime64[D]").astype(str).tolist()
    names = [*(f"day-{day}" for day in days), "undated"] if days else []
    rows = [
        each.filter(pc.is_in(each["article_id"], value_set=ids))
        for each in (published.rows("clusters", name) for name in names)
    ]
    return pa.concat_tables([_SCHEMAS["clusters"].empty_table(), *rows])


def without(rows: pa.Table, gone: pa.Table) -> pa.Table:
    """Rows of ``clusters`` or ``summary`` of which lost articles no longer count."""
    name = "cluster_size" if "cluster_size" in rows.schema.names else "size"
    counted = gone["cluster_id"].combine_chunks().value_counts()
    at = pc.index_in(rows["cluster_id"], value_set=counted.field("values"))
    fewer = counted.field("counts").take(at.combine_chunks()).fill_null(0)
    sizes = pc.subtract(rows[name].combine_chunks(), fewer.cast(pa.int32()))
    place = rows.schema.get_field_index(name)
    rows = rows.set_column(place, rows.schema.field(place), sizes)
    if name == "size":
        led = pc.is_in(rows["lead_id"], value_set=gone["article_id"].combine_chunks())
        for text in ("lead_title", "lead_source"):
            place = rows.schema.get_field_index(text)
            kept = pc.if_else(led, pa.scalar(None, rows.schema.field(place).type), rows[text])
            rows = rows.set_column(place, rows.schema.field(place), kept)
        rows = rows.filter(pc.greater(rows["size"], 1))
    return rows


def changed(published: Published, change: Change, told: pa.Table, gone: pa.Table) -> Parts:
    """Parts of a table after a change.

    Parameters
    ----------
    published : Published
    change : Change
    told : pa.Table
        Story of each cluster that is new or told otherwise, as `schemas.TOLD`.
    gone : pa.Table
        As of :func:`lost`.
    """
    parts: dict[str, pa.Table | Kept] = dict(published.kept(change.table))
    parts.pop(_EMPTY, None)
    for name in sorted({*change.touched, *change.places.tolist()}):
        rows = published.rows(change.table, name)
        for key in change.keys:
            rows = rows.filter(pc.invert(pc.is_in(rows[key], value_set=change.gone)))
        if gone.num_rows and change.table != "pairs":
            rows = without(rows, gone)
        rows = pa.concat_tables([rows, change.new.filter(pa.array(change.places == name))])
        rows = _retold(rows, told).sort_by(_SORTED[change.table])
        parts.pop(name, None)
        if rows.num_rows:
            parts[name] = rows
    return parts or {_EMPTY: _SCHEMAS[change.table].empty_table()}


def _retold(rows: pa.Table, told: pa.Table) -> pa.Table:
    """Rows with the stories that their clusters are told in now."""
    if "story_id" not in rows.schema.names:
        return rows
    at = pc.index_in(rows["cluster_id"], value_set=told["cluster_id"].combine_chunks())
    stories = told["story_id"].combine_chunks().take(at.combine_chunks())
    place = rows.schema.get_field_index("story_id")
    column = pc.coalesce(stories, rows["story_id"].combine_chunks())
    return rows.set_column(place, rows.schema.field(place), column)


def day_names(times: pa.ChunkedArray) -> np.ndarray:
    """Name of the part of each time's day, or of none: str, shape (n,)."""
    days = pc.strftime(times, "day-%Y-%m-%d").fill_null("undated")
    return np.array(days.to_pylist(), str)


def appended(published: Published, table: str, new: pa.Table) -> Parts:
    """Parts of a table that only grows."""
    parts: dict[str, pa.Table | Kept] = dict(published.kept(table))
    last = max(parts, default=_EMPTY)
    rows = published.rows(table, last)
    if rows.num_rows >= _MOST_ROWS:
        last, rows = f"part-{int(last.removeprefix('part-')) + 1:05}", rows.slice(0, 0)
    if new.num_rows or not parts:
        parts[last] = pa.concat_tables([rows, new])
    return parts


def relabelled(published: Published, parts: Parts, ids: pa.Array) -> Parts:
    """Parts of ``rejects`` in which the rows of ids that were taken down say so."""
    result = dict(parts)
    for name, part in parts.items():
        rows = published.rows("rejects", name) if isinstance(part, Kept) else part
        down = pc.is_in(rows["article_id"], value_set=ids)
        versions = pc.and_(down, pc.equal(rows["reason"], "superseded"))
        if pc.any(versions).as_py():
            place = rows.schema.get_field_index("reason")
            reasons = pc.if_else(versions, "retracted", rows["reason"])
            result[name] = rows.set_column(place, rows.schema.field(place), reasons)
    return result
