"""Predicted clusters against gold: pairs, B-cubed, ARI, kinds of edit, candidate recall.

Law: every id of the truth counts. One that the prediction lacks (a rejected row) is a single of
its own, so that leaving articles out costs recall; it is never skipped. Pairs are counted from
group sizes and never enumerated, so a million articles take seconds.

A share of nothing (the precision of a prediction without pairs) is NaN, and null in JSON: there
was nothing to measure.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from dedup.truth import (
    ClusterTruth,
    Codes,
    Mask,
    PairTruth,
    Truth,
    check_distinct,
    codes,
    filled,
    pairs_touching,
)


@dataclass(frozen=True)
class Scores:
    """Precision, recall and their harmonic mean, each 0 to 1, higher is better."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class PairScores(Scores):
    """Scores over pairs, with the counts (or sums of weights) they come from."""

    true_pairs: float
    predicted_pairs: float
    shared_pairs: float


@dataclass(frozen=True)
class LabelShare:
    """Gold pairs of one label, how many of them the prediction joins, and the share, 0 to 1."""

    pairs: int
    together: int
    share: float


@dataclass(frozen=True)
class Coverage:
    """What was compared with what.

    Attributes
    ----------
    articles_truth, articles_predicted, articles_both : int
        Articles in the truth, in the prediction, and in both.
    missing : int
        Ids of the truth that the prediction lacks; each counted as a single of its own.
    clusters_truth : int or None
        Gold clusters (or stories); None for gold pairs.
    clusters_predicted : int
        Clusters (or stories) in the whole prediction.
    """

    articles_truth: int
    articles_predicted: int
    articles_both: int
    missing: int
    clusters_truth: int | None
    clusters_predicted: int


