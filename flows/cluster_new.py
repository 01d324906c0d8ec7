"""What the schedule runs: the files that are new join the clusters they belong to.

Law: each verb of the library is a task; see `flows.tasks`. The run has the output to itself from
before it looks for new files until it has published.
"""

from __future__ import annotations

if __name__ == "__main__":
    # As in `flows.cluster_articles`.
    from flows.command import main

    raise SystemExit(main("cluster_new"))

from collections.abc import Sequence
from datetime import date
from typing import Any

from prefect import State, flow, runtime, task
from prefect.states import Completed

from dedup import pipeline
from dedup.command import progress_bar
from dedup.pipeline import Renewal
from dedup.settings import Limits, Settings
from flows.artifacts import create_artifacts
from flows.events import announce
from flows.parameters import (
    Day,
    Inbox,
    NotifySize,
    Output,
    Rebuild,
    Retract,
    WaitMinutes,
    WithLimits,
    WithSettings,
)
from flows.progress import RunProgress
from flows.runner import task_runner
from flows.tasks import HOUR, TASK, alone, last_name, mapped

_SETTINGS = Settings()
_LIMITS = Limits()

_SHARES = {"sign": 40.0, "renew": 50.0, "publish": 10.0}
"""Part of the time that each verb takes, in per cent, about."""


@task(**TASK, timeout_seconds=HOUR)
def begin(
    inbox: str,
    output: str,
    settings: Settings,
    retract: Sequence[str],
    rebuild: bool,
    day: date | None,
) -> Renewal | None:
    """Find what is new and plan its shards; None when nothing is."""
    return pipeline.begin_new(inbox, output, settings, retract, rebuild, day)


@task(**TASK, timeout_seconds=12 * HOUR)
def renew(run: Renewal, settings: Settings) -> dict[str, Any]:
    """Bring the clusters up to date with the new articles: their counts."""
    return pipeline.renew(run, settings)


@task(**TASK, timeout_seconds=HOUR)
def check(run: Renewal, limits: Limits) -> None:
    """Stop a run whose counts break a limit."""
    pipeline.check(run, limits)


@task(**TASK, timeout_seconds=4 * HOUR)
def publish(run: Renewal, settings: Settings) -> dict[str, Any]:
    """Make the run the output's latest: its manifest."""
    return pipeline.publish_new(run, settings)


def _run_name() -> str:
    """Name of a flow run: where it goes and where it comes from, and what is asked of it."""
    given = runtime.flow_run.parameters
    names = [last_name(given["output"]), "from", last_name(given["inbox"])]
    if given.get("rebuild"):
        names.append("rebuilt")
    if given.get("day"):
        names.append(f"of {given['day']}")
    return " ".join(names)


@flow(name="cluster-new", flow_run_name=_run_name, task_runner=task_runner())
def cluster_new(
    inbox: Inbox,
    output: Output,
    retract: Retract = (),
    day: Day = None,
    rebuild: Rebuild = False,
    notify_size: NotifySize = 25,
    wait_minutes: WaitMinutes = 30,
    limits: WithLimits = _LIMITS,
    settings: WithSettings = _SETTINGS,
) -> dict[str, Any] | State[Any]:
    """Bring the clusters up to date with what is new in an inbox.

    Parameters
    ----------
    inbox : str
        Folder or URL where new files arrive.
    output : str
        Folder or URL the run is published under, and the state of such runs with it.
    retract : sequence of str
        Files with ids of articles to take down.
    day : date, optional
        Take only the files whose path names this day.
    rebuild : bool
        Forget what is remembered, and cluster the whole inbox anew.
    notify_size : int
        Articles at which a cluster is announced by an event; 0 announces none.
    wait_minutes : float
        How long to wait for another run under the same output.
    limits : Limits
        What lets the run be published.
    settings : Settings
        What the run may be told; others than those of the run before need `rebuild`.

    Returns
    -------
    dict or State
        ``run_id``, and the run's ``counts``; when nothing is new, a completed state that says so.

    Raises
    ------
    InputError, OutputError, SettingsError, RunError, BusyError
    """
    with progress_bar() as terminal, alone(output, wait_minutes) as held:
        run = begin(inbox, output, settings, retract, rebuild, day)
        if run is None:
            return _nothing_new(inbox, output, limits)
        report = RunProgress(_SHARES, terminal)
        mapped("sign", len(run.shards), run, settings, report)
        report("renew", 0, 1)
        renew(run, settings)
        check(run, limits)
        report("publish", 0, 1)
        held.check()
        info = publish(run, settings)
        report("publish", 1, 1)
    create_artifacts(output, info)
    announce(output, info, notify_size)
    return {"run_id": info["run_id"], "counts": info["counts"]}


def _nothing_new(inbox: str, output: str, limits: Limits) -> State[Any]:
    pipeline.check_silence(output, limits)
    return Completed(name="NothingNew", message=f"nothing new in {inbox}", data={})
