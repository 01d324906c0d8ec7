"""Members to groups, the most alike first.

Law: two groups join only while the mean likeness of their members reaches the floor (average
linkage; Sokal and Michener, 1958) and all of them lie within the window. Raising the floor only
splits groups, because the joins are made in one order and the floor says where they end.

Pairs come in the order of time, and what they settle is settled at once: two groups that are each
other's most alike join whatever else there is (reciprocal nearest neighbours; Bruynooghe, 1977), so
they need not wait for members that can have no pair with either. Groups that may still find better
ones wait, and so do those that would join them; of all others the pairs are forgotten. Memory grows
with the window and not with the number of pairs, and it decides nothing where they are cut.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.forest import root

_PAIRS = 1 << 16
"""New pairs that are worth a look at what they settle, at least."""


class Found(NamedTuple):
    """Pairs of members.

    Attributes
    ----------
    left, right : ndarray of int32, shape (n_pairs,)
        Members by number, left < right; each pair comes once, one that never comes counts as 0.
    likeness : ndarray of float32, shape (n_pairs,)
        Above 0, to 1.
    complete : int
        Members before this one have no pair that is still to come.
    """

    left: np.ndarray
    right: np.ndarray
    likeness: np.ndarray
    complete: int


class Limits(NamedTuple):
    """Which groups may join.

    Attributes
    ----------
    hours : ndarray of float64, shape (n,)
        Time of each member; NaN where unknown.
    window : float
        Hours that the members of one group span at most.
    floor : float
        Mean likeness between two groups that join; higher gives more, tighter groups.
    """

    hours: np.ndarray
    window: float
    floor: float


def join(found: Iterable[Found], limits: Limits, settled: np.ndarray) -> np.ndarray:
    """Groups of members, by the number of the smallest of each: int32, shape (n,).

    Parameters
    ----------
    found : iterable of Found
    limits : Limits
    settled : ndarray of int, shape (n,)
        Number of a member of the group that each is in already, its own where it is alone in it,
        -1 where it is in none yet. Two such groups never join.
    """
    numbers = np.arange(len(settled), dtype=np.int32)
    groups = _smallest(np.where(settled < 0, numbers, settled))
    held, fresh = [_NOTHING], 0
    for piece in found:
        held.append(piece)
        fresh += len(piece.left)
        # As many as were held back, so that a pair is looked at a few times and no more.
        if fresh >= max(_PAIRS, len(held[0].left)):
            held, fresh = [_settle(_joined(held), groups, settled, limits)], 0
    _settle(_joined(held)._replace(complete=len(groups)), groups, settled, limits)
    return groups


_NOTHING = Found(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32), 0)


def _joined(pieces: list[Found]) -> Found:
    left, right, likeness, complete = zip(*pieces, strict=True)
    joined = np.concatenate
    return Found(joined(left), joined(right), joined(likeness), max(complete))


def _smallest(groups: np.ndarray) -> np.ndarray:
    """Smallest number with the same label, of each."""
    numbers = np.arange(len(groups), dtype=np.int32)
    smallest = np.full(groups.max(initial=-1) + 1, len(groups), np.int32)
    np.minimum.at(smallest, groups, numbers)
    return smallest[groups]


def _settle(held: Found, groups: np.ndarray, settled: np.ndarray, limits: Limits) -> Found:
    """Join what can be joined now, in `groups`; the pairs that still decide something."""
    if not len(held.left):
        return held
    left, right = groups[held.left], groups[held.right]
    base = min(left.min(), right.min())
    members = slice(base, held.right.max() + 1)
    numbers = np.arange(members.stop - base, dtype=np.int32)
    mine = groups[members] - base
    done = mine < 0  # of groups that have no pairs any more
    mine[done] = numbers[done]
    hours = limits.hours[members]
    dated = ~np.isnan(hours)
    first, last = np.full(len(mine), np.inf), np.full(len(mine), -np.inf)
    np.minimum.at(first, mine[dated], hours[dated])
    np.maximum.at(last, mine[dated], hours[dated])
    is_settled, waiting = np.zeros(len(mine), bool), np.zeros(len(mine), bool)
    is_settled[mine[settled[members] >= 0]] = True
    waiting[mine[base + numbers >= held.complete]] = True
    # Likeness is in single precision, so the floor that it reaches is too.
    floor = np.float32(limits.floor)
    parents = _join(
        *_between(left - base, right - base, held.likeness, floor, len(mine)),
        np.bincount(mine, minlength=len(mine)),
        first,
        last,
        is_settled,
        waiting,
        limits.window,
        float(floor),
    )[mine]
    groups[members] = np.where(done, groups[members], base + _smallest(parents))
    left, right = parents[held.left - base], parents[held.right - base]
    still = waiting[left] & waiting[right] & (left != right)
    return Found(held.left[still], held.right[still], held.likeness[still], held.complete)


def _between(
    left: np.ndarray, right: np.ndarray, likeness: np.ndarray, floor: np.float32, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of groups that may come to join: left, right, and the sum of what lies between them.

    Joins lie within the components of the pairs that reach the floor, so only pairs in these count.
    """
    close = likeness >= floor
    parts = _components(left[close], right[close], n)
    inside = (parts[left] == parts[right]) & (left != right)
    left, right, likeness = left[inside], right[inside], likeness[inside].astype(np.float64)
    keys = np.minimum(left, right) * np.int64(n) + np.maximum(left, right)
    keys, pairs = np.unique(keys, return_inverse=True)
    total = np.bincount(pairs, likeness, len(keys))
    return (keys // n).astype(np.int32), (keys % n).astype(np.int32), total


@njit(cache=True, nogil=True)
def _components(left, right, n):  # type: ignore[no-untyped-def]
    parents = np.arange(n, dtype=np.int32)
    for pair in range(len(left)):
        parents[root(parents, left[pair])] = root(parents, right[pair])
    for at in range(n):
        parents[at] = root(parents, at)
    return parents


@njit(cache=True, nogil=True)
def _chains(left, right, n):  # type: ignore[no-untyped-def]
    """Each group's pairs as a chain: slot 2k is pair k in the left's chain, 2k + 1 in the right's.

    First and last slot of each chain, how long it is, and the slot after each; -1 is none.
    """
    heads, tails = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    lengths, nexts = np.zeros(n, np.int32), np.full(2 * len(left), -1, np.int32)
    for slot in range(2 * len(left)):
        owner = left[slot // 2] if slot % 2 == 0 else right[slot // 2]
        if heads[owner] < 0:
            heads[owner] = slot
        else:
            nexts[tails[owner]] = slot
        tails[owner] = slot
        lengths[owner] += 1
    return heads, tails, lengths, nexts


@njit(cache=True, nogil=True)
def _entry(pair, left, right, total, sizes, parents, smallest):  # type: ignore[no-untyped-def]
    """What the queue says of a pair: by its mean, of equal ones by its groups' smallest members."""
    a, b = root(parents, left[pair]), root(parents, right[pair])
    low, high = min(smallest[a], smallest[b]), max(smallest[a], smallest[b])
    return -total[pair] / (sizes[a] * sizes[b]), low, high, np.int64(pair)


@njit(cache=True, nogil=True)
def _join(  # type: ignore[no-untyped-def]
    left, right, total, sizes, first, last, settled, waiting, window, floor
):
    """Parents after all joins that can be told; `waiting` after says which groups wait."""
    n = len(first)
    parents, smallest = np.arange(n), np.arange(n)
    heads, tails, lengths, nexts = _chains(left, right, n)
    mark, dead = np.full(n, -1, np.int64), np.zeros(len(left), np.bool_)
    queue = [(0.0, np.int64(0), np.int64(0), np.int64(0)) for _ in range(0)]
    for pair in range(len(left)):
        entry = _entry(pair, left, right, total, sizes, parents, smallest)
        if -entry[0] >= floor:
            queue.append(entry)
    heapq.heapify(queue)
    while len(queue) > 0:
        entry = heapq.heappop(queue)
        pair = entry[3]
        if dead[pair]:
            continue
        # Joins only lower what the queue says, but for two pairs that become one.
        now = _entry(pair, left, right, total, sizes, parents, smallest)
        if now != entry:
            if -now[0] >= floor:
                heapq.heappush(queue, now)
            continue
        dead[pair] = True
        a, b = root(parents, left[pair]), root(parents, right[pair])
        if max(last[a], last[b]) - min(first[a], first[b]) > window or (settled[a] and settled[b]):
            continue
        if waiting[a] or waiting[b]:
            waiting[a] = waiting[b] = True
            continue
        if lengths[a] < lengths[b]:
            a, b = b, a
        parents[b], sizes[a] = a, sizes[a] + sizes[b]
        smallest[a] = min(smallest[a], smallest[b])
        first[a], last[a] = min(first[a], first[b]), max(last[a], last[b])
        settled[a] |= settled[b]
        if heads[b] >= 0:
            nexts[tails[a]] = heads[b]
            tails[a] = tails[b]
        # One pass through the joined chain: dead pairs go, two pairs with one group become one.
        slot, before, kept = heads[a], -1, 0
        while slot >= 0:
            following, this = nexts[slot], slot // 2
            if not dead[this]:
                other = root(parents, left[this])
                if other == a:
                    other = root(parents, right[this])
                known = mark[other]
                if known >= 0:
                    total[known] += total[this]
                    dead[this] = True
                    entry = _entry(known, left, right, total, sizes, parents, smallest)
                    if -entry[0] >= floor:
                        heapq.heappush(queue, entry)
                else:
                    mark[other] = this
            if not dead[this]:
                if before < 0:
                    heads[a] = slot
                else:
                    nexts[before] = slot
                before, kept = slot, kept + 1
            slot = following
        if before < 0:
            heads[a] = -1
        else:
            nexts[before] = -1
        tails[a], lengths[a] = before, kept
        slot = heads[a]
        while slot >= 0:
            other = root(parents, left[slot // 2])
            if other == a:
                other = root(parents, right[slot // 2])
            mark[other] = -1
            slot = nexts[slot]
    for at in range(n):
        parents[at] = root(parents, at)
        waiting[parents[at]] |= waiting[at]
    return parents
