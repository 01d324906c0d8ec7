"""Numbers, places, sums and repetitions of hashes, as dictionaries give them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ragged

from dedup.numbering import among, number, repeating, rising, totals
from dedup.ragged import Ragged

SEED = 20250105

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

# Both ends of the range, hashes spread over it, and some that only their lowest bits tell apart.
HASHES = [0, 1, 2, 2**64 - 1, 2**64 - 2] + [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(1, 8)]


def assert_like_a_dictionary(hashes: np.ndarray) -> None:
    known: dict[int, int] = {}
    expected = [known.setdefault(value, len(known)) for value in hashes.tolist()]
    numbers, found = number(hashes)
    assert numbers.tolist() == expected
    assert found == len(known)


@brief
@given(st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 3))))
def test_few(hashes: list[int]) -> None:
    assert_like_a_dictionary(np.array(hashes, np.uint64))


@pytest.mark.parametrize("distinct", [1, 511, 512, 513, 2048, 2049, 50_000])
def test_many(distinct: int) -> None:
    """Up to, at and past the sizes at which the table grows."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    known = rng.integers(0, 2**64, distinct, np.uint64)
    assert_like_a_dictionary(np.concatenate([known, rng.choice(known, 10_000)]))
    assert_like_a_dictionary(np.arange(distinct, dtype=np.uint64))


@brief
@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_rising_and_among(values: list[int], known: set[int]) -> None:
    given_values = np.array(values, np.uint64)
    assert rising(given_values).tolist() == sorted({*values})
    found = among(given_values, np.array(sorted(known), np.uint64))
    assert found.tolist() == [value in known for value in values]


@brief
@given(st.lists(st.tuples(st.sampled_from(HASHES), st.integers(0, 2**40)), max_size=30))
def test_totals_are_those_of_a_counter(pairs: list[tuple[int, int]]) -> None:
    expected: Counter[int] = Counter()
    for value, times in pairs:
        expected[value] += times
    values = np.array([value for value, _ in pairs], np.uint64)
    counts = np.array([times for _, times in pairs], np.int64)
    found, sums = totals(values, counts)
    assert (found.dtype, sums.dtype) == (np.uint64, np.int64)
    assert dict(zip(found.tolist(), sums.tolist(), strict=True)) == expected
    assert found.tolist() == sorted(expected)


def assert_never_passed_over(lists: Ragged, salts: np.ndarray, floor: int) -> int:
    """Every value that repeats is told; how many are that do not."""
    keys = [*zip(np.repeat(salts, lists.lengths).tolist(), lists.values.tolist(), strict=True)]
    holders = Counter(keys)
    needed = np.array([holders[key] >= floor for key in keys], bool)
    found = repeating(lists.values, lists.offsets, salts, floor)
    assert found.shape == needed.shape
    assert found[needed].all()
    return int((found & ~needed).sum())


@brief
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(HASHES), max_size=6), st.sampled_from([0, 1, 2**63])),
        max_size=14,
    ),
    st.integers(2, 5),
)
def test_what_repeats_is_never_passed_over(
    articles: list[tuple[list[int], int]], floor: int
) -> None:
    lists = ragged(values for values, _ in articles)
    salts = np.array([salt for _, salt in articles], np.uint64)
    assert_never_passed_over(lists, salts, floor)


@pytest.mark.parametrize("top", [2**64, 2**62, 2**50])
def test_few_come_along_among_many(top: int) -> None:
    """So many that the counters are filled one range after the other; also the lowest range alone.

    Sketches are the lowest part of the range.
    """
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    known = rng.integers(0, top, 40_000, np.uint64)
    draws = np.where(
        rng.random((3000, 60)) < 1 / 3,
        rng.integers(0, 300, (3000, 60)),
        rng.integers(0, len(known), (3000, 60)),
    )
    lists = ragged(known[row].tolist() for row in draws)
    salts = rng.integers(0, 5, 3000).astype(np.uint64)
    # Those that come along share a counter; there are at least twice as many as values.
    assert assert_never_passed_over(lists, salts, 3) < 0.5 * len(lists.values)


@pytest.mark.parametrize("floor", [2, 60, 254, 255])
def test_repetitions_up_to_the_most(floor: int) -> None:
    """Values in just as many lists as the floor, one fewer and far more."""
    n = 600
    held = {floor - 1: 5, floor: 6, floor + 1: 7, n: 8}
    lists = ragged(
        [value * 0x9E3779B97F4A7C15 % 2**64 for times, value in held.items() if article < times]
        for article in range(n)
    )
    assert assert_never_passed_over(lists, np.zeros(n, np.uint64), floor) == 0
