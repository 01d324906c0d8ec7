"""Clusters to stories: independent reports of one event.

Law: stories group whole clusters and never merge them; reports belong together only while the mean
cosine between the groups that join reaches the floor (average linkage; Sokal and Michener, 1958)
and the story's first publications lie within the window. Raising the floor only splits stories,
because the joins are made in one order and the floor says where they end. Positions follow the
articles' ids, so the order in which articles arrive decides nothing.

Two reports of one event share little verbatim text, but the names and the rare words. So a word
weighs the square of its inverse document frequency: names tell events apart where topics share the
common words. Document frequencies start from those of the language at large, as if `PRIOR_TEXTS`
texts had been read before, and the corpus takes over as it grows. Of each text the `LONGEST`
heaviest words count, because a long report has much that the others leave out; which they are, the
language alone says, so that a text's profile is its own.

Candidates come from an inverted index in the order of publication, within the window only. Of each
cluster the `PROPOSING` heaviest words propose, each at most `POSTINGS` clusters, the latest, so the
cost grows with the number of clusters and not with its square; pairs below `LEAST` count as 0, and
so do those of which the proposing words alone make less.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.forest import root
from dedup.numbering import number
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


class Profiles(NamedTuple):
    """What texts or clusters are about.

    Attributes
    ----------
    terms : Ragged of uint64
        Sorted hashes of the heaviest words.
    weights : ndarray of float32, shape (n_terms,)
        Weight of each of `terms.values`; those of one text have the length 1.
    """

    terms: Ragged
    weights: np.ndarray


class Index(NamedTuple):
    """Clusters in the order of publication, those without a date last, and who has which term.

    Attributes
    ----------
    order : ndarray of int64, shape (n,)
        Cluster at each place.
    terms : Ragged of int64
        Numbers of the terms that two or more clusters have, rising, by place.
    weights : ndarray of float32
        Weight of each of `terms.values`.
    postings : Ragged of int64
        Places that have each term, rising.
    posted : ndarray of float32
        Weight of the term at each of `postings.values`.
    first : ndarray of int64, shape (n,)
        First place within the window before each.
    """

    order: np.ndarray
    terms: Ragged
    weights: np.ndarray
    postings: Ragged
    posted: np.ndarray
    first: np.ndarray


class Pairs(NamedTuple):
    """Pairs of clusters and their cosine.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Clusters by number, left < right.
    cosine : ndarray of float32, shape (n_pairs,)
        `LEAST` to 1.
    """

    left: np.ndarray
    right: np.ndarray
    cosine: np.ndarray


def heaviest(words: Ragged, counts: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Which words of each text are the `LONGEST` heaviest, of equal ones those first in the list.

    Parameters
    ----------
    words : Ragged of uint64
        Distinct words of each text.
    counts : ndarray of uint32
        How often each of `words.values` stands in its text.
    frequencies : ndarray of float64
        Share of tokens, 0 to 1, that each of them has in the language at large.

    Returns
    -------
    ndarray of bool, shape (n_values,)
    """
    idf = np.log(np.maximum(1 / expected(frequencies) - 1, 1))
    weights = ((1 + np.log(np.minimum(counts, 63))) * idf * idf).astype(np.float32)
    mask = np.empty(len(weights), bool)
    _mask_heaviest(words.offsets, weights, LONGEST, mask)
    return mask


def expected(frequencies: np.ndarray) -> np.ndarray:
    """Share of texts, 0 to 1, that hold a word of such a frequency, tokens drawn at random."""
    return -np.expm1(-TYPICAL_TOKENS * frequencies)


def weigh(
    numbers: np.ndarray, counts: np.ndarray, frequencies: np.ndarray, texts: int
) -> np.ndarray:
    """Weight of each word of each text: its logarithmic count times its squared IDF.

    Parameters
    ----------
    numbers : ndarray of int64, shape (n_values,)
        Number of each word of each text, each once per text.
    counts : ndarray of uint32, shape (n_values,)
        How often it stands in its text.
    frequencies : ndarray of float64, shape (n_words,)
        Share of tokens, 0 to 1, that each numbered word has in the language at large.
    texts : int
        Texts of the corpus.

    Returns
    -------
    ndarray of float32, shape (n_values,)
        0 or more; 0 for a word that half of all texts have.
    """
    found = np.bincount(numbers, minlength=len(frequencies))
    share = (PRIOR_TEXTS * expected(frequencies) + found) / (PRIOR_TEXTS + texts)
    idf = np.log(np.maximum(1 / np.minimum(share, 1) - 1, 1))
    weights = np.empty(len(numbers), np.float32)
    _fill_weights(numbers, counts, (idf * idf).astype(np.float32), weights)
    return weights


