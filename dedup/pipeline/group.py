"""Third verb: verified pairs to clusters, leads and the tables of the run.

Law: within a component every pair is scored before it is cut, so what candidate search missed there
is made good, and every member's scores to its lead are exact.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.numbering import among, rising
from dedup.pipeline import evidence, stories
from dedup.schemas import CLUSTERS, PAIRS, SUMMARY, table_name
from dedup.settings import Settings
from dedup.stages import candidates, cluster, verify
from dedup.threads import together
from dedup.workspace import Workspace


class Pairs(NamedTuple):
    """Scored pairs of distinct texts, by number."""

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
    started = time.perf_counter()
    articles, distinct = work.read("matched"), work.read("distinct")
    given = evidence.from_table(distinct, settings)
    leads, pairs = clustered(articles, given, work.read("scored"), settings)
    told = stories.stories(articles, distinct, work.read("forms"), leads, settings)
    tables = tabled(articles, distinct, Groups(leads, told), given, pairs, settings)
    for name, table in tables.items():
        work.write_table(f"out-{name}", table)
    clusters = tables["clusters"]
    sizes = clusters["cluster_size"].to_numpy()
    relations = pc.value_counts(tables["pairs"]["relation"]).to_pylist()
    return work.note(
        "grouped",
        {
            "clusters": tables["summary"].num_rows,
            "clustered": int((sizes > 1).sum()),
            "singles": int((sizes == 1).sum()),
            "pairs": tables["pairs"].num_rows,
            "pairs_by_relation": {
                entry["values"]: entry["counts"]
                for entry in sorted(relations, key=lambda entry: str(entry["values"]))
            },
            "seconds": round(time.perf_counter() - started, 3),
        },
    )


def clustered(
    articles: pa.Table, given: verify.Evidence, scored: pa.Table, settings: Settings
) -> tuple[np.ndarray, Pairs]:
    """Lead of each article's cluster, by position, and all scored pairs of texts.

    Parameters
    ----------
    articles : pa.Table
        As `schemas.MATCHED`, in the order of their ids.
    given : verify.Evidence
        Of the distinct texts.
    scored : pa.Table
        Their pairs, as `schemas.SCORED`.
    settings : Settings
    """
    labels, pairs = _clusters(given, scored, settings)
    numbers = articles["distinct"].to_numpy()
    fullness = _fullness(labels, numbers, pairs)
    return _leads(articles, labels[numbers], (fullness, given.shingles.lengths), settings), pairs


def tabled(
    articles: pa.Table,
    distinct: pa.Table,
    groups: Groups,
    given: verify.Evidence,
    pairs: Pairs,
    settings: Settings,
) -> dict[str, pa.Table]:
    """The tables ``clusters``, ``pairs`` and ``summary``; a cluster has the id of its lead."""
    clusters, verified = together(
        settings.threads,
        lambda: _cluster_table(articles, distinct, groups, given, settings),
        lambda: _pair_table(articles, distinct, groups.leads, pairs, settings),
    )
    tables = {CLUSTERS: clusters, PAIRS: verified, SUMMARY: _summary_table(clusters)}
    return {table_name(schema): table for schema, table in tables.items()}


def _clusters(
    given: verify.Evidence, scored: pa.Table, settings: Settings
) -> tuple[np.ndarray, Pairs]:
    """Cluster of each distinct text (its smallest member's number), and all scored pairs."""
    n, limit = len(given.shingles.offsets) - 1, settings.component_limit
    left, right = scored["left"].to_numpy(), scored["right"].to_numpy()
    similarity = scored["similarity"].to_numpy()
    close = similarity >= np.float32(settings.version_floor)
    whole = cluster.components(n, left, right)
    stand_ins = cluster.stars(whole, left[close], right[close], limit)
    parts = cluster.components_within(n, stand_ins[left], stand_ins[right], similarity, limit)
    inside = np.sort(candidates.pack(*cluster.pairs_within(parts, limit)))
    keys = rising(np.concatenate([inside, candidates.pack(left, right)]))
    pairs = _score(given, *candidates.ends(keys), settings)
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


def _score(
    given: verify.Evidence, left: np.ndarray, right: np.ndarray, settings: Settings
) -> Pairs:
    scores = verify.score_all(given, left, right, settings.shared_floor, settings.threads)
    return Pairs(left, right, scores)


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
    positions = np.arange(len(clusters))
    fullness, lengths = (measure[numbers] for measure in full)
    order = np.lexsort((positions, -lengths, -fullness, late, clusters))
    _, starts = np.unique(clusters[order], return_index=True)
    leads = np.empty(len(first), np.int64)
    leads[clusters[order[starts]]] = order[starts]
    return leads[clusters]


def _cluster_table(
    articles: pa.Table,
    distinct: pa.Table,
    groups: Groups,
    given: verify.Evidence,
    settings: Settings,
) -> pa.Table:
    leads = groups.leads
    numbers = articles["distinct"].to_numpy()
    n = len(given.shingles.offsets) - 1
    lead_text = np.arange(n)
    lead_text[numbers] = numbers[leads]
    same = lead_text == np.arange(n)
    followers = np.flatnonzero(~same)
    scores = _score(given, followers, lead_text[followers], settings).scores
    sizes = np.bincount(leads, minlength=len(leads))[leads]
    is_lead = leads == np.arange(len(leads))
    ids = articles["article_id"]
    lead_ids = ids.take(pa.array(leads))

    def to_lead(values: np.ndarray) -> np.ndarray:
        everyone = np.ones(n, np.float32)
        everyone[followers] = values
        return everyone[numbers]

    relation = np.full(n, "identical", object)
    relation[followers] = verify.relations(scores, settings.similarity_floor)
    relation = relation[numbers]
    columns = {
        "article_id": ids,
        "cluster_id": lead_ids,
        "story_id": ids.take(pa.array(groups.stories)),
        "cluster_size": sizes.astype(np.int32),
        "is_lead": is_lead,
        "lead_id": lead_ids,
        "relation": np.where(is_lead, np.where(sizes > 1, "lead", "single"), relation),
        "jaccard": to_lead(scores.jaccard),
        "containment": to_lead(scores.containment_left),
        "lead_containment": to_lead(scores.containment_right),
        "shingles": distinct["shingles_counted"].to_numpy()[numbers],
        "template_shingles": distinct["template_shingles"].to_numpy()[numbers],
        **{name: articles[name] for name in ("agency", "source", "published_at", "title")},
    }
    table = pa.table({name: columns[name] for name in CLUSTERS.names}).cast(CLUSTERS)
    return table.sort_by(
        [("cluster_id", "ascending"), ("is_lead", "descending"), ("article_id", "ascending")]
    )


def _pair_table(
    articles: pa.Table, distinct: pa.Table, leads: np.ndarray, pairs: Pairs, settings: Settings
) -> pa.Table:
    """Pairs that reach the floor; identical texts stand for one another through the first of them.

    So a hundred thousand copies of one flash make as many rows, not their square.
    """
    numbers = articles["distinct"].to_numpy()
    _, first = np.unique(numbers, return_index=True)
    again = np.setdiff1d(np.arange(len(numbers)), first)
    shingles = distinct["shingles_counted"].to_numpy()[numbers]
    kept = pairs.scores.similarity >= np.float32(settings.similarity_floor)
    scores = verify.Scores(*(column[kept] for column in pairs.scores))
    # Texts follow the time of publication, articles their ids.
    ends = np.stack([first[pairs.left[kept]], first[pairs.right[kept]]])
    scores = verify.turned(scores, ends[0] > ends[1])
    left = np.concatenate([ends.min(axis=0), first[numbers[again]]])
    right = np.concatenate([ends.max(axis=0), again])
    ones = np.ones(len(again), np.float32)
    similarity = np.concatenate([scores.similarity, ones])
    ids, times = articles["article_id"], articles["published_at"]
    cluster_ids = ids.take(pa.array(leads[left]))
    together = leads[left] == leads[right]
    columns = {
        "left_id": ids.take(pa.array(left)),
        "right_id": ids.take(pa.array(right)),
        "cluster_id": pc.if_else(pa.array(together), cluster_ids, pa.scalar(None, pa.string())),
        "relation": np.concatenate(
            [
                verify.relations(scores, settings.similarity_floor),
                np.full(len(again), "identical", object),
            ]
        ),
        "similarity": similarity,
        "score": verify.probability(similarity),
        "jaccard": np.concatenate([scores.jaccard, ones]),
        "containment_left": np.concatenate([scores.containment_left, ones]),
        "containment_right": np.concatenate([scores.containment_right, ones]),
        "held": np.concatenate([scores.held, ones]),
        "cosine": np.concatenate([scores.cosine, ones]),
        "agreement": np.concatenate([scores.agreement, ones]),
        "shared_shingles": np.concatenate([scores.shared, shingles[again]]),
        "hours_apart": _hours_apart(times.take(pa.array(left)), times.take(pa.array(right))),
    }
    table = pa.table({name: columns[name] for name in PAIRS.names}).cast(PAIRS)
    return table.sort_by([("left_id", "ascending"), ("right_id", "ascending")])


def _hours_apart(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    microseconds = pc.abs(pc.subtract(left.cast(pa.int64()), right.cast(pa.int64())))
    return pc.divide(microseconds.cast(pa.float64()), 3.6e9)


def _summary_table(clusters: pa.Table) -> pa.Table:
    members = clusters.filter(pc.greater(clusters["cluster_size"], 1))
    # One thread, so that sums of floats come out the same every time.
    whole = members.group_by("cluster_id", use_threads=False).aggregate(
        [
            ("source", "count_distinct", pc.CountOptions("only_valid")),
            ("published_at", "min"),
            ("published_at", "max"),
        ]
    )
    followers = members.filter(pc.invert(members["is_lead"]))
    likeness = followers.group_by("cluster_id", use_threads=False).aggregate(
        [("jaccard", "min"), ("jaccard", "mean")]
    )
    leads = members.filter(members["is_lead"])
    joined = (
        leads.join(whole, "cluster_id", use_threads=False)
        .join(likeness, "cluster_id", use_threads=False)
        .join(_agencies(members), "cluster_id", use_threads=False)
        .sort_by("cluster_id")
    )
    names = {
        "size": "cluster_size",
        "sources": "source_count_distinct",
        "lead_title": "title",
        "lead_source": "source",
        "first_published_at": "published_at_min",
        "last_published_at": "published_at_max",
        "min_jaccard": "jaccard_min",
        "mean_jaccard": "jaccard_mean",
        "agency": "credited",
    }
    return pa.table({name: joined[names.get(name, name)] for name in SUMMARY.names}).cast(SUMMARY)


def _agencies(members: pa.Table) -> pa.Table:
    """Agency credited most often in each cluster, the first by name of several."""
    credited = members.filter(pc.is_valid(members["agency"]))
    counted = credited.group_by(["cluster_id", "agency"], use_threads=False).aggregate(
        [("agency", "count")]
    )
    counted = counted.sort_by(
        [("cluster_id", "ascending"), ("agency_count", "descending"), ("agency", "ascending")]
    )
    best = counted.group_by("cluster_id", use_threads=False).aggregate([("agency", "first")])
    return best.rename_columns({"agency_first": "credited"})
