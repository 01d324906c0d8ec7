"""Explanations: one corpus made by hand, in which every verdict occurs, and one made up."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from rich.console import Console

from dedup import Settings, cluster_articles, read
from dedup.errors import InputError, OutputError
from dedup.explain import REASONS, Explanation, Passage, explain
from dedup.explain.published import cluster_row, versions
from dedup.explain.reading import read_again
from dedup.explain.screen import render
from dedup.ragged import Ragged
from dedup.stages import verify
from dedup.stages.shingle import shingle_sets
from dedup.stages.text import tokenise, whole
from dedup.synth import synthesise

SEED = 20240301
SIZE = Settings().shingle_size
FIRST = datetime(2024, 3, 1, 6, tzinfo=UTC)


def prose(draws: random.Random, words: int) -> str:
    """Words of eight letters, so that no two passages share a word but by a miracle."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(draws.choices(letters, k=8)) for _ in range(words))


def first_words(text: str, words: int) -> str:
    return " ".join(text.split()[:words])


def article(name: str, *parts: str, **columns: Any) -> dict[str, Any]:
    return {"id": name, "text": " ".join(parts), "source": f"outlet of {name}", **columns}


def corpus() -> list[dict[str, Any]]:
    print("seed", SEED)
    draws = random.Random(SEED)
    p = [prose(draws, 60) for _ in range(26)]
    lines, shared = prose(draws, 30), prose(draws, 30)
    board = "The notice stands on every page of this one outlet for all to read"
    common = prose(draws, 40).split()
    late = timedelta(hours=verify.HOURS_OF_COPY + 24)
    times = [str(FIRST + after) for after in (timedelta(0), timedelta(hours=24), late)]
    spellings = ["one outlet", "One Outlet (online)", "One Outlet"]
    return [
        article("copy-1", p[0], p[1], prose(draws, 20), published_at=times[0]),
        article("copy-2", p[0], p[1], prose(draws, 25), published_at=times[1]),
        article("copy-3", p[0].upper(), p[1], prose(draws, 20), published_at=times[2]),
        article("same-1", p[2], lines),
        article("same-2", f"<p>{p[2].upper()}</p>", lines),
        article("same-3", p[2], prose(draws, 25)),
        # Both ends lie whole in the middle and share nothing.
        article("chain-a", p[3]),
        article("chain-b", p[3], p[4]),
        article("chain-c", p[4]),
        # One of six has half of another article, so the mean over the six is a sixth of that.
        *(article(f"cut-a{i}", p[5], prose(draws, 10)) for i in range(5)),
        article("cut-b", p[5], p[6]),
        article("cut-c", p[6], prose(draws, 40)),
        # One in five of the words, all in one place.
        article("low-a", p[10], p[11], shared, source="a third", published_at=times[0]),
        article("low-b", p[24], p[25], shared, source="a third", published_at=times[2]),
        # 10 shingles of 304 in common, enough in number and too few of either.
        article("long-a", prose(draws, 294), first_words(p[18], 14)),
        article("long-b", first_words(p[18], 14), prose(draws, 294)),
        # 4 shingles of 6 in common, enough of either and too few in number.
        article("short-a", prose(draws, 2), first_words(p[19], TOO_FEW)),
        article("short-b", first_words(p[19], TOO_FEW), prose(draws, 2)),
        article("board-1", p[12], "opened at 101 with 202 and closed at 303"),
        article("board-2", p[12], "opened at 404 with 505 and closed at 606"),
        # Half of the words, enough by themselves.
        *(article(f"late-{i}", p[20], p[7 + i], published_at=times[2 * i]) for i in range(2)),
        *(article(f"own-{i}", p[21], p[22 + i], source="its outlet") for i in range(2)),
        # Eight words in thirteen, but all the others have these too, in some order.
        *(article(f"rare-{i}", *common, prose(draws, 25)) for i in range(2)),
        *(article(f"some-{i}", *draws.sample(common, 40)) for i in range(12)),
        *(article(f"page-{i}", p[14 + i], board, source=spellings[i - 1]) for i in range(1, 4)),
        article("wire", "BERLIN (Reuters) - " + p[9], "\n(Reporting by A. B.; Editing by C. D.)"),
        article("brief", "too short"),
    ]


