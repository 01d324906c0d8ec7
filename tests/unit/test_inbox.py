"""The inbox: every version of a file once, and only when it is whole."""

from __future__ import annotations

import builtins
import hashlib
import json
import logging
import os
import random
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.errors import InputError
from dedup.schemas import INBOX_FILES
from dedup.settings import Settings
from dedup.sources import fingerprint, inbox, plan_new, plan_shards, read_ids, read_shard
from dedup.sources.files import open_file
from dedup.sources.inbox import Arrivals, InboxFile, names_day, new_files, to_ledger

NOTHING = INBOX_FILES.empty_table()


def put(path: Path, content: str | bytes = "", age: float = 60.0) -> Path:
    """Write a file that was modified so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, ns=(0, time.time_ns() - round(age * 1e9)))
    return path


def lines(*ids: str) -> str:
    return "".join(json.dumps({"id": i, "text": f"text of {i}"}) + "\n" for i in ids)


def paths(files: Iterable[InboxFile]) -> list[str]:
    return [file.path for file in files]


def arrivals(folder: Path | str, ledger: pa.Table = NOTHING, **options: Any) -> Arrivals:
    return new_files(folder, ledger, **options)


def after(ledger: pa.Table, found: Arrivals) -> pa.Table:
    """The ledger once what was found is processed."""
    return pa.concat_tables([ledger, to_ledger(found.files), to_ledger(found.touched)])


def test_a_file_is_described_as_it_lies(tmp_path: Path) -> None:
    content = lines("1")
    path = put(tmp_path / "in" / "dpa" / "a.jsonl", content)
    [file] = arrivals(tmp_path / "in").files
    assert file == InboxFile(
        path="dpa/a.jsonl",
        url=str(path),
        root=str(tmp_path / "in"),
        size=len(content),
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        modified=datetime.fromtimestamp(path.stat().st_mtime, UTC),
    )


def test_files_come_by_time_then_path(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("c", 300), ("b", 100), ("a", 100), ("d", 200)):
        put(tmp_path / f"{name}.jsonl")
        os.utime(tmp_path / f"{name}.jsonl", (0, round(now) - age))
    assert paths(arrivals(tmp_path).files) == ["c.jsonl", "d.jsonl", "a.jsonl", "b.jsonl"]


def test_any_order_of_arrival_takes_every_version_once(tmp_path: Path) -> None:
    seed = 17
    print(f"seed {seed}")
    draw = random.Random(seed)
    ledger, written, taken = NOTHING, [], []
    for turn in range(30):
        for name in draw.sample("abcdef", draw.randrange(4)):
            content = lines(f"{name}-{turn}")
            put(tmp_path / name / "x.jsonl", content, age=5000 - turn)
            written.append((f"{name}/x.jsonl", hashlib.sha256(content.encode()).hexdigest()))
        found = arrivals(tmp_path, ledger)
        taken += [(file.path, file.sha256) for file in found.files]
        ledger = after(ledger, found)
    assert len(written) > 20
    assert sorted(taken) == sorted(written)


def test_what_is_known_by_time_and_size_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a.jsonl", lines("1"))
    ledger = after(NOTHING, arrivals(tmp_path))
    monkeypatch.setattr(inbox, "open_file", lambda url: pytest.fail("it was read"))
    assert arrivals(tmp_path, ledger) == ([], [], 0)


def test_a_new_time_alone_makes_no_new_version(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", lines("1"), age=100)
    ledger = after(NOTHING, arrivals(tmp_path))
    put(tmp_path / "a.jsonl", lines("1"), age=50)
    found = arrivals(tmp_path, ledger)
    assert (found.files, paths(found.touched), found.waiting) == ([], ["a.jsonl"], 0)
    assert arrivals(tmp_path, after(ledger, found)) == ([], [], 0)


def test_other_content_of_the_same_size_is_a_new_version(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", lines("1"), age=100)
    ledger = after(NOTHING, arrivals(tmp_path))
    put(tmp_path / "a.jsonl", lines("2"), age=50)
    found = arrivals(tmp_path, ledger)
    assert (paths(found.files), found.touched) == (["a.jsonl"], [])


def test_an_earlier_content_that_comes_back_is_a_new_version(tmp_path: Path) -> None:
    ledger = NOTHING
    for age, article in ((300, "1"), (200, "2"), (100, "1")):
        put(tmp_path / "a.jsonl", lines(article), age=age)
        found = arrivals(tmp_path, ledger)
        assert (paths(found.files), found.touched) == (["a.jsonl"], [])
        ledger = after(ledger, found)


def test_one_content_under_two_names_is_two_files(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", lines("1"), age=100)
    ledger = after(NOTHING, arrivals(tmp_path))
    put(tmp_path / "b.jsonl", lines("1"), age=100)
    assert paths(arrivals(tmp_path, ledger).files) == ["b.jsonl"]


@pytest.mark.parametrize("end", [".tmp", ".part", ".partial", ".crdownload", ".TMP"])
def test_a_name_of_a_half_written_file_waits(tmp_path: Path, end: str) -> None:
    put(tmp_path / f"a.jsonl{end}", lines("1"))
    assert arrivals(tmp_path) == ([], [], 1)
    (tmp_path / f"a.jsonl{end}").rename(tmp_path / "a.jsonl")
    assert paths(arrivals(tmp_path).files) == ["a.jsonl"]


def test_hidden_names_and_other_formats_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (".a.jsonl", "_a.jsonl", "_temporary/a.jsonl", "a.docx"):
        put(tmp_path / name, lines("1"))
    with caplog.at_level(logging.WARNING, "dedup"):
        assert arrivals(tmp_path) == ([], [], 0)
    assert "a.docx" in caplog.text


def test_a_file_just_written_settles_first(tmp_path: Path) -> None:
    put(tmp_path / "new.jsonl", lines("1"), age=1)
    put(tmp_path / "ahead.jsonl", lines("2"), age=-1)  # by a clock that is ahead
    put(tmp_path / "old.jsonl", lines("3"), age=100)
    put(tmp_path / "far.jsonl", lines("4"), age=-10_000)
    found = arrivals(tmp_path, settle_seconds=30)
    assert (paths(found.files), found.waiting) == (["old.jsonl", "far.jsonl"], 2)
    assert len(arrivals(tmp_path, settle_seconds=0).files) == 4


def test_parquet_without_its_end_waits_an_hour(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"], "text": ["t"]}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    put(tmp_path / "a.parquet", whole[:-1])
    put(tmp_path / "void.parquet", b"")
    assert arrivals(tmp_path) == ([], [], 2)
    put(tmp_path / "a.parquet", whole)
    assert paths(arrivals(tmp_path).files) == ["a.parquet"]
    put(tmp_path / "a.parquet", whole[:-1], age=3700)
    assert paths(arrivals(tmp_path).files) == ["a.parquet"]


def test_a_file_that_changes_while_it_is_read_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "a.jsonl", lines("1"))
    put(tmp_path / "b.jsonl", lines("2"))
    opened = open_file

    def grown(url: str) -> Any:
        if url == str(path):
            path.write_text(lines("1", "2"))
        return opened(url)

    monkeypatch.setattr(inbox, "open_file", grown)
    found = arrivals(tmp_path)
    assert (paths(found.files), found.waiting) == (["b.jsonl"], 1)


def test_a_file_that_cannot_be_opened_waits_and_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "a.jsonl", lines("1"))
    put(tmp_path / "b.jsonl", lines("2"))
    opened = builtins.open

    def forbidden(file: Any, *given: Any, **options: Any) -> Any:
        if str(file).endswith("a.jsonl"):
            raise PermissionError(13, "Permission denied", file)
        return opened(file, *given, **options)

    monkeypatch.setattr(builtins, "open", forbidden)
    found = arrivals(tmp_path)
    assert (paths(found.files), found.waiting) == (["b.jsonl"], 1)
    assert "Permission denied" in caplog.text


def test_an_inbox_may_be_empty_but_not_missing(tmp_path: Path) -> None:
    assert arrivals(tmp_path) == ([], [], 0)
    with pytest.raises(InputError, match="nothing there"):
        arrivals(tmp_path / "none")
    with pytest.raises(InputError, match="a file"):
        arrivals(put(tmp_path / "a.jsonl"))


def test_an_inbox_on_an_object_store(caplog: pytest.LogCaptureFixture) -> None:
    url = f"memory://{uuid.uuid4().hex}/in"
    fs, root = fsspec.url_to_fs(url)
    assert arrivals(url) == ([], [], 0)  # a store has no empty folders
    assert "nothing" in caplog.text
    fs.pipe_file(
        f"{root}/2026/a.jsonl", lines("1").encode()
    )  # whole at once, so it need not settle
    fs.pipe_file(f"{root}/2026/b.jsonl.tmp", lines("1").encode())
    found = arrivals(url)
    assert (paths(found.files), found.waiting) == (["2026/a.jsonl"], 1)
    [shard] = plan_new(found.files, Settings())
    [batch] = read_shard(shard, Settings())
    assert batch.articles["article_id"].to_pylist() == ["1"]
    assert batch.articles["file"].to_pylist() == [found.files[0].url]
    assert arrivals(url, after(NOTHING, found)) == ([], [], 1)
    with pytest.raises(InputError, match="a file"):
        arrivals(f"{url}/2026/a.jsonl")


DAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    "path",
    [
        "2026-11-21.jsonl",
        "dpa/2026/11/21/a.jsonl",
        "dpa/20261121.jsonl",
        "dpa_20261121T0300.jsonl",
        "dpa-2026112103.jsonl",
        "dpa-20261121031500.jsonl",
        "date=2026-11-21/a.parquet",
        "year=2026/month=11/day=21/a.parquet",
        "year=2026/source=dpa/month=11/day=21/a.parquet",
    ],
)
def test_a_path_names_its_day_and_no_other(path: str) -> None:
    assert names_day(path, DAY)
    assert not names_day(path, date(2026, 11, 20))
    assert not names_day(path, date(2026, 1, 21))
    assert not names_day(path, date(2025, 11, 21))


@pytest.mark.parametrize(
    "path",
    [
        "12026-11-21.jsonl",
        "2026-11-210.jsonl",
        "120261121.jsonl",
        "202611211.jsonl",
        "month=11/day=21/a.parquet",
        "year=2026/month=11/a.parquet",
        "year=x/month=11/day=21/a",
    ],
)
def test_other_digits_name_no_day(path: str) -> None:
    assert not names_day(path, DAY)


def test_hive_keys_need_no_leading_zeros() -> None:
    assert names_day("year=2026/month=03/day=07/a.parquet", date(2026, 3, 7))
    assert names_day("year=2026/month=3/day=7/a.parquet", date(2026, 3, 7))


def test_a_day_is_taken_alone(tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-21"  # of the inbox itself, which names no file's day
    for name in ("2026-11-20/a.jsonl", "2026-11-21/a.jsonl", "2026-11-21/b.jsonl.tmp", "c.tmp"):
        put(folder / name, lines("1"))
    found = arrivals(folder, day=DAY)
    assert (paths(found.files), found.waiting) == (["2026-11-21/a.jsonl"], 1)


def rows_of(files: list[InboxFile], settings: Settings) -> tuple[list[str], list[dict[str, Any]]]:
    batches = [b for shard in plan_new(files, settings) for b in read_shard(shard, settings)]
    ids = [i for batch in batches for i in batch.articles["article_id"].to_pylist()]
    return ids, [row for batch in batches for row in batch.rejects.to_pylist()]


def test_a_bad_file_is_one_reject_and_holds_up_no_other(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["p"], "text": ["t"]}), tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    put(tmp_path / "good.parquet", whole, age=9000)
    bad = {
        "cut.parquet": whole[:-6],
        "empty.parquet": b"",
        "garbage.parquet": b"PAR1" + bytes(100) + b"PAR1",
        "cut.jsonl.gz": b"\x1f\x8b\x08",
        "columns.jsonl": b'{"id": "1", "body": "t"}\n',
        "columns.csv": b"id,body\n1,t\n",
    }
    for name, content in bad.items():
        put(tmp_path / name, content, age=8000)
    pq.write_table(pa.table({"id": ["1"], "text": [["t"]]}), tmp_path / "types.parquet")
    put(tmp_path / "types.parquet", (tmp_path / "types.parquet").read_bytes(), age=8000)
    put(tmp_path / "last.jsonl", lines("l"), age=7000)
    found = arrivals(tmp_path)
    ids, rejects = rows_of(found.files, Settings())
    assert ids == ["p", "l"]
    assert {row["file"].rpartition("/")[2] for row in rejects} == {*bad, "types.parquet"}
    assert {(row["row"], row["article_id"], row["reason"]) for row in rejects} == {
        (None, None, "unreadable")
    }
    assert len(rejects) == len(bad) + 1
    told = {row["file"].rpartition("/")[2]: row["detail"] for row in rejects}
    assert "'text'" in told["columns.csv"] and "'body'" in told["columns.csv"]
    assert paths(arrivals(tmp_path, after(NOTHING, found)).files) == []


@pytest.mark.parametrize("error", [ConnectionError("reset"), TimeoutError("slow")])
def test_a_file_out_of_reach_is_no_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    put(tmp_path / "a.jsonl", lines("1"))
    files = arrivals(tmp_path).files

    def broken(file: Any, *given: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(builtins, "open", broken)
    with pytest.raises(InputError, match=str(error)):
        plan_new(files, Settings())
    with pytest.raises(InputError, match=str(error)):
        arrivals(tmp_path)


def test_a_file_that_is_gone_is_no_reject(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", lines("1"))
    files = arrivals(tmp_path).files
    path.unlink()
    with pytest.raises(InputError):
        plan_new(files, Settings())


def test_new_files_read_as_the_whole_folder_does(tmp_path: Path) -> None:
    put(tmp_path / "x" / "a.txt", "one", age=100)
    put(tmp_path / "y" / "a.txt", "two", age=200)
    put(tmp_path / "source=dpa" / "[b]*.jsonl", lines("3"), age=300)
    chosen = Settings()
    whole = [b for s in plan_shards([tmp_path], chosen) for b in read_shard(s, chosen)]
    expected = sorted(i for batch in whole for i in batch.articles["article_id"].to_pylist())
    ids, rejects = rows_of(arrivals(tmp_path).files, chosen)
    assert (sorted(ids), rejects) == (expected, [])
    assert expected == ["3", "x/a", "y/a"]


def test_shards_are_in_the_order_of_the_files(tmp_path: Path) -> None:
    for name, age in (("c", 300), ("b", 100), ("a", 200)):
        put(tmp_path / f"{name}.jsonl", lines(name), age=age)
    files = arrivals(tmp_path).files
    ids, _ = rows_of(files, Settings())
    assert ids == ["c", "a", "b"]


def test_shards_of_the_same_content_have_the_same_fingerprint(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", lines("1"), age=200)
    first = fingerprint(plan_new(arrivals(tmp_path).files, Settings()))
    put(tmp_path / "a.jsonl", lines("1"), age=100)
    assert fingerprint(plan_new(arrivals(tmp_path).files, Settings())) == first
    put(tmp_path / "a.jsonl", lines("2"), age=100)
    assert fingerprint(plan_new(arrivals(tmp_path).files, Settings())) != first


def test_a_list_of_ids(tmp_path: Path) -> None:
    content = "\ufeff# taken down\n\na1\r\n  b 2 \n#c\na1\nd\u2028e\n\u00e9"
    ids = read_ids(put(tmp_path / "list.txt", content))
    assert ids.equals(pa.array(["a1", "b 2", "d\u2028e", "\u00e9"], pa.string()))
    assert read_ids(put(tmp_path / "void.txt", "")).equals(pa.array([], pa.string()))


def test_a_list_that_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2"):
        read_ids(put(tmp_path / "latin.txt", b"a\ncaf\xe9\n"))
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(InputError) as told:
            read_ids(path)
        assert str(path) in told.value.subject
