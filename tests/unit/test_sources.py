"""Laws and facts of ``dedup.sources``."""

from __future__ import annotations

import csv
import gzip
import json
import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.errors import InputError
from dedup.schemas import ARTICLES, REJECTS
from dedup.settings import Settings
from dedup.sources import Shard, fingerprint, plan_shards, read_shard, rows, table_batches, txt
from dedup.sources.dates import to_utc
from dedup.sources.utf8 import is_utf8

Row = dict[str, Any]


def articles(count: int, seed: int = 7) -> list[Row]:
    """Rows with every column, one in five without the optional ones."""
    print(f"seed {seed}")
    pick = random.Random(seed)
    words = ["storm", "Küste", "選挙", "said,", 'the "mayor"', "line\nbreak", "🙂", "vote"]
    made: list[Row] = []
    for n in range(count):
        row: Row = {"id": f"a{n}", "text": " ".join(pick.choices(words, k=pick.randint(1, 40)))}
        full = n % 5 > 0
        row["title"] = f"Title {n}" if full else None
        row["source"] = pick.choice(["CNN", "dpa"]) if full else None
        row["published_at"] = f"2013-05-{1 + n % 28:02}T10:00:00Z" if full else None
        row["lang"] = "en" if full else None
        row["url"] = f"https://example.org/{n}" if full else None
        made.append(row)
    return made


def write_parquet(path: Path, data: list[Row]) -> None:
    pq.write_table(pa.Table.from_pylist(data), path, row_group_size=7)


def jsonl_bytes(data: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in data).encode()


def csv_bytes(data: list[Row]) -> bytes:
    with tempfile.TemporaryFile("w+", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(data[0]))
        writer.writeheader()
        writer.writerows(data)
        file.seek(0)
        return file.read().encode()


