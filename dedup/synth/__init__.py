"""Made-up news with known copies.

Law: the same arguments give the same bytes, every article's origin is known, and nothing in it was
written by anybody: people, places, firms, outlets and most languages are invented.

A corpus is made in blocks of :data:`BLOCK` articles, each from its own seed and each covering its
own days, so memory stays bounded for :func:`write`. Clusters and stories lie within a block;
outlets, with their page furniture and bulletins, are the same in all blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dedup.errors import OutputError, SettingsError
from dedup.synth.draws import Draws
from dedup.synth.newsroom import DAYS, Article, Newsroom, World

__all__ = ["ARTICLES", "BLOCK", "TRUTH", "synthesise", "write"]

BLOCK = 10_000
"""Articles that are made, and held in memory, at a time."""

ARTICLES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("published_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
    ]
)
"""The articles, as any input would come."""

TRUTH = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("story", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("origin", pa.string()),
    ]
)
"""What is true of them: copies share `cluster`, reports of one event share `story`; `kind` names
the edit that made the article of `origin` (null where it was made of nothing)."""

_FIRST_DAY = datetime(2024, 3, 1, tzinfo=UTC)


def _id(number: int) -> str:
    return f"a{number:08d}"


def _tables(published: list[Article], block: int) -> tuple[pa.Table, pa.Table]:
    first = block * BLOCK
    start = _FIRST_DAY + timedelta(days=block * DAYS)
    ids = {id(article): _id(first + place) for place, article in enumerate(published)}
    names = list(ids.values())
    articles = {
        "id": names,
        "title": [article.title for article in published],
        "text": [article.text for article in published],
        "source": [article.source for article in published],
        "published_at": [start + timedelta(minutes=article.minute) for article in published],
        "lang": [article.outlet.language for article in published],
        "url": [
            f"https://{article.outlet.domain}/{name}"
            for article, name in zip(published, names, strict=True)
        ],
    }
    truth = {
        "id": names,
        "cluster": [f"c{block:04d}-{article.cluster:06d}" for article in published],
        "story": [f"s{block:04d}-{article.story:06d}" for article in published],
        "kind": [article.kind for article in published],
        "origin": [ids.get(id(article.origin)) for article in published],
    }
    return pa.table(articles, schema=ARTICLES), pa.table(truth, schema=TRUTH)


def _check(articles: int, seed: int) -> None:
    for name, value, least in (("articles", articles, 1), ("seed", seed, 0)):
        if value < least:
            raise SettingsError(name, f"{least} or more", str(value), f"give a larger {name}")


def _blocks(articles: int, seed: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    world = World.of(articles, seed)
    for block, first in enumerate(range(0, articles, BLOCK)):
        newsroom = Newsroom(world, Draws(seed, 1, block))
        yield _tables(newsroom.block(min(BLOCK, articles - first)), block)


def synthesise(articles: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """Made-up articles and the truth about them.

    Parameters
    ----------
    articles : int
        How many, 1 or more.
    seed : int
        0 or more; the same seed and number give the same tables.

    Returns
    -------
    tuple of pa.Table
        :data:`ARTICLES` and :data:`TRUTH`, a row per article in the same order, by time of
        publication within a block.

    Raises
    ------
    SettingsError
        When a number is out of range.
    """
    _check(articles, seed)
    news, truth = zip(*_blocks(articles, seed), strict=True)
    return pa.concat_tables(news), pa.concat_tables(truth)


def write(articles: int, seed: int, output: Path) -> None:
    """Write what :func:`synthesise` gives, block by block.

    Parameters
    ----------
    articles, seed : int
        As of :func:`synthesise`.
    output : Path
        Folder that gets ``articles.parquet`` and ``truth.parquet`` (zstd); made when missing.

    Raises
    ------
    SettingsError
        When a number is out of range.
    OutputError
        When the folder cannot be written.
    """
    _check(articles, seed)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with (
            pq.ParquetWriter(output / "articles.parquet", ARTICLES, compression="zstd") as news,
            pq.ParquetWriter(output / "truth.parquet", TRUTH, compression="zstd") as truths,
        ):
            for articles_table, truth_table in _blocks(articles, seed):
                news.write_table(articles_table)
                truths.write_table(truth_table)
    except OSError as error:
        raise OutputError(
            str(output), "a folder to write to", error.strerror or str(error), "name another"
        ) from None
