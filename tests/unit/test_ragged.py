"""Lists of unequal length: what Python's lists of lists do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.ragged import Ragged, Stored

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
        taken = given_lists.take(np.array(rows, np.int64))
        assert lists_of(taken) == [lists[row] for row in rows]
    halved = given_lists.map(lambda values: values >> np.uint64(1))
    assert lists_of(halved) == [[value >> 1 for value in values] for values in lists]


@brief
@given(lists_of_numbers, st.data())
def test_leaving_values_out(lists: Lists, data: st.DataObject) -> None:
    given_lists = ragged(lists)
    n = len(given_lists.values)
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    flags = iter(mask)
    expected = [[value for value in values if next(flags)] for values in lists]
    assert lists_of(given_lists.keep(np.array(mask, bool))) == expected


@brief
@given(st.lists(st.tuples(*[st.sets(st.integers(0, 9))] * 2), max_size=6))
def test_lists_less_others(pairs: list[tuple[set[int], set[int]]]) -> None:
    mine, others = ([sorted(pair[at]) for pair in pairs] for at in (0, 1))
    found = ragged(mine).minus(ragged(others))
    assert lists_of(found) == [sorted(own - other) for own, other in pairs]


def column(chunks: list[Lists]) -> pa.ChunkedArray:
    """One chunk of each; offsets and values need not start at 0 in any."""
    arrays = [ragged([[7], *lists, [8]]).arrow().slice(1, len(lists)) for lists in chunks]
    return pa.chunked_array(arrays, pa.large_list(pa.uint64()))


@brief
@given(st.lists(lists_of_numbers, max_size=4), st.data())
def test_arrow_and_back(chunks: list[Lists], data: st.DataObject) -> None:
    for lists in chunks:
        assert ragged(lists).arrow().to_pylist() == lists
    expected = [values for lists in chunks for values in lists]
    arrays = column(chunks)
    assert lists_of(Ragged.of(arrays)) == expected
    if chunks:
        one = data.draw(st.integers(0, len(chunks) - 1))
        assert lists_of(Ragged.of(arrays.chunk(one))) == chunks[one]


@brief
@given(st.lists(lists_of_numbers, max_size=4), st.data())
def test_stored_lists_are_those_of_all_chunks(chunks: list[Lists], data: st.DataObject) -> None:
    stored = Stored(column(chunks))
    every = [values for lists in chunks for values in lists]
    assert stored.lengths.tolist() == [len(values) for values in every]
    assert stored.size == sum(map(len, every))
    rows = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=12)) if every else []
    located = stored.located(np.array(rows, np.int64))
    assert lists_of(located.gathered()) == [every[row] for row in rows]
    assert lists_of(stored.gather(np.array(rows, np.int64))) == [every[row] for row in rows]
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    some = located.part(slice(start, stop)).gathered()
    assert lists_of(some) == [every[row] for row in rows[start:stop]]


@brief
@given(st.lists(lists_of_numbers, max_size=3), st.data())
def test_spans_of_values_put_together_are_the_lists(
    chunks: list[Lists], data: st.DataObject
) -> None:
    """Both ends of a span belong to it, and lists stay where they were."""
    every = [sorted(values) for lists in chunks for values in lists]
    known = sorted({value for values in every for value in values})
    cuts = data.draw(st.sets(st.sampled_from([*known, 2**63]), max_size=3))
    firsts = sorted({0, *cuts})
    stored = Stored(column([[sorted(values) for values in lists] for lists in chunks]))
    located = stored.located(np.arange(len(every)))
    for first, last in [(first, after - 1) for first, after in pairwise([*firsts, 2**64])]:
        within = located.within(first, last).gathered()
        expected = [[value for value in values if first <= value <= last] for values in every]
        assert lists_of(within) == expected


def test_stored_lists_are_read_where_they_lie() -> None:
    arrays = column([[[1, 2], [3]], [], [[4]]])
    located = Stored(arrays).located(np.arange(3))
    for chunk in (arrays.chunk(0), arrays.chunk(2)):
        assert np.shares_memory(located.values, chunk.values.to_numpy())


def test_one_chunk_is_not_copied() -> None:
    array = ragged([[1, 2], [3]]).arrow()
    assert np.shares_memory(Ragged.of(array).values, array.values.to_numpy())