def zstd(raw: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(raw)
    return sink.getvalue().to_pybytes()


def write_plain(encode: Callable[[list[Row]], bytes], squeeze: Callable[[bytes], bytes]) -> Any:
    return lambda path, data: path.write_bytes(squeeze(encode(data)))


def same(raw: bytes) -> bytes:
    return raw


WRITERS: dict[str, Callable[[Path, list[Row]], None]] = {
    "a.parquet": write_parquet,
    "a.pq": write_parquet,
    "a.jsonl": write_plain(jsonl_bytes, same),
    "a.ndjson": write_plain(jsonl_bytes, same),
    "a.JSONL.gz": write_plain(jsonl_bytes, gzip.compress),
    "a.jsonl.zst": write_plain(jsonl_bytes, zstd),
    "a.ndjson.gz": write_plain(jsonl_bytes, gzip.compress),
    "a.ndjson.zst": write_plain(jsonl_bytes, zstd),
    "a.csv": write_plain(csv_bytes, same),
    "a.csv.gz": write_plain(csv_bytes, gzip.compress),
    "a.csv.zst": write_plain(csv_bytes, zstd),
}


def read(inputs: Sequence[str | Path], chosen: Settings | None = None) -> tuple[pa.Table, pa.Table]:
    """All articles and all rejects of some inputs."""
    chosen = chosen or Settings()
    batches = [b for shard in plan_shards(inputs, chosen) for b in read_shard(shard, chosen)]
    return (
        pa.Table.from_batches([batch.articles for batch in batches], ARTICLES),
        pa.Table.from_batches([batch.rejects for batch in batches], REJECTS),
    )


def expected(data: list[Row], file: str) -> list[Row]:
    """What the rows of `articles` read as."""
    return [
        {
            "row": n,
            "file": file,
            "article_id": row["id"],
            "text": row["text"],
            "title": row["title"],
            "source": row["source"],
            "published_at": row["published_at"] and datetime.fromisoformat(row["published_at"]),
            "lang": row["lang"],
            "url": row["url"],
        }
        for n, row in enumerate(data)
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_reads_as_what_was_written(tmp_path: Path, name: str) -> None:
    data = articles(50)
    WRITERS[name](tmp_path / name, data)
    read_articles, rejects = read([tmp_path / name])
    assert read_articles.to_pylist() == expected(data, str(tmp_path / name))
    assert rejects.num_rows == 0


@pytest.mark.parametrize("name", WRITERS)
def test_law_where_batches_and_shards_are_cut_makes_no_difference(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = articles(60)
    data[13]["text"], data[14]["id"], data[40]["text"] = "", "", " "
    WRITERS[name](tmp_path / name, data)
    whole, whole_rejects = read([tmp_path / name])
    assert whole_rejects["row"].to_pylist() == [13, 14, 40]
    for batch_rows, shard_rows, batch_bytes in ((1, 1, 1), (7, 20, 300), (59, 7, 10**6)):
        monkeypatch.setattr(rows, "BATCH_BYTES", batch_bytes)
        chosen = Settings(batch_rows=batch_rows, shard_rows=shard_rows)
        cut, cut_rejects = read([tmp_path / name], chosen)
        assert cut.equals(whole)
        assert cut_rejects.equals(whole_rejects)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv", "table"])
def test_batches_are_bounded_in_rows_and_bytes(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = [{"id": str(n), "text": "x" * 100} for n in range(200)]
    table = pa.Table.from_pylist([*short, {"id": "z", "text": "y" * 5000}])
    monkeypatch.setattr(rows, "BATCH_BYTES", 1000)
    for batch_rows, most in ((3, 3), (200, 10)):
        chosen = Settings(batch_rows=batch_rows)
        if name == "table":
            batches = list(table_batches(table, chosen))
        else:
            if name == "a.parquet":
                pq.write_table(table, tmp_path / name)
            else:
                WRITERS[name](tmp_path / name, table.to_pylist())
            [shard] = plan_shards([tmp_path / name], chosen)
            batches = list(read_shard(shard, chosen))
        # Ten texts of 100 bytes reach the bound of 1000.
        assert max(batch.articles.num_rows for batch in batches) <= most
        assert sum(batch.articles.num_rows for batch in batches) == 201
    # Nor are they needlessly small: Arrow's are halved until they fit, into 32.
    assert name == "a.parquet" or len(batches) <= 40


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv.gz"])
def test_an_article_of_50_mb_is_one_row(tmp_path: Path, name: str) -> None:
    long = "wörter " * (50 * 2**20 // 8)
    WRITERS[name](tmp_path / name, [{"id": "a", "text": long}, {"id": "b", "text": "short"}])
    read_articles, rejects = read([tmp_path / name])
    assert [len(text.as_py()) for text in read_articles["text"]] == [len(long), 5]
    assert rejects.num_rows == 0


def test_parquet_is_cut_at_row_groups(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", articles(30))  # row groups of 7, 7, 7, 7, 2
    shards = plan_shards([tmp_path / "a.parquet"], Settings(shard_rows=15))
    assert [shard.row_groups for shard in shards] == [(0, 1), (2, 3), (4,)]
    assert plan_shards([tmp_path / "a.parquet"], Settings(shard_rows=14)) == shards
    assert [shard.first_row for shard in shards] == [0, 14, 28]
    assert 0 < sum(shard.size for shard in shards) < (tmp_path / "a.parquet").stat().st_size


def test_shards_travel_as_json(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", articles(30))
    (tmp_path / "b.txt").write_text("text")
    shards = plan_shards([tmp_path], Settings(shard_rows=10))
    assert [Shard(**json.loads(json.dumps(shard.to_dict()))) for shard in shards] == shards
    assert len({type(shard.texts) for shard in shards}) == 1


def test_order_and_repetition_of_inputs_make_no_difference(tmp_path: Path) -> None:
    data = articles(9)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    WRITERS["a.parquet"](tmp_path / "deep" / "er" / "c.parquet", data[:3])
    WRITERS["a.csv"](tmp_path / "b.csv", data[3:6])
    WRITERS["a.jsonl"](tmp_path / "deep" / "a.jsonl", data[6:])
    once = plan_shards([tmp_path], Settings())
    assert [Path(shard.file).name for shard in once] == ["b.csv", "a.jsonl", "c.parquet"]
    assert [shard.position for shard in once] == [0, 1, 2]
    several: list[str | Path] = [
        tmp_path / "deep" / "er" / "c.parquet",
        f"{tmp_path}/deep/*.jsonl",
        f"{tmp_path}/*",
    ]
    assert plan_shards(several, Settings()) == once
    assert plan_shards(several[::-1], Settings()) == once


def test_glob_goes_through_folders_and_a_literal_name_comes_first(tmp_path: Path) -> None:
    for folder in ("x1", "x2", "y"):
        (tmp_path / folder).mkdir()
        WRITERS["a.jsonl"](tmp_path / folder / "a.jsonl", articles(1))
    WRITERS["a.jsonl"](tmp_path / "n[1].jsonl", articles(1))
    found = plan_shards([f"{tmp_path}/x*", f"{tmp_path}/n[1].jsonl"], Settings())
    assert [shard.file for shard in found] == [
        f"{tmp_path}/n[1].jsonl",
        f"{tmp_path}/x1/a.jsonl",
        f"{tmp_path}/x2/a.jsonl",
    ]


def test_a_folder_passes_over_hidden_names_and_warns_of_unknown_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    WRITERS["a.jsonl"](tmp_path / "a.jsonl", articles(1))
    (tmp_path / "_temporary").mkdir()
    WRITERS["a.jsonl"](tmp_path / "_temporary" / "b.jsonl", articles(1))
    (tmp_path / ".c.jsonl").write_text("{")
    (tmp_path / "notes.docx").write_text("x")
    with caplog.at_level(logging.WARNING, logger="dedup"):
        assert len(plan_shards([tmp_path], Settings())) == 1
    assert "notes.docx" in caplog.text


def test_memory_url() -> None:
    data = articles(20)
    storage = fsspec.filesystem("memory")
    storage.pipe("/press/a.jsonl.gz", gzip.compress(jsonl_bytes(data)))
    storage.pipe("/press/sub/b.txt", b"b")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(data), sink, row_group_size=6)
    storage.pipe("/press/c.parquet", sink.getvalue().to_pybytes())
    try:
        read_articles, _ = read(["memory://press"], Settings(shard_rows=6))
        assert read_articles.slice(0, 20).to_pylist() == expected(
            data, "memory:///press/a.jsonl.gz"
        )
        assert read_articles.slice(20, 20).to_pylist() == expected(
            data, "memory:///press/c.parquet"
        )
        assert read_articles.slice(40).select(["file", "article_id", "text"]).to_pylist() == [
            {"file": "memory:///press/sub/b.txt", "article_id": "sub/b", "text": "b"}
        ]
        before = fingerprint(plan_shards(["memory://press"], Settings()))
        storage.pipe("/press/sub/b.txt", b"c")
        assert fingerprint(plan_shards(["memory://press"], Settings())) != before
        assert plan_shards(["memory://press/*.parquet"], Settings())[0].row_groups == (0, 1, 2, 3)
    finally:
        storage.rm("/press", recursive=True)


def test_file_url_is_the_local_path(tmp_path: Path) -> None:
    WRITERS["a.csv"](tmp_path / "a.csv", articles(2))
    assert plan_shards([f"file://{tmp_path}/a.csv"], Settings()) == plan_shards(
        [tmp_path / "a.csv"], Settings()
    )


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv"])
def test_hive_partition_keys_are_columns(tmp_path: Path, name: str) -> None:
    for source in ("CNN", "The%20Guardian", "__HIVE_DEFAULT_PARTITION__"):
        folder = tmp_path / f"outlet={source}" / "lang=en"
        folder.mkdir(parents=True)
        data = [{"id": source, "text": "words", "lang": "de"}]
        WRITERS[name](folder / name, data)
    read_articles, _ = read([tmp_path], Settings(source_column="outlet"))
    found = {row["article_id"]: (row["source"], row["lang"]) for row in read_articles.to_pylist()}
    # The file's own column wins over the key of the same name.
    assert found == {
        "CNN": ("CNN", "de"),
        "The%20Guardian": ("The Guardian", "de"),
        "__HIVE_DEFAULT_PARTITION__": (None, "de"),
    }


def test_text_files_are_rows_and_their_paths_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(txt, "SHARD_TEXTS", 20)
    (tmp_path / "source=dpa").mkdir()
    for n in range(50):
        (tmp_path / "source=dpa" / f"{n:02}.txt").write_text(f"article {n}", encoding="utf-8-sig")
    (tmp_path / "Reuters::x[1].TXT").write_text("odd name")
    shards = plan_shards([tmp_path], Settings())
    assert [len(shard.texts) for shard in shards] == [20, 20, 11]
    read_articles, rejects = read([tmp_path])
    assert rejects.num_rows == 0
    assert read_articles["article_id"].to_pylist() == [
        "Reuters::x[1]",
        *(f"source=dpa/{n:02}" for n in range(50)),
    ]
    assert read_articles["text"].to_pylist() == ["odd name", *(f"article {n}" for n in range(50))]
    assert read_articles["source"].to_pylist() == [None] + ["dpa"] * 50
    assert set(read_articles["row"].to_pylist()) == {0}
    assert read_articles["file"][1].as_py() == f"{tmp_path}/source=dpa/00.txt"
    [one] = plan_shards([tmp_path / "source=dpa" / "07.txt"], Settings())
    [batch] = read_shard(one, Settings())
    assert batch.articles["article_id"].to_pylist() == ["07"]


def test_ids_of_text_files_are_relative_to_the_outermost_input(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.txt").write_text("text")
    for inputs in ([tmp_path, tmp_path / "x"], [tmp_path / "x" / "a.txt", tmp_path]):
        assert read(inputs)[0]["article_id"].to_pylist() == ["x/a"]


def test_columns_are_mapped_by_settings(tmp_path: Path) -> None:
    renamed = {"id": "no", "text": "body", "title": "head", "published_at": "date"}
    data = articles(20)
    chosen = Settings(**{f"{ours}_column": theirs for ours, theirs in renamed.items()})
    for name, write in WRITERS.items():
        write(tmp_path / name, [{renamed.get(k, k): v for k, v in row.items()} for row in data])
        read_articles, _ = read([tmp_path / name], chosen)
        assert read_articles.to_pylist() == expected(data, str(tmp_path / name))


def test_fingerprint_follows_files_and_not_shards(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", articles(30))
    (tmp_path / "b.txt").write_text("text")
    first = fingerprint(plan_shards([tmp_path], Settings()))
    assert fingerprint(plan_shards([tmp_path], Settings(shard_rows=1, batch_rows=3))) == first
    later = (tmp_path / "b.txt").stat().st_mtime + 10
    os.utime(tmp_path / "b.txt", (later, later))
    second = fingerprint(plan_shards([tmp_path], Settings()))
    (tmp_path / "c.txt").write_text("more")
    third = fingerprint(plan_shards([tmp_path], Settings()))
    assert len({first, second, third}) == 3


def table_of(table: pa.Table, chosen: Settings | None = None) -> tuple[list[Row], list[Row], int]:
    batches = list(table_batches(table, chosen or Settings()))
    return (
        [row for batch in batches for row in batch.articles.to_pylist()],
        [row for batch in batches for row in batch.rejects.to_pylist()],
        sum(batch.dates_unread for batch in batches),
    )


def test_table_reads_as_a_file_does() -> None:
    data = articles(30)
    table = pa.concat_tables([pa.Table.from_pylist(data[:11]), pa.Table.from_pylist(data[11:])])
    assert table_of(table) == (expected(data, "table"), [], 0)
    assert table_of(table, Settings(batch_rows=4)) == (expected(data, "table"), [], 0)
    assert table_of(table.slice(0, 0)) == ([], [], 0)


STRING_TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.dictionary(pa.int16(), pa.string()),
]


@pytest.mark.parametrize("kind", STRING_TYPES, ids=str)
def test_every_string_type_is_text(tmp_path: Path, kind: pa.DataType) -> None:
    data = articles(20)
    table = pa.Table.from_pylist(data)
    encoded = [
        column.cast(pa.string()).dictionary_encode()
        if pa.types.is_dictionary(kind)
        else column.cast(kind)
        for column in table.columns
    ]
    table = pa.table(encoded, table.column_names)
    assert table_of(table) == (expected(data, "table"), [], 0)
    pq.write_table(table, tmp_path / "a.parquet")
    assert read([tmp_path / "a.parquet"])[0].to_pylist() == expected(
        data, str(tmp_path / "a.parquet")
    )


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64()], ids=str)
def test_integer_ids_and_sources_become_strings(kind: pa.DataType) -> None:
    ids = pa.array([3, None, 5], kind)
    kept, rejected, _ = table_of(pa.table({"id": ids, "text": ["a", "b", "c"], "source": ids}))
    assert [(row["article_id"], row["source"]) for row in kept] == [("3", "3"), ("5", "5")]
    assert [(row["row"], row["reason"]) for row in rejected] == [(1, "null_id")]


def test_integer_ids_in_json_keep_all_their_digits(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"id": {10**25}, "text": "a", "source": 12}}\n')
    [row] = read([tmp_path / "a.jsonl"])[0].to_pylist()
    assert (row["article_id"], row["source"]) == (str(10**25), "12")


@pytest.mark.parametrize("value", [1.5, True, ["a"], {"a": 1}, b"\xff"], ids=repr)
def test_an_unusable_optional_value_is_null(value: Any) -> None:
    optional = {name: [value] for name in ("title", "source", "lang", "url")}
    [row], rejected, _ = table_of(pa.table({"id": ["a"], "text": ["b"], **optional}))
    assert [row[name] for name in optional] == [None] * 4
    assert not rejected


def test_empty_optional_values_are_null(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,title,source,published_at\na,b,, ,\n")
    [shard] = plan_shards([tmp_path / "a.csv"], Settings())
    [batch] = read_shard(shard, Settings())
    [row] = batch.articles.to_pylist()
    assert (row["title"], row["source"], row["published_at"]) == (None, None, None)
    assert batch.dates_unread == 0


def test_byte_order_marks_are_no_part_of_the_data(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl"):
        WRITERS[name](tmp_path / name, articles(3))
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + raw)
        assert read([tmp_path / name])[0].to_pylist() == expected(articles(3), f"{tmp_path}/{name}")


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '\n{"id": "a", "text": "x"}\n  \t\r\n\n{"id": "b", "text": "y"}', newline=""
    )
    (tmp_path / "a.csv").write_text("id,text\r\na,x\r\n\r\nb,y", newline="")
    for name in ("a.jsonl", "a.csv"):
        found = read([tmp_path / name])[0].select(["row", "article_id"]).to_pylist()
        assert found == [{"row": 0, "article_id": "a"}, {"row": 1, "article_id": "b"}]


# Dates


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


DATES = {
    "2013-05-24": utc(2013, 5, 24),
    "1987-02-26T15:01:01": utc(1987, 2, 26, 15, 1, 1),
    "1987-02-26T15:01": utc(1987, 2, 26, 15, 1),
    "1987-02-26T15Z": utc(1987, 2, 26, 15),
    "2014-04-25 17:53:00-04:00": utc(2014, 4, 25, 21, 53),
    "2014-09-13T20:53:05.347-0400": utc(2014, 9, 14, 0, 53, 5, 347000),
    "2014-09-13T20:53:05+02": utc(2014, 9, 13, 18, 53, 5),
    "2014-09-13T20:53:05.123456789Z": utc(2014, 9, 13, 20, 53, 5, 123456),
    "2014-09-13T20:53:05,5Z": utc(2014, 9, 13, 20, 53, 5, 500000),
    "2014-09-13t20:53:05z": utc(2014, 9, 13, 20, 53, 5),
    "2014-09-13 20:53:05 UTC": utc(2014, 9, 13, 20, 53, 5),
    "2014-09-13 20:53:05 +0100": utc(2014, 9, 13, 19, 53, 5),
    "  2014-09-13  ": utc(2014, 9, 13),
    "2014-09-13Z": utc(2014, 9, 13),
    "2014-09-13T24:00:00": utc(2014, 9, 14),
    "20140913": utc(2014, 9, 13),
    "20140913T205305Z": utc(2014, 9, 13, 20, 53, 5),
    "20140913205305": utc(2014, 9, 13, 20, 53, 5),
    "2014": utc(2014, 1, 1),
    "2014-09": utc(2014, 9, 1),
    "2014-W37-6": utc(2014, 9, 13),
    "2014-256": utc(2014, 9, 13),
    "Tue, 15 Feb 2022 10:00:00 GMT": utc(2022, 2, 15, 10),
    "Tue, 15 Feb 2022 10:00:00 -0500": utc(2022, 2, 15, 15),
    "Tue, 15 Feb 2022 10:00:00 EST": utc(2022, 2, 15, 15),
    "5 Feb 2022 10:00 +0000": utc(2022, 2, 5, 10),
    "1369353600": utc(2013, 5, 24),
    "1369353600.25": utc(2013, 5, 24, 0, 0, 0, 250000),
    "1.3693536e9": utc(2013, 5, 24),
    "1369353600000": utc(2013, 5, 24),
    "1369353600000001": utc(2013, 5, 24, 0, 0, 0, 1),
    "1369353600000001000": utc(2013, 5, 24, 0, 0, 0, 1),
    "-86400": utc(1969, 12, 31),
    "0": utc(1970, 1, 1),
}
NO_DATES = ["soon", "2014-02-30", "2014-02-30T10:00:00Z", "2014-13-01", "Tue, 30 Feb 2022 10:00:00"]
NO_DATES += ["0001-01-01", "9999-12-31T23:59:59Z", "9" * 19, "9" * 40, "1e400", "nan", "NaT", "-"]
NO_DATES += ["2014-09-13T25:00:00", "2014-09-13T10:00:00+99:99", "\x00", "1 2 3 4 5"]


@pytest.mark.parametrize("spelling", DATES)
def test_date_spellings(spelling: str) -> None:
    assert to_utc(pa.array([spelling])).to_pylist() == [DATES[spelling]]


@pytest.mark.parametrize("spelling", NO_DATES)
def test_what_is_no_date_is_null(spelling: str) -> None:
    assert to_utc(pa.array([spelling])).to_pylist() == [None]


@settings(deadline=None)
@given(st.lists(st.sampled_from([None, *DATES, *NO_DATES]), max_size=12))
def test_law_a_date_is_read_alone(spellings: list[str | None]) -> None:
    alone = [DATES.get(spelling) if spelling else None for spelling in spellings]
    assert to_utc(pa.array(spellings, pa.large_string())).to_pylist() == alone


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=5))
def test_no_text_breaks_the_date_reader(spellings: list[str]) -> None:
    assert len(to_utc(pa.array(spellings, pa.string()))) == len(spellings)


@settings(deadline=None)
@given(
    st.datetimes(datetime(1600, 1, 1), datetime(2100, 12, 31)),
    st.integers(-23 * 60, 23 * 60),
)
def test_iso_dates_of_any_moment_and_zone(moment: datetime, offset: int) -> None:
    moment = moment.replace(tzinfo=UTC)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    local = (moment + timedelta(minutes=offset)).replace(tzinfo=None)
    if not 1600 <= local.year <= 2100:
        return
    spelled = [
        f"{local.isoformat(sep)}{sign}{hours:02}{colon}{minutes:02}"
        for sep, colon in (("T", ":"), (" ", ""))
    ]
    assert to_utc(pa.array(spelled)).to_pylist() == [moment] * 2


@settings(deadline=None)
@given(st.datetimes(datetime(1973, 3, 4), datetime(2100, 12, 31)))
def test_epochs_of_any_unit(moment: datetime) -> None:
    # From 1973-03-03 on, 10^11 milliseconds, the magnitude tells the units apart.
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = int(moment.timestamp())
    counts = [seconds * unit for unit in (10**3, 10**6, 10**9)]
    assert to_utc(pa.array(counts, pa.int64())).to_pylist() == [moment] * 3
    assert to_utc(pa.array([str(count) for count in counts])).to_pylist() == [moment] * 3
    assert to_utc(pa.array([float(seconds), float(seconds * 1000)])).to_pylist() == [moment] * 2


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.date32(), date(2013, 5, 24)),
        (pa.date64(), date(2013, 5, 24)),
        *((pa.timestamp(unit), datetime(2013, 5, 24)) for unit in ("s", "ms", "us", "ns")),
        *((pa.timestamp(u, "Asia/Tokyo"), utc(2013, 5, 24)) for u in ("s", "ms", "us", "ns")),
        (pa.int32(), 1369353600),
        (pa.int32(), 20130524),
        (pa.uint64(), 1369353600000),
        (pa.float32(), 1369353600.0),
        (pa.decimal128(20, 3), 1369353600),
        (pa.dictionary(pa.int8(), pa.string()), "2013-05-24"),
        (pa.binary(), b"2013-05-24"),
    ],
    ids=str,
)
def test_date_types(kind: pa.DataType, value: Any) -> None:
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    column = pa.array([value, None], value_type)
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column
    kept, rejected, unread = table_of(
        pa.table({"id": ["a", "b"], "text": ["x", "y"], "published_at": column})
    )
    assert [row["published_at"] for row in kept] == [utc(2013, 5, 24), None]
    assert (rejected, unread) == ([], 0)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([2**62], pa.timestamp("s")),
        pa.array([-(2**62)], pa.timestamp("ms", "UTC")),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([2**63 - 1]),
        pa.array([-(2**63)]),
        pa.array([2**64 - 1], pa.uint64()),
        pa.array([float("inf")]),
        pa.array([True]),
        pa.array([["2013-05-24"]]),
        pa.array([b"\xff"]),
        pa.array(["soon"]),
    ],
    ids=lambda column: str(column.type),
)
def test_dates_that_cannot_be_read_are_counted(column: pa.Array) -> None:
    [row], rejected, unread = table_of(
        pa.table({"id": ["a"], "text": ["x"], "published_at": column})
    )
    assert (row["published_at"], rejected, unread) == (None, [], 1)


