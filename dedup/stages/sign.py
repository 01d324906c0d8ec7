"""Sets of shingles to MinHash signatures.

Law: a signature is, bit for bit, that of `datasketch.MinHash(scheme="affine32")` fed with the lower
32 bits of each shingle hash.

References: Broder, "On the resemblance and containment of documents" (1997); datasketch 2's
documentation of its `affine32` scheme.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import njit

from dedup.ragged import Ragged


def sign(shingles: Ragged, num_perm: int, seed: int) -> np.ndarray:
    """MinHash signatures.

    Parameters
    ----------
    shingles : Ragged of uint64
    num_perm : int
        Values per signature.
    seed : int
        Seed of the permutations, as datasketch takes it.

    Returns
    -------
    ndarray of uint32, shape (n_articles, num_perm)
        An article without shingles has 2^32 - 1 everywhere.
    """
    factors, summands = _permutations(num_perm, seed)
    return _sign(shingles.values, shingles.offsets, factors, summands)


@functools.cache
def _permutations(num_perm: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors and summands, drawn as datasketch draws them (which takes long to import)."""
    draw = np.random.RandomState(seed)
    factors = draw.randint(0, 1 << 31, num_perm, np.uint32) * np.uint32(2) + np.uint32(1)
    return factors, draw.randint(0, 1 << 32, num_perm, np.uint32)


_MIX_1, _MIX_2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_S13, _S16 = np.uint32(13), np.uint32(16)


# Shingles that are permuted in one pass over the signature.
_ABREAST = 8


@njit(cache=True, nogil=True)
def _sign(values, offsets, factors, summands):  # type: ignore[no-untyped-def]
    n = len(offsets) - 1
    signatures = np.full((n, len(factors)), np.uint32(0xFFFFFFFF))
    mixed = np.empty(_ABREAST, np.uint32)
    for article in range(n):
        signature, end = signatures[article], offsets[article + 1]
        for begin in range(offsets[article], end, _ABREAST):
            for i in range(_ABREAST):  # the last one again where there are no more
                mixed[i] = _mix(values[min(begin + i, end - 1)])
            _permute(mixed, factors, summands, signature)
    return signatures


@njit(cache=True, nogil=True, inline="always")
def _mix(value):  # type: ignore[no-untyped-def]
    """MurmurHash3's finalizer, which datasketch applies once before the permutations."""
    mixed = np.uint32(value & np.uint64(0xFFFFFFFF))
    mixed = np.uint32((mixed ^ (mixed >> _S16)) * _MIX_1)
    mixed = np.uint32((mixed ^ (mixed >> _S13)) * _MIX_2)
    return np.uint32(mixed ^ (mixed >> _S16))


@njit(cache=True, nogil=True, inline="always")
def _permute(mixed, factors, summands, signature):  # type: ignore[no-untyped-def]
    """Lower each value of the signature to the least of some permuted shingles.

    They are named one by one, so that they lie in registers while the signature goes by.
    """
    a, b, c, d = mixed[0], mixed[1], mixed[2], mixed[3]
    e, f, g, h = mixed[4], mixed[5], mixed[6], mixed[7]
    for k in range(len(signature)):
        times, plus = factors[k], summands[k]
        first = min(np.uint32(times * a + plus), np.uint32(times * b + plus))
        second = min(np.uint32(times * c + plus), np.uint32(times * d + plus))
        third = min(np.uint32(times * e + plus), np.uint32(times * f + plus))
        fourth = min(np.uint32(times * g + plus), np.uint32(times * h + plus))
        least = min(min(first, second), min(third, fourth))
        signature[k] = min(signature[k], least)
