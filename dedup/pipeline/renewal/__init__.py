"""Incremental runs: what is new in an inbox joins the clusters it belongs to.

Law: for any split of the same files into runs, in any order, the groups are those of one run. So
nothing that decides depends on when an article came: of a word's rarity the language tells, of
template and pairs the texts within the window, of a story the days before it.

What a run makes is written aside, in the workspace and under ``OUT/state``, and counts from the
moment in which the run is published.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline.renewal.arrivals import Arrivals, arrive
from dedup.pipeline.renewal.clusters import named, recluster
from dedup.pipeline.renewal.furniture import renew_template, tabled, with_known
from dedup.pipeline.renewal.identity import Gone, Identities, identify
from dedup.pipeline.renewal.matches import Matched, renew_matches
from dedup.pipeline.renewal.memory import Memory
from dedup.pipeline.renewal.parts import (
    Change,
    Published,
    appended,
    changed,
    day_names,
    lost,
    places_of,
    relabelled,
)
from dedup.pipeline.renewal.stories import retell
from dedup.schemas import CANDIDATES, LINEAGE, REJECTS, REMEMBERED
from dedup.settings import Settings
from dedup.stages import candidates
from dedup.store import Parts

_GROWN = 1000
"""Clusters that are named as those that grew most."""


class Renewed(NamedTuple):
    """What a run changed.

    Attributes
    ----------
    arrivals : Arrivals
    matched : Matched
    tables : dict of str to Table
        Rows of ``clusters``, ``pairs`` and ``summary`` of the clusters that were made anew.
    identities : Identities
    told : pa.Table
        Clusters that are told in another story than before, or that were made anew: their stories,
        as `schemas.TOLD`.
    before : pa.Table
        Articles before the run, as `schemas.REMEMBERED`.
    began : pa.Table
        Clusters before the run, as `schemas.TOLD`.
    """

    arrivals: Arrivals
    matched: Matched
    tables: dict[str, pa.Table]
    identities: Identities
    told: pa.Table
    before: pa.Table
    began: pa.Table


def renew_memory(
    memory: Memory, signed: pa.Table, taken_down: pa.Array, run_id: str, settings: Settings
) -> Renewed:
    """Bring memory up to date with new articles.

    Parameters
    ----------
    memory : Memory
    signed : pa.Table
        As `arrivals.arrive` takes them.
    taken_down : Array of str
        Ids to retract.
    run_id : str
    settings : Settings
    """
    before = memory.tables["articles"], memory.tables["texts"], memory.tables["stories"]
    arrivals = arrive(memory, signed, taken_down, settings)
    templates = renew_template(memory, before[1], arrivals.moved, settings)
    templates = with_known(memory, templates, arrivals.carried)
    matched = renew_matches(memory, before[1], templates, settings)
    matched.texts[arrivals.texts] = True
    if len(taken_down):
        _erase(memory)
    tables = recluster(memory, matched.texts, settings)
    identities = _identified(memory, tables["clusters"], arrivals, run_id)
    ids = pa.table(
        {
            "lead_id": pa.array(list(identities.ids), pa.string()),
            "cluster_id": pa.array(list(identities.ids.values()), pa.string()),
        }
    )
    tables = named(tables, ids)
    _remember(memory, tables["clusters"], identities)

    leads = tables["clusters"].filter(tables["clusters"]["is_lead"])
    retold = retell(memory, before[1], arrivals.moved, leads, settings)
    return Renewed(
        arrivals, matched, tables, identities, _told(memory, retold, ids), before[0], before[2]
    )


def parts_of(
    memory: Memory,
    renewed: Renewed,
    rejects: pa.Table,
    published: Published,
    run_id: str,
    settings: Settings,
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
    run_id : str
    settings : Settings
    """
    returned = renewed.arrivals.returned
    missing = lost(published, returned)
    old = places_of(returned.values(), settings.window_days)
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
        *old,
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
            {*touched, *day_names(retold["published_at"]).tolist()},
        ),
        Change("pairs", ("left_id", "right_id"), gone, pairs, day_names(by_left), touched),
        Change(
            "summary",
            ("cluster_id",),
            pa.concat_arrays([old_ids, _column(summary, "cluster_id").unique()]),
            summary,
            by_summary,
            {*old, *_hour_names(began["first"]).tolist(), *_hour_names(told["first"]).tolist()},
        ),
    ]
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
        "candidates": {"part-00000": _candidates(memory, renewed.matched.found)},
    }


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


