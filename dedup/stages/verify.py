"""Candidate pairs to scores and relations.

Law: every score is exact, on the real sets; no estimate is published. A pair is kept when its
similarity reaches the floor, and the similarity never depends on the floor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.numbering import number
from dedup.ragged import Ragged

# What stands beside Jaccard counts this much against it, so that one floor serves for all. At a
# floor of 0.2: two fifths of an article held by another, or a cosine of 0.44.
CONTAINMENT_WEIGHT, COSINE_WEIGHT = 0.5, 0.45

# Below this share of verbatim text two articles are not related, whatever their words.
LEAST_CONTAINMENT = 0.05

# Figures speak only when the article with fewer of them has this many. A reworded copy keeps half
# of them; below the second share, what is alike counts the less the fewer figures are.
FEWEST_FIGURES = 3
FIGURES_OF_REWRITE, FIGURES_IN_FULL = 0.5, 0.6


class Evidence(NamedTuple):
    """What the articles are compared by; one list per article in each.

    Attributes
    ----------
    shingles : Ragged of uint64
        Sorted distinct shingle hashes, template removed.
    words : Ragged of uint64
        Sorted distinct token hashes; the lowest bit marks figures (tokens with a digit).
    weights : ndarray of float32
        TF-IDF weight of each of `words.values`.
    figures : Ragged of uint64
        The figures among `words`.
    figure_weights : ndarray of float32
        TF-IDF weight of each of `figures.values`.
    """

    shingles: Ragged
    words: Ragged
    weights: np.ndarray
    figures: Ragged
    figure_weights: np.ndarray


class Scores(NamedTuple):
    """Scores of pairs, one per pair in each array.

    Attributes
    ----------
    shared : ndarray of int32
        Shingles that both hold.
    jaccard, containment_left, containment_right, cosine : ndarray of float32
        0 to 1.
    similarity : ndarray of float32
        What clusters are cut by, 0 to 1: the largest of Jaccard, weighted containment and, where
        the figures agree, weighted cosine; less where the figures disagree.
    """

    shared: np.ndarray
    jaccard: np.ndarray
    containment_left: np.ndarray
    containment_right: np.ndarray
    cosine: np.ndarray
    similarity: np.ndarray


def weigh(words: Ragged, counts: np.ndarray) -> np.ndarray:
    """TF-IDF weights: (1 + ln count) * ln(1 + articles / articles with the word).

    Parameters
    ----------
    words : Ragged of uint64
    counts : ndarray of uint32
        How often each of `words.values` stands in its article.

    Returns
    -------
    ndarray of float32
        Of each of `words.values`.
    """
    numbers, distinct = number(words.values)
    frequencies = np.bincount(numbers, minlength=distinct)
    idf = np.log1p(len(words.lengths) / frequencies).astype(np.float32)
    by_count = 1 + np.log(np.arange(1, counts.max(initial=1) + 1, dtype=np.float32))
    return by_count[counts - 1] * idf[numbers]


def evidence(shingles: Ragged, words: Ragged, weights: np.ndarray) -> Evidence:
    """Evidence of a corpus.

    Parameters
    ----------
    shingles, words : Ragged of uint64
    weights : ndarray of float32
        Of each of `words.values`; see :func:`weigh`.
    """
    is_figure = (words.values & np.uint64(1)).astype(bool)
    return Evidence(shingles, words, weights, words.keep(is_figure), weights[is_figure])


def shared_shingles(shingles: Ragged, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Number of shingles both articles of each pair hold: ndarray of int32, shape (n_pairs,)."""
    return _shared(shingles.values, shingles.offsets, left, right)


