"""Laws of `dedup.evaluate`, each against brute force or scikit-learn."""

from __future__ import annotations

import io
import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from rich.console import Console
from sklearn.metrics import adjusted_rand_score, f1_score, precision_score, recall_score

from dedup.errors import InputError
from dedup.evaluate import Evaluation, PairScores, candidate_recall, evaluate, groups_of
from dedup.truth import ClusterTruth, PairTruth, read_truth, truth_from_table

KINDS = (None, "cut", "moved")
ARTICLES = st.lists(  # gold cluster, predicted cluster (None: missing), kind of edit
    st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 4)), st.sampled_from(KINDS)),
    min_size=1,
    max_size=25,
)


def prediction(groups: dict[str, str], column: str = "cluster_id") -> pa.Table:
    return pa.table({"article_id": list(groups), column: list(groups.values())})


def gold(groups: dict[str, str], **columns: list) -> ClusterTruth:
    table = pa.table({"id": list(groups), "cluster": list(groups.values()), **columns})
    truth = truth_from_table(table)
    assert isinstance(truth, ClusterTruth)
    return truth


def setting(articles) -> tuple[pa.Table, ClusterTruth, list, list]:
    """Tables of drawn articles, and both partitions with missing ids as singles of their own."""
    true = [f"t{t}" for t, _, _ in articles]
    predicted = [f"p{p}" if p is not None else f"alone{i}" for i, (_, p, _) in enumerate(articles)]
    present = {f"a{i}": f"p{p}" for i, (_, p, _) in enumerate(articles) if p is not None}
    kinds = pa.array([kind for _, _, kind in articles], pa.string())
    truth = gold({f"a{i}": t for i, t in enumerate(true)}, kind=kinds)
    # Articles that the truth does not know must change nothing.
    return prediction(present | {"stranger": "p0", "other": "p9"}), truth, true, predicted


def brute_pairs(true: list, predicted: list, counts) -> tuple[int, int, int]:
    """True, predicted and shared pairs among those that count, by looking at every pair."""
    pairs = [pair for pair in combinations(range(len(true)), 2) if counts(*pair)]
    t = {(i, j) for i, j in pairs if true[i] == true[j]}
    p = {(i, j) for i, j in pairs if predicted[i] == predicted[j]}
    return len(t), len(p), len(t & p)


def same(scores: PairScores, counts: tuple[int, int, int]) -> None:
    t, p, shared = counts
    assert (scores.true_pairs, scores.predicted_pairs, scores.shared_pairs) == counts
    assert scores.precision == (shared / p if p else pytest.approx(math.nan, nan_ok=True))
    assert scores.recall == (shared / t if t else pytest.approx(math.nan, nan_ok=True))
    f1 = 2 * shared / (t + p) if t + p else math.nan
    assert scores.f1 == pytest.approx(f1, nan_ok=True)


@given(ARTICLES)
def test_pairs_equal_brute_force_overall_and_per_kind(articles):
    clusters, truth, true, predicted = setting(articles)
    result = evaluate(clusters, truth)
    same(result.pairs, brute_pairs(true, predicted, lambda i, j: True))
    kinds = [kind for _, _, kind in articles]
    assert list(result.by_kind) == sorted({kind for kind in kinds if kind})
    for kind, scores in result.by_kind.items():
        touches = brute_pairs(true, predicted, lambda i, j, k=kind: k in (kinds[i], kinds[j]))
        same(scores, touches)


@given(ARTICLES)
def test_bcubed_equals_its_definition(articles):
    clusters, truth, true, predicted = setting(articles)

    def per_article(own: list, other: list) -> float:
        shares = []
        for i in range(len(own)):
            group = {j for j in range(len(own)) if own[j] == own[i]}
            shares.append(sum(other[j] == other[i] for j in group) / len(group))
        return sum(shares) / len(shares)

    scores = evaluate(clusters, truth).bcubed
    assert scores is not None
    precision, recall = per_article(predicted, true), per_article(true, predicted)
    assert scores.precision == pytest.approx(precision)
    assert scores.recall == pytest.approx(recall)
    assert scores.f1 == pytest.approx(2 / (1 / precision + 1 / recall))


