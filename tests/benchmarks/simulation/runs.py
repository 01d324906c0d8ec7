"""Hour after hour: what comes is delivered, clustered and timed, and some runs are killed.

Law: only the clustering is timed; a killed run is followed by one that is not, over the same inbox.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import dataset

from dedup import Settings, pipeline, read
from dedup.errors import DedupError
from dedup.schemas import CLUSTERS
from dedup.store import Result
from simulation.feed import deliver, take_downs
from simulation.laws import Verdict

AT_MOST = 1.5
"""Times the seconds of the early runs that the last ones may take."""

_WHOLE = {"before", "published"}

Command = Callable[[Path, Path, Sequence[Path]], list[str]]
"""Command line of a run over an inbox, for an output, with take-down lists."""


def command(inbox: Path, output: Path, lists: Sequence[Path]) -> list[str]:
    """The library's own."""
    retract = [str(part) for path in lists for part in ("--retract", path)]
    python = [sys.executable, "-m", "dedup", "cluster-new"]
    return [*python, "--inbox", str(inbox), "--output", str(output), *retract]


def warm(inbox: Path, output: Path, lists: Sequence[Path]) -> tuple[Result, float]:
    """A run in this process, and its seconds."""
    started = time.perf_counter()
    result = pipeline.cluster_new(inbox, output, Settings(), retract=lists)
    return result, time.perf_counter() - started


def aside(words: Sequence[str], limit: float | None) -> float | None:
    """Seconds of a run in a process of its own; None when it was killed at the limit.

    Raises
    ------
    RuntimeError
        When it failed by itself.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}: {errors}")
    return time.perf_counter() - started


def survived(output: Path, before: dict[str, Any]) -> str:
    """What a killed run left to readers: "before", "published", or what is wrong with it.

    Parameters
    ----------
    before : dict
        Manifest of the run that was the latest.
    """
    try:
        after = read(output).loaded().info
    except DedupError as error:
        return f"unreadable: {error}"
    if after == before:
        return "before"
    return "published" if after["run_id"] > before["run_id"] else "another run"


class History:
    """What was ever current in an output.

    Parameters
    ----------
    output : Path
    """

    def __init__(self, output: Path) -> None:
        self._clusters = output / "latest" / "clusters"
        self._memberships = pa.chunked_array([[]], pa.string())
        self._new: list[pa.Table] = []

    def see(self) -> tuple[int, int]:
        """Look at the latest run: its articles, and the clusters that are not as they were."""
        latest = dataset(self._clusters, schema=CLUSTERS, format="parquet")
        now = latest.to_table(columns=["article_id", "cluster_id"])
        memberships = pc.binary_join_element_wise(*now.columns, "\n")
        new = now.filter(pc.invert(pc.is_in(memberships, value_set=self._memberships)))
        gone = self._memberships.filter(
            pc.invert(pc.is_in(self._memberships, value_set=memberships))
        )
        left = pc.list_element(pc.split_pattern(gone, "\n"), 1)
        touched = {*new["cluster_id"].to_pylist(), *left.to_pylist()}
        self._new.append(new)
        self._memberships = memberships
        return now.num_rows, len(touched)

    def ever(self) -> pa.Table:
        """`article_id` and `cluster_id` of every membership seen."""
        seen = pa.concat_tables(self._new)
        return seen.group_by(["article_id", "cluster_id"]).aggregate([])


@dataclass(frozen=True)
class Record:
    """An hour.

    Attributes
    ----------
    hour, rows : int
        Its number, and rows of the complete files that it brought.
    killed : str
        Empty, or what befell the run aside that came first: "measured" and "finished" when it ran
        to its end, else as :func:`survived` says.
    killed_after, seconds : float
        Seconds after which it was killed or ended; seconds of the run in this process.
    articles, touched : int
        Articles in clusters, and clusters that were not as an hour before.
    stages : dict
        Seconds of each stage, as the run's manifest has them.
    """

    hour: int
    rows: int
    killed: str
    killed_after: float
    seconds: float
    articles: int
    touched: int
    stages: dict[str, float] = field(default_factory=dict)

    def cells(self) -> dict[str, Any]:
        """As a row of a CSV file."""
        cells = asdict(self)
        stages = cells.pop("stages")
        return cells | {f"seconds_{name}": seconds for name, seconds in stages.items()}


class Simulation:
    """A month of runs over a feed.

    Parameters
    ----------
    folder : Path
        With the feed in `feed`; gets `inbox` and `month`, the output.
    kill : int
        Of so many hours the middle one has a run that is killed; 0 kills none.
    seed : int
        Of the instants at which runs are killed, as shares of an unkilled one's seconds.
    command : callable, optional
        What is killed.
    """

    def __init__(self, folder: Path, kill: int, seed: int, command: Command = command) -> None:
        self.feed, self.inbox, self.output = (folder / name for name in ("feed", "inbox", "month"))
        self.inbox.mkdir()
        self.history = History(self.output)
        self._kill, self._command = kill, command
        self._random = random.Random(seed)
        self._typical: float | None = None

    def hour(self, number: int) -> Record:
        """Deliver an hour of the feed and cluster it."""
        name = f"{number:04d}"
        rows = deliver(self.feed / name, self.inbox)
        lists = take_downs(self.feed, name)
        killed, after = "", 0.0
        if self._kill and number % self._kill == self._kill // 2:
            killed, after = self._killed(lists)
        result, seconds = warm(self.inbox, self.output, lists)
        stages = {stage["name"]: stage["seconds"] for stage in result.info["stages"]}
        return Record(number, rows, killed, after, seconds, *self.history.see(), stages)

    def _killed(self, lists: Sequence[Path]) -> tuple[str, float]:
        """What befell a run aside, and after how many seconds."""
        words = self._command(self.inbox, self.output, lists)
        if self._typical is None:
            self._typical = aside(words, None)
            assert self._typical is not None
            self.history.see()
            return "measured", self._typical
        before, limit = read(self.output).info, self._typical * self._random.random()
        seconds = aside(words, limit)
        found = survived(self.output, before)
        if found not in _WHOLE:
            return found, limit
        self.history.see()
        return (found, limit) if seconds is None else ("finished", seconds)


def kills(records: Sequence[Record]) -> Verdict:
    """Whether every killed run left a complete one to readers."""
    found = Counter(record.killed for record in records if record.killed)
    words = ", ".join(f"{count} {name}" for name, count in found.items()) or "none"
    return Verdict("kills", words, found.keys() <= {"measured", "finished", *_WHOLE})


def speed(records: Sequence[Record]) -> Verdict:
    """Whether the last nine runs take about as long as those from 100/720 to 200/720 of all did.

    Runs of hours with a killed one or without rows are not among them.
    """
    first, end = len(records) * 100 // 720, len(records) * 200 // 720
    fair = [record for record in records if record.rows and not record.killed]
    early = statistics.median(r.seconds for r in fair if first <= r.hour <= end)
    last = [record.seconds for record in fair[-9:]]
    late = statistics.median(last)
    found = (
        f"{late:.2f} s median of the last {len(last)}, {late / early:.2f} times the {early:.2f} s "
        f"of runs {first} to {end}; the very last {last[-1]:.2f} s, {last[-1] / early:.2f} times"
    )
    return Verdict("speed", found, late <= AT_MOST * early)
