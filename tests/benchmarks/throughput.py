"""Articles a second, beside datasketch used plainly on the same file in the same run.

    python tests/benchmarks/throughput.py [--articles 20000] [--runs 5]

Ours: `dedup.cluster_articles` from Parquet to a published run, all cores. Theirs: datasketch with
its defaults, one process: word 5-grams in Python, `MinHash.update` as in the first example of its
documentation or `update_batch`, `MinHashLSH` at its default threshold, components of the pairs that
the index returns. All are measured after a first small call, so that none pays for compilation or
imports. Prints medians, how many times as long as ours the others take, and pair F1.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasketch import MinHash, MinHashLSH
from rich.console import Console
from rich.table import Table

from dedup import cluster_articles, synth
from dedup.evaluate import evaluate
from dedup.stages.cluster import components
from dedup.threads import cores
from dedup.truth import read_truth

_SEED = 1


def ours(articles: Path, output: Path) -> pa.Table:
    """Clusters by this library, published."""
    return cluster_articles(articles, output).clusters.select(["article_id", "cluster_id"])


def update(signature: MinHash, shingles: set[bytes]) -> None:
    """The way of the documentation's first example."""
    for shingle in shingles:
        signature.update(shingle)


def update_batch(signature: MinHash, shingles: set[bytes]) -> None:
    """The fast way."""
    signature.update_batch(list(shingles))


def datasketch(
    way: Callable[[MinHash, set[bytes]], None], articles: Path, output: Path
) -> pa.Table:
    """Clusters by datasketch."""
    table = pq.read_table(articles, columns=["id", "text"])
    index, pairs = MinHashLSH(), []
    for position, text in enumerate(table["text"].to_pylist()):
        words = text.lower().split()
        count = max(1, len(words) - 4)
        shingles = {" ".join(words[at : at + 5]).encode() for at in range(count)}
        signature = MinHash()
        way(signature, shingles)
        pairs += [(other, position) for other in index.query(signature)]
        index.insert(position, signature)
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    labels = components(table.num_rows, left, right)
    clusters = pa.table({"article_id": table["id"], "cluster_id": labels.astype(str)})
    pq.write_table(clusters, output / "clusters.parquet")
    return clusters


def measure(
    run: Callable[[Path, Path], pa.Table], articles: Path, output: Path, runs: int
) -> tuple[list[float], pa.Table]:
    """Wall seconds of each run, and the clusters of the last."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        clusters = run(articles, output)
        seconds.append(time.perf_counter() - started)
    return seconds, clusters


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5, help="of ours; the others run once")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for articles, name in ((200, "small"), (given.articles, "large")):
            synth.write(articles, _SEED, folder / name)
        small, large = folder / "small/articles.parquet", folder / "large/articles.parquet"
        truth = read_truth(folder / "large/truth.parquet")
        table = Table(title=f"{given.articles:,} articles, {cores()} cores", title_justify="left")
        for column in ("", "seconds", "articles/s", "times ours", "pair F1"):
            table.add_column(column, justify="right" if column else "left")
        measured = {}
        for name, run, runs in (
            ("dedup", ours, given.runs),
            ("datasketch, update_batch", partial(datasketch, update_batch), 1),
            ("datasketch, update", partial(datasketch, update), 1),
        ):
            (folder / name).mkdir()
            run(small, folder / name)
            measured[name] = measure(run, large, folder / name, runs)
        reference = statistics.median(measured["dedup"][0])
        for name, (seconds, clusters) in measured.items():
            median = statistics.median(seconds)
            table.add_row(
                name,
                f"{median:.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
                f"{given.articles / median:,.0f}",
                f"{median / reference:.1f}",
                f"{evaluate(clusters, truth).pairs.f1:.3f}",
            )
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
