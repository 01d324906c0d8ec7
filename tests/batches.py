"""Made news as it comes to an inbox: in files, with all that goes wrong on the way."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup import Result, Settings
from dedup.pipeline import cluster_new
from dedup.settings import Limits
from dedup.synth import ARTICLES, synthesise

START = datetime(2024, 3, 1, tzinfo=UTC)
SCHEMA = pa.schema([field.with_nullable(True) for field in ARTICLES])
DEFAULTS = Settings()
OPEN = Limits(input_share=0, rejects_share=1, cluster_share=1, silence_hours=0)
"""Lets every run be published, however odd its few rows are."""

Row = dict[str, Any]


class Feed(NamedTuple):
    """What comes to an inbox.

    Attributes
    ----------
    files : list of list of dict
        Rows of each file, in the order in which the files were last modified.
    times : list of datetime
        When each was; of files with one time the later one has the later path.
    down : list of list of str
        Lists of ids to take down.
    """

    files: list[list[Row]]
    times: list[datetime]
    down: list[list[str]]


class Step(NamedTuple):
    """What is new at a run: numbers of files, and of lists of ids to take down."""

    files: Sequence[int]
    down: Sequence[int] = ()


def messy(articles: int, seed: int, files: int, stretch: int = 1) -> Feed:
    """About a week of news, times `stretch`; the last file is empty, two have one time.

    Corrections, repeated rows, the same text elsewhere, other spellings of an outlet, rows without
    date, source, id or text, rows that come too late or too early; and three lists of take-downs,
    of articles in any file.
    """
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    rows = synthesise(articles, seed)[0].to_pylist()

    def some(share: float) -> list[Row]:
        chosen = rng.choice(articles, max(2, int(share * articles)), replace=False)
        return [rows[place] for place in chosen]

    for row in rows:
        row["published_at"] = START + stretch * (row["published_at"] - START)
    for row in some(0.08):
        row["source"] = f"{row['source']} (Online)"
    others = [
        {**row, "text": other["text"]} for row, other in zip(some(0.06), some(0.06), strict=True)
    ]
    again = [dict(row) for row in some(0.04)]
    elsewhere = [
        {**row, "id": f"{row['id']}+", "source": other["source"]}
        for row, other in zip(some(0.05), some(0.05), strict=True)
    ]
    flawed = [{**row, "id": None} for row in some(0.01)]
    flawed += [{**row, "text": " \n"} for row in some(0.01)]
    for row in some(0.04):
        row["published_at"] = None
    for row in some(0.05):
        row["source"] = None
    every = [*rows, *others, *again, *elsewhere, *flawed]
    last = max(row["published_at"] for row in every if row["published_at"])
    apart = (last - START) / (files - 1) + timedelta(seconds=1)
    batches: list[list[Row]] = [[] for _ in range(files)]
    for row in every:
        in_time = row["published_at"] and rng.random() < 0.8
        place = (row["published_at"] - START) // apart if in_time else rng.integers(files - 1)
        batches[place].append(row)
    ids = [str(row["id"]) for row in rows]
    down = [rng.choice(ids, max(2, articles // 100)).tolist() for _ in range(3)]
    times = [START + (number + 1) * apart for number in range(files)]
    times[1] = times[0]
    return Feed(batches, times, down)


def come(feed: Feed, step: Step, folder: Path) -> list[Path]:
    """Put a step's files into ``folder/in``; its lists of ids to take down."""
    inbox = folder / "in"
    inbox.mkdir(parents=True, exist_ok=True)
    for number in step.files:
        path = inbox / f"{number:03}.parquet"
        pq.write_table(pa.Table.from_pylist(feed.files[number], SCHEMA), path)
        os.utime(path, (feed.times[number].timestamp(),) * 2)
    lists = [folder / f"down{number}.txt" for number in step.down]
    for number, path in zip(step.down, lists, strict=True):
        path.write_text("\n".join(feed.down[number]), encoding="utf-8")
    return lists


def take(
    feed: Feed,
    step: Step,
    folder: Path,
    settings: Settings = DEFAULTS,
    rebuild: bool = False,
) -> Result:
    """One run, after what is new came; its output is ``folder/out``, of which older runs go."""
    lists = come(feed, step, folder)
    inbox, output = folder / "in", folder / "out"
    return cluster_new(inbox, output, settings, lists, rebuild=rebuild, limits=OPEN).loaded()


def survivors(feed: Feed) -> list[Row]:
    """Rows that count in the end: of each id the last in the order of the files."""
    down = {name for names in feed.down for name in names}
    rows = {row["id"]: row for rows in feed.files for row in rows if row["text"].strip()}
    return [row for name, row in rows.items() if name is not None and name not in down]


def told(found: Result) -> dict[str, list[Row]]:
    """What a run says, with groups named after the smallest id in them, in a fixed order."""
    clusters = found.clusters.sort_by("article_id").to_pylist()
    names: dict[str, dict[str, str]] = {}
    for column in ("cluster_id", "story_id"):
        names[column] = {}
        for row in clusters:
            names[column].setdefault(row[column], row["article_id"])

    def named(row: Row) -> Row:
        return row | {c: names[c].get(row[c]) for c in names if c in row}

    rejects = [row | {"file": Path(row["file"]).name} for row in found.rejects.to_pylist()]
    tables = {
        "clusters": clusters,
        "pairs": found.pairs.to_pylist(),
        "summary": found.summary.to_pylist(),
        "rejects": rejects,
        "template": found.template.to_pylist(),
    }
    told = {name: [named(row) for row in rows] for name, rows in tables.items()}
    told["counts"] = [{name: found.info["counts"][name] for name in ("rows", *_COUNTS)}]
    return {name: sorted(rows, key=repr) for name, rows in told.items()}


_COUNTS = ("articles", "rejects", "clusters", "clustered", "singles", "pairs")
