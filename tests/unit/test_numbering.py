"""Numbers, places, sums and repetitions of hashes, as dictionaries give them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.numbering import among, counted, inverse, number, repeating, rising, totals

SEED = 20250105

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

# Both ends of the range, hashes spread over it, and some that only their lowest bits tell apart.
WORDS = [0, 1, 2, 2**31, 2**32 - 2, 2**32 - 1]
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
@given(st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 2**27)), max_size=30))
def test_totals_are_those_of_a_counter(pairs: list[tuple[int, int]]) -> None:
    expected: Counter[int] = Counter()
    for value, times in pairs:
        expected[value] += times
    values = np.array([value for value, _ in pairs], np.uint32)
    counts = np.array([times for _, times in pairs], np.uint32)
    found, sums = totals(values, counts)
    assert (found.dtype, sums.dtype) == (np.uint32, np.uint32)
    assert dict(zip(found.tolist(), sums.tolist(), strict=True)) == expected
    assert found.tolist() == sorted(expected)


@brief
@given(st.lists(st.sampled_from(HASHES), max_size=30))
def test_counted_are_those_of_a_counter(values: list[int]) -> None:
    found, times = counted(np.array(values, np.uint64))
    assert [*zip(found.tolist(), times.tolist(), strict=True)] == sorted(Counter(values).items())


@brief
@given(st.permutations([*range(9)]), st.integers(0, 9))
def test_inverse_tells_where_each_number_stands(order: list[int], size: int) -> None:
    numbers = order[:size]
    found = inverse(np.array(numbers, np.int64)).tolist()
    assert found == [
        numbers.index(n) if n in numbers else -1 for n in range(max(numbers, default=-1) + 1)
    ]


def assert_never_passed_over(values: list[int]) -> int:
    """Every value that repeats is told; how many are that do not."""
    held = Counter(values)
    needed = np.array([held[value] >= 2 for value in values], bool)
    found = repeating(np.array(values, np.uint64))
    assert found.shape == needed.shape
    assert found[needed].all()
    return int((found & ~needed).sum())


@brief
@given(st.lists(st.sampled_from(HASHES), max_size=20))
def test_what_repeats_is_never_passed_over(values: list[int]) -> None:
    assert_never_passed_over(values)


@pytest.mark.parametrize("top", [2**64, 2**62, 2**50])
def test_few_come_along_among_many(top: int) -> None:
    """Also where they all lie in the lowest part of the range, as those of sketches do."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    known = rng.integers(0, top, 200_000, np.uint64)
    values = np.concatenate([known, rng.choice(known[:300], 100_000)]).tolist()
    # Those that come along share a counter; there are at least twice as many as values.
    assert assert_never_passed_over(values) < 0.5 * len(values)


@pytest.mark.parametrize("times", [254, 255, 256, 257, 512])
def test_however_often(times: int) -> None:
    assert assert_never_passed_over([7] * times + [8]) == 0
