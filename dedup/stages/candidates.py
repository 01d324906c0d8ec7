"""Signatures and sketches to candidate pairs.

Law: a candidate is a proposal, nothing more; which generator proposed it is remembered. The first
members of a bucket are each paired with all of it, so a bucket costs linear work, and what it joins
stays joined.

Two generators. MinHash LSH banding finds texts that are alike as wholes (Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3). A join on scaled MinHash sketches (FracMinHash;
Irber et al. 2022), the shingle hashes below a fixed bound, finds as well a short text inside a long
one, because both keep the same shingles wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.numbering import number, repeating, rising
from dedup.ragged import Ragged

LSH, SKETCH = np.uint8(1), np.uint8(2)

# A pair whose sketches let expect that even the shorter text is contained by less than this in the
# other is not worth a look; what is kept in the end has at least twice as much.
LEAST_EXPECTED = 0.04


class Proposals(NamedTuple):
    """What one generator proposes.

    Attributes
    ----------
    keys : ndarray of uint64, shape (n_pairs,)
        Pairs of articles by position, the smaller in the upper 32 bits; each once.
    capped : int
        Buckets of which not every member is paired with all.
    """

    keys: np.ndarray
    capped: int


class Bucketed(NamedTuple):
    """Sketch hashes that may stand in two or more texts, as numbered buckets.

    Attributes
    ----------
    buckets : ndarray of int32
        Those that each text is in, one text after the other.
    lengths : ndarray of int32, shape (n_texts,)
        How many each text is in.
    sizes : ndarray of int32, shape (n_buckets,)
        How many texts are in each.
    """

    buckets: np.ndarray
    lengths: np.ndarray
    sizes: np.ndarray


class Index(NamedTuple):
    """Texts by the sketch hashes that two or more of them have.

    Attributes
    ----------
    buckets : Ragged of int32
        Buckets that each text is in.
    members : Ragged of int32
        Texts that each bucket pairs with all of its others: its first ones, rising.
    capped : int
        Buckets of which not every member is among those.
    """

    buckets: Ragged
    members: Ragged
    capped: int


class Candidates(NamedTuple):
    """Candidate pairs, sorted by (left, right), each once.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Articles by position, left < right.
    generators : ndarray of uint8, shape (n_pairs,)
        Bits `LSH` and `SKETCH`.
    """

    left: np.ndarray
    right: np.ndarray
    generators: np.ndarray


def sketch(shingles: Ragged, scale: int) -> Ragged:
    """Scaled MinHash: the shingle hashes in the lowest 1/`scale` of the 64-bit range."""
    places = np.flatnonzero(shingles.values <= np.uint64(last_sketched(scale)))
    return Ragged(shingles.values[places], np.searchsorted(places, shingles.offsets))


def last_sketched(scale: int) -> int:
    """Up to this shingle hash they are kept in a sketch."""
    return (1 << 64) // scale - 1


def band_keys(signatures: np.ndarray, rows: int, bands: int) -> np.ndarray:
    """Keys of every band of each signature; equal where all the band's rows are.

    Parameters
    ----------
    signatures : ndarray of uint32, shape (n, num_perm)
    rows, bands : int
        Columns of one band, and how many bands.

    Returns
    -------
    ndarray of uint64, shape (bands, n)
    """
    keys = np.empty((bands, len(signatures)), np.uint64)
    _fill_keys(signatures, rows, keys)
    return keys


def band_pairs(keys: np.ndarray, texts: np.ndarray, rows: np.ndarray, cap: int) -> Proposals:
    """Pairs with equal keys in one band.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)
        Of one band.
    texts : ndarray of int64, shape (n,)
        Article of each key, each once.
    rows : ndarray of int64, shape (n_articles,)
        Where each article's key is.
    cap : int
        Members of a bucket, by position, that are paired with all of it.
    """
    # Keys that give their lower bits to the articles are sorted far quicker than keys that draw
    # the articles along.
    low = np.uint64((1 << len(rows).bit_length()) - 1)
    order = np.sort(keys & ~low | texts.astype(np.uint64))
    members, starts = np.empty(len(keys), np.int64), np.zeros(len(keys) // 2 + 1, np.int64)
    found = _fill_buckets(order, low, keys, rows, members, starts)
    return Proposals(*_bucket_pairs(members, starts[: found + 1], cap))


def bucketed(sketches: Ragged) -> Bucketed:
    """The buckets of sketches (Ragged of uint64, each sorted) of all texts."""
    again = sketches.keep(repeating(sketches.values))
    numbers, found = number(again.values)
    sizes = np.bincount(numbers, minlength=found)
    narrow = (each.astype(np.int32) for each in (numbers, again.lengths, sizes))
    return Bucketed(*narrow)


def index(spans: Iterable[Bucketed], texts: int, cap: int) -> Index:
    """Index of sketches.

    Parameters
    ----------
    spans : iterable of Bucketed
        Of what all sketches have within one range of hashes after the other.
    texts : int
    cap : int
        Members of a bucket, by position, that are paired with all of it.
    """
    pieces, sizes, found = [], [np.empty(0, np.int32)], 0
    for each in spans:
        pieces.append((each.buckets + np.int32(found), each.lengths))
        sizes.append(each.sizes)
        found += len(each.sizes)
    every = np.concatenate(sizes)
    buckets = side_by_side(pieces, texts, np.int32)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.minimum(every, cap))])
    members = np.empty(starts[-1], np.int32)
    _fill_members(*buckets, starts, members)
    return Index(buckets, Ragged(members, starts), int((every > cap).sum()))


def met(given: Index, part: slice, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed pairs of the given texts with those before them, and how many hashes each shares.

    Parameters
    ----------
    given : Index
    part : slice
        The later texts of the pairs.
    least : int
        Hashes below which a pair is left out.

    Returns
    -------
    keys : ndarray of uint64
        Sorted by the later text; each pair once.
    counts : ndarray of int32
    """
    return _meet(*given.buckets, *given.members, part.start, part.stop, least)


