"""Stories over clusters.

Law: a story holds whole clusters, so it is told from them and never changes them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dedup.numbering import among, number
from dedup.pipeline.evidence import first_hours
from dedup.pipeline.language import Terms
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import candidates, story
from dedup.threads import ARTICLES, in_order, spans


def profiles(given: Terms) -> story.Profiles:
    """Profiles of texts, by how rare their words are among them."""
    numbers, _ = number(given.words.values)
    frequencies = np.empty(numbers.max(initial=-1) + 1)
    frequencies[numbers] = given.frequencies
    weights = story.weigh(numbers, given.counts, frequencies, len(given.words.lengths))
    return story.profiles(given.words, weights)


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
    texts = profiles(
        Terms(
            Ragged.of(distinct["terms"]),
            Ragged.of(distinct["term_counts"]).values,
            Ragged.of(distinct["term_frequencies"]).values,
        )
    )
    index = story.index(story.of_clusters(texts, of_texts, n), first, settings.story_hours)
    unlike = np.sort(
        packed(of_texts[forms["left"].to_numpy()], of_texts[forms["right"].to_numpy()])
    )

    def alike(part: slice) -> story.Pairs:
        found = story.pairs(index, part)
        kept = ~among(packed(found.left, found.right), unlike)
        return story.Pairs(*(column[kept] for column in found))

    found = list(in_order(alike, spans(n, ARTICLES), settings.threads))
    nothing = np.full(n, -1)
    joined = story.join(found, first, settings.story_hours, settings.story_floor, nothing)
    order = np.lexsort((np.arange(n), first, joined))  # NaN sorts last
    _, starts = np.unique(joined[order], return_index=True)
    named = np.empty(n, np.int64)
    named[joined[order[starts]]] = by_cluster[order[starts]]
    return named[joined][clusters]


def packed(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return candidates.pack(np.minimum(left, right), np.maximum(left, right))
