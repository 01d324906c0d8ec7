"""What the flows share: how a task is tried, the signing of shards, and how a run is named.

Law: a task takes plain facts, makes one library call and returns a few numbers; what it made lies
in files, so a task or a run that is started again picks up what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import Task, runtime, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import as_completed
from prefect.utilities.annotations import quote

from dedup import pipeline
from dedup.errors import DedupError
from dedup.lock import Held, locked
from dedup.pipeline import Run
from dedup.settings import Settings
from dedup.threads import spans
from flows.progress import RunProgress

HOUR = 3600
_MOST_TASKS = 150
"""Task runs of one flow run that Prefect's server takes without falling behind."""


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
@task(**TASK, task_run_name="sign-{first}")
def sign(first: int, last: int, run: Run, settings: Settings) -> dict[str, int]:
    """Sign the shards from `first` to before `last`: how many, and how many were there already."""
    notes = [pipeline.sign(run, number, settings) for number in range(first, last)]
    return {"shards": len(notes), "reused": sum(note["reused"] for note in notes)}


def sign_all(run: Run, settings: Settings, report: RunProgress) -> None:
    """Sign all shards of a run, as many at a time as the runner has room for."""
    shards = len(run.shards)
    parts = spans(shards, -(-shards // _MOST_TASKS) or 1)
    futures = sign.map(
        [part.start for part in parts],
        [part.stop for part in parts],
        # Prefect looks into every argument for what it depends on, which here is nothing.
        unmapped(quote(run)),
        unmapped(settings),
    )
    done = reused = 0
    report("sign", 0, shards)
    for future in as_completed(futures):
        counts = future.result()
        done, reused = done + counts["shards"], reused + counts["reused"]
        report("sign", done, shards)
    if reused:
        report.say(f"{reused} of {shards} shards were there from an earlier try")


@contextmanager
def alone(output: str, wait_minutes: float) -> Iterator[Held]:
    """Have an output to oneself for the run; whoever is kept out by it reads the run's name."""
    with locked(output, f"flow run {runtime.flow_run.name}", wait_minutes * 60) as held:
        yield held


def last_name(path: str) -> str:
    """Last part of a path or URL, as it stands in the name of a run."""
    return path.rstrip("/").rpartition("/")[2]
