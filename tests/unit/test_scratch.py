"""Whether there is room for a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from dedup.errors import OutputError
from dedup.pipeline.scratch import check_room
from dedup.sources import Shard


def shard(file: str, size: int) -> Shard:
    """A shard of so many bytes."""
    return Shard(file=file, position=0, size=size, version="1", first_row=0)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A disk with 5,000 bytes left; `free` can be set."""
    disk = SimpleNamespace(free=5_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: disk)
    return disk


def test_compressed_input_needs_more_than_plain_input(
    free: SimpleNamespace, tmp_path: Path
) -> None:
    check_room(tmp_path / "work/run", [shard("a.jsonl", 1_000), shard("b.jsonl", 1_000)])
    assert (tmp_path / "work").is_dir()
    with pytest.raises(OutputError, match=r"room for 0\.0 GB"):
        check_room(tmp_path / "work/run", [shard("a.parquet", 1_000)])


def test_what_the_run_has_written_is_not_needed_again(
    free: SimpleNamespace, tmp_path: Path
) -> None:
    shards = [shard("a.parquet", 1_000)]
    run = tmp_path / "run"
    run.mkdir()
    (run / "signed-000000.arrow").write_bytes(bytes(999))
    with pytest.raises(OutputError, match="make room"):
        check_room(run, shards)
    (run / "order-000000.json").write_bytes(bytes(1))
    check_room(run, shards)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file.*folder for intermediate files.*--scratch"):
        check_room(tmp_path / "file/run", [])
