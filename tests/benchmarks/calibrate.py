"""What a similarity is worth: the constants behind `score`, and whether a model would do better.

    python tests/benchmarks/calibrate.py DATA_DIR [--synth 20000]

Scores, with default settings, every pair that somebody has labelled a copy or not in the sets below
DATA_DIR (see `gate/sets.py`) and the candidate pairs of a made set, then prints

- SCORE_MIDPOINT and SCORE_SLOPE for `dedup/stages/verify.py`: a logistic regression on the
  logarithm of similarity, of the pairs from LEAST on, in which every set counts alike;
- how far a score can be relied on: the share of right pairs in bands of it, and Brier scores;
- the comparison that decided for one formula: F1 of single scores and of models over many, each
  with what it has to learn taken from the other sets. Made pairs are learnt from like those of any
  set, and are no part of the mean.

Pairs are scored as the run scores them but are not looked for among its pairs: those below its
floor are not there, whatever their other scores.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from gate import show, steps
from gate.sets import LabelledSet, find, make, read_labels
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dedup import Settings, pipeline
from dedup.errors import DedupError, InputError
from dedup.pipeline.bodies import Bodies
from dedup.ragged import Stored
from dedup.schemas import TOKENS
from dedup.stages import verify
from dedup.truth import ClusterTruth, PairTruth, Truth
from dedup.workspace import Workspace

HERE = Path(__file__).parent

SEED = 11
"""Of the made set and of models; none of the seeds that `accuracy.py` measures on."""

CHOSEN_BY_RESULT = {"labels:kept", "labels:silver"}
"""Labels of pairs that were read because of what a run made of them: no fair sample."""

LEAST = 0.05
"""Similarity from which pairs are fitted: far below what is published, and short of the many that
have nothing in common, which would draw the curve away from where it is read."""

SET_WEIGHT = 200.0
"""Pairs that each set counts for, whatever its size: about as many as are read of one."""

BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
THRESHOLDS = np.linspace(0.01, 0.99, 99)

Columns = dict[str, np.ndarray]


class Judged(NamedTuple):
    """The judged pairs of a set.

    Attributes
    ----------
    name : str
    made : bool
        Whether nobody wrote it.
    scores : dict of str to ndarray of float64
        Scores of each pair by name; NaN where unknown.
    positive : ndarray of bool
        Whether the two are the same copy.
    weight : ndarray of float64
        How much each pair counts; SET_WEIGHT together.
    """

    name: str
    made: bool
    scores: Columns
    positive: np.ndarray
    weight: np.ndarray

    def where(self, chosen: np.ndarray) -> Judged:
        """Some of the pairs, which weigh as much as all."""
        weight = _balanced(self.weight[chosen])
        scores = {name: values[chosen] for name, values in self.scores.items()}
        return self._replace(scores=scores, positive=self.positive[chosen], weight=weight)


class Curve(NamedTuple):
    """`verify.probability` with its constants."""

    midpoint: float
    slope: float

    def __call__(self, similarity: np.ndarray) -> np.ndarray:
        odds = (similarity / self.midpoint) ** self.slope
        return odds / (1 + odds)


Predict = Callable[[Judged], np.ndarray]
"""Gives each pair a number from 0 to 1."""


class Rule(NamedTuple):
    """A way of telling copies.

    Attributes
    ----------
    learn : callable
        Makes of some sets what predicts others.
    cut : callable
        Chooses of those sets the number from which a pair is a copy.
    """

    learn: Callable[[Sequence[Judged]], Predict]
    cut: Callable[[Sequence[Judged]], float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, fit, compare, and print."""
    given = _arguments(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="calibrate-") as scratch:
            judged = list(_all_judged(given, Path(scratch)))
        _report(judged)
    except DedupError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def judge(chosen: LabelledSet, scratch: Path) -> Judged | None:
    """Scores and verdicts of a set's pairs; None where no pair of copies is labelled.

    Of a made set, whose every pair is known, the candidates are taken.
    """
    settings = Settings()
    golds = [gold for gold in chosen.golds if gold.name not in CHOSEN_BY_RESULT]
    truths = [gold.truth for gold in golds if gold.column == "cluster_id"]
    labelled = [truth for truth in truths if isinstance(truth, PairTruth)]
    if not labelled and not chosen.made:
        return None
    run = pipeline.begin([chosen.articles], scratch, settings)
    work = steps.perform(_BEFORE_SCORES, run, settings)
    asked = _made(work, truths[0]) if chosen.made else pa.concat_tables(map(_read, labelled))
    left, right, known = _texts(work.read("matched"), asked)
    if not known.all():
        show.line(f"{chosen.name}: {(~known).sum()} pairs name articles that are not there")
    positive, weight = (asked[name].to_numpy()[known] for name in ("positive", "weight"))
    if not weight.any():
        return None
    scores = _scores(work, left[known], right[known], settings)
    return Judged(chosen.name, chosen.made, scores, positive, _balanced(weight))


