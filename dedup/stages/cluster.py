"""Scored pairs to coherent clusters.

Law: a chain is not a cluster. Articles come together only when pairs at the floor connect them,
and only while the mean similarity between the groups that join coheres (average linkage; Sokal and
Michener, 1958); raising the floor only splits clusters. Positions follow the articles' ids, so the
order in which articles arrive decides nothing.

A brief and a cut version of one story may share nothing, and a rewrite little with either; so
groups cohere well below the floor that a pair must reach. Clusters are what the two partitions,
each finer for a higher floor, have in common.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dedup.forest import root
from dedup.numbering import firsts, number, rising


def components(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Connected components of the pairs: smallest member's position per article, shape (n,)."""
    return _components(n, left, right)


def stars(labels: np.ndarray, left: np.ndarray, right: np.ndarray, limit: int) -> np.ndarray:
    """Stand-ins that keep giant components affordable.

    In a component of more than `limit` articles, the article with most pairs stands in for all that
    it has a pair with, then the next of those left, and so on. The pairs given should be of close
    copies only. Linear in pairs.

    Returns
    -------
    ndarray of int64, shape (n,)
        Position of each article's stand-in; its own in components within the limit.
    """
    sizes = np.bincount(labels, minlength=len(labels))
    giant = sizes[labels] > limit
    if not giant.any():
        return np.arange(len(labels))
    inside = giant[left]
    left, right = left[inside], right[inside]
    ends, others = np.concatenate([left, right]), np.concatenate([right, left])
    order = np.lexsort((others, ends))
    degrees = np.bincount(ends, minlength=len(labels))
    offsets = np.concatenate([[0], np.cumsum(degrees)])
    by_degree = np.lexsort((np.arange(len(labels)), -degrees))
    return _stars(by_degree, offsets, others[order])


def components_within(
    n: int, left: np.ndarray, right: np.ndarray, similarity: np.ndarray, limit: int
) -> np.ndarray:
    """Components of at most `limit` articles where that can be had.

    A larger one is taken apart at a higher and higher similarity; one that holds together at 0.9
    is left whole.
    """
    labels = components(n, left, right)
    for floor in np.arange(0.2, 0.95, 0.1):
        large = np.bincount(labels, minlength=n)[labels] > limit
        if not large.any():
            break
        kept = ~large[left] | (similarity >= floor)
        left, right, similarity = left[kept], right[kept], similarity[kept]
        labels = components(n, left, right)
    return labels


