"""One Prefect server for all tests of flows, and one small corpus."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Neither the user's profiles nor their history; it has to be known before Prefect is imported.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="prefect-")

import flows  # noqa: F401  (sets Prefect's defaults, so it comes before Prefect)

# isort: split
import pyarrow.parquet as pq
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from dedup.synth import synthesise

SEED = 20240411


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def api() -> Iterator[str]:
    """Address of the server that flows run against."""
    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Parquet files, each of which is a shard."""
    print(f"seed {SEED}")
    folder = tmp_path_factory.mktemp("corpus") / "wire"
    folder.mkdir()
    articles, _ = synthesise(300, SEED)
    for first in range(0, 300, 100):
        pq.write_table(articles.slice(first, 100), folder / f"part-{first}.parquet")
    return folder
