"""The main job as a flow: articles in, clusters with scores out.

Law: a task takes paths and plain facts, makes one library call and returns a few numbers; what it
made lies in files, so a task or a run that is started again picks up what is there.
"""

from __future__ import annotations

if __name__ == "__main__":
    # The command comes before the imports below, so that a mistyped option is answered at once and
    # the API starts meanwhile; and the flow is that of this module's own name, which other
    # processes can import.
    from flows.command import main

    raise SystemExit(main())

from typing import Any

from prefect import Task, flow, runtime, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import as_completed
from prefect.utilities.annotations import quote

from dedup import pipeline
from dedup.command import progress_bar
from dedup.errors import DedupError
from dedup.pipeline import Run
from dedup.settings import Settings
from dedup.store import read
from dedup.threads import spans
from flows.artifacts import create_artifacts
from flows.progress import RunProgress
from flows.runner import task_runner

_DEFAULTS = Settings()
_HOUR = 3600
_MOST_TASKS = 150
"""Task runs of one flow run that Prefect's server takes without falling behind."""

_SHARES = {"sign": 45.0, "match": 40.0, "group": 10.0, "publish": 5.0}
"""Part of the time that each verb takes, in per cent, about."""


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether an error may be gone at another try.

    What the library raises on purpose is the same every time.
    """
    return not isinstance(state.result(raise_on_failure=False), DedupError)


_TASK: dict[str, Any] = {
    # Prefect's cache takes a result for made whose file is gone; the library looks at the files.
    "cache_policy": NO_CACHE,
    "retries": 2,
    "retry_delay_seconds": [5, 60],
    "retry_condition_fn": _may_pass,
}


@task(**_TASK, timeout_seconds=_HOUR)
def begin(inputs: list[str], output: str, settings: Settings) -> dict[str, Any]:
    """Check inputs and output and plan the shards: the fields of a `pipeline.Run`."""
    return pipeline.begin(inputs, output, settings).to_dict()


# No timeout: in a worker thread Prefect cannot enforce one, and warns of it at every run.
@task(**_TASK, task_run_name="sign-{first}")
def sign(first: int, last: int, run: dict[str, Any], settings: Settings) -> dict[str, int]:
    """Sign the shards from `first` to before `last`: how many, and how many were there already."""
    notes = [pipeline.sign(Run(**run), number, settings) for number in range(first, last)]
    return {"shards": len(notes), "reused": sum(note["reused"] for note in notes)}


@task(**_TASK, timeout_seconds=12 * _HOUR)
def match(run: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Find and verify the pairs of all shards: their counts."""
    return pipeline.match(Run(**run), settings)


@task(**_TASK, timeout_seconds=12 * _HOUR)
def group(run: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Cut clusters out of the pairs: their counts."""
    return pipeline.group(Run(**run), settings)


@task(**_TASK, timeout_seconds=4 * _HOUR)
def publish(run: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Make the run the output's latest: its manifest."""
    return pipeline.publish(Run(**run), settings)


def _run_name() -> str:
    """Name of a flow run: where it goes and where it comes from."""
    given = runtime.flow_run.parameters
    paths = [given["output"], *given["inputs"]]
    output, *inputs = [path.rstrip("/").rpartition("/")[2] for path in paths]
    others = f" and {len(inputs) - 1} more" if len(inputs) > 1 else ""
    return f"{output} from {inputs[0] if inputs else 'nothing'}{others}"


@flow(name="cluster-articles", flow_run_name=_run_name, task_runner=task_runner())
def cluster_articles(
    inputs: list[str], output: str, settings: Settings = _DEFAULTS
) -> dict[str, Any]:
    """Find the news stories that are syndications or rewrites of the same wire copy.

    Parameters
    ----------
    inputs : list of str
        Files, folders, patterns or URLs of Parquet, JSON Lines, CSV or text files.
    output : str
        Folder or URL the run is published under.
    settings : Settings
        What the run may be told; the defaults serve news.

    Returns
    -------
    dict
        ``run_id``, and the run's ``counts``.

    Raises
    ------
    InputError, OutputError, RunError
    """
    with progress_bar() as terminal:
        report = RunProgress(_SHARES, terminal)
        run = begin(inputs, output, settings)
        _sign_all(run, settings, report)
        report("match", 0, 1)
        match(run, settings)
        report("group", 0, 1)
        group(run, settings)
        report("publish", 0, 1)
        info = publish(run, settings)
        report("publish", 1, 1)
    create_artifacts(output, info, read(output, info["run_id"]).summary)
    return {"run_id": info["run_id"], "counts": info["counts"]}


def _sign_all(run: dict[str, Any], settings: Settings, report: RunProgress) -> None:
    """Sign all shards, as many at a time as the runner has room for."""
    shards = len(run["shards"])
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
