"""Candidate pairs to scores and relations.

Law: every score is exact, on the real texts; no estimate is published. A pair is kept when its
similarity reaches the floor, and the similarity never depends on the floor.

What counts is an article's *own* words: template and quotations aside, because others have those
too. `held` is the share of them that stands in passages the other article has as well, rare words
weighing more (inverse document frequency; Spärck Jones 1972): in a form filled in twice, what is
not shared is its names and figures, and they weigh most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.lookup import table_bits
from dedup.ragged import Ragged
from dedup.schemas import RELATIONS

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

PLACES = {name: np.int8(place) for place, name in enumerate(RELATIONS)}
"""Of each relation in `schemas.RELATIONS`: int8."""

# An editor's yes as a logistic curve of the logarithm of similarity: where it is as likely as not,
# and how steep. Fitted on read and made pairs: python tests/benchmarks/calibrate.py DATA_DIR
SCORE_MIDPOINT, SCORE_SLOPE = 0.213, 2.36

# A set of 2^16 bits by the top bits of hashes, in words of 64.
_SEEN, _WITHIN, _LAST = np.uint64(64 - 10), np.uint64(64 - 16), np.uint64(63)
_WORD = np.uint64(6)
_ONE = np.uint64(1)


class Sums(NamedTuple):
    """What is summed over each article's tokens and words, once for all its pairs.

    Attributes
    ----------
    tenths : ndarray of uint8, shape (n_tokens,)
        Tenth of the article, by mass, that each token stands in: 0 to 9.
    masses : ndarray of float64, shape (n_articles,)
        Sum of the masses of its tokens.
    norms : ndarray of float64, shape (n_articles,)
        Sum of the squared weights of its words.
    figures : ndarray of float64, shape (n_articles,)
        Sum of the weights of its figures.
    figured : ndarray of int64, shape (n_articles,)
        How many figures it has.
    """

    tenths: np.ndarray
    masses: np.ndarray
    norms: np.ndarray
    figures: np.ndarray
    figured: np.ndarray


class Own(NamedTuple):
    """The articles' own words; one list per article in each `Ragged`.

    Attributes
    ----------
    masses : Ragged of float32
        Weight of each token of the text: its rarity, or 0 where it is not the article's own.
    words : Ragged of uint64
        Distinct hashes of the own tokens; the lowest bit marks figures (tokens with a digit).
    weights : ndarray of float32
        TF-IDF weight of each of `words.values`.
    spoken : ndarray of bool
        Articles that are quotation from end to end, so that it had to be taken for their own.
    sums : Sums
        Over these.
    """

    masses: Ragged
    words: Ragged
    weights: np.ndarray
    spoken: np.ndarray
    sums: Sums


class Evidence(NamedTuple):
    """What the articles are compared by; one list per article in each `Ragged`.

    Attributes
    ----------
    shingles : Ragged of uint64
        Shingle hashes in text order, the first of each beginning at an article's first token; 0 for
        those that are template, or came before.
    sizes : ndarray of int64
        How many shingles of each article count, as of :func:`counted`.
    own : Own
        Of articles that are in related pairs at least.
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
    sizes: np.ndarray
    own: Own
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


def summed(masses: Ragged, words: Ragged, weights: np.ndarray) -> Sums:
    """Sums over the articles' own words, of which `Own` has these."""
    n = len(words.offsets) - 1
    sums = Sums(
        tenths=np.zeros(len(masses.values), np.uint8),
        masses=np.zeros(n),
        norms=np.zeros(n),
        figures=np.zeros(n),
        figured=np.zeros(n, np.int64),
    )
    _sum_masses(*masses, sums.tenths, sums.masses)
    _sum_words(*words, weights, sums.norms, sums.figures, sums.figured)
    return sums


