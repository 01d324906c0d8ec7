"""Joins: average linkage within the window, settled as pairs come and never otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import pytest
from reference import partition
from sklearn.cluster import AgglomerativeClustering

from dedup.stages import linkage
from dedup.stages.linkage import Found, Limits, join

SEED = 20250211
NEVER = np.nan


def all_pairs(matrix: np.ndarray) -> Found:
    left, right = np.triu_indices(len(matrix), 1)
    likeness = matrix[left, right].astype(np.float32)
    kept = likeness > 0
    ends = (end[kept].astype(np.int32) for end in (left, right))
    return Found(*ends, likeness=likeness[kept], complete=len(matrix))


def joined(found: Found, hours: np.ndarray, window: float, floor: float) -> list[int]:
    """Groups where none is settled yet."""
    return join([found], Limits(hours, window, floor), np.full(len(hours), -1)).tolist()


def plainly(found: Found, limits: Limits, settled: np.ndarray) -> list[int]:
    """The two groups of the highest mean join, of equal ones those of the smallest members."""
    hours, groups = limits.hours.tolist(), {}
    for member, group in enumerate(settled.tolist()):
        groups.setdefault(member if group < 0 else group, set()).add(member)
    told = [{*members} for group, members in groups.items() if settled[group] >= 0]
    sets = [frozenset(members) for members in groups.values()]
    likeness = {
        frozenset(pair): float(value)
        for *pair, value in zip(*(column.tolist() for column in found[:3]), strict=True)
    }

    def rank(pair: tuple[frozenset[int], frozenset[int]]) -> tuple[float, int, int]:
        between = (likeness.get(frozenset({a, b}), 0.0) for a in pair[0] for b in pair[1])
        mean = sum(between) / (len(pair[0]) * len(pair[1]))
        low, high = sorted(map(min, pair))
        return -mean, low, high

    def may(pair: tuple[frozenset[int], frozenset[int]]) -> bool:
        times = [hours[member] for member in pair[0] | pair[1] if hours[member] == hours[member]]
        if times and max(times) - min(times) > limits.window:
            return False
        return not all(any(group & one for group in told) for one in pair)

    while True:
        best = min((rank(pair), pair) for pair in combinations(sets, 2) if may(pair))
        if -best[0][0] < float(np.float32(limits.floor)):
            break
        sets = [one for one in sets if one not in best[1]] + [best[1][0] | best[1][1]]
        if len(sets) == 1 or not any(may(pair) for pair in combinations(sets, 2)):
            break
    label = {member: min(members) for members in sets for member in members}
    return [label[member] for member in range(len(hours))]


def drawn(rng: np.random.Generator, n: int, window: float) -> tuple[Found, Limits]:
    """Members in the order of time, some last without one; pairs within the window, many equal."""
    hours = np.sort(rng.integers(0, 4 * n, n)).astype(np.float64)
    hours[n - rng.integers(0, 4) :] = NEVER
    matrix = rng.choice([0, 0, 0.06, 0.09, 0.125, 0.25, 0.5, 0.75], (n, n))
    apart = np.abs(hours[:, None] - hours)
    matrix[apart > window] = 0
    return all_pairs(matrix), Limits(hours, window, 0.08)


def in_pieces(found: Found, limits: Limits, rng: np.random.Generator) -> Iterator[Found]:
    """The same pairs by their right members, some members at a time."""
    n = len(limits.hours)
    cuts = np.unique(np.concatenate([rng.integers(0, n, 5), [0, n]]))
    for start, stop in pairwise(cuts):
        mine = (found.right >= start) & (found.right < stop)
        late = found.left[found.right >= stop]
        yield Found(*(column[mine] for column in found[:3]), complete=late.min(initial=n))


@pytest.mark.parametrize("floor", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_joins_are_average_linkage(n: int, floor: float) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, n])
    for _ in range(10):
        blocks = rng.integers(0, 4, n)
        base = np.where(blocks[:, None] == blocks, 0.95, 0.3) * rng.random((n, n))
        matrix = np.triu(base, 1).astype(np.float32)
        found = joined(all_pairs(matrix), np.full(n, NEVER), np.inf, floor)
        matrix = matrix + matrix.T
        oracle = AgglomerativeClustering(
            None, metric="precomputed", linkage="average", distance_threshold=1 - floor
        ).fit_predict(1 - matrix.astype(np.float64) - np.eye(n))
        assert partition(found) == partition(oracle.tolist())
        assert all(found[label] == label <= i for i, label in enumerate(found))


def test_missing_pairs_count_as_0() -> None:
    """A chain whose ends share nothing falls apart."""
    at = np.arange(4, dtype=np.int32)
    found = Found(at, at + np.int32(1), np.array([0.5, 0.2, 0.2, 0.5], np.float32), 5)
    hours = np.zeros(5)
    assert joined(found, hours, 48, 0.15) == [0, 0, 2, 3, 3]
    assert join([], Limits(hours, 48, 0.15), np.full(5, -1)).tolist() == [0, 1, 2, 3, 4]
    assert join([], Limits(hours[:0], 48, 0.15), np.full(0, -1)).tolist() == []


def test_no_group_spans_more_than_the_window() -> None:
    """Not even by way of one without a date, or of one in between."""
    matrix = np.full((5, 5), 0.5, np.float32)
    matrix[2, 4] = 0.2
    hours = np.array([0, 40, 90, NEVER, 48])
    assert joined(all_pairs(matrix), hours, 48, 0.1) == [0, 0, 2, 0, 0]


def test_a_higher_floor_only_splits_and_the_order_of_pairs_decides_nothing() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        found, (hours, window, _) = drawn(rng, 40, 24)
        coarser = np.zeros(40, np.int64)
        for floor in np.linspace(0.04, 0.98, 20):
            finer = joined(found, hours, window, float(floor))
            assert np.array_equal(coarser[finer], coarser)
            shuffled = rng.permutation(len(found.left))
            again = Found(*(column[shuffled] for column in found[:3]), complete=40)
            assert joined(again, hours, window, float(floor)) == finer
            coarser = np.array(finer)


@pytest.mark.parametrize("with_settled", [False, True])
def test_equal_means_join_by_their_smallest_members(with_settled: bool) -> None:
    """Against a plain search of all pairs of groups, with means that are often equal."""
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, 1])
    for _ in range(60):
        found, limits = drawn(rng, 12, 20)
        settled = np.full(12, -1)
        if with_settled:
            settled[:5] = [0, 1, 0, 3, 1]
            first = limits.hours[0]
            limits = limits._replace(hours=np.append(np.full(5, first), limits.hours[5:]))
        assert join([found], limits, settled).tolist() == plainly(found, limits, settled)


@pytest.mark.parametrize("least", [1, 10, 200])
def test_where_pairs_are_cut_decides_nothing(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, 2])
    monkeypatch.setattr(linkage, "_PAIRS", least)
    several = 0
    for _ in range(100):
        found, limits = drawn(rng, 60, 12)
        nobody = np.full(60, -1)
        at_once = join([found], limits, nobody).tolist()
        assert join(in_pieces(found, limits, rng), limits, nobody).tolist() == at_once
        several += len({*at_once}) < 55
    assert several > 50


def test_pairs_of_groups_that_are_told_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member is close to the next, so all are connected; only the latest wait."""
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, 3])
    n, held = 5_000, []
    settle = linkage._settle

    def watched(*given: object) -> Found:
        still = settle(*given)  # type: ignore[arg-type]
        held.append(len(still.left))
        return still

    monkeypatch.setattr(linkage, "_settle", watched)
    monkeypatch.setattr(linkage, "_PAIRS", 50)

    def pieces() -> Iterator[Found]:
        for start in range(1, n, 10):
            right = np.arange(start, min(start + 10, n), dtype=np.int32)
            likeness = rng.uniform(0.3, 0.9, len(right)).astype(np.float32)
            yield Found(right - np.int32(1), right, likeness, int(right[-1]))

    groups = join(pieces(), Limits(np.arange(n) * 1.0, 48, 0.1), np.full(n, -1))
    assert n / 10 < len(np.unique(groups)) < n / 2
    assert len(held) > 90
    assert max(held) < 30


def test_groups_that_are_settled_take_others_in_and_never_join() -> None:
    """Two of two members each, and three that are new: one close to each, one to both."""
    matrix = np.zeros((7, 7), np.float32)
    for pair, likeness in {
        (0, 2): 0.9,  # of two groups, as alike as can be
        (0, 4): 0.5,
        (1, 4): 0.5,
        (2, 5): 0.3,
        (3, 5): 0.3,
        (1, 6): 0.4,
        (3, 6): 0.7,
        (4, 6): 0.1,
    }.items():
        matrix[pair] = likeness
    told, found = np.array([0, 0, 2, 2, -1, -1, -1]), [all_pairs(matrix)]
    limits = Limits(np.zeros(7), 48, 0.15)
    assert join(found, limits, told).tolist() == [0, 0, 2, 2, 0, 2, 2]
    # A member that a group has for itself is settled too.
    assert join(found, limits, np.arange(7)).tolist() == [0, 1, 2, 3, 4, 5, 6]
    # The window is the whole group's.
    limits = limits._replace(hours=np.array([0, 40, 0, 0, 60, 0, 0.0]))
    assert join(found, limits, told)[4] == 4
