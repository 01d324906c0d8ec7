"""A known hash has one slot of its own; any other has none."""

from __future__ import annotations

import numpy as np
import pytest

from dedup.lookup import slots, spread

SEED = 20250901
TOP = 2**64 - 1


def crowded(n: int) -> list[np.ndarray]:
    """Hashes that are not uniform at all."""
    return [
        np.arange(n, dtype=np.uint64),
        np.arange(TOP - n, TOP, dtype=np.uint64),
        np.concatenate([np.arange(n, dtype=np.uint64), np.arange(TOP - n, TOP, dtype=np.uint64)]),
        np.arange(n, dtype=np.uint64) << np.uint64(32),
    ]


def check(hashes: np.ndarray, others: np.ndarray) -> None:
    known, places = spread(hashes)
    assert len(known.keys) <= 3 * len(hashes) + 2
    assert np.array_equal(slots(known, hashes), places)
    assert len(np.unique(places)) == len(hashes)
    others = np.setdiff1d(others, hashes)
    assert len(others)
    assert (slots(known, others) == -1).all()


@pytest.mark.parametrize("n", [0, 1, 2, 100, 20_000])
def test_slots(n: int) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, n])
    hashes = np.unique(rng.integers(0, TOP, n, np.uint64))
    ends = np.array([0, 1, 2**32 - 1, 2**32, 2**63, TOP - 1, TOP], np.uint64)
    beside = np.concatenate([hashes - np.uint64(1), hashes + np.uint64(1)])
    check(hashes, np.concatenate([rng.integers(0, TOP, 1_000, np.uint64), ends, beside]))


@pytest.mark.parametrize("case", range(4))
def test_crowded_hashes_are_found_too(case: int) -> None:
    hashes = crowded(300)[case]
    check(hashes, np.concatenate([*crowded(400), np.array([TOP], np.uint64)]))


def test_a_slot_is_a_step_or_two_from_home() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    hashes = np.unique(rng.integers(0, TOP, 100_000, np.uint64))
    known, places = spread(hashes)
    home = hashes.astype(np.float64) / 2.0**64 * float(known.homes)
    assert np.abs(places - home).mean() < 2
