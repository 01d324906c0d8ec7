"""Ours, through the library: Parquet in, published run out, default settings."""

import job

from dedup import cluster_articles


def cluster(articles, folder):
    cluster_articles(articles, folder / "out")


if __name__ == "__main__":
    job.run(cluster)
