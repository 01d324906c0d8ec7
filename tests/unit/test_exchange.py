"""What goes through parts is what goes through one, however many there are."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ragged, shared_hashes

from dedup import Settings
from dedup.pipeline import exchange
from dedup.ragged import Stored
from dedup.schemas import SHARED
from dedup.stages.candidates import ends, met
from dedup.workspace import Workspace

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)
SEED = 20250131

# A pair's key, and how many hashes and bands it shares.
Rows = dict[int, tuple[int, int]]
keys = st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1), st.just(2**64 - 1))
rows = st.dictionaries(keys, st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


def table(given_rows: Rows) -> pa.Table:
    rising = sorted(given_rows)
    columns = (np.array([given_rows[key][at] for key in rising], np.int64) for at in (0, 1))
    return exchange.to_table(exchange.Pairs(np.array(rising, np.uint64), *columns))


def summed(tables: list[pa.Table], at_a_time: int) -> list[Rows]:
    """The pairs of all tables, as they come when so many rows are put together at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "_PAIRS", at_a_time)
        pieces = list(exchange.summed(tables))
    every = [key for piece in pieces for key in piece.keys.tolist()]
    assert every == sorted(set(every))
    found = []
    for piece in pieces:
        shared = zip(piece.hashes.tolist(), piece.bands.tolist(), strict=True)
        found.append(dict(zip(piece.keys.tolist(), shared, strict=True)))
    return found


def together(pieces: list[Rows]) -> Rows:
    return {key: shared for piece in pieces for key, shared in piece.items()}


@brief
@given(st.lists(rows, max_size=5), st.sampled_from([1, 2, 3, 10, 10**6]))
def test_sums_are_those_of_counters(parts: list[Rows], at_a_time: int) -> None:
    hashes: Counter[int] = Counter()
    bands: Counter[int] = Counter()
    for part in parts:
        for key, (of_hashes, of_bands) in part.items():
            hashes[key] += of_hashes
            bands[key] += of_bands
    found = together(summed([table(part) for part in parts], at_a_time))
    assert found == {key: (hashes[key], bands[key]) for key in hashes}


@pytest.mark.parametrize("at_a_time", [1, 100, 30_000, 10**6])
def test_about_so_many_rows_at_a_time(at_a_time: int) -> None:
    """Of more rows than are sampled, a third of them in every table; all lie in their place."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    common = rng.integers(0, 2**64, 5_000, np.uint64)
    tables = [
        table(dict.fromkeys([*common.tolist(), *more.tolist()], (1, 0)))
        for more in rng.integers(0, 2**64, (3, 10_000), np.uint64)
    ]
    pieces = summed(tables, at_a_time)
    total = sum(each.num_rows for each in tables)
    # Cuts come from a sample, so no piece is below some ten rows, nor much larger than asked.
    assert sum(piece != {} for piece in pieces) >= min(total // at_a_time, 1_000)
    assert max(map(len, pieces)) <= max(2 * at_a_time, 100)
    expected = Counter(key for each in tables for key in each["key"].to_pylist())
    assert together(pieces) == {key: (times, 0) for key, times in expected.items()}


def test_nothing_is_no_pairs() -> None:
    assert together(summed([], 1)) == {}
    assert together(summed([SHARED.empty_table()] * 2, 1)) == {}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000])
def test_spans_are_equal_parts_of_the_whole_range(count: int) -> None:
    spans = exchange.spans(count)
    assert len(spans) == count
    assert (spans[0][0], spans[-1][1]) == (0, 2**64 - 1)
    assert all(after[0] == before[1] + 1 for before, after in pairwise(spans))
    sizes = {last - first for first, last in spans}
    assert max(sizes) - min(sizes) <= 1


@brief
@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Of which nothing was read."""
    return Workspace(tmp_path_factory.mktemp("work"))


@given(
    st.lists(st.lists(st.integers(0, 6).map(lambda n: n * (2**61 // 7)), max_size=6), max_size=9),
    st.integers(1, 9),
    st.sets(st.integers(0, 9)),
    st.integers(2, 4),
)
def test_pairs_do_not_depend_on_spans_of_hashes_and_parts_of_texts(
    work: Workspace, lists: list[list[int]], spans: int, cuts: set[int], cap: int
) -> None:
    sketches, n = ragged(lists), len(lists)
    order = np.random.default_rng(SEED).permutation(n)
    # Rows lie in the order in which they came, texts are told of by their numbers.
    stored = Stored(pa.chunked_array([sketches.take(np.argsort(order)).arrow()]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "parts", lambda size, settings: spans)
        index = exchange.indexed(work, stored, order, Settings(bucket_cap=cap))
    bounds = sorted({0, *(cut for cut in cuts if cut < n), n})
    found: Rows = {}
    for start, stop in pairwise(bounds):
        keys, counts = met(index, slice(start, stop), 1)
        assert not found.keys() & {*keys.tolist()}
        assert all(start <= right < stop for right in ends(keys)[1].tolist())
        found.update({key: (count, 0) for key, count in zip(keys.tolist(), counts, strict=True)})
    whole = shared_hashes(sketches, cap)
    counted = zip(whole.keys.tolist(), whole.counts.tolist(), strict=True)
    assert found == {key: (count, 0) for key, count in counted}
    assert index.capped == whole.capped


@pytest.mark.parametrize("size", [0, 1, 10**6, 10**6 + 1, 3 * 10**9])
def test_a_part_takes_a_quarter_of_the_memory(size: int) -> None:
    count = exchange.parts(size, Settings(memory="4MB"))
    assert count >= 1
    assert size / count <= 10**6
    assert count == 1 or size / (count - 1) > 10**6
