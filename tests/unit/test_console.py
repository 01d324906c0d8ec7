"""What a command shows at its end."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pyarrow as pa
from rich.console import Console

from dedup.console import largest, render
from dedup.schemas import SUMMARY


def summary(*rows: dict[str, Any]) -> pa.Table:
    filled = [
        {
            "cluster_id": f"c{number}",
            "story_id": "s",
            "size": 2,
            "sources": 1,
            "lead_id": "a",
            "min_jaccard": 1.0,
            "mean_jaccard": 1.0,
            **row,
        }
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(filled, schema=SUMMARY)


INFO = {
    "counts": {
        "articles": 12_345,
        "clusters": 2,
        "clustered": 1_234,
        "rejects": {"empty_text": 3},
    },
    "stages": [{"seconds": 1.25}, {"seconds": 2.0}],
}


def shown(table: pa.Table, info: dict[str, Any] = INFO) -> str:
    console = Console(file=StringIO(), width=80, highlight=False)
    console.print(render(info, table))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_it_tells_the_counts() -> None:
    lines = [line.split(maxsplit=1) for line in shown(summary()).splitlines()]
    assert lines == [
        ["12,345", "articles, in 3.2 s"],
        ["2", "clusters of two or more"],
        ["1,234", "articles in them, 10.0% of all"],
        ["3", "rows left out: empty text"],
    ]


def test_nothing_in_nothing_out() -> None:
    counts = {"articles": 0, "clusters": 0, "clustered": 0, "rejects": {}}
    assert "0.0% of all" in shown(summary(), {"counts": counts, "stages": []})


def renewed(new: int, gone: int, *growth: dict[str, Any]) -> dict[str, Any]:
    changes = {"rows_new": new + 1, "articles_new": new, "articles_gone": gone}
    rows = [{"lead_title": "Pier", "lead_source": "Post", **row} for row in growth]
    return {**INFO, "counts": {**INFO["counts"], **changes}, "growth": rows}


def test_it_tells_what_a_run_changed() -> None:
    grown = [{"size": 9 - n, "before": n, "lead_title": f"title {n}"} for n in range(8)]
    lines = [line.split() for line in shown(summary(), renewed(40, 2, *grown)).splitlines()]
    changed = lines[len(shown(summary()).splitlines()) :]
    assert [line[:2] for line in changed[:4]] == [
        [],
        ["41", "rows"],
        ["40", "articles"],
        ["2", "articles"],
    ]
    assert changed[5] == ["new", "now", "lead", "from"]
    assert changed[6:] == [[str(9 - 2 * n), str(9 - n), "title", str(n), "Post"] for n in range(5)]


def test_of_a_first_run_all_is_new() -> None:
    first = renewed(INFO["counts"]["articles"], 0, {"size": 9, "before": 0})
    assert shown(summary(), first) == shown(summary())
    # Not of one that has as many articles as came, because all others went.
    assert "1  articles that went" in shown(summary(), renewed(INFO["counts"]["articles"], 1))


def test_the_largest_come_first_and_ties_by_id() -> None:
    table = summary({"size": 2}, {"size": 7}, {"size": 2}, {"size": 9})
    assert [row["cluster_id"] for row in largest(table, 3)] == ["c3", "c1", "c0"]


def test_titles_are_text() -> None:
    title = "[bold]Pier[/bold]\x1b[2J :warning:\nrebuilt\u202e\x07"
    grown = renewed(1, 0, {"size": 2, "before": 0, "lead_title": title, "lead_source": None})
    text = shown(summary({"lead_title": title, "lead_source": None}), grown)
    assert text.count("[bold]Pier[/bold] [2J :warning:") == 2
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_a_long_title_keeps_its_row_on_one_line() -> None:
    text = shown(summary({"lead_title": "word " * 40, "lead_source": "outlet " * 9}))
    assert len(text.splitlines()) == 4 + 1 + 2
    assert all(len(line) <= 80 for line in text.splitlines())
