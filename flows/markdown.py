"""Tables in Markdown, as Prefect's pages render them.

Law: what stands in a cell is text, and cannot end the cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def section(title: str, heads: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> str:
    """A heading with a table under it, or with the word that there is nothing."""
    body = list(rows)
    return f"## {title}\n\n" + (table(heads, body) if body else "None.")


def table(heads: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> str:
    """A table; numbers with thousands apart, and spaces in the names that rows begin with."""
    named = [(str(name).replace("_", " "), *values) for name, *values in rows]
    lines = [heads, ["---"] * len(heads), *named]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}"
    return re.sub(r"([\\|_*`<\[])", r"\\\1", str(value))
