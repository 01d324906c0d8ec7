"""Clusters to pairs that may be independent reports of one event.

Law: how alike two clusters are depends on their words, on how many texts of the corpus have these,
and on the clusters published between them; neither on what came later nor on where the work is cut.
Places count clusters in the order of publication, so the order in which articles arrive decides
nothing.

Two reports of one event share little verbatim text, but the names and the rare words. So a word
weighs the square of its inverse document frequency: names tell events apart where topics share the
common words. Document frequencies start from those of the language at large, as if `PRIOR_TEXTS`
texts had been read before, and the corpus takes over as it grows. Of each text the `LONGEST`
heaviest words count, because a long report has much that the others leave out; which they are, the
language alone says, so that a text's profile is its own.

Candidates come from an inverted index in the order of publication, within the window only and at
most `REACH` places back. Of each cluster the `PROPOSING` heaviest words propose, each at most
`POSTINGS` clusters, the latest, so the cost grows with the number of clusters and not with its
square; pairs below `LEAST` count as 0, and so do those of which the proposing words alone make
less. The index is made for some thousand places at a time and of those before it keeps what can
still be proposed, so its size does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from dedup.lookup import Lookup, slot_of, spread
from dedup.ragged import Ragged

PRIOR_TEXTS = 500
"""Texts of the language at large that document frequencies start from."""
TYPICAL_TOKENS = 400
"""Tokens of such a text."""
LONGEST = 128
"""Words of a text or cluster that count."""
LEAST = 0.03
"""Cosine below which a pair counts as 0."""
PROPOSING = 32
"""Words of a cluster, its heaviest, that propose others."""
POSTINGS = 100
"""Clusters that one term proposes to each, the latest within the window."""
REACH = 200_000
"""Places between two clusters that are compared, at most; so that without dates there is an end."""
SLICE = 20_000
"""Places that are indexed at a time, at least."""
_HELD = 4
"""Places before them that are indexed again for each, at most, about."""


class Vocabulary(NamedTuple):
    """How rare the words of a corpus are.

    Attributes
    ----------
    known : Lookup
        Words that two or more texts have.
    rarity : ndarray of float32, shape (n_slots,)
        Squared inverse document frequency of the word in each slot.
    found : ndarray of uint32, shape (n_slots,)
        Texts that have it.
    texts : int
        Texts of the corpus.
    """

    known: Lookup
    rarity: np.ndarray
    found: np.ndarray
    texts: int


class Profiles(NamedTuple):
    """What clusters are about.

    Attributes
    ----------
    terms : Ragged of int32
        Of each cluster's heaviest words those that another cluster has: their slots.
    weights : ndarray of float32, shape (n_terms,)
        Weight of each of `terms.values`. Together with the words that no other cluster has, those
        of one cluster have the length 1.
    least : ndarray of float32, shape (n_clusters,)
        Weight that those which propose reach.
    """

    terms: Ragged
    weights: np.ndarray
    least: np.ndarray


class Reach(NamedTuple):
    """How far back each cluster is compared.

    Attributes
    ----------
    first : ndarray of int32, shape (n,)
        First place that each is compared with; rising among dated ones, and among the others.
    dated : int
        Clusters with a date; they have the first places.
    """

    first: np.ndarray
    dated: int

    def of_all_from(self, place: int) -> int:
        """First place that any cluster from this one on is compared with."""
        n = len(self.first)
        starts = {place, max(place, self.dated)}
        return min((int(self.first[start]) for start in starts if start < n), default=n)


class Index(NamedTuple):
    """Clusters at some places, and who of those before them has which of their words.

    Attributes
    ----------
    low, start, stop : int
        Places of the first cluster that is held, and of those that are compared.
    profiles : Profiles
        Of the clusters from `low` to `stop`.
    numbers : ndarray of int32, shape (n_terms,)
        Number of each of the profiles' terms, from 0 on.
    distinct : int
        Terms that have one.
    postings : ndarray of uint64, shape (n_postings,)
        For each term in turn the clusters that have it: half of each is the place, from `low` on,
        rising, half is the term's weight there.
    begins : Ragged of int64
        First posting that each term proposes, for each cluster from `start` on.
    ends : ndarray of int64, shape (n_proposals,)
        The cluster's own posting, before which those end.
    """

    low: int
    start: int
    stop: int
    profiles: Profiles
    numbers: np.ndarray
    distinct: int
    postings: np.ndarray
    begins: Ragged
    ends: np.ndarray


class Pairs(NamedTuple):
    """Pairs of clusters and their cosine.

    Attributes
    ----------
    left, right : ndarray of int32, shape (n_pairs,)
        Places, left < right.
    cosine : ndarray of float32, shape (n_pairs,)
        `LEAST` to 1.
    """

    left: np.ndarray
    right: np.ndarray
    cosine: np.ndarray


def rarities(frequencies: np.ndarray) -> np.ndarray:
    """Squared inverse document frequency in the language at large: float64.

    Parameters
    ----------
    frequencies : ndarray of float64
        Shares of tokens, 0 to 1.
    """
    result = np.empty(len(frequencies))
    _fill_rarities(frequencies, result)
    return result


def heaviest(
    offsets: np.ndarray, counts: np.ndarray, levels: np.ndarray, rarities: np.ndarray
) -> Ragged:
    """Where the `LONGEST` heaviest words of each text are, of equal ones those first in the list.

    Parameters
    ----------
    offsets : ndarray of int64, shape (n_texts + 1,)
        Text `i` has the words `offsets[i]:offsets[i + 1]`.
    counts : ndarray of uint8, shape (n_words,)
        How often each stands in its text.
    levels : ndarray of uint16, shape (n_words,)
        Which of the rarities each has.
    rarities : ndarray of float64
        As of :func:`rarities`.

    Returns
    -------
    Ragged of int64
        Rising.
    """
    # One more than there are, because what may count is written before it is known whether it does.
    places, found = np.empty(len(counts) + 1, np.int64), np.zeros_like(offsets)
    _find_heaviest(offsets, counts, levels, rarities, places, found)
    return Ragged(places[: found[-1]], found)


def expected(frequencies: np.ndarray) -> np.ndarray:
    """Share of texts, 0 to 1, that hold a word of such a frequency, tokens drawn at random."""
    return -np.expm1(-TYPICAL_TOKENS * frequencies)


def vocabulary(
    hashes: np.ndarray, found: np.ndarray, frequencies: np.ndarray, texts: int
) -> Vocabulary:
    """Vocabulary of a corpus.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n_words,)
        Words that two or more texts have among their heaviest, rising.
    found : ndarray of uint32, shape (n_words,)
        Texts that have each.
    frequencies : ndarray of float32, shape (n_words,)
        Share of tokens, 0 to 1, that each has in the language at large.
    texts : int
        Texts of the corpus.
    """
    known, slots = spread(hashes)
    rarity, texts_with = np.zeros(len(known.keys), np.float32), np.zeros(len(known.keys), np.uint32)
    texts_with[slots] = found
    _fill_rarity(slots, found, frequencies, texts, rarity)
    return Vocabulary(known, rarity, texts_with, texts)


def profiles(
    words: Ragged,
    counts: np.ndarray,
    frequencies: np.ndarray,
    bounds: np.ndarray,
    given: Vocabulary,
) -> Profiles:
    """Profiles of clusters: the heaviest words of their texts' mean, of equal ones the smaller.

    A word's weight in a text is its logarithmic count times its squared inverse document frequency,
    where those of one text have the length 1.

    Parameters
    ----------
    words : Ragged of uint64
        Each text's heaviest words.
    counts : ndarray of uint32
        How often each of `words.values` stands in its text.
    frequencies : ndarray of float32
        Share of tokens, 0 to 1, that each has in the language at large.
    bounds : ndarray of int64, shape (n_clusters + 1,)
        First text of each cluster, and the end.
    given : Vocabulary
        A word that is not in it, one text has.
    """
    terms, weights = np.empty(len(counts), np.int32), np.empty(len(counts), np.float32)
    _weigh(*words, counts, frequencies, *given.known, given.rarity, given.texts, terms, weights)
    kept, kept_weights = np.empty_like(terms), np.empty_like(weights)
    offsets, least = np.zeros(len(bounds), np.int64), np.zeros(len(bounds) - 1, np.float32)
    result = offsets, kept, kept_weights, least.view(np.int32)
    _profiles(*words, terms, weights, bounds, given.found, result)
    return Profiles(Ragged(kept[: offsets[-1]], offsets), kept_weights[: offsets[-1]], least)


def reach(hours: np.ndarray, window: float) -> Reach:
    """How far back clusters are compared.

    Parameters
    ----------
    hours : ndarray of float64, shape (n,)
        First publication of each cluster by place, in hours since any fixed moment; rising, NaN
        where unknown, these last.
    window : float
        Hours two first publications may lie apart, at most; inf for no window. Without a date there
        is no window.
    """
    places = np.arange(len(hours))
    dated = int(np.count_nonzero(~np.isnan(hours)))
    first = np.maximum(places - REACH, 0).astype(np.int32)
    within = np.searchsorted(hours[:dated], hours[:dated] - window)
    first[:dated] = np.maximum(first[:dated], within)
    return Reach(first, dated)


def indices(given: Iterable[Profiles], slots: int, far: Reach, length: int) -> Iterator[Index]:
    """Clusters in the order of publication, ready to be compared, some at a time.

    Parameters
    ----------
    given : iterable of Profiles
        Of consecutive clusters, from place 0 on.
    slots : int
        Terms are below this.
    far : Reach
    length : int
        Clusters that are compared at a time, at least, more where many are held; decides nothing
        but time and memory.
    """
    numbered, held, start = np.full(slots, -1, np.int32), _NOTHING, 0
    coming = iter(given)
    while pieces := _gathered(coming, max(length, len(held.least) // _HELD)):
        index = _index(held, pieces, start, numbered)
        yield index
        start = index.stop
        low = min(far.of_all_from(start), start) - index.low
        held = _part(index.profiles, slice(low, start - index.low))
        del index  # before the next is made


def pairs(given: Index, far: Reach, places: slice) -> Pairs:
    """Pairs of the clusters at the given places of the index with those before them."""
    return Pairs(
        *_alike(
            given.numbers,
            given.profiles.terms.offsets,
            given.profiles.weights,
            given.distinct,
            given.postings,
            *given.begins,
            given.ends,
            far.first,
            (given.low, given.start, places.start, places.stop),
        )
    )


_NOTHING = Profiles(
    Ragged(np.empty(0, np.int32), np.zeros(1, np.int64)),
    np.empty(0, np.float32),
    np.empty(0, np.float32),
)


def _joined(pieces: list[Profiles]) -> Profiles:
    terms, weights, least = zip(*pieces, strict=True)
    return Profiles(
        Ragged.joined(list(terms), pa.int32()), np.concatenate(weights), np.concatenate(least)
    )


def _gathered(given: Iterator[Profiles], length: int) -> list[Profiles]:
    """The next profiles, of so many clusters, at least; at the end fewer."""
    pieces, clusters = list[Profiles](), 0
    for piece in given:
        pieces.append(piece)
        clusters += len(piece.least)
        if clusters >= length:
            break
    return pieces


def _index(held: Profiles, pieces: list[Profiles], start: int, numbered: np.ndarray) -> Index:
    """Index of the clusters from a place on, and of those before them that are held."""
    both, low = _joined([held, *pieces]), start - len(held.least)
    terms, earlier = len(both.weights), len(held.weights)
    numbers, counts = np.empty(terms, np.int32), np.zeros((2, terms), np.int32)
    distinct = _number(both.terms.values, earlier, numbered, numbers, counts)
    before, since = counts[:, :distinct].astype(np.int64)
    kept = np.minimum(before, POSTINGS)
    after = np.cumsum(kept + since)
    first = after - kept - since
    postings = np.empty(after[-1] if distinct else 0, np.uint64)
    begins, ends = np.empty(terms - earlier, np.int64), np.empty(terms - earlier, np.int64)
    bounds = np.zeros(len(both.least) - len(held.least) + 1, np.int64)
    nexts, result = first - (before - kept), (postings, begins, bounds, ends)
    _post(numbers, both.terms.offsets, both.weights, both.least, start - low, first, nexts, result)
    proposed, stop = Ragged(begins[: bounds[-1]], bounds), low + len(both.least)
    return Index(low, start, stop, both, numbers, distinct, postings, proposed, ends)


def _part(given: Profiles, clusters: slice) -> Profiles:
    """Profiles of consecutive clusters, without a copy."""
    bounds = slice(given.terms.offsets[clusters.start], given.terms.offsets[clusters.stop])
    return Profiles(given.terms.part(clusters), given.weights[bounds], given.least[clusters])


# Results are made by NumPy and only filled by the kernels, because NumPy asks for huge pages.


@njit(cache=True, nogil=True)
def _at_large(frequency):  # type: ignore[no-untyped-def]
    """As :func:`expected`, of one word."""
    return -np.expm1(-TYPICAL_TOKENS * np.float64(frequency))


@njit(cache=True, nogil=True)
def _idf(share):  # type: ignore[no-untyped-def]
    """Inverse document frequency; 0 for a word that half of all texts have."""
    return np.log(max(1 / min(share, 1.0) - 1, 1.0))


@njit(cache=True, nogil=True)
def _rarity(frequency, found, texts):  # type: ignore[no-untyped-def]
    """Squared inverse document frequency of a word that so many of the corpus's texts have."""
    share = (PRIOR_TEXTS * _at_large(frequency) + found) / (PRIOR_TEXTS + texts)
    return np.float32(_idf(share) ** 2)


