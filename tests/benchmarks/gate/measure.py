"""Figures of a set: one run of the whole pipeline, measured against each of the set's truths.

Law: every figure is one that `dedup.evaluate` counted, and has one name.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dedup import Settings, cluster_articles
from dedup.evaluate import Evaluation, Scores, evaluate, expand_candidates
from gate.sets import LabelledSet
from gate.worst import describe, worst

AT_MOST = {"wrong_bulletin_pairs"}
"""Figures of which less is better; of all others that are pinned, more is."""

Figures = dict[str, float]


@dataclass(frozen=True, eq=False)
class Measured:
    """A truth, and how well a run agrees with it.

    Attributes
    ----------
    key : str
        ``SET/TRUTH``, or ``SET/TRUTH@PROFILE`` where the profile is not the default.
    evaluation : Evaluation
    figures : dict of str to float
        By name; NaN where there was nothing to measure.
    headline : tuple of str
        Names of the figures that stand for all others.
    errors : list of list of str
        The worst errors, each in lines.
    """

    key: str
    evaluation: Evaluation
    figures: Figures
    headline: tuple[str, ...]
    errors: list[list[str]]

    def to_dict(self) -> dict[str, Any]:
        """Every figure, ready for JSON."""
        plain = {n: None if math.isnan(v) else v for n, v in self.figures.items()}
        return {"headline": self.headline, "figures": plain, **self.evaluation.to_dict()}


def measure(
    chosen: LabelledSet, changes: Sequence[str], profile: str | None, output: Path, errors: int
) -> list[Measured]:
    """Run a set once and measure it against each of its truths.

    Parameters
    ----------
    chosen : LabelledSet
    changes : sequence of str
        ``name=value`` each; none for the defaults.
    profile : str or None
        A profile beside the default one, under which only truths of copies are measured.
    output : Path
        Folder for the run.
    errors : int
        How many of the worst errors are described.
    """
    golds = [gold for gold in chosen.golds if not profile or gold.column == "cluster_id"]
    if not golds:
        return []
    settings = Settings.load(None, [*changes, f"profile={profile}"] if profile else changes)
    started = time.perf_counter()
    run = cluster_articles(chosen.articles, output, settings)
    seconds = time.perf_counter() - started
    candidates = expand_candidates(run.candidates, run.pairs)
    measured = []
    for gold in golds:
        evaluation = evaluate(run.clusters, gold.truth, gold.column, candidates)
        figures = _figures(evaluation) | {"seconds": round(seconds, 2)}
        described = describe(worst(run, gold, errors), run, chosen.articles, output)
        key = f"{chosen.name}/{gold.name}" + (f"@{profile}" if profile else "")
        measured.append(Measured(key, evaluation, figures, gold.headline, described))
    return measured


def _figures(found: Evaluation) -> Figures:
    seen = found.coverage
    figures: Figures = {
        "articles": seen.articles_predicted,
        "clusters": seen.clusters_predicted,
        "missing": seen.missing,
        **_named("", found.pairs),
        **_named("weighted_", found.weighted),
        **_named("bcubed_", found.bcubed),
    }
    if found.ari is not None:
        figures["ari"] = found.ari
    if "bulletin" in found.by_kind:
        of_bulletins = found.by_kind["bulletin"]
        figures["wrong_bulletin_pairs"] = of_bulletins.predicted_pairs - of_bulletins.shared_pairs
    return figures | {f"candidates_{name}": v for name, v in found.candidate_recall.items()}


def _named(prefix: str, scores: Scores | None) -> Figures:
    if scores is None:
        return {}
    names: Iterable[str] = ("precision", "recall", "f1")
    return {f"{prefix}{name}": getattr(scores, name) for name in names}