def profiles(words: Ragged, weights: np.ndarray) -> Profiles:
    """The heaviest words of each text, of equal ones those with the smaller hashes.

    Parameters
    ----------
    words : Ragged of uint64
        Sorted distinct hashes of each text's words.
    weights : ndarray of float32
        Weight of each of `words.values`, as of :func:`weigh`.
    """
    offsets = np.zeros(len(words.offsets), np.int64)
    np.cumsum(np.minimum(words.lengths, LONGEST), out=offsets[1:])
    terms, heaviest = np.empty(offsets[-1], np.uint64), np.empty(offsets[-1], np.float32)
    _profiles(*words, weights, LONGEST, offsets, terms, heaviest)
    return _used(terms, offsets, heaviest)


def of_clusters(texts: Profiles, numbers: np.ndarray, clusters: int) -> Profiles:
    """Profile of each cluster: the heaviest terms of its texts' mean.

    Parameters
    ----------
    texts : Profiles
    numbers : ndarray of int64, shape (n_texts,)
        Cluster of each text, 0 to `clusters` - 1.
    clusters : int
    """
    order = np.argsort(numbers, kind="stable")
    sums = np.bincount(numbers, texts.terms.lengths, minlength=clusters).astype(np.int64)
    offsets = np.zeros(clusters + 1, np.int64)
    # Room for all terms of all members; what is not needed is left out in the end.
    np.cumsum(sums, out=offsets[1:])
    terms, weights = np.empty(offsets[-1], np.uint64), np.zeros(offsets[-1], np.float32)
    bounds = np.searchsorted(numbers[order], np.arange(clusters + 1))
    _means(*texts.terms, texts.weights, order, bounds, LONGEST, offsets, terms, weights)
    return _used(terms, offsets, weights)


def index(clusters: Profiles, hours: np.ndarray, window: float) -> Index:
    """Clusters by time, and the postings of their terms.

    Parameters
    ----------
    clusters : Profiles
    hours : ndarray of float64, shape (n,)
        First publication of each, in hours since any fixed moment; NaN where unknown.
    window : float
        Hours two first publications may lie apart, at most; inf for no window.
    """
    n = len(hours)
    order = np.lexsort((np.arange(n), hours))  # NaN sorts last
    numbers, found = number(clusters.terms.values)
    counts = np.bincount(numbers, minlength=found)
    shared = counts[numbers] > 1
    numbers = numbers[shared]
    kept, weights = clusters.terms.keep(shared), clusters.weights[shared]
    terms, weights = _in_order(kept._replace(values=numbers), weights, order)
    counts[counts == 1] = 0
    starts = np.zeros(found + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    postings, posted = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.float32)
    _post(*terms, weights, starts, postings, posted)
    times = hours[order]
    dated = int(np.count_nonzero(~np.isnan(times)))
    first = np.zeros(n, np.int64)
    first[:dated] = np.searchsorted(times[:dated], times[:dated] - window)
    return Index(order, terms, weights, Ragged(postings, starts), posted, first)


def pairs(given: Index, places: slice) -> Pairs:
    """Pairs of the clusters at the given places with those before them, within the window."""
    rows = range(*places.indices(len(given.order)))
    left, right, cosine = _alike(
        *given.terms,
        given.weights,
        *given.postings,
        given.posted,
        given.first,
        rows.start,
        rows.stop,
    )
    left, right = given.order[left], given.order[right]
    return Pairs(np.minimum(left, right), np.maximum(left, right), cosine)