@njit(cache=True, nogil=True)
def _fill_rarities(frequencies, rarities):  # type: ignore[no-untyped-def]
    for level in range(len(frequencies)):
        rarities[level] = _idf(_at_large(frequencies[level])) ** 2


@njit(cache=True, nogil=True)
def _fill_rarity(slots, found, frequencies, texts, rarity):  # type: ignore[no-untyped-def]
    for word in range(len(slots)):
        rarity[slots[word]] = _rarity(frequencies[word], found[word], texts)


@njit(cache=True, nogil=True)
def _logs():  # type: ignore[no-untyped-def]
    """Weight of a count, up to 63."""
    logs = np.zeros(64)
    for count in range(1, 64):
        logs[count] = 1 + np.log(count)
    return logs


@njit(cache=True, nogil=True)
def _bar(weights, room):  # type: ignore[no-untyped-def]
    """Highest bar that at least `room` of the weights reach, if there are as many above 0.

    Weights and bar are the bits of single precision floats, which rise with them from 0 on. Halving
    the range takes up to 31 rounds, but each looks at many weights in one instruction.
    """
    low, high = np.int32(0), np.int32(0x7F800000)
    while high - low > 1:
        middle = low + (high - low) // np.int32(2)
        reached = np.int32(0)
        for at in range(len(weights)):
            reached += np.int32(weights[at] >= middle)
        if reached == room:
            return middle
        if reached > room:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _keep_heaviest(weights, mask):  # type: ignore[no-untyped-def]
    """Mark the `LONGEST` heaviest, of equal ones the first; `weights` as bits, see `_bar`."""
    bar = _bar(weights, LONGEST) if len(weights) > LONGEST else np.int32(0)
    kept = 0
    for at in range(len(weights)):
        mask[at] = weights[at] >= max(bar, np.int32(1))
        kept += mask[at]
    at = len(weights) - 1
    while kept > LONGEST:
        if weights[at] == bar:
            mask[at] = False
            kept -= 1
        at -= 1


