"""Pairs that were scored once are not looked at again."""

from __future__ import annotations

import numpy as np

from dedup.pipeline import group
from dedup.stages import verify

SEED = 20251122


def plainly(left: np.ndarray, right: np.ndarray) -> verify.Scores:
    """Scores that tell of which pair they are, and which end is the left one."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    ends = {"containment_left": left, "containment_right": right}
    columns = (
        ends.get(name, 100 * low + high + place) for place, name in enumerate(verify.Scores._fields)
    )
    kinds = [np.int32, *[np.float32] * (len(verify.Scores._fields) - 1)]
    return verify.Scores(*(each.astype(kind) for each, kind in zip(columns, kinds, strict=True)))


def test_known_scores_are_taken_and_others_found() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    left, right = np.triu_indices(40, 1)
    known = np.sort(rng.choice(len(left), 300, replace=False))
    asked = []

    def score(left: np.ndarray, right: np.ndarray) -> verify.Scores:
        asked.extend(zip(left.tolist(), right.tolist(), strict=True))
        return plainly(left, right)

    pairs = group.Pairs(left[known], right[known], plainly(left[known], right[known]))
    chosen = rng.permutation(len(left))[:500]
    turned = rng.random(500) < 0.5
    ends = (
        np.where(turned, right[chosen], left[chosen]),
        np.where(turned, left[chosen], right[chosen]),
    )
    found = group._either(pairs, score)(*ends)
    for column, expected in zip(found, plainly(*ends), strict=True):
        assert column.dtype == expected.dtype
        np.testing.assert_array_equal(column, expected)
    new = ~np.isin(chosen, known)
    assert 100 < new.sum() < 400
    assert asked == list(zip(*(end[new].tolist() for end in ends), strict=True))