def write_lines(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file = folder / "articles.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


# Words of which the shingles are one short of what a pair must share.
TOO_FEW = Settings().shared_floor + Settings().shingle_size - 2


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    cluster_articles(write_lines(folder, corpus()), folder / "out", Settings(min_tokens=5))
    return folder / "out"


def screen(explanation: Explanation) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(render(explanation))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


# Verdicts


TRIED = [
    ("copy-1", "copy-2", "kept", True),
    ("same-1", "same-2", "kept", True),
    ("same-2", "same-3", "kept", True),
    ("chain-a", "chain-c", "little_shared", True),
    ("cut-b", "cut-c", "cut", False),
    ("copy-1", "wire", "little_shared", False),
    ("long-a", "long-b", "little_shared", False),
    ("short-a", "short-b", "little_shared", False),
    ("low-a", "low-b", "little_held", False),
    ("board-1", "board-2", "figures_disagree", False),
    ("late-0", "late-1", "days_apart", False),
    ("own-0", "own-1", "same_outlet", False),
    ("rare-0", "rare-1", "rare_words", False),
]


@pytest.mark.parametrize(("left", "right", "reason", "together"), TRIED)
def test_every_verdict(output: Path, left: str, right: str, reason: str, together: bool) -> None:
    found = explain(output, left, right)
    assert (found.reason, found.together) == (reason, together)
    assert found.verdict.startswith("Together" if together else "Apart")
    assert found.verdict.replace("\n", " ") in " ".join(screen(found).split())
    assert found == explain(output, right, left)


def test_a_pair_that_no_search_proposed(tmp_path: Path) -> None:
    # One band of several rows on 16 values, and a sketch that never suffices: of ten pairs at a
    # Jaccard of 1/2 most are missed.
    print("seed", SEED)
    draws = random.Random(SEED)
    rows = []
    for i in range(10):
        shared = prose(draws, 70)
        rows += [article(f"{end}{i}", shared, prose(draws, 33)) for end in "ab"]
    rows += [row for row in corpus() if row["id"].startswith("low")]
    settings = Settings(num_perm=16, recall_at_floor=0.01, sketch_shared=10_000)
    result = cluster_articles(write_lines(tmp_path, rows), tmp_path / "out", settings)
    kept = set(result.pairs["left_id"].to_pylist())
    missed = next(i for i in range(10) if f"a{i}" not in kept)
    found = explain(tmp_path / "out", f"a{missed}", f"b{missed}")
    assert (found.reason, found.together, found.proposed) == ("not_compared", False, False)
    assert found.alone is not None
    assert found.alone.jaccard == pytest.approx(66 / (99 + 99 - 66))
    assert ": no search proposed them, and so they were most likely not compared" in found.verdict
    stranger = f"b{(missed + 1) % 10}"
    assert explain(tmp_path / "out", f"a{missed}", stranger).reason == "little_shared"
    low = explain(tmp_path / "out", "low-a", "low-b")
    assert (low.reason, low.proposed) == ("little_held", False)
    assert "no search proposed them, and their similarity is below the floor" in low.verdict


def test_what_is_only_likely_is_called_so(output: Path) -> None:
    proposed = explain(output, "board-1", "board-2")
    assert proposed.proposed
    floor = f"{Settings().similarity_floor:g}"
    assert f"below the floor of {floor}, most likely because their figures" in proposed.verdict
    assert "likely" not in explain(output, "long-a", "long-b").verdict
    assert "likely" not in explain(output, "copy-1", "copy-2").verdict


def test_where_the_language_weighs_nothing_is_only_likely(tmp_path: Path) -> None:
    """Words weigh as they did in the run, so all scores are the run's, of pairs it left too."""
    chosen = Settings(min_tokens=5, rarity="language")
    # Of pairs below the floor the run publishes nothing, so another keeps them.
    low = chosen.model_copy(update={"similarity_floor": 0.01, "num_perm": 1024})
    for name, settings in (("out", chosen), ("low", low)):
        cluster_articles(write_lines(tmp_path, corpus()), tmp_path / name, settings)
    rows = {
        (row["left_id"], row["right_id"]): row for row in read(tmp_path / "low").pairs.to_pylist()
    }
    tried = set()
    for left, right, *_ in TRIED:
        found = explain(tmp_path / "out", left, right)
        row, alone = rows.get((found.left.article_id, found.right.article_id)), found.alone
        assert alone is not None
        assert alone.exact
        assert not {"likely", "about", "equally"} & {*found.verdict.replace(":", " ").split()}
        if row and row["relation"] != "identical":
            told = alone.similarity, alone.held, alone.agreement
            assert told == (row["similarity"], row["held"], row["agreement"])
            shown = screen(found)
            assert "were all equally rare" not in shown
            assert f"{row['similarity']:.3f}" in shown
            tried.add(found.pair is not None)
            assert found.reason != "rare_words"
    assert tried == {True, False}


def test_where_the_language_weighs_what_was_not_compared_is_known(tmp_path: Path) -> None:
    """As far as no search may propose anything, nothing but what shares a component is compared."""
    print("seed", SEED)
    draws = random.Random(SEED)
    rows = []
    for i in range(10):
        shared = prose(draws, 70)
        rows += [article(f"{end}{i}", shared, prose(draws, 33)) for end in "ab"]
    settings = Settings(num_perm=16, recall_at_floor=0.01, sketch_shared=10_000, rarity="language")
    kept = cluster_articles(write_lines(tmp_path, rows), tmp_path / "out", settings).pairs
    missed = next(i for i in range(10) if f"a{i}" not in kept["left_id"].to_pylist())
    found = explain(tmp_path / "out", f"a{missed}", f"b{missed}")
    assert found.reason == "not_compared"
    assert "and so they were not compared: their similarity would reach" in found.verdict


def test_all_verdicts_are_tried() -> None:
    # The others have tests of their own, `out_of_window` beside those of incremental runs.
    others = {"not_compared", "out_of_window", "unknown"}
    assert set(REASONS) == {reason for _, _, reason, _ in TRIED} | others


# Scores and passages


def test_scores_and_passages_of_a_copy(output: Path) -> None:
    found = explain(output, "copy-1", "copy-2")
    assert found.pair is not None
    assert (found.pair.relation, found.pair.shared_shingles) == ("copy", 116)
    assert found.pair.jaccard == pytest.approx(116 / (136 + 141 - 116))
    assert found.pair.containment_left == pytest.approx(116 / 136)
    assert found.pair.containment_right == pytest.approx(116 / 141)
    row = read(output).pairs.filter(pc.field("left_id") == "copy-1").to_pylist()[0]
    assert vars(found.pair) == {name: row[name] for name in vars(found.pair)}
    assert found.hours_apart == 24
    assert found.left.published_at == FIRST
    rows = {row["id"]: row["text"] for row in corpus()}
    assert found.passages == (Passage(first_words(rows["copy-1"], 120), 120, 120),)
    assert found.path == (found.pair,)
    assert found.lowered == ()
    shown = screen(found)
    assert all(f"{row[name]:.3f}" in shown for name in ("similarity", "score", "held", "cosine"))
    assert "of them own" not in shown


def test_what_two_texts_show_of_a_pair_that_was_not_kept(output: Path) -> None:
    found = explain(output, "low-a", "low-b")
    assert (found.pair, found.path) == (None, ())
    assert found.alone is not None
    assert found.alone.shared_shingles == 26
    assert found.alone.jaccard == pytest.approx(26 / (146 + 146 - 26))
    # The last 30 of 150 words, in the last two tenths.
    assert found.alone.held == pytest.approx(30 / 150 * 2 / 10)
    assert found.alone.longest == 30
    assert [passage.words for passage in found.passages] == [30]
    # These lower it too, but it would be too low without them.
    late_weight = Settings().representation.late_weight
    weights = {"same_outlet": verify.OUTLET_WEIGHT, "days_apart": late_weight}
    assert {each.cause: each.weight for each in found.lowered} == weights
    assert [each.weight for each in found.lowered] == sorted(weights.values())
    shown = screen(found)
    assert "were all equally rare" in shown
    assert "cosine" not in shown


def test_what_lowers_most_comes_first(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for weight, first in ((0.9, "days_apart"), (0.01, "same_outlet")):
        monkeypatch.setattr(verify, "OUTLET_WEIGHT", weight)
        assert explain(output, "low-a", "low-b").lowered[0].cause == first


def test_figures(output: Path) -> None:
    found = explain(output, "board-1", "board-2")
    assert found.alone is not None
    assert found.alone.figures == (0, 3)
    assert [(each.cause, each.weight) for each in found.lowered] == [("figures_disagree", 0)]
    assert f"about 0% in common, and {found.alone.agreement_asked:.0%} are asked" in found.verdict
    assert "Counts 0.00: their figures disagree" in screen(found)
    # These share nothing, so their figures were never looked at.
    assert explain(output, "board-1", "copy-1").lowered == ()


def test_the_longer_the_passage_the_fewer_figures_need_agree() -> None:
    lengths = [0, verify.FORM_PASSAGE, verify.FORM_PASSAGE + 1, verify.COPY_PASSAGE, 10_000]
    asked = [
        float(verify.agreement_asked(length)) - verify.AGREEMENT_WIDTH / 2 for length in lengths
    ]
    assert asked[:2] == pytest.approx([verify.FORM_AGREEMENT] * 2)
    assert verify.COPY_AGREEMENT < asked[2] < verify.FORM_AGREEMENT
    assert asked[3:] == pytest.approx([verify.COPY_AGREEMENT] * 2)


LATE = FIRST + timedelta(hours=verify.HOURS_OF_COPY, seconds=1)
EDGE = FIRST + timedelta(hours=verify.HOURS_OF_COPY)


@pytest.mark.parametrize(
    ("columns", "causes"),
    [
        ([{}, {}], set()),
        ([{"source": "The Post"}, {"source": "post (online)"}], {"same_outlet"}),
        ([{"source": "Reuters"}, {"source": "Reuters"}], set()),
        ([{"source": None}, {"source": None}], set()),
        # Another outlet has the text of the first, so it is not the one's own.
        ([{"source": "Post"}, {"source": "Post"}, {"source": "Mail"}], set()),
        ([{"source": "Post"}, {"source": "Post"}, {"source": "post"}], {"same_outlet"}),
        ([{"published_at": FIRST}, {"published_at": LATE}], {"days_apart"}),
        ([{"published_at": FIRST}, {"published_at": EDGE}], set()),
        ([{"published_at": FIRST}, {"published_at": None}], set()),
        # The text of the first was out already.
        ([{"published_at": EDGE}, {"published_at": LATE}, {"published_at": FIRST}], {"days_apart"}),
    ],
)
def test_what_lowers_a_kept_pair(
    tmp_path: Path, columns: list[dict[str, Any]], causes: set[str]
) -> None:
    print("seed", SEED)
    draws = random.Random(SEED)
    text = prose(draws, 150)
    parts = [(text, prose(draws, 5)), (text, prose(draws, 6))]
    rows = [article(f"a{i}", *parts[i % 2], **columns[i]) for i in range(len(columns))]
    rows = [{**row, "published_at": str(row.get("published_at") or "")} for row in rows]
    rows.append(article("z", prose(draws, 7), source="Elsewhere"))
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out")
    found = explain(tmp_path / "out", "a0", "a1")
    assert {each.cause for each in found.lowered} == causes
    assert_accounted_for(found)


def test_a_profile_without_follow_ups_spares_an_outlet(tmp_path: Path) -> None:
    text = prose(random.Random(SEED), 150)
    rows = [article(name, text, name * 9, source="Post") for name in "ab"]
    rows.append(article("z", "Something else.", source="Elsewhere"))
    for profile, causes in (("words", ["same_outlet"]), ("ocr", [])):
        cluster_articles(write_lines(tmp_path, rows), tmp_path / "out", Settings(profile=profile))
        found = explain(tmp_path / "out", "a", "b")
        assert [each.cause for each in found.lowered] == causes
        assert_accounted_for(found)


def assert_accounted_for(found: Explanation) -> None:
    """What is said to lower a similarity is what lowered it, and nothing else did."""
    pair, alone = found.pair, found.alone
    assert pair and alone
    copied = pair.held**verify.HELD_EXPONENT * pair.cosine**verify.COSINE_EXPONENT
    counted = alone.figures is not None and alone.figures[1] >= verify.FEWEST_FIGURES
    agreeing = counted and pair.agreement >= verify.REWRITE_AGREEMENT
    base = max(copied, verify.REWRITE_WEIGHT * pair.cosine * agreeing)
    weight = math.prod(each.weight for each in found.lowered)
    # Each score has 24 bits; agreement, divided by AGREEMENT_WIDTH, loses the most.
    assert pair.similarity == pytest.approx(base * weight, abs=1e-6)


def test_identical_texts_have_the_scores_of_their_stand_in(output: Path) -> None:
    same = explain(output, "same-1", "same-2").pair
    assert same is not None
    assert (same.relation, same.similarity) == ("identical", 1)
    pairs = [explain(output, name, "same-3").pair for name in ("same-1", "same-2")]
    assert pairs[0] is not None
    assert pairs[1] is not None
    assert vars(pairs[0]) | {"left_id": "same-2"} == vars(pairs[1])
    path = explain(output, "same-2", "same-3").path
    assert [(step.left_id, step.right_id) for step in path] == [
        ("same-2", "same-1"),
        ("same-1", "same-3"),
    ]


def test_a_stand_in_on_the_other_side(tmp_path: Path) -> None:
    print("seed", SEED)
    draws = random.Random(SEED)
    part, rest = prose(draws, 60), prose(draws, 60)
    texts = {"a": part, "b": f"{part} {rest}", "c": part.upper()}
    rows = [article(name, text, source="Post") for name, text in texts.items()]
    rows.append(article("z", "Something else.", source="Elsewhere"))
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out", Settings(similarity_floor=0.1))
    pair = explain(tmp_path / "out", "b", "c").pair
    assert pair is not None
    assert (pair.left_id, pair.right_id) == ("b", "c")
    assert (pair.containment_left, pair.containment_right) == pytest.approx((56 / 116, 1))
    assert explain(tmp_path / "out", "a", "b").lowered
    assert explain(tmp_path / "out", "a", "c").lowered == ()


def test_a_text_has_the_template_of_the_outlet_that_had_it_first(tmp_path: Path) -> None:
    """Not of the one whose article has the smallest id, which stands for all in the tables."""
    print("seed", SEED)
    draws = random.Random(SEED)
    board, body = prose(draws, 12), prose(draws, 50)
    times = [str(FIRST + timedelta(hours=hours)) for hours in range(4)]
    rows = [
        article("a", body, board, source="Late Post", published_at=times[3]),
        article("b", body, board, source="Early Post", published_at=times[0]),
        article("c", body, prose(draws, 20), source="Quay Times", published_at=times[1]),
        *(article(f"d{i}", prose(draws, 60), board, source="Early Post") for i in range(3)),
    ]
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out")
    for name in "ab":
        found = explain(tmp_path / "out", name, "c")
        assert found.notes == ()
        assert (found.pair is not None, found.proposed) == (True, True)
        (left_out,) = found.left.template
        assert left_out.text == board


def test_the_path_leads_from_left_to_right(output: Path) -> None:
    found = explain(output, "chain-c", "chain-a")
    assert [(step.left_id, step.right_id) for step in found.path] == [
        ("chain-a", "chain-b"),
        ("chain-b", "chain-c"),
    ]
    # 56 shingles of 116: the end lies whole in the middle, whichever side of the pair it is.
    assert [step.containment_left for step in found.path] == pytest.approx([1, 56 / 116])
    assert "through 1 other" in found.verdict
    assert "chain-b - chain-c" in screen(found)


def test_the_path_goes_by_the_lead(tmp_path: Path) -> None:
    # Both `a` and `b` are between the ends; `a` is liker to them, `b` is earlier and so the lead.
    print("seed", SEED)
    draws = random.Random(SEED)
    p, q, extra = prose(draws, 60), prose(draws, 60), prose(draws, 10)
    rows = [
        article("end-1", p, published_at="2024-03-02"),
        article("a", p, q, published_at="2024-03-02"),
        article("b", p, q, extra, published_at="2024-03-01"),
        article("end-2", q, published_at="2024-03-02"),
    ]
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out")
    assert read(tmp_path / "out").clusters["lead_id"].to_pylist() == ["b"] * 4
    path = explain(tmp_path / "out", "end-1", "end-2").path
    assert [step.right_id for step in path] == ["b", "end-2"]
    # The kept pairs are (b, end-1) and (b, end-2); the path turns the first round.
    inside = 56 / 126
    assert [step.containment_left for step in path] == pytest.approx([1, inside])
    assert [step.containment_right for step in path] == pytest.approx([inside, 1])


def test_what_was_left_out_as_template(output: Path) -> None:
    found = explain(output, "page-1", "page-2")
    board = "The notice stands on every page of this one outlet for all to read"
    assert found.reason == "little_shared"
    assert found.left.template == found.right.template == (Passage(board, 14, 0),)
    assert found.left.template_shingles == 14 - SIZE + 1
    assert found.passages == ()
    assert f"14 words: “{board}”" in screen(found)


def test_the_template_of_an_outlet_however_it_is_spelt(output: Path) -> None:
    rows = read(output).template["source"].drop_null().unique().to_pylist()
    assert len(rows) == 1
    found = explain(output, "page-2", "page-3")
    assert found.left.source != found.right.source
    assert len(found.left.template) == len(found.right.template) == 1
    assert found.notes == ()


def test_common_phrases_are_template_where_the_source_is_unknown(tmp_path: Path) -> None:
    print("seed", SEED)
    draws = random.Random(SEED)
    phrase, other = prose(draws, 10), prose(draws, 10)
    # The other stands in articles of known sources only, and so is nobody's template.
    rows = [article(f"{n}", other, prose(draws, 40), phrase) for n in range(4)]
    rows.append(article("unknown", prose(draws, 50), phrase, source=None))
    settings = Settings(common_stories=4)
    result = cluster_articles(write_lines(tmp_path, rows), tmp_path / "out", settings)
    assert result.template.drop_columns("shingle").to_pylist() == [
        {"source": None, "articles": 1}
    ] * (10 - SIZE + 1)
    found = explain(tmp_path / "out", "0", "unknown")
    assert found.notes == ()
    assert [passage.text for passage in found.right.template] == [phrase]
    assert (found.left.template, found.left.template_shingles) == ((), 0)


def test_quotations_are_shown_apart(tmp_path: Path) -> None:
    print("seed", SEED)
    draws = random.Random(SEED)
    report, speech, mixed, words = (prose(draws, words) for words in (40, 42, 20, 12))
    rows = []
    for name in "ab":
        between = [prose(draws, 15) for _ in range(3)]
        said = f'{mixed} he said: "{words}"'
        rows.append(article(name, report, between[0], f"“{speech}”", between[1], said, between[2]))
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out")
    found = explain(tmp_path / "out", "a", "b")
    told = [(passage.words, passage.own) for passage in found.passages]
    assert told == [(40, 40), (34, 22), (42, 0)]
    shown = " ".join(screen(found).split())
    assert "Shared passages (74 words in 2)" in shown
    assert "34 words, 22 of them own: “" in shown
    assert f"beside template (42 words in 1) 42 words: “{speech}”" in shown


def test_galleries_are_left_out_and_shown(tmp_path: Path) -> None:
    print("seed", SEED)
    draws = random.Random(SEED)
    first, second = prose(draws, 50), prose(draws, 50)
    captions = " ".join(f"Hide caption of photograph number {prose(draws, 9)}" for _ in range(9))
    rows = [article("a", first, captions, second), article("b", first, second, prose(draws, 5))]
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out")
    found = explain(tmp_path / "out", "a", "b")
    # The list ends with its last refrain; the last caption is not between two of them.
    listed, rest = " ".join(captions.split()[:-9]), " ".join(captions.split()[-9:])
    assert [passage.text for passage in found.left.lists] == [listed]
    assert found.left.lists[0].words == len(listed.split())
    assert found.right.lists == ()
    assert [passage.text for passage in found.passages] == [first, second]
    assert rest not in " ".join(passage.text for passage in found.passages)
    whole = explain_with(tmp_path, [first, captions.removesuffix(rest), second], [first, second])
    assert [passage.text for passage in whole.passages] == [f"{first} … {second}"]
    assert whole.passages[0].words == 100
    assert "as gallery or list" in screen(whole)


def explain_with(folder: Path, *texts: Sequence[str]) -> Explanation:
    rows = [article(str(i), *parts, "tail " * i) for i, parts in enumerate(texts)]
    cluster_articles(write_lines(folder, rows), folder / "other")
    return explain(folder / "other", "0", "1")


def test_what_was_left_out_as_credit(output: Path) -> None:
    wire = explain(output, "wire", "copy-1").right
    assert wire.agency == "Reuters"
    assert wire.credits == ("BERLIN (Reuters) -", "(Reporting by A. B.; Editing by C. D.)")
    assert "as credit: BERLIN (Reuters) -" in screen(explain(output, "wire", "copy-1"))


def test_passages_hold_what_was_counted(tmp_path: Path) -> None:
    """Over a made-up corpus in many scripts: the shingles of the passages are those counted."""
    print("seed", SEED)
    articles, _ = synthesise(300, SEED)
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps(row, default=str) + "\n" for row in articles.to_pylist()),
        encoding="utf-8",
    )
    result = cluster_articles(tmp_path / "in.jsonl", tmp_path / "out")
    kept = result.pairs.to_pylist()
    chosen = random.Random(SEED).sample(kept, min(60, len(kept)))
    template, causes = 0, set()
    for pair in chosen:
        found = explain(tmp_path / "out", pair["left_id"], pair["right_id"])
        assert distinct_shingles(found.passages) == pair["shared_shingles"]
        if pair["relation"] != "identical":
            assert_accounted_for(found)
            causes.update(each.cause for each in found.lowered)
        for side in (found.left, found.right):
            assert distinct_shingles(side.template) == side.template_shingles
            template += side.template_shingles
    assert len(chosen) == 60
    assert causes
    assert template > 0


