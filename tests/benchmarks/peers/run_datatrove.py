# /// script
# dependencies = ["datatrove", "pyarrow", "scipy", "regex", "spacy", "tokenizers", "xxhash<4"]
# ///
"""datatrove's MinHash stages 1 to 3, all cores.

Settings: those of `MinhashConfig`, which are also FineWeb's: runs of five words, 14 buckets of 8
hashes, 64 bits, its English tokenizer. Its readers share out files, and here is one: so a reader
of our own shares out row groups. The clusters are read from the files of stage 3; stage 4, which
reads all texts again to drop copies, is left out.
"""

import os

import job
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
)

TASKS = len(os.sched_getaffinity(0))


def share(articles, rank, columns):
    """A task's part of the articles."""
    with pq.ParquetFile(articles) as file:
        groups = range(rank, file.num_row_groups, TASKS)
        return file.read_row_groups(list(groups), columns=columns)


class RowGroups(PipelineStep):
    """Reads a task's part as documents."""

    type, name = "reader", "row groups"

    def __init__(self, articles):
        super().__init__()
        self.articles = articles

    def run(self, data=None, rank=0, world_size=1):
        for batch in share(self.articles, rank, ["id", "text"]).to_batches(1000):
            for row in batch.to_pylist():
                yield Document(text=row["text"], id=row["id"])


def stages(articles, folder):
    config = MinhashConfig()
    work = {name: str(folder / name) for name in ("signatures", "buckets", "clusters")}
    return [
        (TASKS, [RowGroups(articles), MinhashDedupSignature(work["signatures"], config)]),
        (
            config.num_buckets,
            [MinhashDedupBuckets(work["signatures"], work["buckets"], config=config)],
        ),
        (
            1,
            [MinhashDedupCluster(work["buckets"], work["clusters"], config, save_cluster_id=True)],
        ),
    ]


def labelled(ids, file, first):
    """A label for each article of a task: of its cluster, or one of its own from `first` on."""
    labels = np.arange(first, first + len(ids))
    if file.exists():
        position, cluster = np.fromfile(file, "<u4").reshape(-1, 2).T
        labels[position] = cluster
    return labels


def cluster(articles, folder):
    for number, (tasks, pipeline) in enumerate(stages(articles, folder), 1):
        logs = str(folder / f"logs{number}")
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=min(tasks, TASKS), logging_dir=logs
        ).run()
    ids = [share(articles, rank, ["id"])["id"] for rank in range(TASKS)]
    # Labels of single articles lie above those of clusters, which are fewer than articles.
    first = np.cumsum([sum(map(len, ids)), *map(len, ids)])
    files = [folder / f"clusters/{rank:06d}.clusters" for rank in range(TASKS)]
    labels = np.concatenate(list(map(labelled, ids, files, first)))
    job.write(pa.concat_arrays([each.combine_chunks() for each in ids]), labels, folder)


if __name__ == "__main__":
    job.run(cluster)