def placed(parts: Iterable[Own], articles: np.ndarray, lengths: np.ndarray, n_articles: int) -> Own:
    """Own words of some articles among all; the others have none.

    Parameters
    ----------
    parts : iterable of Own
        One after the other, of all those articles. Each is copied as it comes, while others may
        still be made.
    articles, lengths : ndarray of int64
        Their positions, rising, and how many tokens each has.
    n_articles : int
    """
    n, room = n_articles, lengths.sum()  # for the words too: there are no more than tokens
    masses, tenths = np.empty(room, np.float32), np.empty(room, np.uint8)
    words, weights = np.empty(room, np.uint64), np.empty(room, np.float32)
    of_tokens, of_words = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    spoken = np.zeros(n, bool)
    sums = Sums(tenths, np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, np.int64))
    article = token = word = 0
    for part in parts:
        mine = articles[article : article + len(part.spoken)]
        tokens = slice(token, token + len(part.masses.values))
        named = slice(word, word + len(part.weights))
        masses[tokens], tenths[tokens] = part.masses.values, part.sums.tenths
        words[named], weights[named] = part.words.values, part.weights
        of_words[1 + mine], spoken[mine] = part.words.lengths, part.spoken
        for whole, each in zip(sums[1:], part.sums[1:], strict=True):
            whole[mine] = each
        article, token, word = article + len(mine), tokens.stop, named.stop
    of_tokens[1 + articles] = lengths
    return Own(
        Ragged(masses, np.cumsum(of_tokens)),
        Ragged(words[:word], np.cumsum(of_words)),
        weights[:word],
        spoken,
        sums,
    )


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
    runs : Ragged of int32
        Of each related pair the runs of shingles that follow one another in both, in the order of
        the right article: where each begins in the left one, where in the right one, and of how
        many it is; `values` have the shape (n_runs, 3).
    """

    shared: np.ndarray
    sizes_left: np.ndarray
    sizes_right: np.ndarray
    related: np.ndarray
    runs: Ragged


def counted(shingles: Ragged) -> np.ndarray:
    """How many shingles of each article, as of `Evidence`, count: int64."""
    sizes = np.zeros(len(shingles.offsets) - 1, np.int64)
    _count(*shingles, sizes)
    return sizes


def prefixes(shingles: np.ndarray) -> np.ndarray:
    """First 16 bits (uint16) of shingle hashes (uint64): equal hashes have equal ones."""
    return (shingles >> _WITHIN).astype(np.uint16)


def may_be_related(
    prefixes: Ragged, left: np.ndarray, right: np.ndarray, shared_floor: int
) -> np.ndarray:
    """Which pairs may be related, as of :func:`overlap`; most that are not have too few prefixes.

    Parameters
    ----------
    prefixes : Ragged of uint16
        As of :func:`prefixes`, of the shingles of each article that count.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the articles; quickest where those of one left article follow one another.
    shared_floor : int
        As of :func:`overlap`.

    Returns
    -------
    ndarray of bool, shape (n_pairs,)
    """
    fewest = _fewest(np.maximum(prefixes.lengths, 1), left, right, shared_floor)
    mask = np.empty(len(left), bool)
    _reach(*prefixes, left, right, fewest, mask)
    return mask


def overlap(
    shingles: Ragged, sizes: np.ndarray, left: np.ndarray, right: np.ndarray, shared_floor: int
) -> Overlap:
    """What pairs share of shingles, by which most of them are told to be unrelated.

    Parameters
    ----------
    shingles : Ragged of uint64
    sizes : ndarray of int64
        As of `Evidence`.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the articles; quickest where those of one left article follow one another.
    shared_floor : int
        Shared shingles below which two are unrelated; higher keeps fewer, surer pairs.
    """
    sizes = np.maximum(sizes, 1)
    fewest = _fewest(sizes, left, right, shared_floor)
    shared, ends, runs = _shared(*shingles, left, right, fewest)
    related = shared >= fewest
    return Overlap(
        shared,
        sizes[left],
        sizes[right],
        related,
        Ragged(runs, np.concatenate([np.zeros(1, np.int64), ends[related]])),
    )


def _fewest(
    sizes: np.ndarray, left: np.ndarray, right: np.ndarray, shared_floor: int
) -> np.ndarray:
    """Shared shingles that pairs must have to be related: int64, shape (n_pairs,)."""
    smaller = np.minimum(sizes[left], sizes[right])
    fewest = np.floor(LEAST_CONTAINMENT * smaller).astype(np.int64)
    fewest += fewest / smaller < LEAST_CONTAINMENT
    return np.maximum(fewest, shared_floor)


def compare(found: Overlap, given: Evidence, left: np.ndarray, right: np.ndarray) -> Scores:
    """Scores of pairs of articles; those of unrelated ones are 0 but for their shingles.

    Parameters
    ----------
    found : Overlap
        Of the pairs.
    given : Evidence
        Of their articles.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of them.
    """
    shared, sizes_left, sizes_right, related, runs = found
    seen = np.zeros((5, len(shared)))
    seen[:, related] = _looked_at(runs, given, left[related], right[related])
    columns = (
        shared / (sizes_left + sizes_right - shared),
        shared / sizes_left,
        shared / sizes_right,
        *seen,
    )
    return Scores(shared, *(column.astype(np.float32) for column in columns))


def score(given: Evidence, left: np.ndarray, right: np.ndarray, shared_floor: int) -> Scores:
    """Scores of pairs of articles, as of :func:`overlap` and :func:`compare`."""
    found = overlap(given.shingles, given.sizes, left, right, shared_floor)
    return compare(found, given, left, right)


def turned(scores: Scores, which: np.ndarray) -> Scores:
    """The scores with left and right exchanged for `which` pairs (bool, shape (n_pairs,))."""
    left, right = scores.containment_left, scores.containment_right
    return scores._replace(
        containment_left=np.where(which, right, left),
        containment_right=np.where(which, left, right),
    )


def relations(scores: Scores, floor: float) -> np.ndarray:
    """Relations of the pairs, by their places in `schemas.RELATIONS`: int8, shape (n_pairs,).

    A pair below the floor is "indirect": only other members hold it together.
    """
    containment = np.maximum(scores.containment_left, scores.containment_right)
    return np.select(
        [
            scores.similarity < np.float32(floor),
            scores.jaccard >= np.float32(COPY_JACCARD),
            containment >= np.float32(EXCERPT_CONTAINMENT),
        ],
        [PLACES[name] for name in ("indirect", "copy", "excerpt")],
        PLACES["rewrite"],
    )


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


def _looked_at(
    runs: Ragged, given: Evidence, left: np.ndarray, right: np.ndarray
) -> list[np.ndarray]:
    """The scores from `held` to `similarity` of related pairs."""
    held, longest = _held(runs, given, left, right)
    cosine, agreement, enough = _words(given, left, right)
    copied = _copied(held, cosine)
    reworded = REWRITE_WEIGHT * cosine * (enough & (agreement >= REWRITE_AGREEMENT))
    apart = np.abs(given.hours[left] - given.hours[right])
    late = np.where(apart > HOURS_OF_COPY, given.late_weight, 1)
    own = (given.outlets[left] == given.outlets[right]) & (given.outlets[left] >= 0)
    trust = _trust(agreement, longest) * late * np.where(own, OUTLET_WEIGHT, 1)
    similarity = trust * np.maximum(copied, reworded)
    return [held, longest, cosine, agreement, similarity]


def _held(
    runs: Ragged, given: Evidence, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The larger of both directions, and the longest passage in tokens.

    What is all quotation is held by nothing but its like.
    """
    own, sums = given.own, given.own.sums
    held, longest = _passages(*runs, *own.masses, sums.tenths, sums.masses, given.size, left, right)
    held[own.spoken[left] & ~own.spoken[right], 0] = 0
    held[own.spoken[right] & ~own.spoken[left], 1] = 0
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
    own, sums = given.own, given.own.sums
    dots, shared = _overlaps(*own.words, own.weights, left, right)
    scale = np.sqrt(sums.norms[left] * sums.norms[right])
    cosine = np.divide(dots, scale, out=np.zeros(len(dots)), where=scale > 0)
    enough = np.minimum(sums.figured[left], sums.figured[right]) >= FEWEST_FIGURES
    fewer = np.minimum(sums.figures[left], sums.figures[right])
    agreement = np.divide(shared, fewer, out=np.ones(len(shared)), where=enough)
    return np.minimum(cosine, 1), np.minimum(agreement, 1), enough


