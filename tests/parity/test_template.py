"""Template removal counts what a dictionary of lists counts."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import components, ragged

from dedup.ragged import Ragged
from dedup.stages.template import (
    floors,
    members,
    neighbours,
    of_articles,
    places,
    repeats,
    stories,
)

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=300)
SEED = 20250102

# Spread over the whole range as hashes are, few enough to repeat.
_KNOWN = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(12)] + [0, 2**64 - 1]
Keys = dict[tuple[int, int], list[int]]
Pairs = list[tuple[int, int]]


def plain_members(lists: Ragged, sources: np.ndarray) -> Keys:
    """Articles that each shingle stands in, per source."""
    found: Keys = defaultdict(list)
    for value, article in zip(lists.values.tolist(), lists.owners().tolist(), strict=True):
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


def assert_parity(
    lists: Ragged, sources: np.ndarray, versions: Pairs, floor: int, story_floor: int
) -> None:
    found = repeats(lists, sources, floor)
    holders = plain_members(lists, sources)
    owners = lists.owners()
    keys = [(int(sources[owners[at]]), int(lists.values[at])) for at in range(len(lists.values))]
    positions = found.positions.tolist()
    assert positions == sorted(set(positions))
    assert all(keys[at][0] >= 0 for at in positions)
    needed = {at for at, key in enumerate(keys) if len(holders.get(key, ())) >= floor}
    assert needed <= set(positions)
    # Equal keys where source and shingle are equal, and only there.
    pairs = {(keys[at], key) for at, key in zip(positions, found.keys.tolist(), strict=True)}
    assert len(pairs) == len({key for key, _ in pairs}) == len({number for _, number in pairs})
    assert {number for _, number in pairs} == set(range(found.n_keys))
    for article in range(len(sources)):
        own = positions[found.offsets[article] : found.offsets[article + 1]]
        assert all(owners[at] == article for at in own)
    assert found.offsets[-1] == len(positions)

    held = members(found)
    of_keys = {number: holders[key] for key, number in pairs}
    split = np.split(held.values, held.offsets[1:-1]) if found.n_keys else []
    assert [part.tolist() for part in split] == [of_keys[n] for n in range(found.n_keys)]
    counted = stories(held, versions_of(versions, len(sources)), np.full(found.n_keys, story_floor))
    told = {key: plain_stories(articles, versions) for key, articles in holders.items()}
    for key, number in pairs:
        # Below the floor it is enough to know that.
        assert counted[number] == told[key] or max(counted[number], told[key]) < story_floor
    expected = [at for at, key in enumerate(keys) if told.get(key, 0) >= story_floor]
    assert places(found, counted >= story_floor).tolist() == expected


@brief
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(_KNOWN), max_size=6), st.integers(-1, 2)), max_size=14
    ),
    st.sets(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=20),
    st.integers(2, 5),
    st.integers(0, 3),
)
def test_small_corpora(
    articles: list[tuple[list[int], int]], drawn: set[tuple[int, int]], floor: int, more: int
) -> None:
    lists = ragged(values for values, _ in articles)
    sources = np.array([source for _, source in articles], np.int64)
    versions = sorted((a, b) for a, b in drawn if a < b < len(articles))
    assert_parity(lists, sources, versions, floor, floor + more)


@pytest.mark.parametrize("floor", [2, 60, 254, 255])
def test_floors_up_to_the_largest(floor: int) -> None:
    """Shingles that stand in just as many articles as the floor, one fewer and far more."""
    n = 600
    held = {floor - 1: 5, floor: 6, floor + 1: 7, n: 8}
    lists = ragged(
        [value * 0x9E3779B97F4A7C15 % 2**64 for times, value in held.items() if article < times]
        for article in range(n)
    )
    assert_parity(lists, np.zeros(n, np.int64), [], floor, floor)


def test_a_large_corpus() -> None:
    """Enough values that the table of counters has to grow and be swept in ranges."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    known = rng.integers(0, 2**64, 40_000, np.uint64)
    # A third of draws from few values, so that they repeat.
    draws = np.where(
        rng.random((3000, 60)) < 1 / 3,
        rng.integers(0, 300, (3000, 60)),
        rng.integers(0, len(known), (3000, 60)),
    )
    lists = ragged(known[row].tolist() for row in draws)
    sources, ends = rng.integers(-1, 5, 3000), rng.integers(0, 3000, (2000, 2))
    versions = sorted({(min(pair), max(pair)) for pair in ends.tolist() if pair[0] != pair[1]})
    assert_parity(lists, sources, versions, 3, 3)
    found = repeats(lists, sources, 3)
    counts = plain_members(lists, sources)
    # What comes along needlessly shares a counter; those are at least twice the values.
    needed = sum(len(articles) for articles in counts.values() if len(articles) >= 3)
    assert needed <= len(found.positions) < needed + 0.5 * (len(lists.values) - needed)


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
    lists = ragged([[1, 2], [2, 3], [], [1, 3, 4], [2]])
    everywhere = repeats(lists, np.zeros(5, np.int64), 2)
    kept = of_articles(everywhere, np.array([True, False, True, True, False]))
    owners = lists.owners()[kept.positions].tolist()
    expected = [at for at in everywhere.positions.tolist() if lists.owners()[at] in (0, 2, 3)]
    assert kept.positions.tolist() == expected
    assert owners == np.repeat(np.arange(5), np.diff(kept.offsets)).tolist()
    known = dict(zip(everywhere.positions.tolist(), everywhere.keys.tolist(), strict=True))
    assert kept.keys.tolist() == [known[at] for at in expected]
    assert kept.n_keys == everywhere.n_keys


def test_neighbours_stand_on_both_sides() -> None:
    found = versions_of([(0, 2), (2, 3), (0, 3)], 5)
    split = [sorted(part.tolist()) for part in np.split(found.values, found.offsets[1:-1])]
    assert split == [[2, 3], [], [0, 3], [0, 2], []]
    assert versions_of([], 2).offsets.tolist() == [0, 0, 0]


def test_nothing_repeats_without_articles_or_sources() -> None:
    nothing = repeats(ragged([]), np.empty(0, np.int64), 2)
    assert (nothing.n_keys, len(nothing.positions), nothing.offsets.tolist()) == (0, 0, [0])
    unknown = repeats(ragged([[1], [1], [1]]), np.full(3, -1), 2)
    assert (unknown.n_keys, unknown.offsets.tolist()) == (0, [0, 0, 0, 0])


def test_floors_follow_the_articles_of_a_source() -> None:
    # Of source 0 three articles, of source 1 ten, and one of none.
    sources = np.array([0, 0, 0] + [1] * 10 + [-1])
    lists = ragged([[7]] * 14)
    found = repeats(lists, sources, 2)
    assert sorted(floors(found, sources, 2, 0.25)) == [2, 3]
    assert floors(found, sources, 2, 0.0).tolist() == [2, 2]
    nowhere = np.full(14, -1)
    assert floors(repeats(lists, nowhere, 2), nowhere, 2, 0.25).tolist() == []
