"""Stories: weights of words, profiles, candidates within the window, average linkage."""

from __future__ import annotations

import math
from itertools import chain, combinations

import numpy as np
import pytest
from reference import partition
from sklearn.cluster import AgglomerativeClustering

from dedup.ragged import Ragged
from dedup.stages import story

SEED = 20250211


def ragged(lists: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0, *map(len, lists)])
    return Ragged(np.array([*chain(*lists)], np.uint64), offsets.astype(np.int64))


def random_profiles(rng: np.random.Generator, n: int) -> story.Profiles:
    """A few words each, of forty, so that many pairs share some."""
    words = [sorted(rng.choice(40, rng.integers(1, 9), replace=False).tolist()) for _ in range(n)]
    sets = ragged(words)
    return story.profiles(sets, rng.random(len(sets.values), np.float32) + np.float32(0.1))


def cosines(given: story.Profiles) -> np.ndarray:
    dense = np.zeros((len(given.terms.lengths), 41))
    dense[given.terms.owners(), given.terms.values.astype(np.int64)] = given.weights
    return dense @ dense.T


def all_pairs(matrix: np.ndarray) -> list[story.Pairs]:
    left, right = np.triu_indices(len(matrix), 1)
    return [story.Pairs(left, right, matrix[left, right].astype(np.float32))]


def joined(found: list[story.Pairs], hours: np.ndarray, window: float, floor: float) -> np.ndarray:
    """Stories where none is told yet."""
    return story.join(found, hours, window, floor, np.full(len(hours), -1))


def test_weights() -> None:
    """Common words weigh nothing, rare ones much, repeated ones more; the corpus takes part."""
    numbers = np.array([0, 1, 2, 0, 1, 0], np.int64)
    counts = np.array([1, 1, 1, 1, 5, 1], np.uint32)
    frequencies = np.array([0.05, 1e-5, 1e-7])
    weights = story.weigh(numbers, counts, frequencies, 3)
    assert weights[0] == weights[3] == 0
    assert 0 < weights[1] < weights[2]
    assert weights[4] == pytest.approx(weights[1] * (1 + np.log(5)), rel=1e-5)
    share = (story.PRIOR_TEXTS * -np.expm1(-1e-7 * story.TYPICAL_TOKENS) + 1) / (
        story.PRIOR_TEXTS + 3
    )
    assert weights[2] == pytest.approx(np.log((1 - share) / share) ** 2, rel=1e-5)
    # A word that most of a large corpus has weighs nothing, whatever the lists say.
    everywhere = story.weigh(np.zeros(5000, np.int64), np.ones(5000, np.uint32), np.zeros(1), 5000)
    assert everywhere.max() == 0


