"""Template removal counts what a dictionary of lists counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import components

from dedup.ragged import Ragged
from dedup.stages.template import (
    Repeats,
    count,
    floors,
    left_out,
    neighbours,
    of_articles,
    repeats,
    salts,
    select,
    stories,
)

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=300)
SEED = 20250102

# Spread over the whole range as hashes are, few enough to repeat.
_KNOWN = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(12)] + [0, 2**64 - 1]
Keys = dict[tuple[int, int], list[int]]
Pairs = list[tuple[int, int]]
Span = tuple[int, int]

WHOLE = (0, 2**64 - 1)


def plain_members(lists: Ragged, sources: np.ndarray) -> Keys:
    """Articles that each shingle stands in, per source."""
    found: Keys = defaultdict(list)
    for article, value in sorted(
        {*zip(lists.owners().tolist(), lists.values.tolist(), strict=True)}
    ):
        if sources[article] >= 0:
            found[int(sources[article]), value].append(article)
    return found


def plain_stories(articles: list[int], versions: Pairs) -> int:
    """Components of the articles, by the versions that have both ends among them."""
    places = {article: place for place, article in enumerate(articles)}
    among = [(places[a], places[b]) for a, b in versions if a in places and b in places]
    return len(set(components(len(articles), among)))


def versions_of(pairs: Pairs, n: int) -> Ragged:
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return neighbours(left, right, n)


def in_text_order(lists: Iterable[Sequence[int]]) -> Ragged:
    """Shingle hashes as they are rolled: in no order, some of them twice."""
    every = [np.array(values, np.uint64) for values in lists]
    offsets = np.cumsum([0, *(len(values) for values in every)])
    return Ragged(np.concatenate([np.empty(0, np.uint64), *every]), offsets)


def repeating(
    lists: Ragged, sources: np.ndarray, floor: int, span: Span = WHOLE, counters: int = 1 << 16
) -> Repeats:
    """What repeats, counted and selected in two batches; an unknown source takes no part."""
    known = np.flatnonzero(sources >= 0)
    selected = along(lists.take(known), sources[known], floor, span, counters)
    found = repeats(selected, salts(sources[known]), floor)
    return found._replace(members=found.members.map(lambda articles: known[articles]))


def along(lists: Ragged, sources: np.ndarray, floor: int, span: Span, counters: int) -> Ragged:
    """Hashes, salted, whose counters have reached the floor."""
    table, every = np.zeros(counters, np.uint8), len(sources)
    batches = [slice(0, every // 2), slice(every // 2, every)]
    for batch in batches:
        count(lists.part(batch), salts(sources[batch]), span, floor, table)
    selected = [
        select(lists.part(batch), salts(sources[batch]), span, floor, table) for batch in batches
    ]
    return Ragged.joined(selected, pa.uint64())


def split(lists: Ragged) -> list[list[int]]:
    return [part.tolist() for part in np.split(lists.values, lists.offsets[1:-1])][
        : len(lists.lengths)
    ]


def keyed(found: Repeats, sources: np.ndarray) -> Keys:
    """Articles that hold each shingle, per source; each key is there once."""
    members = split(found.members)
    keys = [
        (int(sources[held[0]]), shingle)
        for held, shingle in zip(members, found.shingles.tolist(), strict=True)
    ]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, members, strict=True))


def assert_parity(
    lists: Ragged,
    sources: np.ndarray,
    versions: Pairs,
    floors: tuple[int, int],
    span: Span = WHOLE,
    counters: int = 1 << 16,
) -> set[tuple[int, int]]:
    """Compare with a dictionary of lists; what the articles hold of template, by the kernels."""
    floor, story_floor = floors
    found = repeating(lists, sources, floor, span, counters)
    holders = {
        key: articles
        for key, articles in plain_members(lists, sources).items()
        if span[0] <= key[1] <= span[1]
    }
    known = keyed(found, sources)
    assert known == {key: articles for key, articles in holders.items() if len(articles) >= floor}
    every_floor = np.full(len(found.shingles), story_floor)
    counted = stories(found.members, versions_of(versions, len(sources)), every_floor)
    told = {key: plain_stories(articles, versions) for key, articles in holders.items()}
    for key, number in zip(known, counted.tolist(), strict=True):
        # Below the floor it is enough to know that.
        assert number == told[key] or max(number, told[key]) < story_floor
    mine = split(left_out(found, counted >= story_floor, len(sources)))
    assert mine == [sorted(shingles) for shingles in mine]
    chosen = {(article, shingle) for article, held in enumerate(mine) for shingle in held}
    assert len(chosen) == sum(map(len, mine))
    assert chosen == {
        (article, key[1])
        for key, articles in holders.items()
        if told[key] >= story_floor
        for article in articles
    }
    return chosen


small_corpora = st.lists(
    st.tuples(st.lists(st.sampled_from(_KNOWN), max_size=6), st.integers(-1, 2)), max_size=14
)


@brief
@given(
    small_corpora,
    st.sets(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=20),
    st.integers(2, 5),
    st.integers(0, 3),
    st.sampled_from([1, 7, 40, 4096]),
)
def test_small_corpora(
    articles: list[tuple[list[int], int]],
    drawn: set[tuple[int, int]],
    floor: int,
    more: int,
    counters: int,
) -> None:
    """However few the counters, so that shingles have to share them."""
    lists = in_text_order(values for values, _ in articles)
    sources = np.array([source for _, source in articles], np.int64)
    versions = sorted((a, b) for a, b in drawn if a < b < len(articles))
    assert_parity(lists, sources, versions, (floor, floor + more), WHOLE, counters)


@brief
@given(small_corpora, st.integers(2, 4), st.sets(st.sampled_from([*_KNOWN, 1, 2**63]), max_size=5))
def test_any_cut_of_the_hashes_gives_the_union_of_its_parts(
    articles: list[tuple[list[int], int]], floor: int, cuts: set[int]
) -> None:
    lists = in_text_order(values for values, _ in articles)
    sources = np.array([source for _, source in articles], np.int64)
    firsts = sorted({0, *cuts})
    spans = [(first, after - 1) for first, after in pairwise([*firsts, 2**64])]
    parts = [assert_parity(lists, sources, [], (floor, floor), span) for span in spans]
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert set().union(*parts) == assert_parity(lists, sources, [], (floor, floor))


@pytest.mark.parametrize("floor", [2, 60, 254, 255])
def test_floors_up_to_the_largest(floor: int) -> None:
    """Shingles that stand in just as many articles as the floor, one fewer and far more."""
    n = 600
    held = {floor - 1: 5, floor: 6, floor + 1: 7, n: 8}
    lists = in_text_order(
        [value * 0x9E3779B97F4A7C15 % 2**64 for times, value in held.items() if article < times]
        for article in range(n)
    )
    assert_parity(lists, np.zeros(n, np.int64), [], (floor, floor))


def large_corpus() -> tuple[Ragged, np.ndarray, Pairs]:
    """Lists in which a third of the values is of few, so that they repeat; sources; versions."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    known = rng.integers(0, 2**64, 15_000, np.uint64)
    draws = np.where(
        rng.random((1500, 40)) < 1 / 3,
        rng.integers(0, 200, (1500, 40)),
        rng.integers(0, len(known), (1500, 40)),
    )
    lists = in_text_order(known[row].tolist() for row in draws)
    sources, ends = rng.integers(-1, 5, 1500), rng.integers(0, 1500, (1000, 2))
    versions = sorted({(min(pair), max(pair)) for pair in ends.tolist() if pair[0] != pair[1]})
    return lists, sources, versions


