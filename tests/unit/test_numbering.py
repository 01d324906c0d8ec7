"""Numbers in the order of first appearance, as a dictionary gives them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.numbering import among, number, rising

SEED = 20250105


def assert_like_a_dictionary(hashes: np.ndarray) -> None:
    known: dict[int, int] = {}
    expected = [known.setdefault(value, len(known)) for value in hashes.tolist()]
    numbers, found = number(hashes)
    assert numbers.tolist() == expected
    assert found == len(known)


@settings(derandomize=True, deadline=None, max_examples=200)
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


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_rising_and_among(values: list[int], known: set[int]) -> None:
    given_values = np.array(values, np.uint64)
    assert rising(given_values).tolist() == sorted({*values})
    found = among(given_values, np.array(sorted(known), np.uint64))
    assert found.tolist() == [value in known for value in values]
