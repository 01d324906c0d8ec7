"""A higher floor only splits clusters, whole runs included; a chain is not a cluster."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest

from dedup import Result, Settings, cluster_articles
from dedup.synth import synthesise

SEED = 20250107
FLOORS = [0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95, 1.0]


@pytest.fixture(scope="module")
def runs() -> dict[float, Result]:
    print(f"seed {SEED}")
    news = synthesise(400, SEED)[0]
    return {
        floor: cluster_articles(news, settings=Settings(similarity_floor=floor, num_perm=256))
        for floor in FLOORS
    }


def clusters(found: Result) -> dict[str, str]:
    ids = found.clusters
    return dict(zip(ids["article_id"].to_pylist(), ids["cluster_id"].to_pylist(), strict=True))


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(FLOORS)))
def test_a_higher_floor_only_splits(runs: dict[float, Result], lower: float, higher: float) -> None:
    coarse, fine = clusters(runs[lower]), clusters(runs[higher])
    wholes: dict[str, set[str]] = {}
    for article, cluster in fine.items():
        wholes.setdefault(cluster, set()).add(coarse[article])
    assert {cluster: whole for cluster, whole in wholes.items() if len(whole) > 1} == {}


def test_floors_make_a_difference(runs: dict[float, Result]) -> None:
    numbers = [len(set(clusters(runs[floor]).values())) for floor in FLOORS]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > len(FLOORS) // 2


def test_pairs_do_not_depend_on_the_floor_but_by_it(runs: dict[float, Result]) -> None:
    """A pair kept at a higher floor is kept at a lower one, with the same scores."""

    def scores(found: Result) -> dict[tuple[str, str], tuple[float, ...]]:
        names = ["jaccard", "containment_left", "containment_right", "cosine", "shared_shingles"]
        return {
            (row["left_id"], row["right_id"]): tuple(row[name] for name in names)
            for row in found.pairs.to_pylist()
        }

    for lower, higher in pairwise(FLOORS):
        assert scores(runs[higher]).items() <= scores(runs[lower]).items()


def test_a_chain_is_not_a_cluster() -> None:
    """Each shares half of its words with the next; the ends share nothing."""
    words = [f"w{n}" for n in range(300)]
    chain = pa.table(
        {
            "id": [f"{n:02}" for n in range(9)],
            "text": [" ".join(words[n * 30 : n * 30 + 60]) for n in range(9)],
        }
    )
    found = cluster_articles(chain)
    assert found.pairs.num_rows == 8
    assert found.summary.num_rows > 1
    assert max(found.summary["size"].to_pylist()) < 6
    pairs = found.pairs.to_pylist()
    assert any(pair["cluster_id"] is None for pair in pairs)
