"""What a similarity is worth: the curve, its fit, and what the script compares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import calibrate
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from calibrate import Curve, Judged, Rule
from gate.sets import find, make

from dedup import Settings, cluster_articles, synth
from dedup.errors import InputError
from dedup.stages import verify

SINGLE = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets of labelled pairs and one with clusters only."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("north", "south", "west"), 5):
        synth.write(200, seed, folder / name)
        if name != "west":
            label(folder / name)
    return folder


def label(folder: Path) -> None:
    """Gold pairs of all that the run finds alike, the weights of them 1, 2 and 3 in turn.

    Every fifth verdict is the wrong one, so that verdicts do not follow from scores.
    """
    truth = pq.read_table(folder / "truth.parquet").to_pylist()
    cluster = {row["id"]: row["cluster"] for row in truth}
    found = cluster_articles(folder / "articles.parquet", settings=low()).pairs
    pairs = list(zip(found["left_id"].to_pylist(), found["right_id"].to_pylist(), strict=True))
    pairs += [pair for pair in combinations(sorted(cluster), 2) if pair not in set(pairs)][:40]
    same = [(cluster[a] == cluster[b]) != (at % 5 == 0) for at, (a, b) in enumerate(pairs)]
    columns = {
        "a": [a for a, _ in pairs],
        "b": [b for _, b in pairs],
        "label": ["C" if one else "N" for one in same],
        "weight": [1.0 + at % 3 for at in range(len(pairs))],
    }
    pq.write_table(pa.table(columns), folder / "gold_pairs.parquet")


def low() -> Settings:
    return Settings(similarity_floor=calibrate.LEAST)


def judged(
    similarity: Sequence[float], positive: Sequence[bool], weight: Sequence[float]
) -> Judged:
    scores = {"similarity": np.array(similarity, float)}
    return Judged("x", False, scores, np.array(positive), np.array(weight, float))


# The score


def test_score_is_a_probability_that_grows_with_similarity() -> None:
    similarity = np.linspace(0, 1, 1001, dtype=np.float32)
    score = verify.probability(similarity)
    assert score.dtype == np.float32
    assert score[0] == 0 and 0.5 < score[-1] < 1
    assert (np.diff(score) > 0).all()
    middle = verify.probability(np.array([verify.SCORE_MIDPOINT]))
    assert middle[0] == pytest.approx(0.5, abs=SINGLE)


def test_pairs_carry_the_score_of_their_similarity(data: Path) -> None:
    found = cluster_articles(data / "west/articles.parquet").pairs
    names = found.column_names
    assert names.index("score") == names.index("similarity") + 1
    similarity, score = (found[name].to_numpy() for name in ("similarity", "score"))
    assert (score == verify.probability(similarity)).all()
    order = np.argsort(similarity)
    assert (np.diff(score[order]) >= 0).all() and score.min() > 0 and score.max() < 1
    identical = np.array(found["relation"].to_pylist()) == "identical"
    assert 0 < identical.sum() < len(identical)
    assert (score[identical] == verify.probability(np.ones(1, np.float32))).all()


# The fit


def test_the_fit_gives_back_the_curve_that_judged() -> None:
    curve = Curve(0.3, 3.0)
    similarity = np.linspace(0.1, 1, 50)
    share = curve(similarity)
    # Each similarity twice, once a copy and once not, weighing as often as the curve says.
    sides = np.repeat([True, False], 50)
    one = judged(np.tile(similarity, 2), sides, np.concatenate([share, 1 - share]))
    # The solver stops where the gradient is below 1e-4 of a likelihood in which constants count
    # about ten times as much.
    assert calibrate.fit([one]) == pytest.approx(curve, rel=1e-3)


def test_each_set_counts_alike_and_dissimilar_pairs_do_not_count() -> None:
    first = judged([0.2, 0.3, 0.5, 0.6], [False, True, False, True], [1, 2, 1, 3])
    other = judged([0.1, 0.4, 0.45, 0.7], [False, True, False, True], [2, 1, 1, 1])
    curve = calibrate.fit([first, other])
    many = judged(
        np.tile(first.scores["similarity"], 9), np.tile(first.positive, 9), np.tile(first.weight, 9)
    )
    # Sums in another order may stop the solver a step apart, within its tolerance of 1e-4.
    assert calibrate.fit([many, other]) == pytest.approx(curve, rel=1e-3)
    more = judged(
        [*first.scores["similarity"], calibrate.LEAST / 2, 0],
        [*first.positive, True, True],
        [*first.weight, 9, 9],
    )
    assert calibrate.fit([more, other]) == pytest.approx(curve, rel=1e-3)
    assert calibrate.fit([first, first, other]) != pytest.approx(curve, rel=1e-2)


@pytest.mark.parametrize(
    ("positive", "told"),
    [([True, True, True, True], "4 copies"), ([True, True, False, False], "the reverse")],
)
def test_pairs_that_fit_no_curve_are_refused(positive: list[bool], told: str) -> None:
    with pytest.raises(InputError, match=told):
        calibrate.fit([judged([0.2, 0.3, 0.35, 0.5], positive, [1, 1, 2, 1])])


# What is judged


@pytest.mark.parametrize("floor", [calibrate.LEAST, Settings().similarity_floor])
def test_scores_are_those_of_a_run_whatever_its_floor(
    data: Path, tmp_path: Path, floor: float
) -> None:
    [north] = [one for one in find(data, {}) if one.name == "north"]
    found = calibrate.judge(north, tmp_path)
    assert found is not None
    gold = pq.read_table(data / "north/gold_pairs.parquet").to_pylist()
    settings = Settings(similarity_floor=floor)
    run = cluster_articles(north.articles, settings=settings).pairs.to_pylist()
    kept = {(row["left_id"], row["right_id"]): row for row in run}
    assert len(kept) > 20
    assert len(gold) == len(found.positive) > len(kept)
    for at, pair in enumerate(gold):
        row = kept.get(tuple(sorted((pair["a"], pair["b"]))))
        if row is None:
            assert found.scores["similarity"][at] < np.float32(floor)
            continue
        assert found.positive[at] == (pair["label"] == "C")
        contained = row["containment_left"], row["containment_right"]
        expected = {name: row[name] for name in ("similarity", "jaccard", "held", "cosine")}
        expected |= {"larger containment": max(contained), "agreement": row["agreement"]}
        assert {name: found.scores[name][at] for name in expected} == expected
    weights = np.array([pair["weight"] for pair in gold])
    assert found.weight == pytest.approx(weights * calibrate.SET_WEIGHT / weights.sum())


def test_a_made_set_gives_its_candidates_and_clusters_alone_give_none(
    data: Path, tmp_path: Path
) -> None:
    [west] = [one for one in find(data, {}) if one.name == "west"]
    assert calibrate.judge(west, tmp_path / "west") is None
    [made] = make(200, [7], tmp_path)
    found = calibrate.judge(made, tmp_path / "made")
    assert found is not None and found.made
    run = cluster_articles(made.articles)
    proposed = set(
        zip(*(run.candidates[x].to_pylist() for x in ("left_id", "right_id")), strict=True)
    )
    truth = {
        row["id"]: row["cluster"]
        for row in pq.read_table(tmp_path / "synth_200_seed7/truth.parquet").to_pylist()
    }
    assert len(found.positive) == len(proposed)
    assert found.positive.sum() == sum(truth[a] == truth[b] for a, b in proposed) > 0


def test_identical_texts_are_wholly_alike(tmp_path: Path) -> None:
    """Even of one outlet, among whose articles it takes more: as in the pairs of a run."""
    text = "The harbour council voted on Monday to rebuild the old pier before next summer."
    articles = {"id": ["a", "b"], "text": [text, text.upper()], "source": ["Herald"] * 2}
    pq.write_table(pa.table(articles), tmp_path / "articles.parquet")
    pairs = pa.table({"a": ["b"], "b": ["a"], "label": ["C"]})
    pq.write_table(pairs, tmp_path / "gold_pairs.parquet")
    [one] = find(tmp_path, {})
    found = calibrate.judge(one, tmp_path / "run")
    assert found is not None
    names = ("similarity", "jaccard", "held", "cosine", "agreement", "larger containment")
    assert [found.scores[name].tolist() for name in names] == [[1]] * len(names)


def test_pairs_of_articles_that_are_not_there_are_told(tmp_path: Path, capsys) -> None:
    synth.write(60, 5, tmp_path / "x")
    pairs = pa.table({"a": ["a00000000", "lost"], "b": ["a00000001"] * 2, "label": ["N", "C"]})
    pq.write_table(pairs, tmp_path / "x/gold_pairs.parquet")
    [one] = find(tmp_path, {})
    found = calibrate.judge(one, tmp_path / "run")
    assert found is not None and found.positive.tolist() == [False]
    assert "x: 1 pairs name articles that are not there" in capsys.readouterr().out


# What is compared


def test_what_is_measured_was_not_learnt_from() -> None:
    sets = [
        judged([0.1 * at, 0.9], [False, True], [1, 1])._replace(name=str(at)) for at in (1, 2, 3)
    ]
    seen: list[tuple[str, list[str]]] = []

    def learn(others: Sequence[Judged]) -> calibrate.Predict:
        seen.append(("learn", [one.name for one in others]))
        return lambda one: one.scores["similarity"]

    def cut(others: Sequence[Judged]) -> float:
        seen.append(("cut", [one.name for one in others]))
        return 0.15

    figures = [calibrate.left_out(Rule(learn, cut), sets, at) for at in range(3)]
    assert seen == [
        (kind, [other for other in "123" if other != name])
        for name in "123"
        for kind in ("learn", "cut")
    ]
    # Of the first set only the copy is called one; of the others both pairs are: 2 * 1 / (1 + 2).
    assert [f1 for f1, _, _ in figures] == pytest.approx([1, 2 / 3, 2 / 3])
    assert [error for _, _, error in figures] == pytest.approx([0.01, 0.025, 0.05])


def test_f1_is_weighted() -> None:
    positive, called = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    # Precision 3/5, recall 3/4.
    assert calibrate.f1(positive, called, np.array([3.0, 1, 2, 9])) == pytest.approx(6 / 9)
    assert calibrate.f1(positive, ~positive, np.ones(4)) == 0


def test_shares_are_of_the_pairs_of_a_band() -> None:
    curve = Curve(0.5, 1.0)  # a similarity of 0.5 scores 0.5, 1 scores 2/3, 0.25 scores 1/3
    one = judged([0.25, 0.25, 0.5, 1, 0], [True, False, True, True, True], [1, 3, 1, 1, 7])
    rows = {row[0]: row[1:] for row in calibrate.reliability([one, one], curve)}
    assert rows["0.25-0.5"] == ["0.17-0.50", "0.25, 0.33 of 4", *["0.25, 0.33 of 2"] * 2]
    assert rows["0.5-0.75"][2] == "1.00, 0.58 of 2"
    assert rows["0-0.1"][1:] == ["-", "-", "-"]
    # Squared errors 4/9 once, 1/9 three times, 1/4 once, 1/9 once, by weight.
    assert rows["Brier score"][1:] == [f"{(8 / 9 + 1 / 4) / 6:.3f}"] * 3
    assert rows["of the mean alone"][1:] == ["0.250"] * 3  # half of the weight is of copies


def test_the_script_prints_constants_and_every_rule(data: Path, tmp_path: Path, capsys) -> None:
    given = [str(data), "--synth", "200", "--labels", str(tmp_path)]
    assert calibrate.main(given) == 0
    first = capsys.readouterr().out
    told = re.search(r"^SCORE_MIDPOINT, SCORE_SLOPE = (\d\.\d{3}), (\d+\.\d\d)$", first, re.M)
    assert told and 0 < float(told[1]) < 1 and float(told[2]) > 0
    assert all(f"\n{name} " in first for name in calibrate.RULES)
    assert "Brier score" in first and "west" not in first
    assert calibrate.main(given) == 0
    assert capsys.readouterr().out == first


def test_too_few_sets_end_with_2(data: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "x").symlink_to(data / "west")
    assert calibrate.main([str(tmp_path / "x"), "--synth", "0", "--labels", str(tmp_path)]) == 2
    assert "two sets with labelled pairs" in capsys.readouterr().err