def join(
    found: list[Pairs],
    hours: np.ndarray,
    window: float,
    floor: float,
    settled: np.ndarray,
) -> np.ndarray:
    """Stories: clusters joined pair by pair, the closest groups first.

    Parameters
    ----------
    found : list of Pairs
        Each pair once; one that is missing counts as 0.
    hours : ndarray of float64, shape (n,)
        First publication of each cluster, in hours; NaN where unknown.
    window : float
        Hours that the first publications of one story's clusters span at most.
    floor : float
        Mean cosine between two groups that join, above `LEAST`; higher gives more, tighter stories.
    settled : ndarray of int64, shape (n,)
        Number of a cluster in the story that each is told in already, its own where that is the
        cluster's alone, -1 where there is none yet. Two such stories never join.

    Returns
    -------
    ndarray of int64, shape (n,)
        Smallest member's number of each cluster's story.
    """
    left, right, cosine = (
        np.concatenate([empty, *(piece[column] for piece in found)])
        for column, empty in enumerate(_NO_PAIRS)
    )
    n = len(hours)
    groups = np.where(settled < 0, np.arange(n), settled)
    left, right = np.sort([groups[left], groups[right]], axis=0)
    apart = left != right
    keys, inverse = np.unique(left[apart] * n + right[apart], return_inverse=True)
    total = np.bincount(inverse, cosine[apart].astype(np.float64), len(keys))
    dated = ~np.isnan(hours)
    earliest, latest = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(earliest, groups[dated], hours[dated])
    np.maximum.at(latest, groups[dated], hours[dated])
    is_settled = np.zeros(n, bool)
    is_settled[groups[settled >= 0]] = True
    parents = _join(
        keys // max(n, 1),
        keys % max(n, 1),
        total,
        np.bincount(groups, minlength=n),
        earliest,
        latest,
        is_settled,
        window,
        # Cosines are in single precision, so the floor that they reach is too.
        float(np.float32(floor)),
    )[groups]
    smallest = np.full(n, n, np.int64)
    np.minimum.at(smallest, parents, np.arange(n))
    return smallest[parents]


_NO_PAIRS = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def _used(terms: np.ndarray, offsets: np.ndarray, weights: np.ndarray) -> Profiles:
    used = weights > 0
    return Profiles(Ragged(terms, offsets).keep(used), weights[used])


def _in_order(terms: Ragged, weights: np.ndarray, order: np.ndarray) -> tuple[Ragged, np.ndarray]:
    """Lists in the given order, the numbers of each rising, and their weights."""
    offsets = np.zeros(len(order) + 1, np.int64)
    np.cumsum(terms.lengths[order], out=offsets[1:])
    values, sorted_weights = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.float32)
    _sorted_lists(*terms, weights, order, offsets, values, sorted_weights)
    return Ragged(values, offsets), sorted_weights


# Results are made by NumPy and only filled by the kernels, because NumPy asks for huge pages.


@njit(cache=True, nogil=True)
def _fill_weights(numbers, counts, of_terms, weights):  # type: ignore[no-untyped-def]
    logs = np.empty(64, np.float32)
    for count in range(1, 64):
        logs[count] = np.float32(1 + np.log(count))
    for at in range(len(numbers)):
        weights[at] = logs[min(counts[at], 63)] * of_terms[numbers[at]]


@njit(cache=True, nogil=True)
def _heaviest(weights, longest):  # type: ignore[no-untyped-def]
    """Which of the weights are the heaviest, ties in their order."""
    kept = weights > 0
    if len(weights) > longest:
        bar = np.partition(weights, len(weights) - longest)[len(weights) - longest]
        kept = weights > max(bar, 0)
        room = longest - kept.sum()
        for at in range(len(weights)):
            if room > 0 and bar > 0 and weights[at] == bar:
                kept[at] = True
                room -= 1
    return kept


@njit(cache=True, nogil=True)
def _mask_heaviest(offsets, weights, longest, mask):  # type: ignore[no-untyped-def]
    for text in range(len(offsets) - 1):
        mine = slice(offsets[text], offsets[text + 1])
        mask[mine] = _heaviest(weights[mine], longest)


@njit(cache=True, nogil=True)
def _write(terms, weights, kept, result, result_weights):  # type: ignore[no-untyped-def]
    """Write what is kept, sorted by term and of length 1; the rest of the result weighs 0."""
    places = np.flatnonzero(kept)
    places = places[np.argsort(terms[places])]
    total = 0.0
    for place in places:
        total += np.float64(weights[place]) ** 2
    scale = 1 / np.sqrt(total) if total > 0 else 0.0
    for at in range(len(result)):
        used = at < len(places)
        result[at] = terms[places[at]] if used else 0
        result_weights[at] = weights[places[at]] * scale if used else 0


