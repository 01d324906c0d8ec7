"""Rows of output tables come in one order, however they were put together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dedup.pipeline import _by_source
from dedup.schemas import TEMPLATE

SEED = 20261122


@pytest.mark.parametrize(("rows", "sources"), [(0, 1), (1, 1), (2_000, 3), (2_000, 400)])
def test_template_rises_by_source_and_shingle(rows: int, sources: int) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng([SEED, rows, sources])
    names = [*(f"{'é' * (n % 3)}{n}" for n in range(sources)), None]
    columns = [
        pa.array([names[at] for at in rng.integers(0, len(names), rows)], pa.string()),
        pa.array(rng.choice(2**62, rows, replace=False).astype(np.uint64) * np.uint64(4)),
        pa.array(rng.integers(1, 9, rows), pa.int32()),
    ]
    table = pa.Table.from_arrays(columns, schema=TEMPLATE)
    in_pieces = pa.concat_tables([table.slice(0, rows // 3), table.slice(rows // 3)])
    plainly = table.sort_by([("source", "ascending"), ("shingle", "ascending")])
    assert _by_source(in_pieces).equals(plainly)
