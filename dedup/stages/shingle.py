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

from dedup.lookup import table_bits
from dedup.ragged import Located, Ragged


class Counted(NamedTuple):
    """Words of a batch of articles, in the order in which they first come.

    Attributes
    ----------
    words : Ragged of uint64
        Distinct tokens of each article, unpacked.
    counts : ndarray of uint32
        How often each of `words.values` stands in its article.
    places : ndarray of int32, shape (n_tokens,)
        Where the word of each token stands in `words.values`; -1 for tokens that are not read.
    """

    words: Ragged
    counts: np.ndarray
    places: np.ndarray


class Words(NamedTuple):
    """Words of a batch of articles, in the order in which they first come.

    Attributes
    ----------
    words : Ragged of uint32
        Distinct packed tokens of each article.
    counts : ndarray of uint8
        How often each of `words.values` stands in its article, 255 for more.
    own : ndarray of bool
        Whether it does so as one of the article's own.
    """

    words: Ragged
    counts: np.ndarray
    own: np.ndarray


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


def packed(hashes: np.ndarray) -> np.ndarray:
    """Token hashes of 32 bits (uint32) from those that :func:`unpacked` has spread."""
    return (hashes * _NARROW).astype(np.uint32)


def unpacked(stored: np.ndarray) -> np.ndarray:
    """Token hashes spread over 64 bits (uint64) from those of 32 bits; the lowest bit stays."""
    return stored * _WIDE


def rolled(tokens: Ragged | Located, size: int) -> Ragged:
    """Shingle hashes (uint64) of each article in text order; the first is of its first tokens.

    Parameters
    ----------
    tokens : Ragged or Located of uint32 or uint64
        Packed tokens, or unpacked ones; both have the same shingles.
    size : int
        Tokens per shingle.
    """
    return lowest(tokens, size, 2**64 - 1)


def lowest(tokens: Ragged | Located, size: int, last: int) -> Ragged:
    """Those of :func:`rolled` that are at most `last`."""
    lengths = tokens.lengths
    starts = tokens.offsets[:-1] if isinstance(tokens, Ragged) else tokens.starts
    values, offsets = np.empty(lengths.sum(), np.uint64), np.zeros(len(lengths) + 1, np.int64)
    factor = _WIDE if tokens.values.dtype == np.uint32 else _ONE
    _lowest(tokens.values, starts, lengths, size, factor, np.uint64(last), values, offsets)
    return Ragged(values[: offsets[-1]], offsets)


def shingle_sets(tokens: Ragged, size: int) -> Ragged:
    """Sorted distinct shingle hashes (uint64) of each article, of `size` tokens each."""
    return sets(rolled(tokens, size))


def sets(lists: Ragged) -> Ragged:
    """The distinct values (uniform hashes, uint64) of each list, sorted."""
    return Ragged(*_sorted_sets(*lists))


def laid_out(tokens: Ragged | Located, template: Ragged, size: int) -> Rest:
    """What template leaves.

    Parameters
    ----------
    tokens : Ragged or Located of uint32 or uint64
        As of :func:`rolled`.
    template : Ragged of uint64
        Distinct shingle hashes of each article that are template.
    size : int
        Tokens per shingle.
    """
    rest = room(tokens.lengths, size)
    lay_out(tokens, template, size, rest)
    return rest


def room(lengths: np.ndarray, size: int) -> Rest:
    """Room for what is left of articles of so many tokens; see :func:`lay_out`."""
    counts = np.where(lengths < size, np.minimum(lengths, 1), lengths - size + 1)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return Rest(Ragged(np.empty(offsets[-1], np.uint64), offsets), np.empty(lengths.sum(), bool))


def lay_out(tokens: Ragged | Located, template: Ragged, size: int, rest: Rest) -> None:
    """Write what is left, as of :func:`laid_out`, into the room for it, or a part of that."""
    starts = tokens.offsets[:-1] if isinstance(tokens, Ragged) else tokens.starts
    factor = _WIDE if tokens.values.dtype == np.uint32 else _ONE
    rest.body[:] = True
    _lay_out(
        tokens.values, starts, tokens.lengths, *template, size, factor, *rest.shingles, rest.body
    )


