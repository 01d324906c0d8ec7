"""Figures for the screen and for the documents.

Law: a figure in a document stands between two marks and is written by this module only.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.measure import Measured

_SCREEN = Console(width=max(Console().width, 200), highlight=False, markup=False)

_COLUMNS = {
    "pair precision": "precision",
    "pair recall": "recall",
    "pair F1": "f1",
    "weighted pair F1": "weighted_f1",
    "B-cubed F1": "bcubed_f1",
    "ARI": "ari",
    "recall of lsh": "candidates_lsh",
    "recall of sketch": "candidates_sketch",
    "recall of any candidates": "candidates_any",
    "wrong bulletin pairs": "wrong_bulletin_pairs",
    "articles": "articles",
    "clusters": "clusters",
    "missing": "missing",
}
_COUNTS = {"wrong_bulletin_pairs", "articles", "clusters", "missing"}


def figure(name: str, value: float) -> str:
    """A figure in few characters."""
    if math.isnan(value):
        return "-"
    if name in _COUNTS:
        return f"{value:,.0f}"
    return f"{value:.1f}" if name == "seconds" else f"{value:.3f}"


def headline(found: Measured) -> str:
    """The figures that stand for all others of a truth."""
    return " / ".join(figure(name, found.figures[name]) for name in found.headline)


def line(text: str) -> None:
    """Print a line as it is."""
    _SCREEN.print(_plain(text), soft_wrap=True)


def loud(text: str) -> None:
    """Print a line that nobody overlooks."""
    _SCREEN.print(_plain(text), style="bold red", soft_wrap=True)


def details(found: Measured) -> None:
    """Print every figure of a truth, and its worst errors."""
    names = ", ".join(name.replace("_", " ") for name in found.headline)
    counts = ("articles", "clusters", "seconds", "wrong_bulletin_pairs")
    counted = (
        f"{figure(name, found.figures[name])} {name.replace('_', ' ')}"
        for name in counts
        if name in found.figures
    )
    line("")
    line(f"{found.key}: {names} {headline(found)}")
    _SCREEN.print(found.evaluation.render())
    line(", ".join(counted))
    for error in found.errors:
        for text in error:
            line(text)


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells, the first of them headings, which are broken to be narrow."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(rows[0]):
        broken = re.sub(r"[/ ]|(?<=\w)_", "\n", heading) if number else heading
        shown.add_column(Text(broken), justify="right" if number else "left", no_wrap=not number)
    for row in rows[1:]:
        shown.add_row(*map(Text, row))
    _SCREEN.print(shown)


def overview(measured: Iterable[Measured], seconds: bool = True) -> list[list[str]]:
    """All truths, one row each."""
    columns = _COLUMNS | ({"seconds": "seconds"} if seconds else {})
    return [
        ["set and truth", *columns],
        *(
            [found.key, *(_cell(found, name) for name in columns.values())]
            for found in sorted(measured, key=lambda found: found.key)
        ),
    ]


def comparison(
    setting: str, default: str, by_value: Mapping[str, Sequence[Measured]]
) -> list[list[str]]:
    """Headline figures, one row for each value of a setting."""
    keys = {found.key: found.headline for each in by_value.values() for found in each}
    rows = [[setting, *(f"{key} {', '.join(names)}" for key, names in keys.items())]]
    for value, measured in by_value.items():
        found = {each.key: headline(each) for each in measured}
        named = f"{value} (default)" if value == default else value
        rows.append([named, *(found.get(key, "-") for key in keys)])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table in Markdown."""
    first, *others = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    lines = [first, ["---", *["--:"] * (len(first) - 1)], *others]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as a table; a cell that a row lacks stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def rewrite(path: Path, block: str, content: str) -> None:
    """Put content between a block's marks in a document; a block that it lacks goes to its end."""
    document = path.read_text(encoding="utf-8") if path.exists() else ""
    begin = f"<!-- {block}: begin -->\n"
    filled = f"{begin}{content}<!-- end -->"
    if begin in document:
        pattern = re.compile(re.escape(begin) + r".*?<!-- end -->", re.DOTALL)
        document = pattern.sub(lambda _: filled, document, count=1)
    else:
        document = f"{document.rstrip()}\n\n{filled}\n".lstrip()
    path.write_text(document, encoding="utf-8")


def _cell(found: Measured, name: str) -> str:
    return figure(name, found.figures[name]) if name in found.figures else ""


def _plain(line: str) -> str:
    """A line without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
