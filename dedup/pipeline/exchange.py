"""What verbs hand to one another in parts, because it may be larger than memory.

Law: a result does not depend on how many parts it went through. Hashes are parted by their value,
and pairs by their left text, so whatever belongs together meets in one part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.numbering import firsts
from dedup.pipeline.sign import sketch_scale
from dedup.ragged import Stored
from dedup.schemas import SHARED
from dedup.settings import Settings
from dedup.stages import candidates
from dedup.threads import in_order, width
from dedup.workspace import Workspace

_PAIRS = 4_000_000
"""Rows of pairs that are put together at a time, about; they take some forty bytes each."""

_SAMPLE = 4096

_HASH_BYTES = 30
"""Bytes that a sketch hash takes while it is numbered, about."""

TEXTS = 10_000
"""Texts of which the pairs are told at a time by one thread."""


def parts(size: int, settings: Settings) -> int:
    """Parts of which one at a time fits into a quarter of the memory.

    Parameters
    ----------
    size : int
        Bytes that the whole would take.
    """
    return max(1, -(-4 * size // settings.memory_bytes))


def indexed(
    work: Workspace, sketches: Stored, rows: np.ndarray, settings: Settings
) -> candidates.Index:
    """Index of the sketches of texts, one range of hashes at a time.

    Parameters
    ----------
    work : Workspace
        Where they lie; what is read of them is let go of after each range.
    sketches : Stored of uint64
    rows : ndarray of int64, shape (n_texts,)
        Row of each text in them.
    settings : Settings
    """
    threads, located = width(settings.threads), sketches.located(rows)
    count = threads * parts(_HASH_BYTES * sketches.size, settings)

    def bucketed(span: tuple[int, int]) -> candidates.Bucketed:
        sketched = located.within(*span).gathered()
        work.release()
        return candidates.bucketed(sketched)

    whole = (0, candidates.last_sketched(sketch_scale(settings)))
    each = in_order(bucketed, spans(count, whole), threads)
    return candidates.index(each, len(rows), settings.bucket_cap)


def spans(count: int, whole: tuple[int, int] = (0, 2**64 - 1)) -> list[tuple[int, int]]:
    """A range of hashes in so many equal parts: first and last value of each."""
    size = whole[1] - whole[0] + 1
    bounds = [whole[0] + size * at // count for at in range(count + 1)]
    return [(first, after - 1) for first, after in pairwise(bounds)]


class Pairs(NamedTuple):
    """Pairs of texts that share something.

    Attributes
    ----------
    keys : ndarray of uint64, shape (n_pairs,)
        Packed as by `candidates.pack`, rising; each once.
    hashes : ndarray of int64, shape (n_pairs,)
        Sketch hashes that each shares.
    bands : ndarray of int64, shape (n_pairs,)
        Bands in which each has the same key.
    """

    keys: np.ndarray
    hashes: np.ndarray
    bands: np.ndarray


def to_table(pairs: Pairs) -> pa.Table:
    """Pairs as `schemas.SHARED`."""
    counts = [pa.array(each.astype(np.int32)) for each in pairs[1:]]
    return pa.Table.from_arrays([pa.array(pairs.keys), *counts], schema=SHARED)


def summed(tables: Sequence[pa.Table]) -> Iterator[Pairs]:
    """The pairs of all tables, each once with its counts summed, rising, some at a time.

    Parameters
    ----------
    tables : sequence of Table
        As `schemas.SHARED`, each rising.
    """
    columns = [[table[name].to_numpy() for name in SHARED.names] for table in tables]
    starts = [0] * len(tables)
    for bound in _bounds([keys for keys, *_ in columns]):
        ends = [
            len(keys) if bound is None else int(np.searchsorted(keys, bound))
            for keys, *_ in columns
        ]
        pieces = [
            Pairs(*(column[start:end] for column in each))
            for each, start, end in zip(columns, starts, ends, strict=True)
        ]
        yield _sum(pieces)
        starts = ends


def _bounds(keys: list[np.ndarray]) -> list[np.uint64 | None]:
    """Keys at which to cut, so that about `_PAIRS` rows lie between two; None for the end."""
    total = sum(map(len, keys))
    cuts = total // _PAIRS
    if not cuts:
        return [None]
    sample = np.sort(np.concatenate([mine[:: max(1, total // _SAMPLE)] for mine in keys]))
    places = np.arange(1, cuts + 1) * len(sample) // (cuts + 1)
    return [*np.unique(sample[places]), None]


def _sum(pieces: list[Pairs]) -> Pairs:
    """The pairs of all pieces, each once with its counts summed, rising."""
    pieces = [piece for piece in pieces if len(piece.keys)]
    if len(pieces) == 1:
        return Pairs(pieces[0].keys, *(each.astype(np.int64) for each in pieces[0][1:]))
    none = [np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)]
    keys, *counts = (np.concatenate(column) for column in zip(none, *pieces, strict=True))
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = firsts(keys)
    return Pairs(
        keys[starts], *(np.add.reduceat(each[order], starts, dtype=np.int64) for each in counts)
    )