def test_missing_dates_and_those_of_rejects_are_not_counted() -> None:
    table = pa.table(
        {
            "id": ["a", "b", None],
            "text": ["x", "y", "z"],
            "published_at": pa.array(["", None, "soon"]),
        }
    )
    assert table_of(table)[2] == 0
    nan = pa.table({"id": ["a"], "text": ["x"], "published_at": [float("nan")]})
    assert table_of(nan)[2] == 0  # how pandas writes a missing number


def test_dates_in_json_may_be_numbers(tmp_path: Path) -> None:
    given_dates = [1369353600, 1369353600.25, 20130524, "2013-05-24", True, ["2013"], None]
    WRITERS["a.jsonl"](
        tmp_path / "a.jsonl",
        [{"id": n, "text": "x", "published_at": day} for n, day in enumerate(given_dates)],
    )
    [shard] = plan_shards([tmp_path / "a.jsonl"], Settings())
    [batch] = read_shard(shard, Settings())
    day = utc(2013, 5, 24)
    quarter = day.replace(microsecond=250000)
    assert batch.articles["published_at"].to_pylist() == [day, quarter, day, day, None, None, None]
    assert batch.dates_unread == 2


def test_parquet_reads_fast(tmp_path: Path) -> None:
    """20,000 articles of 3 kB take 0.1 s on a quiet core; ten times that means a Python loop."""
    text = [f"{n} " + "some words " * 270 for n in range(20_000)]
    days = [f"2013-05-{1 + n % 28:02} 10:00:00-0400" for n in range(20_000)]
    table = pa.table({"id": [str(n) for n in range(20_000)], "text": text, "published_at": days})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    begin = time.process_time()
    read_articles, _ = read([tmp_path / "a.parquet"])
    assert time.process_time() - begin < 1.0
    assert read_articles["published_at"].null_count == 0


def test_nothing_to_read_is_an_error() -> None:
    with pytest.raises(InputError, match="one at least"):
        plan_shards([], Settings())


def decodes(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


# The first and last of each length, those next to surrogates, and what looks like characters.
CHARACTERS = "a\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"
ILL_FORMED = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xed\xa0\x80"]
ILL_FORMED += [b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xe2\x82"]
runs = st.text(CHARACTERS, max_size=40).map(str.encode)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(runs, st.one_of(st.just(b""), st.sampled_from(ILL_FORMED)), runs, st.data())
def test_utf8_is_what_python_decodes(
    before: bytes, ill_formed: bytes, after: bytes, data: st.DataObject
) -> None:
    raw = before + ill_formed + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=3)))
    strings = [raw[a:b] for a, b in pairwise([0, *cuts, len(raw)])]
    # A slice, whose neighbours would complete what is broken off; nulls are no strings.
    array = pa.array([b"\xe2\x82", None, *strings, None, b"\x80"], pa.large_binary())
    assert is_utf8(array.slice(1, len(strings) + 2)) == all(map(decodes, strings))
