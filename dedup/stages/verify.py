"""Candidate pairs to scores and relations.

Law: every score is exact, on the real texts; no estimate is published. A pair is kept when its
similarity reaches the floor, and the similarity never depends on the floor.

What counts is an article's *own* words: template and quotations aside, because others have those
too. `held` is the share of them that stands in passages the other article has as well, rare words
weighing more (inverse document frequency; Spärck Jones 1972): in a form filled in twice, what is
not shared is its names and figures, and they weigh most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.ragged import Ragged

# Similarity is a weighted geometric mean of what is held and of the cosine of the own words.
HELD_EXPONENT, COSINE_EXPONENT = 0.7, 0.3

# Below this share of verbatim text two articles are not related, whatever their words.
LEAST_CONTAINMENT = 0.05

# Figures speak only when the article with fewer of them has this many. In two fillings of one form
# they differ and every few words there is one, so how many have to agree depends on the longest
# shared passage: up to so many own words the first share, from so many on the last.
FEWEST_FIGURES = 3
FORM_PASSAGE, COPY_PASSAGE = 40, 200
FORM_AGREEMENT, COPY_AGREEMENT = 0.6, 0.2
# Halfway through this much agreement around that share, half of the similarity is left.
AGREEMENT_WIDTH = 0.3

# A reworded copy is known by its words alone, and only where this share of the figures agrees.
REWRITE_WEIGHT, REWRITE_AGREEMENT = 0.45, 0.7

# Copies of a text follow one another within days; background comes back for months.
HOURS_OF_COPY = 72

# An outlet's follow-ups carry its own background along, so among its own articles it takes more. An
# agency files a story again and again; its articles, like those of unknown outlets, are spared.
OUTLET_WEIGHT = 0.5

# Jaccard from which a kept pair is a copy, and containment from which it is an excerpt; below both
# it is a rewrite.
COPY_JACCARD, EXCERPT_CONTAINMENT = 0.2, 0.4

# An editor's yes as a logistic curve of the logarithm of similarity: where it is as likely as not,
# and how steep. Fitted on read and made pairs: python tests/benchmarks/calibrate.py DATA_DIR
SCORE_MIDPOINT, SCORE_SLOPE = 0.213, 2.36

_ONE, _BITS = np.uint64(1), np.uint64(64)


class Evidence(NamedTuple):
    """What the articles are compared by; one list per article in each `Ragged`.

    Attributes
    ----------
    shingles : Ragged of uint64
        Shingle hashes in text order, the first of each beginning at an article's first token; 0 for
        those that are template, or came before.
    masses : Ragged of float32
        Weight of each token of the text: its rarity, or 0 where it is not the article's own.
    words : Ragged of uint64
        Distinct hashes of the own tokens; the lowest bit marks figures (tokens with a digit).
    weights : ndarray of float32
        TF-IDF weight of each of `words.values`.
    spoken : ndarray of bool
        Articles that are quotation from end to end, so that it had to be taken for their own.
    hours : ndarray of float64
        First publication, in hours since any fixed moment; NaN where it is unknown.
    outlets : ndarray of int64
        The one outlet that carried it; -1 where it is unknown, an agency, or one of several.
    late_weight : float
        What is left of the similarity, 0 to 1, after `HOURS_OF_COPY`.
    size : int
        Tokens per shingle.
    """

    shingles: Ragged
    masses: Ragged
    words: Ragged
    weights: np.ndarray
    spoken: np.ndarray
    hours: np.ndarray
    outlets: np.ndarray
    late_weight: float
    size: int


class Scores(NamedTuple):
    """Scores of pairs, one per pair in each array.

    Attributes
    ----------
    shared : ndarray of int32
        Shingles that both hold.
    jaccard, containment_left, containment_right : ndarray of float32
        0 to 1, of shingles, quotations included.
    held : ndarray of float32
        Share, by weight, of one article's own words in passages that the other has too, times the
        share of that article's tenths in which such words stand; the larger of the two directions,
        0 to 1.
    longest : ndarray of float32
        Tokens of the longest passage of own words that both hold.
    cosine : ndarray of float32
        TF-IDF cosine of their own words, 0 to 1.
    agreement : ndarray of float32
        Share, by weight, of the figures of the article with fewer that the other has too, 0 to 1;
        1 where they have too few to tell.
    similarity : ndarray of float32
        What clusters are cut by, 0 to 1: the weighted geometric mean of `held` and `cosine`, or,
        where figures agree, the cosine alone at a lower weight; less where figures disagree or days
        lie between.
    """

    shared: np.ndarray
    jaccard: np.ndarray
    containment_left: np.ndarray
    containment_right: np.ndarray
    held: np.ndarray
    longest: np.ndarray
    cosine: np.ndarray
    agreement: np.ndarray
    similarity: np.ndarray


Rarity = Callable[[np.ndarray], np.ndarray]
"""Inverse document frequency (float32) of words (uint64)."""


def weigh(rarities: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """TF-IDF weights, (1 + ln count) * rarity: float32.

    Parameters
    ----------
    rarities : ndarray of float32
        Of each word of each article, as of a `Rarity`.
    counts : ndarray of uint32
        How often each of them stands in its article.
    """
    by_count = 1 + np.log(np.arange(1, counts.max(initial=1) + 1, dtype=np.float32))
    return by_count[counts - 1] * rarities


class Overlap(NamedTuple):
    """What pairs share of shingles.

    Attributes
    ----------
    shared : ndarray of int32
        Shingles that both hold.
    sizes_left, sizes_right : ndarray of int64
        Shingles of each, at least 1.
    related : ndarray of bool
        Pairs that share enough to be worth a look at their words.
    """

    shared: np.ndarray
    sizes_left: np.ndarray
    sizes_right: np.ndarray
    related: np.ndarray


def counted(shingles: Ragged) -> np.ndarray:
    """How many shingles of each article, as of `Evidence`, count: int64."""
    return np.diff(np.concatenate([[0], np.cumsum(shingles.values != 0)])[shingles.offsets])


def overlap(shingles: Ragged, left: np.ndarray, right: np.ndarray, shared_floor: int) -> Overlap:
    """What pairs share of shingles, by which most of them are told to be unrelated.

    Parameters
    ----------
    shingles : Ragged of uint64
        As of `Evidence`.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the articles.
    shared_floor : int
        Shared shingles below which two are unrelated; higher keeps fewer, surer pairs.
    """
    shared = _shared(*shingles, left, right)
    sizes = np.maximum(counted(shingles), 1)
    held = shared / np.minimum(sizes[left], sizes[right])
    related = (held >= LEAST_CONTAINMENT) & (shared >= shared_floor)
    return Overlap(shared, sizes[left], sizes[right], related)


def compare(found: Overlap, given: Evidence, left: np.ndarray, right: np.ndarray) -> Scores:
    """Scores of pairs of articles; those of unrelated ones are 0 but for their shingles.

    Parameters
    ----------
    found : Overlap
        Of all pairs.
    given : Evidence
        Of articles of related pairs at least.
    left, right : ndarray of int64, shape (n_related,)
        Their positions in it.
    """
    shared, sizes_left, sizes_right, related = found
    seen = np.zeros((5, len(shared)))
    seen[:, related] = _looked_at(given, left, right)
    columns = (
        shared / (sizes_left + sizes_right - shared),
        shared / sizes_left,
        shared / sizes_right,
        *seen,
    )
    return Scores(shared, *(column.astype(np.float32) for column in columns))


def score(given: Evidence, left: np.ndarray, right: np.ndarray, shared_floor: int) -> Scores:
    """Scores of pairs of articles, as of :func:`overlap` and :func:`compare`."""
    found = overlap(given.shingles, left, right, shared_floor)
    return compare(found, given, left[found.related], right[found.related])


def turned(scores: Scores, which: np.ndarray) -> Scores:
    """The scores with left and right exchanged for `which` pairs (bool, shape (n_pairs,))."""
    left, right = scores.containment_left, scores.containment_right
    return scores._replace(
        containment_left=np.where(which, right, left),
        containment_right=np.where(which, left, right),
    )


def relations(scores: Scores, floor: float) -> np.ndarray:
    """Names, as in `schemas.RELATIONS`, of the pairs' relations: object, shape (n_pairs,).

    A pair below the floor is "indirect": only other members hold it together.
    """
    containment = np.maximum(scores.containment_left, scores.containment_right)
    return np.select(
        [
            scores.similarity < np.float32(floor),
            scores.jaccard >= np.float32(COPY_JACCARD),
            containment >= np.float32(EXCERPT_CONTAINMENT),
        ],
        ["indirect", "copy", "excerpt"],
        "rewrite",
    ).astype(object)


def probability(similarity: np.ndarray) -> np.ndarray:
    """Probability that a careful editor would call two articles the same copy.

    That is, the same wire copy, or the one a rewrite of the other.

    Parameters
    ----------
    similarity : ndarray of float32
        As in :class:`Scores`.

    Returns
    -------
    ndarray of float32
        0 to 1; higher is likelier.
    """
    odds = (similarity.astype(np.float64) / SCORE_MIDPOINT) ** SCORE_SLOPE
    return (odds / (1 + odds)).astype(np.float32)


def forms(scores: Scores, floor: float) -> np.ndarray:
    """Which pairs would be copies but for their figures: bool, shape (n_pairs,).

    Two fillings of one form tell of different days or subjects, so they are no one story either.
    """
    trust = _trust(scores.agreement, scores.longest)
    return (trust < 0.5) & (_copied(scores.held, scores.cosine) >= floor)


def _copied(held: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    return held**HELD_EXPONENT * cosine**COSINE_EXPONENT


def _looked_at(given: Evidence, left: np.ndarray, right: np.ndarray) -> list[np.ndarray]:
    """The scores from `held` to `similarity`."""
    held, longest = _held(given, left, right)
    cosine, agreement, enough = _words(given, left, right)
    copied = _copied(held, cosine)
    reworded = REWRITE_WEIGHT * cosine * (enough & (agreement >= REWRITE_AGREEMENT))
    apart = np.abs(given.hours[left] - given.hours[right])
    late = np.where(apart > HOURS_OF_COPY, given.late_weight, 1)
    own = (given.outlets[left] == given.outlets[right]) & (given.outlets[left] >= 0)
    trust = _trust(agreement, longest) * late * np.where(own, OUTLET_WEIGHT, 1)
    similarity = trust * np.maximum(copied, reworded)
    return [held, longest, cosine, agreement, similarity]


def _held(given: Evidence, left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The larger of both directions, and the longest passage in tokens.

    What is all quotation is held by nothing but its like.
    """
    held, longest = _passages(*given.shingles, *given.masses, given.size, left, right)
    held[given.spoken[left] & ~given.spoken[right], 0] = 0
    held[given.spoken[right] & ~given.spoken[left], 1] = 0
    return held.max(axis=1, initial=0), longest


