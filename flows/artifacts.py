"""What a run found, for Prefect's pages.

Law: an artifact says nothing that the published run does not; it is made from the run's manifest
and summary alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from dedup.console import largest

_CLUSTERS = 50
"""Rows of the table of clusters: as many as a page shows well."""


def create_artifacts(output: str, info: Mapping[str, Any], summary: pa.Table) -> None:
    """Create the run's artifacts: its figures as Markdown, its largest clusters as a table.

    Parameters
    ----------
    output : str
        The output folder.
    info : mapping
        The run's manifest.
    summary : pa.Table
        As `schemas.SUMMARY`.
    """
    create_markdown_artifact(markdown(output, info), "figures", f"Run {info['run_id']}")
    table = [
        {
            "size": row["size"],
            "sources": row["sources"],
            "lead title": row["lead_title"],
            "lead source": row["lead_source"],
            "first published": _time(row["first_published_at"]),
            "last published": _time(row["last_published_at"]),
            "agency": row["agency"],
            "cluster": row["cluster_id"],
        }
        for row in largest(summary, _CLUSTERS)
    ]
    create_table_artifact(table, "largest-clusters", f"The largest of {summary.num_rows} clusters")


def markdown(output: str, info: Mapping[str, Any]) -> str:
    """A run's figures as Markdown."""
    counts = info["counts"]
    single = {name: value for name, value in counts.items() if not isinstance(value, Mapping)}
    stages = [(stage["name"], stage["seconds"], stage["rows"]) for stage in info["stages"]]
    parts = [
        f"# {counts['clusters']:,} clusters in {counts['articles']:,} articles",
        f"Run `{info['run_id']}` under `{output}`, {info['started_at']} to {info['finished_at']}.",
        _section("Counts", ("what", "count"), single.items()),
        _section("Relations", ("relation", "pairs"), counts["pairs_by_relation"].items()),
        _section("Rejects", ("reason", "rows"), counts["rejects"].items()),
        _section("Stages", ("stage", "seconds", "rows"), stages),
        "<details><summary>Settings</summary>\n",
        _table(("setting", "value"), info["settings"].items()),
        f"\nFingerprint `{info['settings_fingerprint']}`.\n\n</details>",
    ]
    return "\n\n".join(parts)


def _section(title: str, heads: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> str:
    body = list(rows)
    return f"## {title}\n\n" + (_table(heads, body) if body else "None.")


def _table(heads: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("_", " ").replace("|", "\\|")


def _time(value: Any) -> str | None:
    return f"{value:%Y-%m-%d %H:%M}" if value else None
