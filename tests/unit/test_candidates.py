"""Candidate pairs: all of them where nothing is capped, the first with all where something is."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import components, ragged, sets_of, shared_hashes

from dedup.numbering import counted, inverse
from dedup.stages.candidates import (
    LEAST_EXPECTED,
    LSH,
    SKETCH,
    Proposals,
    band_keys,
    band_pairs,
    bucketed,
    close,
    ends,
    index,
    met,
    of_generators,
    worthy,
)

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=300)

_NO_CAP = 10_000


def pairs_of(keys: np.ndarray) -> list[tuple[int, int]]:
    left, right = ends(keys)
    return list(zip(left.tolist(), right.tolist(), strict=True))


def in_band(keys: np.ndarray, members: list[int], cap: int) -> Proposals:
    """Pairs of the members, their keys given in that order."""
    articles = np.array(members, np.int64)
    return band_pairs(keys[articles], articles, inverse(articles), cap)


small_lists = st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=9)


@brief
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=4, max_size=4), max_size=12),
    st.sampled_from([(1, 4), (1, 2), (2, 2), (3, 1), (4, 1)]),
    st.data(),
)
def test_banding_finds_what_agrees_in_all_rows_of_a_band(
    signatures: list[list[int]], shape: tuple[int, int], data: st.DataObject
) -> None:
    length, bands = shape
    n = len(signatures)
    members = data.draw(st.permutations([*range(n)]))[: data.draw(st.integers(0, n))]
    keys = band_keys(np.array(signatures, np.uint32).reshape(n, 4), length, bands)
    assert (keys.shape, keys.dtype) == ((bands, n), np.uint64)
    for band in range(bands):
        rows = range(band * length, (band + 1) * length)
        found = in_band(keys[band], members, _NO_CAP)
        expected = [
            (i, j)
            for i, j in combinations(sorted(members), 2)
            if all(signatures[i][row] == signatures[j][row] for row in rows)
        ]
        assert sorted(pairs_of(found.keys)) == expected
        assert found.capped == 0


@brief
@given(st.lists(st.sampled_from([0, 1, 2, 2**63, 2**63 + 1, 2**64 - 1]), max_size=9))
def test_keys_that_differ_in_their_lowest_bits_are_no_pair(keys: list[int]) -> None:
    found = in_band(np.array(keys, np.uint64), [*range(len(keys))], _NO_CAP)
    expected = [(i, j) for i, j in combinations(range(len(keys)), 2) if keys[i] == keys[j]]
    assert sorted(pairs_of(found.keys)) == expected


def test_equal_rows_of_different_bands_have_different_keys() -> None:
    """Keys of all bands may lie in one index, and what one band found is of that band."""
    keys = band_keys(np.array([[7, 8] * 3, [8, 7] * 3], np.uint32), 2, 3)
    assert len({*keys.ravel().tolist()}) == 6


@brief
@given(small_lists)
def test_the_sketch_join_finds_all_that_share_a_hash(lists: list[list[int]]) -> None:
    """And how many each shares."""
    found, plain = shared_hashes(ragged(lists), _NO_CAP), sets_of(ragged(lists))
    counts = {
        (i, j): len(plain[i] & plain[j])
        for i, j in combinations(range(len(plain)), 2)
        if plain[i] & plain[j]
    }
    assert pairs_of(found.keys) == sorted(counts)
    assert found.counts.tolist() == [counts[pair] for pair in sorted(counts)]
    assert found.capped == 0


@brief
@given(small_lists, st.integers(1, 4), st.lists(st.integers(0, 200), min_size=9, max_size=9))
def test_worthy_is_what_shares_enough(lists: list[list[int]], least: int, sizes: list[int]) -> None:
    """So many hashes, and more where both texts are long."""
    n = len(lists)
    keys, counts = met(index([bucketed(ragged(lists))], n, _NO_CAP), slice(0, n), least)
    order = np.argsort(keys)
    keys, counts = keys[order], counts[order]
    kept = worthy(keys, counts, np.array(sizes, float))
    plain = sets_of(ragged(lists))
    expected = [
        (i, j)
        for i, j in combinations(range(len(plain)), 2)
        if len(plain[i] & plain[j]) >= max(least, LEAST_EXPECTED * min(sizes[i], sizes[j]))
    ]
    assert pairs_of(keys[kept]) == expected
    assert all(count >= least for count in counts.tolist())
    assert worthy(keys, counts, np.zeros(9)).all()


@brief
@given(small_lists, st.sampled_from([0.1, 1 / 3, 0.5, 1.0]), st.sampled_from([1, 2, _NO_CAP]))
def test_close_pairs_have_the_jaccard(lists: list[list[int]], floor: float, cap: int) -> None:
    """Of pairs that stand in one bucket, its first members with all, those that share enough."""
    sets = ragged(lists)
    found = shared_hashes(sets, cap)
    (left, right), sizes = ends(found.keys), sets.lengths
    near = found.counts >= floor * (sizes[left] + sizes[right] - found.counts)
    given = index([bucketed(sets)], len(lists), cap)
    halves = [slice(0, len(lists) // 2), slice(len(lists) // 2, len(lists))]
    pairs = [
        pair for half in halves for pair in zip(*close(given, half, sizes, floor), strict=True)
    ]
    assert sorted(pairs) == list(zip(left[near], right[near], strict=True))
    if cap == _NO_CAP:
        plain = sets_of(sets)
        assert sorted(pairs) == [
            (i, j)
            for i, j in combinations(range(len(plain)), 2)
            if plain[i] & plain[j] and len(plain[i] & plain[j]) / len(plain[i] | plain[j]) >= floor
        ]


def of_first(members: list[int], cap: int) -> set[tuple[int, int]]:
    """Pairs of a bucket's first members with all of it."""
    return {(i, j) for i, j in combinations(members, 2) if i in members[:cap]}


