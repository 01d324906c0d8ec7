"""Where the language says how rare words are, two articles have their scores whoever else comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dedup import Result, Settings, cluster_articles
from dedup.synth import synthesise

SEED = 20250502
ARTICLES, OTHERS = 300, 200


@pytest.fixture(scope="module")
def news() -> pa.Table:
    print(f"seed {SEED}")
    return synthesise(ARTICLES, SEED)[0].select(["id", "text", "source"])


@pytest.fixture(scope="module")
def others(news: pa.Table) -> pa.Table:
    """The same words in any order: nobody's template or copies, but words are commoner for it."""
    words = sorted(
        {word for text in news["text"].to_pylist() for word in text.split() if word.isascii()}
    )
    drawn = np.random.default_rng(SEED).choice(words, (OTHERS, 200))
    names = [f"other {n}" for n in range(OTHERS)]
    texts = [" ".join(row) for row in drawn]
    return pa.table({"id": names, "text": texts, "source": names}).cast(news.schema)


def scores(found: Result) -> dict[tuple[str, str], dict[str, Any]]:
    rows = found.pairs.drop_columns("cluster_id").to_pylist()
    return {(row["left_id"], row["right_id"]): row for row in rows}


@pytest.mark.parametrize("floor", [0.1, Settings().similarity_floor])
def test_other_articles_change_no_score(news: pa.Table, others: pa.Table, floor: float) -> None:
    chosen = Settings(rarity="language", similarity_floor=floor, num_perm=256)
    alone, among = (
        scores(cluster_articles(table, settings=chosen))
        for table in (news, pa.concat_tables([others, news]))
    )
    assert len(alone) > 100
    known = {*news["id"].to_pylist()}
    assert {ids: row for ids, row in among.items() if known.issuperset(ids)} == alone


def test_where_the_corpus_says_it_they_do(news: pa.Table, others: pa.Table) -> None:
    """Or the law above would hold for nothing."""
    alone, among = (
        scores(cluster_articles(table)) for table in (news, pa.concat_tables([others, news]))
    )
    both = alone.keys() & among.keys()
    assert sum(alone[ids]["held"] != among[ids]["held"] for ids in both) > 20