@given(ARTICLES)
def test_adjusted_rand_index_equals_scikit_learn(articles):
    clusters, truth, true, predicted = setting(articles)
    assert evaluate(clusters, truth).ari == pytest.approx(adjusted_rand_score(true, predicted))


@given(ARTICLES)
def test_missing_ids_are_counted_and_stated(articles):
    clusters, truth, true, _ = setting(articles)
    seen = evaluate(clusters, truth).coverage
    assert seen.missing == sum(p is None for _, p, _ in articles)
    assert seen.articles_both + seen.missing == seen.articles_truth == len(articles)
    assert seen.articles_predicted == clusters.num_rows
    assert seen.clusters_truth == len(set(true))
    assert seen.clusters_predicted == len(set(clusters["cluster_id"].to_pylist()))


@given(ARTICLES, st.randoms(use_true_random=False))
def test_names_and_order_of_rows_change_nothing(articles, random):
    clusters, truth, true, _ = setting(articles)
    rows = random.sample(range(clusters.num_rows), clusters.num_rows)
    names = {name: f"z{i}" for i, name in enumerate(random.sample(true, len(true)))}
    order = random.sample(range(len(true)), len(true))
    renamed = gold(
        {f"a{i}": names[true[i]] for i in order},
        kind=pa.array([articles[i][2] for i in order], pa.string()),
    )
    first, second = evaluate(clusters, truth), evaluate(clusters.take(rows), renamed)
    # Only the means of B-cubed are sums of floats, whose last bits depend on the order.
    assert second.bcubed is not None and first.bcubed is not None
    assert second.bcubed.f1 == pytest.approx(first.bcubed.f1)
    assert without_bcubed(first) == without_bcubed(second)


def without_bcubed(result: Evaluation) -> dict:
    return {name: value for name, value in result.to_dict().items() if name != "bcubed"}


def test_perfect_prediction_is_one_everywhere():
    groups = {"a": "x", "b": "x", "c": "y", "d": "y", "e": "z"}
    kinds = pa.array(["cut", None, "moved", "cut", None])
    truth = gold(groups, kind=kinds)
    candidates = pa.table(
        {"left_id": ["a", "d"], "right_id": ["b", "c"], "generator": ["lsh", "lsh"]}
    )
    result = evaluate(prediction(groups), truth, candidates=candidates)
    scores = [result.pairs, result.bcubed, *result.by_kind.values()]
    assert len(scores) == 4
    assert all((s.precision, s.recall, s.f1) == (1, 1, 1) for s in scores if s is not None)
    assert result.ari == 1
    assert result.candidate_recall == {"lsh": 1, "any": 1}


def test_without_pairs_there_is_nothing_to_measure():
    result = evaluate(prediction({"a": "x", "b": "y"}), gold({"a": "1", "b": "2"}))
    assert math.isnan(result.pairs.precision) and math.isnan(result.pairs.f1)
    as_json = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert as_json["pairs"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "true_pairs": 0,
        "predicted_pairs": 0,
        "shared_pairs": 0,
    }


def test_missing_id_costs_recall_not_precision():
    truth = gold({"a": "x", "b": "x", "c": "x"})
    result = evaluate(prediction({"a": "1", "b": "1"}), truth)
    assert result.pairs.precision == 1
    assert result.pairs.recall == pytest.approx(1 / 3)
    assert "1 of them are missing" in shown(result)


@given(ARTICLES)
def test_groups_are_equal_exactly_where_articles_are_together(articles):
    clusters, truth, _, predicted = setting(articles)
    groups, missing = groups_of(clusters, truth.ids)
    assert missing == sum(p is None for _, p, _ in articles)
    for i, j in combinations(range(len(predicted)), 2):
        assert (groups[i] == groups[j]) == (predicted[i] == predicted[j])


def test_clusters_may_be_categories():
    clusters = prediction({"a": "1", "b": "1", "c": "2"})
    encoded = clusters.set_column(1, "cluster_id", clusters["cluster_id"].dictionary_encode())
    truth = gold({"a": "x", "b": "x"})
    assert evaluate(encoded, truth) == evaluate(clusters, truth)
    assert evaluate(encoded, truth).coverage.clusters_predicted == 2


