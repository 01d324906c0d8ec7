"""Bad input: a clear error before any work, or a reject; never a traceback, never a loss."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedup.errors import InputError
from dedup.schemas import REJECT_REASONS
from dedup.settings import Settings
from dedup.sources import plan_shards, read_shard, table_batches

GOOD = {"id": "good", "text": "an article"}


def read(path: str | Path, chosen: Settings | None = None) -> tuple[list[Any], list[Any]]:
    """Ids of the articles, and (row, reason) of the rejects."""
    chosen = chosen or Settings()
    ids, rejects = [], []
    for shard in plan_shards([path], chosen):
        for batch in read_shard(shard, chosen):
            ids += batch.articles["article_id"].to_pylist()
            found = batch.rejects.to_pylist()
            assert {reject["reason"] for reject in found} <= set(REJECT_REASONS)
            rejects += [(reject["row"], reject["reason"]) for reject in found]
    return ids, rejects


def error_of(inputs: Sequence[str | Path], chosen: Settings | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        plan_shards(inputs, chosen or Settings())
    assert "\n" not in str(caught.value)
    return caught.value


def write_lines(path: Path, lines: Sequence[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def good_line(name: str) -> bytes:
    return json.dumps({"id": name, "text": "an article"}).encode()


# Errors before any work


@pytest.mark.parametrize("given_path", ["none.parquet", "none", "none/*.jsonl", "x://y/a.csv"])
def test_what_does_not_exist(tmp_path: Path, given_path: str) -> None:
    where = given_path if "://" in given_path else str(tmp_path / given_path)
    assert error_of([where]).subject == where


def test_an_empty_folder(tmp_path: Path) -> None:
    assert error_of([tmp_path]).subject == str(tmp_path)


@pytest.mark.parametrize("name", ["a.docx", "a.json", "a.parquet.gz", "a"])
def test_unknown_extensions_are_told_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    for given_path in (tmp_path / name, tmp_path):
        error = error_of([given_path])
        assert ".parquet, .pq, .jsonl" in error.expected
        assert error.got == name


def test_one_bad_input_among_good_ones_is_an_error(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [good_line("a")])
    assert error_of([tmp_path / "a.jsonl", tmp_path / "b.jsonl"]).subject.endswith("b.jsonl")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        write_lines(path, [json.dumps(row).encode() for row in rows])
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv"])
@pytest.mark.parametrize(("missing", "setting"), [("id", "id_column"), ("text", "text_column")])
def test_missing_columns_are_told_those_found_and_the_setting(
    tmp_path: Path, name: str, missing: str, setting: str
) -> None:
    row = {key: value for key, value in GOOD.items() if key != missing} | {"body": "b"}
    write_rows(tmp_path / name, [row])
    error = error_of([tmp_path / name])
    assert repr(missing) in error.expected
    assert "'body'" in error.got
    assert f"--set {setting}=NAME" in error.mend
    assert plan_shards([tmp_path / name], Settings(**{setting: "body"}))


def test_a_table_without_columns() -> None:
    with pytest.raises(InputError, match="--set id_column"):
        list(table_batches(pa.table({"text": ["a"]}), Settings()))


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    twice = pa.table([["a"], ["b"], ["c"]], ["id", "text", "text"])
    pq.write_table(twice, tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("id,text,text\na,b,c\n")
    assert "several" in error_of([tmp_path / "a.parquet"]).got
    assert "several" in error_of([tmp_path / "a.csv"]).got


@pytest.mark.parametrize("value", [["a"], {"a": "b"}], ids=["list", "struct"])
@pytest.mark.parametrize("column", ["id", "text"])
def test_columns_of_impossible_type(tmp_path: Path, column: str, value: Any) -> None:
    write_rows(tmp_path / "a.parquet", [{**GOOD, column: value}])
    error = error_of([tmp_path / "a.parquet"])
    assert repr(column) in error.expected
    assert error.got.startswith(("list<", "struct<"))


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_truncated_parquet(tmp_path: Path, keep: int) -> None:
    write_rows(tmp_path / "a.parquet", [GOOD] * 100)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:keep])
    assert error_of([tmp_path / "a.parquet"]).expected == "an undamaged file"


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.csv.gz", "a.csv.zst"])
def test_what_is_not_compressed_as_it_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"id,text\na,b\n")
    assert error_of([tmp_path / name]).expected == "an undamaged file"


def test_a_file_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Permissions would not stop root, who runs tests in containers.
    write_lines(tmp_path / "a.jsonl", [good_line("a")])
    opened = fsspec.implementations.local.LocalFileSystem.open

    def refuse(self: Any, path: str, *args: Any, **options: Any) -> Any:
        if path.endswith("a.jsonl"):
            raise PermissionError(13, "Permission denied", path)
        return opened(self, path, *args, **options)

    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "open", refuse)
    assert "Permission denied" in error_of([tmp_path / "a.jsonl"]).got


def test_s3_without_s3fs_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    assert error_of(["s3://bucket/articles/"]).mend == "pip install dedup[s3]"


# Rows


JSON_FAULTS = {
    b"not json": "bad_json",
    b'{"id": "a", "text": "b"': "bad_json",
    b'{"id": "a", "text": "b"} {"id": "c", "text": "d"}': "bad_json",
    b"null": "bad_json",
    b"[1, 2]": "bad_json",
    b'"id"': "bad_json",
    b"7": "bad_json",
    b"\x00\x00\x00": "bad_json",
    b"[" * 200_000: "bad_json",
    b'{"id": ' + b"9" * 5000 + b', "text": "a"}': "bad_json",
    b"\xff\xfe{": "invalid_utf8",
    b'{"id": "a", "text": "caf\xe9"}': "invalid_utf8",
    b'{"id": "caf\xe9", "text": "a"}': "invalid_utf8",
    b'{"id": "a", "text": "\\ud800"}': "invalid_utf8",
    b'{"id": "a", "text": "\xed\xa0\x80"}': "invalid_utf8",
    b'{"id": null, "text": "a"}': "null_id",
    b'{"text": "a"}': "null_id",
    b'{"id": "", "text": "a"}': "null_id",
    b'{"id": "a"}': "empty_text",
    b'{"id": "a", "text": null}': "empty_text",
    b'{"id": "a", "text": ""}': "empty_text",
    '{"id": "a", "text": " \u3000\\n"}'.encode(): "empty_text",
    b'{"id": "a", "text": 5}': "wrong_type",
    b'{"id": "a", "text": ["b"]}': "wrong_type",
    b'{"id": "\\ud800", "text": {"b": 1}}': "wrong_type",
    b'{"id": 1.5, "text": "a"}': "wrong_type",
    b'{"id": true, "text": "a"}': "wrong_type",
    b'{"id": ["a"], "text": "a"}': "wrong_type",
}

JSON_KEPT = {
    b'{"id": 7, "text": "a"}': "7",
    b'{"id": "a", "text": "nul \\u0000 and \x00 and \t tab"}': "a",
    b'{"id": "x", "id": "b", "text": "a"}': "b",
    b'{"id": "c", "text": "a", "title": "\\ud800", "lang": {"x": [1]}, "url": 1.5}': "c",
    b'{"id": "d", "text": "a", "title": "caf\xe9"}': "d",
    b'{"id": "e", "text": "\\ud83d\\ude00", "z": NaN}': "e",
}


@pytest.mark.parametrize("line", JSON_FAULTS, ids=lambda line: repr(line[:40]))
def test_a_bad_line_costs_its_row_only(tmp_path: Path, line: bytes) -> None:
    path = write_lines(tmp_path / "a.jsonl", [good_line("a"), line, b"", good_line("b")])
    assert read(path) == (["a", "b"], [(1, JSON_FAULTS[line])])


@pytest.mark.parametrize("line", JSON_KEPT, ids=lambda line: repr(line[:60]))
def test_an_odd_line_is_kept(tmp_path: Path, line: bytes) -> None:
    path = write_lines(tmp_path / "a.jsonl", [good_line("a"), line])
    assert read(path) == (["a", JSON_KEPT[line]], [])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.sampled_from([*JSON_FAULTS, *JSON_KEPT]), st.binary(max_size=40))),
    st.integers(1, 5),
)
def test_law_every_line_is_an_article_or_a_reject(
    tmp_path: Path, lines: list[bytes], batch_rows: int
) -> None:
    # The first line shows the columns, without which the input would not be taken at all.
    path = write_lines(tmp_path / "a.jsonl", [good_line("first"), *lines])
    rows = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    ids, rejects = read(path, Settings(batch_rows=batch_rows))
    assert len(ids) + len(rejects) == len(rows)
    known = {line: reason for line, reason in JSON_FAULTS.items() if line.strip() == line}
    assert [(n, known[row]) for n, row in enumerate(rows) if row in known] == [
        (n, reason) for n, reason in rejects if rows[n] in known
    ]


CSV_FAULTS = {
    b"only one": "bad_row",
    b"a,b,c": "bad_row",
    b'"a",b,"c\nd"': "bad_row",
    b"a,caf\xe9": "invalid_utf8",
    b"caf\xe9,text": "invalid_utf8",
    b",text": "null_id",
    b"a,": "empty_text",
    b'a," "': "empty_text",
}
CSV_KEPT = [b"a,b", b'a,"b\nc"', b'"a","b ""c"" d"', b"a,5\x00", b'a,"b" c', b'a,5" pipe']


@pytest.mark.parametrize("record", CSV_FAULTS, ids=repr)
def test_a_bad_record_costs_its_row_only(tmp_path: Path, record: bytes) -> None:
    path = write_lines(tmp_path / "a.csv", [b"id,text", b"x,1", record, b"y,2"])
    assert read(path) == (["x", "y"], [(1, CSV_FAULTS[record])])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*CSV_FAULTS, *CSV_KEPT])), st.integers(1, 5))
def test_law_every_record_is_an_article_or_a_reject(
    tmp_path: Path, records: list[bytes], batch_rows: int
) -> None:
    path = write_lines(tmp_path / "a.csv", [b"id,text", *records])
    ids, rejects = read(path, Settings(batch_rows=batch_rows))
    bad = [(n, CSV_FAULTS[record]) for n, record in enumerate(records) if record in CSV_FAULTS]
    assert rejects == bad
    assert len(ids) == len(records) - len(bad)


def test_invalid_bytes_in_a_title_cost_the_title_only(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", [b"id,text,title", b"a,b,caf\xe9"])
    [shard] = plan_shards([path], Settings())
    [batch] = read_shard(shard, Settings())
    assert batch.articles["title"].to_pylist() == [None]


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", [b"id,text", b"a,b", b'c,"d', b"e,f", b"g,h"])
    [shard] = plan_shards([path], Settings())
    [batch] = read_shard(shard, Settings())
    [reject] = batch.rejects.to_pylist()
    assert (reject["row"], reject["reason"]) == (1, "bad_row")
    assert reject["detail"] == "line 3: a quote is opened and never closed"


def test_a_field_over_the_limit_costs_its_row_only(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.csv", [b"id,text", b"a,b", b"c," + b"x" * 5000, b"e,f"])
    limit = csv.field_size_limit(1000)
    try:
        assert read(path) == (["a", "e"], [(1, "bad_row")])
    finally:
        csv.field_size_limit(limit)


def test_empty_files_hold_no_rows(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv", "b.jsonl.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
        assert read(tmp_path / name) == ([], [])
    pq.write_table(pa.table({"id": pa.array([], pa.string()), "text": []}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == ([], [])


def test_text_files(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("an article")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "void.txt").write_text(" \n")
    ids, rejects = read(tmp_path)
    assert ids == ["good"]
    assert rejects == [(0, "invalid_utf8"), (0, "empty_text")]


def test_a_text_file_that_is_gone_is_a_reject(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text("an article")
    [shard] = plan_shards([tmp_path], Settings())
    (tmp_path / "b.txt").unlink()
    [batch] = read_shard(shard, Settings())
    assert batch.articles["article_id"].to_pylist() == ["a", "c"]
    [reject] = batch.rejects.to_pylist()
    assert (reject["row"], reject["reason"]) == (None, "unreadable")
    assert reject["file"].endswith("b.txt")


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [good_line("a")])
    [shard] = plan_shards([tmp_path], Settings())
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(InputError):
        list(read_shard(shard, Settings()))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    (tmp_path / f"{odd}.txt").write_text("an article")
    write_lines(tmp_path / f"{odd}.jsonl", [good_line("a"), b"null"])
    assert read(tmp_path) == (["a", r"caf\udce9"], [(1, "bad_json")])


def test_table_rows_of_every_fault() -> None:
    table = pa.table(
        {
            "id": ["a", "", None, "d", "e", "f"],
            "text": pa.array([b"x", b"y", b"z", b"\xff", b" ", None], pa.binary()),
        }
    )
    [batch] = table_batches(table, Settings())
    assert batch.articles["article_id"].to_pylist() == ["a"]
    found = [(r["row"], r["article_id"], r["reason"]) for r in batch.rejects.to_pylist()]
    assert found == [
        (1, "", "null_id"),
        (2, None, "null_id"),
        (3, "d", "invalid_utf8"),
        (4, "e", "empty_text"),
        (5, "f", "empty_text"),
    ]


IDS = {b"a": None, b"": "null_id", b" ": "null_id", None: "null_id", b"\xff": "invalid_utf8"}
TEXTS = {b"t": None, b"": "empty_text", None: "empty_text", b"\xed\xa0\x80": "invalid_utf8"}


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*IDS]), st.sampled_from([*TEXTS])), min_size=1),
    st.integers(1, 9),
)
def test_law_every_table_row_is_an_article_or_a_reject(
    rows: list[tuple[bytes | None, bytes | None]], batch_rows: int
) -> None:
    ids, texts = zip(*rows, strict=True)
    table = pa.table({"id": pa.array(ids, pa.binary()), "text": pa.array(texts, pa.binary())})
    batches = list(table_batches(table, Settings(batch_rows=batch_rows)))
    kept = [row for batch in batches for row in batch.articles["row"].to_pylist()]
    rejects = [(r["row"], r["reason"]) for b in batches for r in b.rejects.to_pylist()]
    # An id's fault comes before the text's, except that bytes which are not UTF-8 come first.
    why = [sorted(filter(None, (IDS[i], TEXTS[t])), key=RANK.index) for i, t in rows]
    assert kept == [row for row, reasons in enumerate(why) if not reasons]
    assert rejects == [(row, reasons[0]) for row, reasons in enumerate(why) if reasons]


RANK = ["invalid_utf8", "null_id", "empty_text"]


@pytest.mark.parametrize("column", [pa.array([5, None]), pa.array([1.5, None])], ids=["i", "f"])
def test_text_that_is_a_number_is_rejected(column: pa.Array) -> None:
    [batch] = table_batches(pa.table({"id": ["a", "b"], "text": column}), Settings())
    assert batch.articles.num_rows == 0
    assert [r["reason"] for r in batch.rejects.to_pylist()] == ["wrong_type", "empty_text"]


def test_an_id_that_is_no_integer_is_rejected() -> None:
    ids = pa.array([1.5, None, float("nan")])
    [batch] = table_batches(pa.table({"id": ids, "text": ["a", "b", "c"]}), Settings())
    assert batch.articles.num_rows == 0
    found = [(r["reason"], r["detail"]) for r in batch.rejects.to_pylist()]
    assert found == [("wrong_type", "id is double"), ("null_id", None), ("null_id", None)]


def test_parquet_strings_that_are_not_utf8(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"caf\xe9", b"good"])
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())  # a string column by its schema
    pq.write_table(pa.table({"id": ["a", "b", "c"], "text": text}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == (["a", "c"], [(1, "invalid_utf8")])


# Files that break off


def zstd(raw: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(raw)
    return sink.getvalue().to_pybytes()


def lines_of(count: int) -> list[tuple[str, bytes]]:
    """Ids and JSON lines that do not compress well, so that the cut falls among them."""
    rows = [(f"a{n}", os.urandom(200).hex()) for n in range(count)]
    return [(name, json.dumps({"id": name, "text": text}).encode()) for name, text in rows]


@pytest.mark.parametrize(("squeeze", "ending"), [(gzip.compress, ".gz"), (zstd, ".zst")])
@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_compressed_stream_that_breaks_off(
    tmp_path: Path, squeeze: Any, ending: str, cut: float
) -> None:
    rows = lines_of(3000)
    squeezed = squeeze(b"".join(line + b"\n" for _, line in rows))
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(squeezed[: int(len(squeezed) * cut)])
    ids, rejects = read(path)
    # At most one zstd block of 128 kB, some 320 rows, is lost before the cut; gzip loses one row.
    assert len(ids) > 3000 * cut - (350 if ending == ".zst" else 20)
    assert ids == [name for name, _ in rows[: len(ids)]]
    assert rejects == [(len(ids), "unreadable")]
    assert read(path, Settings(batch_rows=7)) == (ids, rejects)


@pytest.mark.parametrize("broken", ["trailer", "middle"])
def test_gzip_that_is_damaged(tmp_path: Path, broken: str) -> None:
    rows = lines_of(50)
    squeezed = bytearray(gzip.compress(b"".join(line + b"\n" for _, line in rows)))
    at = len(squeezed) - 6 if broken == "trailer" else len(squeezed) // 2
    squeezed[at] ^= 0xFF
    (tmp_path / "a.jsonl.gz").write_bytes(squeezed)
    ids, rejects = read(tmp_path / "a.jsonl.gz")
    assert rejects[-1][1] == "unreadable"
    if broken == "trailer":  # all rows were read; the check sum tells that one may be wrong
        assert (len(ids), rejects) == (50, [(50, "unreadable")])


class _Lost(io.RawIOBase):
    """A file whose storage hangs up after the first bytes."""

    def __init__(self) -> None:
        self.left = [b"id,text\na,an article\n"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.left:
            raise ConnectionResetError("connection reset")
        piece = self.left.pop()
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.txt"])
def test_a_lost_connection_is_no_reject(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("")
    [shard] = plan_shards([tmp_path / name], Settings())
    storage = fsspec.implementations.local.LocalFileSystem
    monkeypatch.setattr(storage, "open", lambda *_: _Lost())
    with pytest.raises(ConnectionResetError):
        list(read_shard(shard, Settings()))


def test_csv_that_breaks_off(tmp_path: Path) -> None:
    sink = io.StringIO()
    csv.writer(sink).writerows([("id", "text"), *((n, os.urandom(99).hex()) for n in range(500))])
    squeezed = gzip.compress(sink.getvalue().encode())
    (tmp_path / "a.csv.gz").write_bytes(squeezed[: len(squeezed) // 2])
    ids, rejects = read(tmp_path / "a.csv.gz")
    assert 200 < len(ids) < 300
    assert rejects == [(len(ids), "unreadable")]


@pytest.mark.parametrize("codec", ["zstd", "snappy"])
def test_a_damaged_row_group_costs_its_own_rows_only(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"id": [str(n) for n in range(400)], "text": [os.urandom(500).hex() for _ in range(400)]}
    )
    options = {"use_dictionary": False, "data_page_size": 10_000, "write_batch_size": 5}
    pq.write_table(
        table, path, row_group_size=100, compression=codec, write_page_checksum=True, **options
    )
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    raw = bytearray(path.read_bytes())
    raw[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
    path.write_bytes(raw)
    ids, rejects = read(path)
    # The damage is in the middle of rows 100 to 199; ten pages and more keep the first third.
    [(row, reason)] = rejects
    assert (reason, 130 < row < 160) == ("unreadable", True)
    assert ids == [str(n) for n in range(400) if not row <= n < 200]
    for chosen in (Settings(batch_rows=1), Settings(batch_rows=33, shard_rows=100)):
        assert read(path, chosen) == (ids, rejects)
    [shard] = plan_shards([path], Settings())
    kept = [batch.articles["row"].to_pylist() for batch in read_shard(shard, Settings())]
    assert [str(n) for batch in kept for n in batch] == ids


def damaged_at_random(raw: bytes, pick: random.Random) -> bytes:
    """Up to 20 bytes changed, or a run of bytes cut out or put in."""
    damaged = bytearray(raw)
    at = pick.randrange(len(damaged))
    match pick.randrange(3):
        case 0:
            for _ in range(pick.choice((1, 3, 20))):
                damaged[pick.randrange(len(damaged))] = pick.randrange(256)
        case 1:
            del damaged[at : at + pick.randrange(1, 50)]
        case _:
            damaged[at:at] = pick.randbytes(pick.randrange(1, 20))
    return bytes(damaged)


@pytest.mark.parametrize(
    "name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.csv.gz"]
)
def test_law_damage_is_an_error_or_rejects(tmp_path: Path, name: str) -> None:
    seed = 20130524
    print(f"seed {seed}")
    pick = random.Random(seed)
    data = [{"id": f"a{n}", "text": pick.randbytes(30).hex() + "é" * n} for n in range(60)]
    path = tmp_path / name
    if name == "a.parquet":
        pq.write_table(pa.Table.from_pylist(data), path, row_group_size=20, compression="zstd")
    else:
        plain = tmp_path / name.removesuffix(".gz").removesuffix(".zst")
        write_rows(plain, data)
        squeezes: dict[str, Any] = {".gz": gzip.compress, ".zst": zstd}
        path.write_bytes(squeezes.get(path.suffix, bytes)(plain.read_bytes()))
    raw = path.read_bytes()
    outcomes = set()
    for _ in range(150):
        path.write_bytes(damaged_at_random(raw, pick))
        try:
            ids, rejects = read(path)
        except InputError:
            outcomes.add("error")
            continue
        reasons = {reason for _, reason in rejects}
        outcomes |= reasons
        if name == "a.parquet" and "unreadable" not in reasons:
            assert len(ids) + len(rejects) == len(data)
    assert outcomes & {"error", "unreadable", "bad_json", "bad_row"}
