"""Postings: what a dictionary of sets says, however texts were split and segments merged."""

from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.ragged import Ragged
from dedup.state.postings import SEGMENT, due, lookup, merge, segment

SEED = 20250106
LAST = 2**64 - 1
# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=80)

Texts = dict[int, set[int]]
"""Keys of each text by its number."""

some_keys = st.one_of(st.integers(0, 4), st.integers(LAST - 2, LAST), st.integers(0, LAST))
some_texts = st.dictionaries(st.integers(0, 30), st.sets(some_keys, max_size=8), max_size=12)


def built(texts: Texts, threads: int = 1) -> pa.Table:
    keys = [np.array(list(each), np.uint64) for each in texts.values()]
    offsets = np.cumsum([0, *(len(each) for each in keys)])
    lists = Ragged(np.concatenate([np.empty(0, np.uint64), *keys]), offsets)
    return segment(lists, np.array(list(texts), np.int64), threads)


def rows_of(table: pa.Table) -> list[tuple[int, int]]:
    assert table.schema.equals(SEGMENT)
    assert {column.num_chunks for column in table.columns} == {1}
    return list(zip(table["key"].to_pylist(), table["number"].to_pylist(), strict=True))


def postings_of(texts: Texts, alive: np.ndarray) -> list[tuple[int, int]]:
    return sorted((key, number) for number in texts if alive[number] for key in texts[number])


def assert_found(
    segments: list[pa.Table], texts: Texts, keys: list[int], alive: np.ndarray, threads: int = 1
) -> None:
    holders: dict[int, list[int]] = {}
    for key, number in postings_of(texts, alive):
        holders.setdefault(key, []).append(number)
    found = lookup(segments, np.array(keys, np.uint64), alive, threads)
    assert (found.values.dtype, found.offsets.dtype) == (np.uint32, np.int64)
    assert len(found.lengths) == len(keys)
    lists = [each.tolist() for each in np.split(found.values, found.offsets[1:-1])] if keys else []
    assert lists == [holders.get(key, []) for key in keys]


@brief
@given(some_texts, st.permutations(range(12)), st.data())
def test_any_split_and_any_merges(texts: Texts, order: list[int], data: st.DataObject) -> None:
    numbers = [number for _, number in sorted(zip(order, texts, strict=False))]
    split = [data.draw(st.integers(0, 3)) for _ in numbers]
    alive = np.array(data.draw(st.lists(st.booleans(), min_size=31, max_size=31)))
    keys = sorted({0, LAST}.union(data.draw(st.sets(some_keys)), *texts.values()))
    shares: list[Texts] = [{}, {}, {}, {}]
    for number, share in zip(numbers, split, strict=True):
        shares[share][number] = texts[number]
    segments = [built(share) for share in shares]
    assert_found(segments, texts, keys, alive)
    at_once = merge(segments, alive, 1)
    assert rows_of(at_once) == postings_of(texts, alive)
    assert_found([at_once], texts, keys, alive)

    start = data.draw(st.integers(0, 3))
    stop = data.draw(st.integers(start, 4))
    dead_later = np.array(data.draw(st.lists(st.booleans(), min_size=31, max_size=31))) | alive
    some = merge(segments[start:stop], dead_later, 1)
    then = [*segments[:start], some, *segments[stop:]]
    assert_found(then, texts, keys, alive)
    assert merge(then, alive, 1).equals(at_once)


@brief
@given(some_texts)
def test_a_segment_is_the_sorted_postings(texts: Texts) -> None:
    assert rows_of(built(texts)) == postings_of(texts, np.ones(31, bool))


def test_nothing_in_nothing_out() -> None:
    empty, alive = built({}), np.ones(9, bool)
    assert rows_of(empty) == []
    assert rows_of(built({3: set(), 4: set()})) == []
    assert rows_of(merge([], alive, 2)) == []
    assert rows_of(merge([empty, empty], alive, 2)) == []
    without_chunks = pa.Table.from_batches([], SEGMENT)
    for segments in ([], [empty], [empty, without_chunks, empty]):
        assert_found(segments, {}, [], alive)
        assert_found(segments, {}, [0, 7, LAST], alive)
    assert_found([empty, built({8: {7}}), empty], {8: {7}}, [0, 7, LAST], alive)
    assert_found([built({8: {7}})], {8: {7}}, [], alive)


