"""Some verbs of a run, for what a whole run does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dedup import Settings, pipeline
from dedup.workspace import Workspace


def perform(verbs: Sequence[str], run: pipeline.Run, settings: Settings) -> Workspace:
    """All units of some verbs, one after the other; what they made."""
    for verb in verbs:
        for number in range(pipeline.units(verb, run, settings)):
            pipeline.perform(verb, run, number, settings)
    return Workspace(Path(run.folder))