def fit(sets: Iterable[Judged]) -> Curve:
    """The curve of sets, each of which counts alike.

    Raises
    ------
    InputError
        When more similar pairs are not likelier to be copies.
    """
    near = [one.where(one.scores["similarity"] >= LEAST) for one in sets]
    similarity, positive, weight = _pooled(near, ["similarity"])
    if not 0 < positive.sum() < len(positive):
        raise InputError("the pairs", "copies and others", f"{positive.sum()} copies", "add labels")
    # Two constants of hundreds of pairs want no regularisation.
    model = LogisticRegression(C=math.inf).fit(np.log(similarity), positive, weight)
    slope, height = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise InputError("the pairs", "copies to be more similar", "the reverse", "check labels")
    return Curve(math.exp(-height / slope), slope)


def f1(positive: np.ndarray, called: np.ndarray, weight: np.ndarray) -> float:
    """Weighted F1 of what is called a copy; 0 where none is."""
    hit = weight[positive & called].sum()
    return 2 * hit / (weight[positive].sum() + weight[called].sum()) if hit else 0.0


def brier(probability: np.ndarray, judged: Judged) -> float:
    """Weighted mean squared error, lower is better; NaN of no pairs."""
    return _mean((probability - judged.positive) ** 2, judged)


def _all_judged(given: argparse.Namespace, scratch: Path) -> Iterator[Judged]:
    sets = find(given.data, read_labels(given.labels))
    for chosen in [*sets, *(make(given.synth, [SEED], scratch) if given.synth else [])]:
        judged = judge(chosen, scratch / "run" / chosen.name)
        if judged:
            yield judged


_BEFORE_SCORES = pipeline.VERBS[: pipeline.VERBS.index("score")]


def _read(truth: PairTruth) -> pa.Table:
    """Labelled pairs: `left_id`, `right_id`, `positive`, `weight`."""
    low, high = (truth.ids.take(pa.array(end)).cast(pa.string()) for end in (truth.low, truth.high))
    # Each truth has strata of its own, so its weights compare with no other's.
    columns = [low, high, truth.positive, _balanced(truth.weight)]
    return pa.table(columns, names=["left_id", "right_id", "positive", "weight"])


def _made(work: Workspace, truth: Truth) -> pa.Table:
    """As :func:`_read`, of candidates."""
    assert isinstance(truth, ClusterTruth)
    found = work.read("out-candidates").group_by(["left_id", "right_id"]).aggregate([])
    ids = truth.ids.cast(pa.string())
    left, right = (
        truth.clusters[pc.index_in(found[name], ids).to_numpy()] for name in ("left_id", "right_id")
    )
    found = found.append_column("positive", pa.array(left == right))
    return found.append_column("weight", pa.array(np.ones(len(left))))


