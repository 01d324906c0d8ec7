"""Fifth and sixth verb: candidate pairs, and their scores.

Law: a candidate is looked for among all texts, and scored on its two texts alone; so both go in
parts, in any order, anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.numbering import counted, inverse
from dedup.pipeline import exchange
from dedup.pipeline.bodies import Bodies
from dedup.pipeline.sign import sketch_scale
from dedup.pipeline.sketch import Tally, banded, summed
from dedup.ragged import Ragged, Stored
from dedup.schemas import (
    CANDIDATES,
    FORMS,
    PROPOSED,
    SCORED,
    SCORES,
    SKETCHED,
    SKETCHES,
    TALLY,
    WORDS,
)
from dedup.settings import Settings
from dedup.stages import candidates, shingle, sign, verify
from dedup.threads import ARTICLES, in_order, spans
from dedup.workspace import Workspace

_BANDED = 1_000_000
"""Texts for each unit of bands; a unit works on all texts, a band at a time."""

_UNIT = 4_000_000
"""Candidate pairs of one unit of mapped work; a unit opens the tables of all texts."""


def proposals(settings: Settings, work: Workspace) -> int:
    """Units that candidates are looked for in: one for the sketches, the others for the bands."""
    texts = work.read("texts").num_rows
    return 1 + min(1 + texts // _BANDED, banded(settings).bands)


def propose(settings: Settings, work: Workspace, number: int, of: int) -> dict[str, Any]:
    """Look for candidates by sketches, or in some bands: one of so many units."""
    sketched = work.read_all("sketched-", SKETCHED)
    if number == 0:
        pairs, capped = _by_sketch(work, sketched, settings)
    else:
        bands = range(number - 1, banded(settings).bands if sketched.num_rows else 0, of - 1)
        pairs, capped = _by_bands(work, bands, sketched, settings)
    work.write_table(f"shared-{number:06}", exchange.to_table(pairs))
    return {"capped_buckets": capped}


def _by_sketch(
    work: Workspace, sketched: pa.Table, settings: Settings
) -> tuple[exchange.Pairs, int]:
    """Pairs that share enough sketch hashes, and the number of capped buckets."""
    rows = inverse(sketched["text"].to_numpy())
    sketches = work.read_all("own-sketches-", SKETCHES)["sketch"]
    index = exchange.indexed(work, Stored(sketches), rows, settings)
    expected = sketched["shingles_counted"].to_numpy()[rows] / sketch_scale(settings)

    def worthy(part: slice) -> tuple[np.ndarray, np.ndarray]:
        keys, counts = candidates.met(index, part, settings.sketch_shared)
        kept = candidates.worthy(keys, counts, expected)
        return keys[kept], counts[kept]

    found = in_order(worthy, spans(len(rows), exchange.TEXTS), settings.threads)
    none = np.empty(0, np.uint64), np.empty(0, np.int32)
    keys, counts = (np.concatenate(column) for column in zip(none, *found, strict=True))
    order = np.argsort(keys)
    keys, counts = keys[order], counts[order]
    return exchange.Pairs(keys, counts, np.zeros(len(keys), np.int32)), index.capped


def _by_bands(
    work: Workspace, bands: range, sketched: pa.Table, settings: Settings
) -> tuple[exchange.Pairs, int]:
    """Pairs with equal keys in some of the bands, and the number of capped buckets."""
    tables, texts = work.read_each("bands-"), sketched["text"].to_numpy()
    # A text without shingles has no signature to speak of.
    members = np.flatnonzero(sketched["shingles_counted"].to_numpy())
    texts, rows = texts[members], inverse(texts[members])
    none = np.empty(0, np.uint64)

    def of_band(band: int) -> candidates.Proposals:
        chunks = (table[f"band-{band}"].chunks for table in tables)
        keys = np.concatenate([none, *(chunk.to_numpy() for chunk in chain(*chunks))])
        return candidates.band_pairs(keys[members], texts, rows, settings.bucket_cap)

    found = list(in_order(of_band, bands, settings.threads))
    keys = np.concatenate([none, *(band.keys for band in found)])
    keys, counts = counted(keys)
    pairs = exchange.Pairs(keys, np.zeros(len(keys), np.int64), counts)
    return pairs, sum(band.capped for band in found)


def collect(settings: Settings, work: Workspace) -> dict[str, Any]:
    """Put together what the parts proposed, and how many texts have each word."""
    found = {"candidates": 0, "candidates_by_lsh": 0, "candidates_by_sketch": 0}
    tables = work.read_each("shared-")

    def proposed() -> Iterator[pa.RecordBatch]:
        for pairs in exchange.summed(tables):
            generators = candidates.LSH * (pairs.bands > 0).astype(np.uint8)
            generators |= candidates.SKETCH * (pairs.hashes > 0)
            found["candidates"] += len(generators)
            for name, bit in _GENERATORS.items():
                found[f"candidates_by_{name}"] += int((generators & bit > 0).sum())
            columns = [pa.array(pairs.keys), pa.array(generators)]
            yield pa.RecordBatch.from_arrays(columns, schema=PROPOSED)
            work.release()

    work.write("proposed", PROPOSED, proposed())
    work.write_table("rarity", _frequent(work, "words-", settings.threads))
    work.write_table("vocabulary", _frequent(work, "terms-", settings.threads))
    matched = work.read("matched")
    ids, first = matched["article_id"].combine_chunks(), first_articles(matched["distinct"])
    named = (
        candidate_table(ids, first, _candidates(batch))
        for batch in work.read("proposed").to_batches()
    )
    work.write("out-candidates", CANDIDATES, named)
    return found


_GENERATORS = {"lsh": candidates.LSH, "sketch": candidates.SKETCH}


def _candidates(rows: pa.Table | pa.RecordBatch) -> candidates.Candidates:
    left, right = candidates.ends(rows["key"].to_numpy())
    return candidates.Candidates(left, right, rows["generators"].to_numpy())


def _frequent(work: Workspace, prefix: str, threads: int) -> pa.Table:
    """Words of these tables that two or more texts have, and how many do, as `schemas.WORDS`."""
    tallies = [
        Tally(*(table[name].to_numpy() for name in TALLY.names)) for table in work.read_each(prefix)
    ]
    words, texts = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)]
    for found in summed(tallies, threads):
        work.release()
        words.append(found.words[found.texts > 1])
        texts.append(found.texts[found.texts > 1])
    hashes = shingle.unpacked(np.concatenate(words))
    order = np.argsort(hashes)
    columns = [pa.array(hashes[order]), pa.array(np.concatenate(texts)[order].astype(np.int64))]
    return pa.Table.from_arrays(columns, schema=WORDS)


def units(work: Workspace) -> int:
    """Parts that candidates are scored in."""
    return -(-work.read("proposed").num_rows // _UNIT) or 1


def score(settings: Settings, work: Workspace, number: int) -> dict[str, Any]:
    """Score one part of the candidates: what may be clustered, and what fills in one form."""
    part = work.read("proposed").slice(number * _UNIT, _UNIT)
    found, bodies = _candidates(part), Bodies(work, settings)
    part = part.filter(pa.array(bodies.may_be_related(found.left, found.right)))
    found = _candidates(part)
    scores = bodies.score(found.left, found.right)
    kept, forms = sifted(scores, found, settings)
    work.write_table(f"scored-{number:06}", kept)
    work.write_table(f"scores-{number:06}", _verified(part, scores, settings))
    work.write_table(f"forms-{number:06}", forms)
    return {}


def _verified(part: pa.Table, scores: verify.Scores, settings: Settings) -> pa.Table:
    """All scores of the candidates that may be clustered, as `schemas.SCORES`."""
    kept = _may_cluster(scores, settings)
    columns = [part["key"].to_numpy()[kept], *(column[kept] for column in scores)]
    return pa.Table.from_arrays([*map(pa.array, columns)], schema=SCORES)


def _may_cluster(scores: verify.Scores, settings: Settings) -> np.ndarray:
    """Which pairs are similar enough to take part in clustering: bool, shape (n_pairs,)."""
    least = settings.representation.cohesion * settings.similarity_floor
    mask: np.ndarray = scores.similarity >= np.float32(least)
    return mask


def first_articles(numbers: pa.ChunkedArray) -> np.ndarray:
    """First article, by position, of each text by number: int64.

    Parameters
    ----------
    numbers : ChunkedArray of int64, shape (n_articles,)
        Number of each article's text.
    """
    texts = numbers.to_numpy()
    first = np.full(texts.max(initial=-1) + 1, -1)
    first[texts[::-1]] = np.arange(len(texts))[::-1]
    return first


def candidate_table(
    ids: pa.Array, first: np.ndarray, found: candidates.Candidates
) -> pa.RecordBatch:
    """Candidates by the smallest ids of the articles that have the texts, as pairs are.

    Parameters
    ----------
    ids : Array
        Of the articles, sorted.
    first : ndarray of int64
        As of :func:`first_articles`.
    found : candidates.Candidates
        Pairs of these texts.
    """
    # Positions follow the ids, and left is the smaller.
    pair = np.sort([first[found.left], first[found.right]], axis=0)
    generators = np.array([list(_GENERATORS.values())]) & found.generators[:, None] > 0
    of_pair, generator = np.nonzero(generators)
    names = pa.array(_GENERATORS).take(pa.array(generator))
    columns = [ids.take(pa.array(end[of_pair])) for end in pair]
    return pa.RecordBatch.from_arrays([*columns, names], schema=CANDIDATES)


def shingled(tokens: Ragged, settings: Settings) -> Ragged:
    """Sorted distinct shingle hashes (uint64) of each text."""
    pieces = in_order(
        lambda part: shingle.shingle_sets(tokens.part(part), settings.shingle_size),
        spans(len(tokens.lengths), ARTICLES),
        settings.threads,
    )
    return Ragged.joined(list(pieces), pa.uint64())


def signed(shingles: Ragged, settings: Settings) -> np.ndarray:
    """Signatures: uint32, shape (n_texts, num_perm)."""
    pieces = in_order(
        lambda part: sign.sign(shingles.part(part), settings.num_perm, settings.seed),
        spans(len(shingles.lengths), ARTICLES),
        settings.threads,
    )
    return np.concatenate([np.empty((0, settings.num_perm), np.uint32), *pieces])


def sifted(
    scores: verify.Scores, found: candidates.Candidates, settings: Settings
) -> tuple[pa.Table, pa.Table]:
    """Candidates similar enough to take part in clustering, and those that fill in one form."""
    kept = _may_cluster(scores, settings)
    forms = verify.forms(scores, settings.similarity_floor)
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