@pytest.mark.parametrize("size", [3, 10, 11, 100, 2000])
@pytest.mark.parametrize("cap", [2, 10, 100])
def test_of_a_large_bucket_the_first_are_paired_with_all(size: int, cap: int) -> None:
    alike = np.zeros((size + 2, 4), np.uint32)
    alike[:2] = [1], [2]
    (keys,) = band_keys(alike, 4, 1)
    found = in_band(keys, [*range(size + 2)][::-1], cap)
    pairs = pairs_of(found.keys)
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == of_first([*range(2, size + 2)], cap)
    # What it joins stays joined, at a cost linear in its members.
    assert components(size + 2, pairs) == [0, 1] + [2] * size
    assert len(pairs) <= cap * size
    assert found.capped == (size > cap)


def test_a_large_bucket_beside_small_ones() -> None:
    lists = [[1, 2]] * 50 + [[3]] * 3 + [[4]] + [[2, 3]]
    found = shared_hashes(ragged(lists), 10)
    assert found.capped == 2
    large = of_first([*range(50)], 10) | of_first([*range(50), 54], 10)
    assert set(pairs_of(found.keys)) == large | {*combinations([50, 51, 52, 54], 2)}


def test_who_comes_later_changes_no_pair_of_the_others() -> None:
    lists = [[1], [1, 2], [2], [1, 2], [1], [2]] * 4
    for cap in (2, 3, 30):
        before = {n: shared_hashes(ragged(lists[:n]), cap).keys for n in range(len(lists) + 1)}
        for fewer, more in pairwise(range(len(lists) + 1)):
            _, right = ends(before[more])
            assert before[more][right < fewer].tolist() == before[fewer].tolist()


def test_who_proposed_is_remembered() -> None:
    def of(*pairs: tuple[int, int]) -> np.ndarray:
        return np.array([(a << 32) | b for a, b in pairs], np.uint64)

    lsh, times = counted(np.concatenate([of((0, 1), (2, 3)), of((2, 3), (1, 2)), of()]))
    assert pairs_of(lsh) == [(0, 1), (1, 2), (2, 3)]
    assert times.tolist() == [1, 1, 2]
    found = of_generators({LSH: lsh, SKETCH: of((0, 4), (2, 3))})
    assert list(zip(found.left.tolist(), found.right.tolist(), strict=True)) == [
        *((0, 1), (0, 4), (1, 2), (2, 3))
    ]
    assert found.generators.tolist() == [LSH, SKETCH, LSH, LSH | SKETCH]


def test_positions_up_to_the_largest_survive_packing() -> None:
    largest = 2**32 - 1
    keys = np.array([((largest - 1) << 32) | largest], np.uint64)
    assert pairs_of(keys) == [(largest - 1, largest)]