def left(tokens: Ragged, template: Ragged, size: int) -> Rest:
    """What template leaves, as :func:`laid_out`, but the shingles without those that are 0.

    Parameters
    ----------
    tokens : Ragged of uint32
        Packed.
    template : Ragged of uint64
        Distinct shingle hashes of each article that are template.
    size : int
        Tokens per shingle.
    """
    kept, offsets = np.empty(len(tokens.values), np.uint64), np.zeros_like(tokens.offsets)
    body = np.ones(len(tokens.values), bool)
    _leave(*tokens, *template, size, kept, offsets, body)
    return Rest(Ragged(kept[: offsets[-1]], offsets), body)


def words(tokens: Ragged, body: np.ndarray, own: np.ndarray) -> Words:
    """Words of the body of each article.

    Parameters
    ----------
    tokens : Ragged of uint32
        Packed.
    body, own : ndarray of bool, shape (n_tokens,)
        Tokens that are read, and those of them that are the article's own.
    """
    room, offsets = len(body), np.zeros_like(tokens.offsets)
    found, counts, owned = np.empty(room, np.uint32), np.empty(room, np.uint8), np.empty(room, bool)
    _tell_words(*tokens, body, own, found, offsets, counts, owned)
    each = slice(offsets[-1])
    return Words(Ragged(found[each], offsets), counts[each], owned[each])


def counted(tokens: Ragged, read: np.ndarray) -> Counted:
    """Words of each article.

    Parameters
    ----------
    tokens : Ragged of uint32
        Packed.
    read : ndarray of bool, shape (n_tokens,)
        Tokens that are read.
    """
    # One more than there are, because what may be new is written before it is known whether it is.
    room, offsets = len(read) + 1, np.zeros_like(tokens.offsets)
    words, counts = np.empty(room, np.uint64), np.zeros(room, np.uint32)
    places = np.empty(len(read), np.int32)
    _count(*tokens, read, words, offsets, counts, places)
    found = offsets[-1]
    return Counted(Ragged(words[:found], offsets), counts[:found], places)


def text_hashes(tokens: Ragged, quoted: Ragged) -> np.ndarray:
    """Hash of each article's tokens and marks on them, in order: uint64, shape (n_articles,).

    Equal for texts that are the same after normalisation; 0 for a text without tokens.

    Parameters
    ----------
    tokens : Ragged of uint32
    quoted : Ragged of uint8
    """
    return _sequence_hashes(*tokens, _WIDE) ^ _sequence_hashes(*quoted, _ONE)


_WIDE = np.uint64(0x9E3779B97F4A7C15)
_NARROW = np.uint64(pow(int(_WIDE), -1, 1 << 64))
_ONE = np.uint64(1)
_BASE = np.uint64(0xD6E8FEB86659FD93)
_BASE_2, _BASE_4 = (np.uint64(pow(int(_BASE), n, 1 << 64)) for n in (2, 4))
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# Shingles that are rolled at a time, in a near cache.
_ROLLED = 1024
_S27, _S30, _S31, _S32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ONCE, _MOST = np.uint64(2), np.uint64(255)


@njit(cache=True, nogil=True)
def _mix(state):  # type: ignore[no-untyped-def]
    """A bijection that spreads every bit over all (the finalizer of SplitMix64)."""
    state = (state ^ (state >> _S30)) * _MIX_1
    state = (state ^ (state >> _S27)) * _MIX_2
    return state ^ (state >> _S31)


@njit(cache=True, nogil=True)
def _lowest(tokens, starts, lengths, size, factor, last, result, offsets):  # type: ignore[no-untyped-def]
    rolled, count = np.empty(_ROLLED, np.uint64), np.uint64(0)
    for article in range(len(starts)):
        mine = tokens[starts[article] : starts[article] + lengths[article]]
        width = min(size, len(mine))
        for begin in range(0, min(len(mine) - width + 1, len(mine)), _ROLLED):
            piece = mine[begin : begin + _ROLLED + width - 1]
            for i in range(_roll(piece, width, factor, rolled)):
                result[count] = rolled[i]
                count += np.uint64(rolled[i] <= last)
        offsets[article + 1] = count


