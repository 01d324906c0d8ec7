"""Tokens to sets of shingles and words.

Law: a set is sorted, holds each hash once, and depends only on the article's tokens.

A shingle is a run of `size` consecutive tokens; an article with fewer tokens has one shingle, of
all of them. Its hash is a polynomial in the token hashes modulo 2^64 (Rabin and Karp), mixed once
more so that every bit, and so the lower half that MinHash takes, depends on every token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.ragged import Ragged


class Words(NamedTuple):
    """Words of a batch of articles.

    Attributes
    ----------
    sets : Ragged of uint64
        Sorted distinct token hashes of each article; the lowest bit marks tokens with a digit.
    counts : ndarray of uint32
        How often each of `sets.values` stands in its article.
    """

    sets: Ragged
    counts: np.ndarray


def rolled(tokens: Ragged, size: int) -> Ragged:
    """Shingle hashes (uint64) of each article in text order; the first is of its first tokens."""
    return Ragged(*_roll(tokens.values, tokens.offsets, size))


def shingle_sets(tokens: Ragged, size: int) -> Ragged:
    """Sorted distinct shingle hashes (uint64) of each article, of `size` tokens each."""
    return Ragged(*_sorted_sets(*rolled(tokens, size))[:2])


def word_sets(tokens: Ragged) -> Words:
    """Distinct words of each article and how often each stands in it."""
    values, offsets, counts = _sorted_sets(tokens.values, tokens.offsets)
    return Words(Ragged(values, offsets), counts)


def text_hashes(tokens: Ragged) -> np.ndarray:
    """Hash of each article's tokens in order: uint64, shape (n_articles,).

    Equal for texts that are the same after normalisation; 0 for a text without tokens.
    """
    return _sequence_hashes(tokens.values, tokens.offsets)


class Layout(NamedTuple):
    """Where the shingles that count lie in their articles.

    Attributes
    ----------
    places : ndarray of int32, shape (n_shingles,)
        Token at which each shingle first begins in its article.
    body : ndarray of bool, shape (n_tokens,)
        Tokens that no shingle left out as template covers.
    """

    places: np.ndarray
    body: np.ndarray


def layout(tokens: Ragged, kept: Ragged, size: int) -> Layout:
    """Layout of the shingles that count.

    Parameters
    ----------
    tokens : Ragged of uint64
    kept : Ragged of uint64
        Those of each article's shingles that count, sorted.
    size : int
        Tokens per shingle.
    """
    return Layout(*_layout(tokens.values, tokens.offsets, kept.values, kept.offsets, size))


def token_values(tokens: Ragged, words: Ragged, values: np.ndarray) -> np.ndarray:
    """For each token the value of its word, 0 where its article's words lack it.

    Parameters
    ----------
    tokens : Ragged of uint64
    words : Ragged of uint64
        Sorted distinct words of each article.
    values : ndarray of float32
        Of each of `words.values`.

    Returns
    -------
    ndarray of float32, shape (n_tokens,)
    """
    return _token_values(tokens.values, tokens.offsets, words.values, words.offsets, values)


_BASE = np.uint64(0xD6E8FEB86659FD93)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


@njit(cache=True, nogil=True)
def _mix(state):  # type: ignore[no-untyped-def]
    """A bijection that spreads every bit over all (the finalizer of SplitMix64)."""
    state = (state ^ (state >> _S30)) * _MIX_1
    state = (state ^ (state >> _S27)) * _MIX_2
    return state ^ (state >> _S31)


@njit(cache=True, nogil=True)
def _roll(hashes, offsets, size):  # type: ignore[no-untyped-def]
    n = len(offsets) - 1
    rolled = np.empty(len(hashes), np.uint64)
    rolled_offsets = np.zeros(n + 1, np.int64)
    oldest = np.uint64(1)
    for _ in range(size):
        oldest *= _BASE
    count = 0
    for article in range(n):
        begin, end = offsets[article], offsets[article + 1]
        state = np.uint64(0)
        for at in range(begin, end):
            state = state * _BASE + hashes[at]
            if at - begin >= size:
                state -= hashes[at - size] * oldest
            if at - begin >= size - 1 or at == end - 1:
                rolled[count] = _mix(state)
                count += 1
        rolled_offsets[article + 1] = count
    return rolled[:count], rolled_offsets


@njit(cache=True, nogil=True)
def _find(uniform, value):  # type: ignore[no-untyped-def]
    """Place of a value in sorted uniform hashes, near its share of their number; -1 if missing."""
    n = len(uniform)
    at = np.int64(((value >> _S32) * np.uint64(n)) >> _S32)
    while at > 0 and uniform[at - 1] >= value:
        at -= 1
    while at < n and uniform[at] < value:
        at += 1
    return at if at < n and uniform[at] == value else -1


@njit(cache=True, nogil=True)
def _layout(tokens, offsets, kept, kept_offsets, size):  # type: ignore[no-untyped-def]
    places, body = np.full(len(kept), -1, np.int32), np.ones(len(tokens), np.bool_)
    rolled, rolled_offsets = _roll(tokens, offsets, size)
    for article in range(len(offsets) - 1):
        mine = kept[kept_offsets[article] : kept_offsets[article + 1]]
        first_places = places[kept_offsets[article] : kept_offsets[article + 1]]
        begin, end = offsets[article], offsets[article + 1]
        first = rolled_offsets[article]
        for at in range(first, rolled_offsets[article + 1]):
            found = _find(mine, rolled[at])
            if found < 0:
                body[begin + at - first : min(begin + at - first + size, end)] = False
            elif first_places[found] < 0:
                first_places[found] = at - first
    return places, body


@njit(cache=True, nogil=True)
def _token_values(tokens, offsets, words, word_offsets, values):  # type: ignore[no-untyped-def]
    result = np.zeros(len(tokens), np.float32)
    for article in range(len(offsets) - 1):
        mine = words[word_offsets[article] : word_offsets[article + 1]]
        for at in range(offsets[article], offsets[article + 1]):
            found = _find(mine, tokens[at])
            if found >= 0:
                result[at] = values[word_offsets[article] + found]
    return result


@njit(cache=True, nogil=True)
def _sequence_hashes(hashes, offsets):  # type: ignore[no-untyped-def]
    result = np.empty(len(offsets) - 1, np.uint64)
    for article in range(len(result)):
        state = np.uint64(offsets[article + 1] - offsets[article])
        for at in range(offsets[article], offsets[article + 1]):
            state = _mix(state * _BASE + hashes[at])
        result[article] = state
    return result


@njit(cache=True, nogil=True)
def _sorted_sets(values, offsets):  # type: ignore[no-untyped-def]
    """Sorted distinct values of each article, their offsets, and how often each occurs.

    Hashes are uniform, so scattering n of them over about n buckets by their top bits leaves an
    insertion sort almost nothing to do: linear time without comparisons of far values.
    """
    n = len(offsets) - 1
    longest = 0
    for article in range(n):
        longest = max(longest, offsets[article + 1] - offsets[article])
    scattered = np.empty(longest, np.uint64)
    bits = 1
    while (1 << bits) < longest:
        bits += 1
    starts = np.empty((1 << bits) + 1, np.int64)
    unique = np.empty(len(values), np.uint64)
    counts = np.empty(len(values), np.uint32)
    unique_offsets = np.zeros(n + 1, np.int64)
    count = 0
    for article in range(n):
        part = values[offsets[article] : offsets[article + 1]]
        _scatter(part, scattered, starts)
        for at in range(len(part)):
            value = scattered[at]
            if at and value == unique[count - 1]:
                counts[count - 1] += np.uint32(1)
            else:
                unique[count], counts[count] = value, np.uint32(1)
                count += 1
        unique_offsets[article + 1] = count
    return unique[:count], unique_offsets, counts[:count]


@njit(cache=True, nogil=True)
def _scatter(part, result, starts):  # type: ignore[no-untyped-def]
    """Write `part` into `result`, sorted."""
    n = len(part)
    bits = 1
    while (1 << bits) < n:
        bits += 1
    shift = np.uint64(64 - bits)
    starts[: (1 << bits) + 1] = 0
    for value in part:
        starts[np.int64(value >> shift) + 1] += 1
    for bucket in range(1 << bits):
        starts[bucket + 1] += starts[bucket]
    for value in part:
        bucket = np.int64(value >> shift)
        result[starts[bucket]] = value
        starts[bucket] += 1
    for at in range(1, n):
        value = result[at]
        before = at - 1
        while before >= 0 and result[before] > value:
            result[before + 1] = result[before]
            before -= 1
        result[before + 1] = value
