"""Page furniture is what a source repeats in so many stories, no fewer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dedup import Settings, cluster_articles

SEED = 20250108
FURNITURE = "subscribe to our newsletter " + " ".join(f"line{n}" for n in range(16))


def page(stories: int) -> pa.Table:
    """Articles of one outlet that share nothing but 20 words around them."""
    print(f"seed {SEED}")
    words = np.random.default_rng(SEED).integers(10**9, size=(stories, 80)).astype(str)
    texts = [" ".join([f"w{word}" for word in row]) + " " + FURNITURE for row in words]
    ids = [f"{n}" for n in range(stories)]
    return pa.table({"id": ids, "source": ["Harbour Post"] * stories, "text": texts})


@pytest.mark.parametrize("floor", [2, 3, 5])
def test_stories_decide(floor: int) -> None:
    settings = Settings(template_stories=floor)
    # 20 words are 16 shingles of five.
    for stories, expected in ((floor - 1, 0), (floor, 16)):
        found = cluster_articles(page(stories), settings=settings).clusters
        assert found["template_shingles"].to_pylist() == [expected] * stories
