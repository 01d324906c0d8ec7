"""Which texts hold a hash, kept between runs.

Law: what is found does not depend on how the texts were split into segments, nor on which segments
were merged since.

An inverted index as a log-structured merge (O'Neil et al. 1996): the postings of new texts become
an immutable sorted segment, and now and then several segments become one. A segment is an Arrow
table of the schema `SEGMENT`; one that is memory-mapped is read where it lies.

A text has a number below 2^32 that is never given again, and all its postings stand in one segment.
A number that is not alive (false in `alive`, or past its end) is not found, and merging removes it.

Hashes are uniform, which makes searching and cutting even; other keys are found as well, slower.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from dedup.ragged import Ragged
from dedup.threads import in_order, spans

SEGMENT = pa.schema(
    [pa.field("key", pa.uint64(), nullable=False), pa.field("number", pa.uint32(), nullable=False)]
)
"""Postings, sorted by key and within a key by number, each once."""

_KEYS = 1 << 14
"""Keys of one unit of threaded lookup."""

_ROWS = 1 << 14
"""Postings that are sorted at once, about: few enough for the cache."""


class _Postings(NamedTuple):
    keys: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, segment: pa.Table) -> _Postings:
        """The columns of a segment; copied only where they have more than one chunk."""
        return cls(segment["key"].to_numpy(), segment["number"].to_numpy())

    @classmethod
    def unfilled(cls, rows: int) -> _Postings:
        return cls(np.empty(rows, np.uint64), np.empty(rows, np.uint32))

    def part(self, rows: slice) -> _Postings:
        return _Postings(self.keys[rows], self.numbers[rows])

    def table(self) -> pa.Table:
        return pa.table([pa.array(self.keys), pa.array(self.numbers)], schema=SEGMENT)


def segment(lists: Ragged, numbers: np.ndarray, threads: int) -> pa.Table:
    """Postings of new texts.

    Parameters
    ----------
    lists : Ragged of uint64
        The keys of each text, distinct within it.
    numbers : ndarray of integers, shape (n_texts,)
        Number of each text, 0 to 2^32 - 1, distinct.
    threads : int
        0 takes one per core. The result does not depend on it.

    Returns
    -------
    Table
        Of the schema `SEGMENT`, each column one chunk.
    """
    postings = _Postings.unfilled(len(lists.values))
    width = int(lists.values.max(initial=1)).bit_length()
    bits = min(width, (1 + len(lists.values) // _ROWS).bit_length(), int(_DIGIT))
    # Everything here is stable, so texts taken in the order of their numbers stay in it.
    order = np.argsort(numbers)
    bounds = _partition(*lists, order, numbers, np.uint64(width - bits), bits, *postings).tolist()
    parts = (postings.part(slice(*ends)) for ends in itertools.pairwise(bounds))
    for _ in in_order(_sort, parts, threads):
        pass
    return postings.table()


def lookup(
    segments: Sequence[pa.Table], keys: np.ndarray, alive: np.ndarray, threads: int
) -> Ragged:
    """Rising numbers of the living texts that hold each key.

    Parameters
    ----------
    segments : sequence of Table
        Of the schema `SEGMENT`.
    keys : ndarray of uint64, shape (n_keys,)
        Sorted and distinct.
    alive : ndarray of bool
        By number.
    threads : int
        0 takes one per core. The result does not depend on it.

    Returns
    -------
    Ragged of uint32
        One list per key.
    """
    parts = [_Postings.of(each) for each in segments]

    def found(span: slice) -> Ragged:
        return _lookup(parts, keys[span], alive)

    return Ragged.joined(list(in_order(found, spans(len(keys), _KEYS), threads)), pa.uint32())


def merge(segments: Sequence[pa.Table], alive: np.ndarray, threads: int) -> pa.Table:
    """One segment of several, without the numbers that are not alive.

    Takes the memory of the result and of a few parts that are sorted in the cache.

    Parameters
    ----------
    segments : sequence of Table
        Of the schema `SEGMENT`.
    alive : ndarray of bool
        By number.
    threads : int
        0 takes one per core. The result does not depend on it.

    Returns
    -------
    Table
        Of the schema `SEGMENT`, each column one chunk.
    """
    parts = [_Postings.of(each) for each in segments]

    def merged(rows: list[slice]) -> _Postings:
        return _merge([part.part(each) for part, each in zip(parts, rows, strict=True)], alive)

    result, count = _Postings.unfilled(sum(len(part.keys) for part in parts)), 0
    for piece in in_order(merged, _cuts(parts), threads):
        place = slice(count, count + len(piece.keys))
        result.keys[place], result.numbers[place] = piece
        count = place.stop
    return result.part(slice(count)).table()


def due(sizes: Sequence[int], fanout: int = 8) -> slice:
    """Which segments are to be merged now: some of the newest, or none.

    A segment's tier is the whole part of the logarithm of its size to the base `fanout`. The newest
    takes along those of a lower tier right before it, so that tiers never rise from older to newer;
    and `fanout` segments of one tier are merged, like a carry, which lifts them to the next. Hence,
    whatever the sizes, with n postings and t = 1 + floor(log n / log `fanout`), there are at most
    (`fanout` - 1) t segments, and no posting is rewritten more than t times.

    Parameters
    ----------
    sizes : sequence of int
        Rows of the segments, at least 1 each, oldest first. To be asked after every new segment;
        the merged one takes the place of those it was made of.
    fanout : int
        At least 2. Higher rewrites less often and leaves more segments to look into.

    Returns
    -------
    slice
        Of the segments; empty, or to their end.
    """
    tiers = [_tier(size, fanout) for size in sizes]
    start, reach = len(sizes), max(len(sizes) - 1, 0)
    while reach < start:
        start = reach
        tier = _tier(sum(sizes[start:]), fanout)
        while reach and tiers[reach - 1] < tier:
            reach -= 1
        peers = reach
        while peers and tiers[peers - 1] == tier:
            peers -= 1
        if reach - peers >= fanout - 1:
            reach = peers
    return slice(start if len(sizes) - start > 1 else len(sizes), len(sizes))


def _tier(size: int, fanout: int) -> int:
    tier = 0
    while size >= fanout:
        size //= fanout
        tier += 1
    return tier


def _lookup(parts: list[_Postings], keys: np.ndarray, alive: np.ndarray) -> Ragged:
    counts = np.zeros(len(keys), np.int64)
    runs = [_locate(*part, alive, keys, counts) for part in parts]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    values, nexts = np.empty(offsets[-1], np.uint32), offsets[:-1].copy()
    for part, (starts, stops) in zip(parts, runs, strict=True):
        _fill(part.numbers, alive, starts, stops, values, nexts)
    _put_in_order(values, offsets)
    return Ragged(values, offsets)


def _cuts(parts: list[_Postings]) -> list[list[slice]]:
    """Rows of each part, cut at the same keys."""
    longest = max((part.keys for part in parts), key=len, default=np.empty(0, np.uint64))
    step = max(1, _ROWS * len(longest) // max(1, sum(len(part.keys) for part in parts)))
    cuts = np.unique(longest[step::step])
    bounds = [[0, *np.searchsorted(part.keys, cuts).tolist(), len(part.keys)] for part in parts]
    return [[slice(bound[at], bound[at + 1]) for bound in bounds] for at in range(len(cuts) + 1)]


def _merge(parts: list[_Postings], alive: np.ndarray) -> _Postings:
    postings, count = _Postings.unfilled(sum(len(part.keys) for part in parts)), 0
    for part in parts:
        count = _keep_alive(*part, alive, *postings, count)
    postings = postings.part(slice(count))
    _sort(postings)
    starts = np.flatnonzero(postings.keys[1:] != postings.keys[:-1]) + 1
    _put_in_order(postings.numbers, np.concatenate([[0], starts, [count]]))
    return postings


def _sort(postings: _Postings) -> None:
    """Sort by key in place; postings of one key stay in their order."""
    _radix_sort(*postings, *_Postings.unfilled(len(postings.keys)))


_DIGIT = np.uint64(11)
_PASSES = 6  # Even, so that the last one writes where the first one read.


@njit(cache=True, nogil=True)
def _radix_sort(keys, numbers, spare_keys, spare_numbers):  # type: ignore[no-untyped-def]
    """Least significant digit first (Knuth, volume 3, section 5.2.5): linear whatever the keys."""
    last = np.uint64((1 << np.int64(_DIGIT)) - 1)
    nexts = np.zeros((_PASSES, (1 << np.int64(_DIGIT)) + 1), np.int64)
    for key in keys:
        for digit in range(_PASSES):
            nexts[digit, np.int64((key >> (np.uint64(digit) * _DIGIT)) & last) + 1] += 1
    for digit in range(_PASSES):
        shift, places = np.uint64(digit) * _DIGIT, nexts[digit]
        for value in range(1, len(places)):
            places[value] += places[value - 1]
        for at in range(len(keys)):
            value = np.int64((keys[at] >> shift) & last)
            spare_keys[places[value]], spare_numbers[places[value]] = keys[at], numbers[at]
            places[value] += 1
        keys, spare_keys = spare_keys, keys
        numbers, spare_numbers = spare_numbers, numbers


@njit(cache=True, nogil=True)
def _partition(values, offsets, order, numbers, shift, bits, keys, owners):  # type: ignore[no-untyped-def]
    """Postings by the `bits` bits of their keys above `shift`, and the bounds of the parts."""
    bounds = np.zeros((1 << bits) + 1, np.int64)
    for value in values:
        bounds[np.int64(value >> shift) + 1] += 1
    for part in range(1 << bits):
        bounds[part + 1] += bounds[part]
    nexts = bounds.copy()
    for text in order:
        for value in values[offsets[text] : offsets[text + 1]]:
            part = np.int64(value >> shift)
            keys[nexts[part]], owners[nexts[part]] = value, numbers[text]
            nexts[part] += 1
    return bounds


@njit(cache=True, nogil=True)
def _keep_alive(keys, numbers, alive, result_keys, result_numbers, count):  # type: ignore[no-untyped-def]
    for at in range(len(keys)):
        if numbers[at] < len(alive) and alive[numbers[at]]:
            result_keys[count], result_numbers[count] = keys[at], numbers[at]
            count += 1
    return count


@njit(cache=True, nogil=True)
def _seek(sorted_keys, low, key, density):  # type: ignore[no-untyped-def]
    """First place after `low`, which holds less than the key, of one that is not less.

    By interpolation (Peterson 1957) and, from there, in steps that double until they have passed
    the place (Bentley and Yao 1976), so that keys that are not uniform cost a logarithm.
    """
    n, floor, step = len(sorted_keys), low, 1
    high = low + np.int64(min(np.float64(key - sorted_keys[low]) * density, n - 1.0 - low))
    if sorted_keys[high] < key:
        while high < n and sorted_keys[high] < key:
            low, high, step = high, high + step, 2 * step
        high = min(high, n)
    else:
        low = high - 1
        while sorted_keys[low] >= key:
            high, low, step = low, max(floor, low - step), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        if sorted_keys[middle] < key:
            low = middle
        else:
            high = middle
    return high


@njit(cache=True, nogil=True)
def _locate(sorted_keys, numbers, alive, keys, counts):  # type: ignore[no-untyped-def]
    """Where the run of each key starts and stops; its living are added to `counts`."""
    n, at = len(sorted_keys), 0
    starts, stops = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    density = n / (np.float64(sorted_keys[n - 1] - sorted_keys[0]) + 1.0) if n else 0.0
    for i in range(len(keys)):
        if at < n and sorted_keys[at] < keys[i]:
            at = _seek(sorted_keys, at, keys[i], density)
        starts[i] = at
        while at < n and sorted_keys[at] == keys[i]:
            counts[i] += numbers[at] < len(alive) and alive[numbers[at]]
            at += 1
        stops[i] = at
    return starts, stops


@njit(cache=True, nogil=True)
def _fill(numbers, alive, starts, stops, values, nexts):  # type: ignore[no-untyped-def]
    for i in range(len(starts)):
        for at in range(starts[i], stops[i]):
            if numbers[at] < len(alive) and alive[numbers[at]]:
                values[nexts[i]] = numbers[at]
                nexts[i] += 1


@njit(cache=True, nogil=True)
def _put_in_order(values, offsets):  # type: ignore[no-untyped-def]
    """Sort the lists that do not rise yet, those whose segments' numbers interleave."""
    for i in range(len(offsets) - 1):
        for at in range(offsets[i] + 1, offsets[i + 1]):
            if values[at - 1] > values[at]:
                values[offsets[i] : offsets[i + 1]].sort()
                break
