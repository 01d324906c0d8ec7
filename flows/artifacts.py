"""What a run found, for Prefect's pages.

Law: an artifact says nothing that the published run does not; it is made from the run's manifest
and its small tables, never from its pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from dedup.console import largest
from dedup.store import Store
from flows.markdown import section

_ROWS = 50
"""Rows of a table: as many as a page shows well."""


def create_artifacts(output: str, info: Mapping[str, Any]) -> None:
    """Create a run's artifacts.

    ``figures``, as Markdown; and as tables ``largest-clusters``, ``growing-clusters`` where the
    run followed another, and ``template``, what was left out by source.

    Parameters
    ----------
    output : str
        The output folder.
    info : mapping
        The run's manifest.
    """
    run_id = info["run_id"]
    store = Store(output)
    summary, template = (store.read_table(run_id, name) for name in ("summary", "template"))
    create_markdown_artifact(markdown(output, info), "figures", f"Run {run_id}")
    largest_of = f"The largest of {summary.num_rows:,} clusters"
    create_table_artifact(_largest(summary), "largest-clusters", largest_of)
    if "growth" in info:
        growing = "The clusters that grew most in this run"
        create_table_artifact(_growing(info["growth"]), "growing-clusters", growing)
    by_source = "Shingles left out as page furniture or common phrase, by source"
    create_table_artifact(_by_source(template), "template", by_source)


def _largest(summary: pa.Table) -> list[dict[str, Any]]:
    return [
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
        for row in largest(summary, _ROWS)
    ]


def _growing(growth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [
        {
            "new": row["size"] - row["before"],
            "size": row["size"],
            "lead title": row["lead_title"],
            "lead source": row["lead_source"],
            "cluster": row["cluster_id"],
        }
        for row in growth
    ]
    return sorted(rows, key=lambda row: (-row["new"], row["cluster"]))[:_ROWS]


def _by_source(template: pa.Table) -> list[dict[str, Any]]:
    counted = template.group_by("source").aggregate([("shingle", "count"), ("articles", "max")])
    order = [("shingle_count", "descending"), ("source", "ascending")]
    return [
        {
            "source": row["source"] or "common to all",
            "shingles": row["shingle_count"],
            "most articles": row["articles_max"],
        }
        for row in counted.sort_by(order).slice(0, _ROWS).to_pylist()
    ]


def markdown(output: str, info: Mapping[str, Any]) -> str:
    """A run's figures as Markdown."""
    counts = info["counts"]
    single = {name: value for name, value in counts.items() if isinstance(value, int | float)}
    stages = [(stage["name"], stage["seconds"], stage["rows"]) for stage in info["stages"]]
    parts = [
        f"# {counts['clusters']:,} clusters in {counts['articles']:,} articles",
        f"Run `{info['run_id']}` under `{output}`, {info['started_at']} to {info['finished_at']}.",
        section("Counts", ("what", "count"), single.items()),
        *_relations(counts),
        section("Rejects", ("reason", "rows"), counts["rejects"].items()),
        section("Stages", ("stage", "seconds", "rows"), stages),
        section("Settings", ("setting", "value"), info["settings"].items()),
        f"Fingerprint `{info['settings_fingerprint']}`.",
    ]
    return "\n\n".join(parts)


def _relations(counts: Mapping[str, Any]) -> list[str]:
    """Pairs by relation, where the run counted them: one that only adds to others does not."""
    if "pairs_by_relation" not in counts:
        return []
    return [section("Relations", ("relation", "pairs"), counts["pairs_by_relation"].items())]


def _time(value: Any) -> str | None:
    return f"{value:%Y-%m-%d %H:%M}" if value else None
