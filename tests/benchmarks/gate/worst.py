"""The worst errors of a run: which articles are wrongly together, and which wrongly apart.

Law: the order is that of the damage done. Of gold pairs the heaviest come first. Of gold clusters,
a predicted cluster that joins several, or a gold cluster that is scattered over several, gives one
pair, and those with the most wrong pairs come first, so that one giant cluster does not fill the
list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup.errors import InputError
from dedup.evaluate import groups_of
from dedup.explain import explain
from dedup.store import Result
from dedup.truth import ClusterTruth, Codes, PairTruth
from gate.sets import Gold

_LISTED, _SHOWN = 1_000, 90
"""Clusters taken into one list; characters shown of a headline."""


@dataclass(frozen=True)
class Wrong:
    """Two articles that are wrongly together or wrongly apart.

    Attributes
    ----------
    left, right : str
        Ids.
    together : bool
        Whether the prediction has them together.
    weight : float
        Weight of a gold pair; else the wrong pairs of the cluster that this one stands for.
    label : str or None
        Of a gold pair.
    """

    left: str
    right: str
    together: bool
    weight: float
    label: str | None = None


def worst(run: Result, gold: Gold, number: int) -> list[Wrong]:
    """The worst errors of a run, those joined first; half of each kind where there are enough."""
    predicted, _ = groups_of(run.clusters, gold.truth.ids, gold.column)
    of = _of_pairs if isinstance(gold.truth, PairTruth) else _of_clusters
    joined, missed = of(run, gold, predicted)
    half = max(number // 2, number - len(missed))
    joined = joined[:half]
    return [*joined, *missed[: number - len(joined)]]


def _of_pairs(run: Result, gold: Gold, predicted: Codes) -> tuple[list[Wrong], list[Wrong]]:
    truth = gold.truth
    assert isinstance(truth, PairTruth)
    together = predicted[truth.low] == predicted[truth.high]
    similarity = _similarities(run, truth)
    ids = truth.ids.to_pylist()
    labels = [None] * len(together) if truth.labels is None else truth.labels.to_pylist()

    def listed(chosen: np.ndarray, likeness: np.ndarray) -> list[Wrong]:
        order = np.lexsort((likeness, -truth.weight))
        return [
            Wrong(ids[truth.low[i]], ids[truth.high[i]], bool(together[i]), weight, labels[i])
            for i in order[chosen[order]]
            for weight in [float(truth.weight[i])]
        ]

    joined, missed = together & ~truth.positive, ~together & truth.positive
    return listed(joined, similarity), listed(missed, -similarity)


def _similarities(run: Result, truth: PairTruth) -> np.ndarray:
    """Similarity of each gold pair that the run kept; 0 of the others."""
    left, right, similarity = _links(run.pairs, truth.ids)
    n = len(truth.ids)
    kept = dict(zip((left * n + right).tolist(), similarity.tolist(), strict=True))
    return np.array([kept.get(key, 0.0) for key in (truth.low * n + truth.high).tolist()])


def _of_clusters(run: Result, gold: Gold, predicted: Codes) -> tuple[list[Wrong], list[Wrong]]:
    truth = gold.truth
    assert isinstance(truth, ClusterTruth)
    links = _links(run.pairs, truth.ids)
    ids = truth.ids.to_pylist()
    return tuple(
        [
            Wrong(ids[left], ids[right], together, weight)
            for weight, left, right in _mixed(outer, inner, links)
        ]
        for together, outer, inner in (
            (True, predicted, truth.clusters),
            (False, truth.clusters, predicted),
        )
    )  # type: ignore[return-value]


def _links(pairs: pa.Table, ids: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kept pairs between articles of a truth, by position, low < high, the likest first."""
    left, right = (
        pc.index_in(pairs[end].cast(ids.type), value_set=ids).fill_null(-1).to_numpy()
        for end in ("left_id", "right_id")
    )
    similarity = pairs["similarity"].to_numpy()
    order = np.argsort(-similarity, kind="stable")
    order = order[(left[order] >= 0) & (right[order] >= 0)]
    low, high = np.minimum(left, right), np.maximum(left, right)
    return low[order].astype(np.int64), high[order].astype(np.int64), similarity[order]