_HALF = np.uint64(32)


@njit(cache=True, nogil=True)
def _find_heaviest(offsets, counts, levels, rarities, places, found):  # type: ignore[no-untyped-def]
    logs, count = _logs(), np.uint64(0)
    most = np.diff(offsets).max() if len(offsets) > 1 else 0
    weights, mask = np.empty(most, np.float32), np.empty(most, np.bool_)
    for text in range(len(offsets) - 1):
        start, end = offsets[text], offsets[text + 1]
        for at in range(start, end):
            weights[at - start] = logs[min(counts[at], np.uint32(63))] * rarities[levels[at]]
        _keep_heaviest(weights[: end - start].view(np.int32), mask)
        for at in range(start, end):
            places[count] = at
            count += np.uint64(mask[at - start])
        found[text + 1] = count


@njit(cache=True, nogil=True)
def _weigh(  # type: ignore[no-untyped-def]
    words, offsets, counts, frequencies, keys, homes, rarity, texts, terms, weights
):
    """Fill in the slot of each text's words, -1 where no other text has one, and their weights."""
    logs = _logs().astype(np.float32)
    for at in range(len(words)):
        terms[at] = slot_of(keys, homes, words[at])
    last, lone = np.float32(-1), np.float32(0)
    for text in range(len(offsets) - 1):
        total = 0.0
        for at in range(offsets[text], offsets[text + 1]):
            if terms[at] < 0 and frequencies[at] != last:  # most are in no list
                last, lone = frequencies[at], _rarity(frequencies[at], 1, texts)
            rare = rarity[terms[at]] if terms[at] >= 0 else lone
            weights[at] = logs[min(counts[at], np.uint32(63))] * rare
            total += np.float64(weights[at]) ** 2
        scale = 1 / np.sqrt(total) if total > 0 else 0.0
        for at in range(offsets[text], offsets[text + 1]):
            weights[at] = weights[at] * scale