@njit(cache=True, nogil=True)
def _sum_masses(masses, offsets, tenths, totals):  # type: ignore[no-untyped-def]
    for article in range(len(totals)):
        mine = masses[offsets[article] : offsets[article + 1]]
        mine_tenths = tenths[offsets[article] : offsets[article + 1]]
        total, passed = np.float64(0), np.float64(0)
        for mass in mine:
            total += mass
        totals[article] = total
        for at in range(len(mine)):
            if mine[at] > 0:
                mine_tenths[at] = min(np.int64(10 * passed / total), 9)
                passed += mine[at]


@njit(cache=True, nogil=True)
def _sum_words(words, offsets, weights, norms, figures, figured):  # type: ignore[no-untyped-def]
    for article in range(len(norms)):
        norm, figure, count = np.float64(0), np.float64(0), 0
        for at in range(offsets[article], offsets[article + 1]):
            norm += weights[at] * weights[at]
            if words[at] & _ONE:
                figure += weights[at]
                count += 1
        norms[article], figures[article], figured[article] = norm, figure, count


@njit(cache=True, nogil=True)
def _count(values, offsets, sizes):  # type: ignore[no-untyped-def]
    for article in range(len(sizes)):
        count = 0
        for value in values[offsets[article] : offsets[article + 1]]:
            count += value != 0
        sizes[article] = count


