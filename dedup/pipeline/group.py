"""Seventh verb: verified pairs to clusters, leads and the tables of the run.

Law: within a component every pair is scored before it is cut, so what candidate search missed there
is made good, and every member's scores to its lead are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.numbering import among, counted, firsts, inverse, rising
from dedup.pipeline import evidence, stories
from dedup.pipeline.bodies import Bodies
from dedup.pipeline.match import first_articles
from dedup.schemas import CLUSTERS, PAIRS, RELATIONS, SCORED, SCORES, SKETCHED, SUMMARY
from dedup.settings import Settings
from dedup.stages import candidates, cluster, verify
from dedup.threads import in_order, spans, together
from dedup.workspace import Workspace

Score = Callable[[np.ndarray, np.ndarray], verify.Scores]
"""Scores of pairs of distinct texts, by number."""

_ROWS = 65_536
"""Rows of a table that are put together at a time, about."""

_RELATIONS = pa.array(RELATIONS)


class Pairs(NamedTuple):
    """Scored pairs of distinct texts, by number; rising, the left one smaller."""

    left: np.ndarray
    right: np.ndarray
    scores: verify.Scores


class Groups(NamedTuple):
    """Groups that articles are in, each by the position of the article that it is named after."""

    leads: np.ndarray
    stories: np.ndarray


def group(settings: Settings, work: Workspace) -> dict[str, Any]:
    """Cut the pairs into clusters; the run's tables lie in the workspace after.

    Returns
    -------
    dict
        Counts: ``clusters`` of two or more, articles in them (``clustered``), ``singles``,
        ``pairs`` by relation.
    """
    articles, counts = work.read("matched"), _counts(work)
    score = _remembered(work, Bodies(work, settings).score)
    scored = work.read_all("scored-", SCORED)
    leads, pairs = clustered(articles, counts, scored, score, settings)
    work.release()

    def in_clusters() -> None:
        groups = Groups(leads, stories.stories(articles, leads, settings, work))
        _write_clusters(work, cluster_pieces(articles, counts, groups, pairs, score, settings))

    def in_pairs() -> Counter[str]:
        return _write_pairs(work, pair_pieces(articles, counts, leads, pairs, settings))

    _, relations = together(settings.threads, in_clusters, in_pairs)
    sizes = np.bincount(leads, minlength=len(leads))
    return {
        "clusters": int((sizes > 1).sum()),
        "clustered": int(sizes[sizes > 1].sum()),
        "singles": int((sizes == 1).sum()),
        "pairs": relations.total(),
        "pairs_by_relation": dict(sorted(relations.items())),
    }


def _write_clusters(work: Workspace, pieces: Iterator[tuple[pa.Table, pa.Table]]) -> None:
    summaries = [SUMMARY.empty_table()]

    def rows() -> Iterator[pa.RecordBatch]:
        for piece, summary in pieces:
            summaries.append(summary)
            yield from piece.to_batches()

    work.write("out-clusters", CLUSTERS, rows())
    work.write_table("out-summary", pa.concat_tables(summaries))


def _write_pairs(work: Workspace, pieces: Iterator[pa.Table]) -> Counter[str]:
    """How many pairs there are of each relation."""
    relations: Counter[str] = Counter()

    def rows() -> Iterator[pa.RecordBatch]:
        for piece in pieces:
            for entry in pc.value_counts(piece["relation"]).to_pylist():
                relations[entry["values"]] += entry["counts"]
            yield from piece.to_batches()

    work.write("out-pairs", PAIRS, rows())
    return relations


def _counts(work: Workspace) -> pa.Table:
    """Shingles of each text that count, and those that do not."""
    names = ["shingles_counted", "template_shingles"]
    sketched = work.read_all("sketched-", SKETCHED).select(["text", *names]).combine_chunks()
    return sketched.select(names).take(pa.array(inverse(sketched["text"].to_numpy())))


def _remembered(work: Workspace, score: Score) -> Score:
    """Scores that were written down, and of the other pairs those found now."""
    table = work.read_all("scores-", SCORES)
    keys, *columns = (table[name].to_numpy() for name in SCORES.names)
    return _either(Pairs(*candidates.ends(keys), verify.Scores(*columns)), score)


def _either(known: Pairs, score: Score) -> Score:
    """Scores of known pairs, with their ends in either order, and of others as `score` has them."""
    every = candidates.pack(known.left, known.right)

    def scores(left: np.ndarray, right: np.ndarray) -> verify.Scores:
        keys = candidates.pack(np.minimum(left, right), np.maximum(left, right))
        mask = among(keys, every)
        at = np.searchsorted(every, keys[mask])
        told = verify.Scores(*(column[at] for column in known.scores))
        told = verify.turned(told, left[mask] > right[mask])
        columns = [np.empty(len(keys), column.dtype) for column in told]
        for column, old, new in zip(columns, told, score(left[~mask], right[~mask]), strict=True):
            column[mask], column[~mask] = old, new
        return verify.Scores(*columns)

    return scores


def clustered(
    articles: pa.Table, counts: pa.Table, scored: pa.Table, score: Score, settings: Settings
) -> tuple[np.ndarray, Pairs]:
    """Lead of each article's cluster, by position, and all scored pairs of texts.

    Parameters
    ----------
    articles : pa.Table
        As `schemas.MATCHED`, in the order of their ids.
    counts : pa.Table
        ``shingles_counted`` of each distinct text.
    scored : pa.Table
        Their pairs, as `schemas.SCORED`.
    score : Score
    settings : Settings
    """
    labels, pairs = _clusters(counts.num_rows, scored, score, settings)
    numbers = articles["distinct"].to_numpy()
    full = _fullness(labels, numbers, pairs), counts["shingles_counted"].to_numpy()
    return _leads(articles, labels[numbers], full, settings), pairs


def _clusters(
    n: int, scored: pa.Table, score: Score, settings: Settings
) -> tuple[np.ndarray, Pairs]:
    """Cluster of each distinct text (its smallest member's number), and all scored pairs."""
    limit = settings.component_limit
    left, right = scored["left"].to_numpy(), scored["right"].to_numpy()
    similarity = scored["similarity"].to_numpy()
    close = similarity >= np.float32(settings.version_floor)
    whole = cluster.components(n, left, right)
    stand_ins = cluster.stars(whole, left[close], right[close], limit)
    parts = cluster.components_within(n, stand_ins[left], stand_ins[right], similarity, limit)
    inside = np.sort(candidates.pack(*cluster.pairs_within(parts, limit)))
    keys = rising(np.concatenate([inside, candidates.pack(left, right)]))
    left, right = candidates.ends(keys)
    pairs = Pairs(left, right, score(left, right))
    within = among(keys, inside)
    similarity, floor = pairs.scores.similarity, settings.similarity_floor
    coherent = cluster.cut(
        parts,
        pairs.left[within],
        pairs.right[within],
        similarity[within],
        settings.representation.cohesion * floor,
    )
    kept = similarity >= np.float32(floor)
    connected = cluster.components(n, pairs.left[kept], pairs.right[kept])
    return cluster.common(coherent[stand_ins], connected), pairs


def _fullness(labels: np.ndarray, numbers: np.ndarray, pairs: Pairs) -> np.ndarray:
    """How much of its cluster each distinct text contains: float64, shape (n_distinct,).

    The containments of all other members in it, summed.
    """
    copies = np.bincount(numbers, minlength=len(labels))
    together = labels[pairs.left] == labels[pairs.right]
    left, right = pairs.left[together], pairs.right[together]
    fullness = copies - 1.0
    np.add.at(fullness, right, pairs.scores.containment_left[together] * copies[left])
    np.add.at(fullness, left, pairs.scores.containment_right[together] * copies[right])
    return fullness


def _leads(
    articles: pa.Table,
    clusters: np.ndarray,
    full: tuple[np.ndarray, np.ndarray],
    settings: Settings,
) -> np.ndarray:
    """Lead of each article's cluster, by position: the fullest of the early versions.

    `full` is the fullness of each distinct text, and its length, which decides between equals.
    """
    numbers = articles["distinct"].to_numpy()
    published = evidence.published_or_never(articles["published_at"])
    first = np.full(clusters.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, clusters, published)
    window = int(settings.lead_minutes * 60_000_000)
    # Where no member is dated, all of them are early.
    late = published - window > first[clusters]
    leads = np.empty(len(first), np.int64)
    leads[clusters] = np.arange(len(clusters))
    order = np.flatnonzero(np.bincount(clusters)[clusters] > 1)
    fullness, lengths = (-measure[numbers[order]] for measure in full)
    # Of equal ones the first stays the first.
    order = order[np.lexsort((lengths, fullness, late[order], clusters[order]))]
    order = order[firsts(clusters[order])]
    leads[clusters[order]] = order
    return leads[clusters]


class _ToLead(NamedTuple):
    """Scores of distinct texts to the text of their lead.

    Attributes
    ----------
    scores : verify.Scores
        Of those texts that have another one for a lead.
    places : ndarray of int64, shape (n_texts,)
        Where each is in them, -1 where it is not.
    """

    scores: verify.Scores
    places: np.ndarray

    def column(self, values: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Values of the texts; 1 where the text is the lead's own."""
        return np.append(values, np.float32(1))[self.places[texts]]


def _to_lead(numbers: np.ndarray, leads: np.ndarray, score: Score) -> _ToLead:
    n = numbers.max(initial=-1) + 1
    lead_text = np.arange(n)
    lead_text[numbers] = numbers[leads]
    followers = np.flatnonzero(lead_text != np.arange(n))
    places = np.full(n, -1)
    places[followers] = np.arange(len(followers))
    return _ToLead(score(followers, lead_text[followers]), places)


def cluster_pieces(
    articles: pa.Table,
    counts: pa.Table,
    groups: Groups,
    pairs: Pairs,
    score: Score,
    settings: Settings,
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The tables ``clusters`` and ``summary``, some whole clusters at a time.

    A cluster has the id of its lead; clusters rise by id, members too, after the lead.
    """
    leads, numbers = groups.leads, articles["distinct"].to_numpy()
    to_lead = _to_lead(numbers, leads, _either(pairs, score))
    sizes, members = np.bincount(leads, minlength=len(leads)), np.arange(len(leads))
    # By cluster, its lead, which counts as 0, and the others.
    keys = np.sort(candidates.pack(leads, np.where(leads == members, 0, 1 + members)))
    clusters, followers = candidates.ends(keys)
    order = np.where(followers == 0, clusters, followers - 1)
    starts = np.flatnonzero(followers == 0)
    cuts = starts[np.searchsorted(starts, np.arange(0, len(order), _ROWS))[1:] - 1]

    def of(rows: np.ndarray) -> tuple[pa.Table, pa.Table]:
        piece = _cluster_piece(rows, articles, counts, groups, sizes, to_lead, settings)
        return piece, _summary_table(piece)

    parts = np.split(order, np.unique(cuts[cuts > 0])) if len(order) else []
    return in_order(of, parts, settings.threads)


def _cluster_piece(
    rows: np.ndarray,
    articles: pa.Table,
    counts: pa.Table,
    groups: Groups,
    sizes: np.ndarray,
    to_lead: _ToLead,
    settings: Settings,
) -> pa.Table:
    mine, leads = articles.take(pa.array(rows)), groups.leads[rows]
    texts, is_lead, ids = mine["distinct"].to_numpy(), leads == rows, articles["article_id"]
    size, scores, places = sizes[leads], to_lead.scores, to_lead.places[texts]
    theirs = verify.Scores(*(column[places[places >= 0]] for column in scores))
    relation = np.full(len(rows), verify.PLACES["identical"])
    relation[places >= 0] = verify.relations(theirs, settings.similarity_floor)
    relation[is_lead] = np.where(size[is_lead] > 1, verify.PLACES["lead"], verify.PLACES["single"])
    lead_ids = ids.take(pa.array(leads))
    counted = counts.take(pa.array(texts))
    columns = {
        "article_id": mine["article_id"],
        "cluster_id": lead_ids,
        "story_id": ids.take(pa.array(groups.stories[rows])),
        "cluster_size": size.astype(np.int32),
        "is_lead": is_lead,
        "lead_id": lead_ids,
        "relation": _RELATIONS.take(pa.array(relation)),
        "jaccard": to_lead.column(scores.jaccard, texts),
        "containment": to_lead.column(scores.containment_left, texts),
        "lead_containment": to_lead.column(scores.containment_right, texts),
        "shingles": counted["shingles_counted"],
        "template_shingles": counted["template_shingles"],
        **{name: mine[name] for name in ("agency", "source", "published_at", "title")},
    }
    return pa.table({name: columns[name] for name in CLUSTERS.names}).cast(CLUSTERS)


def pair_pieces(
    articles: pa.Table, counts: pa.Table, leads: np.ndarray, pairs: Pairs, settings: Settings
) -> Iterator[pa.Table]:
    """The table ``pairs``, some rows at a time: those that reach the floor, rising by their ids.

    Identical texts stand for one another through the first of them. So a hundred thousand copies of
    one flash make as many rows, not their square.
    """
    numbers, first = articles["distinct"].to_numpy(), first_articles(articles["distinct"])
    again = np.flatnonzero(first[numbers] != np.arange(len(numbers)))
    kept = np.flatnonzero(pairs.scores.similarity >= np.float32(settings.similarity_floor))
    # Texts follow the time of publication, articles their ids. A pair of equal texts has no scores.
    ends = np.sort([first[pairs.left[kept]], first[pairs.right[kept]]], axis=0)
    left = np.concatenate([ends[0], first[numbers[again]]])
    right = np.concatenate([ends[1], again])
    of_pair = np.concatenate([kept, np.full(len(again), -1)])
    order = np.argsort(candidates.pack(left, right))

    def of(part: slice) -> pa.Table:
        rows = order[part]
        these = left[rows], right[rows]
        return _pair_piece(these, of_pair[rows], articles, counts, leads, pairs, settings)

    return in_order(of, spans(len(order), _ROWS), settings.threads)


def _pair_piece(
    ends: tuple[np.ndarray, np.ndarray],
    of_pair: np.ndarray,
    articles: pa.Table,
    counts: pa.Table,
    leads: np.ndarray,
    pairs: Pairs,
    settings: Settings,
) -> pa.Table:
    (left, right), equal = ends, of_pair < 0
    numbers = articles["distinct"].to_numpy()
    # Where texts are equal, whatever stands here is replaced by 1.
    at = np.where(equal, 0, of_pair)
    scores = verify.Scores(
        *(np.append(column, column.dtype.type(1))[at] for column in pairs.scores)
    )
    turned = np.append(pairs.left, -1)[at] != numbers[left]
    scores = verify.turned(scores, turned)
    relation = verify.relations(scores, settings.similarity_floor)
    relation[equal] = verify.PLACES["identical"]
    similarity, jaccard, in_right, in_left, held, cosine, agreement = (
        np.where(equal, np.float32(1), column)
        for column in (
            scores.similarity,
            scores.jaccard,
            scores.containment_left,
            scores.containment_right,
            scores.held,
            scores.cosine,
            scores.agreement,
        )
    )
    shingles = counts["shingles_counted"].to_numpy()[numbers[right]]
    ids, times = articles["article_id"], articles["published_at"]
    cluster_ids = ids.take(pa.array(leads[left], mask=leads[left] != leads[right]))
    columns = {
        "left_id": ids.take(pa.array(left)),
        "right_id": ids.take(pa.array(right)),
        "cluster_id": cluster_ids,
        "relation": _RELATIONS.take(pa.array(relation)),
        "similarity": similarity,
        "score": verify.probability(similarity),
        "jaccard": jaccard,
        "containment_left": in_right,
        "containment_right": in_left,
        "held": held,
        "cosine": cosine,
        "agreement": agreement,
        "shared_shingles": np.where(equal, shingles, scores.shared),
        "hours_apart": _hours_apart(times.take(pa.array(left)), times.take(pa.array(right))),
    }
    return pa.table({name: columns[name] for name in PAIRS.names}).cast(PAIRS)


def _hours_apart(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    microseconds = pc.abs(pc.subtract(left.cast(pa.int64()), right.cast(pa.int64())))
    return pc.divide(microseconds.cast(pa.float64()), 3.6e9)


def _summary_table(clusters: pa.Table) -> pa.Table:
    """Summary of whole clusters, one after the other, each with its lead first."""
    members = np.flatnonzero(clusters["cluster_size"].to_numpy() > 1)
    is_lead = clusters["is_lead"].to_numpy()[members]
    starts, owners = np.flatnonzero(is_lead), np.cumsum(is_lead) - 1
    leads = clusters.take(pa.array(members[starts]))
    names = ["source", "published_at", "agency"]
    sources, times, agencies = clusters.select(names).take(pa.array(members)).columns
    followers, jaccard = ~is_lead, clusters["jaccard"].to_numpy()[members]
    sums = np.bincount(owners[followers], jaccard[followers], len(starts))
    columns = {
        "cluster_id": leads["cluster_id"],
        "story_id": leads["story_id"],
        "size": leads["cluster_size"],
        "sources": np.bincount(_named(owners, sources)[0], minlength=len(starts)),
        "lead_id": leads["lead_id"],
        "lead_title": leads["title"],
        "lead_source": leads["source"],
        "first_published_at": _of_each(np.minimum, times, starts, np.iinfo(np.int64).max),
        "last_published_at": _of_each(np.maximum, times, starts, np.iinfo(np.int64).min),
        # The lead's own is 1.
        "min_jaccard": np.minimum.reduceat(jaccard, starts),
        "mean_jaccard": sums / (leads["cluster_size"].to_numpy() - 1),
        "agency": _agencies(owners, agencies, len(starts)),
    }
    return pa.table({name: columns[name] for name in SUMMARY.names}).cast(SUMMARY)


def _of_each(
    function: np.ufunc, times: pa.ChunkedArray, starts: np.ndarray, never: int
) -> pa.Array:
    """Earliest or latest time of each cluster; null where none is known."""
    known = times.cast(pa.int64()).fill_null(never).to_numpy()
    found = function.reduceat(known, starts)
    return pa.array(found, mask=found == never).cast(times.type)


def _named(owners: np.ndarray, names: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """Each cluster with each name that its members have.

    Returns
    -------
    tuple
        Clusters, rising; how many members of each have the name; and the name.
    """
    encoded = names.combine_chunks().dictionary_encode()
    known = np.flatnonzero(encoded.is_valid().to_numpy(zero_copy_only=False))
    codes = encoded.indices.take(pa.array(known)).to_numpy()
    clusters, counts = counted(candidates.pack(owners[known], codes))
    of_cluster, code = candidates.ends(clusters)
    return of_cluster, counts, encoded.dictionary.take(pa.array(code))


def _agencies(owners: np.ndarray, agencies: pa.ChunkedArray, n: int) -> pa.Array:
    """Agency credited most often in each of `n` clusters, the first by name of several."""
    clusters, counts, names = _named(owners, agencies)
    ranks = pc.rank(names, tiebreaker="dense").to_numpy()
    order = np.lexsort((ranks, -counts, clusters))
    best = order[firsts(clusters[order])]
    places = np.full(n, -1)
    places[clusters[best]] = best
    return names.take(pa.array(places, mask=places < 0))
