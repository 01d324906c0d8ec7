# /// script
# dependencies = ["datasketch", "pyarrow", "scipy"]
# ///
"""datasketch, plainly, added to as the command line says, in as many processes.

Settings: those of the example on its MinHash LSH page, 128 permutations (also the default of
`MinHash`) and a threshold of 0.5. The default of `MinHashLSH` is 0.9, which finds far fewer pairs.
The example calls `update` for each member of a set; `update_batch` is its way to add many at once.
What a set is made of it leaves to its user: runs of five words here. With more than one process the
signatures are made in a pool and come back as `LeanMinHash`, its form for shipping; there is one
index.
"""

import sys
from multiprocessing import Pool

import job
from datasketch import LeanMinHash, MinHash, MinHashLSH


def signature(text):
    words = text.lower().split()
    shingles = {" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))}
    minhash = MinHash(num_perm=128)
    if sys.argv[3] == "update_batch":
        minhash.update_batch([shingle.encode() for shingle in shingles])
    else:
        for shingle in shingles:
            minhash.update(shingle.encode())
    return minhash


def lean(text):
    return LeanMinHash(signature(text))


def signatures(texts):
    processes = int(sys.argv[4])
    if processes == 1:
        yield from map(signature, texts)
        return
    with Pool(processes) as pool:
        yield from pool.imap(lean, texts, chunksize=200)


def cluster(articles, folder):
    table = job.read(articles)
    index, neighbours = MinHashLSH(threshold=0.5, num_perm=128), []
    for position, minhash in enumerate(signatures(table["text"].to_pylist())):
        neighbours.append(index.query(minhash))
        index.insert(position, minhash)
    job.write(table["id"], job.joined(neighbours), folder)


if __name__ == "__main__":
    job.run(cluster)
