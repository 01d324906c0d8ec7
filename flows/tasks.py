"""What the flows share: how a task is tried, verbs done unit by unit, and how a run is named.

Law: a task takes plain facts, makes one library call and returns a few numbers; what it made lies
in files, so a task or a run that is started again picks up what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from prefect import Task, runtime, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import as_completed

from dedup import pipeline
from dedup.errors import DedupError
from dedup.lock import Held, locked
from dedup.pipeline import Run
from dedup.settings import Settings
from dedup.threads import spans
from flows.progress import RunProgress

HOUR = 3600
_MOST_TASKS = 150
"""Task runs of one flow run that Prefect's server takes without falling behind; each verb has as
many of them as it has of the time."""

Unit = Callable[[int], dict[str, Any]]
"""Does the unit of a verb that has this number, and notes what came of it."""


def may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether an error may be gone at another try.

    What the library raises on purpose is the same every time.
    """
    return not isinstance(state.result(raise_on_failure=False), DedupError)


TASK: dict[str, Any] = {
    # Prefect's cache takes a result for made whose file is gone; the library looks at the files.
    "cache_policy": NO_CACHE,
    "retries": 2,
    "retry_delay_seconds": [5, 60],
    "retry_condition_fn": may_pass,
}
"""How every task is tried."""


# No timeout: in a worker thread Prefect cannot enforce one, and warns of it at every run.
@task(**TASK, task_run_name="{verb}-{first}")
def part(verb: str, first: int, last: int, do: Unit) -> dict[str, int]:
    """Do a verb's units from `first` to before `last`: how many, and how many were there already.

    Who does it may die at it, and another does it again: a unit's files appear whole or not at all.
    """
    notes = [do(number) for number in range(first, last)]
    return {"units": len(notes), "reused": sum(note["reused"] for note in notes)}


def mapped(verb: str, units: int, run: Run, settings: Settings, report: RunProgress) -> None:
    """Do all units of a verb, as many at a time as the runner has room for.

    Parameters
    ----------
    verb : str
        One of `pipeline.VERBS`.
    units : int
        How many there are, numbered from 0. Where they are more than the verb may have task runs,
        a task run takes several.
    """
    most = max(1, int(_MOST_TASKS * report.share(verb)))
    parts = spans(units, -(-units // most) or 1)
    # As one value, because Prefect and Dask look into what is given apart for results to wait for:
    # into every shard of every task run. Prefect's `quote` does not come through Dask.
    do = partial(pipeline.perform, verb, run, settings=settings)
    futures = part.map(
        unmapped(verb), [span.start for span in parts], [span.stop for span in parts], unmapped(do)
    )
    done = reused = 0
    report(verb, 0, units)
    for future in as_completed(futures):
        counts = future.result()
        done, reused = done + counts["units"], reused + counts["reused"]
        report(verb, done, units)
    if reused:
        report.say(f"{verb}: {reused} of {units} were there from an earlier try")


@contextmanager
def alone(output: str, wait_minutes: float) -> Iterator[Held]:
    """Have an output to oneself for the run; whoever is kept out by it reads the run's name."""
    with locked(output, f"flow run {runtime.flow_run.name}", wait_minutes * 60) as held:
        yield held


def last_name(path: str) -> str:
    """Last part of a path or URL, as it stands in the name of a run."""
    return path.rstrip("/").rpartition("/")[2]
