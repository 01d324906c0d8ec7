"""Broken words: what recognition does to a text costs the profile for it little."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup import Settings, cluster_articles
from dedup.evaluate import PairScores, evaluate
from dedup.explain import explain
from dedup.synth import synthesise
from dedup.truth import ClusterTruth, read_truth

SEED = 19000101
ARTICLES = 400
OCR = Settings(profile="ocr")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def misread(text: str, draws: random.Random) -> str:
    """One letter in 40 misread, one in 100 the last before a break, one space in 20 lost."""
    pieces = []
    for character in text:
        chance = draws.random()
        if character.isalpha() and chance < 1 / 40:
            pieces.append(draws.choice(LETTERS))
        elif character.isalpha() and chance > 0.99:
            pieces.append(character + draws.choice([" ", "- ", "-\n", " ' "]))
        elif character != " " or chance > 1 / 20:
            pieces.append(character)
    return "".join(pieces)


@pytest.fixture(scope="module")
def clean() -> tuple[pa.Table, pa.Table]:
    print(f"seed {SEED}")
    return synthesise(ARTICLES, SEED)


@pytest.fixture(scope="module")
def broken(clean: tuple[pa.Table, pa.Table]) -> pa.Table:
    draws = random.Random(SEED)
    texts = [misread(text, draws) for text in clean[0]["text"].to_pylist()]
    return clean[0].set_column(2, clean[0].schema.field("text"), [texts])


@pytest.fixture
def truth(clean: tuple[pa.Table, pa.Table], tmp_path: Path) -> ClusterTruth:
    file = tmp_path / "truth.parquet"
    pq.write_table(clean[1], file)
    read = read_truth(file)
    assert isinstance(read, ClusterTruth)
    return read


def pair_scores(articles: pa.Table, settings: Settings, truth: ClusterTruth) -> PairScores:
    found = cluster_articles(articles, settings=settings)
    return evaluate(found.clusters, truth).pairs


def test_broken_words_are_found_by_ngrams(broken: pa.Table, truth: ClusterTruth) -> None:
    by_words, by_ngrams = (pair_scores(broken, chosen, truth) for chosen in (Settings(), OCR))
    print(by_words, by_ngrams)
    assert by_words.recall < 0.5
    assert by_ngrams.recall > 0.8
    assert by_ngrams.precision > 0.8


def test_the_order_of_rows_decides_nothing(broken: pa.Table) -> None:
    order = pa.array(np.random.default_rng(SEED).permutation(broken.num_rows))
    one, other = (cluster_articles(rows, settings=OCR) for rows in (broken, broken.take(order)))
    assert one.clusters.equals(other.clusters)
    assert one.pairs.equals(other.pairs)


def test_an_explanation_reads_as_the_run_did(broken: pa.Table, tmp_path: Path) -> None:
    pq.write_table(broken, tmp_path / "broken.parquet")
    found = cluster_articles(tmp_path / "broken.parquet", tmp_path / "out", OCR)
    texts = dict(zip(broken["id"].to_pylist(), broken["text"].to_pylist(), strict=True))
    rows = [row for row in found.pairs.to_pylist() if row["relation"] == "copy"][:20]
    assert rows
    for row in rows:
        told = explain(tmp_path / "out", row["left_id"], row["right_id"])
        assert (told.notes, told.unit) == ((), f"{OCR.representation.gram}-grams")
        # A broken word is no figure.
        assert told.alone is not None
        assert told.alone.figures is None
        # Shared shingles of five tokens each; one that comes back in the text counts once.
        shared = sum(passage.words - 4 for passage in told.passages)
        assert shared >= row["shared_shingles"]
        assert all(passage.text in texts[row["left_id"]] for passage in told.passages)
