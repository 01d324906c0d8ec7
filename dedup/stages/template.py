"""Page furniture out, wire copy kept.

Law: a shingle's frequency is counted in stories, not in articles. What an outlet repeats in stories
that have nothing else in common is template; what comes back because the story comes back (an
update, a second section, fifty outlets) is copy.

Shingles that stand in too few articles to matter are sorted out first by a table of small counters,
an upper bound per shingle, so that only the few that repeat are ever looked at one by one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.numbering import number
from dedup.ragged import Ragged


class Repeats(NamedTuple):
    """The shingles that repeat within their source.

    Attributes
    ----------
    positions : ndarray of int64, shape (n_repeats,)
        Rising positions in `shingles.values`.
    keys : ndarray of int64, shape (n_repeats,)
        Equal where shingle and source are equal; from 0 to `n_keys` - 1.
    offsets : ndarray of int64, shape (n_articles + 1,)
        Article `i` owns `positions[offsets[i]:offsets[i + 1]]`.
    n_keys : int
    """

    positions: np.ndarray
    keys: np.ndarray
    offsets: np.ndarray
    n_keys: int


def repeats(shingles: Ragged, sources: np.ndarray, floor: int) -> Repeats:
    """All shingles that may stand in at least `floor` articles of their article's source.

    Parameters
    ----------
    shingles : Ragged of uint64
        Sorted distinct shingle hashes per article.
    sources : ndarray of int64, shape (n_articles,)
        Source of each article; articles with a negative one take no part.
    floor : int
        Higher finds fewer; a few that stand in fewer articles come along.
    """
    salts = (sources.astype(np.uint64) + np.uint64(1)) * _PRIME
    bits = max(16, int(len(shingles.values) * 2).bit_length())
    counters = _count(shingles.values, shingles.offsets, salts, sources, bits, floor)
    positions, offsets = _survivors(
        shingles.values, shingles.offsets, salts, sources, counters, floor
    )
    keys, n_keys = number(
        shingles.values[positions] ^ np.repeat(salts, np.diff(offsets))
    )
    return Repeats(positions, keys, offsets, n_keys)


def in_stories(found: Repeats, stories: np.ndarray, floor: int, n_values: int) -> np.ndarray:
    """Which shingles stand in at least `floor` stories of their source.

    Parameters
    ----------
    found : Repeats
    stories : ndarray of int64, shape (n_articles,)
        Story of each article; articles with the same one count once.
    floor : int
        Higher leaves more in; at least the floor that `found` was made with.
    n_values : int
        Shingles there are in all.

    Returns
    -------
    ndarray of bool, shape (n_values,)
    """
    order = np.argsort(stories, kind="stable")
    counts = _count_stories(found.keys, found.offsets, order, stories, found.n_keys)
    result = np.zeros(n_values, bool)
    result[found.positions[counts[found.keys] >= floor]] = True
    return result


_PRIME = np.uint64(0xD6E8FEB86659FD93)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True, inline="always")
def _slot(key, bits):  # type: ignore[no-untyped-def]
    return np.int64((key * _SPREAD) >> np.uint64(64 - bits))


@njit(cache=True, nogil=True)
def _bits(table):  # type: ignore[no-untyped-def]
    bits = 0
    while (1 << bits) < len(table):
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _count(values, offsets, salts, sources, bits, floor):  # type: ignore[no-untyped-def]
    """Articles per slot, up to `floor`: an upper bound for every key that falls into it."""
    counters = np.zeros(1 << bits, np.uint8)
    ceiling = np.uint8(min(floor, 255))
    for article in range(len(salts)):
        if sources[article] < 0:
            continue
        for at in range(offsets[article], offsets[article + 1]):
            slot = _slot(values[at] ^ salts[article], bits)
            counters[slot] += np.uint8(counters[slot] < ceiling)
    return counters


@njit(cache=True, nogil=True)
def _survivors(values, offsets, salts, sources, counters, floor):  # type: ignore[no-untyped-def]
    ceiling, bits = min(floor, 255), _bits(counters)
    positions, count = np.empty(len(values), np.int64), 0
    new_offsets = np.zeros(len(offsets), np.int64)
    for article in range(len(salts)):
        if sources[article] >= 0:
            for at in range(offsets[article], offsets[article + 1]):
                positions[count] = at
                count += counters[_slot(values[at] ^ salts[article], bits)] >= ceiling
        new_offsets[article + 1] = count
    return positions[:count].copy(), new_offsets


@njit(cache=True, nogil=True)
def _count_stories(keys, offsets, order, stories, n_keys):  # type: ignore[no-untyped-def]
    """Distinct stories per key: articles come in the order of their story."""
    counts = np.zeros(n_keys, np.int64)
    last = np.full(n_keys, -1, np.int64)
    for article in order:
        for at in range(offsets[article], offsets[article + 1]):
            if last[keys[at]] != stories[article]:
                last[keys[at]] = stories[article]
                counts[keys[at]] += 1
    return counts