@njit(cache=True, nogil=True)
def _sort(words, starts, hashes, order):  # type: ignore[no-untyped-def]
    """Write a text's words in the order of their hashes, and which each of them is.

    Hashes are uniform, so most find their place by their share of the range.
    """
    buckets = np.uint64(2 * len(words))
    for bucket in range(2 * len(words) + 1):
        starts[bucket] = 0
    for at in range(len(words)):
        starts[(((words[at] >> _HALF) * buckets) >> _HALF) + np.uint64(1)] += 1
    for bucket in range(1, 2 * len(words)):
        starts[bucket] += starts[bucket - 1]
    for at in range(len(words)):
        bucket = ((words[at] >> _HALF) * buckets) >> _HALF
        place = np.uint64(starts[bucket])
        hashes[place], order[place] = words[at], at
        starts[bucket] += 1
    for at in range(1, len(words)):
        word = hashes[at]
        if hashes[at - 1] > word:
            which, place = order[at], at
            while place > 0 and hashes[place - 1] > word:
                hashes[place], order[place] = hashes[place - 1], order[place - 1]
                place -= 1
            hashes[place], order[place] = word, which


@njit(cache=True, nogil=True)
def _profiles(  # type: ignore[no-untyped-def]
    words, offsets, terms, weights, bounds, found, result
):
    result_offsets, result_terms, result_weights, least = result
    size = np.max(offsets[bounds[1:]] - offsets[bounds[:-1]]) if len(bounds) > 1 else 0
    one, other, mask = _room(size), _room(size), np.empty(size, np.bool_)
    starts, order = np.empty(2 * size + 1, np.int32), np.empty(size, np.int32)
    runs, once = np.empty(len(offsets), np.int64), np.ones(size, np.uint32)
    written = 0
    for cluster in range(len(bounds) - 1):
        begin, texts = written, bounds[cluster + 1] - bounds[cluster]
        first, n = offsets[bounds[cluster]], offsets[bounds[cluster + 1]] - offsets[bounds[cluster]]
        mine, heavy, having = terms[first : first + n], weights[first : first + n], once
        if texts > 1:
            n = 0
            for text in range(texts):
                first, end = offsets[bounds[cluster] + text], offsets[bounds[cluster] + text + 1]
                _sort(words[first:end], starts, one[0][n:], order)
                runs[text] = n
                for at in order[: end - first]:
                    one[1][n], one[2][n], one[3][n] = terms[first + at], weights[first + at], 1
                    n += 1
            runs[texts] = n
            (_, mine, heavy, having), n = _merged(runs, texts, one, other)
        _keep_heaviest(heavy[:n].view(np.int32), mask)
        total = 0.0
        for at in range(n):
            total += np.float64(heavy[at]) ** 2 * mask[at]
        scale = 1 / np.sqrt(total) if total > 0 and texts > 1 else 1.0
        for at in range(n):
            # Texts that have it beyond the cluster's own.
            if mask[at] and mine[at] >= 0 and (having[at] == 1 or found[mine[at]] > having[at]):
                result_terms[written], result_weights[written] = mine[at], heavy[at] * scale
                written += 1
        result_offsets[cluster + 1] = written
        bits = result_weights[begin:written].view(np.int32)
        least[cluster] = _bar(bits, PROPOSING) if len(bits) > PROPOSING else 0


