"""Ours beside the peers, from the same Parquet to clusters, each in a process of its own.

    python tests/benchmarks/peers.py [--articles 20000 --articles 100000] [--runs 3] [--csv FILE]

Ours: `dedup.cluster_articles` with default settings, from Parquet to a published run, and the
Prefect flow. Theirs: each script in `peers/`, with settings from the peer's own documentation, told
at the head of the script, in a virtual environment made of the packages that it names there. All
read the news that `dedup synth` makes, of which the truth is known. The floor is what decoding the
Parquet and walking its bytes once takes.

Runs are interleaved, so that the machine's drift hits all alike. Whole seconds are those of a
process from start to end. Work is without start-up: a script's clock starts when its imports are
done (and, for the floor, its kernel is compiled) and stops when its clusters are on the disk. The
flow has no such clock: its start is a whole run over TINY articles, in the same round. "Times ours"
compares work with the library's in the same round. CPU and memory are those of the process and all
its descendants, start-up included. Figures are medians. Everybody runs once before, over TINY
articles: so kernels are compiled, and whoever fails is a row that says so. Linux only.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from gate import show
from processes import Cost, machine, measured

from dedup import read, synth
from dedup.errors import DedupError
from dedup.evaluate import evaluate
from dedup.truth import read_truth

SCRIPTS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[2]

SEED = 1
"""Of the made news."""

TINY = 200
"""Articles of everybody's first run, and of the runs that tell the start of the flow."""

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dedup-peers"


class FailedError(Exception):
    """Why a runner has no figures."""


@dataclass(frozen=True)
class Runner:
    """Something that makes clusters of articles.

    Attributes
    ----------
    name : str
    script : Path or None
        It is called with the Parquet file, an empty folder for all that it writes, and `words`,
        and tells the seconds of its work; None for the flow, which does not.
    words : tuple of str
    """

    name: str
    script: Path | None
    words: tuple[str, ...] = ()

    def command(self, python: str, articles: Path, folder: Path) -> list[str]:
        """Command line over a Parquet file, which writes into a folder."""
        if self.script:
            return [python, str(self.script), str(articles), str(folder), *self.words]
        flow = [python, "-m", "flows.cluster_articles"]
        return [*flow, str(articles), "--output", str(folder / "out")]


OURS = Runner("dedup, library", SCRIPTS / "run_dedup.py")

RUNNERS = (
    OURS,
    Runner("dedup, Prefect flow", None),
    Runner("datasketch, as in its example", SCRIPTS / "run_datasketch.py", ("update", "1")),
    Runner("datasketch, in batches", SCRIPTS / "run_datasketch.py", ("update_batch", "1")),
    Runner("datasketch, two processes", SCRIPTS / "run_datasketch.py", ("update_batch", "2")),
    Runner("gaoya, its defaults", SCRIPTS / "run_gaoya.py", ("defaults",)),
    Runner("gaoya, five words", SCRIPTS / "run_gaoya.py", ("shingles",)),
    Runner("rensa, as in its README", SCRIPTS / "run_rensa.py", ("readme",)),
    Runner("rensa, five words", SCRIPTS / "run_rensa.py", ("shingles",)),
    Runner("text-dedup", SCRIPTS / "run_text_dedup.py"),
    Runner("datatrove", SCRIPTS / "run_datatrove.py"),
    Runner("daft", SCRIPTS / "run_daft.py"),
    Runner("Polars", SCRIPTS / "run_polars.py"),
    Runner("floor", SCRIPTS / "run_floor.py"),
)


@dataclass(frozen=True)
class Figures:
    """What a run took and how right it was.

    Attributes
    ----------
    wall, work, cpu : float
        Seconds: whole, of the work alone, and of CPU.
    memory : int
        Bytes, the most at once.
    f1, ari : float
        Over pairs of articles, and the adjusted Rand index; NaN for a run without clusters.
    """

    wall: float
    work: float
    cpu: float
    memory: int
    f1: float
    ari: float


@dataclass(frozen=True)
class Record:
    """A run: its figures, or why there are none."""

    runner: str
    articles: int
    round: int
    figures: Figures | None
    failure: str = ""

    def cells(self) -> dict[str, Any]:
        """One flat row."""
        figures = asdict(self.figures) if self.figures else {}
        return {key: value for key, value in asdict(self).items() if key != "figures"} | figures


@dataclass(frozen=True)
class Corpus:
    """Made news: a folder with `articles.parquet` and `truth.parquet`, and how many there are."""

    folder: Path
    articles: int

    @classmethod
    def make(cls, articles: int, folder: Path) -> Corpus:
        """Make it in a folder of its own."""
        made = cls(folder / f"news{articles}", articles)
        synth.write(articles, SEED, made.folder)
        return made


# Environments


