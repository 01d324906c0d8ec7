"""Second verb: signed articles to verified pairs.

Law: articles are put in the order of their ids before anything looks at them, so the order in which
they came decides nothing but which of two articles with one id is kept.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.numbering import number
from dedup.plan import plan
from dedup.ragged import Ragged
from dedup.schemas import CANDIDATES, DISTINCT, MATCHED, REJECTS, SCORED, TEMPLATE
from dedup.settings import Settings
from dedup.stages import candidates, cluster, shingle, sign, template, verify
from dedup.threads import in_order, spans, together
from dedup.workspace import Workspace

_PAIRS, _ARTICLES = 20_000, 2_000
"""Pairs and articles of one unit of threaded work."""


def match(settings: Settings, work: Workspace) -> dict[str, Any]:
    """Find and verify the pairs of all signed shards; the tables lie in the workspace after.

    Returns
    -------
    dict
        Counts: ``articles``, ``distinct`` texts, ``candidates`` by generator, ``capped_buckets``,
        ``template_shingles``, ``shingles``.
    """
    started = time.perf_counter()
    signed = work.read_all("signed-")
    articles, rejects = _unique_ids(signed)
    numbers, first = _distinct_texts(articles["text_hash"].to_numpy())
    names = articles["source"].combine_chunks().take(pa.array(first))
    tokens = Ragged.gather(signed["tokens"], articles["place"].to_numpy()[first])
    shingles = _shingles(tokens, settings)
    kept, left_out = _template(shingles, _source_codes(names), names, settings)
    (words, weights), (found, capped) = together(
        settings.threads,
        lambda: _words(tokens, kept, settings),
        lambda: _candidates(kept, settings),
    )
    distinct = pa.Table.from_arrays(
        [
            kept.arrow(),
            pa.array((shingles.lengths - kept.lengths).astype(np.int32)),
            words.arrow(),
            words._replace(values=weights).arrow(),
        ],
        schema=DISTINCT,
    )
    scored, _ = together(
        settings.threads,
        lambda: _scored(verify.evidence(kept, words, weights), found, settings),
        lambda: work.write_table("distinct", distinct),
    )

    matched = articles.append_column(MATCHED.field("distinct"), pa.array(numbers))
    work.write_table("matched", matched.select(MATCHED.names).cast(MATCHED))
    work.write_table("rejects-duplicates", rejects)
    work.write_table("scored", scored)
    work.write_table("out-template", left_out)
    work.write_table("out-candidates", _candidate_table(articles["article_id"], first, found))
    generators = found.generators
    return work.note(
        "matched",
        {
            "articles": articles.num_rows,
            "distinct": len(first),
            "repeated_rows": rejects.num_rows,
            "shingles": len(shingles.values),
            "template_shingles": len(shingles.values) - len(kept.values),
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
    flat = signed.drop_columns(["tokens"]).combine_chunks()
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


def _distinct_texts(text_hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each article's text, and the first article that has each text.

    A text without tokens (hash 0) is the same as no other.
    """
    numbers, found = number(text_hashes)
    empty = text_hashes == 0
    numbers[empty] = found + np.arange(empty.sum())
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks[inverse], first[order]


def _source_codes(sources: pa.StringArray) -> np.ndarray:
    """A number per source, -1 where it is unknown."""
    codes = sources.dictionary_encode().indices.fill_null(-1)
    return codes.to_numpy(zero_copy_only=False).astype(np.int64)


def _shingles(tokens: Ragged, settings: Settings) -> Ragged:
    pieces = in_order(
        lambda part: shingle.shingle_sets(tokens.part(part), settings.shingle_size),
        spans(len(tokens.lengths), _ARTICLES),
        settings.threads,
    )
    return Ragged.joined(list(pieces), pa.uint64())


def _words(tokens: Ragged, kept: Ragged, settings: Settings) -> tuple[Ragged, np.ndarray]:
    """Words outside of template and their weights; an outlet's telephone is nobody's figure."""

    def words(part: slice) -> shingle.Words:
        body = shingle.without_template(tokens.part(part), kept.part(part), settings.shingle_size)
        return shingle.word_sets(body)

    pieces = list(in_order(words, spans(len(tokens.lengths), _ARTICLES), settings.threads))
    counts = [np.empty(0, np.uint32), *(piece.counts for piece in pieces)]
    sets = Ragged.joined([piece.sets for piece in pieces], pa.uint64())
    return sets, verify.weigh(sets, np.concatenate(counts))


