"""Clusters are cut as SciPy cuts them, and components are its components."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from dedup.stages.cluster import components, cut

SEED = 5
FLOOR = 0.5


def smallest(groups: np.ndarray) -> np.ndarray:
    """Position of the first member of each one's group."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return first[inverse]


def similarities(generator: np.random.Generator, kind: str, size: int) -> np.ndarray:
    drawn = generator.random(size, np.float32)
    return {
        "any": drawn,
        "many ties": np.round(drawn * 4).astype(np.float32) / 4,
        "half nothing in common": np.where(drawn < 0.5, np.float32(0), drawn),
        "all one": np.full(size, generator.choice(np.array([FLOOR, drawn[0]], np.float32))),
    }[kind]


@pytest.mark.parametrize("kind", ["any", "many ties", "half nothing in common", "all one"])
def test_a_component_is_cut_as_by_average_linkage(kind: str) -> None:
    print("seed", SEED)
    generator = np.random.default_rng(SEED)
    split = 0
    for _ in range(300):
        n = int(generator.integers(3, 15))
        left, right = np.triu_indices(n, 1)
        alike = similarities(generator, kind, len(left))
        heights = linkage(1 - alike.astype(np.float64), "average")
        expected = smallest(fcluster(heights, 1 - float(np.float32(FLOOR)), "distance"))
        found = cut(np.zeros(n, np.int64), left, right, alike, FLOOR)
        assert found.tolist() == expected.tolist(), (n, alike)
        split += len(set(expected)) > 1
    assert kind == "all one" or split > 100


def test_components_are_those_of_the_graph() -> None:
    print("seed", SEED)
    generator = np.random.default_rng(SEED)
    for _ in range(100):
        n, pairs = int(generator.integers(1, 60)), int(generator.integers(0, 60))
        left, right = generator.integers(0, n, (2, pairs))
        graph = coo_array((np.ones(pairs, np.int8), (left, right)), shape=(n, n))
        expected = smallest(connected_components(graph, directed=False)[1])
        assert components(n, left, right).tolist() == expected.tolist()