@njit(cache=True, nogil=True)
def _longest(offsets):  # type: ignore[no-untyped-def]
    longest = 0
    for article in range(len(offsets) - 1):
        longest = max(longest, offsets[article + 1] - offsets[article])
    return longest


@njit(cache=True, nogil=True)
def _reach(prefixes, offsets, left, right, fewest, mask):  # type: ignore[no-untyped-def]
    """Whether enough of the right article's prefixes are among the left one's."""
    seen, entered = np.empty(1 << 10, np.uint64), -1
    for pair in range(len(left)):
        if left[pair] != entered:
            entered = left[pair]
            seen[:] = 0
            for prefix in prefixes[offsets[entered] : offsets[entered + 1]]:
                seen[prefix >> _WORD] |= _ONE << (prefix & _LAST)
        missing = fewest[pair]
        for prefix in prefixes[offsets[right[pair]] : offsets[right[pair] + 1]]:
            missing -= np.int64(seen[prefix >> _WORD] >> (prefix & _LAST) & _ONE)
            if missing <= 0:
                break
        mask[pair] = missing <= 0


@njit(cache=True, nogil=True)
def _shared(values, offsets, left, right, fewest):  # type: ignore[no-untyped-def]
    """Shingles that pairs share, and the runs of those that share enough, as `Overlap` has them.

    A left article's shingles are entered into a table once.
    """
    shared, ends = np.zeros(len(left), np.int32), np.zeros(len(left), np.int64)
    runs, count = np.empty((4 * len(left), 3), np.int32), 0
    places = np.empty(1 << table_bits(_longest(offsets)), np.int32)
    seen, entered = np.empty(1 << 10, np.uint64), -1
    for pair in range(len(left)):
        if left[pair] != entered:
            entered = left[pair]
            mine = values[offsets[entered] : offsets[entered + 1]]
            table = places[: 1 << table_bits(len(mine))]
            _enter(mine, table, seen)
        yours = values[offsets[right[pair]] : offsets[right[pair] + 1]]
        if count + len(yours) > len(runs):
            grown = np.empty((2 * len(runs) + len(yours), 3), np.int32)
            grown[:count] = runs[:count]
            runs = grown
        found, shared[pair] = _runs(mine, yours, table, seen, runs[count:])
        if shared[pair] >= fewest[pair]:
            count += found
        ends[pair] = count
    return shared, ends, runs[:count]


@njit(cache=True, nogil=True)
def _enter(values, places, seen):  # type: ignore[no-untyped-def]
    """Enter places in a list, counted from 1, into a table, and the values into a set of bits."""
    places[:], seen[:] = 0, 0
    shift, last = np.uint64(64 - table_bits(len(values))), len(places) - 1
    for at in range(len(values)):
        value = values[at]
        if value:
            slot = np.int64(value >> shift)
            while places[slot]:
                slot = (slot + 1) & last
            places[slot] = at + 1
            seen[np.int64(value >> _SEEN)] |= _ONE << (value >> _WITHIN & _LAST)


@njit(cache=True, nogil=True)
def _runs(mine, yours, places, seen, runs):  # type: ignore[no-untyped-def]
    """Write the runs of what two lists share, the first of which was entered; runs, and shared.

    Most of what is looked for is not there, which the sparse set tells at the first step. What is
    there begins a run, along which the two are compared one by one.
    """
    shift, last = np.uint64(64 - table_bits(len(mine))), len(places) - 1
    count, shared, at = 0, 0, 0
    while True:
        while at < len(yours) and not (
            seen[np.int64(yours[at] >> _SEEN)] >> (yours[at] >> _WITHIN & _LAST) & _ONE
        ):
            at += 1
        if at >= len(yours):
            return count, shared
        value, begin = yours[at], at
        at += 1
        slot = np.int64(value >> shift)
        while places[slot] and mine[places[slot] - 1] != value:
            slot = (slot + 1) & last
        start = places[slot] - 1
        if start < 0:
            continue
        most = min(len(yours), begin + len(mine) - start)
        while at < most and yours[at] != 0 and yours[at] == mine[start + at - begin]:
            at += 1
        runs[count, 0], runs[count, 1], runs[count, 2] = start, begin, at - begin
        count += 1
        shared += at - begin


