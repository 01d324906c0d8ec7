"""Fourth verb: what is left of each text to find its like by.

Law: a text is told apart from its template once, and what is looked for after that is its own: band
keys and sketch, the words that count, what it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup.numbering import counted, totals
from dedup.pipeline import language
from dedup.pipeline.sign import sketch_scale
from dedup.plan import Plan, plan
from dedup.ragged import Ragged, Stored
from dedup.schemas import SIGNED, SKETCHED, TALLY
from dedup.settings import Settings
from dedup.stages import candidates, quote, shingle, sign
from dedup.threads import ARTICLES, in_order, spans
from dedup.workspace import Workspace

_JACCARD = 0.7
"""Jaccard of an evenly edited copy is at least this share of its similarity."""


class Shard(NamedTuple):
    """The distinct texts of one signed shard, in the order of places.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Row of each in the shard.
    texts : ndarray of int64, shape (n,)
        Number of each.
    tokens : Stored of uint32
        By row, packed.
    quoted : Stored of uint8
        By row.
    template : Ragged of uint64
        Sorted shingle hashes of each text that are template.
    """

    rows: np.ndarray
    texts: np.ndarray
    tokens: Stored
    quoted: Stored
    template: Ragged


class Tally(NamedTuple):
    """Words, and how many texts have each.

    Attributes
    ----------
    words : ndarray of uint32, shape (n_words,)
        Distinct packed tokens, rising.
    texts : ndarray of uint32, shape (n_words,)
    """

    words: np.ndarray
    texts: np.ndarray

    def within(self, first: int, last: int) -> Tally:
        """Of the words from `first` to `last` only."""
        start = np.searchsorted(self.words, np.uint32(first))
        stop = np.searchsorted(self.words, np.uint32(last), "right")
        return Tally(self.words[start:stop], self.texts[start:stop])


class Sketched(NamedTuple):
    """What becomes of a batch of texts.

    Attributes
    ----------
    rows : pa.RecordBatch
        As `schemas.SKETCHED`.
    keys : ndarray of uint64, shape (bands, n)
        As `candidates.band_keys`.
    words, terms : Tally
        Of the words that are texts' own, and of their heaviest.
    """

    rows: pa.RecordBatch
    keys: np.ndarray
    words: Tally
    terms: Tally


def sketch(settings: Settings, work: Workspace, number: int) -> dict[str, Any]:
    """Sketch the texts of the signed shard of that number; tables lie in the workspace after."""
    shard = _shard(work, number)
    parts = spans(len(shard.texts), ARTICLES)
    sketched = partial(_sketched, shard, settings=settings)
    words: list[Tally] = []
    terms: list[Tally] = []
    keys: list[np.ndarray] = []
    counts = {"shingles": 0, "template_shingles": 0}

    def rows() -> Iterator[pa.RecordBatch]:
        for done in in_order(sketched, parts, settings.threads):
            words.append(done.words)
            terms.append(done.terms)
            keys.append(done.keys)
            left_out = int(done.rows["template_shingles"].sum().as_py() or 0)
            counts["template_shingles"] += left_out
            counts["shingles"] += left_out + int(done.rows["shingles_counted"].sum().as_py() or 0)
            yield done.rows

    work.write(f"sketched-{number:06}", SKETCHED, rows())
    bands = banded(settings).bands
    columns = np.concatenate([np.empty((bands, 0), np.uint64), *keys], axis=1)
    names = [f"band-{band}" for band in range(bands)]
    work.write_table(f"bands-{number:06}", pa.table([*map(pa.array, columns)], names))
    for name, tallies in ("words", words), ("terms", terms):
        both = [*map(pa.array, summed(tallies))]
        work.write_table(f"{name}-{number:06}", pa.Table.from_arrays(both, schema=TALLY))
    return counts


def banded(settings: Settings) -> Plan:
    """Bands and rows that keep the settings' promise."""
    floor = _JACCARD * settings.similarity_floor
    return plan(floor, settings.recall_at_floor, settings.num_perm)


def _shard(work: Workspace, number: int) -> Shard:
    before = sum(note["articles"] for note in work.notes("sign-")[:number])
    signed = work.read_all(f"signed-{number:06}", SIGNED)
    numbers = work.read("numbers")["text"].to_numpy()[before : before + signed.num_rows]
    rows = np.flatnonzero(numbers >= 0)
    return Shard(
        rows,
        numbers[rows],
        Stored(signed["tokens"]),
        Stored(signed["quoted"]),
        _template(work, rows + before),
    )


def _template(work: Workspace, places: np.ndarray) -> Ragged:
    """Sorted template shingles of the texts at the given places, which rise."""
    bounds, pieces = np.append(places, places[-1:] + 1), []
    for table in work.read_each("left-out-") if len(places) else []:
        starts = np.searchsorted(table["place"].to_numpy(), bounds)
        lists = Stored(table["shingles"]).gather(np.arange(starts[0], starts[-1]))
        pieces.append((lists.values, np.diff(lists.offsets[starts - starts[0]])))
    return candidates.side_by_side(pieces, len(places), np.uint64)


def _sketched(shard: Shard, part: slice, settings: Settings) -> Sketched:
    """What becomes of consecutive texts of the shard."""
    rows, template = shard.rows[part], shard.template.part(part)
    tokens = shard.tokens.gather(rows)
    kept, body = shingle.left(tokens, template, settings.shingle_size)
    own, _ = quote.own(body, shard.quoted.gather(rows))
    found = shingle.words(tokens, body, own)
    terms = language.heaviest(found)
    columns = {
        "text": pa.array(shard.texts[part]),
        "template": template.arrow(),
        "shingles_counted": pa.array(kept.lengths.astype(np.int32)),
        "template_shingles": pa.array(template.lengths.astype(np.int32)),
        "sketch": shingle.sets(candidates.sketch(kept, sketch_scale(settings))).arrow(),
        "terms": terms.words.arrow(),
        "term_counts": terms.words._replace(values=terms.counts).arrow(),
        "term_frequencies": terms.words._replace(values=terms.frequencies).arrow(),
    }
    banding = banded(settings)
    signatures = sign.sign(kept, settings.num_perm, settings.seed)
    return Sketched(
        pa.RecordBatch.from_arrays([columns[name] for name in SKETCHED.names], schema=SKETCHED),
        candidates.band_keys(signatures, banding.rows, banding.bands),
        _tally(found.words.values[found.own]),
        _tally(shingle.packed(terms.words.values)),
    )


def _tally(words: np.ndarray) -> Tally:
    """Of words (uint32) where every text names each once."""
    distinct, texts = counted(words)
    return Tally(distinct, texts.astype(np.uint32))


def summed(tallies: Sequence[Tally]) -> Tally:
    """The sum of tallies."""
    if len(tallies) == 1:
        return tallies[0]
    words, texts = (np.concatenate(column) for column in zip(_NONE, *tallies, strict=True))
    return Tally(*totals(words, texts))


_NONE = Tally(np.empty(0, np.uint32), np.empty(0, np.uint32))