def distinct_shingles(passages: Sequence[Passage]) -> int:
    texts = pa.array([passage.text for passage in passages], pa.large_string())
    tokens = tokenise(texts, whole(texts))
    sets = shingle_sets(Ragged(tokens.hashes, tokens.offsets), SIZE)
    return len(set(sets.values.tolist()))


# What cannot be had


def small_run(folder: Path) -> tuple[Path, Path, list[dict[str, Any]]]:
    rows = [row for row in corpus() if row["id"].startswith(("copy", "low"))]
    file = write_lines(folder, rows)
    cluster_articles(file, folder / "out")
    return file, folder / "out", rows


def test_inputs_that_are_gone(tmp_path: Path) -> None:
    file, output, _ = small_run(tmp_path)
    before = explain(output, "copy-1", "copy-2")
    file.unlink()
    after = explain(output, "copy-1", "copy-2")
    assert (after.verdict, after.pair, after.path) == (before.verdict, before.pair, before.path)
    assert after.passages == ()
    assert "cannot be read again" in after.notes[0]
    assert str(file) in screen(after).replace("\n", "")
    apart = explain(output, "low-a", "low-b")
    assert (apart.reason, apart.pair, apart.alone) == ("unknown", None, None)
    assert apart.verdict.startswith("Apart: ")


