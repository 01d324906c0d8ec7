"""Tokens to sets of shingles and words.

Law: a set is sorted, holds each hash once, and depends only on the article's tokens.

Tokens lie in files as 32 bits, which a multiplication makes a uniform 64-bit hash again: one pair
of words in 2^31 is taken for one, and a shingle only where all its words are.

A shingle is a run of `size` consecutive tokens; an article with fewer tokens has one shingle, of
all of them. Its hash is a polynomial in the token hashes modulo 2^64 (Rabin and Karp), mixed once
more so that every bit, and so the lower half that MinHash takes, depends on every token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.ragged import Ragged


class Counted(NamedTuple):
    """Words of a batch of articles, in the order in which they first come.

    Attributes
    ----------
    words : Ragged of uint64
        Distinct token hashes of each article.
    counts : ndarray of uint32
        How often each of `words.values` stands in its article.
    owned : ndarray of uint32
        How often as one of its own.
    places : ndarray of int64, shape (n_tokens,)
        Where the word of each token stands in `words.values`; -1 for tokens that are not read.
    """

    words: Ragged
    counts: np.ndarray
    owned: np.ndarray
    places: np.ndarray


class Rest(NamedTuple):
    """What template leaves of a batch of articles.

    Attributes
    ----------
    shingles : Ragged of uint64
        Shingle hashes of each article in text order; 0 for those that are template, or came before.
    body : ndarray of bool, shape (n_tokens,)
        Tokens that no template shingle covers.
    """

    shingles: Ragged
    body: np.ndarray


def shortened(hashes: np.ndarray) -> np.ndarray:
    """Token hashes (uint64) of which no more is left than :func:`packed` keeps."""
    return unpacked(((hashes >> _S32) & ~_ONE | (hashes & _ONE)).astype(np.uint32))


def packed(hashes: np.ndarray) -> np.ndarray:
    """Shortened token hashes as they lie in files: uint32."""
    return (hashes * _NARROW).astype(np.uint32)


def unpacked(stored: np.ndarray) -> np.ndarray:
    """Token hashes (uint64) as of :func:`shortened` from those in a file."""
    return stored * _WIDE


def rolled(tokens: Ragged, size: int) -> Ragged:
    """Shingle hashes (uint64) of each article in text order; the first is of its first tokens."""
    return Ragged(*_roll(tokens.values, tokens.offsets, size))


def shingle_sets(tokens: Ragged, size: int) -> Ragged:
    """Sorted distinct shingle hashes (uint64) of each article, of `size` tokens each."""
    return sets(rolled(tokens, size))


def sets(lists: Ragged) -> Ragged:
    """The distinct values (uniform hashes, uint64) of each list, sorted."""
    return Ragged(*_sorted_sets(*lists))


def without(rolled: Ragged, template: Ragged, tokens: np.ndarray, size: int) -> Rest:
    """What template leaves.

    Parameters
    ----------
    rolled : Ragged of uint64
        As of :func:`rolled`.
    template : Ragged of uint64
        Distinct shingle hashes of each article that are template.
    tokens : ndarray of int64, shape (n_articles + 1,)
        Article `i` has the tokens `tokens[i]:tokens[i + 1]`.
    size : int
        Tokens per shingle.
    """
    kept, body = rolled.values.copy(), np.ones(tokens[-1], bool)
    _without(kept, rolled.offsets, *template, tokens, size, body)
    return Rest(rolled._replace(values=kept), body)


def counted(tokens: Ragged, body: np.ndarray, own: np.ndarray) -> Counted:
    """Words of the body of each article.

    Parameters
    ----------
    tokens : Ragged of uint64
    body, own : ndarray of bool, shape (n_tokens,)
        Tokens that are read, and those of them that are the article's own.
    """
    size = np.count_nonzero(body)
    words, offsets = np.empty(size, np.uint64), np.zeros(len(tokens.offsets), np.int64)
    counts, owned = np.zeros(size, np.uint32), np.zeros(size, np.uint32)
    places = np.full(len(body), -1)
    _count(*tokens, body, own, words, offsets, counts, owned, places)
    found = offsets[-1]
    return Counted(Ragged(words[:found], offsets), counts[:found], owned[:found], places)


def text_hashes(tokens: Ragged) -> np.ndarray:
    """Hash of each article's tokens, or marks on them, in order: uint64, shape (n_articles,).

    Equal for texts that are the same after normalisation; 0 for a text without tokens.
    """
    return _sequence_hashes(tokens.values, tokens.offsets)


_WIDE = np.uint64(0x9E3779B97F4A7C15)
_NARROW = np.uint64(pow(int(_WIDE), -1, 1 << 64))
_ONE = np.uint64(1)
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
def _table(bits):  # type: ignore[no-untyped-def]
    """Slots of a small hash table: key, the article that wrote it last, and what it stands for."""
    size = 1 << bits
    return np.empty(size, np.uint64), np.full(size, -1, np.int64), np.empty(size, np.int64)


@njit(cache=True, nogil=True)
def _slot(keys, owners, bits, article, key):  # type: ignore[no-untyped-def]
    """Slot of a uniform hash in an article's table, or the free one where it belongs."""
    slot = np.int64(key >> np.uint64(64 - bits))
    while owners[slot] == article and keys[slot] != key:
        slot = (slot + 1) & ((1 << bits) - 1)
    return slot


