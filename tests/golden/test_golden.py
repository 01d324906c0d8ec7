"""Twelve articles written by hand, and what a reader says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup import Result, cluster_articles

ARTICLES = Path(__file__).with_name("articles.jsonl")

# Article, its cluster's lead, its relation to the lead, and the agency it credits.
EXPECTED = [
    ("wire", "wire", "lead", "Reuters"),
    ("identical", "wire", "identical", None),  # in capitals, tags and escapes, without credits
    ("copy", "wire", "copy", "Reuters"),  # a local paragraph in, the last one out
    ("excerpt", "wire", "excerpt", "Reuters"),  # one paragraph
    ("rewrite", "wire", "rewrite", None),  # other words, the same quotes and figures
    ("independent", "independent", "single", None),  # the same event, nothing in common
    ("monday", "monday", "single", None),  # bulletins of one form with other figures
    ("friday", "friday", "single", None),
    ("parks", "parks", "single", "AP"),
    ("kangaroo", "kangaroo", "lead", "dpa"),
    ("kangaroo-copy", "kangaroo", "copy", "dpa"),
    ("flash", "flash", "single", None),
]


@pytest.fixture(scope="module")
def found() -> Result:
    return cluster_articles(ARTICLES)


@pytest.mark.parametrize(("article", "lead", "relation", "agency"), EXPECTED)
def test_each_article(
    found: Result, article: str, lead: str, relation: str, agency: str | None
) -> None:
    (row,) = (row for row in found.clusters.to_pylist() if row["article_id"] == article)
    assert (row["lead_id"], row["relation"], row["agency"]) == (lead, relation, agency)


def test_the_scores(found: Result) -> None:
    """Counted by hand: shingles of five tokens, datelines and credits left out."""
    rows = {row["article_id"]: row for row in found.clusters.to_pylist()}
    excerpt, wire = rows["excerpt"], rows["wire"]
    assert (excerpt["containment"], excerpt["shingles"]) == (1, 40 - 4)
    assert excerpt["lead_containment"] == pytest.approx(excerpt["shingles"] / wire["shingles"])
    assert excerpt["jaccard"] == pytest.approx(excerpt["lead_containment"])
    assert rows["flash"]["shingles"] == 6 - 4
    assert rows["rewrite"]["jaccard"] < 0.2


def test_the_summary(found: Result) -> None:
    bridge, kangaroo = sorted(found.summary.to_pylist(), key=lambda row: -row["size"])
    assert (bridge["cluster_id"], bridge["size"], bridge["sources"]) == ("wire", 5, 5)
    assert bridge["lead_source"] == "Sallow Courier"
    assert bridge["agency"] == "Reuters"
    assert bridge["first_published_at"].isoformat() == "2024-11-12T09:00:00+00:00"
    assert bridge["last_published_at"].isoformat() == "2024-11-13T06:00:00+00:00"
    assert (kangaroo["size"], kangaroo["agency"]) == (2, "dpa")
    assert found.rejects.num_rows == 0
