"""Signatures and sketches to candidate pairs.

Law: a candidate is a proposal, nothing more; which generator proposed it is remembered, and no
bucket costs more than linear work in its members beyond the cap.

Two generators. MinHash LSH banding finds texts that are alike as wholes (Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3). A join on scaled MinHash sketches (FracMinHash;
Irber et al. 2022), the shingle hashes below a fixed bound, finds as well a short text inside a long
one, because both keep the same shingles wherever they stand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.numbering import number, repeating
from dedup.ragged import Ragged

LSH, SKETCH = np.uint8(1), np.uint8(2)


class Proposals(NamedTuple):
    """What one generator proposes.

    Attributes
    ----------
    keys : ndarray of uint64, shape (n_pairs,)
        Pairs of articles by position, the smaller in the upper 32 bits; each once.
    capped : int
        Buckets that were larger than the cap and so were linked instead of paired out.
    """

    keys: np.ndarray
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


def sketch(shingles: Ragged, scale: int, without: np.ndarray | None = None) -> Ragged:
    """Scaled MinHash: the shingle hashes in the lowest 1/`scale` of the 64-bit range.

    Parameters
    ----------
    without : ndarray of int64, optional
        Positions in `shingles.values` that are to be left out.
    """
    mask = shingles.values <= np.uint64((1 << 64) // scale - 1)
    if without is not None:
        mask[without] = False
    return shingles.keep(mask)


def band_pairs(signatures: np.ndarray, members: np.ndarray, rows: range, cap: int) -> Proposals:
    """Pairs whose signatures agree in all the given rows, which make one band.

    Parameters
    ----------
    signatures : ndarray of uint32, shape (n, num_perm)
    members : ndarray of int64
        Articles that take part; one without shingles has no signature to speak of.
    rows : range
        Columns of the signatures.
    cap : int
        Largest bucket that is paired out in full.
    """
    hashes = _band_hashes(signatures, members, rows.start, rows.stop)
    return Proposals(*_bucket_pairs(*_buckets(hashes, members), cap))


def sketch_pairs(sketches: Ragged, min_shared: int, cap: int) -> Proposals:
    """Pairs that share at least `min_shared` sketch hashes.

    Parameters
    ----------
    sketches : Ragged of uint64
    min_shared : int
        Higher proposes fewer, surer pairs.
    cap : int
        Largest bucket that is paired out in full.
    """
    keys, counts, capped = _shared_hashes(sketches, cap)
    return Proposals(keys[counts >= min_shared], capped)


def close_pairs(sketches: Ragged, floor: float, cap: int) -> tuple[np.ndarray, np.ndarray]:
    """Left and right articles of the pairs whose sketches have a Jaccard of at least `floor`.

    An estimate of the articles' own: at s, with n hashes in the union of the sketches, its standard
    error is sqrt(s (1 - s) / n).
    """
    keys, counts, _ = _shared_hashes(sketches, cap)
    left, right = ends(keys)
    sizes = sketches.lengths
    close = counts >= floor * (sizes[left] + sizes[right] - counts)
    return left[close], right[close]


def _shared_hashes(sketches: Ragged, cap: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Packed pairs that share a hash, how many they share, and the number of capped buckets."""
    salts = np.zeros(len(sketches.lengths), np.uint64)
    again = sketches.keep(repeating(sketches.values, sketches.offsets, salts, 2))
    keys, capped = _bucket_pairs(*_buckets(again.values, again.owners()), cap)
    keys.sort()
    return *_runs(keys), capped


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


def union(by_lsh: list[Proposals], by_sketch: Proposals) -> Candidates:
    """Pairs of any band or of the sketch join, with their generators."""
    lsh = np.unique(np.concatenate([band.keys for band in by_lsh]))
    keys = np.union1d(lsh, by_sketch.keys)
    generators = np.zeros(len(keys), np.uint8)
    generators[np.searchsorted(keys, lsh)] |= LSH
    generators[np.searchsorted(keys, by_sketch.keys)] |= SKETCH
    return Candidates(*ends(keys), generators)


def pack(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pairs of articles by position (int64, left < right) as `Proposals.keys`."""
    return (left.astype(np.uint64) << _S32) | right.astype(np.uint64)


def ends(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left and right articles (int64) of packed pairs."""
    return (keys >> _S32).astype(np.int64), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


_PRIME = np.uint64(0x9E3779B97F4A7C15)
_S32 = np.uint64(32)


@njit(cache=True, nogil=True)
def _band_hashes(signatures, members, start, stop):  # type: ignore[no-untyped-def]
    hashes = np.empty(len(members), np.uint64)
    for at in range(len(members)):
        state = np.uint64(start)
        for row in range(start, stop):
            state = (state ^ np.uint64(signatures[members[at], row])) * _PRIME
            state ^= state >> _S32
        hashes[at] = state
    return hashes


@njit(cache=True, nogil=True)
def _fill_buckets(numbers, owners, sizes, starts):  # type: ignore[no-untyped-def]
    members, nexts = np.empty(sizes.sum(), np.int64), starts.copy()
    for at in range(len(numbers)):
        if sizes[numbers[at]]:
            members[nexts[numbers[at]]] = owners[at]
            nexts[numbers[at]] += 1
    return members


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
    """Packed pairs of members of one bucket, and the number of buckets over the cap.

    The members of a bucket rise. In a bucket over the cap each member is paired with the first
    (the hub) and with the next few, so that it stays one component.
    """
    total, capped = 0, 0
    for bucket in range(len(starts) - 1):
        size = starts[bucket + 1] - starts[bucket]
        total += size * (size - 1) // 2 if size <= cap else size * (1 + _NEIGHBOURS)
    pairs, count = np.empty(total, np.uint64), 0
    for bucket in range(len(starts) - 1):
        start, end = starts[bucket], starts[bucket + 1]
        over = end - start > cap
        capped += over
        for i in range(start, end):
            reach = min(end, i + 1 + _NEIGHBOURS) if over else end
            for j in range(i + 1, reach):
                pairs[count] = (np.uint64(members[i]) << _S32) | np.uint64(members[j])
                count += 1
            if over and i > start + _NEIGHBOURS:
                pairs[count] = (np.uint64(members[start]) << _S32) | np.uint64(members[i])
                count += 1
    return pairs[:count], capped


_NEIGHBOURS = 8
