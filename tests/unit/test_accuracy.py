"""The accuracy gate, on sets made for these tests: what it measures, and that floors hold."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tomllib
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import accuracy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gate import changes, floors, show
from gate.measure import AT_MOST, Measured
from gate.sets import Gold, LabelledSet, find, levels, read_labels
from gate.worst import describe, worst
from hypothesis import given
from hypothesis import strategies as st

from dedup import Result, Settings, cluster_articles, synth
from dedup.errors import InputError, SettingsError
from dedup.evaluate import evaluate
from dedup.settings import PROFILES
from dedup.stages import verify
from dedup.truth import ClusterTruth, PairTruth, read_truth, truth_from_table

DEFAULT = Settings().similarity_floor
LABELS = "set,a,b,label,positive,weight\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set `news`: clusters, stories and gold pairs of 300 made articles."""
    folder = tmp_path_factory.mktemp("data")
    synth.write(300, 5, folder / "news")
    truth = pq.read_table(folder / "news/truth.parquet").to_pylist()
    pq.write_table(pa.table(pairs_of(truth)), folder / "news/gold_pairs.parquet")
    return folder


def pairs_of(truth: list[dict]) -> dict[str, list]:
    """Gold pairs: twenty copies, and twenty of which nothing is alike."""
    pairs = [(x, y, x["cluster"] == y["cluster"]) for x, y in combinations(truth[:120], 2)]
    chosen = [p for p in pairs if p[2]][:20] + [p for p in pairs if not p[2]][:20]
    return {
        "a": [x["id"] for x, _, _ in chosen],
        "b": [y["id"] for _, y, _ in chosen],
        "label": ["C" if same else "N" for _, _, same in chosen],
        "weight": [1.0 + number % 3 for number in range(len(chosen))],
    }


@pytest.fixture
def gate(made: Path, tmp_path: Path):
    """The gate on the made folder, with files of its own; more arguments may be given."""

    def run(*arguments: str, data: Path = made) -> int:
        own = ["--floors", str(tmp_path / "floors.toml"), "--labels", str(tmp_path / "labels")]
        return accuracy.main([str(data), "--synth", "0", "--errors", "0", *own, *arguments])

    return run


def pinned(tmp_path: Path) -> dict[str, dict[str, float]]:
    return tomllib.loads((tmp_path / "floors.toml").read_text())


def pin(tmp_path: Path, text: str) -> None:
    (tmp_path / "floors.toml").write_text(text)


def label(tmp_path: Path, *rows: str) -> None:
    (tmp_path / "labels").mkdir(exist_ok=True)
    (tmp_path / "labels/read.csv").write_text(LABELS + "\n".join(rows) + "\n")


# What is measured


def test_every_figure_is_that_of_evaluate(gate, made: Path, tmp_path: Path) -> None:
    assert gate("--profile", "words", "--json", str(tmp_path / "figures.json")) == 0
    [run] = json.loads((tmp_path / "figures.json").read_text())
    result = cluster_articles(made / "news/articles.parquet")
    truth = read_truth(made / "news/truth.parquet")
    expected = {
        "news/gold_pairs": evaluate(
            result.clusters, read_truth(made / "news/gold_pairs.parquet")
        ).to_dict(),
        "news/truth": evaluate(result.clusters, truth).to_dict(),
        "news/truth:story": evaluate(result.clusters, truth, "story_id").to_dict(),
    }
    assert list(run["truths"]) == list(expected)
    for key, found in run["truths"].items():
        assert found["candidate_recall"]["any"] > 0.9
        for name in ("column", "coverage", "pairs", "weighted", "bcubed", "ari", "by_label"):
            assert found[name] == expected[key][name]
        assert found["figures"]["f1"] == found["pairs"]["f1"]
    bulletins = run["truths"]["news/truth"]["by_kind"]["bulletin"]
    wrong = bulletins["predicted_pairs"] - bulletins["shared_pairs"]
    assert run["truths"]["news/truth"]["figures"]["wrong_bulletin_pairs"] == wrong


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("truth", "cluster_id"),
        ("truth_silver", "cluster_id"),
        ("gold_pairs", "cluster_id"),
        ("truth_history", "cluster_id"),  # holds the letters of a story, not the word
        ("truth_claims", "story_id"),
        ("truth_events", "story_id"),
        ("truth-stories-2", "story_id"),
        ("gold_pairs_Event", "story_id"),
    ],
)
def test_level_follows_from_the_name(name: str, column: str) -> None:
    truth = truth_from_table(pa.table({"id": ["a"], "cluster": ["x"]}))
    assert [gold.column for gold in levels(name, truth)] == [column]


