"""Lists of unequal length: what Python's lists of lists do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.ragged import Ragged

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

Lists = list[list[int]]
lists_of_numbers = st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=5), max_size=8)


def ragged(lists: Lists) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(values) for values in lists])])
    flat = [value for values in lists for value in values]
    return Ragged(np.array(flat, np.uint64), offsets.astype(np.int64))


def lists_of(found: Ragged) -> Lists:
    assert found.offsets[0] == 0
    assert found.offsets[-1] == len(found.values)
    assert (found.values.dtype, found.offsets.dtype) == (np.uint64, np.int64)
    bounds = zip(found.offsets[:-1], found.offsets[1:], strict=True)
    return [found.values[start:end].tolist() for start, end in bounds]


@brief
@given(lists_of_numbers, st.data())
def test_lengths_owners_parts_and_choices(lists: Lists, data: st.DataObject) -> None:
    given_lists = ragged(lists)
    assert given_lists.lengths.tolist() == [len(values) for values in lists]
    owners = [i for i, values in enumerate(lists) for _ in values]
    assert given_lists.owners().tolist() == owners
    start = data.draw(st.integers(0, len(lists)))
    stop = data.draw(st.integers(start, len(lists)))
    assert lists_of(given_lists.part(slice(start, stop))) == lists[start:stop]
    if lists:
        rows = data.draw(st.lists(st.integers(0, len(lists) - 1), max_size=10))
        cut = data.draw(st.integers(0, len(lists)))
        column = pa.chunked_array(
            [given_lists.part(part).arrow() for part in (slice(0, cut), slice(cut, len(lists)))]
        )
        gathered = Ragged.gather(column, np.array(rows, np.int64))
        assert lists_of(gathered) == [lists[row] for row in rows]


@brief
@given(lists_of_numbers, st.data())
def test_leaving_values_out(lists: Lists, data: st.DataObject) -> None:
    given_lists = ragged(lists)
    n = len(given_lists.values)
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    flags = iter(mask)
    expected = [[value for value in values if next(flags)] for values in lists]
    assert lists_of(given_lists.keep(np.array(mask, bool))) == expected
    left_out = np.flatnonzero(~np.array(mask, bool))
    assert lists_of(given_lists.without(left_out)) == expected


@brief
@given(st.lists(lists_of_numbers, max_size=4), st.data())
def test_arrow_and_back(chunks: list[Lists], data: st.DataObject) -> None:
    arrays = []
    for lists in chunks:
        array = ragged([[7], *lists, [8]]).arrow()
        assert array.to_pylist() == [[7], *lists, [8]]
        arrays.append(array.slice(1, len(lists)))  # offsets need not start at 0
    kind = pa.large_list(pa.uint64())
    expected = [values for lists in chunks for values in lists]
    assert lists_of(Ragged.of(pa.chunked_array(arrays, kind))) == expected
    if arrays:
        one = data.draw(st.integers(0, len(arrays) - 1))
        assert lists_of(Ragged.of(arrays[one])) == chunks[one]


def test_one_chunk_is_not_copied() -> None:
    array = ragged([[1, 2], [3]]).arrow()
    assert np.shares_memory(Ragged.of(array).values, array.values.to_numpy())
