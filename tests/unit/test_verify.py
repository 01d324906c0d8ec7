"""Scores: plain set arithmetic, and what figures say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ragged

from dedup.stages import verify

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=150)

SINGLE = 1e-5  # scores are in single precision, of a few dozen terms each

Counts = dict[int, int]
articles = st.lists(
    st.tuples(
        st.sets(st.integers(0, 12), max_size=10),
        # Odd words are figures.
        st.dictionaries(st.integers(0, 15), st.integers(1, 4), max_size=12),
    ),
    min_size=2,
    max_size=6,
)


def scored(
    shingles: Sequence[set[int]], words: Sequence[Counts], shared_floor: int = 1
) -> tuple[list[tuple[int, int]], verify.Scores]:
    pairs = list(combinations(range(len(shingles)), 2))
    sets = ragged(words)
    counts = np.array([bag[word] for bag in words for word in sorted(bag)], np.uint32)
    given_evidence = verify.evidence(ragged(shingles), sets, verify.weigh(sets, counts))
    left, right = np.array(pairs).T
    return pairs, verify.score(given_evidence, left, right, shared_floor)


@brief
@given(articles, st.integers(1, 3))
def test_scores_are_plain_set_arithmetic(
    given_articles: list[tuple[set[int], Counts]], shared_floor: int
) -> None:
    shingles, words = zip(*given_articles, strict=True)
    pairs, found = scored(shingles, words, shared_floor)
    weights = plain_weights(words)
    for at, (i, j) in enumerate(pairs):
        a, b = shingles[i], shingles[j]
        shared = len(a & b)
        jaccard = shared / max(1, len(a | b))
        left, right = shared / max(1, len(a)), shared / max(1, len(b))
        assert found.shared[at] == shared
        assert found.jaccard[at] == pytest.approx(jaccard, abs=SINGLE)
        assert found.containment_left[at] == pytest.approx(left, abs=SINGLE)
        assert found.containment_right[at] == pytest.approx(right, abs=SINGLE)
        if shared < shared_floor or max(left, right) < verify.LEAST_CONTAINMENT:
            assert (found.cosine[at], found.similarity[at]) == (0, 0)
            continue
        cosine = plain_cosine(weights[i], weights[j])
        assert found.cosine[at] == pytest.approx(cosine, abs=SINGLE)
        agreement = plain_agreement(weights[i], weights[j])
        best = max(jaccard, verify.CONTAINMENT_WEIGHT * max(left, right))
        if agreement is not None:
            if abs(agreement - verify.FIGURES_OF_REWRITE) < SINGLE:
                continue  # too near to the bound to tell in single precision
            if agreement > verify.FIGURES_OF_REWRITE:
                best = max(best, verify.COSINE_WEIGHT * cosine)
            best *= min(agreement / verify.FIGURES_IN_FULL, 1)
        assert found.similarity[at] == pytest.approx(best, abs=SINGLE)


Weights = dict[int, float]


def plain_weights(bags: Sequence[Counts]) -> list[Weights]:
    held = [word for bag in bags for word in bag]
    return [
        {
            word: (1 + math.log(count)) * math.log1p(len(bags) / held.count(word))
            for word, count in bag.items()
        }
        for bag in bags
    ]


def plain_cosine(a: Weights, b: Weights) -> float:
    norms = [math.sqrt(sum(w * w for w in bag.values())) for bag in (a, b)]
    dot = sum(weight * b.get(word, 0) for word, weight in a.items())
    return dot / (norms[0] * norms[1]) if all(norms) else 0


def plain_agreement(a: Weights, b: Weights) -> float | None:
    """None where either has too few figures for them to speak."""
    left, right = ({word: w for word, w in bag.items() if word & 1} for bag in (a, b))
    if min(len(left), len(right)) < verify.FEWEST_FIGURES:
        return None
    shared = sum(math.sqrt(left[word] * right[word]) for word in left.keys() & right.keys())
    return shared / min(sum(left.values()), sum(right.values()))


def figures(*odd: int) -> Counts:
    return {0: 1, 2: 1, **dict.fromkeys(odd, 1)}


def test_figures_tell_bulletins_of_one_form_apart() -> None:
    form = set(range(20))
    bags = [figures(1, 3, 5, 7), figures(1, 3, 5, 7), figures(9, 11, 13, 15), figures(9, 11)]
    pairs, found = scored([form] * 4, bags)
    similarity = dict(zip(pairs, found.similarity.tolist(), strict=True))
    assert similarity[0, 1] == 1
    assert similarity[0, 2] == 0
    assert similarity[0, 3] == 1  # too few to speak
    assert similarity[2, 3] == 1


def test_a_rewrite_needs_its_figures() -> None:
    """Few shared shingles, the same words: what is alike counts where the figures are the same."""
    left, right = set(range(20)), set(range(18, 38))
    words = dict.fromkeys(range(0, 60, 2), 2)
    known = [words | figures(1, 3, 5), words | figures(1, 3, 5), words, words]
    pairs, found = scored([left, right, left, right], known)
    at = {pair: place for place, pair in enumerate(pairs)}
    told, untold = at[0, 1], at[2, 3]
    assert found.cosine[told] == pytest.approx(1, abs=SINGLE)
    assert found.similarity[told] == pytest.approx(verify.COSINE_WEIGHT, abs=SINGLE)
    assert found.similarity[untold] == pytest.approx(2 / 38, abs=SINGLE)


def test_relations_follow_from_what_reaches_the_floor() -> None:
    def row(jaccard: float, left: float, right: float, similarity: float) -> list[float]:
        return [jaccard, left, right, similarity]

    least = 0.2 / verify.CONTAINMENT_WEIGHT
    table = np.array(
        [
            row(0.2, 0.3, 0.4, 0.2),
            row(0.19, least + 0.01, 0.1, 0.3),
            row(0.19, 0.1, least + 0.01, 0.3),
            row(0.19, 0.3, 0.3, 0.3),
            row(0.9, 0.9, 0.9, 0.19),
        ],
        np.float32,
    )
    nothing = np.zeros(len(table), np.float32)
    scores = verify.Scores(nothing, table[:, 0], table[:, 1], table[:, 2], nothing, table[:, 3])
    expected = ["copy", "excerpt", "excerpt", "rewrite", "indirect"]
    assert verify.relations(scores, 0.2).tolist() == expected


def test_articles_without_shingles_or_words_have_nothing_in_common() -> None:
    _, found = scored([set(), set(), {1}], [{}, {}, {1: 1}])
    assert all(not column.any() for column in found)


def test_no_pairs() -> None:
    nothing = np.empty(0, np.int64)
    sets = ragged([{1}])
    given_evidence = verify.evidence(sets, sets, np.ones(1, np.float32))
    assert all(len(column) == 0 for column in verify.score(given_evidence, nothing, nothing, 1))