def test_a_truth_with_stories_speaks_of_both_levels() -> None:
    table = pa.table({"id": ["a", "b"], "cluster": ["x", "y"], "story": ["s", "s"]})
    copies, stories = levels("truth", truth_from_table(table))
    assert (copies.name, copies.column, copies.truth.true_pairs) == ("truth", "cluster_id", 0)
    assert (stories.name, stories.column, stories.truth.true_pairs) == (
        "truth:story",
        "story_id",
        1,
    )


def test_headlines() -> None:
    pairs = truth_from_table(pa.table({"a": ["x"], "b": ["y"], "label": ["C"]}))
    plain = pa.table({"id": ["a"], "cluster": ["x"]})
    kinds = truth_from_table(plain.append_column("kind", [["bulletin"]]))
    clusters = truth_from_table(plain)
    assert Gold("gold_pairs", pairs, "cluster_id").headline == ("weighted_f1",)
    assert Gold("truth", clusters, "cluster_id").headline == ("f1", "recall")
    assert Gold("truth_events", clusters, "story_id").headline == ("bcubed_f1",)
    assert Gold("truth", kinds, "cluster_id").headline == ("f1", "wrong_bulletin_pairs")


def test_sets_are_found_at_any_depth_and_need_a_truth(tmp_path: Path) -> None:
    articles = pa.table({"id": ["a", "b"], "text": ["one", "two"]})
    for name in ("deep/er", "bare", "read"):
        (tmp_path / name).mkdir(parents=True)
        pq.write_table(articles, tmp_path / name / "articles.parquet")
    (tmp_path / "deep/er/truth_topics.csv").write_text("id,cluster\na,x\nb,x\n")
    (tmp_path / "deep/er/notes.csv").write_text("id,cluster\na,x\n")
    label(tmp_path, "read,a,b,N,false,1")
    found = find(tmp_path, read_labels(tmp_path / "labels"))
    assert [(one.name, [gold.name for gold in one.golds]) for one in found] == [
        ("deep/er", ["truth_topics"]),
        ("read", ["labels:read"]),
    ]


def test_a_folder_without_sets_is_refused(gate, tmp_path: Path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    assert gate(data=tmp_path / "empty") == 2
    assert "expected folders with articles.parquet and a truth" in capsys.readouterr().err


def test_two_truths_of_one_name_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["b"]}), tmp_path / "articles.parquet")
    for suffix in ("csv", "jsonl"):
        (tmp_path / f"truth.{suffix}").write_text("")
    with pytest.raises(InputError, match="one truth of a name"):
        find(tmp_path, {})


def test_made_sets_have_floors_like_any_other(gate, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(accuracy, "SEEDS", (1, 2))
    assert gate("--synth", "60", "--only", "synth_60_*", "--raise") == 0
    assert set(pinned(tmp_path)) >= {"synth_60_seed1/truth:story", "synth_60_seed2/truth:story"}
    assert not any(key.startswith("news/") for key in pinned(tmp_path))


# Labels


def test_label_files_are_read_by_set(tmp_path: Path) -> None:
    label(tmp_path, "x,007,8,C,true,2.5", "y,a,b,Q,false,1", "x,8,9,B,false,4")
    found = read_labels(tmp_path / "labels")
    assert {name: [gold.name for gold in golds] for name, golds in found.items()} == {
        "x": ["labels:read"],
        "y": ["labels:read"],
    }
    truth = found["x"][0].truth
    assert isinstance(truth, PairTruth) and truth.labels is not None
    assert truth.ids.to_pylist() == ["007", "8", "9"]
    assert (truth.weight.tolist(), truth.labels.to_pylist()) == ([2.5, 4.0], ["C", "B"])
    assert read_labels(tmp_path / "none") == {}


def test_labels_are_measured_like_gold_pairs(gate, made: Path, tmp_path: Path, capsys) -> None:
    rows = pairs_of(pq.read_table(made / "news/truth.parquet").to_pylist())
    lines = zip(*rows.values(), strict=True)
    label(
        tmp_path,
        *(f"news,{a},{b},{name},{name == 'C'},{weight}" for a, b, name, weight in lines),
        "elsewhere,a,b,N,false,1",
    )
    assert gate("--profile", "words", "--json", str(tmp_path / "figures.json")) == 0
    [run] = json.loads((tmp_path / "figures.json").read_text())
    gold, read = run["truths"]["news/gold_pairs"], run["truths"]["news/labels:read"]
    for found in (gold, read):
        del found["figures"]["seconds"]
    assert gold == read
    assert "Labels of sets that are not here: elsewhere" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("set,a,b\nx,1,2\n", "columns set, a, b"),
        (LABELS + "x,1,2,Q,true,1\n", "Q with True"),
        (LABELS + "x,1,2,D,false,1\n", "D with False"),
        (LABELS + "x,1,2,C,true,1\nx,2,1,C,true,1\n", "1 repeated"),
        (LABELS + "x,1\n", "CSV file"),
    ],
)
def test_label_files_that_say_nothing_sure(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "bad.csv").write_text(content)
    with pytest.raises(InputError, match=told) as error:
        read_labels(tmp_path)
    assert "bad.csv" in error.value.subject


