"""What a run announces: clusters that have become large.

Law: an event says which cluster and how large, and of the articles only the lead's title; whoever
wants more reads the published run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import get_run_logger
from prefect.events import emit_event

LARGE = "dedup.cluster.large"
_MOST = 100
"""Events of one run, of its largest clusters: a first run has too many for anyone to read."""


def announce(output: str, info: Mapping[str, Any], size: int) -> None:
    """Emit an event for each cluster that reached a size in this run.

    Parameters
    ----------
    output : str
        The output folder.
    info : mapping
        The run's manifest, with ``growth``.
    size : int
        Articles that make a cluster large; 0 announces none.
    """
    reached = [row for row in info["growth"] if row["before"] < size <= row["size"]]
    reached.sort(key=lambda row: (-row["size"], row["cluster_id"]))
    for row in reached[:_MOST]:
        emit_event(
            LARGE,
            resource={
                "prefect.resource.id": f"dedup.cluster.{row['cluster_id']}",
                "prefect.resource.name": row["lead_title"] or row["cluster_id"],
                "dedup.output": output,
            },
            payload={"output": output, "run_id": info["run_id"], **row},
        )
    if reached:
        logger = get_run_logger()
        logger.info("%d clusters reached %d articles", len(reached), size)
        if len(reached) > _MOST:
            logger.info("the %d largest of them are announced", _MOST)
