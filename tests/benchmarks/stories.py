"""Stories beside plain TF-IDF cosine, on every set below a folder that tells stories.

    python tests/benchmarks/stories.py DATA_DIR

Ours: `dedup.cluster_articles` with default settings. Theirs: scikit-learn's TfidfVectorizer over
words and word pairs of the texts, pairs of articles at a cosine of at least a threshold, joined by
components or by average linkage; plain, and with logarithmic counts and English stop words. Each of
theirs at the threshold that is best for the set, which nobody knows who has no truth: ours has one
for all. Prints B-cubed F1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from gate.sets import Gold, LabelledSet, find
from rich.console import Console
from rich.table import Table
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.feature_extraction.text import TfidfVectorizer

from dedup import cluster_articles
from dedup.errors import DedupError
from dedup.evaluate import evaluate

THRESHOLDS = np.arange(0.02, 0.8, 0.01)
METHODS = {"components": "single", "average linkage": "average"}
VECTORS = {
    "plain": {},
    "sublinear": {"sublinear_tf": True},
    "sublinear, stop words": {"sublinear_tf": True, "stop_words": "english"},
}
# All pairs are compared, so a set has to be small.
MOST_ARTICLES = 6_000


def baselines(articles: pa.Table, gold: Gold) -> dict[str, tuple[float, float]]:
    """Best B-cubed F1 of each baseline, and the threshold that gives it."""
    known = articles.filter(pa.compute.is_in(articles["id"], value_set=gold.truth.ids))
    texts = [text or "" for text in known["text"].to_pylist()]
    found = {}
    for name, options in VECTORS.items():
        vectors = TfidfVectorizer(ngram_range=(1, 2), **options).fit_transform(texts)
        cosine = np.clip((vectors @ vectors.T).toarray(), 0, 1)
        distances = 1 - cosine[np.triu_indices(len(texts), 1)]
        for method, how in METHODS.items():
            tree = linkage(distances, how)
            scores = {
                float(at): b_cubed(known["id"], fcluster(tree, 1 - at, "distance"), gold)
                for at in THRESHOLDS
            }
            best = max(scores, key=lambda at: scores[at])
            found[f"{name}, {method}"] = (scores[best], best)
    return found


def b_cubed(ids: pa.ChunkedArray, groups: np.ndarray, gold: Gold) -> float:
    """B-cubed F1 of groups of articles, by number."""
    names = pa.array(groups).cast(pa.string())
    table = pa.table({"article_id": ids.cast(pa.string()), "story_id": names})
    found = evaluate(table, gold.truth, "story_id").bcubed
    assert found is not None
    return found.f1


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; 0, or 2 and a line when a set cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_dir", type=Path, metavar="DATA_DIR")
    try:
        sets = find(parser.parse_args(arguments).data_dir, {})
    except DedupError as error:
        print(error, file=sys.stderr)
        return 2
    for chosen in sets:
        for gold in chosen.golds:
            if gold.column == "story_id":
                Console().print(compared(chosen, gold))
    return 0


def compared(chosen: LabelledSet, gold: Gold) -> Table:
    """Ours and theirs on one truth, as a table."""
    table = Table("stories by", "threshold", "B-cubed F1", title=f"{chosen.name}/{gold.name}")
    ours = evaluate(cluster_articles(chosen.articles).clusters, gold.truth, "story_id").bcubed
    assert ours is not None
    table.add_row("dedup, defaults", "", f"{ours.f1:.3f}")
    articles = pq.read_table(chosen.articles, columns=["id", "text"])
    if articles.num_rows > MOST_ARTICLES:
        table.caption = f"no baseline: more than {MOST_ARTICLES:,} articles"
        return table
    for name, (score, at) in baselines(articles, gold).items():
        table.add_row(f"TF-IDF {name}", f"{at:.2f}", f"{score:.3f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
