"""Stories over clusters.

Law: a story holds whole clusters, so it is told from them and never changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.numbering import among, inverse
from dedup.pipeline import language
from dedup.pipeline.evidence import first_hours
from dedup.pipeline.language import Terms
from dedup.ragged import Stored
from dedup.schemas import FORMS, SKETCHED, TERMS
from dedup.settings import Settings
from dedup.stages import candidates, linkage, shingle, story
from dedup.threads import ARTICLES, in_order, spans
from dedup.workspace import Workspace


class Clusters(NamedTuple):
    """Some clusters that follow one another in the order of publication.

    Attributes
    ----------
    terms : Terms
        What their texts are about, those of one cluster together.
    bounds : ndarray of int64, shape (n_clusters + 1,)
        First text of each cluster, and the end.
    """

    terms: Terms
    bounds: np.ndarray


def told(
    clusters: Iterable[Clusters],
    known: story.Vocabulary,
    hours: np.ndarray,
    unlike: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """First cluster of each one's story, by place: int32, shape (n_clusters,).

    Parameters
    ----------
    clusters : iterable of Clusters
    known : story.Vocabulary
    hours : ndarray of float64, shape (n_clusters,)
        First publication of each cluster, in hours; rising, NaN where unknown, these last.
    unlike : ndarray of uint64
        Pairs of places, packed and rising, of clusters that are no reports of one event.
    settings : Settings
    """
    far = story.reach(hours, settings.story_hours)

    def found() -> Iterator[linkage.Found]:
        for place, pairs in alike(clusters, known, far, 0, settings):
            kept = ~among(candidates.pack(pairs.left, pairs.right), unlike)
            left, right, cosine = (column[kept] for column in pairs)
            yield linkage.Found(left, right, cosine, far.of_all_from(place))

    limits = linkage.Limits(hours, settings.story_hours, settings.story_floor)
    return linkage.join(found(), limits, np.broadcast_to(-1, len(hours)))


def alike(
    clusters: Iterable[Clusters],
    known: story.Vocabulary,
    far: story.Reach,
    start: int,
    settings: Settings,
) -> Iterator[tuple[int, story.Pairs]]:
    """Pairs of the clusters at places from `start` on; and the place up to which all are told."""

    def profiled(piece: Clusters) -> story.Profiles:
        return story.profiles(*piece.terms, piece.bounds, known)

    def blocks() -> Iterator[tuple[story.Index, slice]]:
        pieces = in_order(profiled, clusters, settings.threads)
        for index in story.indices(pieces, len(known.rarity), far, story.SLICE):
            first = max(start, index.start)
            for part in spans(index.stop - first, ARTICLES):
                yield index, slice(first + part.start, first + part.stop)
            del index  # before the next is made

    def of_block(block: tuple[story.Index, slice]) -> tuple[int, story.Pairs]:
        return block[1].stop, story.pairs(block[0], far, block[1])

    return in_order(of_block, blocks(), settings.threads)


def vocabulary(terms: Terms) -> story.Vocabulary:
    """Vocabulary of texts that are all in memory."""
    hashes, found = np.unique(terms.words.values, return_counts=True)
    return _vocabulary(hashes[found > 1], found[found > 1], len(terms.words.lengths))


def _vocabulary(words: np.ndarray, found: np.ndarray, texts: int) -> story.Vocabulary:
    shares = language.frequencies(words).astype(np.float32)
    return story.vocabulary(words, found.astype(np.uint32), shares, texts)


def stories(
    articles: pa.Table, leads: np.ndarray, settings: Settings, work: Workspace
) -> np.ndarray:
    """Lead of the first cluster of each article's story, by position: int64, shape (n_articles,).

    First is the cluster published first; of several, and where no time is known, the one whose lead
    has the smallest id. Clusters with texts that fill in one form count as unlike.
    """
    is_lead = leads == np.arange(len(leads))
    by_cluster = np.flatnonzero(is_lead)  # positions follow the ids
    clusters = (np.cumsum(is_lead) - 1)[leads]
    hours = first_hours(articles["published_at"], clusters)
    order = np.argsort(hours, kind="stable")  # NaN sorts last
    places = inverse(order)
    forms = work.read_all("forms-", FORMS)
    of_texts = np.zeros(work.read("texts").num_rows, np.int64)
    of_texts[articles["distinct"].to_numpy()] = places[clusters]  # identical texts share a cluster
    left, right = (of_texts[forms[end].to_numpy()] for end in ("left", "right"))
    unlike = np.sort(candidates.pack(np.minimum(left, right), np.maximum(left, right)))
    inputs = _in_order(work, of_texts, settings)
    first = told(inputs, _kept_vocabulary(work), hours[order], unlike, settings)
    return by_cluster[order[first]][places[clusters]]


def _kept_vocabulary(work: Workspace) -> story.Vocabulary:
    """Vocabulary of all texts, as it was collected."""
    table, texts = work.read("vocabulary"), work.read("texts").num_rows
    return _vocabulary(table["word"].to_numpy(), table["texts"].to_numpy(), texts)


def _in_order(work: Workspace, places: np.ndarray, settings: Settings) -> Iterator[Clusters]:
    """Clusters of the texts at the given places, some at a time."""
    texts, terms = work.read_all("sketched-", SKETCHED)["text"], work.read_all("heaviest-", TERMS)
    rows = inverse(texts.to_numpy())[np.argsort(places, kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(places))])
    columns = [Stored(terms[name]) for name in TERMS.names]

    def of(part: slice) -> Clusters:
        bounds = starts[part.start : part.stop + 1]
        mine = rows[bounds[0] : bounds[-1]]
        words, counts, shares = (each.gather(mine) for each in columns)
        words = words.map(shingle.unpacked)
        return Clusters(Terms(words, counts.values, shares.values), bounds - bounds[0])

    for clusters in in_order(of, spans(len(starts) - 1, ARTICLES), settings.threads):
        work.release()
        yield clusters
