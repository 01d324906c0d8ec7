"""Second verb: signed articles to verified pairs.

Law: articles are put in the order of their ids before anything looks at them, so the order in which
they came decides nothing but which of two articles with one id is kept.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.numbering import number
from dedup.pipeline import evidence, furniture, language
from dedup.pipeline.evidence import published_or_never
from dedup.plan import Plan, plan
from dedup.ragged import Ragged
from dedup.schemas import CANDIDATES, FORMS, MATCHED, REJECTS, SCORED, SIGNED
from dedup.settings import Settings
from dedup.stages import candidates, shingle, sign, verify
from dedup.threads import ARTICLES, in_order, spans, together
from dedup.workspace import Workspace

_JACCARD = 0.7
"""Jaccard of an evenly edited copy is at least this share of its similarity."""


class Prepared(NamedTuple):
    """Distinct texts, and the articles that have them.

    Attributes
    ----------
    articles : pa.Table
        Signed articles in the order of their ids, each id once.
    rejects : pa.Table
        Rows whose id came before.
    numbers : ndarray of int64, shape (n_articles,)
        Number of each article's text.
    first : ndarray of int64, shape (n_texts,)
        First article that has each text.
    shingles : ndarray of int64, shape (n_texts,)
        Distinct shingles of each text, template included.
    template : pa.Table
        What was left out of them, as `schemas.TEMPLATE`.
    texts : evidence.Texts
    """

    articles: pa.Table
    rejects: pa.Table
    numbers: np.ndarray
    first: np.ndarray
    shingles: np.ndarray
    template: pa.Table
    texts: evidence.Texts


def prepare(signed: pa.Table, settings: Settings) -> Prepared:
    """Put signed articles in order, collapse equal texts, and take the template out of them."""
    articles, rejects = _unique_ids(signed)
    numbers, first = _distinct_texts(articles)
    names = articles["source"].combine_chunks().take(pa.array(first))
    places = articles["place"].to_numpy()[first]
    tokens = Ragged.gather(signed["tokens"], places)
    shingles = shingled(tokens, settings)
    kept, left_out = furniture.without_template(shingles, names, settings)
    sources = articles["source"].combine_chunks()
    texts = evidence.Texts(
        tokens,
        Ragged.gather(signed["quoted"], places),
        kept,
        evidence.first_hours(articles["published_at"], numbers),
        evidence.only_outlets(sources, numbers, sources, settings),
    )
    return Prepared(articles, rejects, numbers, first, shingles.lengths, left_out, texts)


def match(settings: Settings, work: Workspace) -> dict[str, Any]:
    """Find and verify the pairs of all signed shards; the tables lie in the workspace after.

    Returns
    -------
    dict
        Counts: ``articles``, ``distinct`` texts, ``candidates`` by generator, ``capped_buckets``,
        ``template_shingles``, ``shingles``.
    """
    started = time.perf_counter()
    ready = prepare(work.read_all("signed-", SIGNED), settings)
    articles, texts = ready.articles, ready.texts
    (given, body), (found, capped) = together(
        settings.threads,
        lambda: evidence.gathered(texts, settings),
        lambda: _candidates(texts.shingles, settings),
    )
    (kept, forms), terms = together(
        settings.threads,
        lambda: scored(given, found, settings),
        lambda: language.terms(texts.tokens.keep(body), settings),
    )
    distinct = evidence.to_table(given, kept, terms, ready.shingles)
    matched = articles.append_column(MATCHED.field("distinct"), pa.array(ready.numbers))
    tables = {
        "distinct": distinct,
        "matched": matched.select(MATCHED.names).cast(MATCHED),
        "rejects-duplicates": ready.rejects,
        "scored": kept,
        "forms": forms,
        "out-template": ready.template,
        "out-candidates": candidate_table(articles["article_id"], ready.numbers, found),
    }
    for name, table in tables.items():
        work.write_table(name, table)
    generators = found.generators
    return work.note(
        "matched",
        {
            "articles": articles.num_rows,
            "distinct": len(ready.first),
            "repeated_rows": ready.rejects.num_rows,
            "shingles": int(ready.shingles.sum()),
            "template_shingles": int(ready.shingles.sum()) - len(texts.shingles.values),
            "candidates": len(generators),
            "candidates_by_lsh": int((generators & candidates.LSH > 0).sum()),
            "candidates_by_sketch": int((generators & candidates.SKETCH > 0).sum()),
            "capped_buckets": capped,
            "seconds": round(time.perf_counter() - started, 3),
        },
    )


def _unique_ids(signed: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Articles in the order of their ids, each id once with its `place` in `signed`; and rejects.

    Of several rows with one id the first is kept.
    """
    flat = signed.drop_columns(["tokens", "quoted"]).combine_chunks()
    flat = flat.append_column("place", pa.array(np.arange(flat.num_rows)))
    flat = flat.sort_by([("article_id", "ascending"), ("place", "ascending")])
    ids = flat["article_id"].combine_chunks()
    again = np.zeros(len(ids), bool)
    again[1:] = pc.equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    articles, repeated = flat.filter(pa.array(~again)), flat.filter(pa.array(again))
    kept = articles.take(pa.array(np.cumsum(~again)[again] - 1))
    same_text = pc.equal(kept["text_hash"], repeated["text_hash"])
    detail = pc.binary_join_element_wise(
        "kept is row", kept["row"].cast(pa.string()), "of", kept["file"], " "
    )
    columns = {
        "row": repeated["row"],
        "article_id": repeated["article_id"],
        "reason": pc.if_else(same_text, "repeated_row", "duplicate_id"),
        "detail": detail,
        "file": repeated["file"],
    }
    return articles, pa.table(columns).cast(REJECTS)


