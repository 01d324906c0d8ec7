"""Whether a run may be published: its figures against limits.

Law: a check looks at counts alone and comes before anything is published; what it stops leaves the
output as it was, and the next run takes the same files again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from dedup.errors import RunError
from dedup.settings import Limits
from dedup.store import Store
from dedup.workspace import Workspace

if TYPE_CHECKING:
    from dedup.pipeline import Renewal

_LEAST_ARTICLES = 50
"""New articles below which one cluster may well take most of them."""

_NO_FAULT = {"repeated_row", "superseded", "retracted"}
"""Reasons of rejects that say nothing against the input."""


class Breach(NamedTuple):
    """A limit that is broken.

    Attributes
    ----------
    limit : str
        Name of the limit, a field of `Limits`.
    off : int
        Value of the limit that never stops a run.
    expected, got : str
        What would have been right, and what came, both in words with figures.
    """

    limit: str
    off: int
    expected: str
    got: str


def broken(counts: Mapping[str, Any], limits: Limits) -> list[Breach]:
    """Limits that a run's counts break.

    Parameters
    ----------
    counts : mapping
        ``rows`` of the run and its ``articles_new``; ``rejects``, rows by reason;
        ``largest_cluster_new``, new articles in the one cluster that took most of them;
        ``history``, rows of the runs before.
    limits : Limits
    """
    found = [_fallen(counts, limits), _rejected(counts, limits), _swallowed(counts, limits)]
    return [breach for breach in found if breach]


def silence(since: datetime, now: datetime, limits: Limits) -> list[Breach]:
    """The limit that is broken by having found nothing new `since` then, if it is broken."""
    hours = (now - since).total_seconds() / 3600
    if not limits.silence_hours or hours <= limits.silence_hours:
        return []
    expected = f"something new within {limits.silence_hours:g} hours"
    return [Breach("silence_hours", 0, expected, f"nothing for {hours:.1f}")]


def check(run: Renewal, limits: Limits) -> None:
    """Verb before the last: stop a run whose counts break a limit.

    A run without new files, which only takes articles down, breaks none.

    Raises
    ------
    RunError
        Says the figures, the limits, and how to let them pass once.
    """
    counts = Workspace(Path(run.folder)).noted("renewed")
    assert counts is not None
    if run.files:
        _raise(run.run_id, broken(counts, limits))


def check_silence(output: str, limits: Limits) -> None:
    """In place of the verbs, where nothing is new: stop when it has been so for too long.

    Before the first run there is nothing to measure from, and nothing is too long.

    Raises
    ------
    RunError
    """
    store = Store(output)
    if not store.runs():
        return
    latest = store.latest()
    finished = datetime.fromisoformat(store.manifest(latest)["finished_at"])
    _raise(f"input since run {latest}", silence(finished, datetime.now(UTC), limits))


def _fallen(counts: Mapping[str, Any], limits: Limits) -> Breach | None:
    rows, history = counts["rows"], counts["history"]
    if len(history) < limits.least_runs:
        return None
    usual = median(history)
    if rows >= limits.input_share * usual:
        return None
    expected = f"at least {limits.input_share:g} of the usual {usual:g} rows"
    return Breach("input_share", 0, expected, f"{rows} rows")


def _rejected(counts: Mapping[str, Any], limits: Limits) -> Breach | None:
    bad = {reason: n for reason, n in counts["rejects"].items() if reason not in _NO_FAULT}
    number, rows = sum(bad.values()), counts["rows"]
    if number <= limits.rejects_share * rows:
        return None
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(bad.items()))
    expected = f"at most {limits.rejects_share:g} of the rows rejected"
    return Breach("rejects_share", 1, expected, f"{number} of {rows} ({reasons})")


def _swallowed(counts: Mapping[str, Any], limits: Limits) -> Breach | None:
    taken, new = counts["largest_cluster_new"], counts["articles_new"]
    if new < _LEAST_ARTICLES or taken <= limits.cluster_share * new:
        return None
    expected = f"at most {limits.cluster_share:g} of the new articles in one cluster"
    return Breach("cluster_share", 1, expected, f"{taken} of {new}")


def _raise(subject: str, breaches: list[Breach]) -> None:
    if not breaches:
        return
    words = " ".join(f"--limit {breach.limit}={breach.off}" for breach in breaches)
    values = json.dumps({breach.limit: breach.off for breach in breaches})
    raise RunError(
        subject,
        " and ".join(breach.expected for breach in breaches),
        " and ".join(breach.got for breach in breaches),
        f"look at what came in; if it is right, start one run with {words}, or from Prefect with "
        f"limits = {values}",
    )
