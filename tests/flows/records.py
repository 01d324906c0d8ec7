"""What a flow run leaves: in Prefect, and under its output."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler


def flow_run_id(state: State[Any]) -> UUID:
    assert state.state_details.flow_run_id
    return state.state_details.flow_run_id


def artifacts(state: State[Any]) -> dict[str, Any]:
    """What it made for the pages, by key."""
    mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id(state)]))
    with get_client(sync_client=True) as client:
        return {str(made.key): made.data for made in client.read_artifacts(artifact_filter=mine)}


def messages(state: State[Any]) -> list[str]:
    """What it logged."""
    APILogHandler().flush()
    mine = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id(state)]))
    with get_client(sync_client=True) as client:
        return [log.message for log in client.read_logs(mine)]


def published(output: Path) -> dict[str, bytes]:
    """Every file of Parquet that it published, by path."""
    latest = output / "latest"
    files = latest.rglob("*.parquet")
    return {path.relative_to(latest).as_posix(): path.read_bytes() for path in files}