def test_a_large_corpus() -> None:
    lists, sources, versions = large_corpus()
    known = np.flatnonzero(sources >= 0)
    found = along(lists.take(known), sources[known], 3, WHOLE, 2 * len(lists.values))
    needed = sum(
        len(articles) for articles in plain_members(lists, sources).values() if len(articles) >= 3
    )
    # What comes along needlessly shares a counter; those are twice the values.
    assert needed <= len(found.values) < needed + 0.5 * (len(lists.values) - needed)
    whole = assert_parity(lists, sources, versions, (3, 3))
    assert whole
    spans = [(at * 2**64 // 3, (at + 1) * 2**64 // 3 - 1) for at in range(3)]
    parts = [assert_parity(lists, sources, versions, (3, 3), span) for span in spans]
    assert all(parts)
    assert set().union(*parts) == whole


def test_a_story_is_one_by_versions_that_hold_the_shingle() -> None:
    """A version that has it not connects nobody; what is connected otherwise is one, and counts on.

    A chain of four, of which the third has not the shingle, and two who have nothing to do with it.
    """
    versions = versions_of([(0, 1), (1, 2), (2, 3)], 6)
    lists = Ragged(np.array([0, 1, 3, 0, 1, 2, 3, 4, 5]), np.array([0, 3, 7, 9, 9]))
    assert stories(lists, versions, np.ones(4, np.int64)).tolist() == [2, 1, 2, 0]
    # Ends are exchanged, and a list that was given up early leaves nothing behind.
    again = versions_of([(3, 2), (1, 0), (2, 1)], 6)
    assert stories(lists, again, np.array([3, 4, 1, 1]))[2:].tolist() == [2, 0]


def test_what_some_of_the_articles_hold_of_the_repeats() -> None:
    lists = in_text_order([[2, 1], [2, 3], [], [1, 3, 4], [2]])
    everywhere = repeating(lists, np.zeros(5, np.int64), 2)
    kept = of_articles(everywhere, np.array([True, False, True, True, False]))
    assert kept.shingles.tolist() == everywhere.shingles.tolist() == [2, 1, 3]
    assert split(kept.members) == [[0], [0, 3], [3]]


def test_neighbours_stand_on_both_sides() -> None:
    found = versions_of([(0, 2), (2, 3), (0, 3)], 5)
    split = [sorted(part.tolist()) for part in np.split(found.values, found.offsets[1:-1])]
    assert split == [[2, 3], [], [0, 3], [0, 2], []]
    assert versions_of([], 2).offsets.tolist() == [0, 0, 0]


def test_nothing_repeats_without_articles_or_sources() -> None:
    nothing = repeating(in_text_order([]), np.empty(0, np.int64), 2)
    unknown = repeating(in_text_order([[1], [1], [1]]), np.full(3, -1), 2)
    for found in (nothing, unknown):
        assert (len(found.shingles), split(found.members)) == (0, [])
        assert split(left_out(found, np.empty(0, bool), 2)) == [[], []]


def test_a_shingle_that_comes_twice_in_one_article_is_of_one() -> None:
    """It counts twice, so it may come along; but it is held once."""
    sources = np.zeros(2, np.int64)
    found = repeating(in_text_order([[5, 6, 5], [6]]), sources, 2)
    assert keyed(found, sources) == {(0, 6): [0, 1]}


def test_floors_follow_the_articles_of_a_source() -> None:
    assert floors(np.array([3, 10]), 2, 0.25).tolist() == [2, 3]
    assert floors(np.array([3, 10]), 2, 0.0).tolist() == [2, 2]
    assert floors(np.empty(0, np.int64), 2, 0.25).tolist() == []