def _distinct_texts(articles: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Number of each article's text, and the first article that has each text.

    Texts are numbered, and articles are first, in the order of publication: undated ones last, of
    equal times the text with the smaller hash, the article with the smaller id. A text without
    tokens (hash 0) is the same as no other.
    """
    hashes = articles["text_hash"].to_numpy()
    numbers, found = number(hashes)
    empty = hashes == 0
    numbers[empty] = found + np.arange(empty.sum())
    published = published_or_never(articles["published_at"])
    order = np.lexsort((hashes, published))  # equal ones stay in the order of their ids
    _, places, texts = np.unique(numbers[order], return_index=True, return_inverse=True)
    by_place = np.argsort(places)
    ranks = np.empty(len(places), np.int64)
    ranks[by_place] = np.arange(len(places))
    numbers[order] = ranks[texts]
    return numbers, order[places[by_place]]


def shingled(tokens: Ragged, settings: Settings) -> Ragged:
    """Sorted distinct shingle hashes (uint64) of each text."""
    pieces = in_order(
        lambda part: shingle.shingle_sets(tokens.part(part), settings.shingle_size),
        spans(len(tokens.lengths), ARTICLES),
        settings.threads,
    )
    return Ragged.joined(list(pieces), pa.uint64())


def banded(settings: Settings) -> Plan:
    """Bands and rows that keep the settings' promise."""
    floor = _JACCARD * settings.similarity_floor
    return plan(floor, settings.recall_at_floor, settings.num_perm)


def signed(shingles: Ragged, settings: Settings) -> np.ndarray:
    """Signatures: uint32, shape (n_texts, num_perm)."""
    pieces = in_order(
        lambda part: sign.sign(shingles.part(part), settings.num_perm, settings.seed),
        spans(len(shingles.lengths), ARTICLES),
        settings.threads,
    )
    return np.concatenate([np.empty((0, settings.num_perm), np.uint32), *pieces])


def _candidates(shingles: Ragged, settings: Settings) -> tuple[candidates.Candidates, int]:
    """Candidates of both generators, and the number of capped buckets."""
    banding, cap = banded(settings), settings.bucket_cap
    signatures = signed(shingles, settings)
    members = np.flatnonzero(shingles.lengths)
    bands = in_order(
        lambda band: candidates.band_pairs(
            signatures, members, range(band * banding.rows, (band + 1) * banding.rows), cap
        ),
        range(banding.bands),
        settings.threads,
    )
    scale = settings.representation.scale * settings.sketch_scale
    sketches = candidates.sketch(shingles, scale)
    by_sketch = candidates.sketch_pairs(sketches, settings.sketch_shared, cap)
    by_lsh = list(bands)
    capped = by_sketch.capped + sum(band.capped for band in by_lsh)
    return candidates.union(by_lsh, by_sketch), capped


def candidate_table(
    ids: pa.ChunkedArray, numbers: np.ndarray, found: candidates.Candidates
) -> pa.Table:
    """Candidates by the smallest ids of the articles that have the texts, as pairs are.

    Parameters
    ----------
    ids : ChunkedArray
        Of the articles, sorted.
    numbers : ndarray of int64, shape (n_articles,)
        Number of each article's text.
    found : candidates.Candidates
        Pairs of these texts.
    """
    ids = ids.combine_chunks()
    texts, places = np.unique(numbers, return_index=True)
    first = np.empty(numbers.max(initial=-1) + 1, np.int64)
    first[texts] = places
    tables = []
    for generator, bit in (("lsh", candidates.LSH), ("sketch", candidates.SKETCH)):
        chosen = (found.generators & bit) > 0
        # Positions follow the ids, and left is the smaller.
        pair = np.sort([first[found.left[chosen]], first[found.right[chosen]]], axis=0)
        named = pa.array([generator]).take(pa.array(np.zeros(pair.shape[1], np.int64)))
        columns = [ids.take(pa.array(pair[0])), ids.take(pa.array(pair[1])), named]
        tables.append(pa.Table.from_arrays(columns, schema=CANDIDATES))
    return pa.concat_tables(tables)


def scored(
    given: verify.Evidence, found: candidates.Candidates, settings: Settings
) -> tuple[pa.Table, pa.Table]:
    """Candidates similar enough to take part in clustering, and those that fill in one form."""
    scores = verify.score_all(
        given, found.left, found.right, settings.shared_floor, settings.threads
    )
    floor = settings.similarity_floor
    kept = scores.similarity >= np.float32(settings.representation.cohesion * floor)
    forms = verify.forms(scores, floor)
    ends = [pa.array(found.left[forms]), pa.array(found.right[forms])]
    columns = [
        pa.array(found.left[kept]),
        pa.array(found.right[kept]),
        pa.array(found.generators[kept]),
        pa.array(scores.similarity[kept]),
    ]
    return (
        pa.Table.from_arrays(columns, schema=SCORED),
        pa.Table.from_arrays(ends, schema=FORMS),
    )
