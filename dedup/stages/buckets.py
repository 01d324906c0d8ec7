"""Buckets that grow: which pairs they propose for chosen texts, and who loses or gains a place.

Law: of a bucket, as in `candidates`, the first members are each paired with all of it. So what a
new member changes is its own pairs and those of the members that it pushes out of the first places,
or lets in; nobody else's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.ragged import Ragged


class Order(NamedTuple):
    """Who is there, and who comes before whom.

    Attributes
    ----------
    alive : ndarray of bool, by entry
    ranks : ndarray of int64, by entry
        Distinct among the living.
    """

    alive: np.ndarray
    ranks: np.ndarray


def displaced(buckets: Ragged, before: Order, after: Order, cap: int) -> np.ndarray:
    """Entries among the first `cap` of a bucket before or after, but not both: bool, by entry."""
    mask = np.zeros(len(after.alive), bool)
    _displaced(*buckets, *before, *after, cap, mask)
    return mask


def proposals(buckets: Ragged, order: Order, chosen: np.ndarray, cap: int) -> np.ndarray:
    """Pairs of first members with all of their bucket, where one or both are chosen.

    Parameters
    ----------
    buckets : Ragged of integers
        Entries of each bucket.
    order : Order
    chosen : ndarray of bool, by entry
    cap : int
        Members that are first.

    Returns
    -------
    ndarray of uint64
        Once for each bucket that proposes it, the entry of lower rank in the upper 32 bits.
    """
    return _proposals(*buckets, *order, chosen, cap)


_S32 = np.uint64(32)


@njit(cache=True, nogil=True)
def _first(members, alive, ranks, cap, firsts):  # type: ignore[no-untyped-def]
    """Write the living members of lowest rank, rising, into `firsts`: how many they are."""
    count = 0
    for member in members:
        if not alive[member] or (count == cap and ranks[member] > ranks[firsts[count - 1]]):
            continue
        at = count if count < cap else count - 1
        while at > 0 and ranks[firsts[at - 1]] > ranks[member]:
            firsts[at] = firsts[at - 1]
            at -= 1
        firsts[at] = member
        count = min(count + 1, cap)
    return count


@njit(cache=True, nogil=True)
def _displaced(  # type: ignore[no-untyped-def]
    members, offsets, alive_before, ranks_before, alive_after, ranks_after, cap, mask
):
    before, after = np.empty(cap, np.int64), np.empty(cap, np.int64)
    for bucket in range(len(offsets) - 1):
        mine = members[offsets[bucket] : offsets[bucket + 1]]
        if len(mine) <= cap:  # everybody is first
            continue
        n_before = _first(mine, alive_before, ranks_before, cap, before)
        n_after = _first(mine, alive_after, ranks_after, cap, after)
        for old in before[:n_before]:
            mask[old] |= not np.any(after[:n_after] == old)
        for new in after[:n_after]:
            mask[new] |= not np.any(before[:n_before] == new)


@njit(cache=True, nogil=True)
def _proposals(members, offsets, alive, ranks, chosen, cap):  # type: ignore[no-untyped-def]
    pairs, count = np.empty(1 << 16, np.uint64), 0
    firsts = np.empty(cap, np.int64)
    for bucket in range(len(offsets) - 1):
        mine = members[offsets[bucket] : offsets[bucket + 1]]
        n = _first(mine, alive, ranks, cap, firsts)
        while count + n * len(mine) > len(pairs):
            grown = np.empty(2 * len(pairs), np.uint64)
            grown[:count] = pairs[:count]
            pairs = grown
        any_first = False
        for first in firsts[:n]:
            any_first |= chosen[first]
        for member in mine:
            if not alive[member] or not (chosen[member] or any_first):
                continue
            for first in firsts[:n]:
                if ranks[first] < ranks[member] and (chosen[first] or chosen[member]):
                    pairs[count] = (np.uint64(first) << _S32) | np.uint64(member)
                    count += 1
    return pairs[:count].copy()