@njit(cache=True, nogil=True)
def _without(  # type: ignore[no-untyped-def]
    rolled, offsets, template, template_offsets, tokens, size, body
):
    bits = 8
    keys, owners, is_template = _table(bits)
    for article in range(len(offsets) - 1):
        begin, end = tokens[article], tokens[article + 1]
        known = template[template_offsets[article] : template_offsets[article + 1]]
        if (1 << bits) < 2 * (end - begin + len(known)):
            while (1 << bits) < 2 * (end - begin + len(known)):
                bits += 1
            keys, owners, is_template = _table(bits)
        for value in known:
            slot = _slot(keys, owners, bits, article, value)
            keys[slot], owners[slot], is_template[slot] = value, article, 1
        covered = begin
        for at in range(offsets[article], offsets[article + 1]):
            slot = _slot(keys, owners, bits, article, rolled[at])
            if owners[slot] != article:
                keys[slot], owners[slot], is_template[slot] = rolled[at], article, 0
                continue
            rolled[at] = 0
            if is_template[slot]:
                first = begin + at - offsets[article]
                for token in range(max(covered, first), min(first + size, end)):
                    body[token] = False
                covered = first + size


@njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]
    tokens, offsets, body, own, words, word_offsets, counts, owned, token_places
):
    bits, count = 8, 0
    keys, owners, places = _table(bits)
    for article in range(len(offsets) - 1):
        begin, end = offsets[article], offsets[article + 1]
        if (1 << bits) < 2 * (end - begin):
            while (1 << bits) < 2 * (end - begin):
                bits += 1
            keys, owners, places = _table(bits)
        for at in range(begin, end):
            if not body[at]:
                continue
            slot = _slot(keys, owners, bits, article, tokens[at])
            if owners[slot] != article:
                keys[slot], owners[slot], places[slot] = tokens[at], article, count
                words[count] = tokens[at]
                count += 1
            token_places[at] = places[slot]
            counts[places[slot]] += np.uint32(1)
            owned[places[slot]] += np.uint32(own[at])
        word_offsets[article + 1] = count


@njit(cache=True, nogil=True)
def _sequence_hashes(hashes, offsets):  # type: ignore[no-untyped-def]
    result = np.empty(len(offsets) - 1, np.uint64)
    for article in range(len(result)):
        state = np.uint64(1 if offsets[article] < offsets[article + 1] else 0)
        for at in range(offsets[article], offsets[article + 1]):
            state = state * _BASE + np.uint64(hashes[at])
        result[article] = _mix(state)
    return result


@njit(cache=True, nogil=True)
def _sorted_sets(values, offsets):  # type: ignore[no-untyped-def]
    """Sorted distinct values of each article, and their offsets.

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
    unique_offsets = np.zeros(n + 1, np.int64)
    count = 0
    for article in range(n):
        part = values[offsets[article] : offsets[article + 1]]
        _scatter(part, scattered, starts)
        for at in range(len(part)):
            value = scattered[at]
            if at == 0 or value != unique[count - 1]:
                unique[count] = value
                count += 1
        unique_offsets[article + 1] = count
    return unique[:count], unique_offsets


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
