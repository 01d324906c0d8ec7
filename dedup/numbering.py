"""Hashes to small whole numbers.

Law: equal hashes get equal numbers, counted up from 0 in the order in which they first come.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def number(hashes):  # type: ignore[no-untyped-def]
    """Numbers of uint64 hashes: ndarray of int64 of the same shape, and how many there are."""
    bits = 10
    slots = np.full(1 << bits, -1, np.int64)
    distinct, found = np.empty(1 << (bits - 1), np.uint64), 0
    result = np.empty(len(hashes), np.int64)
    for at in range(len(hashes)):
        # Grown with what is found, so that few distinct hashes among many stay in the cache.
        if found == len(distinct):
            bits += 2
            slots, distinct = _grown(distinct, bits)
        slot = _slot(slots, distinct, hashes[at], bits)
        if slots[slot] < 0:
            slots[slot], distinct[found] = found, hashes[at]
            found += 1
        result[at] = slots[slot]
    return result, found


@njit(cache=True, nogil=True)
def _slot(slots, distinct, key, bits):  # type: ignore[no-untyped-def]
    """Slot that holds the key's number, or the empty one where it belongs (linear probing)."""
    slot = np.int64((key * _SPREAD) >> np.uint64(64 - bits))
    while slots[slot] >= 0 and distinct[slots[slot]] != key:
        slot = (slot + 1) & (len(slots) - 1)
    return slot


@njit(cache=True, nogil=True)
def _grown(distinct, bits):  # type: ignore[no-untyped-def]
    slots = np.full(1 << bits, -1, np.int64)
    larger = np.empty(1 << (bits - 1), np.uint64)
    larger[: len(distinct)] = distinct
    for number_of in range(len(distinct)):
        slots[_slot(slots, distinct, distinct[number_of], bits)] = number_of
    return slots, larger
