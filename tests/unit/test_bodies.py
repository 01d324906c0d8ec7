"""Distinct texts of a run, compared; and how rare words are, told of parts of a corpus."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dedup import Settings
from dedup.pipeline import VERBS, begin, bodies, match, perform, sketch, units
from dedup.schemas import TALLY
from dedup.stages import shingle, verify
from dedup.workspace import Workspace

SEED = 20250703
SAMPLE = Path(__file__).parents[2] / "data/sample/articles.parquet"


@pytest.mark.parametrize("at_a_time", [1, 100, 10**6])
def test_rarity_counts_the_texts_of_all_parts(
    at_a_time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word of one text, and one of none, are as rare as any word can be."""
    print(f"seed {SEED}")
    monkeypatch.setattr(sketch, "_WORDS", at_a_time)
    rng, work = np.random.default_rng(SEED), Workspace(tmp_path)
    known, holders = rng.integers(0, 2**32, 60, np.uint32), Counter[int]()
    known[:2] = 0, 2**32 - 1
    parts = [np.unique(rng.choice(known, size)) for size in (40, 0, 20, 1)]
    for number, words in enumerate(parts):
        texts = rng.integers(1, 4, len(words), np.uint32)
        holders.update(dict(zip(words.tolist(), texts.tolist(), strict=True)))
        columns = [pa.array(words), pa.array(texts)]
        work.write_table(f"words-{number:06}", pa.Table.from_arrays(columns, schema=TALLY))
    work.write_table("rarity", match._frequent(work, "words-", threads=2))
    work.write_table("texts", pa.table({"place": range(100)}))
    asked = np.concatenate([known, rng.integers(0, 2**32, 5, np.uint32)])
    found = bodies._rarity(work)(shingle.unpacked(asked))
    assert found.dtype == np.float32
    expected = [math.log1p(100 / max(1, holders[word])) for word in asked.tolist()]
    assert found == pytest.approx(expected, rel=1e-6)
    assert 1 in holders.values() and max(holders.values()) > 3


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The sample, up to its candidates."""
    output, settings = tmp_path_factory.mktemp("sample"), Settings(threads=2)
    run = begin([str(SAMPLE)], output, settings)
    for verb in VERBS[: VERBS.index("score")]:
        for number in range(units(verb, run, settings)):
            perform(verb, run, number, settings)
    return Workspace(Path(run.folder))


@pytest.mark.parametrize("pairs", [7, 500_000])
def test_pairs_that_cannot_be_related_have_no_similarity(
    pairs: int, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = bodies.Bodies(work, Settings(threads=1))
    found = match._candidates(work.read("proposed"))
    scores = expected.score(found.left, found.right)
    monkeypatch.setattr(bodies, "_PAIRS", pairs)
    compared = bodies.Bodies(work, Settings(threads=2))
    mask = compared.may_be_related(found.left, found.right)
    assert 0 < mask.sum() < len(mask)
    assert not np.any([column[~mask] for column in scores[4:]])
    again = compared.score(found.left[mask], found.right[mask])
    for name in verify.Scores._fields:
        assert getattr(again, name).tolist() == getattr(scores, name)[mask].tolist()
