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
    bits = 4
    while (1 << bits) < 2 * len(hashes):
        bits += 1
    shift, last = np.uint64(64 - bits), (1 << bits) - 1
    table, numbers = np.empty(1 << bits, np.uint64), np.full(1 << bits, -1, np.int64)
    result, found = np.empty(len(hashes), np.int64), 0
    for at in range(len(hashes)):
        slot = np.int64((hashes[at] * _SPREAD) >> shift)
        while numbers[slot] >= 0 and table[slot] != hashes[at]:
            slot = (slot + 1) & last
        if numbers[slot] < 0:
            table[slot], numbers[slot] = hashes[at], found
            found += 1
        result[at] = numbers[slot]
    return result, found
