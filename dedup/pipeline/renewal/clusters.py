"""Clusters, made anew where anything in them may have changed.

Law: a component of verified pairs is cut by itself, so where nothing changed clusters are as they
were.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline import evidence
from dedup.pipeline.group import Groups, cluster_pieces, clustered, pair_pieces
from dedup.pipeline.renewal.furniture import order
from dedup.pipeline.renewal.matches import given
from dedup.pipeline.renewal.memory import Memory
from dedup.schemas import CLUSTERS, MATCHED, PAIRS, SCORED, SUMMARY
from dedup.settings import Settings
from dedup.stages import cluster, verify


def recluster(memory: Memory, changed: np.ndarray, settings: Settings) -> dict[str, pa.Table]:
    """Tables of the components that hold a changed text; a cluster has the id of its lead.

    Parameters
    ----------
    memory : Memory
    changed : ndarray of bool, by number
        Texts that came, went, or have other pairs than before.
    settings : Settings
    """
    scored, texts = memory.tables["scored"], memory.tables["texts"]
    ends = scored["left"].to_numpy(), scored["right"].to_numpy()
    labels = cluster.components(texts.num_rows, *ends)
    placed = order(texts, texts.num_rows)
    inside = placed.alive & np.isin(labels, labels[changed])
    numbers = np.flatnonzero(inside)
    numbers = numbers[np.argsort(placed.ranks[numbers])]
    local = np.full(texts.num_rows, -1)
    local[numbers] = np.arange(len(numbers))
    articles = memory.tables["articles"]
    articles = articles.filter(pa.array(inside[articles["text"].to_numpy()]))
    articles = articles.sort_by("article_id")
    distinct = pa.array(local[articles["text"].to_numpy()])
    matched = articles.append_column(MATCHED.field("distinct"), distinct).select(MATCHED.names)
    pairs = scored.filter(pa.array(inside[ends[0]]))
    for at, end in enumerate(("left", "right")):
        places = pa.array(local[pairs[end].to_numpy()])
        pairs = pairs.set_column(at, SCORED.field(end), places)
    counts = _counts(memory, numbers)
    texts_given = given(memory, numbers, settings)

    def score(left: np.ndarray, right: np.ndarray) -> verify.Scores:
        return evidence.scored(texts_given, left, right, settings)

    leads, verified = clustered(matched, counts, pairs, score, settings)
    groups = Groups(leads, leads)
    pieces = list(cluster_pieces(matched, counts, groups, verified, score, settings))
    return {
        "clusters": pa.concat_tables([CLUSTERS.empty_table(), *(each for each, _ in pieces)]),
        "summary": pa.concat_tables([SUMMARY.empty_table(), *(each for _, each in pieces)]),
        "pairs": pa.concat_tables(
            [PAIRS.empty_table(), *pair_pieces(matched, counts, leads, verified, settings)]
        ),
    }


def _counts(memory: Memory, texts: np.ndarray) -> pa.Table:
    """Shingles that count in each text, and those that do not."""
    editions = memory.texts("edition")[texts]
    names = ("shingles_counted", "template_shingles")
    return pa.table({name: memory.values("editions", name)[editions] for name in names})


def named(tables: dict[str, pa.Table], ids: pa.Table) -> dict[str, pa.Table]:
    """The tables with each cluster under its own id.

    Parameters
    ----------
    tables : dict of str to Table
        Where a cluster has the id of its lead.
    ids : pa.Table
        Columns ``lead_id`` and ``cluster_id``.
    """
    result = {}
    for name, table in tables.items():
        at = pc.index_in(table["cluster_id"], value_set=ids["lead_id"].combine_chunks())
        place = table.schema.get_field_index("cluster_id")
        column = ids["cluster_id"].combine_chunks().take(at.combine_chunks())
        result[name] = table.set_column(place, table.schema.field(place), column)
    return result
