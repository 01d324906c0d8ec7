"""Where a hash lies among those that are known.

Law: a known hash has one slot, which no other has; any other hash has none.

Sorted uniform hashes are spread over twice as many slots: each lies at its share of them or shortly
after, and the slots left between repeat the hash that follows. So a lookup goes from where the hash
should be up to the first that is not smaller, a step or two in one line of memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

_SLOTS = 2
"""Slots for each hash: with fewer the steps grow, with more the memory."""
_END = np.uint64(2**64 - 1)
"""Stands after all hashes, and so is none."""


class Lookup(NamedTuple):
    """Known hashes, spread out.

    Attributes
    ----------
    keys : ndarray of uint64, shape (n_slots,)
        Never falling; 2**64 - 1 after the last hash.
    homes : uint64
        Slots that the range of hashes is shared out to.
    """

    keys: np.ndarray
    homes: np.uint64


def spread(hashes: np.ndarray) -> tuple[Lookup, np.ndarray]:
    """Lookup of hashes (uint64 below 2**64 - 1, rising), and the slot of each (int64)."""
    homes = np.uint64(_SLOTS * len(hashes) + 1)
    slots = np.empty(len(hashes), np.int64)
    _place(hashes, homes, slots)
    keys = np.full(max(int(homes), slots.max(initial=-1) + 1) + 1, _END)
    _fill(hashes, slots, keys)
    return Lookup(keys, homes), slots


def slots(known: Lookup, hashes: np.ndarray) -> np.ndarray:
    """Slot of each hash (uint64), -1 where it is not known: int64."""
    result = np.empty(len(hashes), np.int64)
    _slots(*known, hashes, result)
    return result


_HALF = np.uint64(32)


@njit(cache=True, nogil=True)
def table_bits(entries):  # type: ignore[no-untyped-def]
    """Bits of a slot of a hash table that is at most a quarter full.

    That two hashes meet in a slot cannot be foretold, so it is rare.
    """
    bits = 4
    while (1 << bits) < 4 * entries:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def slot_of(keys, homes, key):  # type: ignore[no-untyped-def]
    """Slot of a hash, -1 where it is not known; `keys` and `homes` as `Lookup` has them."""
    at = np.int64(((key >> _HALF) * homes) >> _HALF)
    # Two steps without a branch, because how many it takes cannot be foretold.
    at += keys[at] < key
    at += keys[at] < key
    while keys[at] < key:
        at += 1
    return at if keys[at] == key and key != _END else -1


@njit(cache=True, nogil=True)
def _place(hashes, homes, slots):  # type: ignore[no-untyped-def]
    free = 0
    for at in range(len(hashes)):
        slots[at] = max(free, np.int64(((hashes[at] >> _HALF) * homes) >> _HALF))
        free = slots[at] + 1


@njit(cache=True, nogil=True)
def _fill(hashes, slots, keys):  # type: ignore[no-untyped-def]
    free = 0
    for at in range(len(hashes)):
        while free <= slots[at]:
            keys[free] = hashes[at]
            free += 1


@njit(cache=True, nogil=True)
def _slots(keys, homes, hashes, result):  # type: ignore[no-untyped-def]
    for at in range(len(hashes)):
        result[at] = slot_of(keys, homes, hashes[at])
