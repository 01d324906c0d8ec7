"""Which hashes repeat, which are known, and small whole numbers for hashes.

Law: equal hashes get equal numbers, counted up from 0 in the order in which they first come; a hash
that repeats is never passed over.

Tables are made by NumPy and only filled by the kernels, because NumPy asks for huge pages.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_RANGE_BITS = np.uint64(3)
_FIRST_BITS = 16


def number(hashes: np.ndarray) -> tuple[np.ndarray, int]:
    """Numbers of hashes (uint64), as int64 of the same shape, and how many there are."""
    bits = _FIRST_BITS
    slots, distinct = np.full(1 << bits, -1, np.int64), np.empty(1 << (bits - 1), np.uint64)
    result = np.empty(len(hashes), np.int64)
    at, found = _number(hashes, 0, 0, slots, distinct, result)
    while at < len(hashes):
        # Grown with what is found, so that few distinct hashes among many stay in the cache.
        bits += 2
        slots, known = np.full(1 << bits, -1, np.int64), distinct
        distinct = np.empty(1 << (bits - 1), np.uint64)
        _enter(known, slots, distinct)
        at, found = _number(hashes, at, found, slots, distinct, result)
    return result, found


def rising(values: np.ndarray) -> np.ndarray:
    """The distinct values, sorted; `numpy.unique` hashes them first, which takes much longer."""
    values = np.sort(values)
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    return values[first]


def among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which values are among the known, these sorted: bool."""
    if not len(known):
        return np.zeros(len(values), bool)
    places = np.searchsorted(known, values)
    places[places == len(known)] = 0
    return known[places] == values


def totals(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, sorted, and the sum of the counts of each."""
    order = np.argsort(values)
    values = values[order]
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    starts = np.flatnonzero(first)
    return values[first], np.add.reduceat(counts[order], starts) if len(starts) else counts


def repeating(values: np.ndarray, offsets: np.ndarray, salts: np.ndarray, floor: int) -> np.ndarray:
    """Which values may stand in at least `floor` lists of one salt.

    Parameters
    ----------
    values : ndarray of uint64
        Sorted within each list.
    offsets : ndarray of int64, shape (n_lists + 1,)
    salts : ndarray of uint64, shape (n_lists,)
        Equal values count together in lists of equal salt.
    floor : int
        At most 255.

    Returns
    -------
    ndarray of bool
        True for every value that does, and for a few that do not.
    """
    # A table of small counters, an upper bound per value. Lists are sorted, so it is filled one
    # range of hashes after the other and stays in the cache.
    top = int(values.max(initial=0)) >> int(64 - _RANGE_BITS)
    bits = max(12, (2 * len(values) // (top + 1)).bit_length())
    result = np.zeros(len(values), bool)
    _repeating(values, offsets, salts, floor, top, np.empty(1 << bits, np.uint8), result)
    return result


@njit(cache=True, nogil=True)
def _slot(slots, distinct, key):  # type: ignore[no-untyped-def]
    """Slot that holds the key's number, or the empty one where it belongs (linear probing)."""
    # Tables have 2 slots for each number there is room for.
    last = np.uint64(len(slots) - 1)
    slot = ((key * _SPREAD) >> np.uint64(20)) & last
    while slots[slot] >= 0 and distinct[slots[slot]] != key:
        slot = (slot + np.uint64(1)) & last
    return slot


@njit(cache=True, nogil=True)
def _number(hashes, at, found, slots, distinct, result):  # type: ignore[no-untyped-def]
    """Number hashes from `at` on until there is no room; where it stopped, and the next number."""
    while at < len(hashes) and found < len(distinct):
        slot = _slot(slots, distinct, hashes[at])
        if slots[slot] < 0:
            slots[slot], distinct[found] = found, hashes[at]
            found += 1
        result[at] = slots[slot]
        at += 1
    return at, found


@njit(cache=True, nogil=True)
def _enter(known, slots, distinct):  # type: ignore[no-untyped-def]
    distinct[: len(known)] = known
    for number_of in range(len(known)):
        slots[_slot(slots, distinct, known[number_of])] = number_of


@njit(cache=True, nogil=True)
def _repeating(values, offsets, salts, floor, top, counters, result):  # type: ignore[no-untyped-def]
    shift = np.uint64(64)
    while (1 << np.int64(np.uint64(64) - shift)) < len(counters):
        shift -= np.uint64(1)
    range_shift = np.uint64(64) - _RANGE_BITS
    starts, stops = offsets[:-1].copy(), offsets[:-1].copy()
    for hash_range in range(top + 1):
        counters[:] = 0
        for owner in range(len(salts)):
            at, end = starts[owner], offsets[owner + 1]
            while at < end and np.int64(values[at] >> range_shift) == hash_range:
                slot = np.int64(((values[at] ^ salts[owner]) * _SPREAD) >> shift)
                counters[slot] += np.uint8(counters[slot] < floor)
                at += 1
            stops[owner] = at
        for owner in range(len(salts)):
            for at in range(starts[owner], stops[owner]):
                slot = np.int64(((values[at] ^ salts[owner]) * _SPREAD) >> shift)
                result[at] = counters[slot] >= floor
            starts[owner] = stops[owner]
