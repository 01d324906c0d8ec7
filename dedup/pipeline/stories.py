"""Stories over clusters.

Law: a story holds whole clusters, so it is told from them and never changes them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dedup.pipeline.evidence import first_hours
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import background, candidates, shingle, story
from dedup.stages.text import tokenise, whole
from dedup.threads import ARTICLES, in_order, spans


def profiles(body: Ragged, settings: Settings) -> story.Profiles:
    """What each distinct text is about; quotations count, for they are of the event.

    Parameters
    ----------
    body : Ragged of uint64
        Tokens of each text that are not template.
    """
    parts = spans(len(body.lengths), ARTICLES)
    pieces = list(
        in_order(lambda part: shingle.word_sets(body.part(part)), parts, settings.threads)
    )
    words = Ragged.joined([piece.sets for piece in pieces], pa.uint64())
    counts = np.concatenate([np.empty(0, np.uint32), *(piece.counts for piece in pieces)])
    numbers, hashes = story.distinct(words)
    known = background.background(_tokens)
    frequencies = background.frequencies(known, hashes, story.UNKNOWN_WORD)
    weights = story.weigh(numbers, counts, frequencies, len(words.lengths))

    def heaviest(part: slice) -> story.Profiles:
        mine = slice(words.offsets[part.start], words.offsets[part.stop])
        return story.profiles(words.part(part), weights[mine])

    found = list(in_order(heaviest, parts, settings.threads))
    return story.Profiles(
        Ragged.joined([piece.terms for piece in found], pa.uint64()),
        np.concatenate([np.empty(0, np.float32), *(piece.weights for piece in found)]),
    )


def stories(
    articles: pa.Table,
    distinct: pa.Table,
    forms: pa.Table,
    leads: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """Lead of the first cluster of each article's story, by position: int64, shape (n_articles,).

    First is the cluster published first; of several, and where no time is known, the one whose lead
    has the smallest id. Clusters with texts that fill in one form count as unlike.
    """
    by_cluster, clusters = np.unique(leads, return_inverse=True)  # positions follow the ids
    n = len(by_cluster)
    first = first_hours(articles["published_at"], clusters)
    of_texts = np.zeros(distinct.num_rows, np.int64)
    of_texts[articles["distinct"].to_numpy()] = clusters  # identical texts share a cluster
    texts = story.Profiles(Ragged.of(distinct["terms"]), Ragged.of(distinct["term_weights"]).values)
    index = story.index(story.of_clusters(texts, of_texts, n), first, settings.story_hours)
    unlike = _packed(of_texts[forms["left"].to_numpy()], of_texts[forms["right"].to_numpy()])

    def alike(part: slice) -> story.Pairs:
        found = story.pairs(index, part)
        kept = ~np.isin(_packed(found.left, found.right), unlike)
        return story.Pairs(*(column[kept] for column in found))

    found = list(in_order(alike, spans(n, ARTICLES), settings.threads))
    joined = story.join(found, first, settings.story_hours, settings.story_floor)
    order = np.lexsort((np.arange(n), first, joined))  # NaN sorts last
    _, starts = np.unique(joined[order], return_index=True)
    named = np.empty(n, np.int64)
    named[joined[order[starts]]] = by_cluster[order[starts]]
    return named[joined][clusters]


def _packed(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return candidates.pack(np.minimum(left, right), np.maximum(left, right))


def _tokens(texts: pa.LargeStringArray) -> Ragged:
    found = tokenise(texts, whole(texts))
    return Ragged(found.hashes, found.offsets)
