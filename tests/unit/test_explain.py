"""Explanations: one corpus made by hand, in which every verdict occurs, and one made up."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from dedup import Settings, cluster_articles, read
from dedup.errors import InputError, OutputError
from dedup.explain import VERDICTS, Explanation, Passage, explain
from dedup.ragged import Ragged
from dedup.stages.shingle import shingle_sets
from dedup.stages.text import tokenise, whole
from dedup.synth import synthesise

SEED = 20240301
SIZE = Settings().shingle_size


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
    p = [prose(draws, 60) for _ in range(20)]
    half = prose(draws, 50)
    lines = prose(draws, 30)
    board = "The notice stands on every page of this one outlet for all to read"
    times = [f"2024-03-0{day}T06:00:00Z" for day in (1, 2)]
    return [
        article("copy-1", p[0], p[1], prose(draws, 20), published_at=times[0]),
        article("copy-2", p[0], p[1], prose(draws, 25), published_at=times[1]),
        article("copy-3", p[0].upper(), p[1], prose(random.Random(1), 20)),
        article("same-1", p[2], lines),
        article("same-2", f"<p>{p[2].upper()}</p>", lines),
        article("same-3", p[2], prose(draws, 25)),
        # Both ends lie whole in the middle and share nothing: similarities 0.5, 0.5 and 0, whose
        # mean over {end, middle} against the other end, 0.25, is above the floor.
        article("chain-a", p[3]),
        article("chain-b", p[3], p[4]),
        article("chain-c", p[4]),
        # Jaccard 56/166 and 46/166: the second pair's mean, 0.14, is below the floor.
        article("cut-a", p[5], p[6]),
        article("cut-b", p[6], half),
        article("cut-c", half, p[7]),
        # One in five of the words: half of the containment is 0.09, Jaccard 0.10.
        article("low-a", p[8], p[9], lines),
        article("low-b", p[10], p[11], lines),
        # 10 shingles of 304 in common, enough in number and too few of either.
        article("long-a", prose(draws, 294), first_words(p[18], 14)),
        article("long-b", first_words(p[18], 14), prose(draws, 294)),
        # 4 shingles of 6 in common, enough of either and too few in number.
        article("short-a", prose(draws, 2), first_words(p[19], 8)),
        article("short-b", first_words(p[19], 8), prose(draws, 2)),
        article("board-1", p[12], "opened at 101 with 202 and closed at 303"),
        article("board-2", p[12], "opened at 404 with 505 and closed at 606"),
        *(article(f"page-{i}", p[13 + i], board, source="one outlet") for i in range(1, 4)),
        article("wire", "BERLIN (Reuters) - " + p[17], "\n(Reporting by A. B.; Editing by C. D.)"),
        article("brief", "too short"),
    ]


def write_lines(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file = folder / "articles.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    cluster_articles(write_lines(folder, corpus()), folder / "out", Settings(min_tokens=5))
    return folder / "out"


def screen(explanation: Explanation) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(explanation.render())
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


# Verdicts


@pytest.mark.parametrize(
    ("left", "right", "reason", "together"),
    [
        ("copy-1", "copy-2", "kept", True),
        ("same-1", "same-2", "kept", True),
        ("same-2", "same-3", "kept", True),
        ("chain-a", "chain-c", "little_shared", True),
        ("cut-b", "cut-c", "cut", False),
        ("copy-1", "wire", "little_shared", False),
        ("long-a", "long-b", "little_shared", False),
        ("short-a", "short-b", "little_shared", False),
        ("low-a", "low-b", "below_floor", False),
        ("board-1", "board-2", "figures_disagree", False),
    ],
)
def test_every_verdict(output: Path, left: str, right: str, reason: str, together: bool) -> None:
    found = explain(output, left, right)
    assert (found.reason, found.together) == (reason, together)
    assert found.verdict.startswith("Together" if together else "Apart")
    assert found.verdict.replace("\n", " ") in " ".join(screen(found).split())
    assert found == explain(output, right, left)


def test_a_pair_that_no_search_proposed(tmp_path: Path) -> None:
    # One band of several rows on 16 values, and a sketch that never suffices: of ten pairs at a
    # Jaccard of 1/3 nearly all are missed.
    print("seed", SEED)
    draws = random.Random(SEED)
    rows = []
    for i in range(10):
        shared = prose(draws, 50)
        rows += [article(f"{end}{i}", shared, prose(draws, 50)) for end in "ab"]
    settings = Settings(num_perm=16, recall_at_floor=0.01, sketch_shared=10_000)
    result = cluster_articles(write_lines(tmp_path, rows), tmp_path / "out", settings)
    proposed = set(result.pairs["left_id"].to_pylist())
    missed = next(i for i in range(10) if f"a{i}" not in proposed)
    found = explain(tmp_path / "out", f"a{missed}", f"b{missed}")
    assert (found.reason, found.together) == ("not_compared", False)
    assert found.pair is not None
    assert found.pair.jaccard == pytest.approx(46 / (96 + 96 - 46))


def test_all_verdicts_are_tried() -> None:
    # `unknown` and `not_compared` have tests of their own.
    tried = {"kept", "cut", "little_shared", "below_floor", "figures_disagree"}
    assert set(VERDICTS) == tried | {"not_compared", "unknown"}


# Scores and passages


def test_scores_and_passages_of_a_copy(output: Path) -> None:
    found = explain(output, "copy-1", "copy-2")
    assert found.pair is not None
    assert (found.pair.relation, found.pair.shared_shingles) == ("copy", 116)
    assert found.pair.jaccard == pytest.approx(116 / (136 + 141 - 116))
    assert found.pair.containment_left == pytest.approx(116 / 136)
    assert found.pair.containment_right == pytest.approx(116 / 141)
    assert found.pair.similarity == pytest.approx(found.pair.jaccard)
    assert found.hours_apart == 24
    assert found.left.published_at == datetime(2024, 3, 1, 6, tzinfo=UTC)
    rows = {row["id"]: row["text"] for row in corpus()}
    assert found.passages == (Passage(" ".join(rows["copy-1"].split()[:120]), 120),)
    assert found.path == (found.pair,)


def test_scores_of_a_pair_that_was_not_kept(output: Path) -> None:
    found = explain(output, "low-a", "low-b")
    assert found.pair is not None
    assert (found.pair.relation, found.pair.cosine) == (None, None)
    assert found.pair.shared_shingles == 26
    assert found.pair.jaccard == pytest.approx(26 / (146 + 146 - 26))
    assert found.pair.similarity == found.pair.jaccard
    assert found.path == ()
    assert [passage.words for passage in found.passages] == [30]


def test_figures(output: Path) -> None:
    found = explain(output, "board-1", "board-2")
    assert found.figures == (0, 3)
    assert "0 of 3 in common" in found.verdict


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
    assert found.left.template == found.right.template == (Passage(board, 14),)
    assert found.left.template_shingles == 14 - SIZE + 1
    assert found.passages == ()
    assert f"14 words: “{board}”" in screen(found)


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
    chosen = random.Random(SEED).sample(kept, min(20, len(kept)))
    template = 0
    for pair in chosen:
        found = explain(tmp_path / "out", pair["left_id"], pair["right_id"])
        assert distinct_shingles(found.passages) == pair["shared_shingles"]
        for side in (found.left, found.right):
            assert distinct_shingles(side.template) == side.template_shingles
            template += side.template_shingles
    assert len(chosen) == 20
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
    assert (apart.reason, apart.pair, apart.figures) == ("unknown", None, None)
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