def test_stories_are_compared_with_stories_where_known():
    clusters = pa.table(
        {"article_id": ["a", "b"], "cluster_id": ["1", "2"], "story_id": ["s", "s"]}
    )
    groups = {"a": "x", "b": "y"}
    assert evaluate(clusters, gold(groups, story=["e", "e"]), "story_id").pairs.recall == 1
    assert evaluate(clusters, gold(groups, story=["e", "e"])).pairs.true_pairs == 0
    assert evaluate(clusters, gold(groups), "story_id").pairs.precision == 0


PAIRS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(1, 90), st.sampled_from("CDN")),
    min_size=1,
    max_size=30,
)


@given(PAIRS)
def test_gold_pairs_equal_scikit_learn_with_and_without_weights(pairs):
    positive, together, weight, labels = (list(column) for column in zip(*pairs, strict=True))
    # Of pair i, the articles are ai and bi, in one cluster when they are predicted together.
    n = len(pairs)
    groups = {f"a{i}": f"c{i}" for i in range(n)}
    groups |= {f"b{i}": f"c{i}" if together[i] else f"d{i}" for i in range(n)}
    a, b = [f"a{i}" for i in range(n)], [f"b{i}" for i in range(n)]
    table = pa.table({"a": a, "b": b, "label": labels, "positive": positive, "weight": weight})
    result = evaluate(prediction(groups), truth_from_table(table))
    for scores, sample_weight in ((result.pairs, None), (result.weighted, weight)):
        assert scores is not None
        for got, score in (
            (scores.precision, precision_score),
            (scores.recall, recall_score),
            (scores.f1, f1_score),
        ):
            expected = score(
                positive, together, sample_weight=sample_weight, zero_division=math.nan
            )
            assert got == pytest.approx(expected, nan_ok=True)
    for label, share in result.by_label.items():
        of_label = [t for t, name in zip(together, labels, strict=True) if name == label]
        assert (share.pairs, share.together) == (len(of_label), sum(of_label))
    assert list(result.by_label) == sorted(set(labels))
    assert result.bcubed is None and result.ari is None


def test_pair_with_a_missing_article_is_apart():
    table = pa.table({"a": ["x", "x"], "b": ["gone", "y"], "label": [1, 1]})
    result = evaluate(prediction({"x": "1", "y": "1"}), truth_from_table(table))
    assert (result.pairs.recall, result.coverage.missing) == (0.5, 1)


@pytest.mark.parametrize(
    "truth",
    [
        gold({"a": "1", "b": "1", "c": "1", "d": "2", "e": "2", "f": "3"}),
        truth_from_table(
            pa.table(
                {
                    "a": ["b", "a", "b", "e", "a"],
                    "b": ["a", "c", "c", "d", "f"],
                    "label": [1, 1, 1, 1, 0],
                }
            )
        ),
    ],
    ids=["clusters", "pairs"],
)
def test_candidate_recall_by_generator(truth):
    rows = [
        ("b", "a", "lsh"),  # true, either order
        ("a", "b", "lsh"),  # the same again counts once
        ("a", "b", "sketch"),  # found by both counts once in "any"
        ("d", "e", "sketch"),  # true
        ("a", "f", "sketch"),  # false
        ("a", "a", "lsh"),  # no pair
        ("f", "unknown", "identical"),  # not judged
        ("c", "f", "identical"),  # false: a generator without a true pair has recall 0
    ]
    left, right, generator = zip(*rows, strict=True)
    candidates = pa.table({"left_id": left, "right_id": right, "generator": generator})
    # True pairs: ab, ac, bc, de.
    expected = {"identical": 0, "lsh": 0.25, "sketch": 0.5, "any": 0.5}
    recall = candidate_recall(candidates, truth)
    assert recall == expected
    assert list(recall) == list(expected)


