"""Ids of clusters: born once, and what becomes of them.

Law: an id is given once, to one cluster, and stays with it as long as most of it stays together. It
is its first lead's id, where no cluster ever had that. Whatever an article leaves or joins is in
`lineage`, so an id of any earlier run can be followed to the ones of now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.schemas import LINEAGE

_Row = tuple[str, str | None, str, str | None, int]


class Gone(NamedTuple):
    """Articles, or versions of articles, that count no longer.

    Attributes
    ----------
    articles : pa.Table
        Columns ``article_id`` and ``cluster_id``.
    corrected : ndarray of bool
        Which of them have a newer version with another text.
    """

    articles: pa.Table
    corrected: np.ndarray


class Identities(NamedTuple):
    """Ids of clusters that were made anew.

    Attributes
    ----------
    ids : dict of str to str
        By the lead's id.
    lineage : pa.Table
        What became of the ids before, as `schemas.LINEAGE`.
    retired : list of str
        Ids that no cluster has any longer, sorted.
    """

    ids: dict[str, str]
    lineage: pa.Table
    retired: list[str]


def identify(
    leads: Mapping[str, str],
    former: Mapping[str, str],
    gone: Gone,
    taken: Iterable[str],
    run_id: str,
) -> Identities:
    """Give clusters their ids.

    Parameters
    ----------
    leads : mapping of str to str
        Lead of each article's cluster, of all articles whose cluster was made anew.
    former : mapping of str to str
        Id of the cluster that each of them was in, where it was in one.
    gone : Gone
    taken : iterable of str
        Ids that other clusters have, and those that are retired.
    run_id : str
    """
    shares: dict[str, Counter[str]] = defaultdict(Counter)
    for article in sorted(former):
        shares[former[article]][leads[article]] += 1
    claims: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for old, share in shares.items():
        most, heir = min((-number, lead) for lead, number in share.items())
        claims[heir].append((most, old))
    ids = {lead: min(olds)[1] for lead, olds in claims.items()}
    given = set(taken) | set(shares) | set(gone.articles["cluster_id"].to_pylist())
    for lead in sorted(set(leads.values()) - set(ids)):
        ids[lead] = _unused(lead, given)
        given.add(ids[lead])
    current = set(ids.values())
    rows: list[_Row] = [
        (old, ids[lead], "split" if old in current else "merge", None, share[lead])
        for old, share in sorted(shares.items())
        for lead in sorted(share)
        if ids[lead] != old
    ]
    rows += _gone(gone, {article: ids[lead] for article, lead in leads.items()})
    had = set(shares) | set(gone.articles["cluster_id"].to_pylist())
    names = ("cluster_id", "became", "reason", "article_id", "articles")
    lineage = pa.Table.from_pylist(
        [{**dict(zip(names, row, strict=True)), "run_id": run_id} for row in rows], schema=LINEAGE
    )
    return Identities(ids, lineage, sorted(had - current))


def _unused(lead: str, given: set[str]) -> str:
    """The lead's id, or where a cluster has or had that, the id with the next free number."""
    name, count = lead, 1
    while name in given:
        count += 1
        name = f"{lead}~{count}"
    return name


def _gone(gone: Gone, ids: Mapping[str, str]) -> list[_Row]:
    """Rows for articles that were taken down, or have a new text."""
    rows: list[_Row] = []
    articles, clusters = (gone.articles[name].to_pylist() for name in ("article_id", "cluster_id"))
    for article, old, corrected in zip(articles, clusters, gone.corrected.tolist(), strict=True):
        if corrected:
            rows.append((old, ids[article], "correction", article, 1))
        elif article not in ids:
            rows.append((old, None, "retraction", article, 1))
    return sorted(rows, key=lambda row: (row[0], row[3]))
