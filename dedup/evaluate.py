"""Predicted clusters against gold: pairs, B-cubed, ARI, kinds of edit, candidate recall.

Law: every id of the truth counts. One that the prediction lacks (a rejected row) is a single of
its own, so that leaving articles out costs recall; it is never skipped. Pairs are counted from
group sizes and never enumerated, so a million articles take seconds.

A share of nothing (the precision of a prediction without pairs) is NaN, and null in JSON: there
was nothing to measure.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, parquet
from rich.table import Table
from rich.text import Text

from dedup.errors import InputError

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClusterTruth:
    """Gold clusters: which articles belong together, for all or some of the articles.

    Attributes
    ----------
    ids : pa.Array
        Article ids, n distinct strings.
    clusters : ndarray of int64, shape (n,)
        Code of each article's gold cluster, from 0.
    stories : ndarray of int64, shape (n,), or None
        Code of each article's gold story, from 0, where the truth tells.
    kinds : pa.Array or None
        Kind of edit that made each article, n strings; null where none.
    """

    ids: pa.Array
    clusters: Codes
    stories: Codes | None = None
    kinds: pa.Array | None = None

    @property
    def true_pairs(self) -> int:
        """Number of pairs of articles that share a gold cluster."""
        return _pairs_touching(self.clusters, np.ones(len(self.ids), dtype=bool))

    def holds(self, low: Codes, high: Codes) -> Mask:
        """Which pairs of positions in `ids`, ``low < high``, are true pairs."""
        return self.clusters[low] == self.clusters[high]

    def level(self, column: str) -> Codes:
        """Gold to compare a column of the prediction with: stories for ``story_id``, if known."""
        return self.clusters if column != "story_id" or self.stories is None else self.stories


@dataclass(frozen=True, eq=False)
class PairTruth:
    """Gold pairs: for some pairs of articles, whether the two belong together.

    Attributes
    ----------
    ids : pa.Array
        Ids of the articles in any pair, distinct strings.
    low, high : ndarray of int64, shape (m,)
        Positions in `ids` of a pair's two articles, ``low < high``; each pair once.
    positive : ndarray of bool, shape (m,)
        Whether the two belong together.
    weight : ndarray of float64, shape (m,)
        How many pairs of its stratum a pair stands for, 0 or more; 1 where the truth is silent.
    labels : pa.Array or None
        Label of each pair as it came, m strings.
    """

    ids: pa.Array
    low: Codes
    high: Codes
    positive: Mask
    weight: NDArray[np.float64]
    labels: pa.Array | None = None

    @property
    def true_pairs(self) -> int:
        """Number of positive pairs."""
        return int(self.positive.sum())

    def holds(self, low: Codes, high: Codes) -> Mask:
        """Which pairs of positions in `ids`, ``low < high``, are true pairs."""
        n = len(self.ids)
        return np.isin(low * n + high, (self.low * n + self.high)[self.positive])


Truth = ClusterTruth | PairTruth


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
    known = _filled(clusters, "article_id", "clusters")
    _check_distinct(known, "clusters", "article_id")
    groups = _filled(clusters, column, "clusters").dictionary_encode()
    positions = pc.index_in(truth.ids, value_set=known)
    predicted = _codes_at(groups, positions)
    coverage = partial(
        Coverage,
        articles_truth=len(truth.ids),
        articles_predicted=len(known),
        articles_both=len(truth.ids) - positions.null_count,
        missing=positions.null_count,
        clusters_predicted=len(groups.dictionary),
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
            pa.table([spread["left"], spread["right"], spread["generator"]], _CANDIDATE_COLUMNS),
            pa.table([alike["article"], alike["twin"], kinds], _CANDIDATE_COLUMNS),
        ]
    )


_CANDIDATE_COLUMNS = ["left_id", "right_id", "generator"]


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
        pc.index_in(_filled(candidates, end, "candidates"), value_set=truth.ids)
        .fill_null(-1)
        .to_numpy()
        .astype(np.int64)
        for end in ("left_id", "right_id")
    )
    generators = _filled(candidates, "generator", "candidates").dictionary_encode()
    low, high = np.minimum(left, right), np.maximum(left, right)
    inside = np.flatnonzero((low >= 0) & (low < high))
    true = inside[truth.holds(low[inside], high[inside])]
    pairs, generator = low[true] * len(truth.ids) + high[true], _codes(generators)[true]
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
            _pairs_touching(self.true, members),
            _pairs_touching(self.predicted, members),
            _pairs_touching(self.joint, members),
        )

    def bcubed(self) -> Scores:
        """Mean over articles of the share of its group that is also in its other group."""
        shared = np.bincount(self.joint)[self.joint]
        precision = float(np.mean(shared / np.bincount(self.predicted)[self.predicted]))
        recall = float(np.mean(shared / np.bincount(self.true)[self.true]))
        return Scores(precision, recall, 2 * precision * recall / (precision + recall))


def _pairs_touching(groups: Codes, members: Mask) -> int:
    # Of a group of n with k members: n(n-1)/2 pairs, less the (n-k)(n-k-1)/2 without a member.
    n = np.bincount(groups)
    k = np.bincount(groups[members], minlength=len(n))
    return int((k * (2 * n - k - 1) // 2).sum())


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
    pairs = np.bincount(_codes(labels)).tolist()
    joined = np.bincount(_codes(labels)[together], minlength=len(names)).tolist()
    rows = sorted(zip(names, pairs, joined, strict=True))
    return {name: LabelShare(n, k, k / n) for name, n, k in rows}


def read_truth(path: str | Path) -> Truth:
    """Read a truth from Parquet, CSV or JSON Lines, told apart by the file's name.

    Parameters
    ----------
    path : str or Path
        ``.parquet``, ``.csv``, ``.jsonl`` or ``.ndjson`` with the columns that
        :func:`truth_from_table` takes. The fields of a CSV are taken as text, an empty one as
        null.

    Raises
    ------
    InputError
        When the file cannot be read, or its columns or values make no truth.
    """
    readers = {
        ".parquet": parquet.read_table,
        ".csv": _read_csv,
        ".jsonl": _read_json_lines,
        ".ndjson": _read_json_lines,
    }
    path = Path(path)
    if path.suffix not in readers:
        raise InputError(
            str(path), "one of " + ", ".join(readers), path.suffix or "no suffix", "convert it"
        )
    try:
        table = readers[path.suffix](path)
    except OSError as error:
        problem = error.strerror or str(error)
        raise InputError(str(path), "a readable file", problem, "check the path") from None
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(str(path), f"a {path.suffix} file", str(error), "correct it") from None
    return truth_from_table(table, str(path))


def truth_from_table(table: pa.Table, subject: str = "truth") -> Truth:
    """Make a truth of a table with gold clusters or gold pairs.

    Parameters
    ----------
    table : pa.Table
        Gold clusters: ``id``, ``cluster``, and, where known, ``kind`` (of edit; null for none)
        and ``story``. Gold pairs: ``a``, ``b``, ``positive`` or ``label`` or both, and, where
        known, ``weight``. Whether a pair is positive stands in ``positive`` if there is such a
        column, otherwise in ``label``: true/false, 1/0, or single letters of which C (copy) and
        D (derived) are positive and all others negative. Other columns are not looked at.
    subject : str
        What errors call the table.

    Raises
    ------
    InputError
        When columns are missing, there are no rows, a value is null or not of its column's
        kind, an id or a pair comes twice, or a pair joins an article with itself.
    """
    columns = set(table.column_names)
    if not ({"id", "cluster"} <= columns or {"a", "b"} <= columns):
        raise InputError(
            subject,
            "columns id, cluster or a, b, label",
            f"columns {', '.join(table.column_names) or 'none'}",
            "rename the columns",
        )
    if not table.num_rows:
        raise InputError(subject, "at least one row", "none", "give a truth with rows")
    make = _cluster_truth if {"id", "cluster"} <= columns else _pair_truth
    return make(table, subject)


def _cluster_truth(table: pa.Table, subject: str) -> ClusterTruth:
    ids = _filled(table, "id", subject)
    _check_distinct(ids, subject, "id")
    clusters = _codes(_filled(table, "cluster", subject).dictionary_encode())
    stories = None
    if "story" in table.column_names:
        stories = _codes(_filled(table, "story", subject).dictionary_encode())
    kinds = _strings(table, "kind", subject) if "kind" in table.column_names else None
    return ClusterTruth(ids, clusters, stories, kinds)


def _pair_truth(table: pa.Table, subject: str) -> PairTruth:
    ends = pa.concat_arrays([_filled(table, end, subject) for end in ("a", "b")])
    ends = ends.dictionary_encode()
    low, high = np.sort(_codes(ends).reshape(2, -1), axis=0)
    if (low == high).any():
        same = ends.dictionary[int(low[low == high][0])]
        raise InputError(subject, "pairs of two articles", f"{same} with itself", "remove the row")
    _check_distinct(pa.array(low * len(ends) + high), subject, "a, b")
    labels = _filled(table, "label", subject) if "label" in table.column_names else None
    column = "positive" if "positive" in table.column_names else "label"
    positive = _positive(_filled(table, column, subject), f"{subject}, column {column!r}")
    return PairTruth(ends.dictionary, low, high, positive, _weights(table, subject), labels)


def _positive(values: pa.Array, subject: str) -> Mask:
    words = values.dictionary_encode()
    yes_no = {"true": True, "1": True, "false": False, "0": False}
    found = [word.lower() for word in words.dictionary.to_pylist()]
    if all(word in yes_no for word in found):
        meaning = [yes_no[word] for word in found]
    # Letters without C or D are refused: Y and N, or T and F, would all read as negative.
    elif all(len(word) == 1 for word in found) and {"c", "d"} & set(found):
        meaning = [word in ("c", "d") for word in found]
    else:
        raise InputError(
            subject,
            "true/false, 1/0, or letters with C or D for positive pairs",
            ", ".join(sorted(words.dictionary.to_pylist())[:10]),
            "add a boolean column 'positive'",
        )
    return np.array(meaning, dtype=bool)[_codes(words)]


def _weights(table: pa.Table, subject: str) -> NDArray[np.float64]:
    if "weight" not in table.column_names:
        return np.ones(table.num_rows)
    try:
        weights = table["weight"].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise InputError(
            f"{subject}, column 'weight'", "numbers", str(error), "correct it"
        ) from None
    wrong = weights[~(np.isfinite(weights) & (weights >= 0))]
    if wrong.size:
        raise InputError(
            f"{subject}, column 'weight'", "numbers of 0 or more", str(wrong[0]), "correct it"
        )
    return weights


def _read_csv(path: Path) -> pa.Table:
    # Never guess types: an id 007 is not 7.
    names = ("id", "cluster", "kind", "story", "a", "b", "label", "positive", "weight")
    options = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.large_string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    return csv.read_csv(path, convert_options=options)


def _read_json_lines(path: Path) -> pa.Table:
    # Not Arrow's reader, which takes an id that looks like a date for a timestamp.
    with path.open(encoding="utf-8-sig") as lines:
        rows = [_json_object(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _json_object(line: str, number: int) -> dict[str, Any]:
    # Numbers stay as written: an id of 20 digits fits neither int64 nor float64.
    try:
        row = json.loads(line, parse_int=str, parse_float=str)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise ValueError(f"no JSON object in line {number}")
    return row


def _strings(table: pa.Table, column: str, subject: str) -> pa.Array:
    if column not in table.column_names:
        found = ", ".join(table.column_names) or "none"
        raise InputError(subject, f"a column {column!r}", f"columns {found}", "rename the column")
    values = table[column]
    try:
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        return values.cast(pa.large_string()).combine_chunks()
    except pa.ArrowException:
        raise InputError(
            f"{subject}, column {column!r}", "strings", str(values.type), "convert the column"
        ) from None


def _filled(table: pa.Table, column: str, subject: str) -> pa.Array:
    values = _strings(table, column, subject)
    if values.null_count:
        raise InputError(
            f"{subject}, column {column!r}",
            "a value in every row",
            f"{values.null_count} nulls",
            "fill or remove these rows",
        )
    return values


def _check_distinct(values: pa.Array, subject: str, columns: str) -> None:
    repeated = len(values) - pc.count_distinct(values).as_py()
    if repeated:
        raise InputError(
            f"{subject}, {columns}", "each once", f"{repeated} repeated", "keep one row of each"
        )


def _codes(encoded: pa.DictionaryArray) -> Codes:
    return encoded.indices.to_numpy().astype(np.int64)


def _codes_at(groups: pa.DictionaryArray, positions: pa.Array) -> Codes:
    """Code of the group at each position; at a null position a code that no other has."""
    codes = len(groups.dictionary) + np.arange(len(positions))
    codes[positions.is_valid().to_numpy(zero_copy_only=False)] = _codes(groups)[
        positions.drop_null().to_numpy()
    ]
    return codes


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
