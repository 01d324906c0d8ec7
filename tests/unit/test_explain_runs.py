"""Explanations of incremental runs: what counts now, and what was not compared."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dedup import Settings, cluster_new, read
from dedup.errors import InputError
from dedup.explain import Passage, Window, explain

SEED = 20240401
FIRST = datetime(2024, 4, 1, 6, tzinfo=UTC)


@pytest.fixture
def draws() -> random.Random:
    print("seed", SEED)
    return random.Random(SEED)


def prose(draws: random.Random, words: int) -> str:
    """Words of eight letters, so that no two passages share a word but by a miracle."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(draws.choices(letters, k=8)) for _ in range(words))


def article(name: str, text: str, day: float | None = 0, **columns: Any) -> dict[str, Any]:
    published = None if day is None else str(FIRST + timedelta(days=day))
    return {"id": name, "text": text, "source": f"outlet of {name}", "published_at": published} | (
        columns
    )


class News:
    """An inbox, and the runs over it."""

    def __init__(self, folder: Path) -> None:
        self.inbox, self.output = folder / "in", folder / "out"
        self.inbox.mkdir()

    def put(self, name: str, rows: Sequence[dict[str, Any]], day: float = 0) -> Path:
        """A file that was modified on that day."""
        file = self.inbox / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        self.date(file, day)
        return file

    @staticmethod
    def date(file: Path, day: float) -> None:
        seconds = (FIRST + timedelta(days=day)).timestamp()
        os.utime(file, (seconds, seconds))

    def run(self, **given: Any) -> None:
        cluster_new(self.inbox, self.output, **given)


@pytest.fixture
def news(tmp_path: Path) -> News:
    return News(tmp_path)


# What counts now


@pytest.mark.parametrize("file", ["second.jsonl", "first.jsonl", "of/day.jsonl"])
def test_the_version_that_counts_is_read(news: News, draws: random.Random, file: str) -> None:
    """From another file, from a new version of the same file, and from another folder."""
    old, new = prose(draws, 60), prose(draws, 60)
    other = article("other", f"{new} {prose(draws, 10)}")
    news.put("first.jsonl", [article("it", old), other])
    news.run()
    assert explain(news.output, "it", "other").reason == "little_shared"
    news.put(file, [article("it", new), other], 1)
    news.run()
    found = explain(news.output, "it", "other")
    assert (found.reason, found.notes) == ("kept", ())
    assert found.passages == (Passage(new, 60, 60),)


def test_the_older_version_does_not_count_though_it_comes_later(
    news: News, draws: random.Random
) -> None:
    old, new = prose(draws, 60), prose(draws, 60)
    news.put("b.jsonl", [article("it", new), article("other", f"{new} {prose(draws, 10)}")], 1)
    news.run()
    news.put("a.jsonl", [article("it", old)], 0)
    news.run()
    assert read(news.output).info["counts"]["rejects"] == {"superseded": 1}
    assert explain(news.output, "it", "other").passages == (Passage(new, 60, 60),)


def test_text_files_are_read_again(news: News, draws: random.Random) -> None:
    text = prose(draws, 60)
    for name, tail in (("a", 5), ("b", 6)):
        file = news.inbox / "of" / f"{name}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{text} {prose(draws, tail)}")
        news.date(file, 0)
    news.run()
    found = explain(news.output, "of/a", "of/b")
    assert (found.notes, found.passages) == ((), (Passage(text, 60, 60),))


def test_scores_are_those_of_the_run(news: News, draws: random.Random) -> None:
    text, board = prose(draws, 60), prose(draws, 9)
    rows = [article("a", f"{text} {prose(draws, 9)} {board}", 0, source="Post")]
    rows += [article("b", f"{text} {prose(draws, 30)} {board}", 4, source="Post")]
    rows += [article(f"p{i}", f"{prose(draws, 60)} {board}", 0, source="Post") for i in range(2)]
    # With one outlet alone, one outlet means nothing: so the last run changes what the first told.
    rows.append(article("z", prose(draws, 60)))
    for day, row in enumerate(rows):
        news.put(f"{day}.jsonl", [row], day)
        news.run(settings=Settings(similarity_floor=0.1))
    found = explain(news.output, "a", "b")
    assert found.alone is not None and found.pair is not None
    assert found.alone.exact
    for name in ("similarity", "held", "agreement", "jaccard", "shared_shingles"):
        assert getattr(found.alone, name) == getattr(found.pair, name), name
    assert {each.cause for each in found.lowered} == {"days_apart", "same_outlet"}
    assert [passage.text for passage in found.left.template] == [board]


def test_another_text_of_the_same_length_is_not_what_the_run_read(
    news: News, draws: random.Random
) -> None:
    rows = [article(name, prose(draws, 60)) for name in "ab"]
    news.put("in.jsonl", rows)
    news.run()
    news.put("in.jsonl", [rows[0], {**rows[1], "text": prose(draws, 60)}], 1)
    found = explain(news.output, "a", "b")
    assert (found.reason, found.alone) == ("unknown", None)
    assert found.notes == ("the texts are not those that the run read",)
    news.put("in.jsonl", rows[:1], 2)
    assert "in.jsonl no longer has the row that counts" in explain(news.output, "a", "b").notes[0]
    (news.inbox / "in.jsonl").unlink()
    assert "cannot be read again" in explain(news.output, "a", "b").notes[0]