@njit(cache=True, nogil=True)
def _passages(  # type: ignore[no-untyped-def]
    runs, ends, masses, offsets, tenths, totals, size, left, right
):
    """`held` of each pair in both directions, shape (n_pairs, 2), and its `longest`."""
    held, passages = np.zeros((len(left), 2)), np.zeros(len(left))
    most = 0
    for pair in range(len(left)):
        most = max(most, ends[pair + 1] - ends[pair])
    starts, lengths = np.empty(most, np.int32), np.empty(most, np.int32)
    for pair in range(len(left)):
        mine = runs[ends[pair] : ends[pair + 1]]
        for side in range(2):
            article = right[pair] if side else left[pair]
            _by_start(mine[:, side], mine[:, 2], starts, lengths)
            tokens = slice(offsets[article], offsets[article + 1])
            held[pair, side], longest = _swept(
                masses[tokens],
                tenths[tokens],
                totals[article],
                starts[: len(mine)],
                lengths[: len(mine)],
                size,
            )
            passages[pair] = max(passages[pair], longest)
    return held, passages


@njit(cache=True, nogil=True)
def _by_start(starts, lengths, sorted_starts, sorted_lengths):  # type: ignore[no-untyped-def]
    """Write runs sorted by their start; they mostly are."""
    for at in range(len(starts)):
        start, before = starts[at], at - 1
        while before >= 0 and sorted_starts[before] > start:
            sorted_starts[before + 1] = sorted_starts[before]
            sorted_lengths[before + 1] = sorted_lengths[before]
            before -= 1
        sorted_starts[before + 1], sorted_lengths[before + 1] = start, lengths[at]


@njit(cache=True, nogil=True)
def _swept(masses, tenths, total, starts, lengths, size):  # type: ignore[no-untyped-def]
    """Share of the mass in runs of shingles, times that of tenths; longest run of own words."""
    held, touched, covered, run, longest = np.float64(0), 0, 0, 0, 0
    for each in range(len(starts)):
        start = np.int64(starts[each])
        if start > covered:
            run = 0
        end = min(start + lengths[each] + size - 1, len(masses))
        for at in range(max(start, covered), end):
            if masses[at] > 0:
                held += masses[at]
                touched |= 1 << tenths[at]
                run += 1
        longest, covered = max(longest, run), end
    count = 0
    for tenth in range(10):
        count += (touched >> tenth) & 1
    return (held / total * count / 10 if total > 0 else 0.0), longest


@njit(cache=True, nogil=True)
def _overlaps(words, offsets, weights, left, right):  # type: ignore[no-untyped-def]
    """Over the words both articles hold, the product of their weights; its root for figures."""
    dots, figures = np.zeros(len(left)), np.zeros(len(left))
    slots = 1 << table_bits(_longest(offsets))
    keys, held = np.empty(slots, np.uint64), np.empty(slots, np.float32)
    marks, entered = held.view(np.uint32), -1
    for pair in range(len(left)):
        if left[pair] != entered:
            entered = left[pair]
            mine = slice(offsets[entered], offsets[entered + 1])
            bits = table_bits(mine.stop - mine.start)
            shift, last = np.uint64(64 - bits), np.uint64((1 << bits) - 1)
            # A slot without weight is free; it adds nothing to a sum, which so needs no branch.
            held[: 1 << bits] = 0
            for at in range(mine.start, mine.stop):
                slot = _word(keys, marks, shift, last, words[at])
                keys[slot], held[slot] = words[at], weights[at]
        dot, figure = np.float64(0), np.float64(0)
        for at in range(offsets[right[pair]], offsets[right[pair] + 1]):
            slot = _word(keys, marks, shift, last, words[at])
            product = np.float64(held[slot]) * weights[at]
            dot += product
            if words[at] & _ONE:
                figure += np.sqrt(product)
        dots[pair], figures[pair] = dot, figure
    return dots, figures


@njit(cache=True, nogil=True)
def _word(keys, marks, shift, last, word):  # type: ignore[no-untyped-def]
    """Slot of a word, or the free one, whose mark is 0, where it belongs."""
    slot = word >> shift
    # Both are as likely, so one number is 0 for either: two conditions would make two branches.
    while min(np.uint64(marks[slot]), keys[slot] ^ word):
        slot = (slot + _ONE) & last
    return slot