def test_the_heaviest_words_are_rare_ones_that_come_often() -> None:
    """Against a plain sort; of equal ones the first, of each text at most so many."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    lengths = [story.LONGEST - 1, 0, story.LONGEST, 3 * story.LONGEST, 2 * story.LONGEST]
    words = ragged([[*range(length)] for length in lengths])
    # Few values, so that many weigh alike; what half of all texts have weighs nothing.
    counts = rng.choice([1, 2, 90], len(words.values)).astype(np.uint32)
    shares = rng.choice([1e-7, 1e-5, 1e-4, 0.01], len(words.values))
    mask = story.heaviest(words, counts, shares)
    for text, length in enumerate(lengths):
        mine = slice(words.offsets[text], words.offsets[text + 1])
        weights = []
        for count, share in zip(counts[mine].tolist(), shares[mine].tolist(), strict=True):
            of_texts = 1 - math.exp(-story.TYPICAL_TOKENS * share)
            idf = math.log(max(1 / of_texts - 1, 1))
            weights.append((1 + math.log(min(count, 63))) * idf**2)
        order = sorted(range(length), key=lambda at: (-round(weights[at], 3), at))
        expected = sorted(at for at in order[: story.LONGEST] if weights[at] > 0)
        assert np.flatnonzero(mask[mine]).tolist() == expected


def test_which_are_heaviest_does_not_depend_on_other_texts() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    words = ragged([[*range(n)] for n in (300, 40, 200)])
    counts = rng.integers(1, 9, len(words.values)).astype(np.uint32)
    frequencies = 10 ** rng.uniform(-7, -1, len(words.values))
    whole_mask = story.heaviest(words, counts, frequencies)
    for text in range(3):
        mine = slice(words.offsets[text], words.offsets[text + 1])
        alone = story.heaviest(words.part(slice(text, text + 1)), counts[mine], frequencies[mine])
        assert alone.tolist() == whole_mask[mine].tolist()


def test_profiles_hold_the_heaviest_words() -> None:
    many = story.LONGEST + 40
    sets = ragged([list(range(1, many + 1)), [5, 6], [], [8]])
    weights = np.concatenate([np.arange(1, many + 1), [3, 4], [0]]).astype(np.float32)
    found = story.profiles(sets, weights)
    assert found.terms.lengths.tolist() == [story.LONGEST, 2, 0, 0]
    assert found.terms.values[: story.LONGEST].tolist() == list(range(41, many + 1))
    assert found.terms.values[story.LONGEST :].tolist() == [5, 6]
    assert found.weights[story.LONGEST :].tolist() == pytest.approx([0.6, 0.8])
    # Of equal ones the smaller hashes.
    equal = story.profiles(sets.part(slice(0, 1)), np.ones(many, np.float32))
    assert equal.terms.values.tolist() == list(range(1, story.LONGEST + 1))


def test_profile_of_a_cluster_is_the_mean() -> None:
    texts = story.profiles(ragged([[1, 2], [2, 3], [4]]), np.array([3, 4, 4, 3, 1], np.float32))
    found = story.of_clusters(texts, np.array([1, 1, 0]), 3)
    assert found.terms.lengths.tolist() == [1, 3, 0]
    assert found.terms.values.tolist() == [4, 1, 2, 3]
    mean = np.array([0.6, 1.6, 0.6])
    assert found.weights.tolist() == pytest.approx([1, *(mean / np.linalg.norm(mean))])


@pytest.mark.parametrize("window", [2.0, 10.0, np.inf])
def test_pairs_are_those_of_all_with_all(window: float) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    for n in (1, 2, 30, 60):
        given = random_profiles(rng, n)
        hours = rng.integers(0, 20, n).astype(np.float64)
        hours[rng.random(n) < 0.2] = np.nan
        built = story.index(given, hours, window)
        pieces = [story.pairs(built, slice(at, at + 7)) for at in range(0, n, 7)]
        found = {
            (i, j): value
            for piece in pieces
            for i, j, value in zip(*(column.tolist() for column in piece), strict=True)
        }
        assert len(found) == sum(len(piece.left) for piece in pieces)
        matrix = cosines(given)
        expected = {
            (i, j): matrix[i, j]
            for i, j in combinations(range(n), 2)
            # Without a date there is no window.
            if matrix[i, j] >= story.LEAST and not abs(hours[i] - hours[j]) > window
        }
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_word_of_many_proposes_the_latest() -> None:
    n = 3 * story.POSTINGS
    given = story.profiles(ragged([[1]] * n), np.ones(n, np.float32))
    found = story.pairs(story.index(given, np.arange(n) * 1.0, np.inf), slice(0, n))
    assert (found.right - found.left).max() == story.POSTINGS
    assert len(found.left) < n * story.POSTINGS


@pytest.mark.parametrize("floor", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_joins_are_average_linkage(n: int, floor: float) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, n])
    for _ in range(10):
        blocks = rng.integers(0, 4, n)
        base = np.where(blocks[:, None] == blocks, 0.95, 0.3) * rng.random((n, n))
        matrix = np.triu(base, 1).astype(np.float32)
        found = joined(all_pairs(matrix), np.full(n, np.nan), np.inf, floor)
        matrix = matrix + matrix.T
        oracle = AgglomerativeClustering(
            None, metric="precomputed", linkage="average", distance_threshold=1 - floor
        ).fit_predict(1 - matrix.astype(np.float64) - np.eye(n))
        assert partition(found.tolist()) == partition(oracle.tolist())
        assert all(found[label] == label <= i for i, label in enumerate(found.tolist()))


def test_missing_pairs_count_as_0() -> None:
    """A chain whose ends share nothing falls apart."""
    at = np.arange(4)
    found = [story.Pairs(at, at + 1, np.array([0.5, 0.2, 0.2, 0.5], np.float32))]
    hours = np.zeros(5)
    assert joined(found, hours, 48, 0.15).tolist() == [0, 0, 2, 3, 3]
    assert joined([], hours, 48, 0.15).tolist() == [0, 1, 2, 3, 4]


def test_no_story_spans_more_than_the_window() -> None:
    """Not even by way of one without a date, or of one in between."""
    matrix = np.full((5, 5), 0.5, np.float32)
    matrix[2, 4] = 0.2
    hours = np.array([0, 40, 90, np.nan, 48])
    found = joined(all_pairs(matrix), hours, 48, 0.1)
    assert found[0] == found[1] == found[3] == found[4] == 0
    assert found[2] == 2


def test_a_higher_floor_only_splits_and_order_decides_nothing() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        given = random_profiles(rng, 40)
        hours = rng.integers(0, 60, 40).astype(np.float64)
        hours[rng.random(40) < 0.2] = np.nan
        found = [story.pairs(story.index(given, hours, 24), slice(0, 40))]
        coarser = np.zeros(40, np.int64)
        for floor in np.linspace(0.04, 0.98, 20):
            finer = joined(found, hours, 24, float(floor))
            assert np.array_equal(coarser[finer], coarser)
            shuffled = rng.permutation(len(found[0].left))
            again = [story.Pairs(*(column[shuffled] for column in found[0]))]
            assert np.array_equal(joined(again, hours, 24, float(floor)), finer)
            coarser = finer


def test_stories_that_are_told_take_others_in_and_never_join() -> None:
    """Two of two clusters each, and three that are new: one close to each, one to both."""
    matrix = np.zeros((7, 7), np.float32)
    for pair, cosine in {
        (0, 2): 0.9,  # of two stories, as alike as can be
        (0, 4): 0.5,
        (1, 4): 0.5,
        (2, 5): 0.3,
        (3, 5): 0.3,
        (1, 6): 0.4,
        (3, 6): 0.7,
        (4, 6): 0.1,
    }.items():
        matrix[pair] = cosine
    told = np.array([0, 0, 2, 2, -1, -1, -1])
    found = story.join(all_pairs(matrix), np.zeros(7), 48, 0.15, told)
    assert found.tolist() == [0, 0, 2, 2, 0, 2, 2]
    # A cluster that a story has for itself is told too.
    alone = story.join(all_pairs(matrix), np.zeros(7), 48, 0.15, np.arange(7))
    assert alone.tolist() == [0, 1, 2, 3, 4, 5, 6]
    # The window is the whole story's.
    hours = np.array([0, 40, 0, 0, 60, 0, 0.0])
    assert story.join(all_pairs(matrix), hours, 48, 0.15, told)[4] == 4
