# /// script
# dependencies = ["daft", "pyarrow", "scipy"]
# ///
"""daft, all cores.

Settings and steps: those of the MinHash deduplication example in its documentation: 64
permutations, runs of five words, a threshold of 0.7, for which its `optimal_param` gives 8 bands of
8; texts normalised; bands exploded and grouped. Components are scipy's, on one machine, in place of
the example's star contraction in data frames, which is made for many; the example itself checks
that against a graph library.
"""

import daft
import job
import numpy as np
from daft import col
from daft.functions import chunk, monotonically_increasing_id

BANDS, ROWS = 8, 8


@daft.func()
def band_numbers(bands: list[list[int]]) -> list[int]:
    return list(range(len(bands)))


def signed(articles):
    text = col("text").normalize(
        remove_punct=True, lowercase=True, nfd_unicode=True, white_space=True
    )
    minhash = text.minhash(num_hashes=BANDS * ROWS, ngram_size=5, seed=42, hash_function="xxhash")
    return (
        daft.read_parquet(str(articles))
        .select("id", minhash.alias("minhash"))
        .with_column("node", monotonically_increasing_id())
        .collect()
    )


def edges(signatures):
    bands = signatures.with_column("bands", chunk(col("minhash"), ROWS))
    grouped = (
        bands.with_column("band", band_numbers(col("bands")))
        .explode("bands", "band")
        .groupby("band", "bands")
        .agg(col("node").list_agg().alias("nodes"))
    )
    return (
        grouped.with_column("first", col("nodes").list_min())
        .explode("nodes")
        .where(col("first") != col("nodes"))
        .select("first", "nodes")
        .distinct()
        .to_arrow()
    )


def cluster(articles, folder):
    signatures = signed(articles)
    found, nodes = edges(signatures), signatures.select("id", "node").to_arrow()
    # Node numbers have gaps between partitions.
    numbers = np.asarray(nodes["node"])
    order = np.argsort(numbers)
    ends = (order[np.searchsorted(numbers, found[end], sorter=order)] for end in found.column_names)
    job.write(nodes["id"], job.components(len(numbers), *ends), folder)


if __name__ == "__main__":
    job.run(cluster)
