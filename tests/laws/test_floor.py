"""A higher floor only splits clusters, whole runs included; a chain is not a cluster."""

from __future__ import annotations

from itertools import combinations, pairwise
from statistics import mean

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


def test_clusters_cohere(runs: dict[float, Result]) -> None:
    """The mean similarity within a cluster reaches a share of the floor, as at each of its joins.

    A group that components of pairs at the floor part again might fall below; here none does.
    """
    least = FLOORS[0]
    cohesion, known, again = Settings().representation.cohesion, {}, set()
    for row in runs[least].pairs.to_pylist():
        known[row["left_id"], row["right_id"]] = row["similarity"]
        if row["relation"] == "identical":
            again.add(row["right_id"])
    checked = 0
    for floor in FLOORS[1:]:
        members: dict[str, list[str]] = {}
        for article, cluster in sorted(clusters(runs[floor]).items()):
            if article not in again:  # one text counts once
                members.setdefault(cluster, []).append(article)
        for group in members.values():
            # At most: what is no pair at the lowest floor lies below it.
            similarity = [known.get(pair, least) for pair in combinations(group, 2)]
            assert not similarity or mean(similarity) >= cohesion * floor - 1e-6
            checked += len(similarity) > 1
    assert checked > 50


@pytest.mark.parametrize(("overlap", "floor"), [(30, 0.2), (40, 0.4), (48, 0.6)])
def test_a_chain_is_not_a_cluster(overlap: int, floor: float) -> None:
    """Each shares words with the next, just enough; the ends share nothing."""
    # Without digits: figures would speak against what they do not agree on.
    words = [f"w{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmno"]
    step = 60 - overlap
    chain = pa.table(
        {
            "id": [f"{n:02}" for n in range(9)],
            "text": [" ".join(words[n * step : n * step + 60]) for n in range(9)],
        }
    )
    found = cluster_articles(chain, settings=Settings(similarity_floor=floor))
    pairs = found.pairs.to_pylist()
    assert {(f"{n:02}", f"{n + 1:02}") for n in range(8)} <= {
        (pair["left_id"], pair["right_id"]) for pair in pairs
    }
    assert found.summary.num_rows > 1
    assert max(found.summary["size"].to_pylist()) < 6
    assert any(pair["cluster_id"] is None for pair in pairs)


def test_chains_side_by_side_are_cut_as_one_is() -> None:
    """Articles of several components come by turns, so that their pairs do as well."""
    words = [f"w{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmno"]
    chains = [[f"{word}{name}" for word in words] for name in "xyz"]
    turns = [(n, chain) for n in range(9) for chain in range(3)]
    table = pa.table(
        {
            "id": [f"{n:02}-{chain}" for n, chain in turns],
            "text": [" ".join(chains[chain][n * 20 : n * 20 + 60]) for n, chain in turns],
            # Pairs are equally alike, and then the order of publication decides.
            "published_at": [f"2024-05-01T{n:02}:00:00Z" for n, _ in turns],
        }
    )
    found = clusters(cluster_articles(table, settings=Settings(similarity_floor=0.4)))
    of_each = [
        {article[:2]: cluster[:2] for article, cluster in found.items() if article.endswith(name)}
        for name in ("-0", "-1", "-2")
    ]
    assert of_each[0] == of_each[1] == of_each[2]
    assert 1 < len({*of_each[0].values()}) < 9