def environment(script: Path | None, folder: Path, interpreters: Sequence[str]) -> str:
    """Interpreter that has what a script names at its head (PEP 723): this one if it names nothing.

    Raises
    ------
    FailedError
        When the environment cannot be made.
    """
    head = script and re.match(r"# /// script\n((?:# .*\n)+)# ///\n", script.read_text("utf-8"))
    if not script or not head:
        return sys.executable
    needs = tomllib.loads("".join(line[2:] for line in head[1].splitlines(keepends=True)))
    made = folder / script.stem.removeprefix("run_")
    python, note = made / "bin/python", made / "packages.txt"
    packages = "\n".join(needs["dependencies"])
    if not note.exists() or note.read_text(encoding="utf-8") != packages:
        shutil.rmtree(made, ignore_errors=True)
        chosen = _interpreter(needs.get("requires-python", ">=3"), interpreters)
        _printed([chosen, "-m", "venv", str(made)])
        _printed([str(python), "-m", "pip", "install", "--quiet", *needs["dependencies"]])
        note.write_text(packages, encoding="utf-8")
    return str(python)


def installed(python: str) -> str:
    """Versions of an interpreter and of all packages that it has."""
    listing = (
        "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    )
    packages = sorted(set(_printed([python, "-c", listing]).splitlines()), key=str.lower)
    return "; ".join([_printed([python, "--version"]).strip(), *packages])


def _interpreter(least: str, interpreters: Sequence[str]) -> str:
    """The first interpreter that is new enough for `>=3.x`."""

    def numbers(version: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", version)]

    for python in interpreters:
        if numbers(_printed([python, "--version"])) >= numbers(least):
            return python
    raise FailedError(f"needs Python {least}: name one with --python")


def _printed(command: Sequence[str]) -> str:
    """What a command prints; its last words when it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise FailedError(f"{command[0]}: {error.strerror}") from None
    if ended.returncode:
        raise FailedError(_last_line(ended.stderr) or f"ended with {ended.returncode}")
    return ended.stdout


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


# Runs


@dataclass(frozen=True)
class Bench:
    """Where runs are made.

    Attributes
    ----------
    scratch : Path
    tiny : Corpus
    pythons : dict of str to str
        Interpreter of each runner, by its name.
    limit : float
        Seconds after which a run is killed.
    """

    scratch: Path
    tiny: Corpus
    pythons: Mapping[str, str]
    limit: float

    def record(self, runner: Runner, corpus: Corpus, number: int) -> Record:
        """Run once, in a folder that goes afterwards."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            try:
                figures = self._figures(runner, corpus, Path(folder))
            except (FailedError, DedupError, OSError) as failed:
                return Record(runner.name, corpus.articles, number, None, str(failed))
        return Record(runner.name, corpus.articles, number, figures)

    def _figures(self, runner: Runner, corpus: Corpus, folder: Path) -> Figures:
        cost = self._cost(runner, corpus, folder / "run")
        if runner.script:
            work = float((folder / "run/seconds.txt").read_text(encoding="ascii"))
        else:
            work = cost.seconds - self._cost(runner, self.tiny, folder / "start").seconds
        f1, ari = rightness(corpus, folder / "run")
        return Figures(cost.seconds, work, cost.cpu_seconds, cost.peak_rss, f1, ari)

    def _cost(self, runner: Runner, corpus: Corpus, folder: Path) -> Cost:
        folder.mkdir()
        command = runner.command(
            self.pythons[runner.name], corpus.folder / "articles.parquet", folder
        )
        # The database of the flow's server is made by the first run and kept for the others.
        variables = os.environ | {"PREFECT_HOME": str(self.scratch / "prefect")}
        with (folder / "log.txt").open("wb") as log:
            try:
                cost = measured(
                    command, timeout=self.limit, cwd=ROOT, env=variables, stdout=log, stderr=log
                )
            except subprocess.TimeoutExpired:
                raise FailedError(f"killed after {self.limit:g} s") from None
        if cost.status:
            said = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
            raise FailedError(_last_line(said) or f"ended with {cost.status}")
        return cost


def rightness(corpus: Corpus, folder: Path) -> tuple[float, float]:
    """Pair F1 and ARI of the clusters that a run left in a folder; NaN if it left none."""
    if (folder / "clusters.parquet").exists():
        clusters = pq.read_table(folder / "clusters.parquet")
    elif (folder / "out").exists():
        clusters = read(folder / "out").clusters
    else:
        return math.nan, math.nan
    found = evaluate(clusters, read_truth(corpus.folder / "truth.parquet"))
    return found.pairs.f1, math.nan if found.ari is None else found.ari


def prepared(
    runners: Sequence[Runner], environments: Path, interpreters: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Interpreters by runner, and why the others have none."""
    pythons, failures = {}, {}
    for runner in runners:
        try:
            pythons[runner.name] = environment(runner.script, environments, interpreters)
        except FailedError as failed:
            failures[runner.name] = str(failed)
    return pythons, failures


def a_round(
    bench: Bench, runners: Sequence[Runner], corpus: Corpus, number: int, failures: dict[str, str]
) -> Iterator[Record]:
    """Every runner in turn; who has failed is not run again."""
    for runner in runners:
        if runner.name in failures:
            reason = failures[runner.name]
            yield Record(runner.name, corpus.articles, number, None, reason)
            continue
        record = bench.record(runner, corpus, number)
        if record.failure:
            failures[runner.name] = record.failure
        yield record


# What is shown

HEADINGS = [
    "",
    "whole s",
    "start s",
    "work s",
    "least to most",
    "CPU s",
    "memory MB",
    "articles/s",
    "times ours",
    "pair F1",
    "ARI",
]


def rows(records: Sequence[Record]) -> list[list[str]]:
    """A row for each runner, over the records of one corpus."""
    by_runner: dict[str, list[Record]] = {}
    for record in records:
        by_runner.setdefault(record.runner, []).append(record)
    ours = {r.round: r.figures.work for r in by_runner.get(OURS.name, []) if r.figures}
    return [HEADINGS, *([name, *_row(found, ours)] for name, found in by_runner.items())]


def _row(records: Sequence[Record], ours: Mapping[int, float]) -> list[str]:
    found = [(record.round, record.figures) for record in records if record.figures]
    if len(found) < len(records):
        return ["failed", *[""] * (len(HEADINGS) - 2)]
    work = [figures.work for _, figures in found]

    def cell(shape: str, values: Sequence[float]) -> str:
        middle = statistics.median(values)
        return "" if math.isnan(middle) else shape.format(middle)

    return [
        cell("{:.2f}", [figures.wall for _, figures in found]),
        cell("{:.2f}", [figures.wall - figures.work for _, figures in found]),
        cell("{:.2f}", work),
        f"{min(work):.2f} to {max(work):.2f}",
        cell("{:.2f}", [figures.cpu for _, figures in found]),
        cell("{:,.0f}", [figures.memory / 1e6 for _, figures in found]),
        cell("{:,.0f}", [records[0].articles / seconds for seconds in work]),
        cell("{:.3f}", [figures.work / ours.get(number, math.nan) for number, figures in found]),
        cell("{:.3f}", [figures.f1 for _, figures in found]),
        cell("{:.3f}", [figures.ari for _, figures in found]),
    ]


def write_csv(
    path: Path, records: Sequence[Record], about: Mapping[str, str], packages: Mapping[str, str]
) -> None:
    """A row for each run, with machine and date, and the versions of all that it could import."""
    table = [
        record.cells() | about | {"packages": packages.get(record.runner, "")} for record in records
    ]
    show.write_csv(path, table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print; the exit status is 1 when ours failed."""
    given = _arguments(arguments)
    runners = [each for each in RUNNERS if any(fnmatch(each.name, name) for name in given.only)]
    pythons, failures = prepared(runners, given.environments, [sys.executable, *given.python])
    packages = {name: installed(python) for name, python in pythons.items()}
    about = {"machine": machine(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    records: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="peers-") as name:
        scratch = Path(name)
        bench = Bench(scratch, Corpus.make(TINY, scratch), pythons, given.limit)
        _told(a_round(bench, runners, bench.tiny, 0, failures))
        for articles in given.articles:
            corpus, found = Corpus.make(articles, scratch), []
            for number in range(given.runs):
                found += _told(a_round(bench, runners, corpus, number, failures))
                # After every round, so that what hours have measured is not lost with the last.
                if given.csv:
                    write_csv(given.csv, records + found, about, packages)
                if given.docs:
                    show.rewrite(given.docs, f"peers-{articles}", _text(found, failures))
            records += found
            show.line(f"\n{_title(found)}")
            show.table(rows(found))
    for name, reason in failures.items():
        show.loud(f"{name}: {reason}")
    return 1 if OURS.name in failures else 0


def _title(records: Sequence[Record]) -> str:
    last = records[-1]
    return f"{last.articles:,} articles, seed {SEED}, {last.round + 1} runs; {machine()}"


def _text(records: Sequence[Record], failures: Mapping[str, str]) -> str:
    reasons = "".join(f"\n{name}: {reason}\n" for name, reason in failures.items())
    return f"{_title(records)}:\n\n{show.markdown(rows(records))}{reasons}"


def _told(records: Iterator[Record]) -> list[Record]:
    """All records, each told as it comes."""
    told = []
    for record in records:
        said = record.failure or (record.figures and f"{record.figures.work:.2f} s")
        print(f"{record.articles:,} articles, {record.runner}: {said}", file=sys.stderr)
        told.append(record)
    return told


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--articles", type=int, action="append", help="20000 and 100000 by default; repeatable")
    add("--runs", type=int, default=3)
    add("--only", action="append", metavar="NAME", help="run only those whose name matches")
    add("--environments", type=Path, default=_CACHE, metavar="DIR", help="kept for next time")
    add("--python", action="append", default=[], help="for packages that need a newer one")
    add("--limit", type=float, default=3600, metavar="SECONDS", help="longer runs are killed")
    add("--csv", type=Path, metavar="FILE", help="write a row for every run")
    add("--docs", type=Path, metavar="FILE", help="write the tables between their marks")
    given = parser.parse_args(arguments)
    given.articles, given.only = given.articles or [20_000, 100_000], given.only or ["*"]
    if given.runs < 1 or min(given.articles) < 1:
        parser.error("--runs and --articles want 1 or more")
    return given


if __name__ == "__main__":
    sys.exit(main())