def test_template_is_what_it_was_on_the_day(news: News, draws: random.Random) -> None:
    """What an outlet repeated once is its template then, and not for ever."""
    board = prose(draws, 12)
    rows = [
        article(f"{day}", f"{prose(draws, 60)} {board}", day, source="Post")
        for day in (0, 1, 2, 40)
    ]
    news.put("in.jsonl", rows)
    news.run(settings=Settings(window_days=5))
    found = explain(news.output, "0", "40")
    assert found.notes == ()
    assert [passage.text for passage in found.left.template] == [board]
    assert found.right.template == ()


# What was not compared


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("apart", [30, 31])
def test_what_lies_further_apart_than_the_window(
    news: News, draws: random.Random, apart: int, dated: bool
) -> None:
    """Of an article without a date, the day on which its file was modified."""
    text = prose(draws, 100)
    for name, day in (("a", 0), ("b", apart)):
        row = article(name, f"{text} {prose(draws, 5)}", day if dated else None)
        news.put(f"{day}.jsonl", [row], day)
    news.run()
    found = explain(news.output, "a", "b")
    assert found.window == Window(days=30, apart=apart)
    assert found.passages == (Passage(text, 100, 100),)
    if apart == 30:
        assert (found.reason, found.proposed, found.together) == ("kept", True, True)
        return
    assert (found.reason, found.proposed, found.together) == ("out_of_window", False, False)
    assert "not compared: 31 days lie between" in found.verdict
    assert "`window_days` is 30" in found.verdict
    shutil.rmtree(news.inbox)
    gone = explain(news.output, "a", "b")
    assert (gone.reason, gone.verdict) == (found.reason, found.verdict)


def test_what_others_connect_was_compared_however_far_apart(
    news: News, draws: random.Random
) -> None:
    first, last = prose(draws, 60), prose(draws, 60)
    texts = (first, f"{first} {last}", last)
    rows = [article(f"{day}", text, day) for day, text in zip((0, 3, 6), texts, strict=True)]
    news.put("in.jsonl", rows)
    news.run(settings=Settings(window_days=4))
    found = explain(news.output, "0", "6")
    assert found.window == Window(days=4, apart=6)
    assert (found.reason, found.together) == ("little_shared", True)


def test_an_earlier_run_may_have_proposed_a_pair(news: News, draws: random.Random) -> None:
    text = prose(draws, 60)
    rows = [article(name, f"{text} {prose(draws, 60)}") for name in "ab"]
    news.put("first.jsonl", rows)
    news.run(settings=Settings(similarity_floor=0.9))
    assert explain(news.output, "a", "b").proposed is True
    news.put("second.jsonl", [article("c", prose(draws, 60))], 1)
    news.run(settings=Settings(similarity_floor=0.9))
    found = explain(news.output, "a", "b")
    assert (found.reason, found.proposed) == ("little_held", None)
    assert found.verdict.startswith("Apart, in one story: their similarity is below the")


def test_what_is_forgotten(news: News, draws: random.Random) -> None:
    """Of what stays published nothing is said but what the tables say."""
    text = prose(draws, 60)
    for name, day in (("a", 0), ("b", 1), ("c", 9), ("z", 400)):
        tail = prose(draws, 5 if name in "ab" else 70)
        news.put(f"{day}.jsonl", [article(name, f"{text} {tail}", day)], day)
        news.run(settings=Settings(window_days=2, late_days=1))
    old = explain(news.output, "a", "b")
    assert (old.reason, old.together, old.passages) == ("kept", True, ())
    assert "too old for the runs to remember" in old.notes[0]
    assert explain(news.output, "a", "c").reason == "unknown"
    far = explain(news.output, "a", "z")
    assert (far.reason, far.window) == ("out_of_window", Window(days=2, apart=400))


# Who is gone


def test_who_was_taken_down(news: News, draws: random.Random, tmp_path: Path) -> None:
    secret = prose(draws, 60)
    ids = tmp_path / "ids.txt"
    ids.write_text("known\nunknown\n")
    news.put("first.jsonl", [article("known", secret), article("stays", prose(draws, 60))])
    news.run()
    news.run(retract=[ids])
    news.put("second.jsonl", [article("unknown", secret)], 1)
    run_id = read(news.output).info["run_id"]
    news.run()
    with pytest.raises(InputError) as known:
        explain(news.output, "stays", "known")
    assert known.value.got == f"one that was taken down, out of cluster known by run {run_id}"
    with pytest.raises(InputError) as unknown:
        explain(news.output, "stays", "unknown")
    assert unknown.value.got == "one that was taken down"
    for word in secret.split():
        assert word not in f"{known.value}{unknown.value}"


def test_who_is_gone_since_a_rebuild(news: News, draws: random.Random) -> None:
    file = news.put("first.jsonl", [article("gone", prose(draws, 60))])
    news.put("second.jsonl", [article("stays", prose(draws, 60))], 1)
    news.run()
    file.unlink()
    news.run(rebuild=True)
    with pytest.raises(InputError, match="got one that is gone, out of cluster gone by run"):
        explain(news.output, "stays", "gone")
    with pytest.raises(InputError, match="got no such id"):
        explain(news.output, "stays", "nobody")