def test_a_table_in_memory(tmp_path: Path) -> None:
    rows = [{**row, "published_at": None} for row in corpus()]
    cluster_articles(pa.Table.from_pylist(rows), tmp_path / "out")
    found = explain(tmp_path / "out", "chain-a", "chain-c")
    assert (found.reason, found.together, len(found.path)) == ("unknown", True, 2)
    assert "table in memory" in found.notes[0]
    assert explain(tmp_path / "out", "copy-1", "copy-2").hours_apart is None


def test_inputs_that_have_changed(tmp_path: Path) -> None:
    file, output, rows = small_run(tmp_path)
    file.write_text(file.read_text() + json.dumps(article("new", "words")) + "\n")
    grown = explain(output, "copy-1", "copy-2")
    assert grown.passages
    assert "have changed" in grown.notes[0]
    write_lines(tmp_path, [{**row, "text": row["text"] + " and more"} for row in rows])
    other = explain(output, "copy-1", "copy-2")
    assert (other.reason, other.passages) == ("kept", ())
    assert "not those that the run read" in other.notes[-1]
    write_lines(tmp_path, rows[1:])
    assert "no longer hold article 'copy-1'" in explain(output, "copy-1", "copy-2").notes[0]


def test_the_row_that_the_run_kept_is_read(tmp_path: Path) -> None:
    rows = [row for row in corpus() if row["id"].startswith("copy")]
    rows.insert(0, article("copy-1", "short"))
    file = write_lines(tmp_path, rows)
    cluster_articles(file, tmp_path / "out", Settings(min_tokens=5))
    assert explain(tmp_path / "out", "copy-1", "copy-2").passages[0].words == 120