def _template(
    shingles: Ragged, sources: np.ndarray, names: pa.StringArray, settings: Settings
) -> tuple[Ragged, pa.Table]:
    """Shingles without page furniture and common phrases, and the table of what was left out.

    Which articles are versions of one story has to be known to count stories, and what is template
    to tell versions: so first what an outlet repeats beyond any story goes, then versions are told
    by what is left, then stories are counted.
    """
    (by_source, beyond, stories), by_all = together(
        settings.threads,
        lambda: _stories(shingles, sources, settings),
        lambda: template.repeats(shingles, np.zeros_like(sources), settings.common_stories),
    )
    repeated = beyond | template.in_stories(by_source, stories, settings.template_stories)
    common = template.in_stories(by_all, stories, settings.common_stories)
    unnamed = pa.nulls(len(sources), pa.string())
    left_out = np.concatenate(
        [template.places(by_source, repeated), template.places(by_all, common)]
    )
    of_sources, of_all, kept = together(
        settings.threads,
        lambda: _template_table(shingles, by_source, repeated, names),
        lambda: _template_table(shingles, by_all, common, unnamed),
        lambda: shingles.without(left_out),
    )
    return kept, pa.concat_tables([of_sources, of_all])


def _template_table(
    shingles: Ragged, found: template.Repeats, chosen: np.ndarray, names: pa.StringArray
) -> pa.Table:
    counts = np.bincount(found.keys, minlength=found.n_keys)[chosen]
    first = np.empty(found.n_keys, np.int64)
    first[found.keys[::-1]] = found.positions[::-1]
    first = first[chosen]
    owners = np.searchsorted(shingles.offsets, first, side="right") - 1
    columns = [
        names.take(pa.array(owners)),
        pa.array(shingles.values[first]),
        pa.array(counts.astype(np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=TEMPLATE).sort_by(
        [("source", "ascending"), ("shingle", "ascending")]
    )


def _stories(
    shingles: Ragged, sources: np.ndarray, settings: Settings
) -> tuple[template.Repeats, np.ndarray, np.ndarray]:
    """What repeats within sources, which of it beyond any story, and the story of each article.

    Articles are of one story as far as they are close copies.
    """
    by_source = template.repeats(shingles, sources, settings.template_stories)
    each = np.arange(len(sources))
    beyond = template.in_stories(by_source, each, settings.template_articles)
    furniture = template.places(by_source, beyond)
    rest = candidates.sketch(shingles, settings.sketch_scale, furniture)
    left, right = candidates.close_pairs(rest, settings.version_floor, settings.bucket_cap)
    return by_source, beyond, cluster.components(len(sources), left, right)


def _candidates(shingles: Ragged, settings: Settings) -> tuple[candidates.Candidates, int]:
    """Candidates of both generators, and the number of capped buckets."""
    banding = plan(settings.similarity_floor, settings.recall_at_floor, settings.num_perm)
    cap = settings.bucket_cap
    n = len(shingles.offsets) - 1
    pieces = in_order(
        lambda part: sign.sign(shingles.part(part), settings.num_perm, settings.seed),
        spans(n, _ARTICLES),
        settings.threads,
    )
    empty = np.empty((0, settings.num_perm), np.uint32)
    signatures = np.concatenate([empty, *pieces])
    members = np.flatnonzero(shingles.lengths)
    bands = in_order(
        lambda band: candidates.band_pairs(
            signatures, members, range(band * banding.rows, (band + 1) * banding.rows), cap
        ),
        range(banding.bands),
        settings.threads,
    )
    sketches = candidates.sketch(shingles, settings.sketch_scale)
    by_sketch = candidates.sketch_pairs(sketches, settings.sketch_shared, cap)
    by_lsh = list(bands)
    capped = by_sketch.capped + sum(band.capped for band in by_lsh)
    return candidates.union(by_lsh, by_sketch), capped


def _candidate_table(
    ids: pa.ChunkedArray, first: np.ndarray, found: candidates.Candidates
) -> pa.Table:
    """Candidates by the ids of the first articles that have the texts."""
    names = ids.take(pa.array(first)).combine_chunks()
    tables = []
    for generator, bit in (("lsh", candidates.LSH), ("sketch", candidates.SKETCH)):
        chosen = (found.generators & bit) > 0
        left, right = (pa.array(end[chosen]) for end in (found.left, found.right))
        named = pa.array([generator]).take(pa.array(np.zeros(len(left), np.int64)))
        columns = [names.take(left), names.take(right), named]
        tables.append(pa.Table.from_arrays(columns, schema=CANDIDATES))
    return pa.concat_tables(tables)


def _scored(given: verify.Evidence, found: candidates.Candidates, settings: Settings) -> pa.Table:
    """Candidates similar enough to take part in clustering."""
    pieces = in_order(
        lambda part: (
            verify.score(
                given, found.left[part], found.right[part], settings.shared_floor
            ).similarity
        ),
        spans(len(found.left), _PAIRS),
        settings.threads,
    )
    similarity = np.concatenate([np.empty(0, np.float32), *pieces])
    kept = similarity >= np.float32(cluster.COHESION * settings.similarity_floor)
    return pa.Table.from_arrays(
        [
            pa.array(found.left[kept]),
            pa.array(found.right[kept]),
            pa.array(found.generators[kept]),
            pa.array(similarity[kept]),
        ],
        schema=SCORED,
    )
