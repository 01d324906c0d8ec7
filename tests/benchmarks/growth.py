"""How cost grows with the number of articles.

    python tests/benchmarks/growth.py [--articles 10000 --articles 100000 --articles 1000000]
        [--memory 4GB] [--scratch DIR] [--corpora DIR] [--figures FILE] [--csv FILE]

Law: a size is measured in a process of its own, from outside, after one that was not measured, so
that none pays for compilation; and what was measured together is written together.

For each size: makes the corpus (see `corpus.py`) unless it is there, runs `python -m dedup cluster`
on it, and measures the clusters against the truth. Prints the figures and how they grow; puts them
into FILE beside those of other sizes, from which `scaling.py` works out what larger ones need.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import corpus
import processes
from corpus import Corpus
from gate import show

from dedup.errors import DedupError
from dedup.evaluate import evaluate
from dedup.store import Store
from dedup.truth import read_truth

HERE = Path(__file__).parent

SIZES = (10_000, 100_000, 1_000_000)

FIGURES = HERE / "growth.json"

REST = "start, publishing, reading back"
"""What the command does besides its stages."""

STEADY = 100_000
"""Articles from which on what a process spends once weighs little."""

_WARMING = 200
"""Articles of the run that is not measured."""


@dataclass(frozen=True)
class Size:
    """What a corpus of one size cost.

    Attributes
    ----------
    articles, mean_bytes : int
        Of the corpus, as `corpus.Corpus`.
    memory : str
        What the run was told to keep under; empty where nothing.
    machine, versions : str
    seconds, cpu_seconds : float
        Of the whole command, with its start.
    peak_rss, peak_pss, peak_anonymous, written, scratch : int
        Bytes, as `processes.Cost`; `scratch` is the largest size of the folder for intermediate
        files, `written` counts those, the output and nothing else.
    input, output : int
        Bytes of the files read, and of those published.
    candidates : int
        Pairs that were proposed.
    stages : dict of str to float
        Seconds of each, as `run.json` tells.
    precision, recall, f1 : float
        Of pairs, against the truth.
    """

    articles: int
    mean_bytes: int
    memory: str
    machine: str
    versions: str
    seconds: float
    cpu_seconds: float
    peak_rss: int
    peak_pss: int
    peak_anonymous: int
    written: int
    scratch: int
    input: int
    output: int
    candidates: int
    stages: dict[str, float]
    precision: float
    recall: float
    f1: float

    def parts(self) -> dict[str, float]:
        """Seconds of every stage and, as `REST`, of what no stage has."""
        return self.stages | {REST: max(0.0, self.seconds - sum(self.stages.values()))}


def exponent(articles: Sequence[float], values: Sequence[float]) -> float:
    """Slope of the least-squares line through the logarithms; NaN where there is none.

    1 is growth in proportion.
    """
    if len(set(articles)) < 2 or min(values) <= 0:
        return math.nan
    x, y = ([math.log(value) for value in each] for each in (articles, values))
    return statistics.linear_regression(x, y).slope


def measure(wanted: Corpus, corpora: Path, memory: str, scratch: Path) -> Size:
    """Run the library's command once on a corpus.

    Parameters
    ----------
    wanted : Corpus
    corpora : Path
        Folder where it is made, and stays.
    memory : str
        For ``--memory``; empty leaves it to the command.
    scratch : Path
        Empty folder for the output, in which intermediate files lie as well.

    Raises
    ------
    subprocess.CalledProcessError
        When the command fails.
    """
    made = corpus.make(wanted, corpora)
    output = scratch / "out"
    command = [sys.executable, "-m", "dedup", "cluster", str(made / "articles")]
    command += ["--output", str(output), *(["--memory", memory] if memory else [])]
    cost = processes.measured(command, output / "work", stdout=subprocess.DEVNULL)
    if cost.status:
        raise subprocess.CalledProcessError(cost.status, command)
    store = Store(output)
    run_id = store.latest()
    info = store.manifest(run_id)
    pairs = evaluate(store.read_table(run_id, "clusters"), read_truth(made / "truth.parquet")).pairs
    assert pairs is not None  # the truth is of clusters
    return Size(
        articles=wanted.articles,
        mean_bytes=wanted.mean_bytes,
        memory=memory,
        machine=processes.machine(),
        versions=", ".join(f"{name} {version}" for name, version in info["versions"].items()),
        seconds=round(cost.seconds, 2),
        cpu_seconds=round(cost.cpu_seconds, 2),
        peak_rss=cost.peak_rss,
        peak_pss=cost.peak_pss,
        peak_anonymous=cost.peak_anonymous,
        written=cost.written,
        scratch=cost.peak_folder,
        input=sum(file.stat().st_size for file in (made / "articles").iterdir()),
        output=sum(file["bytes"] for file in info["files"]),
        candidates=info["counts"]["candidates"],
        stages={stage["name"]: stage["seconds"] for stage in info["stages"]},
        precision=round(pairs.precision, 4),
        recall=round(pairs.recall, 4),
        f1=round(pairs.f1, 4),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every size, print, and write the figures down."""
    given = _arguments(arguments)
    with tempfile.TemporaryDirectory(prefix="growth-", dir=given.scratch) as folder:
        corpora = given.corpora or Path(folder) / "corpora"
        corpora.mkdir(parents=True, exist_ok=True)
        measured = read_figures(given.figures) if given.figures.exists() else []
        try:
            for articles in [_WARMING, *sorted(set(given.articles))]:
                wanted = Corpus(articles, given.seed, given.mean_bytes)
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    size = measure(wanted, corpora, given.memory, Path(scratch))
                if articles != _WARMING:
                    show.line(f"{articles:,} articles: {size.seconds:.1f} s")
                    measured = together(measured, size)
                    write_figures(given.figures, measured)
        except (DedupError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
    for rows in (costs(measured), stages(measured)):
        show.line("")
        show.table(rows)
    if given.csv:
        _write_csv(given.csv, measured)
    return 0


def together(measured: Sequence[Size], new: Size) -> list[Size]:
    """The sizes with a new one, which takes the place of its equal; smallest first.

    Sizes whose articles are of another length go: growth cannot be told from them.
    """
    others = [
        size
        for size in measured
        if size.articles != new.articles and size.mean_bytes == new.mean_bytes
    ]
    return sorted([*others, new], key=lambda size: size.articles)


def read_figures(path: Path) -> list[Size]:
    """Sizes as :func:`write_figures` wrote them."""
    return [Size(**figures) for figures in json.loads(path.read_text(encoding="utf-8"))]


def write_figures(path: Path, measured: Sequence[Size]) -> None:
    """Write every figure of every size."""
    content = json.dumps([asdict(size) for size in measured], indent=2, allow_nan=False)
    aside = path.with_suffix(".partial")
    aside.write_text(content + "\n", encoding="utf-8")
    aside.replace(path)


def costs(measured: Sequence[Size]) -> list[list[str]]:
    """What each size cost, one row each, and how it grew since the size before."""
    rows = [
        [
            "articles",
            *("told to keep under", "seconds", "CPU seconds", "articles/s"),
            *("peak RSS, GB", "peak PSS, GB", "scratch, GB", "written, GB"),
            *("candidates/article", "pair F1", "exponent"),
        ]
    ]
    for number, size in enumerate(measured):
        grown = measured[max(number - 1, 0) : number + 1]
        memory = [gigabytes(size.peak_rss), gigabytes(size.peak_pss)]
        rows.append(
            [
                f"{size.articles:,}",
                *(size.memory or "-", f"{size.seconds:,.1f}", f"{size.cpu_seconds:,.1f}"),
                *(f"{size.articles / size.seconds:,.0f}", *memory),
                *(gigabytes(size.scratch), gigabytes(size.written)),
                *(f"{size.candidates / size.articles:.2f}", f"{size.f1:.3f}"),
                _cell(exponent(_articles(grown), [each.seconds for each in grown])),
            ]
        )
    return rows


def stages(measured: Sequence[Size]) -> list[list[str]]:
    """Seconds of each stage, and the exponents: from `STEADY` articles on, of the two largest."""
    parts = [size.parts() for size in measured]
    names = dict.fromkeys(name for each in reversed(parts) for name in each)
    of = {name: [each.get(name, 0.0) for each in parts] for name in names}
    of |= {"the whole command": [size.seconds for size in measured]}
    articles = _articles(measured)
    steady = next((at for at, size in enumerate(articles) if size >= STEADY), len(articles))
    heads = ["stage", *(f"{each:,} articles" for each in articles)]
    return [
        [*heads, f"exponent from {STEADY:,}", "of the two largest"],
        *(
            [
                name,
                *(f"{value:,.2f}" for value in seconds),
                _cell(exponent(articles[steady:], seconds[steady:])),
                _cell(exponent(articles[-2:], seconds[-2:])),
            ]
            for name, seconds in of.items()
        ),
    ]


def gigabytes(count: float) -> str:
    """Bytes in 10^9, three figures or so."""
    return f"{count / 1e9:,.2f}" if count < 1e10 else f"{count / 1e9:,.0f}"


def _articles(measured: Sequence[Size]) -> list[int]:
    return [size.articles for size in measured]


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _write_csv(path: Path, measured: Sequence[Size]) -> None:
    rows: list[dict[str, Any]] = []
    for size in measured:
        figures = asdict(size)
        seconds = figures.pop("stages")
        rows.append(figures | {f"{name}_seconds": value for name, value in seconds.items()})
    show.write_csv(path, rows)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--articles", type=int, action="append", metavar="N", help="a size; may be repeated")
    add("--memory", default="", metavar="SIZE", help="what a run is told to keep under")
    add("--seed", type=int, default=1)
    add("--mean-bytes", type=int, default=3_000, help="of an article, without furniture")
    add("--scratch", type=Path, metavar="DIR", help="where outputs and intermediate files go")
    add("--corpora", type=Path, metavar="DIR", help="where corpora stay; else they go")
    add("--figures", type=Path, default=FIGURES, metavar="FILE", help="figures of all sizes")
    add("--csv", type=Path, metavar="FILE", help="write the figures as a table, too")
    given = parser.parse_args(arguments)
    given.articles = given.articles or SIZES
    if min(given.articles) < 1:
        parser.error("1 article at least")
    return given


if __name__ == "__main__":
    sys.exit(main())