@njit(cache=True, nogil=True)
def _room(size):  # type: ignore[no-untyped-def]
    """Place for so many words: hash, term, weight, and texts of the cluster that have it."""
    return (
        np.empty(size, np.uint64),
        np.empty(size, np.int32),
        np.empty(size, np.float32),
        np.empty(size, np.uint32),
    )


@njit(cache=True, nogil=True)
def _merged(runs, count, here, there):  # type: ignore[no-untyped-def]
    """Sorted runs made one, two by two; weights and counts of equal words are added up."""
    n = runs[count]
    while count > 1:
        n = 0
        for run in range(0, count, 2):
            a, b, end = runs[run], runs[run + 1], runs[min(run + 2, count)]
            middle, runs[run // 2] = b, n
            while a < middle or b < end:
                left = b == end or (a < middle and here[0][a] <= here[0][b])
                right = a == middle or (b < end and here[0][b] <= here[0][a])
                at = a if left else b
                there[0][n], there[1][n] = here[0][at], here[1][at]
                there[2][n], there[3][n] = here[2][at], here[3][at]
                if left and right:
                    there[2][n] += here[2][b]
                    there[3][n] += here[3][b]
                n += 1
                a += left
                b += right
        count = (count + 1) // 2
        runs[count] = n
        here, there = there, here
    return here, n


@njit(cache=True, nogil=True)
def _number(terms, held, numbered, numbers, counts):  # type: ignore[no-untyped-def]
    """Number the terms as they come; how many there are.

    `counts` says how often each is among the first `held`, and among the others. `numbered` holds
    -1 for each term, before and after.
    """
    distinct, known = 0, np.empty(len(terms), np.int32)
    for at in range(len(terms)):
        term = terms[at]
        number = numbered[term]
        if number < 0:
            number, known[distinct] = distinct, term
            numbered[term] = distinct
            distinct += 1
        numbers[at] = number
        counts[int(at >= held), number] += 1
    for term in known[:distinct]:
        numbered[term] = -1
    return distinct


@njit(cache=True, nogil=True)
def _post(  # type: ignore[no-untyped-def]
    numbers, offsets, weights, least, start, first, nexts, result
):
    """Fill in the postings of all clusters, and which of them those from `start` on propose.

    `first` is where those of each term begin. `nexts` may lie before that: so many of the earliest
    nobody needs any more.
    """
    postings, begins, bounds, ends = result
    places, posted = postings.view(np.uint32), postings.view(np.float32)
    proposals = 0
    for place in range(len(offsets) - 1):
        for at in range(offsets[place], offsets[place + 1]):
            term, weight = numbers[at], weights[at]
            here, begin = nexts[term], first[term]
            nexts[term] = here + 1
            if here >= begin:
                places[2 * here], posted[2 * here + 1] = place, weight
            if here > begin and place >= start and weight >= least[place]:
                begins[proposals], ends[proposals] = max(begin, here - POSTINGS), here
                proposals += 1
        if place >= start:
            bounds[place - start + 1] = proposals


_STEP = np.uint64(1)


@njit(cache=True, nogil=True)
def _alike(  # type: ignore[no-untyped-def]
    numbers, offsets, weights, distinct, postings, begins, bounds, ends, first, which
):
    """Left and right places, and cosine, of pairs whose right one is among the given places."""
    low, start, begin, end = which
    places, posted = postings.view(np.uint32), postings.view(np.float32)
    sums, met = np.zeros(end - low, np.float32), np.empty(end - low + 1, np.uint32)
    own, bar = np.zeros(distinct, np.float32), np.float32(LEAST - 1e-4)
    left, right = [np.int32(0) for _ in range(0)], [np.int32(0) for _ in range(0)]
    cosine = [np.float32(0) for _ in range(0)]
    for place in range(begin, end):
        count, lowest = np.uint64(0), np.uint64(first[place] - low)
        for proposal in range(bounds[place - start], bounds[place - start + 1]):
            # Two numbers for each posting.
            at, stop = np.uint64(2 * ends[proposal]), np.uint64(2 * begins[proposal])
            weight = posted[at + _STEP]
            while at > stop:
                at -= np.uint64(2)
                other = np.uint64(places[at])
                if other < lowest:
                    break
                before = sums[other]
                met[count] = other
                count += np.uint64(before == 0)
                sums[other] = before + weight * posted[at + _STEP]
        close = np.uint64(0)
        for other in met[:count]:
            met[close] = other
            close += np.uint64(sums[other] >= bar)
            sums[other] = 0
        if close == 0:
            continue
        mine = range(np.uint64(offsets[place - low]), np.uint64(offsets[place - low + 1]))
        for at in mine:
            own[np.uint64(numbers[at])] = weights[at]
        for other in met[:close]:
            alike = 0.0
            for at in range(np.uint64(offsets[other]), np.uint64(offsets[other + _STEP])):
                alike += np.float64(own[np.uint64(numbers[at])]) * np.float64(weights[at])
            if alike >= LEAST:
                left.append(np.int32(low + other))
                right.append(np.int32(place))
                cosine.append(np.float32(min(alike, 1.0)))
        for at in mine:
            own[np.uint64(numbers[at])] = 0
    return np.array(left), np.array(right), np.array(cosine)