def agreement_asked(longest: np.ndarray) -> np.ndarray:
    """Agreement of figures from which nothing is held against a pair: float64, 0 to 1.

    Parameters
    ----------
    longest : ndarray
        Tokens of the longest passage of own words that both hold.
    """
    halfway = np.interp(
        np.log1p(longest),
        np.log1p([FORM_PASSAGE, COPY_PASSAGE]),
        [FORM_AGREEMENT, COPY_AGREEMENT],
    )
    return halfway + AGREEMENT_WIDTH / 2


def _trust(agreement: np.ndarray, longest: np.ndarray) -> np.ndarray:
    """What is left of the similarity for the figures' sake, 0 to 1."""
    short = (agreement_asked(longest) - agreement) / AGREEMENT_WIDTH
    return np.clip(1 - short, 0, 1)


def _words(
    given: Evidence, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine of each pair, agreement of its figures, and whether they are enough to tell."""
    words, weights = given.words, given.weights
    norms, sums, counts = _sums(words.values, words.offsets, weights)
    dots, shared = _overlaps(words.values, words.offsets, weights, left, right)
    scale = np.sqrt(norms[left] * norms[right])
    cosine = np.divide(dots, scale, out=np.zeros(len(dots)), where=scale > 0)
    enough = np.minimum(counts[left], counts[right]) >= FEWEST_FIGURES
    fewer = np.minimum(sums[left], sums[right])
    agreement = np.divide(shared, fewer, out=np.ones(len(shared)), where=enough)
    return np.minimum(cosine, 1), np.minimum(agreement, 1), enough


@njit(cache=True, nogil=True)
def _sums(words, offsets, weights):  # type: ignore[no-untyped-def]
    """Of each article: squared weights of its words, weights of its figures, number of figures."""
    norms, sums = np.zeros(len(offsets) - 1), np.zeros(len(offsets) - 1)
    counts = np.zeros(len(offsets) - 1, np.int64)
    for article in range(len(norms)):
        for at in range(offsets[article], offsets[article + 1]):
            norms[article] += weights[at] * weights[at]
            if words[at] & _ONE:
                sums[article] += weights[at]
                counts[article] += 1
    return norms, sums, counts


@njit(cache=True, nogil=True)
def _table(values, offsets):  # type: ignore[no-untyped-def]
    """Room for the longest list: keys, 0 where free, and the places in the list they came from."""
    longest, size = 0, 16
    for article in range(len(offsets) - 1):
        longest = max(longest, offsets[article + 1] - offsets[article])
    while size < 2 * longest:
        size *= 2
    return np.zeros(size, values.dtype), np.empty(size, np.int64)


@njit(cache=True, nogil=True)
def _enter(values, keys, places):  # type: ignore[no-untyped-def]
    """Enter a list into the front of a table; by how many bits its hashes are shifted to a slot."""
    shift, size = np.uint64(60), 16
    while size < 2 * len(values):
        size, shift = 2 * size, shift - np.uint64(1)
    keys[:size] = 0
    for at in range(len(values)):
        if values[at]:
            slot = np.int64(values[at] >> shift)
            while keys[slot]:
                slot = (slot + 1) & (size - 1)
            keys[slot], places[slot] = values[at], at
    return shift


@njit(cache=True, nogil=True, inline="always")
def _slot(keys, shift, value):  # type: ignore[no-untyped-def]
    """Slot of a value, or a free one where it is not."""
    slot, last = np.int64(value >> shift), np.int64((np.uint64(1) << (_BITS - shift)) - _ONE)
    while keys[slot] and keys[slot] != value:
        slot = (slot + 1) & last
    return slot


@njit(cache=True, nogil=True)
def _shared(values, offsets, left, right):  # type: ignore[no-untyped-def]
    result = np.zeros(len(left), np.int32)
    keys, places = _table(values, offsets)
    # Most of what is looked for is not there, which a sparse table tells at the first step.
    seen, top = np.zeros(1 << 13, np.bool_), np.uint64(64 - 13)
    entered, shift = -1, np.uint64(60)
    for pair in range(len(left)):
        if left[pair] != entered:  # pairs follow their left ones
            entered = left[pair]
            mine = values[offsets[entered] : offsets[entered + 1]]
            shift = _enter(mine, keys, places)
            seen[:] = False
            for value in mine:
                seen[np.int64(value >> top)] = True
        count = 0
        for value in values[offsets[right[pair]] : offsets[right[pair] + 1]]:
            if seen[np.int64(value >> top)] and value != 0:
                count += keys[_slot(keys, shift, value)] == value
        result[pair] = count
    return result


@njit(cache=True, nogil=True)
def _passages(values, offsets, masses, mass_offsets, size, left, right):  # type: ignore[no-untyped-def]
    """`held` of each pair in both directions, shape (n_pairs, 2), and its `longest`."""
    held, passages = np.zeros((len(left), 2)), np.zeros(len(left))
    longest = 0
    for article in range(len(mass_offsets) - 1):
        longest = max(longest, mass_offsets[article + 1] - mass_offsets[article])
    marks = np.zeros((2, longest), np.uint8)
    keys, places = _table(values, offsets)
    entered, shift = -1, np.uint64(60)
    for pair in range(len(left)):
        a, b = left[pair], right[pair]
        if a != entered:
            entered = a
            shift = _enter(values[offsets[a] : offsets[a + 1]], keys, places)
        for at in range(offsets[b], offsets[b + 1]):
            value = values[at]
            if value == 0:
                continue
            slot = _slot(keys, shift, value)
            if keys[slot] == value:
                marks[0, places[slot]] = 1
                marks[1, at - offsets[b]] = 1
        mine = masses[mass_offsets[a] : mass_offsets[a + 1]]
        yours = masses[mass_offsets[b] : mass_offsets[b + 1]]
        held[pair, 0], first = _swept(mine, marks[0], size)
        held[pair, 1], second = _swept(yours, marks[1], size)
        passages[pair] = max(first, second)
    return held, passages


@njit(cache=True, nogil=True)
def _swept(masses, marks, size):  # type: ignore[no-untyped-def]
    """Share of the mass in shingles that begin at a mark, times that of tenths; longest run.

    Clears the marks.
    """
    total = np.float64(0)
    for mass in masses:
        total += mass
    passed, held, tenths, covered, run, longest = np.float64(0), np.float64(0), 0, 0, 0, 0
    for at in range(len(masses)):
        if marks[at]:
            covered = at + size
            marks[at] = 0
        mass = masses[at]
        if at >= covered:
            run = 0
        elif mass > 0:
            held += mass
            run += 1
            longest = max(longest, run)
            tenths |= 1 << min(np.int64(10 * passed / total), 9)
        passed += mass
    touched = 0
    for tenth in range(10):
        touched += (tenths >> tenth) & 1
    return (held / total * touched / 10 if total > 0 else 0.0), longest


@njit(cache=True, nogil=True)
def _overlaps(words, offsets, weights, left, right):  # type: ignore[no-untyped-def]
    """Over the words both articles hold, the product of their weights; its root for figures."""
    dots, figures = np.zeros(len(left)), np.zeros(len(left))
    keys, places = _table(words, offsets)
    entered, shift = -1, np.uint64(60)
    for pair in range(len(left)):
        if left[pair] != entered:
            entered = left[pair]
            shift = _enter(words[offsets[entered] : offsets[entered + 1]], keys, places)
        for at in range(offsets[right[pair]], offsets[right[pair] + 1]):
            word = words[at]
            slot = _slot(keys, shift, word)
            if keys[slot] == word and word != 0:
                product = np.float64(weights[offsets[entered] + places[slot]]) * weights[at]
                dots[pair] += product
                if word & _ONE:
                    figures[pair] += np.sqrt(product)
    return dots, figures
