# /// script
# dependencies = ["gaoya", "pyarrow", "scipy"]
# ///
"""gaoya, all cores (rayon).

Settings, as the command line says: `defaults`, those of `MinHashStringIndex` itself, 20 bands of 5
at a threshold of 0.75 over single words; or `shingles`, 42 bands of 3 at 0.5 and lower case from
the example in its README, over runs of five words. The README's own single words and its
notebook's runs of three and four letters suit titles and abstracts: on whole articles either is
slower than both of these and less right.
"""

import sys

import job
from gaoya.minhash import MinHashStringIndex

SETTINGS = {
    "defaults": {},
    "shingles": {
        "hash_size": 32,
        "jaccard_threshold": 0.5,
        "num_bands": 42,
        "band_size": 3,
        "num_hashes": 42 * 3,
        "analyzer": "word",
        "lowercase": True,
        "ngram_range": (5, 5),
    },
}


def cluster(articles, folder):
    table = job.read(articles)
    texts = table["text"].to_pylist()
    index = MinHashStringIndex(**SETTINGS[sys.argv[3]])
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    job.write(table["id"], job.joined(index.par_bulk_query(texts)), folder)


if __name__ == "__main__":
    job.run(cluster)