@njit(cache=True, nogil=True)
def _profiles(  # type: ignore[no-untyped-def]
    words, offsets, weights, longest, result_offsets, result, result_weights
):
    for text in range(len(offsets) - 1):
        mine = words[offsets[text] : offsets[text + 1]]
        heavy = weights[offsets[text] : offsets[text + 1]]
        start, end = result_offsets[text], result_offsets[text + 1]
        kept = _heaviest(heavy, longest)
        _write(mine, heavy, kept, result[start:end], result_weights[start:end])


@njit(cache=True, nogil=True)
def _means(  # type: ignore[no-untyped-def]
    terms, offsets, weights, order, bounds, longest, result_offsets, result, result_weights
):
    for cluster in range(len(bounds) - 1):
        start, end = result_offsets[cluster], result_offsets[cluster + 1]
        if bounds[cluster + 1] - bounds[cluster] == 1:
            text = order[bounds[cluster]]
            result[start:end] = terms[offsets[text] : offsets[text + 1]]
            result_weights[start:end] = weights[offsets[text] : offsets[text + 1]]
            continue
        mine, heavy = np.empty(end - start, terms.dtype), np.empty(end - start, weights.dtype)
        count = 0
        for text in order[bounds[cluster] : bounds[cluster + 1]]:
            for at in range(offsets[text], offsets[text + 1]):
                mine[count], heavy[count] = terms[at], weights[at]
                count += 1
        by_term = np.argsort(mine, kind="mergesort")
        found = 0
        sums = np.zeros(count, weights.dtype)
        distinct_terms = np.empty(count, terms.dtype)
        for at in by_term:
            if found == 0 or distinct_terms[found - 1] != mine[at]:
                distinct_terms[found] = mine[at]
                found += 1
            sums[found - 1] += heavy[at]
        sums = sums[:found]
        kept = _heaviest(sums, longest)
        _write(distinct_terms, sums, kept, result[start:end], result_weights[start:end])


@njit(cache=True, nogil=True)
def _sorted_lists(  # type: ignore[no-untyped-def]
    values, offsets, weights, order, result_offsets, result, result_weights
):
    for place in range(len(order)):
        start, end = offsets[order[place]], offsets[order[place] + 1]
        rising = np.argsort(values[start:end])
        for at in range(end - start):
            result[result_offsets[place] + at] = values[start + rising[at]]
            result_weights[result_offsets[place] + at] = weights[start + rising[at]]


@njit(cache=True, nogil=True)
def _post(terms, offsets, weights, starts, postings, posted):  # type: ignore[no-untyped-def]
    nexts = starts.copy()
    for place in range(len(offsets) - 1):
        for at in range(offsets[place], offsets[place + 1]):
            postings[nexts[terms[at]]], posted[nexts[terms[at]]] = place, weights[at]
            nexts[terms[at]] += 1


@njit(cache=True, nogil=True)
def _dot(terms, offsets, weights, i, j):  # type: ignore[no-untyped-def]
    a, a_end, b, b_end = offsets[i], offsets[i + 1], offsets[j], offsets[j + 1]
    total = 0.0
    while a < a_end and b < b_end:
        s, t = terms[a], terms[b]
        if s == t:
            total += np.float64(weights[a]) * np.float64(weights[b])
        a += s <= t
        b += t <= s
    return min(total, 1.0)


