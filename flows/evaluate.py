"""The latest run against a truth, every night.

Law: what is measured is what `dedup evaluate` measures; the flow only remembers it, and fails when
it is too little.
"""

from __future__ import annotations

from math import isnan
from typing import Any

from prefect import flow, runtime, task
from prefect.artifacts import create_markdown_artifact

from dedup.errors import RunError
from dedup.evaluate import Evaluation, expand_candidates
from dedup.evaluate import evaluate as measured
from dedup.store import read
from dedup.truth import read_truth
from flows.markdown import section
from flows.parameters import LeastF1, Level, Output, Truth
from flows.tasks import HOUR, TASK, last_name


@task(**TASK, timeout_seconds=HOUR)
def measure(output: str, truth: str, level: str) -> Evaluation:
    """Measure the latest run against the truth."""
    run = read(output)
    candidates = expand_candidates(run.candidates, run.pairs)
    return measured(run.clusters, read_truth(truth), f"{level}_id", candidates)


def _run_name() -> str:
    """Name of a flow run: what is measured, and by what."""
    given = runtime.flow_run.parameters
    return f"{last_name(given['output'])} against {last_name(given['truth'])}"


@flow(name="evaluate", flow_run_name=_run_name)
def evaluate(
    output: Output, truth: Truth, level: Level = "cluster", least_f1: LeastF1 = 0.8
) -> dict[str, Any]:
    """Measure the latest run under an output folder against a truth.

    Parameters
    ----------
    output : str
        Folder or URL with complete runs.
    truth : str
        Gold clusters or gold pairs.
    level : str
        ``cluster`` or ``story``.
    least_f1 : float
        F1 of pairs, weighted where the truth has weights, below which the run fails.

    Returns
    -------
    dict
        Every figure.

    Raises
    ------
    InputError, OutputError, RunError
    """
    found = measure(output, truth, level)
    create_markdown_artifact(markdown(found), "evaluation", f"{output} against {truth}")
    f1 = (found.weighted or found.pairs).f1
    if least_f1 and not f1 >= least_f1:  # NaN, of nothing measured, is too little as well
        raise RunError(
            output,
            f"an F1 of {least_f1:g} or more against {truth}",
            f"{f1:.3f}",
            "see the artifact 'evaluation', and what changed since the run before",
        )
    return found.to_dict()


def markdown(found: Evaluation) -> str:
    """The figures as Markdown."""
    seen = found.coverage
    overall = {"pairs": found.pairs, "weighted pairs": found.weighted, "B-cubed": found.bcubed}
    kinds = {f"kind {kind}": scores for kind, scores in found.by_kind.items()}
    rows = [
        (name, *(_figure(value) for value in (scores.precision, scores.recall, scores.f1)))
        for name, scores in (overall | kinds).items()
        if scores
    ]
    labels = [
        (label, share.pairs, share.together, f"{share.share:.3f}")
        for label, share in found.by_label.items()
    ]
    recall = [(name, _figure(value)) for name, value in found.candidate_recall.items()]
    parts = [
        f"# F1 {(found.weighted or found.pairs).f1:.3f}",
        f"{seen.articles_truth:,} articles in the truth, of which {seen.missing:,} are missing "
        "from the run and count as singles.",
        section("Scores", ("over", "precision", "recall", "F1"), rows),
        section("Candidates", ("generator", "recall"), recall),
    ]
    if labels:
        parts.append(section("Labels", ("label", "pairs", "together", "share"), labels))
    return "\n\n".join(parts)


def _figure(value: float) -> str:
    """A share; of nothing, a dash."""
    return "-" if isnan(value) else f"{value:.3f}"
