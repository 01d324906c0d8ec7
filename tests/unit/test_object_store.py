"""An output on an S3-compatible store: the same calls, the same answers.

The store is told of as a user would: by ``AWS_ENDPOINT_URL`` and the keys in the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from batches import OPEN, Feed, Row, Step, come, messy
from object_store import served

from dedup import cluster_articles
from dedup.errors import OutputError, RunError
from dedup.pipeline import cluster_new
from dedup.schemas import OUTPUT_TABLES, REJECTS, table_name
from dedup.state.files import StateFiles
from dedup.store import Kept, Store, read

ARTICLES = Path(__file__).parents[1] / "golden" / "articles.jsonl"
SEED = 20251125


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture
def output(bucket: str) -> str:
    return f"{bucket}/{uuid.uuid4().hex}/out"


def rejects(*details: str) -> pa.Table:
    row = {"row": 1, "reason": "null_id", "file": "f"}
    return pa.Table.from_pylist([{**row, "detail": detail} for detail in details], REJECTS)


def publish(output: str, run_id: str, parts: dict[str, Any], keep_runs: int = 5) -> dict[str, Any]:
    return Store(output).publish(run_id, {"rejects": parts}, {}, keep_runs)


def names(output: str, folder: str) -> list[str]:
    store = Store(output)
    path = f"{store.root}/{folder}"
    return sorted(name.removeprefix(f"{path}/") for name in store.fs.find(path))


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)


def test_an_output_that_is_not_there_yet_can_be_used(output: str) -> None:
    store = Store(output)
    with pytest.raises(OutputError, match="none in it"):
        store.latest()
    assert store.runs() == []
    store.check()
    assert names(output, "") == []
    store.fs.pipe_file(f"{store.root}/thesis.txt", b"mine")
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        store.check()


def test_what_is_published_is_read_and_kept_parts_are_copied(output: str) -> None:
    first = publish(output, "r1", {"a": rejects("1"), "b": rejects("2")})
    assert read(output).info == first
    store = Store(output)
    parts = {"a": Kept("r1", "rejects/a.parquet"), "c": rejects("3")}
    second = publish(output, "r2", parts, keep_runs=2)
    assert second["files"][0] == first["files"][0]
    assert read(output).rejects["detail"].to_pylist() == ["1", "3"]
    assert read(output, "r1").rejects["detail"].to_pylist() == ["1", "2"]
    assert store.parts("r2", "rejects") == ["rejects/a.parquet", "rejects/c.parquet"]
    assert store.read_part("r2", "rejects/c.parquet")["detail"].to_pylist() == ["3"]
    with pytest.raises(RunError, match="rejects/b"):
        publish(output, "r3", {"b": Kept("r2", "rejects/b.parquet")})
    publish(output, "r3", {"a": Kept("r2", "rejects/a.parquet")}, keep_runs=1)
    assert names(output, "runs") == ["r3/rejects/a.parquet", "r3/run.json"]
    assert read(output).rejects["detail"].to_pylist() == ["1"]


def test_state_is_mapped_from_here_and_removed_with_its_runs(output: str, tmp_path: Path) -> None:
    here, there = StateFiles(output, tmp_path / "here"), StateFiles(output, tmp_path / "there")
    written = []
    for number in range(3):
        written.append(here.write("texts", pa.table({"number": [number] * 1000})))
        state = {"files": written[-1:]}
        Store(output).publish(f"r{number}", {}, {}, 2, state)
        assert Store(output).state(f"r{number}") == state
        assert names(output, "state") == sorted(written[-2:])
        assert there.read(written[-1])["number"].to_pylist() == [number] * 1000
        there.keep(state["files"])
        assert [path.name for path in (tmp_path / "there").iterdir()] == state["files"]
    with pytest.raises(RunError, match=written[0]):
        there.read(written[0])


def test_a_reader_sees_what_another_process_publishes(output: str) -> None:
    publish(output, "r1", {"a": rejects("1")})
    reader = Store(output)
    reader.check()  # lists the folder, and a listing may be remembered
    assert reader.latest() == "r1" and reader.runs() == ["r1"]
    run(
        "-c",
        "from dedup.store import Store\n"
        f"Store({output!r}).publish('r2', {{'rejects': {{}}}}, {{}}, 1, {{'files': []}})",
    )
    assert reader.latest() == "r2" and reader.runs() == ["r2"]
    assert reader.state("r2") == {"files": []}
    assert read(output).info["run_id"] == "r2"


def test_the_whole_job_from_store_to_store(output: str, tmp_path: Path) -> None:
    given = output.replace("/out", "/in/articles.jsonl")
    with fsspec.open(given, "wb") as file:
        file.write(ARTICLES.read_bytes())
    expected = cluster_articles(ARTICLES, tmp_path / "out")
    assert expected.summary.num_rows > 0
    run("-m", "dedup", "cluster", given, "--output", output)
    for found in (read(output), cluster_articles(given, output)):
        for schema in OUTPUT_TABLES:
            name = table_name(schema)
            columns = [column for column in schema.names if column != "file"]  # path and URL
            same = getattr(expected, name).select(columns)
            assert getattr(found, name).select(columns).equals(same), name
    assert len(Store(output).runs()) == 2


def test_incremental_runs_from_store_to_store(output: str, tmp_path: Path) -> None:
    feed = dated(messy(60, SEED, 3))
    for step in (Step([0]), Step([1], (0,))):
        lists = come(feed, step, tmp_path)
        inbox = output.replace("/out", "/in")
        for number in step.files:
            with fsspec.open(f"{inbox}/{number:03}.parquet", "wb") as file:
                file.write((tmp_path / "in" / f"{number:03}.parquet").read_bytes())
        expected, found = (
            cluster_new(inbox, output, retract=lists, limits=OPEN)
            for inbox, output in ((tmp_path / "in", tmp_path / "out"), (inbox, output))
        )
        assert found.info["counts"] == expected.info["counts"]
        for schema in OUTPUT_TABLES:
            name = table_name(schema)
            columns = [column for column in schema.names if column not in ("file", "run_id")]
            same = getattr(expected, name).select(columns)
            assert getattr(found, name).select(columns).equals(same), name
    assert found.info["counts"]["rejects"]["retracted"] >= 2
    state = Store(output).state(found.info["run_id"])
    assert state is not None and names(output, "state") == sorted(set(state["files"]))
    assert len(Store(output).runs()) == 1  # earlier ones have what was taken down
    again = cluster_new(inbox, output, limits=OPEN)
    assert again.info == found.info


def dated(feed: Feed) -> Feed:
    """Without what is told by a file's time of modification, which nobody can set there."""
    seen: set[str] = set()

    def is_first(row: Row) -> bool:
        known = row["id"] in seen
        seen.add(row["id"])
        return row["published_at"] is not None and not known

    return feed._replace(files=[[row for row in rows if is_first(row)] for rows in feed.files])


def test_a_store_that_refuses_is_an_output_error(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(output)
    for name in [name for name in os.environ if name.startswith("AWS_") and "KEY" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    nobody = type(store.fs)(skip_instance_cache=True)
    monkeypatch.setattr(store, "fs", nobody)
    with pytest.raises(OutputError, match="credentials"):
        store.check()