@njit(cache=True, nogil=True)
def _alike(  # type: ignore[no-untyped-def]
    terms, offsets, weights, postings, starts, posted, first, begin, end
):
    """Left and right places, and cosine, of pairs whose right place is in `begin` to `end`."""
    sums, met = np.zeros(end, np.float32), np.empty(end, np.int64)
    heavy, bar = np.empty(LONGEST, np.float32), LEAST - 1e-4
    left, right = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    cosine = [np.float32(0) for _ in range(0)]
    for i in range(begin, end):
        count, own = 0, offsets[i + 1] - offsets[i]
        least = np.float32(0)
        if own > PROPOSING:
            heavy[:own] = weights[offsets[i] : offsets[i + 1]]
            least = np.partition(heavy[:own], own - PROPOSING)[own - PROPOSING]
        for at in range(offsets[i], offsets[i + 1]):
            if weights[at] < least:
                continue
            start = starts[terms[at]]
            before = start + np.searchsorted(postings[start : starts[terms[at] + 1]], i)
            stop = max(start, before - POSTINGS)
            for posting in range(before - 1, stop - 1, -1):
                j = postings[posting]
                if j < first[i]:
                    break
                if sums[j] == 0:
                    met[count] = j
                    count += 1
                sums[j] += weights[at] * posted[posting]
        for j in met[:count]:
            alike = _dot(terms, offsets, weights, i, j) if sums[j] >= bar else 0.0
            sums[j] = 0
            if alike >= LEAST:
                left.append(j)
                right.append(np.int64(i))
                cosine.append(np.float32(alike))
    return np.array(left), np.array(right), np.array(cosine)


@njit(cache=True, nogil=True)
def _join(  # type: ignore[no-untyped-def]
    left, right, total, sizes, earliest, latest, settled, window, floor
):
    n = len(earliest)
    parents = np.arange(n)
    # Each group's pairs as a chain: slot 2k is pair k in the left's chain, 2k + 1 in the right's.
    heads, tails = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    nexts, mark = np.full(2 * len(left), -1, np.int64), np.full(n, -1, np.int64)
    lengths, dead = np.zeros(n, np.int64), np.zeros(len(left), np.bool_)
    # What the pair's entry in the queue says: its mean or more, since a mean only falls later.
    queued = total / (sizes[left] * sizes[right])
    queue = [(-queued[pair], pair) for pair in range(len(left))]
    heapq.heapify(queue)
    for slot in range(2 * len(left)):
        owner = left[slot // 2] if slot % 2 == 0 else right[slot // 2]
        if heads[owner] < 0:
            heads[owner] = slot
        else:
            nexts[tails[owner]] = slot
        tails[owner] = slot
        lengths[owner] += 1
    while len(queue) > 0 and -queue[0][0] >= floor:
        value, pair = heapq.heappop(queue)
        if dead[pair] or -value != queued[pair]:
            continue
        a, b = root(parents, left[pair]), root(parents, right[pair])
        mean = total[pair] / (sizes[a] * sizes[b])
        if mean < -value:
            queued[pair] = mean
            heapq.heappush(queue, (-mean, pair))
            continue
        dead[pair] = True
        if max(latest[a], latest[b]) - min(earliest[a], earliest[b]) > window:
            continue
        if settled[a] and settled[b]:
            continue
        if lengths[a] < lengths[b]:
            a, b = b, a
        parents[b], sizes[a] = a, sizes[a] + sizes[b]
        earliest[a] = min(earliest[a], earliest[b])
        latest[a] = max(latest[a], latest[b])
        settled[a] |= settled[b]
        if heads[b] >= 0:
            nexts[tails[a]] = heads[b]
            tails[a] = tails[b]
        # One pass through the joined chain: dead pairs go, two pairs with one group become one.
        slot, before, kept = heads[a], -1, 0
        while slot >= 0:
            following, this = nexts[slot], slot // 2
            if not dead[this]:
                other = root(parents, left[this])
                if other == a:
                    other = root(parents, right[this])
                known = mark[other]
                if known >= 0:
                    total[known] += total[this]
                    dead[this] = True
                    higher = total[known] / (sizes[a] * sizes[other])
                    if higher > queued[known]:
                        queued[known] = higher
                        heapq.heappush(queue, (-higher, known))
                else:
                    mark[other] = this
            if not dead[this]:
                if before < 0:
                    heads[a] = slot
                else:
                    nexts[before] = slot
                before, kept = slot, kept + 1
            slot = following
        if before < 0:
            heads[a] = -1
        else:
            nexts[before] = -1
        tails[a], lengths[a] = before, kept
        slot = heads[a]
        while slot >= 0:
            other = root(parents, left[slot // 2])
            if other == a:
                other = root(parents, right[slot // 2])
            mark[other] = -1
            slot = nexts[slot]
    for at in range(n):
        parents[at] = root(parents, at)
    return parents