def test_a_number_past_the_end_is_not_alive() -> None:
    texts = {2: {5}, 2**32 - 1: {5}}
    assert rows_of(built(texts)) == [(5, 2), (5, 2**32 - 1)]
    alive = np.ones(3, bool)
    assert lookup([built(texts)], np.array([5], np.uint64), alive, 1).values.tolist() == [2]
    assert rows_of(merge([built(texts)], alive, 1)) == [(5, 2)]


def test_one_key_in_many_texts() -> None:
    """Page furniture: lists of thousands, spread over segments whose numbers interleave."""
    rng = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    numbers = rng.permutation(9_000)
    furniture = [0, 2**63, 2**63 + 1, LAST]
    texts = {int(number): {*furniture, 10 + int(number)} for number in numbers}
    alive = rng.random(9_000) < 0.8
    parts = [built({int(number): texts[int(number)] for number in numbers[i::3]}) for i in range(3)]
    keys = [*furniture[:1], 3, 10, 11, 500, *furniture[1:]]
    assert_found(parts, texts, keys, alive, threads=2)
    assert rows_of(merge(parts, alive, 2)) == postings_of(texts, alive)


def test_keys_that_are_not_uniform() -> None:
    """The guess falls far short, far beyond, or past the end."""
    alive = np.ones(3, bool)
    asked = [0, 1, 998, 999, 1_000, 2**40, 2**63, LAST - 1_000, LAST - 999, LAST - 1, LAST]
    low, high = set(range(1_000)), set(range(LAST - 999, LAST + 1))
    for texts in ({0: low}, {0: high}, {0: {*low, LAST}}, {0: {0, *high}}, {0: low, 2: high}):
        for keys in (asked, *([key] for key in asked)):
            assert_found([built(texts)], texts, keys, alive)


def many(rng: np.random.Generator, texts: int, top: int) -> Ragged:
    """About a hundred keys for each text, of which a fourth stand in several texts."""
    keys = rng.integers(0, top, (texts, 100), np.uint64, endpoint=True)
    keys[:, ::4] = rng.choice(keys.ravel(), (texts, 25))
    lists = [np.unique(row) for row in keys]
    return Ragged(np.concatenate(lists), np.cumsum([0, *(len(each) for each in lists)]))