def _column(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()


def _hour_names(hours: pa.Array) -> np.ndarray:
    """Name of the part of each day, of times in hours since 1970."""
    seconds = pc.cast(pc.multiply(pc.cast(hours, pa.float64()), 3600.0), pa.int64(), safe=False)
    return day_names(seconds.cast(pa.timestamp("s", tz="UTC")))


def _identified(memory: Memory, clusters: pa.Table, arrivals: Arrivals, run_id: str) -> Identities:
    articles = memory.tables["articles"]
    anew = pc.is_in(articles["article_id"], value_set=_column(clusters, "article_id"))
    inside = articles.filter(anew)
    known = pc.is_valid(inside["cluster_id"])
    former = inside.filter(known)
    others = articles.filter(pc.invert(anew))["cluster_id"].combine_chunks().unique()
    names = clusters["article_id"].to_pylist(), clusters["lead_id"].to_pylist()
    olds = former["article_id"].to_pylist(), former["cluster_id"].to_pylist()
    lost = pc.is_in(memory.former["article_id"], value_set=_column(articles, "article_id"))
    gone = memory.former.filter(pc.invert(lost))
    removed = arrivals.removed.select(gone.schema.names)
    return identify(
        dict(zip(*names, strict=True)),
        dict(zip(*olds, strict=True)),
        Gone(
            pa.concat_tables([removed, gone]),
            np.append(arrivals.corrected, np.zeros(gone.num_rows, bool)),
        ),
        [*others.to_pylist(), *memory.tables["retired"]["cluster_id"].to_pylist()],
        run_id,
    )


def _remember(memory: Memory, clusters: pa.Table, identities: Identities) -> None:
    """Put the articles' clusters into memory, and the ids that are no longer."""
    articles = memory.tables["articles"]
    at = pc.index_in(articles["article_id"], value_set=_column(clusters, "article_id"))
    ids = _column(clusters, "cluster_id").take(at.combine_chunks())
    place = REMEMBERED.get_field_index("cluster_id")
    column = pc.coalesce(ids, _column(articles, "cluster_id"))
    memory.tables["articles"] = articles.set_column(place, REMEMBERED.field(place), column)
    retired = pa.table({"cluster_id": pa.array(identities.retired, pa.string())})
    known = memory.tables["retired"]
    memory.tables["retired"] = pa.concat_tables([known, retired.cast(known.schema)])


def _erase(memory: Memory) -> None:
    """Keep nothing of the texts that died: after a take-down, not even hashes of their words."""
    alive = memory.tables["texts"]["alive"].to_numpy(zero_copy_only=False)
    died = np.flatnonzero(~alive)
    memory.erase("bodies", died)
    editions = memory.values("editions", "text")
    memory.erase("editions", np.flatnonzero(~alive[editions]))


def _told(memory: Memory, retold: pa.Table, anew: pa.Table) -> pa.Table:
    every = memory.tables["stories"]
    ids = pa.concat_arrays([_column(retold, "cluster_id"), _column(anew, "cluster_id")])
    return every.filter(pc.is_in(every["cluster_id"], value_set=ids))


def _candidates(memory: Memory, found: candidates.Candidates) -> pa.Table:
    """The run's candidates, by the smallest ids of the articles that have the texts."""
    articles = memory.tables["articles"].sort_by(
        [("text", "ascending"), ("article_id", "ascending")]
    )
    texts, first = np.unique(articles["text"].to_numpy(), return_index=True)
    ids = articles["article_id"].combine_chunks()
    left, right = (
        ids.take(pa.array(first[np.searchsorted(texts, end)])).to_numpy(zero_copy_only=False)
        for end in (found.left, found.right)
    )
    tables = []
    for generator, bit in (("lsh", candidates.LSH), ("sketch", candidates.SKETCH)):
        chosen = (found.generators & bit) > 0
        pair = np.sort(np.stack([left[chosen], right[chosen]]).astype(str), axis=0)
        columns = [pair[0].tolist(), pair[1].tolist(), [generator] * pair.shape[1]]
        arrays = [pa.array(column, pa.string()) for column in columns]
        tables.append(pa.Table.from_arrays(arrays, schema=CANDIDATES))
    return pa.concat_tables(tables)
