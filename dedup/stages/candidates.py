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

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.numbering import number, repeating, rising
from dedup.ragged import Ragged

LSH, SKETCH = np.uint8(1), np.uint8(2)


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
        Members of a bucket, by position, that are paired with all of it.
    """
    hashes = _band_hashes(signatures, members, rows.start, rows.stop)
    return Proposals(*_bucket_pairs(*_buckets(hashes, members), cap))


def band_keys(signatures: np.ndarray, rows: int, bands: int) -> Ragged:
    """The keys (uint64) of every band of each signature; equal where all the band's rows are."""
    everyone = np.arange(len(signatures))
    columns = [
        _band_hashes(signatures, everyone, band * rows, (band + 1) * rows) for band in range(bands)
    ]
    keys = np.stack(columns, axis=1).ravel()
    return Ragged(keys, np.arange(len(signatures) + 1) * bands)


def counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct packed pairs, rising, and how often each stands in `keys`."""
    return _runs(np.sort(keys))


def sketch_pairs(sketches: Ragged, min_shared: int, cap: int) -> Proposals:
    """Pairs that share at least `min_shared` sketch hashes.

    Parameters
    ----------
    sketches : Ragged of uint64
    min_shared : int
        Higher proposes fewer, surer pairs.
    cap : int
        Members of a bucket, by position, that are paired with all of it.
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
    lsh = rising(np.concatenate([band.keys for band in by_lsh]))
    return of_generators({LSH: lsh, SKETCH: by_sketch.keys})


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
