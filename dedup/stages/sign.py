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


@njit(cache=True, nogil=True)
def _sign(values, offsets, factors, summands):  # type: ignore[no-untyped-def]
    n, num_perm = len(offsets) - 1, len(factors)
    signatures = np.empty((n, num_perm), np.uint32)
    for article in range(n):
        signature = signatures[article]
        signature[:] = np.uint32(0xFFFFFFFF)
        for at in range(offsets[article], offsets[article + 1]):
            # MurmurHash3's finalizer, which datasketch applies once before the permutations.
            mixed = np.uint32(values[at] & np.uint64(0xFFFFFFFF))
            mixed = np.uint32((mixed ^ (mixed >> _S16)) * _MIX_1)
            mixed = np.uint32((mixed ^ (mixed >> _S13)) * _MIX_2)
            mixed = np.uint32(mixed ^ (mixed >> _S16))
            for k in range(num_perm):
                permuted = np.uint32(factors[k] * mixed + summands[k])
                signature[k] = min(signature[k], permuted)
    return signatures