# Floors


def test_floors_are_pinned_and_then_hold(gate, tmp_path: Path, capsys) -> None:
    assert gate("--raise") == 0
    assert {key: set(figures) for key, figures in pinned(tmp_path).items()} == {
        "news/gold_pairs": {"weighted_f1"},
        "news/truth": {"f1", "wrong_bulletin_pairs"},
        "news/truth:story": {"bcubed_f1"},
    }
    before = (tmp_path / "floors.toml").read_bytes()
    assert gate("--raise") == 0
    assert (tmp_path / "floors.toml").read_bytes() == before
    assert gate() == 0
    assert "All floors hold, of 3 truths." in capsys.readouterr().out


def test_a_fallen_floor_is_named_and_ends_with_1(gate, tmp_path: Path, capsys) -> None:
    pin(tmp_path, '["news/truth"]\nf1 = 1.1\nrecall = 0.1\nwrong_bulletin_pairs = -1\n')
    assert gate() == 1
    shown = [line for line in capsys.readouterr().out.splitlines() if "FALLEN" in line]
    assert len(shown) == 2
    assert shown[0].startswith("FALLEN: news/truth: f1 0.") and "below its floor, 1.1" in shown[0]
    assert "wrong_bulletin_pairs" in shown[1] and "above its ceiling, -1" in shown[1]


def test_raising_never_lowers_and_lowering_never_raises(gate, tmp_path: Path) -> None:
    pin(tmp_path, '["news/truth"]\nf1 = 1.1\nrecall = 0.1\n')
    assert gate("--raise") == 1
    assert pinned(tmp_path)["news/truth"]["f1"] == 1.1
    assert pinned(tmp_path)["news/truth"]["recall"] > 0.1
    pin(tmp_path, '["news/truth"]\nf1 = 1.1\nrecall = 0.1\n')
    assert gate("--lower") == 0
    assert 0.5 < pinned(tmp_path)["news/truth"].pop("f1") <= 1
    assert pinned(tmp_path)["news/truth"]["recall"] == 0.1
    assert gate() == 0


def test_a_truth_that_is_gone_falls_and_an_absent_set_does_not(gate, tmp_path, capsys) -> None:
    pin(tmp_path, '["news/truth_gone"]\nf1 = 0.1\n["elsewhere/truth"]\nf1 = 0.1\n')
    assert gate() == 1
    shown = capsys.readouterr().out
    assert "FALLEN: news/truth_gone: f1 not measured, 0.1" in shown
    assert "Floors of what was not run: elsewhere/truth" in shown
    assert gate("--lower") == 0
    assert set(pinned(tmp_path)) == {"elsewhere/truth"}


def test_experiments_leave_floors_alone(gate, tmp_path: Path, capsys) -> None:
    for arguments in (("--raise",), ("--lower",), ("--docs", str(tmp_path / "x.md"))):
        with pytest.raises(SystemExit) as end:
            gate("--set", "similarity_floor=0.9", *arguments)
        assert end.value.code == 2
    capsys.readouterr()
    assert gate("--set", "similarity_floor=0.9") == 0
    assert "EXPERIMENT, not the defaults: similarity_floor=0.9" in capsys.readouterr().out
    assert not (tmp_path / "floors.toml").exists()