def pairs_within(labels: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of articles with the same label, in groups of at most `limit`."""
    members = np.flatnonzero(np.bincount(labels)[labels] > 1)
    members = members[np.argsort(labels[members], kind="stable")]
    return _pairs_within(labels[members], members, limit)


def cut(
    labels: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    similarity: np.ndarray,
    floor: float,
) -> np.ndarray:
    """Clusters: each component cut where average linkage falls below the floor.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        Component of each article.
    left, right : ndarray of int64, shape (n_pairs,)
        Every pair within the components that may be cut; a component of which a pair is missing
        is left whole.
    similarity : ndarray of float32, shape (n_pairs,)
    floor : float
        Higher gives more, tighter clusters.

    Returns
    -------
    ndarray of int64, shape (n,)
        Smallest member's position of each article's cluster.
    """
    result, owners = labels.copy(), labels[left]
    sizes, given = (np.bincount(each, minlength=len(labels)) for each in (labels, owners))
    lowest = np.full(len(labels), np.inf, np.float32)
    np.minimum.at(lowest, owners, similarity)
    torn = (sizes > 2) & (given == sizes * (sizes - 1) // 2) & (lowest < floor)
    inside = np.flatnonzero(torn[owners])
    inside = inside[np.argsort(owners[inside], kind="stable")]
    for pairs in np.split(inside, firsts(owners[inside]))[1:]:
        members = rising(np.concatenate([left[pairs], right[pairs]]))
        result[members] = _average_linkage(
            members, left[pairs], right[pairs], similarity[pairs], floor
        )
    return result


def _average_linkage(
    members: np.ndarray, left: np.ndarray, right: np.ndarray, similarity: np.ndarray, floor: float
) -> np.ndarray:
    m = len(members)
    i, j = np.searchsorted(members, left), np.searchsorted(members, right)
    distances = np.ones(m * (m - 1) // 2)
    # Position of the pair i < j in the condensed form of a distance matrix.
    distances[m * i - i * (i + 1) // 2 + j - i - 1] = 1 - similarity.astype(np.float64)
    # Similarities are in single precision, so the floor that they reach is too.
    height = 1 - float(np.float32(floor))
    return members[_merged(distances, m, height)]


def common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """What two partitions have in common: smallest member's position per article, shape (n,)."""
    groups, found = number(first.astype(np.uint64) << np.uint64(32) | second.astype(np.uint64))
    smallest = np.empty(found, np.int64)
    smallest[groups[::-1]] = np.arange(len(groups))[::-1]
    return smallest[groups]


@njit(cache=True, nogil=True)
def _stars(by_degree, offsets, others):  # type: ignore[no-untyped-def]
    result = np.full(len(by_degree), -1, np.int64)
    for centre in by_degree:
        if result[centre] >= 0:
            continue
        result[centre] = centre
        for at in range(offsets[centre], offsets[centre + 1]):
            if result[others[at]] < 0:
                result[others[at]] = centre
    return result


@njit(cache=True, nogil=True)
def _pairs_within(sorted_labels, members, limit):  # type: ignore[no-untyped-def]
    total, start, n = 0, 0, len(members)
    for end in range(1, n + 1):
        if end == n or sorted_labels[end] != sorted_labels[start]:
            size = end - start
            total += size * (size - 1) // 2 if size <= limit else 0
            start = end
    left, right = np.empty(total, np.int64), np.empty(total, np.int64)
    count, start = 0, 0
    for end in range(1, n + 1):
        if end < n and sorted_labels[end] == sorted_labels[start]:
            continue
        if end - start <= limit:
            for i in range(start, end):
                for j in range(i + 1, end):
                    left[count], right[count] = members[i], members[j]
                    count += 1
        start = end
    return left, right


@njit(cache=True, nogil=True)
def _components(n, left, right):  # type: ignore[no-untyped-def]
    parents = np.arange(n)
    for at in range(len(left)):
        _unite(parents, left[at], right[at])
    return _rooted(parents)


@njit(cache=True, nogil=True)
def _unite(parents, one, other):  # type: ignore[no-untyped-def]
    """Make one set of two; its root is its smallest member, as that of each was."""
    one, other = root(parents, one), root(parents, other)
    parents[max(one, other)] = min(one, other)


@njit(cache=True, nogil=True)
def _rooted(parents):  # type: ignore[no-untyped-def]
    for at in range(len(parents)):
        parents[at] = root(parents, at)
    return parents


@njit(cache=True, nogil=True)
def _place(m, i, j):  # type: ignore[no-untyped-def]
    """Position of a pair in the condensed form of an m by m distance matrix."""
    i, j = min(i, j), max(i, j)
    return m * i - i * (i + 1) // 2 + j - i - 1


@njit(cache=True, nogil=True)
def _merged(distances, m, height):  # type: ignore[no-untyped-def]
    """Smallest member of each one's group, of those that merge at no more than `height`.

    Nearest-neighbour chain (Murtagh, "A survey of recent advances in hierarchical clustering
    algorithms", 1983): two groups that are each other's nearest merge in any order.
    """
    parents, sizes, tallest = np.arange(m), np.ones(m, np.int64), np.zeros(m)
    chain, length = np.empty(m, np.int64), 0
    for _ in range(m - 1):
        if length == 0:
            chain[0], length = np.flatnonzero(sizes)[0], 1
        while True:
            last, nearest, least = chain[length - 1], -1, np.inf
            if length > 1:
                nearest = chain[length - 2]
                least = distances[_place(m, last, nearest)]
            for other in range(m):
                if sizes[other] and other != last:
                    distance = distances[_place(m, last, other)]
                    if distance < least:
                        nearest, least = other, distance
            if length > 1 and nearest == chain[length - 2]:
                break
            chain[length], length = nearest, length + 1
        length -= 2
        gone, stays = min(last, nearest), max(last, nearest)
        tallest[stays] = max(least, tallest[gone], tallest[stays])
        if tallest[stays] <= height:
            _unite(parents, gone, stays)
        for other in range(m):
            if sizes[other] and other != gone and other != stays:
                place = _place(m, other, stays)
                weighted = sizes[gone] * distances[_place(m, other, gone)]
                weighted += sizes[stays] * distances[place]
                distances[place] = weighted / (sizes[gone] + sizes[stays])
        sizes[gone], sizes[stays] = 0, sizes[gone] + sizes[stays]
    return _rooted(parents)
