"""Clusters: components, average linkage, and what keeps giant components affordable."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import components as plain_components
from reference import partition
from sklearn.cluster import AgglomerativeClustering

from dedup.stages.cluster import components, components_within, cut, pairs_within, stars

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

SEED = 20250104


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray]:
    n = draw(st.integers(0, 14))
    known = list(combinations(range(n), 2))
    pairs = sorted(draw(st.sets(st.sampled_from(known), max_size=20))) if known else []
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return n, left, right


def random_matrix(rng: np.random.Generator, n: int) -> np.ndarray:
    """Similarities with blocks in them, and many ties at 0."""
    blocks = rng.integers(0, 4, n)
    base = np.where(blocks[:, None] == blocks[None, :], 0.5, 0.1)
    noise = rng.random((n, n)) * 0.5 * (rng.random((n, n)) < 0.7)
    matrix = np.triu(np.minimum(base * noise * 4, 1), 1).astype(np.float32)
    return matrix + matrix.T


def in_pairs(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left, right = np.triu_indices(len(matrix), 1)
    return left, right, matrix[left, right]


@brief
@given(graphs())
def test_components_are_those_of_merged_sets(graph: tuple[int, np.ndarray, np.ndarray]) -> None:
    n, left, right = graph
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    assert components(n, left, right).tolist() == plain_components(n, pairs)


@pytest.mark.parametrize("floor", [0.15, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("n", [3, 4, 10, 40])
def test_the_cut_is_average_linkage(n: int, floor: float) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, n])
    for _ in range(10):
        matrix = random_matrix(rng, n)
        # Without ties, which may be broken either way.
        matrix = np.where(matrix == 0, rng.random((n, n)).astype(np.float32) * 1e-3, matrix)
        matrix = np.triu(matrix, 1) + np.triu(matrix, 1).T
        found = cut(np.zeros(n, np.int64), *in_pairs(matrix), floor)
        oracle = AgglomerativeClustering(
            None, metric="precomputed", linkage="average", distance_threshold=1 - floor
        ).fit_predict(1 - matrix.astype(np.float64) - np.eye(n))
        assert partition(found.tolist()) == partition(oracle.tolist())
        assert all(found[label] == label and label <= i for i, label in enumerate(found.tolist()))


def test_a_higher_floor_only_splits() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    for _ in range(60):
        matrix = random_matrix(rng, 15)
        coarser = np.zeros(15, np.int64)
        for floor in np.linspace(0.02, 0.98, 25):
            # As in a run: what is no pair at this floor joins no component.
            left, right, similarity = in_pairs(matrix)
            near = similarity >= np.float32(floor)
            labels = components(15, left[near], right[near])
            inside = labels[left] == labels[right]
            finer = cut(labels, left[inside], right[inside], similarity[inside], float(floor))
            wholes = {
                label: {int(coarser[i]) for i in np.flatnonzero(finer == label)}
                for label in finer.tolist()
            }
            assert all(len(found) == 1 for found in wholes.values())
            coarser = finer


@pytest.mark.parametrize("floor", [0.1, 0.2, 0.3, 0.7, 0.9])
@pytest.mark.parametrize("n", [3, 7, 12, 50])
def test_the_floor_itself_is_reached(floor: float, n: int) -> None:
    """Articles as alike as the floor says, in single precision, and one further off."""
    left, right = np.triu_indices(n + 1, 1)
    similarity = np.where(right == n, np.float32(0.01), np.float32(floor)).astype(np.float32)
    clusters = cut(np.zeros(n + 1, np.int64), left, right, similarity, floor)
    assert clusters.tolist() == [0] * n + [n]


def test_a_chain_is_cut_and_a_clique_is_not() -> None:
    n = 7
    left, right = np.triu_indices(n, 1)
    chain = np.where(right - left == 1, np.float32(0.6), np.float32(0))
    clusters = cut(np.zeros(n, np.int64), left, right, chain, 0.2)
    assert len(set(clusters.tolist())) > 2
    clique = np.full(len(left), 0.6, np.float32)
    assert set(cut(np.zeros(n, np.int64), left, right, clique, 0.2).tolist()) == {0}


def test_components_are_cut_one_by_one() -> None:
    """Positions of several components may be mixed; one of which a pair is missing stays whole."""
    labels = np.array([0, 1, 0, 1, 0, 1, 6])
    left = np.array([0, 0, 2, 1, 1])
    right = np.array([2, 4, 4, 3, 5])
    similarity = np.array([0.9, 0.0, 0.1, 0.9, 0.0], np.float32)
    assert cut(labels, left, right, similarity, 0.5).tolist() == [0, 1, 0, 1, 4, 1, 6]


def test_nothing_to_cut() -> None:
    nothing = np.empty(0, np.int64)
    assert components(0, nothing, nothing).tolist() == []
    assert components(2, nothing, nothing).tolist() == [0, 1]
    assert cut(nothing, nothing, nothing, np.empty(0, np.float32), 0.5).tolist() == []
    assert [part.tolist() for part in pairs_within(nothing, 4)] == [[], []]


@brief
@given(st.lists(st.integers(0, 4), max_size=20), st.integers(1, 6))
def test_every_pair_within_a_group(labels: list[int], limit: int) -> None:
    left, right = pairs_within(np.array(labels, np.int64), limit)
    sizes = Counter(labels)
    expected = [
        (i, j)
        for i, j in combinations(range(len(labels)), 2)
        if labels[i] == labels[j] and sizes[labels[i]] <= limit
    ]
    assert sorted(zip(left.tolist(), right.tolist(), strict=True)) == expected


@brief
@given(graphs(), st.integers(1, 8))
def test_stand_ins(graph: tuple[int, np.ndarray, np.ndarray], limit: int) -> None:
    n, left, right = graph
    labels = components(n, left, right)
    found = stars(labels, left, right, limit)
    near = {(a, b) for a, b in zip(left.tolist(), right.tolist(), strict=True)}
    near |= {(b, a) for a, b in near}
    degrees = Counter(a for a, _ in near)
    for i, stand_in in enumerate(found.tolist()):
        assert found[stand_in] == stand_in
        assert i == stand_in or (i, stand_in) in near
        assert degrees[stand_in] >= degrees[i]
        if (labels == labels[i]).sum() <= limit:
            assert stand_in == i
    for size in {int((labels == label).sum()) for label in labels}:
        if size > limit:  # the best connected stands for its neighbours
            member = max(
                (i for i in range(n) if (labels == labels[i]).sum() == size),
                key=lambda i: (degrees[i], -i),
            )
            assert all(found[other] == member for a, other in near if a == member)


def test_components_within_a_limit() -> None:
    """Two groups held together by a weak pair part; a group of close copies stays whole."""
    pairs = [(i, j, 0.5) for i, j in combinations(range(5), 2)]
    pairs += [(i, j, 0.5) for i, j in combinations(range(5, 10), 2)] + [(4, 5, 0.25)]
    pairs += [(i, j, 0.95) for i, j in combinations(range(10, 18), 2)]
    pairs += [(18, 19, 0.2)]
    left, right = (np.array([pair[k] for pair in pairs]) for k in (0, 1))
    similarity = np.array([pair[2] for pair in pairs], np.float32)
    found = components_within(20, left, right, similarity, 6)
    assert found.tolist() == [0] * 5 + [5] * 5 + [10] * 8 + [18] * 2
    whole = components_within(20, left, right, similarity, 10)
    assert whole.tolist() == [0] * 10 + [10] * 8 + [18] * 2


@brief
@given(graphs(), st.integers(1, 8), st.data())
def test_components_within_a_limit_only_split(
    graph: tuple[int, np.ndarray, np.ndarray], limit: int, data: st.DataObject
) -> None:
    n, left, right = graph
    some = st.lists(st.floats(0.25, 1, width=32), min_size=len(left), max_size=len(left))
    similarity = np.array(data.draw(some), np.float32)
    whole = components(n, left, right)
    parts = components_within(n, left, right, similarity, limit)
    assert np.array_equal(whole[parts], whole)
    close = similarity >= 0.9
    at_most = components(n, left[close], right[close])
    for label in set(parts.tolist()):
        members = np.flatnonzero(parts == label)
        # One that is still too large holds together at 0.9.
        assert len(members) <= limit or len(set(at_most[members].tolist())) == 1