# Errors


def test_an_unknown_id(output: Path) -> None:
    with pytest.raises(InputError, match=r"'nobody'.*no such id"):
        explain(output, "nobody", "copy-1")


def test_a_rejected_id_is_told_its_reason(output: Path) -> None:
    with pytest.raises(InputError, match=r"'brief'.*too_short.*2 tokens"):
        explain(output, "copy-1", "brief")


def test_one_id_twice(output: Path) -> None:
    with pytest.raises(InputError, match="one twice"):
        explain(output, "copy-1", "copy-1")


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        explain(tmp_path, "a", "b")


def test_what_is_shown_moves_no_cursor(tmp_path: Path) -> None:
    rows = [article(name, "\x1b[2Jred\x07 " + prose(random.Random(1), 300)) for name in "ab"]
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out")
    shown = screen(explain(tmp_path / "out", "a", "b"))
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "…" in shown


def test_words_read_again_weigh_by_how_often_they_stand(tmp_path: Path) -> None:
    rows = [
        article("a", "storm " * 4 + "harbour bridge closed on Tuesday morning"),
        article("b", "storm harbour bridge closed on Tuesday morning"),
    ]
    cluster_articles(write_lines(tmp_path, rows), tmp_path / "out")
    run = read(tmp_path / "out")
    found = tuple(cluster_row(run, name) for name in "ab")
    settings = Settings()
    reading, notes = read_again(run, found, versions(run, found, settings), settings)
    assert reading is not None and notes == []
    words, weights = reading.given.own.words, reading.given.own.weights
    assert len(weights) == len(words.values)
    # One word stands four times in the left and weighs 1 + ln 4, all others once.
    assert sorted(weights.tolist())[-1] == pytest.approx(1 + math.log(4))
    assert np.count_nonzero(weights == 1) == len(weights) - 1