def score(given: Evidence, left: np.ndarray, right: np.ndarray, shared_floor: int) -> Scores:
    """Scores of pairs of articles.

    Parameters
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the articles.
    shared_floor : int
        Shared shingles below which the similarity is 0; higher keeps fewer, surer pairs.
    """
    shared = shared_shingles(given.shingles, left, right)
    sizes = np.maximum(given.shingles.lengths, 1)
    jaccard = shared / (sizes[left] + sizes[right] - shared)
    in_right, in_left = shared / sizes[left], shared / sizes[right]
    containment = np.maximum(in_left, in_right)
    # Most candidates share next to nothing; only the others are worth a look at their words.
    related = (containment >= LEAST_CONTAINMENT) & (shared >= shared_floor)
    cosine, agreement = np.zeros(len(left)), np.zeros(len(left))
    cosine[related] = _cosine(given.words, given.weights, left[related], right[related])
    agreement[related] = _agreement(given, left[related], right[related])
    figures = np.minimum(given.figures.lengths[left], given.figures.lengths[right])
    enough = figures >= FEWEST_FIGURES

    by_containment = CONTAINMENT_WEIGHT * containment
    by_cosine = np.where(enough & (agreement >= FIGURES_OF_REWRITE), COSINE_WEIGHT * cosine, 0)
    # Bulletins of one form tell other figures in the same words; copies tell the same.
    trust = np.where(enough, np.minimum(agreement / FIGURES_IN_FULL, 1), 1)
    similarity = related * trust * np.maximum(np.maximum(jaccard, by_containment), by_cosine)
    return Scores(
        shared,
        jaccard.astype(np.float32),
        in_right.astype(np.float32),
        in_left.astype(np.float32),
        cosine.astype(np.float32),
        similarity.astype(np.float32),
    )


def relations(scores: Scores, floor: float) -> np.ndarray:
    """Names, as in `schemas.RELATIONS`, of the pairs' relations: object, shape (n_pairs,).

    A pair below the floor is "indirect": only other members hold it together.
    """
    containment = np.maximum(scores.containment_left, scores.containment_right)
    return np.select(
        [
            scores.similarity < np.float32(floor),
            scores.jaccard >= np.float32(floor),
            CONTAINMENT_WEIGHT * containment >= np.float32(floor),
        ],
        ["indirect", "copy", "excerpt"],
        "rewrite",
    ).astype(object)


def _cosine(words: Ragged, weights: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    norms = np.sqrt(_sums(words.offsets, weights * weights))
    dots = _weighted_overlap(words.values, words.offsets, weights, left, right)
    scale = norms[left] * norms[right]
    return np.minimum(np.divide(dots, scale, out=np.zeros(len(dots)), where=scale > 0), 1)


def _agreement(given: Evidence, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Share, by weight, of the figures of the article with fewer that the other has too."""
    figures, weights = given.figures, given.figure_weights
    shared = _weighted_overlap(figures.values, figures.offsets, np.sqrt(weights), left, right)
    sums = _sums(figures.offsets, weights)
    fewer = np.minimum(sums[left], sums[right])
    share = np.divide(shared, fewer, out=np.zeros(len(shared)), where=fewer > 0)
    return np.minimum(share, 1)


@njit(cache=True, nogil=True)
def _sums(offsets, weights):  # type: ignore[no-untyped-def]
    result = np.zeros(len(offsets) - 1, np.float64)
    for article in range(len(result)):
        for at in range(offsets[article], offsets[article + 1]):
            result[article] += weights[at]
    return result


@njit(cache=True, nogil=True)
def _shared(values, offsets, left, right):  # type: ignore[no-untyped-def]
    result = np.empty(len(left), np.int32)
    for pair in range(len(left)):
        i, i_end = offsets[left[pair]], offsets[left[pair] + 1]
        j, j_end = offsets[right[pair]], offsets[right[pair] + 1]
        count = 0
        while i < i_end and j < j_end:
            a, b = values[i], values[j]
            count += a == b
            i += a <= b
            j += b <= a
        result[pair] = count
    return result


@njit(cache=True, nogil=True)
def _weighted_overlap(values, offsets, weights, left, right):  # type: ignore[no-untyped-def]
    """Sum over the values both articles hold of the product of their weights."""
    result = np.empty(len(left), np.float64)
    for pair in range(len(left)):
        i, i_end = offsets[left[pair]], offsets[left[pair] + 1]
        j, j_end = offsets[right[pair]], offsets[right[pair] + 1]
        total = 0.0
        while i < i_end and j < j_end:
            a, b = values[i], values[j]
            if a == b:
                total += weights[i] * weights[j]
            i += a <= b
            j += b <= a
        result[pair] = total
    return result
