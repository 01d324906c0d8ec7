"""Where the time of a run goes, beside the floor, and how many articles one core signs a second.

    python tests/benchmarks/stages.py [--articles 100000] [--runs 3] [--docs docs/performance.md]

A run is `dedup.cluster_articles` from Parquet to a published run, all cores; the floor decodes the
same Parquet and walks its bytes once with a 64-bit hash, as in `peers/run_floor.py`. Runs of both
come by turns in this process, after a small one, so that neither pays for compilation or imports.
What a run spends outside its verbs is planning, publishing and reading `run.json`.

Signing is told for one core: tokens of plain text, their signatures, sketches and band keys; and
beside it, what an article takes that is published: credits, lists and quotations as well. Medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from gate import show
from processes import machine

from dedup import Settings, cluster_articles, synth
from dedup.pipeline.sign import read_body, sketch_scale
from dedup.pipeline.sketch import banded
from dedup.ragged import Ragged
from dedup.stages import candidates, shingle, sign
from dedup.stages.text import tokenise, whole

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from run_floor import floor

_SEED = 1
_SIGNED = 4000
"""Articles that signing is timed on: as many as one thread has in hand."""


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds by the clock, and the result."""
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def of_run(articles: Path, runs: int) -> list[list[str]]:
    """Seconds of the floor, of the run and of each verb, as rows of a table."""
    whole_runs, floors, stages = [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as scratch:
            floors.append(timed(lambda: floor(articles, Path(scratch)))[0])
            seconds, found = timed(lambda: cluster_articles(articles, f"{scratch}/out"))
            whole_runs.append(seconds)
            stages.append({each["name"]: each["seconds"] for each in found.info["stages"]})
    least, total = statistics.median(floors), statistics.median(whole_runs)
    verbs = {name: statistics.median(each[name] for each in stages) for name in stages[0]}
    rows = [("the floor", least), *verbs.items(), ("the rest", total - sum(verbs.values()))]
    cells = [
        [name, f"{seconds:.2f}", f"{seconds / least:.2f}", f"{seconds / total:.0%}"]
        for name, seconds in [*rows, ("the whole run", total)]
    ]
    return [["", "seconds", "times the floor", "of the run"], *cells]


def of_signing(articles: Path, runs: int) -> list[list[str]]:
    """Microseconds an article of each step of signing on one core, as rows of a table."""
    settings, file = Settings(threads=1), pq.ParquetFile(articles)
    column = file.read_row_group(0, columns=["text"])["text"][:_SIGNED]
    texts = column.cast(pa.large_string()).combine_chunks()
    banding = banded(settings)
    tokens = tokenise(texts, whole(texts), 0)
    words, size = Ragged(tokens.hashes, tokens.offsets), settings.shingle_size
    rolled, last = shingle.rolled(words, size), candidates.last_sketched(sketch_scale(settings))
    signatures = sign.sign(rolled, settings.num_perm, settings.seed)
    steps = {
        "tokens": lambda: tokenise(texts, whole(texts), 0),
        "shingles": lambda: shingle.rolled(words, size),
        "signature": lambda: sign.sign(rolled, settings.num_perm, settings.seed),
        "band keys": lambda: candidates.band_keys(signatures, banding.rows, banding.bands),
        "sketch": lambda: shingle.sets(shingle.lowest(words, size, last)),
    }
    each = {
        name: statistics.median(timed(step)[0] for _ in range(5 * runs)) / len(texts)
        for name, step in steps.items()
    }
    body = statistics.median(timed(lambda: read_body(texts, settings))[0] for _ in range(5 * runs))
    rows = [*each.items(), ("signed", sum(each.values()))]
    rows.append(("tokens with credits, lists and quotations", body / len(texts)))
    length = sum(len(text) for text in column.to_pylist()) / len(texts)
    heading = ["", f"microseconds an article of {length:,.0f} characters", "articles/s"]
    return [heading, *([name, f"{took * 1e6:.2f}", f"{1 / took:,.0f}"] for name, took in rows)]


def main() -> None:
    """Print both tables, and write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--docs", type=Path, metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for articles, name in ((200, "small"), (given.articles, "large")):
            synth.write(articles, _SEED, folder / name)
        small, large = folder / "small/articles.parquet", folder / "large/articles.parquet"
        of_run(small, 1)
        tables = {"stages": of_run(large, given.runs), "signing": of_signing(large, given.runs)}
    told = {
        "stages": f"{given.articles:,} articles, medians of {given.runs} runs. {machine()}.",
        "signing": f"One core, {_SIGNED:,} articles at a time. {machine()}.",
    }
    for name, rows in tables.items():
        show.line(told[name])
        show.table(rows)
        if given.docs:
            show.rewrite(given.docs, name, f"{told[name]}\n\n{show.markdown(rows)}")


if __name__ == "__main__":
    main()
