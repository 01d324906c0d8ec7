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


def inside(rolled: Ragged, starts: np.ndarray, ends: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which tokens stand from the first to the last of a refrain: bool, shape (n_tokens,).

    Parameters
    ----------
    rolled : Ragged of uint64
        Shingle hashes of each article in text order.
    starts, ends : ndarray of int32, shape (n_tokens,)
        Bytes of each token in its text.
    offsets : ndarray of int64, shape (n_articles + 1,)
        Article `i` has the tokens `offsets[i]:offsets[i + 1]`.
    """
    result = np.zeros(len(starts), bool)
    return _inside(rolled.values, rolled.offsets, starts, ends, offsets, result)


_PRIME = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def _table(bits):  # type: ignore[no-untyped-def]
    """By slot: hash, where it stood last, where its chain began, and how often it came."""
    size = 1 << bits
    places = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    return np.zeros(size, np.uint64), places[0], places[1], places[2]


@njit(cache=True, nogil=True)
def _may_return(hashes, bits):  # type: ignore[no-untyped-def]
    """Whether any hash may be there as often as a refrain: told by counts that several share."""
    counts = np.zeros(1 << bits, np.uint8)
    most = np.uint8(0)
    for at in range(len(hashes)):
        slot = (hashes[at] * _PRIME) >> np.uint64(64 - bits)
        counts[slot] = min(counts[slot] + np.uint8(1), np.uint8(_LEAST_TIMES))
        most = max(most, counts[slot])
    return most == _LEAST_TIMES


@njit(cache=True, nogil=True)
def _inside(rolled, rolled_offsets, starts, ends, offsets, result):  # type: ignore[no-untyped-def]
    keys, last, first, times = _table(4)
    for article in range(len(offsets) - 1):
        mine = rolled[rolled_offsets[article] : rolled_offsets[article + 1]]
        begin, end = offsets[article], offsets[article + 1]
        size = end - begin - len(mine) + 1
        bits = 4
        while (1 << bits) < 2 * len(mine):
            bits += 1
        if not _may_return(mine, bits):
            continue
        if len(times) < 1 << bits:
            keys, last, first, times = _table(bits)
        times[: 1 << bits] = 0
        for at in range(len(mine)):
            slot = np.int64((mine[at] * _PRIME) >> np.uint64(64 - bits))
            while times[slot] > 0 and keys[slot] != mine[at]:
                slot = (slot + 1) & ((1 << bits) - 1)
            if times[slot] == 0 or at - last[slot] > _LONGEST_GAP:
                keys[slot], first[slot], times[slot] = mine[at], at, 0
            times[slot] += 1
            last[slot] = at
            length = ends[begin + at + size - 1] - starts[begin + at]
            if times[slot] >= _LEAST_TIMES and length >= _LEAST_BYTES:
                result[begin + first[slot] : begin + at + size] = True
                first[slot] = at
        if result[begin:end].sum() > _MOST * (end - begin):
            result[begin:end] = False
    return result
