"""Roots of disjoint sets."""

from __future__ import annotations

import numpy as np

from dedup.forest import root


def test_members_of_one_tree_have_one_root() -> None:
    parents = np.array([0, 0, 1, 2, 4, 4])
    assert [root(parents, at) for at in range(6)] == [0, 0, 0, 0, 4, 4]
    # The way got shorter, and leads to the same roots.
    assert parents[3] in (0, 1)
    assert [root(parents, at) for at in range(6)] == [0, 0, 0, 0, 4, 4]
