"""What is forgotten would have changed nothing, and its rows are answered for all the same."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup import Result, Settings, cluster_new
from dedup.synth import synthesise

SEED = 20240901
START = datetime(2024, 4, 1, tzinfo=UTC)


def put(inbox: Path, number: int, table: pa.Table) -> None:
    """A file that came `number` hours after the start."""
    inbox.mkdir(exist_ok=True)
    path = inbox / f"hour-{number:05}.parquet"
    pq.write_table(table, path)
    modified = (START + timedelta(hours=number)).timestamp()
    os.utime(path, (modified, modified))


def groups(result: Result, column: str) -> set[frozenset[str]]:
    clusters = result.clusters.group_by(column).aggregate([("article_id", "list")])
    return {frozenset(members) for members in clusters["article_id_list"].to_pylist()}


def test_runs_that_forget_give_the_groups_of_one_that_does_not(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    articles, _ = synthesise(1500, SEED)
    articles = articles.sort_by("published_at")
    settings = Settings(window_days=1, late_days=0, story_hours=24)
    remembered = []
    for number, rows in enumerate(np.array_split(np.arange(articles.num_rows), 6)):
        part = articles.slice(rows[0], len(rows))
        put(tmp_path / "inbox", number, part)
        put(tmp_path / "whole", number, part)
        many = cluster_new(tmp_path / "inbox", tmp_path / "many", settings)
        remembered.append(many.info["counts"]["remembered"])
    again = cluster_new(tmp_path / "inbox", tmp_path / "many", settings)
    one = cluster_new(tmp_path / "whole", tmp_path / "one", settings)
    assert again.info["run_id"] == many.info["run_id"]
    assert remembered[-1] < articles.num_rows  # else nothing was forgotten, and nothing is tested
    for column in ("cluster_id", "story_id"):
        assert groups(many, column) == groups(one, column)
    assert many.info["counts"]["articles"] == articles.num_rows
    for name in ("articles", "clusters", "clustered", "singles", "pairs"):
        assert many.info["counts"][name] == one.info["counts"][name]


def test_what_is_forgotten_can_be_taken_down_and_corrected(tmp_path: Path) -> None:
    settings = Settings(window_days=2, late_days=1)
    words = [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
    ]

    def come(article: str, text: str, day: int) -> Result:
        row = {"id": article, "text": text, "source": f"outlet {article}", "title": f"on {article}"}
        published = START + timedelta(days=day)
        put(
            tmp_path / "inbox", 24 * day, pa.Table.from_pylist([{**row, "published_at": published}])
        )
        return cluster_new(tmp_path / "inbox", tmp_path / "out", settings)

    come("a", " ".join(words), 0)
    come("b", " ".join(words), 1)
    come("c", " ".join(words), 2)
    come("far", "something else entirely is said here of another town", 400)
    result = come("further", "and here of a third one where nothing ever happens", 401)
    assert result.clusters.num_rows == 5
    assert result.info["counts"]["remembered"] == 2

    down = tmp_path / "down.txt"
    down.write_text("a\n", encoding="utf-8")
    result = cluster_new(tmp_path / "inbox", tmp_path / "out", settings, retract=[down])
    assert sorted(result.clusters["article_id"].to_pylist()) == ["b", "c", "far", "further"]
    sizes = dict(
        zip(
            *(result.clusters[name].to_pylist() for name in ("article_id", "cluster_size")),
            strict=True,
        )
    )
    assert sizes == {"b": 2, "c": 2, "far": 1, "further": 1}
    assert "a" not in {*result.pairs["left_id"].to_pylist(), *result.pairs["right_id"].to_pylist()}
    assert result.summary["size"].to_pylist() == [2]
    assert result.summary["lead_title"].to_pylist() == [None]  # it was that of the article
    assert result.lineage["reason"].to_pylist()[-1] == "retraction"

    result = come("b", "a wholly new text of the article that was forgotten before", 402)
    assert sorted(result.clusters["article_id"].to_pylist()) == ["b", "c", "far", "further"]
    assert result.summary.num_rows == 0
    reasons = zip(
        *(result.rejects[name].to_pylist() for name in ("article_id", "reason")), strict=True
    )
    assert sorted(reasons) == [("a", "retracted"), ("b", "superseded")]
    counts = result.info["counts"]
    assert counts["articles"] + sum(counts["rejects"].values()) == counts["rows"] == 6