def side_by_side(pieces: list[tuple[np.ndarray, np.ndarray]], texts: int, kind: type) -> Ragged:
    """Each text's lists of all pieces, one after the other.

    Parameters
    ----------
    pieces : list of tuple of ndarray
        Values of all texts, one text after the other, and how many each has. The list is emptied
        on the way, so that they do not lie in memory twice.
    texts : int
    kind : type
        Of the values.
    """
    offsets = np.zeros(texts + 1, np.int64)
    for _, lengths in pieces:
        offsets[1:] += lengths
    np.cumsum(offsets, out=offsets)
    if len(pieces) == 1:
        return Ragged(pieces.pop()[0], offsets)
    values, nexts = np.empty(offsets[-1], kind), offsets[:-1].copy()
    while pieces:
        _append(*pieces.pop(0), values, nexts)
    return Ragged(values, offsets)


def worthy(keys: np.ndarray, counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Pairs that share enough of their sketches to be candidates: bool.

    Parameters
    ----------
    keys, counts : ndarray
        Packed pairs, and how many hashes each shares.
    expected : ndarray of float64, shape (n_articles,)
        Hashes that each article's sketch is expected to have.
    """
    left, right = ends(keys)
    shorter = np.minimum(expected[left], expected[right])
    return counts >= LEAST_EXPECTED * shorter


def close(
    given: Index, part: slice, sizes: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of the given texts with those before them whose sketches have so large a Jaccard.

    An estimate of the articles' own: at s, with n hashes in the union of the sketches, its standard
    error is sqrt(s (1 - s) / n).

    Parameters
    ----------
    given : Index
    part : slice
        The later texts of the pairs.
    sizes : ndarray of int64, shape (n_texts,)
        Hashes of each sketch.
    floor : float
        Above 0.

    Returns
    -------
    left, right : ndarray of int64
        Sorted by the later text.
    """
    return ends(_close(*given.buckets, *given.members, part.start, part.stop, sizes, floor))


def of_generators(keys: Mapping[np.uint8, np.ndarray]) -> Candidates:
    """Pairs that any generator proposes, each generator's packed and distinct."""
    every = rising(np.concatenate(list(keys.values())))
    generators = np.zeros(len(every), np.uint8)
    for generator, proposed in keys.items():
        generators[np.searchsorted(every, proposed)] |= generator
    return Candidates(*ends(every), generators)


def pack(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pairs of articles by position (int64, left < right) as `Proposals.keys`."""
    return (left.astype(np.uint64) << _S32) | right.astype(np.uint64)


def ends(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right articles (int64) of packed pairs."""
    return (keys >> _S32).astype(np.int64), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


_PRIME = np.uint64(0x9E3779B97F4A7C15)
_S32 = np.uint64(32)
_LARGE = 63
"""Buckets of more members than this are not told apart by their size."""


@njit(cache=True, nogil=True)
def _fill_keys(signatures, rows, keys):  # type: ignore[no-untyped-def]
    for band in range(len(keys)):
        for at in range(len(signatures)):
            state = np.uint64(band * rows)
            for row in range(band * rows, (band + 1) * rows):
                state = (state ^ np.uint64(signatures[at, row])) * _PRIME
                state ^= state >> _S32
            keys[band, at] = state


@njit(cache=True, nogil=True)
def _fill_buckets(order, low, keys, rows, members, starts):  # type: ignore[no-untyped-def]
    """Write articles of equal keys side by side, rising, and where each bucket starts; how many.

    Articles whose keys are no other's are in no bucket.
    """
    start, count, buckets = 0, 0, 0
    while start < len(order):
        after = start + 1
        while after < len(order) and order[after] | low == order[start] | low:
            after += 1
        end = after
        while end - start > 1:
            # Keys that differ in their lower bits alone wait for the next round.
            key, waiting = keys[rows[order[start] & low]], start
            for at in range(start, end):
                article = order[at] & low
                if keys[rows[article]] == key:
                    members[count] = article
                    count += 1
                else:
                    order[waiting] = order[at]
                    waiting += 1
            end = waiting
            if count - starts[buckets] > 1:
                buckets += 1
                starts[buckets] = count
            else:
                count = starts[buckets]
        start = after
    return buckets


@njit(cache=True, nogil=True)
def _append(values, lengths, result, nexts):  # type: ignore[no-untyped-def]
    at = 0
    for text in range(len(lengths)):
        for _ in range(lengths[text]):
            result[nexts[text]] = values[at]
            nexts[text] += 1
            at += 1


@njit(cache=True, nogil=True)
def _fill_members(buckets, offsets, starts, members):  # type: ignore[no-untyped-def]
    nexts = starts[:-1].copy()
    for text in range(len(offsets) - 1):
        for bucket in buckets[offsets[text] : offsets[text + 1]]:
            if nexts[bucket] < starts[bucket + 1]:
                members[nexts[bucket]] = text
                nexts[bucket] += 1


@njit(cache=True, nogil=True)
def _meet(buckets, offsets, members, starts, first, last, least):  # type: ignore[no-untyped-def]
    counts, others = np.zeros(last, np.int32), np.empty(last, np.int32)
    keys, shared, found = np.empty(1 << 16, np.uint64), np.empty(1 << 16, np.int32), 0
    for text in range(first, last):
        n = 0
        for bucket in buckets[offsets[text] : offsets[text + 1]]:
            for at in range(starts[bucket], starts[bucket + 1]):
                other = members[at]
                if other >= text:
                    break
                if counts[other] == 0:
                    others[n] = other
                    n += 1
                counts[other] += 1
        if found + n > len(keys):
            keys = np.concatenate((keys, np.empty(len(keys) + n, np.uint64)))
            shared = np.concatenate((shared, np.empty(len(keys) - len(shared), np.int32)))
        for other in others[:n]:
            if counts[other] >= least:
                keys[found] = (np.uint64(other) << _S32) | np.uint64(text)
                shared[found] = counts[other]
                found += 1
            counts[other] = 0
    return keys[:found].copy(), shared[:found].copy()


@njit(cache=True, nogil=True)
def _close(  # type: ignore[no-untyped-def]
    buckets, offsets, members, starts, first, last, sizes, floor
):
    """Packed pairs, looked for only in the smallest buckets of each text (a prefix filter).

    Two lists that share `need` of n values share one of any n - need + 1 (Chaudhuri, Ganti and
    Kaushik 2006, "A primitive operator for similarity joins in data cleaning").
    """
    counts, others = np.zeros(last, np.int32), np.empty(last, np.int32)
    keys, found = np.empty(1 << 12, np.uint64), 0
    smallest = np.empty(offsets[last] - offsets[first], buckets.dtype)
    for text in range(first, last):
        mine = buckets[offsets[text] : offsets[text + 1]]
        need = np.int64(np.ceil(floor * sizes[text]))
        n = 0
        for bucket in smallest[: _smallest(mine, starts, len(mine) - max(need, 1) + 1, smallest)]:
            for other in members[starts[bucket] : starts[bucket + 1]]:
                if other >= text:
                    break
                if counts[other] == 0:
                    others[n], counts[other] = other, 1
                    n += 1
        for bucket in mine[: len(mine) if n else 0]:
            for other in members[starts[bucket] : starts[bucket + 1]]:
                if other >= text:
                    break
                counts[other] += np.int32(counts[other] > 0)
        if found + n > len(keys):
            keys = np.concatenate((keys, np.empty(len(keys) + n, np.uint64)))
        for other in others[:n]:
            shared, counts[other] = counts[other] - 1, 0
            keys[found] = (np.uint64(other) << _S32) | np.uint64(text)
            found += shared >= floor * (sizes[other] + sizes[text] - shared)
    return keys[:found].copy()


@njit(cache=True, nogil=True)
def _smallest(mine, starts, wanted, result):  # type: ignore[no-untyped-def]
    """Write so many of the buckets, the smallest, into the result; how many they are."""
    if wanted <= 0:
        return 0
    of_size = np.zeros(_LARGE + 1, np.int64)
    for bucket in mine:
        of_size[min(starts[bucket + 1] - starts[bucket], _LARGE)] += 1
    largest, room = 0, wanted  # of the largest size there is room for some only
    while room > of_size[largest]:
        room -= of_size[largest]
        largest += 1
    count = 0
    for bucket in mine:
        size = min(starts[bucket + 1] - starts[bucket], _LARGE)
        if size < largest or (size == largest and room > 0):
            room -= size == largest
            result[count] = bucket
            count += 1
    return count


@njit(cache=True, nogil=True)
def _bucket_pairs(members, starts, cap):  # type: ignore[no-untyped-def]
    """Packed pairs of a bucket's first members with all of it, and the number of larger buckets.

    The members of a bucket rise.
    """
    total, larger = 0, 0
    for bucket in range(len(starts) - 1):
        size = starts[bucket + 1] - starts[bucket]
        first = min(size, cap)
        total += first * (first - 1) // 2 + first * (size - first)
        larger += size > cap
    pairs, count = np.empty(total, np.uint64), 0
    for bucket in range(len(starts) - 1):
        start, end = starts[bucket], starts[bucket + 1]
        for i in range(start, min(end, start + cap)):
            for j in range(i + 1, end):
                pairs[count] = (np.uint64(members[i]) << _S32) | np.uint64(members[j])
                count += 1
    return pairs, larger
