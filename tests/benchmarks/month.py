"""A month of hourly runs, killed now and then, against one run over everything.

    python tests/benchmarks/month.py [--batches 720] [--articles 200] [--kill 10] [--csv FILE]

Made news comes hour by hour, with late arrivals, updates, take-downs, repeated and bad rows and
half-written files (see `simulation/feed.py`); `cluster_new` runs every hour. Then one run with a
fresh output takes the same inbox and all take-down lists. Prints what was found and ends with
status 1 when groups, articles or rejects differ, an id is unaccounted for in the lineage, a killed
run left readers without a complete one, or the last runs are too slow beside the early ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gate import show
from rich.console import Console
from rich.progress import Progress
from simulation import laws
from simulation.feed import lay_out, take_downs
from simulation.laws import Verdict
from simulation.runs import Record, Simulation, kills, speed, warm

from dedup import read
from dedup.threads import cores


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print, and say by the exit status whether every law holds."""
    given = _arguments(arguments)
    with tempfile.TemporaryDirectory(prefix="month-") as scratch:
        folder = given.folder or Path(scratch)
        lay_out(folder / "feed", given.batches, given.articles, given.seed)
        simulation = Simulation(folder, given.kill, given.seed)
        records = _hours(simulation, given.batches)
        verdicts = [*_verdicts(simulation, folder / "whole"), kills(records), speed(records)]
    rows = [["law", "found", "holds"], *([v.law, v.found, _word(v)] for v in verdicts)]
    title = (
        f"{given.batches} hours, {given.articles} articles each, seed {given.seed}; {cores()} cores"
    )
    show.line(title)
    show.table(rows)
    if given.csv:
        _write_csv(given.csv, records)
    if given.docs:
        show.rewrite(given.docs, "month", f"{title}.\n\n{show.markdown(rows)}")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _hours(simulation: Simulation, batches: int) -> list[Record]:
    records = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=batches)
        for number in range(batches):
            record = simulation.hour(number)
            records.append(record)
            state = f"hour {number}: {record.seconds:.2f} s, {record.articles:,} articles"
            progress.update(task, advance=1, description=state)
    return records


def _verdicts(simulation: Simulation, output: Path) -> list[Verdict]:
    """The month's last run beside one over everything."""
    whole, seconds = warm(simulation.inbox, output, take_downs(simulation.feed))
    month = read(simulation.output)
    show.line(f"One run over everything: {seconds:.1f} s")
    return [
        laws.same_articles(month.clusters, whole.clusters),
        laws.same_groups(month.clusters, whole.clusters, "cluster_id"),
        laws.same_groups(month.clusters, whole.clusters, "story_id"),
        laws.same_rejects(month.rejects, whole.rejects),
        laws.accounted(simulation.history.ever(), month.clusters, month.lineage),
    ]


def _word(verdict: Verdict) -> str:
    return "yes" if verdict.holds else "NO"


def _write_csv(path: Path, records: Sequence[Record]) -> None:
    show.write_csv(path, [record.cells() for record in records])


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--batches", type=int, default=720, help="hours, 24 or more")
    add("--articles", type=int, default=200, help="articles that an hour has on average")
    add("--seed", type=int, default=1)
    add("--kill", type=int, default=10, help="every how many hours a run is killed; 0 for never")
    add("--folder", type=Path, help="empty folder for feed and outputs, which stay in it")
    add("--csv", type=Path, metavar="FILE", help="write a row for every hour")
    add("--docs", type=Path, metavar="FILE", help="write what was found between its marks")
    given = parser.parse_args(arguments)
    if given.batches < 24 or given.articles < 1:
        parser.error("24 hours at least, and one article")
    if given.kill == 1 or given.kill < 0:
        parser.error("--kill wants 2 or more, or 0: some runs must be left to be timed")
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
        if any(given.folder.iterdir()):
            parser.error(f"{given.folder} is not empty")
    return given


if __name__ == "__main__":
    sys.exit(main())
