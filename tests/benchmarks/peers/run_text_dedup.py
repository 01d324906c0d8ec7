# /// script
# requires-python = ">=3.12"
# dependencies = ["text-dedup>=0.4.1", "pyarrow", "scipy"]
# ///
"""text-dedup's MinHash, all cores.

Settings: those of its README for MinHash: 240 permutations, runs of five words, a threshold of 0.7,
false positives checked. (Those of its benchmark on newspaper articles, runs of two words at 0.45,
were less right here.) Clusters are as it saves them. The cache of its data sets lies in
the run's own folder, or a second run would find the first one's results.
"""

import os
import pickle

os.environ["HF_HUB_OFFLINE"] = "1"  # it would ask a server about itself

import job
import pyarrow.parquet as pq
from text_dedup.config.base import load_config_from_toml
from text_dedup.minhash import main

CONFIG = """
[input]
input_type = "local_files"
file_type = "parquet"

[input.read_arguments]
path = "parquet"
data_files = "{articles}"
split = "train"
cache_dir = "{folder}/cache"

[algorithm]
algorithm_name = "minhash"
text_column = "text"
num_proc = {processes}
seed = 42
batch_size = 10000
num_perm = 240
threshold = 0.7
false_positive_weight = 0.5
false_negative_weight = 0.5
hash_bits = 64
ngram_size = 5
check_false_positive = true

[output]
output_dir = "{folder}/out"
save_clusters = true

[debug]
enable_profiling = false
"""


def cluster(articles, folder):
    config = folder / "config.toml"
    processes = len(os.sched_getaffinity(0))
    config.write_text(CONFIG.format(articles=articles, folder=folder, processes=processes))
    main(load_config_from_toml(config))
    labels = pickle.loads((folder / "out/clusters.pickle").read_bytes())
    ids = pq.read_table(articles, columns=["id"])["id"]
    job.write(ids, [labels.get(position, position) for position in range(len(ids))], folder)


if __name__ == "__main__":
    job.run(cluster)
