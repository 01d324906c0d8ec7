"""Incremental runs: what is new in an inbox joins the clusters it belongs to.

Law: for any split of the same files into runs, in any order, the groups are those of one run. So
nothing that decides depends on when an article came: of a word's rarity the language tells, of
template and pairs the texts within the window, of a story the days before it.

What a run makes is written aside, in the workspace and under ``OUT/state``, and counts from the
moment in which the run is published.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline.renewal.arrivals import Arrivals, arrive
from dedup.pipeline.renewal.clusters import named, recluster
from dedup.pipeline.renewal.furniture import renew_template, with_known
from dedup.pipeline.renewal.identity import Gone, Identities, identify
from dedup.pipeline.renewal.matches import Matched, renew_matches
from dedup.pipeline.renewal.memory import Memory
from dedup.pipeline.renewal.stories import retell
from dedup.schemas import REMEMBERED
from dedup.settings import Settings


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


def _column(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()


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
        [
            *others.to_pylist(),
            *memory.tables["retired"]["cluster_id"].to_pylist(),
            *arrivals.returned,
        ],
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
