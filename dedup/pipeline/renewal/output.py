"""What a run has to publish.

Law: every table after a run is what one run over everything would have published, but for the ids
of clusters, and for `candidates`, which are those that the run looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline.match import candidate_table, first_articles
from dedup.pipeline.renewal import Renewed
from dedup.pipeline.renewal.furniture import tabled
from dedup.pipeline.renewal.memory import Memory
from dedup.pipeline.renewal.parts import (
    Change,
    Published,
    appended,
    changed,
    day_names,
    relabelled,
)
from dedup.schemas import LINEAGE, REJECTS
from dedup.store import Parts

_BY_DAY = ("clusters", "pairs", "summary")

_GROWN = 1000
"""Clusters that are named as those that grew most."""


def parts_of(
    memory: Memory,
    renewed: Renewed,
    rejects: pa.Table,
    published: Published,
    missing: pa.Table,
    run_id: str,
) -> dict[str, Parts]:
    """Parts of every table that the run publishes.

    Parameters
    ----------
    memory : Memory
        Up to date.
    renewed : Renewed
    rejects : pa.Table
        Rows that were left out before they became articles.
    published : Published
        The run before.
    missing : pa.Table
        As of `parts.lost`.
    run_id : str
    """
    # A forgotten cluster may span any number of days.
    old = {
        table: published.kept(table).keys() if renewed.arrivals.returned else ()
        for table in _BY_DAY
    }
    clusters, pairs, summary = (renewed.tables[name] for name in ("clusters", "pairs", "summary"))
    articles, told = memory.tables["articles"], renewed.told
    told_ids = _column(told, "cluster_id")
    retold = articles.filter(pc.is_in(articles["cluster_id"], value_set=told_ids))
    gone = pa.concat_arrays(
        [
            _column(clusters, "article_id"),
            _column(renewed.arrivals.removed, "article_id"),
            _column(missing, "article_id"),
        ]
    )
    touched = {
        *day_names(clusters["published_at"]).tolist(),
        *day_names(renewed.arrivals.removed["published_at"]).tolist(),
    }
    former = renewed.before.filter(pc.is_in(renewed.before["article_id"], value_set=gone))
    old_ids = former["cluster_id"].combine_chunks().unique()
    began = renewed.began.filter(pc.is_in(renewed.began["cluster_id"], value_set=old_ids))
    firsts = (
        told["first"]
        .combine_chunks()
        .take(pc.index_in(_column(summary, "cluster_id"), value_set=told_ids))
    )
    by_summary = _hour_names(firsts)
    by_left = (
        articles["published_at"]
        .combine_chunks()
        .take(pc.index_in(_column(pairs, "left_id"), value_set=_column(articles, "article_id")))
    )
    changes = [
        Change(
            "clusters",
            ("article_id",),
            gone,
            clusters,
            day_names(clusters["published_at"]),
            {*old["clusters"], *touched, *day_names(retold["published_at"]).tolist()},
        ),
        Change(
            "pairs",
            ("left_id", "right_id"),
            gone,
            pairs,
            day_names(by_left),
            {*old["pairs"], *touched},
        ),
        Change(
            "summary",
            ("cluster_id",),
            pa.concat_arrays([old_ids, _column(summary, "cluster_id").unique()]),
            summary,
            by_summary,
            {
                *old["summary"],
                *_hour_names(began["first"]).tolist(),
                *_hour_names(told["first"]).tolist(),
            },
        ),
    ]
    by_id = articles.sort_by("article_id")
    looked_at = candidate_table(
        _column(by_id, "article_id"), first_articles(by_id["text"]), renewed.matched.found
    )
    down = _column(memory.tables["retracted"], "article_id")
    left_out = [rejects, renewed.arrivals.rejects, _left_out(missing, down)]
    rejected = appended(published, "rejects", pa.concat_tables(left_out))
    changes_of_ids = [renewed.identities.lineage, _ended(missing, down, run_id)]
    result = {change.table: changed(published, change, told, missing) for change in changes}
    return {
        **result,
        "rejects": relabelled(published, rejected, down),
        "lineage": appended(published, "lineage", pa.concat_tables(changes_of_ids)),
        "template": {"part-00000": tabled(memory)},
        "candidates": {"part-00000": pa.Table.from_batches([looked_at])},
    }


def grown(memory: Memory, renewed: Renewed) -> list[dict[str, Any]]:
    """The clusters that grew most: ``cluster_id, size, before, lead_title, lead_source``."""
    ids = (renewed.before["cluster_id"], memory.former["cluster_id"])
    had = pa.concat_arrays([each.combine_chunks() for each in ids]).value_counts()
    sizes = dict(zip(had.field(0).to_pylist(), had.field(1).to_pylist(), strict=True))
    names = ("cluster_id", "size", "lead_title", "lead_source")
    rows = [
        {**row, "before": sizes.get(row["cluster_id"], 0)}
        for row in renewed.tables["summary"].select(names).to_pylist()
    ]
    rows = [row for row in rows if row["size"] > row["before"]]
    rows.sort(key=lambda row: (row["before"] - row["size"], row["cluster_id"]))
    return rows[:_GROWN]


def _left_out(missing: pa.Table, down: pa.Array) -> pa.Table:
    """Rejects for published rows of forgotten articles that count no longer."""
    ids = _column(missing, "article_id")
    columns = {
        "row": pa.nulls(len(ids), pa.int64()),
        "article_id": ids,
        "reason": pc.if_else(pc.is_in(ids, value_set=down), "retracted", "superseded"),
        "detail": pa.array(["its file is forgotten"] * len(ids), pa.string()),
        "file": pa.array([""] * len(ids), pa.string()),
    }
    return pa.table(columns).cast(REJECTS)


def _ended(missing: pa.Table, down: pa.Array, run_id: str) -> pa.Table:
    """Lineage of forgotten articles that count no longer."""
    ids = _column(missing, "article_id")
    columns = {
        "cluster_id": _column(missing, "cluster_id"),
        "became": pa.nulls(len(ids), pa.string()),
        "run_id": pa.array([run_id] * len(ids), pa.string()),
        "reason": pc.if_else(pc.is_in(ids, value_set=down), "retraction", "correction"),
        "article_id": ids,
        "articles": pa.array([1] * len(ids), pa.int32()),
    }
    return pa.table(columns).cast(LINEAGE)


def _hour_names(hours: pa.Array) -> np.ndarray:
    """Name of the part of each day, of times in hours since 1970."""
    seconds = pc.cast(pc.multiply(pc.cast(hours, pa.float64()), 3600.0), pa.int64(), safe=False)
    return day_names(seconds.cast(pa.timestamp("s", tz="UTC")))


def _column(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()
