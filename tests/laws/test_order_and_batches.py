"""Order, batches, shards, threads, formats and repetition decide nothing; nothing vanishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import Result, Settings, cluster_articles, read
from dedup.schemas import OUTPUT_TABLES, REJECT_REASONS, table_name
from dedup.synth import synthesise

SEED = 20250106
ARTICLES = 400


@pytest.fixture(scope="module")
def news() -> pa.Table:
    print(f"seed {SEED}")
    return synthesise(ARTICLES, SEED)[0]


@pytest.fixture(scope="module")
def expected(news: pa.Table) -> Result:
    found = cluster_articles(news)
    # What is the same everywhere must not be the same because it is empty.
    assert found.summary.num_rows > 20
    assert found.pairs.num_rows > 50
    assert found.template.num_rows > 0
    assert set(found.pairs["relation"].to_pylist()) >= {"copy", "excerpt"}
    return found


def digests(found: Result) -> dict[str, str]:
    return {file["path"]: file["sha256"] for file in found.info["files"]}


def assert_same(found: Result, expected: Result) -> None:
    for schema in OUTPUT_TABLES:
        name = table_name(schema)
        assert getattr(found, name).equals(getattr(expected, name)), name
    assert digests(found) == digests(expected)
    assert found.info["counts"] == expected.info["counts"]


@pytest.mark.parametrize(
    "chosen",
    [Settings(), Settings(bucket_cap=2, component_limit=3)],
    ids=["defaults", "capped"],
)
def test_the_order_of_rows_decides_nothing(news: pa.Table, chosen: Settings) -> None:
    expected = cluster_articles(news, settings=chosen)
    assert (expected.info["counts"]["capped_buckets"] > 0) == (chosen.bucket_cap == 2)
    for seed in (1, 2):
        print(f"seed {seed}")
        order = np.random.default_rng(seed).permutation(news.num_rows)
        assert_same(cluster_articles(news.take(pa.array(order)), settings=chosen), expected)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_number_of_threads_decides_nothing(
    news: pa.Table, expected: Result, threads: int
) -> None:
    assert_same(cluster_articles(news, settings=Settings(threads=threads, batch_rows=50)), expected)


@pytest.mark.parametrize(("batch_rows", "shard_rows"), [(1, 100), (7, 13), (4096, 1), (300, 400)])
def test_batches_and_shards_decide_nothing(
    news: pa.Table, expected: Result, tmp_path: Path, batch_rows: int, shard_rows: int
) -> None:
    pq.write_table(news, tmp_path / "news.parquet", row_group_size=100)
    chosen = Settings(batch_rows=batch_rows, shard_rows=shard_rows)
    assert_same(cluster_articles(tmp_path / "news.parquet", settings=chosen), expected)


def test_several_files_are_one_input(news: pa.Table, expected: Result, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.parquet" for name in "cab"]
    for start, path in zip((0, 150, 151), paths, strict=True):
        stop = {0: 150, 150: 151, 151: ARTICLES}[start]
        pq.write_table(news.slice(start, stop - start), path)
    assert_same(cluster_articles(paths), expected)
    assert_same(cluster_articles(paths[::-1]), expected)
    assert_same(cluster_articles(tmp_path), expected)


@pytest.mark.parametrize("name", ["news.parquet", "news.jsonl", "news.csv"])
def test_the_format_decides_nothing(
    news: pa.Table, expected: Result, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    if path.suffix == ".jsonl":
        rows = news.set_column(4, "published_at", news["published_at"].cast(pa.string()))
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows.to_pylist()]
        path.write_text("".join(lines), encoding="utf-8")
    elif path.suffix == ".csv":
        pa.csv.write_csv(news, path)
    else:
        pq.write_table(news, path)
    assert_same(cluster_articles(path), expected)


def test_running_twice_gives_the_same_bytes(
    news: pa.Table, expected: Result, tmp_path: Path
) -> None:
    pq.write_table(news, tmp_path / "news.parquet")
    for _ in range(2):
        cluster_articles(tmp_path / "news.parquet", tmp_path / "out")
        assert_same(read(tmp_path / "out"), expected)
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 2
    assert not list((tmp_path / "out" / "work").iterdir())


texts = st.sampled_from(
    [
        *(None, "", " \n\t", "one", "one two", "ONE <b>two</b>", "!?", "\x00", "<p></p>", "(AP)"),
        "The council voted to rebuild the old pier before next summer, at a cost of 3.5 million.",
        "The council voted to rebuild the old pier before next summer, at a cost of 3.6 million.",
        "東京で新しい橋が完成し、市長が式典に出席した。",
    ]
)
rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from([None, "", " ", "a", "b", "c", "d", "é", "e\u0301"]),
        "text": texts,
        "source": st.sampled_from([None, "", "Harbour Post", "Quay Times"]),
        "published_at": st.sampled_from([None, "2024-05-01", "2024-05-01T10:00Z", "never", ""]),
    }
)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(rows, max_size=14), st.sampled_from([0, 2, 9]))
def test_every_row_is_clustered_or_rejected(messy: list[dict[str, Any]], min_tokens: int) -> None:
    names = ("id", "text", "source", "published_at")
    table = pa.table({name: pa.array([row[name] for row in messy], pa.string()) for name in names})
    found = cluster_articles(table, settings=Settings(min_tokens=min_tokens, batch_rows=5))
    kept, rejects = found.clusters["article_id"].to_pylist(), found.rejects.to_pylist()
    assert len(kept) + len(rejects) == len(messy) == found.info["counts"]["rows"]
    assert len(kept) == found.info["counts"]["articles"] == len(set(kept))
    assert {reject["reason"] for reject in rejects} <= set(REJECT_REASONS)
    left_out = [reject["row"] for reject in rejects]
    assert len(set(left_out)) == len(left_out)
    remaining = [row["id"] for i, row in enumerate(messy) if i not in left_out]
    assert sorted(remaining) == sorted(kept)
    for reject in rejects:
        row = messy[reject["row"]]
        blank = not (row["text"] or "").strip()
        assert (reject["reason"] == "null_id") == (not (row["id"] or "").strip())
        assert reject["reason"] != "empty_text" or blank
        if reject["reason"] in ("repeated_row", "duplicate_id"):
            assert row["id"] in kept
    assert_tables_agree(found)


def assert_tables_agree(found: Result) -> None:
    """Clusters, pairs and summary tell the same."""
    clusters = found.clusters.to_pylist()
    by_id = {row["article_id"]: row for row in clusters}
    sizes: dict[str, int] = {}
    for row in clusters:
        sizes[row["cluster_id"]] = sizes.get(row["cluster_id"], 0) + 1
    for row in clusters:
        lead = by_id[row["lead_id"]]
        assert row["cluster_size"] == sizes[row["cluster_id"]]
        assert lead["is_lead"]
        assert lead["cluster_id"] == row["cluster_id"]
        assert row["is_lead"] == (row["article_id"] == row["lead_id"])
        assert (row["relation"] == "single") == (row["cluster_size"] == 1)
        assert row["is_lead"] == (row["relation"] in ("lead", "single"))
    assert {row["cluster_id"]: row["size"] for row in found.summary.to_pylist()} == {
        cluster: size for cluster, size in sizes.items() if size > 1
    }
    for pair in found.pairs.to_pylist():
        assert pair["left_id"] < pair["right_id"]
        ends = {by_id[pair["left_id"]]["cluster_id"], by_id[pair["right_id"]]["cluster_id"]}
        assert ends == {pair["cluster_id"]} if pair["cluster_id"] else len(ends) == 2


def test_the_tables_agree(expected: Result) -> None:
    assert_tables_agree(expected)
