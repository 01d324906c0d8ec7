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
    return shingles.keep(shingles.values <= np.uint64((1 << 64) // scale - 1))


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


def band_pairs(keys: np.ndarray, members: np.ndarray, cap: int) -> Proposals:
    """Pairs with equal keys in one band.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n,)
        Of one band.
    members : ndarray of int64
        Articles that take part, rising; one without shingles has no signature to speak of.
    cap : int
        Members of a bucket, by position, that are paired with all of it.
    """
    return Proposals(*_bucket_pairs(*_buckets(keys[members], members), cap))


def counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct packed pairs, rising, and how often each stands in `keys`."""
    return _runs(np.sort(keys))


def index(spans: Iterable[Ragged], texts: int, cap: int) -> Index:
    """Index of sketches.

    Parameters
    ----------
    spans : iterable of Ragged of uint64
        Sorted hashes of all texts within one range of hashes after the other.
    texts : int
    cap : int
        Members of a bucket, by position, that are paired with all of it.
    """
    pieces, sizes = [], [np.empty(0, np.int64)]
    found = 0
    for sketches in spans:
        again = sketches.keep(repeating(*sketches, np.zeros(texts, np.uint64), 2))
        numbers, distinct = number(again.values)
        pieces.append(again._replace(values=(numbers + found).astype(np.int32)))
        sizes.append(np.bincount(numbers, minlength=distinct))
        found += distinct
    every = np.concatenate(sizes)
    buckets = _side_by_side(pieces, texts)
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


def _side_by_side(pieces: list[Ragged], texts: int) -> Ragged:
    """Each text's lists of all pieces, one after the other."""
    offsets = np.zeros(texts + 1, np.int64)
    for piece in pieces:
        offsets[1:] += piece.lengths
    np.cumsum(offsets, out=offsets)
    values, nexts = np.empty(offsets[-1], np.int32), offsets[:-1].copy()
    for piece in pieces:
        _append(*piece, values, nexts)
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
    keys: np.ndarray, counts: np.ndarray, sizes: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Left and right articles of the pairs whose sketches have a Jaccard of at least `floor`.

    An estimate of the articles' own: at s, with n hashes in the union of the sketches, its standard
    error is sqrt(s (1 - s) / n).

    Parameters
    ----------
    keys, counts : ndarray
        Packed pairs, and how many hashes each shares.
    sizes : ndarray of int64, shape (n_articles,)
        Hashes of each sketch.
    floor : float
    """
    left, right = ends(keys)
    near = counts >= floor * (sizes[left] + sizes[right] - counts)
    return left[near], right[near]


def _buckets(hashes: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Owners of equal hashes side by side, in their order, and where each bucket starts.

    Hashes that stand alone are in no bucket.
    """
    numbers, distinct = number(hashes)
    sizes = np.bincount(numbers, minlength=distinct)
    sizes[sizes == 1] = 0
    ends = np.cumsum(sizes)
    members = _fill_buckets(numbers, owners, sizes, ends - sizes)
    return members, np.concatenate([np.zeros(1, np.int64), ends[sizes > 0]])


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
def _fill_buckets(numbers, owners, sizes, starts):  # type: ignore[no-untyped-def]
    members, nexts = np.empty(sizes.sum(), np.int64), starts.copy()
    for at in range(len(numbers)):
        if sizes[numbers[at]]:
            members[nexts[numbers[at]]] = owners[at]
            nexts[numbers[at]] += 1
    return members


@njit(cache=True, nogil=True)
def _append(values, offsets, result, nexts):  # type: ignore[no-untyped-def]
    for text in range(len(offsets) - 1):
        for at in range(offsets[text], offsets[text + 1]):
            result[nexts[text]] = values[at]
            nexts[text] += 1


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
def _runs(keys):  # type: ignore[no-untyped-def]
    """Distinct values of sorted keys, and how often each occurs."""
    found = 0
    for at in range(len(keys)):
        found += at == 0 or keys[at] != keys[at - 1]
    distinct, counts = np.empty(found, keys.dtype), np.zeros(found, np.int64)
    found = 0
    for at in range(len(keys)):
        if at == 0 or keys[at] != keys[at - 1]:
            distinct[found] = keys[at]
            found += 1
        counts[found - 1] += 1
    return distinct, counts


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
