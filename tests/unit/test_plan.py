"""The plan keeps its promise, and no more selective one does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.errors import SettingsError
from dedup.plan import Plan, plan

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=500)

ROUNDING = 1e-9
SEED = 20250103


@brief
@given(st.floats(0.01, 1), st.floats(0.01, 0.999), st.integers(16, 256))
def test_the_promise_is_kept_by_the_most_selective_plan(
    floor: float, recall: float, num_perm: int
) -> None:
    possible = [
        Plan(bands, rows)
        for rows in range(num_perm, 0, -1)
        for bands in [num_perm // rows]
        if Plan(bands, rows).recall(floor) >= recall + ROUNDING
    ]
    try:
        found = plan(floor, recall, num_perm)
    except SettingsError:
        assert not possible
        return
    assert found.bands * found.rows <= num_perm
    assert found.recall(floor) >= recall - ROUNDING
    assert not possible or found.rows >= possible[0].rows
    fewer = Plan(found.bands - 1, found.rows)
    assert fewer.bands == 0 or fewer.recall(floor) < recall + ROUNDING


@pytest.mark.parametrize(("floor", "rows", "bands"), [(0.5, 3, 18), (0.2, 2, 57), (1.0, 128, 1)])
def test_known_plans(floor: float, rows: int, bands: int) -> None:
    assert plan(floor, 0.9, 128) == Plan(bands, rows)


def test_recall_is_the_share_of_pairs_that_agree_in_a_band() -> None:
    print(f"seed {SEED}")
    chosen, trials, jaccard = Plan(20, 3), 20_000, 0.4
    agree = np.random.default_rng(SEED).random((trials, 20, 3)) < jaccard
    share = np.any(np.all(agree, axis=2), axis=1).mean()
    expected = chosen.recall(jaccard)
    # Binomial: five standard deviations.
    assert abs(share - expected) < 5 * (expected * (1 - expected) / trials) ** 0.5


def test_an_impossible_promise_says_what_is_possible() -> None:
    with pytest.raises(SettingsError) as caught:
        plan(0.01, 0.9, 16)
    assert caught.value.expected == "at most 0.149 with 16 permutations at 0.01"
    assert caught.value.got == "0.9"
