"""How far a run is: on the terminal, in the log and as an artifact.

Law: one call tells all three; the log and the artifact, which cost a request each, hear of it at
most every few units, and always when a verb begins.
"""

from __future__ import annotations

from typing import cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from dedup.pipeline import Progress

_EVERY_PERCENT = 5


class RunProgress:
    """Progress of one flow run; to be made and called inside it.

    Parameters
    ----------
    shares : dict of str to float
        Part of the whole that each verb takes, in per cent, in their order.
    terminal : callable, optional
        Told of every call.
    """

    def __init__(self, shares: dict[str, float], terminal: Progress | None) -> None:
        self._shares = shares
        self._terminal = terminal
        self._logger = get_run_logger()
        self._verb = ""
        self._percent = 0.0
        # Typed for both faces of a function that is also a coroutine.
        self._artifact = cast(UUID, create_progress_artifact(0.0, "progress", "begin"))

    def __call__(self, verb: str, done: int, total: int) -> None:
        """Take note that `done` of the `total` units of a verb are done."""
        if self._terminal:
            self._terminal(verb, done, total)
        percent = self._before(verb) + self._shares[verb] * done / max(1, total)
        if verb == self._verb and percent < min(self._percent + _EVERY_PERCENT, 100):
            return
        self._verb, self._percent = verb, percent
        said = f"{verb}: {done} of {total}" if total > 1 else verb
        self._logger.info("%3.0f %% %s", percent, said)
        update_progress_artifact(self._artifact, percent, said)

    def share(self, verb: str) -> float:
        """Part of the whole that a verb takes, 0 to 1."""
        return self._shares[verb] / 100

    def say(self, words: str) -> None:
        """Put words into the run's log."""
        self._logger.info(words)

    def _before(self, verb: str) -> float:
        names = list(self._shares)
        return sum(self._shares[name] for name in names[: names.index(verb)])
