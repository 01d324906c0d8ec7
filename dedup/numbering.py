"""Which hashes repeat, which are known, and small whole numbers for hashes.

Law: equal hashes get equal numbers, counted up from 0 in the order in which they first come; a hash
that repeats is never passed over.

Tables are made by NumPy and only filled by the kernels, because NumPy asks for huge pages.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_S32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
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
    return values[firsts(values)]


def firsts(values: np.ndarray) -> np.ndarray:
    """Where each of the distinct values begins, of sorted ones: int64."""
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    return np.flatnonzero(first)


def among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which values are among the known, these sorted: bool."""
    if not len(known):
        return np.zeros(len(values), bool)
    places = np.searchsorted(known, values)
    places[places == len(known)] = 0
    return known[places] == values


def inverse(numbers: np.ndarray) -> np.ndarray:
    """Where each number (int64, from 0 on, each once) stands; -1 for one that is missing."""
    places = np.full(numbers.max(initial=-1) + 1, -1)
    places[numbers] = np.arange(len(numbers))
    return places


def counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, sorted, and how often each stands among them (int64)."""
    values = np.sort(values)
    starts = firsts(values)
    return values[starts], np.diff(np.append(starts, len(values)))


def totals(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values, sorted, and the sum of the counts of each; all are uint32."""
    # Numbers alone are sorted far quicker than numbers that draw others along.
    keys = np.sort(values.astype(np.uint64) << _S32 | counts)
    values = (keys >> _S32).astype(np.uint32)
    starts = firsts(values)
    sums = np.cumsum(keys & _LOW, dtype=np.uint64)[np.append(starts, len(keys))[1:] - 1]
    return values[starts], np.diff(sums, prepend=np.uint64(0)).astype(np.uint32)


def repeating(values: np.ndarray) -> np.ndarray:
    """Which values (uint64) may stand there twice or more.

    Returns
    -------
    ndarray of bool
        True for every value that does, and for a few that do not.
    """
    bits = max(12, (2 * len(values)).bit_length())
    result = np.empty(len(values), bool)
    _repeating(values, np.uint64(64 - bits), np.zeros(1 << bits, np.uint8), result)
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
def _repeating(values, shift, counters, result):  # type: ignore[no-untyped-def]
    for value in values:
        slot = (value * _SPREAD) >> shift
        counters[slot] += np.uint8(counters[slot] < 2)
    for at in range(len(values)):
        result[at] = counters[(values[at] * _SPREAD) >> shift] == 2
