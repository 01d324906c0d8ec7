"""Made articles by the million, with what is true of them.

    python tests/benchmarks/corpus.py --articles 1000000 --output DIR [--seed 1] [--mean-bytes 3000]

Law: the arguments alone decide every byte, whatever the number of threads, and the first articles
of a large corpus are those of a small one.

`dedup synth` makes better news, a few thousand articles a second; here are many times as many, for
measuring how cost grows. Words are drawn by their frequency in real languages, in no order; 30% of
the articles lie in clusters of 2 to 50, printed within two days, with edits (see `press/plan.py`);
5,000 articles come a day, however many there are.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from press import kernel
from press.lexicon import LANGUAGES, Lexicon, lexicon
from press.plan import BLOCK, KINDS, OUTLETS, Block, outlet_languages, plan

from dedup.threads import in_order

FILE_BLOCKS = 25
"""Blocks of a file; each is a row group."""

ARTICLES = pa.schema(
    {
        "id": pa.string(),
        "title": pa.string(),
        "text": pa.string(),
        "source": pa.string(),
        "published_at": pa.timestamp("us", tz="UTC"),
        "lang": pa.string(),
    }
)

TRUTH = pa.schema({"id": pa.string(), "cluster": pa.string(), "kind": pa.string()})

_PAPERS = ("Courier", "Examiner", "Gazette", "Herald", "Mercury", "Post", "Record", "Tribune")


class Corpus(NamedTuple):
    """What is to be made.

    Parameters
    ----------
    articles : int
        1 or more.
    seed : int
        0 or more.
    mean_bytes : int
        Mean length of an original, without its outlet's furniture.
    """

    articles: int
    seed: int = 1
    mean_bytes: int = 3_000

    @property
    def name(self) -> str:
        """Tells it from every other corpus."""
        return f"articles{self.articles}-seed{self.seed}-bytes{self.mean_bytes}"

    def blocks(self) -> range:
        """Numbers of its blocks."""
        return range(-(-self.articles // BLOCK))

    def block(self, number: int) -> Block:
        """Plan of the block of that number."""
        articles = min(BLOCK, self.articles - number * BLOCK)
        return plan(number, articles, self.seed, self.mean_bytes)


def make(corpus: Corpus, folder: Path, threads: int = 0) -> Path:
    """Write a corpus below a folder, unless it is there.

    Parameters
    ----------
    corpus : Corpus
    folder : Path
    threads : int
        0 takes one per core.

    Returns
    -------
    Path
        Folder that holds ``articles/part-*.parquet``, by time of publication within each block, and
        ``truth.parquet``.
    """
    made = folder / corpus.name
    if made.exists():
        return made
    partial = folder / f".{corpus.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "articles").mkdir(parents=True)
    words = lexicon()
    ready = kernel.stock(corpus.seed, words, outlet_languages())
    blocks = corpus.blocks()
    files = [blocks[at : at + FILE_BLOCKS] for at in range(0, len(blocks), FILE_BLOCKS)]

    def write(number: int) -> None:
        path = partial / "articles" / f"part-{number:05d}.parquet"
        with _writer(path, ARTICLES) as writer:
            for block in files[number]:
                writer.write_batch(_articles(corpus, block, words, ready))

    for _ in in_order(write, range(len(files)), threads):
        pass
    with _writer(partial / "truth.parquet", TRUTH) as writer:
        for truth in _truths(corpus):
            writer.write_batch(truth)
    partial.rename(made)
    return made


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    few = [name for name in ("source", "lang", "kind") if name in schema.names]
    # Random words pack worse than real ones; at this level as well as those do at the first.
    return pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=3, use_dictionary=few
    )


def _articles(corpus: Corpus, number: int, words: Lexicon, ready: kernel.Stock) -> pa.RecordBatch:
    """Articles of a block, by time of publication."""
    block = corpus.block(number)
    order = np.argsort(block.published, kind="stable")
    written = kernel.write(block, words, ready)
    columns = {
        "id": _ids(number, np.arange(len(order))),
        "title": _strings(written.title, written.title_offsets).take(order),
        "text": _strings(written.text, written.text_offsets).take(order),
        "source": pa.array(_outlets(words)).take(block.outlets[order]),
        "published_at": pa.array(block.published[order]).cast(ARTICLES.field("published_at").type),
        "lang": pa.array(list(LANGUAGES)).take(block.languages[order]),
    }
    return pa.record_batch(list(columns.values()), schema=ARTICLES)


def _truths(corpus: Corpus) -> Iterator[pa.RecordBatch]:
    """Truth of every block; a cluster is named after its original."""
    for number in corpus.blocks():
        block = corpus.block(number)
        order = np.argsort(block.published, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        columns = [
            _ids(number, np.arange(len(order))),
            _ids(number, place[block.clusters[order]]),
            pa.array(list(KINDS)).take(block.kinds[order]),
        ]
        yield pa.record_batch(columns, schema=TRUTH)


def _ids(number: int, places: np.ndarray) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(number * BLOCK + places).cast(pa.string()), 10, "0")
    return pc.binary_join_element_wise("a", digits, "")


def _strings(letters: np.ndarray, offsets: np.ndarray) -> pa.StringArray:
    return pa.StringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(letters)
    )


def _outlets(words: Lexicon) -> list[str]:
    """Names of the outlets, all different."""
    forms = words.offsets[_NAMES_FROM : _NAMES_FROM + OUTLETS + 1]
    towns = [words.letters[at:end].tobytes().decode() for at, end in itertools.pairwise(forms)]
    papers = itertools.cycle(_PAPERS)
    return [f"{town.capitalize()} {paper}" for town, paper in zip(towns, papers, strict=False)]


_NAMES_FROM = 5_000
"""First form of those that outlets are named after; words come once, so names do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--articles", type=int, required=True)
    add("--output", type=Path, required=True, metavar="DIR")
    add("--seed", type=int, default=1)
    add("--mean-bytes", type=int, default=3_000)
    given = parser.parse_args(arguments)
    if given.articles < 1 or given.seed < 0 or given.mean_bytes < 1:
        parser.error("1 article at least, of 1 byte, and no negative seed")
    print(make(Corpus(given.articles, given.seed, given.mean_bytes), given.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
