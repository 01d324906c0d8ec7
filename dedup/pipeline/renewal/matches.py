"""Verified pairs, brought up to date: those of texts that are new or not what they were.

Law: a pair's scores depend on its two texts and their template alone, so a pair of which neither
changed is as it was; and all pairs of a text that changed are looked for anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.numbering import counted, rising
from dedup.pipeline import evidence, language
from dedup.pipeline.match import sifted, signed
from dedup.pipeline.renewal.furniture import Templates, order, orders, sets
from dedup.pipeline.renewal.memory import Memory
from dedup.pipeline.sign import sketch_scale
from dedup.pipeline.sketch import banded
from dedup.ragged import Ragged
from dedup.schemas import EDITIONS, SCORED, TEXTS
from dedup.settings import Settings
from dedup.stages import buckets, candidates, shingle, verify
from dedup.state import postings

INDEXES = {"sketches": candidates.SKETCH, "bands": candidates.LSH}
"""Indexes over editions, and the generator that each serves."""


class Matched(NamedTuple):
    """What a run looked at.

    Attributes
    ----------
    found : candidates.Candidates
        Candidate pairs of texts by number, the left one published first.
    texts : ndarray of bool, by number
        Texts with pairs that may have come or gone.
    """

    found: candidates.Candidates
    texts: np.ndarray


def renew_matches(
    memory: Memory, before: pa.Table, templates: Templates, settings: Settings
) -> Matched:
    """Bring editions and pairs in memory up to date.

    Parameters
    ----------
    memory : Memory
        Its texts are those after the run.
    before : pa.Table
        The texts before it.
    templates : Templates
        Of the texts that are new or have another template.
    settings : Settings
    """
    gone = _gone(before, memory.tables["texts"], templates.texts)
    _renew_editions(memory, templates, settings)
    changed = np.zeros(memory.tables["texts"].num_rows, bool)
    changed[templates.texts] = True
    found, looked_at = _candidates(memory, before, (changed, gone), settings)
    looked_at[gone] = True
    ends = found.left, found.right
    texts, local = np.unique(np.concatenate(ends), return_inverse=True)
    table = memory.tables["texts"]
    by_rank = np.argsort(order(table, table.num_rows).ranks[texts])
    places = np.empty(len(texts), np.int64)
    places[by_rank] = np.arange(len(texts))
    left, right = places[local].reshape(2, -1)
    texts = texts[by_rank]
    local_pairs = found._replace(left=left, right=right)
    scores = evidence.scored(given(memory, texts, settings), left, right, settings)
    pairs, _ = sifted(scores, local_pairs, settings)
    affected = _partners(memory.tables["scored"], looked_at)
    memory.tables["scored"] = _renewed(memory.tables["scored"], looked_at, pairs, texts)
    return Matched(found, affected)


def given(memory: Memory, texts: np.ndarray, settings: Settings) -> verify.Evidence:
    """Evidence of texts in memory, in the given order."""
    tokens = memory.gather("bodies", "tokens", texts)
    template = memory.gather("editions", "template", memory.texts("edition")[texts])
    published = memory.texts("published")[texts]
    known = published < np.iinfo(np.int64).max
    return evidence.gathered(
        evidence.Texts(
            tokens,
            memory.gather("bodies", "quoted", texts),
            shingle.laid_out(tokens, template, settings.shingle_size),
            np.where(known, published / 3.6e9, np.nan),
            memory.texts("outlet")[texts],
        ),
        language.rarity,
        settings,
    )


def _gone(before: pa.Table, after: pa.Table, changed: np.ndarray) -> np.ndarray:
    """Texts that had an edition before and have it no longer."""
    old, new = orders(before, after)
    dying = old.alive & ~new.alive
    dying[changed] = old.alive[changed]
    return np.flatnonzero(dying)


def _renew_editions(memory: Memory, templates: Templates, settings: Settings) -> None:
    """Make new editions of the texts, and enter them into the indexes."""
    texts, numbers = templates.texts, memory.rows("editions") + np.arange(len(templates.texts))
    shingles = sets(memory, texts, settings)
    kept = shingles.minus(templates.shingles)
    columns = {
        "text": pa.array(texts),
        "template": templates.shingles.arrow(),
        "shingles_counted": pa.array(kept.lengths.astype(np.int32)),
        "template_shingles": pa.array((shingles.lengths - kept.lengths).astype(np.int32)),
    }
    rows = pa.table({name: columns[name] for name in EDITIONS.names}).cast(EDITIONS)
    memory.add("editions", rows)
    for index in INDEXES:
        keys = _keys(index, kept, settings)
        memory.add(index, postings.segment(keys, numbers, settings.threads))
    editions = memory.texts("edition").copy()
    editions[texts] = numbers
    place = TEXTS.get_field_index("edition")
    table = memory.tables["texts"]
    memory.tables["texts"] = table.set_column(place, TEXTS.field(place), pa.array(editions))


def _keys(index: str, kept: Ragged, settings: Settings) -> Ragged:
    """What texts are entered under, by their shingles that are not template."""
    if index == "sketches":
        return candidates.sketch(kept, sketch_scale(settings))
    banding = banded(settings)
    named = np.flatnonzero(kept.lengths)
    keys = candidates.band_keys(signed(kept, settings)[named], banding.rows, banding.bands)
    offsets = np.concatenate([[0], np.cumsum(banding.bands * (kept.lengths > 0))])
    return Ragged(keys.T.ravel(), offsets)


def _keys_of(
    memory: Memory, texts: np.ndarray, editions: np.ndarray, settings: Settings
) -> dict[str, np.ndarray]:
    """What editions of the texts are entered under in each index: sorted, distinct."""
    kept = sets(memory, texts, settings).minus(memory.gather("editions", "template", editions))
    return {index: rising(_keys(index, kept, settings).values) for index in INDEXES}


def _candidates(
    memory: Memory, before: pa.Table, changes: tuple[np.ndarray, np.ndarray], settings: Settings
) -> tuple[candidates.Candidates, np.ndarray]:
    """Candidate pairs of the changed texts, and of those whose place in a bucket changed."""
    changed, gone = changes
    both = _by_edition(memory, before)
    texts = memory.values("editions", "text")
    old_editions = np.append(before["edition"].to_numpy(), np.full(len(changed), -1))
    keys = _keys_of(memory, gone, old_editions[gone], settings)
    alive = both[0].alive | both[1].alive
    met: dict[str, Ragged] = {}
    looked_at, sought = changed.copy(), np.flatnonzero(changed)
    while len(sought) or not met:
        found = np.zeros(len(changed), bool)
        mine = _keys_of(memory, sought, memory.texts("edition")[sought], settings)
        for index in INDEXES:
            keys[index] = rising(np.concatenate([keys[index], mine[index]]))
            met[index] = memory.holders(index, keys[index], alive, settings.threads)
            moved = buckets.displaced(met[index], *both, settings.bucket_cap)
            found[texts[moved & both[1].alive]] = True
        sought = np.flatnonzero(found & ~looked_at)
        looked_at |= found
    return _proposed(memory, met, both[1], looked_at, settings), looked_at


def _by_edition(memory: Memory, before: pa.Table) -> tuple[buckets.Order, buckets.Order]:
    """Editions in the order of their texts, before and after the run."""
    after = memory.tables["texts"]
    texts, result = memory.values("editions", "text"), []
    for table, placed in zip((before, after), orders(before, after), strict=True):
        alive = np.zeros(len(texts), bool)
        current = table["edition"].to_numpy()[placed.alive[: table.num_rows]]
        alive[current[current >= 0]] = True
        result.append(buckets.Order(alive, placed.ranks[texts]))
    return result[0], result[1]


def _proposed(
    memory: Memory,
    met: dict[str, Ragged],
    order: buckets.Order,
    looked_at: np.ndarray,
    settings: Settings,
) -> candidates.Candidates:
    texts, days = memory.values("editions", "text"), memory.texts("day")
    chosen = looked_at[texts] & order.alive
    sizes = memory.values("editions", "shingles_counted") / sketch_scale(settings)
    packed: dict[np.uint8, np.ndarray] = {}
    for index, members in met.items():
        keys, counts = counted(buckets.proposals(members, order, chosen, settings.bucket_cap))
        enough = np.ones(len(keys), bool)
        if index == "sketches":
            enough = candidates.worthy(keys, counts, sizes) & (counts >= settings.sketch_shared)
        left, right = (texts[end] for end in candidates.ends(keys[enough]))
        near = np.abs(days[left] - days[right]) <= settings.window_days
        packed[INDEXES[index]] = candidates.pack(left[near], right[near])
    return candidates.of_generators(packed)


def _partners(scored: pa.Table, looked_at: np.ndarray) -> np.ndarray:
    """Texts looked at, and those that they were paired with."""
    left, right = scored["left"].to_numpy(), scored["right"].to_numpy()
    mask = looked_at.copy()
    mask[left[looked_at[right]]] = True
    mask[right[looked_at[left]]] = True
    return mask


def _renewed(known: pa.Table, looked_at: np.ndarray, new: pa.Table, texts: np.ndarray) -> pa.Table:
    """Pairs without those of texts looked at, and with the new ones by the texts' numbers."""
    stays = ~(looked_at[known["left"].to_numpy()] | looked_at[known["right"].to_numpy()])
    columns = {name: new[name] for name in SCORED.names}
    for end in ("left", "right"):
        columns[end] = pa.array(texts[new[end].to_numpy()])
    added = pa.table(columns, schema=SCORED)
    return pa.concat_tables([known.filter(pa.array(stays)), added]).combine_chunks()