@pytest.mark.parametrize("top", [LAST, LAST >> 3, LAST >> 40], ids=["all", "sketch", "few"])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_many_postings(top: int, threads: int) -> None:
    """Past the sizes at which sorting, merging and looking up are cut into parts."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    texts, numbers, alive = many(rng, 1_200, top), rng.permutation(1_200), rng.random(1_200) < 0.9
    segments = [
        segment(texts.part(slice(start, stop)), numbers[start:stop], threads)
        for start, stop in itertools.pairwise([0, 3, 700, 701, 1_100, 1_200])
    ]
    owners = numbers[texts.owners()]
    order = np.lexsort((owners, texts.values))
    order = order[alive[owners[order]]]
    keys, owners = texts.values[order], owners[order]

    merged = merge(segments, alive, threads)
    assert np.array_equal(merged["key"].to_numpy(), keys)
    assert np.array_equal(merged["number"].to_numpy(), owners)

    asked = np.unique(np.concatenate([texts.values[::2], rng.integers(0, top, 9_000, np.uint64)]))
    in_parts = pa.concat_tables([segments[1].slice(0, 9_000), segments[1].slice(9_000)])
    for several in (segments, [segments[0], in_parts, *segments[2:]], [merged]):
        found = lookup(several, asked, alive, threads)
        starts, stops = (np.searchsorted(keys, asked, side) for side in ("left", "right"))
        assert np.array_equal(found.lengths, stops - starts)
        assert np.array_equal(found.values, owners[np.isin(keys, asked)])


def test_a_mapped_segment_is_not_copied(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    lists = Ragged(rng.integers(0, LAST, 1_000_000, np.uint64), np.arange(0, 1_000_001, 1_000))
    written = segment(lists, np.arange(1_000), 1)
    with pa.OSFile(str(tmp_path / "s.arrow"), "wb") as sink, pa.ipc.new_file(sink, SEGMENT) as file:
        file.write_table(written)
    with pa.memory_map(str(tmp_path / "s.arrow")) as source:
        mapped = pa.ipc.open_file(source).read_all()
    keys, alive = np.sort(lists.values[:1_000]), np.ones(1_000, bool)
    lookup([mapped], keys, alive, 1)  # so that compiling is not counted
    pool = pa.default_memory_pool()
    before = pool.total_bytes_allocated()
    tracemalloc.start()
    found = lookup([mapped], keys, alive, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.lengths.min() >= 1
    assert peak < mapped.nbytes / 20
    assert pool.total_bytes_allocated() - before < mapped.nbytes / 20


def limit(total: int, fanout: int) -> int:
    """Tiers that `total` rows reach: 1 + the whole part of their logarithm."""
    tiers = 1
    while total >= fanout**tiers:
        tiers += 1
    return tiers


def simulated(appended: list[int], fanout: int, survive: float = 1.0) -> list[tuple[int, int, int]]:
    """Segments after, rows merged by, and most rewrites of a posting after each append."""
    sizes: list[int] = []
    rewrites: list[int] = []  # most among the postings of each segment
    history = []
    for size in appended:
        sizes.append(size)
        rewrites.append(0)
        merging = due(sizes, fanout)
        rows = sum(sizes[merging])
        if rows:  # sizes are at least 1
            sizes[merging] = [int(rows * survive)]
            rewrites[merging] = [max(rewrites[merging]) + 1]
        assert due(sizes, fanout) == slice(len(sizes), len(sizes))
        history.append((len(sizes), rows, max(rewrites)))
    return history


def test_two_thousand_equal_appends() -> None:
    batch = 90_000
    history = simulated([batch] * 2_000, 8)
    most = max(segments for segments, _, _ in history)
    rewritten = sum(rows for _, rows, _ in history) / (2_000 * batch)
    print(f"at most {most} segments; each posting is rewritten {rewritten:.2f} times on average")
    assert most <= 7 + 7 + 7 + 3
    assert rewritten < 3.5
    last: dict[int, int] = {}
    for run, (_, rows, _) in enumerate(history, 1):
        # A spike of m batches comes at the earliest m runs after the last one as large.
        batches = rows // batch
        assert all(run - before >= batches for size, before in last.items() if size >= batches)
        last[batches] = run
    assert Counter(rows // batch for _, rows, _ in history)[512] == 3


@pytest.mark.parametrize("fanout", [2, 4, 8])
@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_bounds_hold_for_any_sizes(fanout: int, spread: float) -> None:
    rng = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    appended = (1 + 1_000 * rng.lognormal(0, spread, 2_000)).astype(int).tolist()
    history = simulated(appended, fanout)
    for total, (segments, _, rewrites) in zip(itertools.accumulate(appended), history, strict=True):
        assert segments <= (fanout - 1) * limit(total, fanout)
        assert rewrites <= limit(total, fanout)


@brief
@given(st.lists(st.integers(1, 600), max_size=60), st.integers(2, 5))
def test_bounds_hold_for_few(appended: list[int], fanout: int) -> None:
    history = simulated(appended, fanout)
    for total, (segments, _, rewrites) in zip(itertools.accumulate(appended), history, strict=True):
        assert segments <= (fanout - 1) * limit(total, fanout)
        assert rewrites <= limit(total, fanout)


def test_few_segments_where_merging_removes_much() -> None:
    history = simulated([1_000] * 2_000, 8, survive=0.6)
    assert max(segments for segments, _, _ in history) <= 7 * limit(2_000_000, 8)
    assert sum(rows for _, rows, _ in history) < 4 * 2_000_000


def test_what_is_due() -> None:
    assert due([]) == slice(0, 0)
    assert due([5]) == slice(1, 1)
    assert due([1] * 7) == slice(7, 7)
    assert due([1] * 8) == slice(0, 8)
    assert due([64, *[8] * 7, *[1] * 8]) == slice(1, 16)  # two carries at once
    assert due([64, 3, 2, 9]) == slice(1, 4)  # smaller ones before it go along
    assert due([64, 3, 2]) == slice(3, 3)
