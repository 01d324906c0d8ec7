"""What incremental runs remember.

Law: what a run knows of earlier ones is this and nothing else; it is loaded from the latest run's
state and becomes the next one's only when that is published.

Texts and editions are numbered in the order they came and keep their numbers. An edition is a text
without its template; it is made anew when the template changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.ragged import Ragged, Stored
from dedup.schemas import (
    BODIES,
    EDITIONS,
    FURNITURE,
    INBOX_FILES,
    REMEMBERED,
    SCORED,
    TEXTS,
    TOLD,
    VERSIONS,
)
from dedup.state import postings
from dedup.state.files import StateFiles

_TABLES: Mapping[str, pa.Schema] = {
    "inbox": INBOX_FILES,
    "retracted": pa.schema([REMEMBERED.field("article_id")]),
    "retired": pa.schema([REMEMBERED.field("cluster_id")]),
    "articles": REMEMBERED,
    "texts": TEXTS,
    "versions": VERSIONS,
    "scored": SCORED,
    "furniture": FURNITURE,
    "stories": TOLD,
}
"""Tables that are written anew by each run."""

GROWING: Mapping[str, pa.Schema] = {
    "bodies": BODIES,
    "editions": EDITIONS,
    "shingles": postings.SEGMENT,
    "sketches": postings.SEGMENT,
    "bands": postings.SEGMENT,
    "forgotten": postings.SEGMENT,
}
"""Tables that grow: each run adds a segment, and now and then several become one."""

DAY = 86_400_000_000
"""Microseconds of a day."""

EPOCH = 1 << 20
"""Number of the day 1970-01-01 in the index of what is forgotten, which is by id and day."""

_FORMER = pa.schema([REMEMBERED.field("article_id"), REMEMBERED.field("cluster_id")])

INDEXES = {"shingles", "sketches", "bands", "forgotten"}
"""Those of them that are indexes, `state.postings`."""


@dataclass
class Memory:
    """What is remembered, with what the run under way has added to it.

    Attributes
    ----------
    files : StateFiles
    tables : dict of str to Table
        Those of `_TABLES`.
    segments : dict of str to list of Table
        Those of `GROWING`.
    names : dict of str to list of str
        State file of each segment that was there before.
    history : list of int
        Rows of the runs before.
    past : dict of str to int
        Counts of articles, and of their clusters, that are forgotten and stay published.
    former : pa.Table
        Columns ``article_id`` and ``cluster_id`` of articles of which a rebuild knows but that.
    """

    files: StateFiles
    tables: dict[str, pa.Table]
    segments: dict[str, list[pa.Table]]
    names: dict[str, list[str]] = field(default_factory=dict)
    history: list[int] = field(default_factory=list)
    past: dict[str, int] = field(default_factory=dict)
    former: pa.Table = field(default_factory=lambda: _FORMER.empty_table())

    @classmethod
    def load(cls, files: StateFiles, state: Mapping[str, Any] | None) -> Memory:
        """The memory that a run was published with; an empty one for None."""
        if state is None:
            tables = {name: schema.empty_table() for name, schema in _TABLES.items()}
            return cls(files, tables, {name: [] for name in GROWING}, {n: [] for n in GROWING})
        return cls(
            files,
            {name: files.read(state["tables"][name]) for name in _TABLES},
            {name: [files.read(each) for each in state["segments"][name]] for name in GROWING},
            {name: list(state["segments"][name]) for name in GROWING},
            list(state["history"]),
            dict(state["past"]),
        )

    @staticmethod
    def table(files: StateFiles, state: Mapping[str, Any] | None, name: str) -> pa.Table:
        """One of the tables alone, so that a run that finds nothing new fetches no more."""
        return files.read(state["tables"][name]) if state else _TABLES[name].empty_table()

    def forgotten(self, clusters: pa.Table) -> Memory:
        """A memory of nothing but ids: of clusters, as published, and of take-downs."""
        fresh = Memory.load(self.files, None)
        for name in ("retracted", "retired"):
            fresh.tables[name] = self.tables[name]
        fresh.history = self.history
        fresh.former = clusters.select(_FORMER.names).cast(_FORMER).combine_chunks()
        return fresh

    def save(self, fingerprint: str, threads: int) -> dict[str, Any]:
        """Write what is new; what the next run goes on from, as `Store.publish` takes it."""
        tables = {
            name: self.files.write(name, table.cast(_TABLES[name]))
            for name, table in self.tables.items()
        }
        for name in GROWING:
            self._settle(name, threads)
        every = [*tables.values(), *(each for names in self.names.values() for each in names)]
        return {
            "fingerprint": fingerprint,
            "tables": tables,
            "segments": self.names,
            "history": self.history,
            "past": self.past,
            "files": every,
        }

    def add(self, name: str, segment: pa.Table) -> None:
        """Add a segment to a growing table."""
        if segment.num_rows:
            self.segments[name].append(segment)

    def days_forgotten(self, ids: pa.Array) -> dict[str, int]:
        """Day of publication of those articles that are forgotten, by id."""
        names, keys = ids.to_pylist(), id_hashes(ids)
        order = np.argsort(keys)
        alive = self.alive("forgotten")
        days = postings.lookup(self.segments["forgotten"], keys[order], alive, threads=1)
        found = np.flatnonzero(days.lengths)
        last = days.values[days.offsets[found + 1] - 1].astype(np.int64) - EPOCH
        return {names[order[at]]: int(day) for at, day in zip(found, last, strict=True)}

    def erase(self, name: str, rows: np.ndarray) -> None:
        """Empty the lists of some rows of a growing table, which keep their places."""
        start = 0
        for at, segment in enumerate(self.segments[name]):
            mine = rows[(rows >= start) & (rows < start + segment.num_rows)] - start
            start += segment.num_rows
            column = next(each for each in segment.columns if pa.types.is_large_list(each.type))
            if Ragged.of(column).lengths[mine].any():  # else they are empty already
                self.segments[name][at] = _erased(segment, mine)
                del self.names[name][at:]

    def texts(self, column: str) -> np.ndarray:
        """A column of the texts, by number."""
        return self.tables["texts"][column].to_numpy()

    def gather(self, name: str, column: str, rows: np.ndarray) -> Ragged:
        """Lists of the given rows of a growing table."""
        return Stored(self._growing(name)[column]).gather(rows)

    def values(self, name: str, column: str) -> np.ndarray:
        """A flat column of a growing table, by number."""
        return self._growing(name)[column].to_numpy()

    def rows(self, name: str) -> int:
        """Rows of a growing table."""
        return sum(segment.num_rows for segment in self.segments[name])

    def holders(self, index: str, keys: np.ndarray, alive: np.ndarray, threads: int) -> Ragged:
        """Living numbers that hold each of the sorted distinct keys, by an index."""
        return postings.lookup(self.segments[index], keys, alive, threads)

    def _growing(self, name: str) -> pa.Table:
        empty = GROWING[name].empty_table()
        return pa.concat_tables([empty, *self.segments[name]])

    def _settle(self, name: str, threads: int) -> None:
        """Merge segments that are due, and write those that are not written."""
        segments, names = self.segments[name], self.names[name]
        due = postings.due([segment.num_rows for segment in segments])
        if due.stop > due.start:
            merged = self._merged(name, segments[due], threads)
            segments[due] = [merged] if merged.num_rows else []
            del names[due.start :]
        for segment in segments[len(names) :]:
            names.append(self.files.write(name, segment))

    def _merged(self, name: str, segments: Sequence[pa.Table], threads: int) -> pa.Table:
        if name not in INDEXES:
            return pa.concat_tables(segments)
        return postings.merge(segments, self.alive(name), threads)

    def alive(self, index: str) -> np.ndarray:
        """Which numbers of an index are current: bool."""
        if index == "forgotten":
            return np.ones(2 * EPOCH, bool)
        texts = self.tables["texts"]
        living = texts["alive"].to_numpy(zero_copy_only=False)
        if index == "shingles":
            return living
        current = np.zeros(self.rows("editions"), bool)
        current[texts["edition"].to_numpy()[living]] = True
        return current


def id_hashes(ids: pa.Array) -> np.ndarray:
    """A hash (uint64) of each id."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in ids.to_pylist()]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _erased(segment: pa.Table, rows: np.ndarray) -> pa.Table:
    stays = np.ones(segment.num_rows, bool)
    stays[rows] = False
    columns = {name: segment[name] for name in segment.schema.names}
    for name, column in columns.items():
        if pa.types.is_large_list(column.type):
            lists = Ragged.of(column)
            columns[name] = lists.keep(np.repeat(stays, lists.lengths)).arrow()
    return pa.table(list(columns.values()), schema=segment.schema)
