"""How rare words are in a corpus, told of parts of it."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dedup.pipeline import bodies, match
from dedup.schemas import TALLY
from dedup.stages import shingle
from dedup.workspace import Workspace

SEED = 20250703


@pytest.mark.parametrize("at_a_time", [1, 100, 10**6])
def test_rarity_counts_the_texts_of_all_parts(
    at_a_time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of one text, and one of none, are as rare as any word can be."""
    print(f"seed {SEED}")
    monkeypatch.setattr(match, "_WORDS", at_a_time)
    rng, work = np.random.default_rng(SEED), Workspace(tmp_path)
    known, holders = rng.integers(0, 2**32, 60, np.uint32), Counter[int]()
    known[:2] = 0, 2**32 - 1
    parts = [np.unique(rng.choice(known, size)) for size in (40, 0, 20, 1)]
    for number, words in enumerate(parts):
        texts = rng.integers(1, 4, len(words), np.uint32)
        holders.update(dict(zip(words.tolist(), texts.tolist(), strict=True)))
        columns = [pa.array(words), pa.array(texts)]
        work.write_table(f"words-{number:06}", pa.Table.from_arrays(columns, schema=TALLY))
    work.write_table("rarity", match._frequent(work, "words-"))
    work.write_table("texts", pa.table({"place": range(100)}))
    asked = np.concatenate([known, rng.integers(0, 2**32, 5, np.uint32)])
    found = bodies._rarity(work)(shingle.unpacked(asked))
    assert found.dtype == np.float32
    expected = [math.log1p(100 / max(1, holders[word])) for word in asked.tolist()]
    assert found == pytest.approx(expected, rel=1e-6)
    assert 1 in holders.values() and max(holders.values()) > 3