def write(table: pa.Table, path: Path) -> Path:
    """Write a table in the format of the path's suffix."""
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".csv":
        rows = [table.column_names, *(row.values() for row in table.to_pylist())]
        lines = (",".join("" if v is None else str(v) for v in row) for row in rows)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        rows = [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist()]
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


FORMATS = pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".ndjson"])


@FORMATS
def test_cluster_truth_reads_the_same_from_each_format(tmp_path, suffix):
    table = pa.table(
        {
            "id": ["007", "2022-02-15", "é"],
            "cluster": ["1", "1", "2"],
            "kind": [None, "cut", None],
            "story": ["s", "s", "s"],
            "origin": ["x", None, "y"],
        }
    )
    truth = read_truth(write(table, tmp_path / f"truth{suffix}"))
    assert isinstance(truth, ClusterTruth)
    assert truth.ids.to_pylist() == ["007", "2022-02-15", "é"]
    assert truth.clusters.tolist() == [0, 0, 1]
    assert truth.stories is not None and truth.stories.tolist() == [0, 0, 0]
    assert truth.kinds is not None and truth.kinds.to_pylist() == [None, "cut", None]


@FORMATS
def test_pair_truth_reads_the_same_from_each_format(tmp_path, suffix):
    table = pa.table(
        {
            "a": ["1", "2"],
            "b": ["2", "3"],
            "label": ["Q", "C"],
            "positive": [False, True],
            "weight": [2.5, 1.0],
        }
    )
    truth = read_truth(write(table, tmp_path / f"truth{suffix}"))
    assert isinstance(truth, PairTruth)
    assert truth.ids.to_pylist() == ["1", "2", "3"]
    assert (truth.low.tolist(), truth.high.tolist()) == ([0, 1], [1, 2])
    assert truth.positive.tolist() == [False, True]
    assert truth.weight.tolist() == [2.5, 1.0]
    assert truth.labels is not None and truth.labels.to_pylist() == ["Q", "C"]


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        ([True, False, True], [True, False, True]),
        ([1, 0, 1], [True, False, True]),
        ([1.0, 0.0, 0.0], [True, False, False]),
        (["True", "false", "1"], [True, False, True]),
        (["C", "N", "D"], [True, False, True]),
    ],
)
def test_labels_that_say_which_pairs_are_positive(labels, positive):
    truth = truth_from_table(pa.table({"a": ["x"] * 3, "b": ["1", "2", "3"], "label": labels}))
    assert isinstance(truth, PairTruth)
    assert truth.positive.tolist() == positive
    assert truth.weight.tolist() == [1, 1, 1]


def test_numeric_ids_of_json_lines_stay_as_written(tmp_path):
    path = tmp_path / "truth.jsonl"
    path.write_text('{"id": 123456789012345678901, "cluster": 1.50}\n{"id": "7", "cluster": 2}\n')
    assert read_truth(path).ids.to_pylist() == ["123456789012345678901", "7"]


def test_column_positive_wins_over_label():
    table = pa.table({"a": ["x"], "b": ["y"], "label": ["near miss"], "positive": [False]})
    truth = truth_from_table(table)
    assert truth.true_pairs == 0
    assert set(evaluate(prediction({"x": "1", "y": "1"}), truth).by_label) == {"near miss"}


