"""What a command says at its end.

Law: what is shown of the articles is shown as text; nothing in it is markup, and nothing in it can
move the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_CLUSTERS = 10
_GROWN = 5


def render(info: Mapping[str, Any], summary: pa.Table) -> RenderableType:
    """A run in short: its counts and its largest clusters; of an incremental one what it changed.

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
    parts = [_lines(_counts(info))]
    if "growth" in info:
        parts += _changes(info)
    if summary.num_rows:
        parts += [Text(), _clusters(largest(summary, _CLUSTERS))]
    return Group(*parts)


def largest(summary: pa.Table, number: int) -> list[dict[str, Any]]:
    """The `number` largest clusters, as rows of the summary; ties by id."""
    order = [("size", "descending"), ("cluster_id", "ascending")]
    return summary.sort_by(order).slice(0, number).to_pylist()


def _lines(counts: Iterable[tuple[int, str]]) -> RenderableType:
    return Text("\n".join(f"{number:>9,}  {words}" for number, words in counts))


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


def _changes(info: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What came and went with a run, and where it went to; nothing when all came with it."""
    counts = info["counts"]
    came, went = counts["articles_new"], counts["articles_gone"]
    if came == counts["articles"] and not went:
        return
    changes = [
        (counts["rows_new"], "rows read by this run"),
        (came, "articles that came: new, or of a newer version"),
        (went, "articles that went: taken down, or of an older version"),
    ]
    yield from (Text(), _lines(changes))
    if info["growth"]:
        yield from (Text(), _growing(info["growth"][:_GROWN]))


def _growing(rows: list[dict[str, Any]]) -> Table:
    table = _table("new", "now")
    for row in rows:
        numbers = str(row["size"] - row["before"]), str(row["size"])
        table.add_row(*numbers, *map(_plain, (row["lead_title"], row["lead_source"])))
    return table


def _clusters(rows: list[dict[str, Any]]) -> Table:
    table = _table("size", "sources")
    table.add_column("agency", no_wrap=True)
    for row in rows:
        named = (row["lead_title"], row["lead_source"], row["agency"])
        table.add_row(str(row["size"]), str(row["sources"]), *map(_plain, named))
    return table


def _table(*numbers: str) -> Table:
    """A table of clusters: numbers, then the lead and where it is from."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name in numbers:
        table.add_column(name, justify="right")
    table.add_column("lead", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("from", no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _plain(value: str | None) -> Text:
    printable = "".join(letter if letter.isprintable() else " " for letter in value or "")
    return Text(" ".join(printable.split()))
