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


def test_the_largest_come_first_and_ties_by_id() -> None:
    table = summary({"size": 2}, {"size": 7}, {"size": 2}, {"size": 9})
    assert [row["cluster_id"] for row in largest(table, 3)] == ["c3", "c1", "c0"]


def test_titles_are_text() -> None:
    title = "[bold]Pier[/bold]\x1b[2J :warning:\nrebuilt\u202e\x07"
    text = shown(summary({"lead_title": title, "lead_source": None}))
    assert "[bold]Pier[/bold] [2J :warning:" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_a_long_title_keeps_its_row_on_one_line() -> None:
    text = shown(summary({"lead_title": "word " * 40, "lead_source": "outlet " * 9}))
    assert len(text.splitlines()) == 4 + 1 + 2
    assert all(len(line) <= 80 for line in text.splitlines())
