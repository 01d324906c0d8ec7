"""What must be true of a month of runs at its end.

Law: each check takes tables of runs and gives a verdict that says what it found; none of them knows
how the runs were made.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_SHOWN = 3


@dataclass(frozen=True)
class Verdict:
    """Whether a law holds, and what was found."""

    law: str
    found: str
    holds: bool


@dataclass(frozen=True)
class Lineage:
    """What became of cluster ids.

    Attributes
    ----------
    steps : mapping
        Run and successor (None for a retraction) of each change, by the id that it befell.
    current : frozenset of str
        Ids of the clusters there are.
    """

    steps: Mapping[str, Sequence[tuple[str, str | None]]]
    current: frozenset[str]

    @classmethod
    def of(cls, lineage: pa.Table, clusters: pa.Table) -> Lineage:
        """From the tables of one run."""
        steps: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
        columns = (lineage[name].to_pylist() for name in ("cluster_id", "run_id", "became"))
        for cluster_id, run_id, became in zip(*columns, strict=True):
            steps[cluster_id].append((run_id, became))
        return cls(dict(steps), frozenset(clusters["cluster_id"].to_pylist()))


def translate(lineage: Lineage, cluster_id: str) -> set[str | None]:
    """Where the articles are that an id ever stood for.

    Returns
    -------
    set of str or None
        Current ids, and None when one of the articles was retracted. An id at which the trail ends
        though it is not current is among them.
    """
    found: set[str | None] = set()
    waiting, since = [(cluster_id, "")], dict[str, str]()
    while waiting:
        name, run = waiting.pop()
        if since.get(name, "~") <= run:
            continue
        since[name] = run
        # What befell an id before articles came to it did not befall these.
        steps = [step for step in lineage.steps.get(name, ()) if step[0] >= run]
        if name in lineage.current or not steps:
            found.add(name)
        for later, became in steps:
            if became is None:
                found.add(None)
            else:
                waiting.append((became, later))
    return found


def same_articles(month: pa.Table, whole: pa.Table) -> Verdict:
    """Whether two tables of clusters are about the same articles."""
    ours, theirs = (Counter(table["article_id"].to_pylist()) for table in (month, whole))
    return _same("articles", ours, theirs)


def same_rejects(month: pa.Table, whole: pa.Table) -> Verdict:
    """Whether two tables of rejects name the same ids as often for the same reasons."""
    ours, theirs = (
        Counter(zip(table["article_id"].to_pylist(), table["reason"].to_pylist(), strict=True))
        for table in (month, whole)
    )
    return _same("rejects by id and reason", ours, theirs)


def same_groups(month: pa.Table, whole: pa.Table, column: str) -> Verdict:
    """Whether two tables of clusters put the articles that both have into the same groups."""
    both = _labels(month, column).join(
        _labels(whole, column), keys="article_id", right_suffix="_whole", join_type="inner"
    )
    both = both.sort_by("article_id")
    ours, theirs = (_numbers(both[name]) for name in (column, f"{column}_whole"))
    met = np.unique(np.stack([ours, theirs]), axis=1)
    alone = (np.bincount(met[0])[ours] == 1) & (np.bincount(met[1])[theirs] == 1)
    strays = both["article_id"].to_numpy()[~alone]
    groups = len(np.unique(ours))
    found = f"{groups:,} groups of {len(ours):,} articles; {len(strays):,} articles in other groups"
    return Verdict(f"groups by {column}", found + _examples(strays.tolist()), not len(strays))


def accounted(ever: pa.Table, clusters: pa.Table, lineage: pa.Table) -> Verdict:
    """Whether the lineage says of every id ever current where its articles are.

    Parameters
    ----------
    ever : Table
        `article_id` and `cluster_id` of every membership that ever was current.
    clusters, lineage : Table
        Of the last run.
    """
    known = Lineage.of(lineage, clusters)
    held: dict[str, set[str | None]] = defaultdict(set)
    for cluster_id, now in _homes(ever, clusters):
        held[cluster_id].add(now)
    lost = []
    for cluster_id, homes in held.items():
        translated = translate(known, cluster_id)
        if homes - translated or translated - known.current - {None}:
            lost.append(cluster_id)
    changed = sum(homes != {name} for name, homes in held.items())
    found = (
        f"{len(held):,} ids were current, {changed:,} changed, {len(lost):,} are unaccounted for"
    )
    return Verdict("lineage", found + _examples(lost), not lost)


def _homes(ever: pa.Table, clusters: pa.Table) -> Iterable[tuple[str, str | None]]:
    """Each cluster that was, with each that now has an article of it; None where that is gone."""
    now = _labels(clusters, "cluster_id").rename_columns(["article_id", "now"])
    moves = ever.join(now, keys="article_id", join_type="left outer")
    distinct = moves.group_by(["cluster_id", "now"]).aggregate([])
    return zip(distinct["cluster_id"].to_pylist(), distinct["now"].to_pylist(), strict=True)


def _labels(clusters: pa.Table, column: str) -> pa.Table:
    return clusters.select(["article_id", column])


def _numbers(labels: pa.ChunkedArray) -> NDArray[np.int32]:
    return labels.combine_chunks().dictionary_encode().indices.to_numpy()


def _same(law: str, ours: Counter, theirs: Counter) -> Verdict:
    lacking, more = theirs - ours, ours - theirs
    found = f"{ours.total():,}; {lacking.total():,} lacking, {more.total():,} too many"
    return Verdict(law, found + _examples([*lacking, *more]), ours == theirs)


def _examples(names: Sequence[object]) -> str:
    return f" ({', '.join(map(str, names[:_SHOWN]))})" if names else ""
