"""The one layout of lists of unequal length.

Law: article `i` owns `values[offsets[i]:offsets[i + 1]]`; kernels read the two arrays as they are,
and Arrow's large list is the same two arrays.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
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
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths[articles])])
        values = np.empty(offsets[-1], self.values.dtype)
        _take(*self, articles, values, offsets)
        return Ragged(values, offsets)

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> Ragged:
        """The lists with a function applied to all values."""
        return self._replace(values=function(self.values))

    def keep(self, mask: np.ndarray) -> Ragged:
        """The lists without the values that `mask` (bool, shape (n_values,)) leaves out."""
        values, offsets = np.empty(np.count_nonzero(mask), self.values.dtype), self.offsets.copy()
        _keep(self.values, mask, values, offsets)
        return Ragged(values, offsets)

    def without(self, positions: np.ndarray) -> Ragged:
        """The lists without the values at the given positions."""
        mask = np.ones(len(self.values), bool)
        mask[positions] = False
        return self.keep(mask)

    def minus(self, other: Ragged) -> Ragged:
        """The lists without the values that the other's lists have; both sorted."""
        mask = np.ones(len(self.values), bool)
        _minus(*self, *other, mask)
        return self.keep(mask)

    def owners(self) -> np.ndarray:
        """Article of each value: ndarray of int64, shape (n_values,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.lengths)


class Stored:
    """Lists in an Arrow column of any number of chunks, of which some rows are wanted at a time.

    Parameters
    ----------
    column : ChunkedArray of large lists
    """

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._kind = column.type.value_type
        self._chunks = [Ragged._of_chunk(chunk) for chunk in column.chunks]
        self._bounds = np.cumsum([0] + [len(chunk.offsets) - 1 for chunk in self._chunks])

    def __iter__(self) -> Iterator[tuple[slice, Ragged]]:
        """The rows of each chunk, and their lists, without a copy."""
        for chunk, start, stop in zip(
            self._chunks, self._bounds[:-1], self._bounds[1:], strict=True
        ):
            yield slice(int(start), int(stop)), chunk

    @property
    def lengths(self) -> np.ndarray:
        """ndarray of int64, shape (n_rows,)."""
        return np.concatenate([np.empty(0, np.int64), *(each.lengths for each in self._chunks)])

    @property
    def size(self) -> int:
        """Values of all lists."""
        return sum(len(each.values) for each in self._chunks)

    def within(self, first: int, last: int) -> Stored:
        """The same lists with the values from `first` to `last` only."""
        result = copy.copy(self)
        low, high = np.uint64(first), np.uint64(last)
        if (first, last) != (0, 2**64 - 1):
            result._chunks = [
                chunk.keep((chunk.values >= low) & (chunk.values <= high)) for chunk in self._chunks
            ]
        return result

    def gather(self, rows: np.ndarray) -> Ragged:
        """The lists of the given rows, in the given order, in one copy."""
        order = np.argsort(rows, kind="stable")
        parts = np.searchsorted(rows[order], self._bounds)
        lengths = np.zeros(len(rows), np.int64)
        used = np.flatnonzero(np.diff(parts))
        for part in used:
            places = order[parts[part] : parts[part + 1]]
            lengths[places] = self._chunks[part].lengths[rows[places] - self._bounds[part]]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        values = np.empty(offsets[-1], self._kind.to_pandas_dtype())
        for part in used:
            places, chunk = order[parts[part] : parts[part + 1]], self._chunks[part]
            _take(*chunk, rows[places] - self._bounds[part], values, offsets[places])
        return Ragged(values, offsets)


# Results are made by NumPy and only filled by the kernels, because NumPy asks for huge pages.


@njit(cache=True, nogil=True)
def _take(values, offsets, rows, result, places):  # type: ignore[no-untyped-def]
    for at in range(len(rows)):
        part = values[offsets[rows[at]] : offsets[rows[at] + 1]]
        result[places[at] : places[at] + len(part)] = part


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
