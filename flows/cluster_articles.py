"""The main job as a flow: articles in, clusters with scores out.

Law: each unit of each verb of the library is a task; see `flows.tasks`.
"""

from __future__ import annotations

if __name__ == "__main__":
    # The command comes before the imports below, so that a mistyped option is answered at once and
    # the API starts meanwhile; and the flow is that of this module's own name, which other
    # processes can import.
    from flows.command import main

    raise SystemExit(main("cluster_articles"))

from typing import Any

from prefect import flow, runtime, task

from dedup import pipeline
from dedup.command import progress_bar
from dedup.pipeline import Run
from dedup.settings import Settings
from flows.artifacts import create_artifacts
from flows.parameters import Inputs, Output, WaitMinutes, WithSettings
from flows.progress import RunProgress
from flows.runner import task_runner
from flows.tasks import HOUR, TASK, alone, last_name, mapped

_DEFAULTS = Settings()

_SHARES = {
    "sign": 35.0,
    "order": 5.0,
    "furnish": 9.0,
    "sketch": 20.0,
    "propose": 5.0,
    "collect": 2.0,
    "score": 12.0,
    "group": 9.0,
    "publish": 3.0,
}
"""Part of the time that each verb takes, in per cent, about."""


@task(**TASK, timeout_seconds=HOUR)
def begin(inputs: list[str], output: str, settings: Settings) -> Run:
    """Check inputs and output and plan the shards."""
    return pipeline.begin(inputs, output, settings)


@task(**TASK, timeout_seconds=4 * HOUR)
def publish(run: Run, settings: Settings) -> dict[str, Any]:
    """Make the run the output's latest: its manifest."""
    return pipeline.publish(run, settings)


def _run_name() -> str:
    """Name of a flow run: where it goes and where it comes from."""
    given = runtime.flow_run.parameters
    output, *inputs = map(last_name, [given["output"], *given["inputs"]])
    others = f" and {len(inputs) - 1} more" if len(inputs) > 1 else ""
    return f"{output} from {inputs[0] if inputs else 'nothing'}{others}"


@flow(name="cluster-articles", flow_run_name=_run_name, task_runner=task_runner())
def cluster_articles(
    inputs: Inputs,
    output: Output,
    wait_minutes: WaitMinutes = 30,
    settings: WithSettings = _DEFAULTS,
) -> dict[str, Any]:
    """Find the news stories that are syndications or rewrites of the same wire copy.

    Parameters
    ----------
    inputs : list of str
        Files, folders, patterns or URLs of Parquet, JSON Lines, CSV or text files.
    output : str
        Folder or URL the run is published under.
    wait_minutes : float
        How long to wait for another run under the same output.
    settings : Settings
        What the run may be told; the defaults serve news.

    Returns
    -------
    dict
        ``run_id``, and the run's ``counts``.

    Raises
    ------
    InputError, OutputError, RunError, BusyError
    """
    with progress_bar() as terminal, alone(output, wait_minutes) as held:
        report = RunProgress(_SHARES, terminal)
        run = begin(inputs, output, settings)
        for verb in pipeline.VERBS:
            mapped(verb, pipeline.units(verb, run, settings), run, settings, report)
        report("publish", 0, 1)
        held.check()
        info = publish(run, settings)
        report("publish", 1, 1)
    create_artifacts(output, info)
    return {"run_id": info["run_id"], "counts": info["counts"]}