def test_ids_may_be_numbers_or_categories():
    ids = pa.array(["1", "2"]).dictionary_encode()
    result = evaluate(
        pa.table({"article_id": ids, "cluster_id": [7, 7]}),
        truth_from_table(pa.table({"id": [1, 2], "cluster": [3, 3]})),
    )
    assert result.pairs.f1 == 1


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"doc": ["a"], "group": ["1"]}, "doc, group"),
        ({"a": ["x"], "b": ["y"]}, "a, b"),
        ({"id": [], "cluster": []}, "at least one row"),
        ({"id": ["a", "a"], "cluster": ["1", "2"]}, "1 repeated"),
        ({"id": ["a", None], "cluster": ["1", "2"]}, "1 nulls"),
        ({"id": ["a", "b"], "cluster": ["1", None]}, "1 nulls"),
        ({"id": ["a"], "cluster": [["1"]]}, "list"),
        ({"a": ["x"], "b": ["x"], "label": [1]}, "x with itself"),
        ({"a": ["x", "y"], "b": ["y", "x"], "label": [1, 0]}, "1 repeated"),
        ({"a": ["x"], "b": ["y"], "label": ["copy"]}, "copy"),
        ({"a": ["x", "x"], "b": ["y", "z"], "label": ["Y", "N"]}, "N, Y"),
        ({"a": ["x"], "b": ["y"], "label": [1], "weight": [-1.0]}, "-1.0"),
        ({"a": ["x"], "b": ["y"], "label": [1], "weight": ["much"]}, "much"),
        ({"a": ["x"], "b": ["y"], "label": [1], "weight": pa.nulls(1)}, "nan"),
    ],
)
def test_tables_that_make_no_truth(columns, told):
    with pytest.raises(InputError) as error:
        truth_from_table(pa.table(columns), "gold")
    assert error.value.subject.startswith("gold")
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("absent.csv", None, "readable file"),
        ("absent.parquet", None, "readable file"),
        ("truth.xlsx", b"", ".xlsx"),
        ("truth.csv", b"", ".csv file"),
        ("truth.csv", b"id,cluster\na\n", ".csv file"),
        ("truth.csv", b"id,cluster\n\xff,1\n", ".csv file"),
        ("truth.parquet", b"PAR1", ".parquet file"),
        ("truth.jsonl", b'{"id": "a", "cluster": "1"}\n{"id"\n', "line 2"),
        ("truth.jsonl", b"[1]\n", "line 1"),
        ("truth.jsonl", b'{"id": "\xff"}\n', ".jsonl file"),
        ("truth.jsonl", b"", "columns none"),
    ],
)
def test_files_that_make_no_truth(tmp_path, name, content, told):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_truth(path)
    assert error.value.subject == str(path)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("clusters", "told"),
    [
        (pa.table({"article_id": ["a"], "group": ["1"]}), "article_id, group"),
        (pa.table({"article_id": ["a", "a"], "cluster_id": ["1", "2"]}), "1 repeated"),
        (pa.table({"article_id": ["a"], "cluster_id": pa.nulls(1)}), "1 nulls"),
    ],
)
def test_tables_that_make_no_prediction(clusters, told):
    with pytest.raises(InputError, match=told):
        evaluate(clusters, gold({"a": "1"}))


def shown(result: Evaluation) -> str:
    screen = io.StringIO()
    Console(width=200, file=screen).print(result.render())
    return screen.getvalue()


def test_render_shows_each_figure():
    truth = gold({"a": "x", "b": "x", "c": "y"}, kind=pa.array([None, "[/cut]", None]))
    candidates = pa.table({"left_id": ["a"], "right_id": ["b"], "generator": ["lsh"]})
    text = shown(evaluate(prediction({"a": "1", "b": "1", "c": "1"}), truth, candidates=candidates))
    rows = (line.split("│")[1:-1] for line in text.splitlines() if "│" in line)
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert cells["pairs"] == ["0.333", "1.000", "0.500", "1", "3"]
    assert cells["kind [/cut]"] == ["0.500", "1.000", "0.667", "1", "2"]
    assert cells["candidates, lsh"][1] == "1.000"
    assert {"B-cubed", "ARI", "candidates, any"} <= set(cells)


def test_a_million_articles_are_counted_exactly():
    # Pairs by arithmetic: 1,000 gold clusters of 1,000; the prediction halves each. Enumerating
    # the 5e8 true pairs would not end within the suite, nor fit in memory.
    n = 1_000_000
    ids = pa.array(np.arange(n)).cast(pa.string())
    truth = truth_from_table(pa.table({"id": ids, "cluster": np.arange(n) // 1000}))
    result = evaluate(pa.table({"article_id": ids, "cluster_id": np.arange(n) // 500}), truth)
    assert result.pairs.true_pairs == 1000 * (1000 * 999 // 2)
    assert result.pairs.predicted_pairs == result.pairs.shared_pairs == 2000 * (500 * 499 // 2)
    assert result.bcubed is not None and result.bcubed.recall == pytest.approx(0.5)
