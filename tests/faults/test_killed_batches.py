"""A run over everything, killed anywhere: the next goes on where it was, and says the same.

Also with other memory than the killed one had, which had its work cut into many units.
"""

from __future__ import annotations

import itertools
import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batches import SCHEMA, messy
from test_publishing import kill_process

from dedup import Settings, cluster_articles
from dedup.store import Store

SEED = 20250702
LITTLE = Settings(memory="200kB", shard_rows=25, threads=1)
PLENTY = LITTLE.model_copy(update={"memory": "4GB", "threads": 2})
STRIDE = 8
"""Changes of the disk between one kill and the next: so that there are about 35."""


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("news")
    for number, rows in enumerate(messy(60, SEED, 3).files):
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / f"{number}.parquet")
    return folder


def said(output: Path) -> dict[str, bytes]:
    """Bytes of a run's tables, and its counts."""
    latest = output / "latest"
    tables = {
        path.relative_to(latest).as_posix(): path.read_bytes()
        for path in sorted(latest.rglob("*.parquet"))
    }
    counts = json.loads((latest / "run.json").read_text())["counts"]
    return {**tables, "counts": json.dumps(counts, sort_keys=True).encode()}


def test_a_kill_anywhere_in_a_batch_run(news: Path, tmp_path: Path) -> None:
    found = cluster_articles(news, tmp_path / "unkilled", LITTLE)
    assert found.pairs.num_rows > 10 and found.candidates.num_rows > 20
    expected, begun, published = said(tmp_path / "unkilled"), [], []
    for kills, step in enumerate(itertools.count(1, STRIDE)):
        output = tmp_path / str(step)
        if not kill_process(partial(cluster_articles, news, output, LITTLE), step):
            break
        published.append(bool(Store(output).runs()))
        begun += [path.stem for path in output.glob("work/*/*.json")]
        assert not published[-1] or said(output) == expected
        cluster_articles(news, output, (LITTLE, PLENTY)[kills % 2])
        assert said(output) == expected, step
        assert not any((output / "work").iterdir())
        assert {path.name for path in output.iterdir()} - {".lock"} == {"latest", "runs", "work"}
    print(kills, "kills,", sum(published), "of them after the switch")
    assert kills >= 25
    assert published == sorted(published) and set(published) == {True, False}
    # Some were killed when most was done.
    assert {"sign-000001", "furnish-000001", "propose-000001", "score-000000"} <= set(begun)