def _texts(articles: pa.Table, asked: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of the two texts of each pair, the lower first, and whether both are there."""
    ids, numbers = articles["article_id"].combine_chunks(), articles["distinct"].to_numpy()
    places = [
        pc.fill_null(pc.index_in(asked[name], ids), -1).to_numpy()
        for name in ("left_id", "right_id")
    ]
    known = np.minimum(*places) >= 0
    left, right = np.sort(numbers[np.array(places)], axis=0)
    return left, right, known


def _scores(work: Workspace, left: np.ndarray, right: np.ndarray, settings: Settings) -> Columns:
    """Scores of pairs of distinct texts, and what else models may look at."""
    found, texts = Bodies(work, settings).score(left, right), work.read("texts")
    columns = {name: getattr(found, name).astype(np.float64) for name in found._fields}
    for name in columns.keys() - {"shared", "longest"}:
        columns[name][left == right] = 1  # identical texts, as in the pairs of a run
    contained = columns.pop("containment_left"), columns.pop("containment_right")
    hours, outlets = texts["hours"].to_numpy(), texts["outlet"].to_numpy()
    tokens = Stored(work.read_all("tokens-", TOKENS)["tokens"])
    lengths = np.maximum(tokens.lengths[texts["place"].to_numpy()], 1)
    return columns | {
        "larger containment": np.maximum(*contained),
        "smaller containment": np.minimum(*contained),
        "longest": np.log1p(columns["longest"]),
        "shared": np.log1p(columns["shared"]),
        "hours apart": np.log1p(np.abs(hours[left] - hours[right])),
        "length ratio": np.minimum(lengths[left], lengths[right])
        / np.maximum(lengths[left], lengths[right]),
        "same outlet": (outlets[left] == outlets[right]) & (outlets[left] >= 0),
    }


def _balanced(weight: np.ndarray) -> np.ndarray:
    return weight * (SET_WEIGHT / weight.sum()) if weight.any() else weight


def _pooled(
    sets: Iterable[Judged], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, shape (n_pairs, n_names), verdicts and weights of all sets."""
    sets = list(sets)
    scores = np.concatenate([_matrix(one, names) for one in sets])
    positive = np.concatenate([one.positive for one in sets])
    return scores, positive, np.concatenate([one.weight for one in sets])


def _matrix(judged: Judged, names: Sequence[str]) -> np.ndarray:
    return np.column_stack([judged.scores[name] for name in names])


# Rules


_PROBABILITIES = ("score", "logistic regression", "gradient boosting")
"""Rules whose numbers are probabilities."""

_FEATURES = (
    *("held", "cosine", "agreement", "jaccard", "larger containment", "smaller containment"),
    *("longest", "shared", "hours apart", "length ratio", "same outlet"),
)


def _taken(name: str) -> Callable[[Sequence[Judged]], Predict]:
    return lambda _: lambda judged: judged.scores[name]


def _best(name: str) -> Callable[[Sequence[Judged]], float]:
    def chosen(sets: Sequence[Judged]) -> float:
        means = [
            np.mean([f1(one.positive, one.scores[name] >= cut, one.weight) for one in sets])
            for cut in THRESHOLDS
        ]
        return float(THRESHOLDS[np.argmax(means)])

    return chosen


def _curve(sets: Sequence[Judged]) -> Predict:
    curve = fit(sets)
    return lambda judged: curve(judged.scores["similarity"])


def _logistic(sets: Sequence[Judged]) -> Predict:
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    model = LogisticRegression(max_iter=1000)
    scores, positive, weight = _pooled(sets, _FEATURES)
    line = make_pipeline(imputer, StandardScaler(), model)
    line.fit(scores, positive, logisticregression__sample_weight=weight)
    return lambda judged: line.predict_proba(_matrix(judged, _FEATURES))[:, 1]


def _boosted(sets: Sequence[Judged]) -> Predict:
    model = HistGradientBoostingClassifier(max_iter=100, max_depth=3, random_state=SEED)
    scores, positive, weight = _pooled(sets, _FEATURES)
    model.fit(scores, positive, weight)
    return lambda judged: model.predict_proba(_matrix(judged, _FEATURES))[:, 1]


_FLOOR = float(np.float32(Settings().similarity_floor))

RULES = {
    "Jaccard from 0.5": Rule(_taken("jaccard"), lambda _: 0.5),
    "Jaccard": Rule(_taken("jaccard"), _best("jaccard")),
    "larger containment": Rule(_taken("larger containment"), _best("larger containment")),
    "cosine": Rule(_taken("cosine"), _best("cosine")),
    "held": Rule(_taken("held"), _best("held")),
    "similarity": Rule(_taken("similarity"), _best("similarity")),
    "similarity from its floor": Rule(_taken("similarity"), lambda _: _FLOOR),
    "score": Rule(_curve, lambda _: 0.5),
    "logistic regression": Rule(_logistic, lambda _: 0.5),
    "gradient boosting": Rule(_boosted, lambda _: 0.5),
}
"""Ways to be compared, by name; a cut that is not given is the best of the other sets."""


# What is printed


def _report(judged: Sequence[Judged]) -> None:
    if sum(not one.made for one in judged) < 2:
        raise InputError(
            "the data folder", "two sets with labelled pairs", "fewer", "add sets or labels"
        )
    curve = fit(judged)
    show.line(f"SCORE_MIDPOINT, SCORE_SLOPE = {curve.midpoint:.3f}, {curve.slope:.2f}")
    now = Curve(verify.SCORE_MIDPOINT, verify.SCORE_SLOPE)
    show.line(f"in verify.py: {now.midpoint:g}, {now.slope:g}")
    show.line("")
    show.line(
        f"Share of pairs that are copies and mean score, by score (similarity from {LEAST:g})"
    )
    show.table(reliability(judged, curve))
    show.line("")
    show.line("F1 on each set of what is learnt from the others; mean of those that were read")
    show.table(comparison(judged))


def reliability(judged: Sequence[Judged], curve: Curve) -> list[list[str]]:
    """Bands of the score, then Brier scores, of all sets alike and of each; as rows of cells."""
    near = [one.where(one.scores["similarity"] >= LEAST) for one in judged]
    similarity, positive, weight = _pooled(near, ["similarity"])
    columns = [Judged("alike", False, {"similarity": similarity[:, 0]}, positive, weight), *near]
    rows = [["score", "similarity", *(one.name for one in columns)]]
    for low, high in pairwise(BANDS):
        ends = "-".join(f"{_similarity(curve, score):.2f}" for score in (low, high))
        cells = (_share(one, curve, low, high) for one in columns)
        rows.append([f"{low:g}-{high:g}", ends, *cells])
    errors = [brier(curve(one.scores["similarity"]), one) for one in columns]
    plain = [brier(np.full(len(one.weight), _mean(one.positive, one)), one) for one in columns]
    rows.append(["Brier score", "", *(show.figure("", value) for value in errors)])
    rows.append(["of the mean alone", "", *(show.figure("", value) for value in plain)])
    return rows


def _share(judged: Judged, curve: Curve, low: float, high: float) -> str:
    """Share of right pairs in a band, beside the mean score, and how many pairs there are."""
    score = curve(judged.scores["similarity"])
    inside = (score >= low) & ((score < high) | (high == BANDS[-1]))
    if not judged.weight[inside].any():
        return "-"
    chosen = judged.where(inside)
    share, mean = _mean(chosen.positive, chosen), _mean(score[inside], chosen)
    return f"{share:.2f}, {mean:.2f} of {inside.sum():,}"


def _mean(values: np.ndarray, judged: Judged) -> float:
    return float(np.average(values, weights=judged.weight)) if judged.weight.any() else math.nan


def _similarity(curve: Curve, probability: float) -> float:
    if probability in (0, 1):
        return probability
    return curve.midpoint * (probability / (1 - probability)) ** (1 / curve.slope)


def comparison(judged: Sequence[Judged]) -> list[list[str]]:
    """Rules, each learnt without the set that it is measured on; as rows of cells."""
    rows = [["rule", "cuts", "mean F1", *(one.name for one in judged), "mean Brier score"]]
    read = [at for at, one in enumerate(judged) if not one.made]
    for name, rule in RULES.items():
        found = [left_out(rule, judged, at) for at in range(len(judged))]
        figures, cuts, errors = np.array(found).T
        ends = dict.fromkeys(f"{cut:.2f}" for cut in (cuts.min(), cuts.max()))
        error = show.figure("", errors[read].mean()) if name in _PROBABILITIES else ""
        cells = (f"{value:.3f}" for value in (figures[read].mean(), *figures))
        rows.append([name, "-".join(ends), *cells, error])
    return rows


def left_out(rule: Rule, judged: Sequence[Judged], at: int) -> tuple[float, float, float]:
    """F1 on one set of what the others teach, the cut, and the Brier score of all its pairs."""
    others, one = [*judged[:at], *judged[at + 1 :]], judged[at]
    predicted, cut = rule.learn(others)(one), rule.cut(others)
    return f1(one.positive, predicted >= cut, one.weight), cut, brier(predicted, one)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("data", type=Path, metavar="DATA_DIR", help="folder with labelled sets")
    add("--synth", type=int, default=20_000, help="articles of the made set; 0 makes none")
    add("--labels", type=Path, default=HERE / "labels", metavar="DIR")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