def _mixed(
    outer: Codes, inner: Codes, links: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> list[tuple[float, int, int]]:
    """Groups of `outer` with articles of several of `inner`: their wrong pairs, and one of these.

    The one is the likest pair that the run kept; where it kept none, the first articles of the two
    largest parts.
    """
    _, first, joint = np.unique(
        outer * (inner.max() + 1) + inner, return_index=True, return_inverse=True
    )
    parts = np.bincount(joint)
    wrong = _pairs(np.bincount(outer)) - np.bincount(outer[first], _pairs(parts)).astype(np.int64)
    left, right, _ = links
    across = np.flatnonzero((outer[left] == outer[right]) & (inner[left] != inner[right]))
    groups, at = np.unique(outer[left[across]], return_index=True)
    likest = dict(zip(groups.tolist(), across[at].tolist(), strict=True))
    rows = []
    for group in np.argsort(-wrong, kind="stable").tolist():
        if wrong[group] <= 0:
            break
        if group in likest:
            ends = left[likest[group]], right[likest[group]]
        else:
            inside = np.flatnonzero(outer[first] == group)
            ends = first[inside[np.argsort(-parts[inside], kind="stable")[:2]]]
        rows.append((float(wrong[group]), int(ends[0]), int(ends[1])))
        if len(rows) == _LISTED:
            break
    return rows


def _pairs(sizes: np.ndarray) -> np.ndarray:
    return sizes * (sizes - 1) // 2


def describe(errors: Sequence[Wrong], run: Result, articles: Path, output: Path) -> list[list[str]]:
    """Each error in lines: what it is, both headlines, and the pair's scores.

    Parameters
    ----------
    errors : sequence of Wrong
    run : Result
    articles : Path
        What was run on; an article without a headline is shown by how its text begins.
    output : Path
        Folder of the run.
    """
    names = pa.array({name for wrong in errors for name in (wrong.left, wrong.right)}, pa.string())
    rows = run.clusters.filter(pc.is_in(run.clusters["article_id"], names)).to_pylist()
    openings: dict[str, str] = {}
    if any(not row["title"] for row in rows):
        openings = _openings(articles, names)
    headlines = {row["article_id"]: _headline(row, openings) for row in rows}
    return [
        [
            _sentence(wrong),
            *(
                f"    {headlines.get(name, 'no such article')}"
                for name in (wrong.left, wrong.right)
            ),
            *(f"    {line}" for line in _scores(wrong, output)),
        ]
        for wrong in errors
    ]


def _sentence(wrong: Wrong) -> str:
    kind = "together" if wrong.together else "apart"
    size = f"{wrong.weight:,.0f} wrong pairs"
    if wrong.label:
        size = f"label {wrong.label}, weight {wrong.weight:g}"
    return f"wrongly {kind}, {size}: {wrong.left} | {wrong.right}"


def _headline(row: dict[str, Any], openings: dict[str, str]) -> str:
    day = row["published_at"] and row["published_at"].date()
    title = row["title"] or openings.get(row["article_id"], "")
    title = " ".join(title.split())[:_SHOWN]
    return f"{title} ({row['source'] or 'no source'}, {day or 'no date'})"


def _openings(articles: Path, names: pa.Array) -> dict[str, str]:
    """How the texts of some articles begin."""
    table = pq.read_table(articles, columns=["id", "text"])
    table = table.filter(pc.is_in(table["id"].cast(pa.string()), names))
    return {str(row["id"]): "… " + (row["text"] or "")[: 2 * _SHOWN] for row in table.to_pylist()}


def _scores(wrong: Wrong, output: Path) -> list[str]:
    try:
        found = explain(output, wrong.left, wrong.right)
    except InputError as error:
        return [str(error)]
    pair = found.pair
    if pair is None:
        return [found.verdict]
    cosine = "-" if pair.cosine is None else f"{pair.cosine:.3f}"
    return [
        found.verdict,
        f"similarity {pair.similarity:.3f}, Jaccard {pair.jaccard:.3f}, containment "
        f"{pair.containment_left:.3f} {pair.containment_right:.3f}, cosine {cosine}, "
        f"shared {pair.shared_shingles}",
    ]
