"""The floor: decode ids and texts, and walk the bytes of the texts once with a 64-bit hash.

FNV-1a, byte by byte, since whoever cuts texts into words must look at every byte. Each core takes
a row group, decodes it and walks it while it is hot, then takes the next; so decoding and walking
overlap. The kernel is compiled before the clock starts.
"""

from concurrent.futures import ThreadPoolExecutor

import job
import numpy as np
import pyarrow.parquet as pq
from numba import njit

from dedup.threads import cores


@njit(nogil=True)
def _fnv1a(data, offsets, hashes):
    for article in range(len(hashes)):
        state = np.uint64(0xCBF29CE484222325)
        for at in range(offsets[article], offsets[article + 1]):
            state = (state ^ np.uint64(data[at])) * np.uint64(0x100000001B3)
        hashes[article] = state


def _walked(text):
    _, offsets, data = text.buffers()
    offsets = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    hashes = np.empty(len(text), np.uint64)
    _fnv1a(np.frombuffer(data, np.uint8), offsets, hashes)
    return hashes


def floor(articles, folder):
    def part(group):
        with pq.ParquetFile(articles) as file:
            table = file.read_row_group(group, columns=["id", "text"], use_threads=False)
        return [_walked(chunk) for chunk in table["text"].chunks]

    groups = range(pq.read_metadata(articles).num_row_groups)
    with ThreadPoolExecutor(cores()) as pool:
        hashes = [each for found in pool.map(part, groups) for each in found]
    np.save(folder / "hashes.npy", np.concatenate(hashes))


if __name__ == "__main__":
    _fnv1a(np.zeros(1, np.uint8), np.zeros(2, np.int32), np.zeros(1, np.uint64))
    job.run(floor)