@njit(cache=True, nogil=True)
def _roll(tokens, size, factor, result):  # type: ignore[no-untyped-def]
    """Write the hashes of all shingles of `size` tokens, of which there are as many; their number.

    Token by token (Horner's rule), but all shingles side by side: none waits for another.
    """
    count = min(len(tokens) - size + 1, len(tokens))  # none of no tokens
    rolled = result[:count]
    rolled[:] = 0
    for place in range(size):
        added = tokens[place : place + count]
        for i in range(count):
            rolled[i] = rolled[i] * _BASE + added[i]
    for i in range(count):
        rolled[i] = _mix(rolled[i] * factor)
    return count


@njit(cache=True, nogil=True)
def _clear(rolled, known, size, keys, marks, body):  # type: ignore[no-untyped-def]
    """Set to 0 the shingles of an article that are known or came before; their tokens are no body.

    `keys` and `marks` are a hash table; a mark is 0 in a free slot and 2 where the key is known.
    """
    bits = table_bits(len(rolled) + len(known))
    shift, last = np.uint64(64 - bits), np.uint64((1 << bits) - 1)
    marks[: 1 << bits] = 0
    for value in known:
        slot = value >> shift
        while marks[slot]:
            slot = (slot + _ONE) & last
        keys[slot], marks[slot] = value, 2
    covered = 0
    for at in range(len(rolled)):
        value = rolled[at]
        slot = value >> shift
        while (marks[slot] != 0) & (keys[slot] != value):
            slot = (slot + _ONE) & last
        if marks[slot] == 0:
            keys[slot], marks[slot] = value, 1
            continue
        rolled[at] = 0
        if marks[slot] == 2:
            for token in range(max(covered, at), min(at + size, len(body))):
                body[token] = False
            covered = at + size


@njit(cache=True, nogil=True)
def _clear_table(offsets, template_offsets):  # type: ignore[no-untyped-def]
    """Room for the largest table that :func:`_clear` needs."""
    most = 0
    for article in range(len(offsets) - 1):
        most = max(
            most,
            offsets[article + 1]
            - offsets[article]
            + template_offsets[article + 1]
            - template_offsets[article],
        )
    slots = 1 << table_bits(most)
    return np.empty(slots, np.uint64), np.empty(slots, np.uint8)


@njit(cache=True, nogil=True)
def _lay_out(  # type: ignore[no-untyped-def]
    tokens, starts, lengths, template, template_offsets, size, factor, result, offsets, body
):
    keys, marks = _clear_table(offsets, template_offsets)
    first = 0
    for article in range(len(starts)):
        mine = tokens[starts[article] : starts[article] + lengths[article]]
        known = template[template_offsets[article] : template_offsets[article + 1]]
        part = result[offsets[article] : offsets[article + 1]]
        _roll(mine, min(size, len(mine)), factor, part)
        _clear(part, known, size, keys, marks, body[first : first + len(mine)])
        first += len(mine)


@njit(cache=True, nogil=True)
def _leave(  # type: ignore[no-untyped-def]
    tokens, offsets, template, template_offsets, size, kept, kept_offsets, body
):
    keys, marks = _clear_table(offsets, template_offsets)
    rolled = np.empty(len(keys), np.uint64)
    count = 0
    for article in range(len(offsets) - 1):
        begin, end = offsets[article], offsets[article + 1]
        known = template[template_offsets[article] : template_offsets[article + 1]]
        part = rolled[: _roll(tokens[begin:end], min(size, end - begin), _WIDE, rolled)]
        _clear(part, known, size, keys, marks, body[begin:end])
        for value in part:
            kept[count] = value
            count += value != 0
        kept_offsets[article + 1] = count