def test_wrong_settings_and_floors_end_with_2(gate, tmp_path: Path, capsys) -> None:
    assert gate("--set", "similarity=1") == 2
    assert gate("--vary", "similarity=1") == 2
    pin(tmp_path, "f1 = 0.5\n")
    assert gate() == 2
    assert "floors in TOML" in capsys.readouterr().err


FIGURES = st.dictionaries(
    st.sampled_from(["f1", "recall", *AT_MOST]),
    # Shares and counts are never so small that three decimals more or less make no difference.
    st.floats(0, 1, width=32).filter(lambda value: not 0 < value < 1e-6) | st.just(math.nan),
)


def found(key: str, figures: dict[str, float]) -> Measured:
    return SimpleNamespace(key=key, figures=figures, headline=tuple(figures))  # type: ignore[return-value]


def always(key: str) -> bool:
    return True


@given(FIGURES, FIGURES, FIGURES)
def test_floors_only_tighten_and_always_hold_when_pinned(first, second, third) -> None:
    pinned: floors.Floors = {}
    for figures in (first, second, third):
        before, pinned = pinned, floors.raised(pinned, [found("x/truth", figures)])
        for name, floor in before.get("x/truth", {}).items():
            now = pinned["x/truth"][name]
            assert now <= floor if name in AT_MOST else now >= floor
        known = {name for name, value in figures.items() if not math.isnan(value)}
        assert known <= pinned.get("x/truth", {}).keys()
    measured = [found("x/truth", third)]
    falls = floors.fallen(pinned, measured, always)
    lowered = floors.lowered(pinned, falls)
    assert floors.fallen(lowered, measured, always) == []
    fresh = floors.raised({}, measured)
    assert floors.fallen(fresh, measured, always) == []


def test_floors_read_as_they_were_written(tmp_path: Path) -> None:
    some = {
        "b/truth@ocr": {"f1": 0.123, "wrong_bulletin_pairs": 12345678.0},
        "a/truth:story": {"bcubed_f1": 1.0, "ari": 0.5},
    }
    floors.write(tmp_path / "f.toml", some)
    assert floors.read(tmp_path / "f.toml") == some
    assert floors.read(tmp_path / "none.toml") == {}


def test_profiles_are_pinned_only_where_named() -> None:
    measured = [found("x/truth", {"f1": 0.5}), found("x/truth@ocr", {"f1": 0.75})]
    assert floors.raised({}, measured) == {"x/truth": {"f1": 0.5}}
    named = floors.raised({"x/truth@ocr": {"f1": 0.25}}, measured)
    assert named["x/truth@ocr"] == {"f1": 0.75}


@pytest.mark.skipif("profile" not in Settings.model_fields, reason="there are no profiles")
def test_sets_of_copies_run_under_each_profile(gate, tmp_path: Path) -> None:
    assert gate("--json", str(tmp_path / "figures.json"), "--raise") == 0
    [run] = json.loads((tmp_path / "figures.json").read_text())
    assert {key for key in run["truths"] if "@" in key} == {
        "news/gold_pairs@ocr",
        "news/truth@ocr",
    }
    assert not any("@" in key for key in pinned(tmp_path))


# The worst errors


