"""Disjoint sets, as a forest.

Law: two members are of one set exactly when they have one root.

Tarjan, "Efficiency of a good but not linear set union algorithm" (1975), with paths halved.
"""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def root(parents, at):  # type: ignore[no-untyped-def]
    """Root of a member, where each member's parent is given (int64); shortens the way to it."""
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at