@njit(cache=True, nogil=True)
def _tell_words(tokens, offsets, body, own, words, word_offsets, counts, owned):  # type: ignore[no-untyped-def]
    longest = np.diff(offsets).max() if len(offsets) > 1 else 0
    # A slot has a token in its upper half, then how often it came, and whether as an own one.
    table, slots = np.empty(1 << table_bits(longest), np.uint64), np.empty(longest + 1, np.uint32)
    total = 0
    for article in range(len(offsets) - 1):
        begin, end = offsets[article], offsets[article + 1]
        bits = table_bits(end - begin)
        shift, last = np.uint64(64 - bits), np.uint64((1 << bits) - 1)
        table[: 1 << bits] = 0
        count = np.uint64(0)
        for at in range(begin, end):
            if not body[at]:
                continue
            token = np.uint64(tokens[at])
            slot = (token * _WIDE) >> shift
            # Whether a word is new cannot be foretold, so nothing branches on it: one number is 0
            # where the slot is free or the token's, because two conditions make two branches.
            while min(table[slot], (table[slot] >> _S32) ^ token):
                slot = (slot + _ONE) & last
            entry = table[slot]
            slots[count] = slot
            count += np.uint64(entry == 0)
            table[slot] = ((token << _S32) | np.uint64(own[at]) | entry) + _ONCE
        for slot in slots[:count]:
            entry = table[slot]
            words[total], owned[total] = entry >> _S32, entry & _ONE
            counts[total] = min((entry & _LOW) >> _ONE, _MOST)
            total += 1
        word_offsets[article + 1] = total


@njit(cache=True, nogil=True)
def _count(tokens, offsets, read, words, word_offsets, counts, places):  # type: ignore[no-untyped-def]
    longest = np.diff(offsets).max() if len(offsets) > 1 else 0
    # A slot has a token in its upper half and its place, counted from 1, in the lower.
    table, count = np.empty(1 << table_bits(longest), np.uint64), np.uint64(0)
    for article in range(len(offsets) - 1):
        begin, end = offsets[article], offsets[article + 1]
        bits = table_bits(end - begin)
        shift, last = np.uint64(64 - bits), np.uint64((1 << bits) - 1)
        table[: 1 << bits] = 0
        for at in range(begin, end):
            if not read[at]:
                places[at] = -1
                continue
            token = np.uint64(tokens[at])
            slot = (token * _WIDE) >> shift
            while min(table[slot], (table[slot] >> _S32) ^ token):  # as in `_tell_words`
                slot = (slot + _ONE) & last
            entry = table[slot]
            words[count] = token * _WIDE
            count += np.uint64(entry == 0)
            place = entry & _LOW if entry else count
            table[slot] = (token << _S32) | place
            place -= _ONE
            counts[place] += np.uint32(1)
            places[at] = place
        word_offsets[article + 1] = count


@njit(cache=True, nogil=True)
def _sequence_hashes(values, offsets, factor):  # type: ignore[no-untyped-def]
    """Polynomials in the values, each times the factor; four at a time, for one waits for none."""
    result = np.empty(len(offsets) - 1, np.uint64)
    for article in range(len(result)):
        mine = values[offsets[article] : offsets[article + 1]]
        state, fours = np.uint64(1 if len(mine) else 0), len(mine) & ~3
        for at in range(0, fours, 4):
            first = np.uint64(mine[at]) * _BASE + np.uint64(mine[at + 1])
            second = np.uint64(mine[at + 2]) * _BASE + np.uint64(mine[at + 3])
            state = state * _BASE_4 + (first * _BASE_2 + second) * factor
        for at in range(fours, len(mine)):
            state = state * _BASE + np.uint64(mine[at]) * factor
        result[article] = _mix(state)
    return result


@njit(cache=True, nogil=True)
def _sorted_sets(values, offsets):  # type: ignore[no-untyped-def]
    """Sorted distinct values of each article, and their offsets.

    Hashes are uniform up to some bound, so scattering n of them over about n buckets by their top
    bits leaves an insertion sort almost nothing to do: linear time, and no far values compared.
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
    largest = np.uint64(1)
    for value in part:
        largest = max(largest, value)
    shift = np.uint64(0)  # past the zeros that all of them begin with
    while largest >> shift >= np.uint64(1 << bits):
        shift += _ONE
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
