"""Galleries and lists of links out.

Law: a line that comes back every few words belongs to a list that the page carries, and so does
what stands between: "Hide caption 3 of 14" and the captions, "Just watched" and the titles. This
takes no other article to tell, so the first gallery of an outlet goes as the hundredth does.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from dedup.ragged import Ragged

# A refrain comes back so often, each time within so many tokens, and is at least so long: what
# comes back less is a figure of speech, and shorter ones are names, or a few characters of a script
# without spaces. An article that is such a list for the most part (a table of prices) is kept.
_LEAST_TIMES, _LONGEST_GAP, _LEAST_BYTES = 6, 60, 20
_MOST = 0.75


def inside(tokens: Ragged, starts: np.ndarray, ends: np.ndarray, size: int) -> np.ndarray:
    """Which tokens stand from the first to the last of a refrain: bool, shape (n_tokens,).

    Parameters
    ----------
    tokens : Ragged of uint32
    starts, ends : ndarray of int32, shape (n_tokens,)
        Bytes of each token in its text.
    size : int
        Tokens that, coming back in the same order, are a refrain.
    """
    return _inside(*tokens, starts, ends, size, np.zeros(len(starts), bool))


_PRIME, _ONE = np.uint64(0x9E3779B97F4A7C15), np.uint64(1)
_HALF, _BITS = np.uint64(32), np.uint64(64)


@njit(cache=True, nogil=True)
def _table(bits):  # type: ignore[no-untyped-def]
    """By slot: hash, where it stood last, where its chain began, and how often it came."""
    size = 1 << bits
    places = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    return np.zeros(size, np.uint64), places[0], places[1], places[2]


@njit(cache=True, nogil=True)
def _may_return(tokens, size, bits, counts):  # type: ignore[no-untyped-def]
    """Whether any run of tokens may be there as often as a refrain.

    Told by its first, middle and last one alone, and by counts that several runs share.
    """
    counts[: 1 << bits] = 0
    most, shift = np.uint8(0), _BITS - np.uint64(bits)
    middle, last = tokens[size // 2 :], tokens[size - 1 :]
    for at in range(len(last)):
        ends = np.uint64(tokens[at]) ^ (np.uint64(last[at]) << _HALF)
        slot = ((ends + middle[at]) * _PRIME) >> shift
        counts[slot] += np.uint8(1)
        most = max(most, counts[slot])
    return most >= _LEAST_TIMES


@njit(cache=True, nogil=True)
def _inside(tokens, offsets, starts, ends, size, result):  # type: ignore[no-untyped-def]
    keys, last, first, times = _table(4)
    counts = np.empty(len(keys), np.uint8)
    for article in range(len(offsets) - 1):
        begin, end = offsets[article], offsets[article + 1]
        mine = tokens[begin:end]
        bits = 4
        while (1 << bits) < 4 * len(mine):
            bits += 1
        if len(counts) < 1 << bits:
            keys, last, first, times = _table(bits)
            counts = np.empty(len(keys), np.uint8)
        if len(mine) < size or not _may_return(mine, size, bits, counts):
            continue
        times[: 1 << bits] = 0
        for at in range(len(mine) - size + 1):
            key = np.uint64(0)
            for place in range(at, at + size):
                key = (key + mine[place] + _ONE) * _PRIME
            slot = np.int64(key >> (_BITS - np.uint64(bits)))
            while times[slot] > 0 and keys[slot] != key:
                slot = (slot + 1) & ((1 << bits) - 1)
            if times[slot] == 0 or at - last[slot] > _LONGEST_GAP:
                keys[slot], first[slot], times[slot] = key, at, 0
            times[slot] += 1
            last[slot] = at
            length = ends[begin + at + size - 1] - starts[begin + at]
            if times[slot] >= _LEAST_TIMES and length >= _LEAST_BYTES:
                result[begin + first[slot] : begin + at + size] = True
                first[slot] = at
        if result[begin:end].sum() > _MOST * (end - begin):
            result[begin:end] = False
    return result
