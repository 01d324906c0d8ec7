"""Made news as it reaches an inbox, hour by hour.

Law: the same arguments give the same files with the same times of modification; every made article
comes at least once, and rows of one id come in the order of the files' times and names.

The feed is a folder for each hour with what that hour brings: a Parquet file of rows, or the first
half of one under a `.part` name, which the next hour's folder holds whole; and a take-down list of
ids, one per line.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.random import Generator
from numpy.typing import NDArray

from dedup.synth import ARTICLES, synthesise

START = datetime(2024, 3, 1, tzinfo=UTC)
"""First instant of the month."""

LATE, LATEST = 0.03, 5 * 24
"""Share of the articles that come late, and by how many hours at most; one at least."""
UPDATED, UPDATED_WITHIN = 0.02, 48
"""Share of them that come again with another text, and within how many hours."""
REPEATED, REPEATED_WITHIN = 0.005, 24
"""Share of them that come again as they were: half in the same file, half within so many hours."""
RETRACTED, RETRACTED_WITHIN = 0.003, 72
"""Share of them that a take-down list names, and how many hours after they came at most."""
EARLY = 0.2
"""Share of those ids that are named before the article comes, by any time."""
BAD = 0.0005
"""Bad rows by article: half of them have no id, half have no text."""
HALF_WRITTEN = 0.05
"""Share of the hours whose file is complete an hour later only; never one of the last two."""

_MINUTE, _HOUR = 60_000_000, 3_600_000_000  # microseconds
_TAKE_DOWN = "take-down.txt"
# An id may be missing; texts of a whole month may be more than 32-bit offsets reach.
_ROWS = ARTICLES.set(0, pa.field("id", pa.string())).set(2, pa.field("text", pa.large_string()))


def lay_out(folder: Path, batches: int, articles: int, seed: int) -> None:
    """Write the feed of so many hours of so many articles each, on average.

    Parameters
    ----------
    folder : Path
        Gets a folder for each hour, `0000` and so on.
    batches, articles, seed : int
    """
    rng = np.random.default_rng((seed, 4))
    news, published = _news(batches, articles, seed)
    hours = published // _HOUR
    late = rng.random(len(hours)) < LATE
    arrivals = np.where(late, _later(hours, LATEST, batches, rng), hours)
    rows, arrived = _rows(news, published, arrivals, batches, rng)
    broken_off = rng.random(batches) < HALF_WRITTEN
    broken_off[-2:] = False
    for hour in range(batches):
        first, end = np.searchsorted(arrived, (hour, hour + 1))
        _write(folder, hour, rows.slice(first, end - first), bool(broken_off[hour]))
    _write_lists(folder, news["id"].to_numpy(), arrivals, batches, rng)


def deliver(hour: Path, inbox: Path) -> int:
    """Move what an hour of the feed brings into the inbox; rows of its complete files."""
    rows = 0
    for file in sorted(hour.glob("*.p*")):
        if file.suffix == ".parquet":
            rows += pq.read_metadata(file).num_rows
        os.replace(file, inbox / file.name)
        (inbox / f"{file.name}.part").unlink(missing_ok=True)
    return rows


def take_downs(feed: Path, hour: str = "*") -> list[Path]:
    """Take-down lists of an hour's folder, or of all."""
    return sorted(feed.glob(f"{hour}/{_TAKE_DOWN}"))


def anchored(published: NDArray[np.int64], stories: NDArray[np.object_], length: int) -> NDArray:
    """Times of articles when their stories are spread evenly over another length of time.

    Stories begin in the order in which they did, each after that share of `length` which is the
    share of the articles in stories before it. A story's articles keep their distances; one that
    lasts longer than `length` is squeezed into it.

    Parameters
    ----------
    published : ndarray of int64
        Microseconds.
    stories : ndarray of object
        Each article's story.
    length : int
        Microseconds.

    Returns
    -------
    ndarray of int64
        Microseconds, 0 to less than `length`.
    """
    names, story = np.unique(stories, return_inverse=True)
    first = np.full(len(names), published.max())
    last = np.full(len(names), published.min())
    np.minimum.at(first, story, published)
    np.maximum.at(last, story, published)
    room, span = length - _MINUTE, last - first
    squeeze = np.minimum(1.0, room / np.maximum(span, 1))
    place = np.empty(len(names))
    order, sizes = np.argsort(first, kind="stable"), np.bincount(story)
    place[order] = (np.cumsum(sizes[order]) - sizes[order]) / len(story)
    start = (place * (room - span * squeeze)).astype(np.int64) // _MINUTE * _MINUTE
    return start[story] + ((published - first[story]) * squeeze[story]).astype(np.int64)


def _news(batches: int, articles: int, seed: int) -> tuple[pa.Table, NDArray[np.int64]]:
    """Made articles, and microseconds from the month's first instant to their publication."""
    news, truth = synthesise(batches * articles, seed)
    made = news["published_at"].cast(pa.int64()).to_numpy()
    published = anchored(made, truth["story"].to_numpy(), batches * _HOUR)
    first = int(START.timestamp()) * 1_000_000
    column = news.schema.get_field_index("published_at")
    news = news.set_column(column, "published_at", pa.array(first + published))
    return news.cast(_ROWS), published


