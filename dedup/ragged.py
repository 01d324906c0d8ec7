"""The one layout of lists of unequal length.

Law: article `i` owns `values[offsets[i]:offsets[i + 1]]`; kernels read the two arrays as they are,
and Arrow's large list is the same two arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit


class Ragged(NamedTuple):
    """One list of values per article.

    Attributes
    ----------
    values : ndarray, shape (n_values,)
    offsets : ndarray of int64, shape (n_articles + 1,)
        Never falls; starts at 0 and ends at `n_values`.
    """

    values: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """ndarray of int64, shape (n_articles,)."""
        return np.diff(self.offsets)

    def arrow(self) -> pa.LargeListArray:
        """The same lists as an Arrow array, without a copy."""
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.values))

    @classmethod
    def of(cls, lists: pa.ChunkedArray | pa.LargeListArray) -> Ragged:
        """Lists of an Arrow array or column; copied only where it has more than one chunk."""
        chunks = lists.chunks if isinstance(lists, pa.ChunkedArray) else [lists]
        return cls.joined([cls._of_chunk(chunk) for chunk in chunks], lists.type.value_type)

    @classmethod
    def joined(cls, parts: list[Ragged], kind: pa.DataType) -> Ragged:
        """The lists of all parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls(np.empty(0, kind.to_pandas_dtype()), np.zeros(1, np.int64))
        starts = np.cumsum([0] + [part.offsets[-1] for part in parts])
        offsets = [part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)]
        return cls(
            np.concatenate([part.values for part in parts]),
            np.concatenate([np.zeros(1, np.int64), *offsets]),
        )

    @classmethod
    def _of_chunk(cls, chunk: pa.LargeListArray) -> Ragged:
        offsets = chunk.offsets.to_numpy()
        values = chunk.values.to_numpy()[offsets[0] : offsets[-1]]
        return cls(values, offsets - offsets[0])

    def part(self, rows: slice) -> Ragged:
        """The lists of consecutive articles, without a copy of their values."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])

    def take(self, articles: np.ndarray) -> Ragged:
        """The lists of the given articles, in the given order."""
        return Located(self.values, self.offsets[:-1], self.lengths).take(articles).gathered()

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> Ragged:
        """The lists with a function applied to all values."""
        return self._replace(values=function(self.values))

    def keep(self, mask: np.ndarray) -> Ragged:
        """The lists without the values that `mask` (bool, shape (n_values,)) leaves out."""
        values, offsets = np.empty(np.count_nonzero(mask), self.values.dtype), self.offsets.copy()
        _keep(self.values, mask, values, offsets)
        return Ragged(values, offsets)

    def minus(self, other: Ragged) -> Ragged:
        """The lists without the values that the other's lists have; both sorted."""
        mask = np.ones(len(self.values), bool)
        _minus(*self, *other, mask)
        return self.keep(mask)

    def owners(self) -> np.ndarray:
        """Article of each value: ndarray of int64, shape (n_values,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)


class Located(NamedTuple):
    """Lists that lie anywhere in one array.

    Attributes
    ----------
    values : ndarray
    starts, lengths : ndarray of int64, shape (n_lists,)
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def part(self, rows: slice) -> Located:
        """Consecutive ones of the lists."""
        return Located(self.values, self.starts[rows], self.lengths[rows])

    def take(self, rows: np.ndarray) -> Located:
        """The given ones of the lists, in the given order."""
        return Located(self.values, self.starts[rows], self.lengths[rows])

    @property
    def addresses(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the first byte of each list, and of the first after it: int64, shape (n_lists,)."""
        first = self.values.ctypes.data + self.starts * self.values.itemsize
        return first, first + self.lengths * self.values.itemsize

    def copy(self, result: np.ndarray, places: np.ndarray) -> None:
        """Write each list into an array from a place (int64) on."""
        # As bytes, so that one kernel serves all types.
        size, values = result.itemsize, self.values.view(np.uint8)
        _copy(values, self.starts, self.lengths, size, result.view(np.uint8), places)

    def within(self, first: int, last: int) -> Located:
        """The same lists, which are sorted (uint64), from value `first` to `last` only."""
        starts, lengths = np.empty_like(self.starts), np.empty_like(self.lengths)
        _narrow(*self, np.uint64(first), np.uint64(last), starts, lengths)
        return Located(self.values, starts, lengths)

    def gathered(self) -> Ragged:
        """The lists one after the other, in one copy."""
        offsets = np.zeros(len(self.lengths) + 1, np.int64)
        np.cumsum(self.lengths, out=offsets[1:])
        values = np.empty(offsets[-1], self.values.dtype)
        self.copy(values, offsets)
        return Ragged(values, offsets)


class Stored:
    """Lists in an Arrow column of any number of chunks, of which some rows are wanted at a time.

    Rows that touch many chunks cost no more than those that touch one.

    Parameters
    ----------
    column : ChunkedArray of large lists
    """

    def __init__(self, column: pa.ChunkedArray) -> None:
        kind = column.type.value_type.to_pandas_dtype()
        self._chunk_offsets = [chunk.offsets.to_numpy() for chunk in column.chunks]
        values = [chunk.values.to_numpy() for chunk in column.chunks]
        self._bounds = np.cumsum([0] + [len(chunk) for chunk in column.chunks])
        self._offsets = _Addresses(self._chunk_offsets, np.int64, column)
        self._values = _Addresses(values, kind, column)

    @property
    def lengths(self) -> np.ndarray:
        """ndarray of int64, shape (n_rows,)."""
        return np.concatenate([np.empty(0, np.int64), *map(np.diff, self._chunk_offsets)])

    @property
    def size(self) -> int:
        """Values of all lists."""
        return int(self.lengths.sum())

    def located(self, rows: np.ndarray) -> Located:
        """Where the lists of the given rows lie, in the given order; nothing of them is read."""
        chunks = np.searchsorted(self._bounds, rows, side="right") - 1
        at = rows - self._bounds[chunks] + self._offsets.starts[chunks]
        first, after = self._offsets.array[at], self._offsets.array[at + 1]
        return Located(self._values.array, first + self._values.starts[chunks], after - first)

    def gather(self, rows: np.ndarray) -> Ragged:
        """The lists of the given rows, in the given order, in one copy."""
        return self.located(rows).gathered()


class _Addresses:
    """Arrays that lie anywhere in memory as one, so that a kernel needs no list of them.

    Attributes
    ----------
    array : ndarray
        From the first array's address to the last's end; what lies between two is never looked at.
    starts : ndarray of int64, shape (n_arrays,)
        Where each begins in it.
    """

    def __init__(self, arrays: list[np.ndarray], kind: type, owner: pa.ChunkedArray) -> None:
        # An empty array may lie nowhere.
        first = [each.ctypes.data for each in arrays if len(each)] or [0]
        last = [each.ctypes.data + each.nbytes for each in arrays if len(each)] or [0]
        start, size = min(first), np.dtype(kind).itemsize
        memory = pa.foreign_buffer(start, max(last) - start, owner)
        self.array: np.ndarray = np.frombuffer(memory, kind)
        addresses = [each.ctypes.data if len(each) else start for each in arrays]
        self.starts = (np.array(addresses, np.int64) - start) // size


# Results are made by NumPy and only filled by the kernels, because NumPy asks for huge pages.


@njit(cache=True, nogil=True)
def _copy(values, starts, lengths, size, result, places):  # type: ignore[no-untyped-def]
    for row in range(len(starts)):
        begin, count = starts[row] * size, lengths[row] * size
        part, room = values[begin : begin + count], result[places[row] * size :]
        for at in range(count):
            room[at] = part[at]


@njit(cache=True, nogil=True)
def _narrow(values, starts, lengths, first, last, new_starts, new_lengths):  # type: ignore[no-untyped-def]
    for row in range(len(starts)):
        mine = values[starts[row] : starts[row] + lengths[row]]
        low, high = np.searchsorted(mine, first), np.searchsorted(mine, last, side="right")
        new_starts[row], new_lengths[row] = starts[row] + low, high - low


@njit(cache=True, nogil=True)
def _keep(values, mask, result, offsets):  # type: ignore[no-untyped-def]
    count, start = 0, offsets[0]
    for article in range(len(offsets) - 1):
        end = offsets[article + 1]
        for at in range(start, end):
            if mask[at]:
                result[count] = values[at]
                count += 1
        start = end
        offsets[article + 1] = count


@njit(cache=True, nogil=True)
def _minus(values, offsets, others, other_offsets, mask):  # type: ignore[no-untyped-def]
    for article in range(len(offsets) - 1):
        other, end = other_offsets[article], other_offsets[article + 1]
        for at in range(offsets[article], offsets[article + 1]):
            while other < end and others[other] < values[at]:
                other += 1
            mask[at] = other == end or others[other] != values[at]
