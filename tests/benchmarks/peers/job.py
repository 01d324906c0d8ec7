"""What the scripts of all peers have in common: paths, clock, components.

Law: the clock starts when a script has imported what its head names, and stops when its clusters
are on the disk.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

CLUSTERS = "clusters.parquet"


def run(cluster: Callable[[Path, Path], None]) -> None:
    """Call `cluster(articles, folder)` with the paths on the command line, and time it.

    It reads the Parquet file `articles`, columns `id` and `text`, and writes what it has to write
    into `folder`, which is empty. The seconds go to a file there.
    """
    articles, folder = map(Path, sys.argv[1:3])
    started = time.perf_counter()
    cluster(articles, folder)
    seconds = time.perf_counter() - started
    (folder / "seconds.txt").write_text(repr(seconds), encoding="ascii")


def read(articles: Path) -> pa.Table:
    """The columns `id` and `text`."""
    return pq.read_table(articles, columns=["id", "text"])


def write(ids: Any, labels: Any, folder: Path) -> None:
    """Write the clusters: the label of each id."""
    labels = pa.array(labels).cast(pa.string())
    pq.write_table(pa.table({"article_id": ids, "cluster_id": labels}), folder / CLUSTERS)


def components(count: int, left: Any, right: Any) -> np.ndarray:
    """Connected components of pairs of positions: labels, int32, shape (count,)."""
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def joined(neighbours: Sequence[Sequence[int]]) -> np.ndarray:
    """Components of articles with the positions of others that were found for each."""
    counts = [len(found) for found in neighbours]
    left = np.repeat(np.arange(len(neighbours)), counts)
    right = np.fromiter(chain.from_iterable(neighbours), np.int64, sum(counts))
    return components(len(neighbours), left, right)