def _later(hours: NDArray, longest: int, batches: int, rng: Generator) -> NDArray[np.int64]:
    """Hours after the given ones, by `longest` at most; the last hour stays what it is."""
    room = np.minimum(longest, batches - 1 - hours)
    return hours + np.minimum(1 + (rng.random(len(hours)) * room).astype(np.int64), room)


def _rows(
    news: pa.Table, published: NDArray, arrivals: NDArray, batches: int, rng: Generator
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Every row that comes and the hour in which it does, in order of time."""

    def drawn(share: float) -> NDArray[np.int64]:
        return np.flatnonzero(rng.random(len(arrivals)) < share)

    updated = drawn(UPDATED)
    updated = updated[arrivals[updated] < batches - 1]
    repeated, bad = drawn(REPEATED), drawn(BAD)
    again = arrivals[repeated]
    soon = rng.random(len(again)) < 0.5
    parts = [
        (news, np.arange(len(arrivals)), arrivals),
        (
            _updates(news, updated, rng),
            updated,
            _later(arrivals[updated], UPDATED_WITHIN, batches, rng),
        ),
        (
            news.take(repeated),
            repeated,
            np.where(soon, again, _later(again, REPEATED_WITHIN, batches, rng)),
        ),
        (_bad(news.take(bad)), bad, arrivals[bad]),
    ]
    tables, articles, hours = zip(*parts, strict=True)
    hour, article = np.concatenate(hours), np.concatenate(articles)
    order = np.lexsort((published[article], hour))  # stable: an article before its repetition
    return pa.concat_tables(tables).take(order), hour[order]


def _updates(news: pa.Table, chosen: NDArray, rng: Generator) -> pa.Table:
    """These articles with another text, made with that of a neighbour at the same outlet."""
    before = news.take(chosen)
    donors = news.take(_neighbours(news)[chosen])
    ways: list[Callable[[str, str, float], str]] = [_replaced, _lengthened]
    texts = [
        # One in ten was the wrong text altogether, and goes to another cluster when put right.
        donor if way < 0.1 else ways[round(way)](text, donor, place)
        for text, donor, way, place in zip(
            before["text"].to_pylist(),
            donors["text"].to_pylist(),
            rng.random(len(chosen)),
            rng.random(len(chosen)),
            strict=True,
        )
    ]
    return _with(before, "text", texts)


def _neighbours(news: pa.Table) -> NDArray[np.int64]:
    """For each article another one, of the same outlet where that has two."""
    outlets = pc.list_element(pc.split_pattern(news["url"], "/"), 2)
    _, outlet = np.unique(outlets.to_numpy(), return_inverse=True)
    order = np.argsort(outlet, kind="stable")
    after, before = np.roll(order, -1), np.roll(order, 1)
    neighbours = np.empty(len(order), np.int64)
    neighbours[order] = np.where(outlet[after] == outlet[order], after, before)
    return neighbours


def _fresh(text: str, donor: str, place: float) -> str:
    """A paragraph of the donor that the text lacks."""
    known = set(text.split("\n\n"))
    lacking = [paragraph for paragraph in donor.split("\n\n") if paragraph not in known]
    return lacking[int(place * len(lacking))] if lacking else f"{text[:80]} ..."


def _lengthened(text: str, donor: str, place: float) -> str:
    paragraphs = text.split("\n\n")
    at = 1 + int(place * len(paragraphs))
    return "\n\n".join([*paragraphs[:at], _fresh(text, donor, place), *paragraphs[at:]])


def _replaced(text: str, donor: str, place: float) -> str:
    paragraphs = text.split("\n\n")
    paragraphs[int(place * len(paragraphs))] = _fresh(text, donor, place)
    return "\n\n".join(paragraphs)


def _bad(rows: pa.Table) -> pa.Table:
    """By turns without an id, and without a text under an id of its own."""
    ids, texts = rows["id"].to_pylist(), rows["text"].to_pylist()
    ids = [f"empty-{name}" if at % 2 else None for at, name in enumerate(ids)]
    texts = ["" if at % 2 else text for at, text in enumerate(texts)]
    return _with(_with(rows, "id", ids), "text", texts)


def _with(table: pa.Table, name: str, values: list[str | None]) -> pa.Table:
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))


def _write(folder: Path, hour: int, rows: pa.Table, broken_off: bool) -> None:
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd")
    name, content = f"{START + timedelta(hours=hour):%Y-%m-%dT%H}.parquet", sink.getvalue()
    if broken_off:
        _put(folder, hour, f"{name}.part", content[: len(content) // 2])
    _put(folder, hour + broken_off, name, content)


def _put(folder: Path, hour: int, name: str, content: bytes) -> None:
    """Write a file as it is at the end of an hour."""
    path = folder / f"{hour:04d}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    written = (START + timedelta(hours=hour + 1)).timestamp()
    os.utime(path, (written, written))


def _write_lists(
    folder: Path, ids: NDArray, arrivals: NDArray, batches: int, rng: Generator
) -> None:
    chosen = np.flatnonzero(rng.random(len(ids)) < RETRACTED)
    came = arrivals[chosen]
    early = rng.random(len(chosen)) < EARLY
    ahead = (rng.random(len(chosen)) * came).astype(np.int64)
    hours = np.where(early, ahead, _later(came, RETRACTED_WITHIN, batches, rng))
    for hour in np.unique(hours):
        names = ids[chosen[hours == hour]]
        _put(folder, int(hour), _TAKE_DOWN, "".join(f"{name}\n" for name in names).encode())