@dataclass(frozen=True)
class Evaluation:
    """A prediction measured against a truth.

    Attributes
    ----------
    column : str
        Column of the prediction that was compared.
    coverage : Coverage
        Articles and clusters on both sides.
    pairs : PairScores
        Over all pairs of the truth's articles, or over the gold pairs.
    weighted : PairScores or None
        Over the gold pairs, each counted by its weight; None for gold clusters.
    bcubed : Scores or None
        B-cubed (Bagga and Baldwin 1998; Amigó et al. 2009), averaged over the truth's articles;
        None for gold pairs.
    ari : float or None
        Adjusted Rand index (Hubert and Arabie 1985): 1 when equal, 0 on average by chance, may
        be negative; None for gold pairs.
    by_kind : dict of str to PairScores
        Per kind of edit, over the pairs with at least one article of that kind.
    by_label : dict of str to LabelShare
        Per label of gold pairs.
    candidate_recall : dict of str to float
        What :func:`candidate_recall` gives; empty when no candidates were given.
    """

    column: str
    coverage: Coverage
    pairs: PairScores
    weighted: PairScores | None = None
    bcubed: Scores | None = None
    ari: float | None = None
    by_kind: dict[str, PairScores] = field(default_factory=dict)
    by_label: dict[str, LabelShare] = field(default_factory=dict)
    candidate_recall: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Every figure, ready for JSON; NaN becomes None."""
        return _without_nan(asdict(self))

    def render(self) -> Table:
        """The figures as a table for the screen."""
        seen = self.coverage
        caption = (
            f"{seen.articles_truth:,} articles in the truth; {seen.missing:,} of them are missing "
            "from the prediction and count as singles"
        )
        table = Table(title=f"{self.column} against the truth", caption=caption)
        table.add_column(no_wrap=True)
        for heading in ("precision", "recall", "F1", "true\npairs", "predicted\npairs"):
            table.add_column(heading, justify="right")
        overall = {"pairs": self.pairs, "weighted pairs": self.weighted, "B-cubed": self.bcubed}
        kinds = {f"kind {kind}": scores for kind, scores in self.by_kind.items()}
        for name, scores in (overall | kinds).items():
            if scores is not None:
                table.add_row(Text(name), *_cells(scores))
        if self.ari is not None:
            table.add_row("ARI", "", "", _figure(self.ari))
        for label, share in self.by_label.items():
            joined = f"{share.together:,} of {share.pairs:,} joined"
            table.add_row(Text(f"label {label}: {joined}"))
        for generator, recall in self.candidate_recall.items():
            table.add_row(Text(f"candidates, {generator}"), "", _figure(recall))
        return table


def evaluate(
    clusters: pa.Table,
    truth: Truth,
    column: str = "cluster_id",
    candidates: pa.Table | None = None,
) -> Evaluation:
    """Measure predicted clusters against a truth.

    Parameters
    ----------
    clusters : pa.Table
        The prediction: ``article_id`` and `column`, one row per article, in any order.
        Articles that the truth does not know take no part.
    truth : ClusterTruth or PairTruth
        The gold, which may cover only some of the articles.
    column : str
        Column to compare: ``cluster_id`` or ``story_id``. ``story_id`` is compared with the
        truth's stories where it has them, otherwise with its clusters.
    candidates : pa.Table, optional
        Candidate pairs as :func:`candidate_recall` takes them.

    Raises
    ------
    InputError
        When a column is missing or holds nulls, or an article id comes twice.
    """
    predicted, missing = groups_of(clusters, truth.ids, column)
    coverage = partial(
        Coverage,
        articles_truth=len(truth.ids),
        articles_predicted=clusters.num_rows,
        articles_both=len(truth.ids) - missing,
        missing=missing,
        clusters_predicted=len(filled(clusters, column, "clusters").unique()),
    )
    recall = {} if candidates is None else candidate_recall(candidates, truth)
    if isinstance(truth, PairTruth):
        together = predicted[truth.low] == predicted[truth.high]
        return Evaluation(
            column,
            coverage(clusters_truth=None),
            pairs=_gold_pair_scores(truth.positive, together, np.ones(len(together), np.int64)),
            weighted=_gold_pair_scores(truth.positive, together, truth.weight),
            by_label=_by_label(truth, together),
            candidate_recall=recall,
        )
    from sklearn.metrics import adjusted_rand_score  # a second to import, needed only here

    partitions = _Partitions.of(truth.level(column), predicted)
    pairs = partitions.pair_scores(np.ones(len(predicted), dtype=bool))
    return Evaluation(
        column,
        coverage(clusters_truth=np.unique(partitions.true).size),
        pairs=pairs,
        bcubed=partitions.bcubed(),
        ari=float(adjusted_rand_score(partitions.true, partitions.predicted)),
        by_kind=_by_kind(truth, partitions),
        candidate_recall=recall,
    )


def groups_of(clusters: pa.Table, ids: pa.Array, column: str = "cluster_id") -> tuple[Codes, int]:
    """Predicted group of each article that a truth knows.

    Parameters
    ----------
    clusters : pa.Table
        The prediction, as :func:`evaluate` takes it.
    ids : pa.Array
        Ids of a truth, n distinct strings.
    column : str
        ``cluster_id`` or ``story_id``.

    Returns
    -------
    codes : ndarray of int64, shape (n,)
        Equal where two articles are in one group; an id that the prediction lacks has a code of
        its own.
    missing : int
        Ids that the prediction lacks.

    Raises
    ------
    InputError
        As :func:`evaluate`.
    """
    known = filled(clusters, "article_id", "clusters")
    check_distinct(known, "clusters", "article_id")
    groups = filled(clusters, column, "clusters").dictionary_encode()
    positions = pc.index_in(ids, value_set=known)
    return _codes_at(groups, positions), positions.null_count


def expand_candidates(candidates: pa.Table, pairs: pa.Table) -> pa.Table:
    """Candidates of a run between all articles, not only the first with each text.

    Parameters
    ----------
    candidates, pairs : pa.Table
        A run's, as `schemas.CANDIDATES` and `schemas.PAIRS` describe them.

    Returns
    -------
    pa.Table
        Like `candidates`, with the generator ``identical`` for articles of one text. As large as
        the number of pairs between articles of identical texts.
    """
    same = pairs.filter(pc.equal(pairs["relation"], "identical"))
    firsts = pa.chunked_array(
        [column for name in ("left_id", "right_id") for column in candidates[name].chunks]
        + same["left_id"].chunks,
        pa.string(),
    ).unique()
    members = pa.table(
        {
            "first": pa.chunked_array([firsts, *same["left_id"].chunks]),
            "article": pa.chunked_array([firsts, *same["right_id"].chunks]),
        }
    )
    twins = members.rename_columns(["first", "twin"])
    alike = members.join(twins, "first", join_type="inner")
    alike = alike.filter(pc.less(alike["article"], alike["twin"]))
    lefts = members.rename_columns(["left_id", "left"])
    rights = members.rename_columns(["right_id", "right"])
    spread = candidates.join(lefts, "left_id", join_type="inner")
    spread = spread.join(rights, "right_id", join_type="inner")
    kinds = pa.array(["identical"]).take(pa.array(np.zeros(alike.num_rows, np.int64)))
    return pa.concat_tables(
        [
            pa.table(
                [spread["left"], spread["right"], spread["generator"]], candidates.schema.names
            ),
            pa.table([alike["article"], alike["twin"], kinds], candidates.schema.names),
        ]
    )


def candidate_recall(candidates: pa.Table, truth: Truth) -> dict[str, float]:
    """Share of the true pairs that each candidate generator proposed, and that any did.

    Parameters
    ----------
    candidates : pa.Table
        ``left_id``, ``right_id`` (either order) and ``generator`` (its name, a string). A pair
        counts where a row names its two articles; see :func:`expand_candidates`.
    truth : ClusterTruth or PairTruth
        The gold; true pairs share a gold cluster, or are positive gold pairs.

    Returns
    -------
    dict of str to float
        Recall, 0 to 1, by generator in the order of their names; last, under ``any``, of all.

    Raises
    ------
    InputError
        When a column is missing or holds nulls.
    """
    left, right = (
        pc.index_in(filled(candidates, end, "candidates"), value_set=truth.ids)
        .fill_null(-1)
        .to_numpy()
        .astype(np.int64)
        for end in ("left_id", "right_id")
    )
    generators = filled(candidates, "generator", "candidates").dictionary_encode()
    low, high = np.minimum(left, right), np.maximum(left, right)
    inside = np.flatnonzero((low >= 0) & (low < high))
    true = inside[truth.holds(low[inside], high[inside])]
    pairs, generator = low[true] * len(truth.ids) + high[true], codes(generators)[true]
    found = {
        name: np.unique(pairs[generator == code]).size
        for code, name in enumerate(generators.dictionary.to_pylist())
    }
    found = dict(sorted(found.items())) | {"any": np.unique(pairs).size}
    return {name: _share(count, truth.true_pairs) for name, count in found.items()}


@dataclass(frozen=True, eq=False)
class _Partitions:
    """Two partitions of the same n articles and their intersection, as codes from 0."""

    true: Codes
    predicted: Codes
    joint: Codes

    @classmethod
    def of(cls, true: Codes, predicted: Codes) -> _Partitions:
        _, joint = np.unique(true * (predicted.max() + 1) + predicted, return_inverse=True)
        return cls(true, predicted, joint)

    def pair_scores(self, members: Mask) -> PairScores:
        """Scores over the pairs with at least one article of `members`."""
        return _pair_scores(
            pairs_touching(self.true, members),
            pairs_touching(self.predicted, members),
            pairs_touching(self.joint, members),
        )

    def bcubed(self) -> Scores:
        """Mean over articles of the share of its group that is also in its other group."""
        shared = np.bincount(self.joint)[self.joint]
        precision = float(np.mean(shared / np.bincount(self.predicted)[self.predicted]))
        recall = float(np.mean(shared / np.bincount(self.true)[self.true]))
        return Scores(precision, recall, 2 * precision * recall / (precision + recall))


def _pair_scores(true: float, predicted: float, shared: float) -> PairScores:
    precision, recall = _share(shared, predicted), _share(shared, true)
    return PairScores(
        precision, recall, _share(2 * shared, true + predicted), true, predicted, shared
    )


def _gold_pair_scores(positive: Mask, together: Mask, weight: NDArray[Any]) -> PairScores:
    sums = (weight[chosen].sum().item() for chosen in (positive, together, positive & together))
    return _pair_scores(*sums)


def _by_kind(truth: ClusterTruth, partitions: _Partitions) -> dict[str, PairScores]:
    if truth.kinds is None:
        return {}
    kinds = truth.kinds.dictionary_encode()
    codes = kinds.indices.fill_null(-1).to_numpy()
    names = sorted((name, code) for code, name in enumerate(kinds.dictionary.to_pylist()))
    return {name: partitions.pair_scores(codes == code) for name, code in names}


def _by_label(truth: PairTruth, together: Mask) -> dict[str, LabelShare]:
    if truth.labels is None:
        return {}
    labels = truth.labels.dictionary_encode()
    names = labels.dictionary.to_pylist()
    pairs = np.bincount(codes(labels)).tolist()
    joined = np.bincount(codes(labels)[together], minlength=len(names)).tolist()
    rows = sorted(zip(names, pairs, joined, strict=True))
    return {name: LabelShare(n, k, k / n) for name, n, k in rows}


def _codes_at(groups: pa.DictionaryArray, positions: pa.Array) -> Codes:
    """Code of the group at each position; at a null position a code that no other has."""
    result = len(groups.dictionary) + np.arange(len(positions))
    known = positions.is_valid().to_numpy(zero_copy_only=False)
    result[known] = codes(groups)[positions.drop_null().to_numpy()]
    return result


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _cells(scores: Scores) -> list[str]:
    figures = [_figure(value) for value in (scores.precision, scores.recall, scores.f1)]
    if isinstance(scores, PairScores):
        figures += [f"{scores.true_pairs:,.0f}", f"{scores.predicted_pairs:,.0f}"]
    return figures


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
