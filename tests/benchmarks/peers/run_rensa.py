# /// script
# dependencies = ["rensa", "pyarrow", "scipy"]
# ///
"""rensa, full-set R-MinHash with its LSH index, all cores (rayon).

Settings, as the command line says: `readme`, the words of a text at a threshold of 0.8, as in its
README, in 8 bands, as in the benchmark that the README points to; or `shingles`, runs of five
words at 0.5, the usual ones for near-duplicates, in 32 bands, which give that threshold; 128
permutations both times. Candidates are kept if `is_similar` says so, which estimates the
similarity and compares it with the threshold. Its faster way, an index over "rho" sketches, only
tells which texts have a duplicate, not which one: no clusters.
"""

import sys

import job
from rensa import RMinHash, RMinHashLSH

SETTINGS = {"readme": (1, 0.8, 8), "shingles": (5, 0.5, 32)}


def tokens(text, size):
    words = text.split() if size == 1 else text.lower().split()
    if size == 1:
        return words
    return [" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1))]


def cluster(articles, folder):
    size, threshold, bands = SETTINGS[sys.argv[3]]
    table = job.read(articles)
    texts = table["text"].to_pylist()
    sketches = RMinHash.from_token_sets((tokens(text, size) for text in texts), 128, 42)
    index = RMinHashLSH(threshold=threshold, num_perm=128, num_bands=bands)
    index.insert_many(sketches)
    similar = [
        [
            other
            for other in found
            if other < position and index.is_similar(sketches[position], sketches[other])
        ]
        for position, found in enumerate(index.query_all(sketches))
    ]
    job.write(table["id"], job.joined(similar), folder)


if __name__ == "__main__":
    job.run(cluster)
