"""Days that have gone by, one run each, in their order.

Law: each day is a run of `flows.cluster_new`, whole and published before the next begins; so a
backfill that was stopped is started again with the same days, and those that are done say so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from prefect import State, flow, runtime
from prefect.artifacts import create_table_artifact

from dedup.errors import SettingsError
from dedup.settings import Limits, Settings
from flows.cluster_new import cluster_new
from flows.parameters import First, Inbox, Last, Output, WaitMinutes, WithLimits, WithSettings
from flows.tasks import last_name

_SETTINGS = Settings()
_LIMITS = Limits()


def _run_name() -> str:
    """Name of a flow run: where it goes and the days."""
    given = runtime.flow_run.parameters
    return f"{last_name(given['output'])} from {given['first']} to {given['last']}"


@flow(name="backfill", flow_run_name=_run_name)
def backfill(
    inbox: Inbox,
    output: Output,
    first: First,
    last: Last,
    wait_minutes: WaitMinutes = 120,
    limits: WithLimits = _LIMITS,
    settings: WithSettings = _SETTINGS,
) -> dict[str, Any]:
    """Take the files of an inbox day by day, as their paths name it, each as if it had just passed.

    What is usual for an hour says nothing of a day long gone, nor is its silence news: of the
    limits, `input_share` and `silence_hours` do not count, and no event is emitted.

    Parameters
    ----------
    inbox : str
        Folder or URL of the files.
    output : str
        Folder or URL the runs are published under.
    first, last : date
        The days to take, both included.
    wait_minutes : float
        How long each day waits for another run under the same output.
    limits : Limits
        What lets a run be published.
    settings : Settings
        What the runs may be told.

    Returns
    -------
    dict
        For each day, what became of it.

    Raises
    ------
    InputError, OutputError, SettingsError, RunError, BusyError
    """
    if last < first:
        raise SettingsError("parameter last", f"{first} or later", str(last), "correct the days")
    past = limits.model_copy(update={"input_share": 0.0, "silence_hours": 0.0})
    done: dict[str, Any] = {}
    try:
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1)):
            state: State[Any] = cluster_new(
                inbox,
                output,
                day=day,
                notify_size=0,
                wait_minutes=wait_minutes,
                limits=past,
                settings=settings,
                return_state=True,
            )
            done[str(day)] = "failed"
            made = state.result()
            done[str(day)] = made["run_id"] if made else "nothing new"
    finally:
        rows = [{"day": day, "run": run} for day, run in done.items()]
        create_table_artifact(rows, "backfill", f"Days from {first} to {last}")
    return done
