"""What a command says at its end.

Law: what is shown of the articles is shown as text; nothing in it is markup, and nothing in it can
move the cursor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_CLUSTERS = 10


def render(info: Mapping[str, Any], summary: pa.Table) -> RenderableType:
    """A run in short: its counts and its largest clusters.

    Parameters
    ----------
    info : mapping
        The run's manifest.
    summary : pa.Table
        As `schemas.SUMMARY`.

    Returns
    -------
    rich renderable
    """
    counts = Text("\n".join(f"{number:>9,}  {words}" for number, words in _counts(info)))
    if not summary.num_rows:
        return counts
    return Group(counts, Text(), _clusters(largest(summary, _CLUSTERS)))


def largest(summary: pa.Table, number: int) -> list[dict[str, Any]]:
    """The `number` largest clusters, as rows of the summary; ties by id."""
    order = [("size", "descending"), ("cluster_id", "ascending")]
    return summary.sort_by(order).slice(0, number).to_pylist()


def _counts(info: Mapping[str, Any]) -> list[tuple[int, str]]:
    counts = info["counts"]
    seconds = sum(stage["seconds"] for stage in info["stages"])
    share = counts["clustered"] / max(1, counts["articles"])
    rejects = [(number, reason.replace("_", " ")) for reason, number in counts["rejects"].items()]
    return [
        (counts["articles"], f"articles, in {seconds:.1f} s"),
        (counts["clusters"], "clusters of two or more"),
        (counts["clustered"], f"articles in them, {share:.1%} of all"),
        *((number, f"rows left out: {reason}") for number, reason in rejects),
    ]


def _clusters(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("size", justify="right")
    table.add_column("sources", justify="right")
    table.add_column("lead", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("from", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("agency", no_wrap=True)
    for row in rows:
        named = (row["lead_title"], row["lead_source"], row["agency"])
        table.add_row(str(row["size"]), str(row["sources"]), *map(_plain, named))
    return table


def _plain(value: str | None) -> Text:
    printable = "".join(letter if letter.isprintable() else " " for letter in value or "")
    return Text(" ".join(printable.split()))
