"""What more articles need than were ever measured, and what breaks first.

    python tests/benchmarks/scaling.py [--figures FILE] [--docs [FILE]]

Law: a need is a figure that `growth.py` measured, carried on by that figure's own law; nothing else
goes into it but the constants of this module.

A cost in seconds or bytes goes on with the exponent between the two largest sizes, but never with
one below 1, because what is spent once weighs less the more there is. Memory goes on by what each
article added between the two largest that were told the same `--memory`, or the two largest; where
it added nothing it stays. A worker is the machine that the figures come from.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gate import show
from growth import FIGURES, REST, Size, costs, exponent, gigabytes, read_figures, stages

from dedup.settings import Settings

DOCUMENT = Path(__file__).parents[2] / "docs/scaling.md"

SIZES = (10**6, 10**7, 10**8, 10**9)

WORKERS = (1, 2, 4, 8, 16, 32, 64)

ALONE = ("order", "collect", "group", REST)
"""What one worker does while the others wait; all others are shared out."""

LINK = 1.25e9
"""Bytes a second between a worker and the storage that all share: 10 Gbit/s."""

MEMORY, DISK, PATIENCE = 64e9, 1e12, 86_400.0
"""What one machine has, in bytes; and for how many seconds one worker may keep the others."""

TASK_RUNS = 150
"""Of one verb, that a flow run may have; beyond, each takes several units."""

NUMBERS = 2**32
"""Texts that the two halves of a packed pair can tell apart."""

_FARTHEST = 1e15
"""Articles at which nobody asks any more."""


@dataclass(frozen=True)
class Power:
    """Growth by an exponent, through one point."""

    articles: float
    value: float
    exponent: float

    def __call__(self, articles: float) -> float:
        return self.value * (articles / self.articles) ** self.exponent


@dataclass(frozen=True)
class Line:
    """Growth by as much with each article, through one point."""

    articles: float
    value: float
    slope: float

    def __call__(self, articles: float) -> float:
        return max(0.0, self.value + self.slope * (articles - self.articles))


class Needs(NamedTuple):
    """Laws of what a number of articles needs.

    Attributes
    ----------
    cpu : Power
        CPU seconds.
    stages : dict of str to Power
        Seconds of each on one worker, and of the rest.
    input, scratch, output, exchanged : Power
        Bytes. What workers exchange through the storage that they share is the input, and what is
        written, once on its way there and once on its way back.
    memory : Line
        Bytes of the process tree at its largest.
    """

    cpu: Power
    stages: dict[str, Power]
    input: Power
    scratch: Power
    output: Power
    exchanged: Power
    memory: Line

    def alone(self, articles: float) -> float:
        """Seconds in which one worker works and the others wait."""
        return sum(law(articles) for name, law in self.stages.items() if name in ALONE)

    def seconds(self, articles: float, workers: int) -> float:
        """By the wall clock; where there are several workers, they wait for their links as well."""
        shared = sum(law(articles) for name, law in self.stages.items() if name not in ALONE)
        waiting = self.exchanged(articles) / LINK if workers > 1 else 0.0
        return self.alone(articles) + (shared + waiting) / workers


def needs(measured: Sequence[Size]) -> Needs:
    """The laws that sizes follow which were measured, smallest first."""

    def carried(figure: Callable[[Size], float]) -> Power:
        return power(*_points(measured, figure))

    # What a run was told to keep under decides its memory, so sizes told otherwise say less.
    alike = [size for size in measured if size.memory == measured[-1].memory]
    alike = alike if len(alike) > 1 else list(measured)
    return Needs(
        cpu=carried(lambda size: size.cpu_seconds),
        stages={
            name: carried(lambda size, name=name: size.parts().get(name, 0.0))  # type: ignore[misc]
            for name in measured[-1].parts()
        },
        input=carried(lambda size: size.input),
        scratch=carried(lambda size: size.scratch),
        output=carried(lambda size: size.output),
        exchanged=carried(lambda size: size.input + 2 * size.written),
        memory=line(*_points(alike, lambda size: size.peak_rss)),
    )


def power(articles: Sequence[float], values: Sequence[float]) -> Power:
    """Through the last point, by the exponent from the one before, 1 or more."""
    slope = exponent(articles[-2:], values[-2:])
    return Power(articles[-1], values[-1], 1.0 if math.isnan(slope) else max(1.0, slope))


def line(articles: Sequence[float], values: Sequence[float]) -> Line:
    """Through the last point and the one before; level where it would fall."""
    run, rise = (each[-1] - each[-2:][0] for each in (articles, values))
    return Line(articles[-1], values[-1], max(0.0, rise / run) if run else 0.0)


def reached(need: Callable[[float], float], limit: float) -> float:
    """How many articles need so much; infinite where none do."""
    low, high = 1.0, _FARTHEST
    if need(high) < limit:
        return math.inf
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if need(middle) < limit else (low, middle)
    return high


def needed(known: Needs) -> list[list[str]]:
    """What each number of articles needs on one worker, one row each."""
    heads = ["CPU time", "time", "time that cannot be shared out", "memory, GB"]
    bytes_of = {
        "input": known.input,
        "scratch": known.scratch,
        "output": known.output,
        "exchanged": known.exchanged,
    }
    return [
        ["articles", *heads, *(f"{name}, GB" for name in bytes_of)],
        *(
            [
                f"{articles:,}",
                *(duration(known.cpu(articles)), duration(known.seconds(articles, 1))),
                *(duration(known.alone(articles)), gigabytes(known.memory(articles))),
                *(gigabytes(law(articles)) for law in bytes_of.values()),
            ]
            for articles in SIZES
        ),
    ]


def shared(known: Needs) -> list[list[str]]:
    """Time by the wall clock and, in brackets, that of all workers; and what storage must serve."""
    times = {articles: [known.seconds(articles, count) for count in WORKERS] for articles in SIZES}
    largest = SIZES[-1]
    rates = [known.exchanged(largest) / seconds for seconds in times[largest]]
    return [
        ["articles", *(f"{count} worker{'s' * (count > 1)}" for count in WORKERS)],
        *(
            [
                f"{articles:,}",
                *(
                    f"{duration(each)} ({duration(each * count)})"
                    for each, count in zip(seconds, WORKERS, strict=True)
                ),
            ]
            for articles, seconds in times.items()
        ),
        ["exchanged, GB/s", "-", *map(gigabytes, rates[1:])],
    ]


def limits(known: Needs) -> list[list[str]]:
    """What breaks, and at how many articles, the first first."""
    each = Settings().shard_rows
    found = {
        f"intermediate files larger than a disk of {DISK / 1e12:.0f} TB": reached(
            known.scratch, DISK
        ),
        f"memory larger than a machine's {MEMORY / 1e9:.0f} GB": reached(known.memory, MEMORY),
        f"stages that are not shared out take {duration(PATIENCE)}": reached(known.alone, PATIENCE),
        f"more than {TASK_RUNS} shards of {each:,} articles, so tasks take several": float(
            TASK_RUNS * each
        ),
        "texts cannot be numbered in 32 bits": float(NUMBERS),
    }
    rows = sorted(found.items(), key=lambda item: item[1])
    return [["limit", "reached at articles"], *([name, _rounded(at)] for name, at in rows)]


def duration(seconds: float) -> str:
    """Time in the largest unit of which it has two."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def blocks(measured: Sequence[Size]) -> dict[str, str]:
    """Content of each marked region of the page, by its name."""
    known, last = needs(measured), measured[-1]
    lengths = f"Articles of {last.mean_bytes:,} bytes on average, and their outlets' furniture"
    told = f"{lengths}. Measured on {last.machine}; {last.versions}."
    tables = {
        "stages": stages(measured),
        "needs": needed(known),
        "workers": shared(known),
        "limits": limits(known),
    }
    growth = f"{told}\n\n{show.markdown(costs(measured))}"
    return {"growth": growth} | {name: show.markdown(rows) for name, rows in tables.items()}


def _points(
    measured: Sequence[Size], figure: Callable[[Size], float]
) -> tuple[list[float], list[float]]:
    return [size.articles for size in measured], [figure(size) for size in measured]


def _rounded(articles: float) -> str:
    """Two figures of a number."""
    if math.isinf(articles):
        return "never"
    step = 10 ** max(0, math.floor(math.log10(articles)) - 1)
    return f"{round(articles / step) * step:,}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every table, and write them where that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--figures", type=Path, default=FIGURES, metavar="FILE", help="as growth.py writes it")
    add(
        "--docs", type=Path, nargs="?", metavar="FILE", const=DOCUMENT, help="page to write them to"
    )
    given = parser.parse_args(arguments)
    measured = read_figures(given.figures)
    known = needs(measured)
    for rows in (costs(measured), stages(measured), needed(known), shared(known), limits(known)):
        show.line("")
        show.table(rows)
    if given.docs:
        for name, content in blocks(measured).items():
            show.rewrite(given.docs, name, content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