@pytest.fixture(scope="module")
def run(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    output = tmp_path_factory.mktemp("run") / "out"
    return cluster_articles(made / "news/articles.parquet", output), output


def clusters_of(run: Result) -> dict[str, str]:
    ids = run.clusters
    return dict(zip(ids["article_id"].to_pylist(), ids["cluster_id"].to_pylist(), strict=True))


def test_the_heaviest_gold_pairs_come_first_and_half_is_of_each_kind(run) -> None:
    result, _ = run
    groups = clusters_of(result)
    pairs = list(combinations(sorted(groups), 2))
    joined = [pair for pair in pairs if groups[pair[0]] == groups[pair[1]]][:12]
    apart = [pair for pair in pairs if groups[pair[0]] != groups[pair[1]]][:12]
    # All joined pairs are called wrong, and all that are apart right: an error each.
    table = pa.table(
        {
            "a": [a for a, _ in joined + apart],
            "b": [b for _, b in joined + apart],
            "positive": [False] * 12 + [True] * 12,
            "weight": [float(1 + number * 7 % 12) for number in range(24)],
        }
    )
    gold = Gold("gold_pairs", truth_from_table(table), "cluster_id")
    errors = worst(result, gold, 10)
    assert [wrong.together for wrong in errors] == [True] * 5 + [False] * 5
    for half in (errors[:5], errors[5:]):
        weights = [wrong.weight for wrong in half]
        assert weights == sorted(weights, reverse=True) and weights[0] == 12
    assert len(worst(result, gold, 24)) == 24
    few = Gold("gold_pairs", truth_from_table(table.slice(10)), "cluster_id")
    assert [wrong.together for wrong in worst(result, few, 10)] == [True] * 2 + [False] * 8
    assert worst(result, gold, 0) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_each_cluster_gives_one_pair_by_its_wrong_pairs(articles) -> None:
    names = [f"a{number}" for number in range(len(articles))]
    true = np.array([t for t, _ in articles])
    predicted = [p for _, p in articles]
    clusters = pa.table({"article_id": names, "cluster_id": [f"p{p}" for p in predicted]})
    none = pa.table(
        {
            "left_id": pa.array([], pa.string()),
            "right_id": pa.array([], pa.string()),
            "similarity": pa.array([], pa.float32()),
        }
    )
    result = SimpleNamespace(clusters=clusters, pairs=none)
    truth = ClusterTruth(pa.array(names, pa.large_string()), true)
    errors = worst(result, Gold("truth", truth, "cluster_id"), 1000)  # type: ignore[arg-type]
    for together, outer, inner in ((True, predicted, true), (False, true, predicted)):
        wrong: dict[int, int] = {}
        for i, j in combinations(range(len(names)), 2):
            if outer[i] == outer[j] and inner[i] != inner[j]:
                wrong[outer[i]] = wrong.get(outer[i], 0) + 1
        listed = [error for error in errors if error.together == together]
        assert [error.weight for error in listed] == sorted(wrong.values(), reverse=True)
        for error in listed:
            i, j = names.index(error.left), names.index(error.right)
            assert outer[i] == outer[j] and inner[i] != inner[j]
            assert error.weight == wrong[outer[i]]


def test_an_error_is_shown_by_the_likest_pair_with_headlines_and_scores(run, made: Path) -> None:
    result, output = run
    ids = result.clusters["article_id"]
    each = truth_from_table(pa.table({"id": ids, "cluster": ids}))
    errors = worst(result, Gold("truth", each, "cluster_id"), 4)
    assert errors and all(wrong.together for wrong in errors)
    groups = clusters_of(result)
    kept = {}
    for row in result.pairs.to_pylist():
        if groups[row["left_id"]] == groups[row["right_id"]]:
            cluster = groups[row["left_id"]]
            kept[cluster] = max(kept.get(cluster, 0), row["similarity"])
    titles = dict(zip(ids.to_pylist(), result.clusters["title"].to_pylist(), strict=True))
    described = describe(errors, result, made / "news/articles.parquet", output)
    for wrong, lines in zip(errors, described, strict=True):
        assert titles[wrong.left][:90] in lines[1] and titles[wrong.right][:90] in lines[2]
        assert f"similarity {kept[groups[wrong.left]]:.3f}, Jaccard" in lines[4]


def test_an_article_without_headline_is_shown_by_its_opening(tmp_path: Path) -> None:
    text = "The harbour council voted on Monday to rebuild the old pier before next summer."
    articles = pa.table({"id": ["1", "2"], "text": [text, text]})
    pq.write_table(articles, tmp_path / "articles.parquet")
    result = cluster_articles(tmp_path / "articles.parquet", tmp_path / "out")
    table = pa.table({"a": ["1", "1"], "b": ["2", "lost"], "label": ["N", "C"]})
    gold = Gold("gold_pairs", truth_from_table(table), "cluster_id")
    joined, missed = describe(
        worst(result, gold, 4), result, tmp_path / "articles.parquet", tmp_path / "out"
    )
    assert joined[0] == "wrongly together, label N, weight 1: 1 | 2"
    assert joined[1] == joined[2] == f"    … {text[:88]} (no source, no date)"
    assert missed[2] == "    no such article" and "lost" in missed[3]


# Documents


def test_values_of_a_setting_are_rows(gate, tmp_path: Path, capsys) -> None:
    document, figures = tmp_path / "accuracy.md", tmp_path / "figures.json"
    assert gate("--docs", str(document)) == 0
    document.write_text(f"{document.read_text()}\nProse stays.\n")
    vary = (
        "--vary",
        f"similarity_floor={DEFAULT},0.9",
        "--docs",
        str(document),
        "--json",
        str(figures),
    )
    assert gate(*vary) == 0
    text = document.read_text()
    assert "Prose stays." in text and text.count("<!-- similarity_floor: begin -->") == 1
    rows = [line for line in text.splitlines() if line.startswith("| 0.")]
    assert [row.split(" | ")[0] for row in rows] == [f"| {DEFAULT} (default)", "| 0.9"]
    assert "| news/truth |" in text  # the block of figures is still there
    runs = json.loads(figures.read_text())
    assert [one["set"] for one in runs] == [
        [f"similarity_floor={DEFAULT}"],
        ["similarity_floor=0.9"],
    ]
    recall = [one["truths"]["news/truth"]["figures"]["recall"] for one in runs]
    assert recall[0] > recall[1]
    assert "(default)" in capsys.readouterr().out
    assert gate(*vary) == 0
    assert document.read_text() == text


def test_blocks_are_replaced_and_nothing_else(tmp_path: Path) -> None:
    document = tmp_path / "d.md"
    show.rewrite(document, "figures", "one\n")
    before = document.read_text()
    assert "<!-- figures: begin -->\none\n<!-- end -->" in before
    show.rewrite(document, "other", r"\1 two" + "\n")
    show.rewrite(document, "figures", "three\n")
    after = document.read_text()
    assert after.startswith(before.replace("one", "three").rstrip())
    assert after.endswith("\n<!-- other: begin -->\n\\1 two\n<!-- end -->\n")


def test_a_pipe_in_a_name_does_not_break_a_table() -> None:
    assert show.markdown([["a|b", "c"], ["1", "2"]]) == "| a\\|b | c |\n| --- | --: |\n| 1 | 2 |\n"


def test_it_runs_as_a_script(made: Path, tmp_path: Path) -> None:
    script = Path(accuracy.__file__)
    command = [sys.executable, script, made, "--synth", "0", "--errors", "2"]
    command += ["--floors", tmp_path / "floors.toml", "--labels", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "news/truth: f1, wrong bulletin pairs 0." in done.stdout
    assert "set and truth" in done.stdout


def test_sets_know_whether_they_were_made(tmp_path: Path) -> None:
    [one] = accuracy.make(20, [3], tmp_path)
    assert isinstance(one, LabelledSet) and one.made and one.name == "synth_20_seed3"


# Experiments


def test_an_experiment_leaves_nothing_changed() -> None:
    before = verify.OUTLET_WEIGHT, PROFILES["words"]
    asked = ["similarity_floor=0.4", "verify.OUTLET_WEIGHT=1", "words.cohesion=0.9"]
    experiment = changes.applied(asked)
    assert experiment.__enter__() == ["similarity_floor=0.4"]
    assert (verify.OUTLET_WEIGHT, PROFILES["words"].cohesion) == (1, 0.9)
    assert not experiment.__exit__(None, None, None)
    assert (verify.OUTLET_WEIGHT, PROFILES["words"]) == before


@pytest.mark.parametrize(
    "change", ["verify.no=1", "verify.score=1", "words.no=1", "no=1", "verify.OUTLET_WEIGHT=much"]
)
def test_an_unknown_experiment_is_refused(gate, change: str) -> None:
    with pytest.raises(SettingsError), changes.applied([change]):
        pass
    assert gate("--vary", change) == 2


def test_constants_are_varied_as_settings_are(gate, tmp_path: Path) -> None:
    document = tmp_path / "accuracy.md"
    vary = f"verify.OUTLET_WEIGHT={verify.OUTLET_WEIGHT},1"
    assert gate("--vary", vary, "--docs", str(document)) == 0
    rows = [line for line in document.read_text().splitlines() if line.startswith("| ")]
    assert rows[0].startswith("| verify.OUTLET_WEIGHT |")
    assert rows[2].startswith(f"| {verify.OUTLET_WEIGHT} (default) |")
