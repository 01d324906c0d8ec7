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
from dedup.pipeline import exchange, language
from dedup.pipeline.sign import sketch_scale
from dedup.plan import Plan, plan
from dedup.ragged import Ragged, Stored
from dedup.schemas import PREFIXES, QUOTED, SKETCHED, SKETCHES, TALLY, TERMS, TOKENS
from dedup.settings import Settings
from dedup.stages import candidates, quote, shingle, sign, verify
from dedup.threads import ARTICLES, in_order, spans
from dedup.workspace import Workspace

_JACCARD = 0.7
"""Jaccard of an evenly edited copy is at least this share of its similarity."""

_WORDS = 1_000_000
"""Words that one thread sums up at a time."""

_TABLES = {
    "sketched": SKETCHED,
    "own-sketches": SKETCHES,
    "prefixes": PREFIXES,
    "heaviest": TERMS,
}
"""Where what becomes of a text is written, column by column, but for its band keys."""


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
    left_out : list of tuple of Stored and ndarray of int64, shape (n + 1,)
        Shingle hashes that are template, some of each text, and the row where those of each begin.
    """

    rows: np.ndarray
    texts: np.ndarray
    tokens: Stored
    quoted: Stored
    left_out: list[tuple[Stored, np.ndarray]]

    def template(self, part: slice) -> Ragged:
        """Distinct shingle hashes (uint64) of consecutive texts that are template."""
        pieces = []
        for lists, starts in self.left_out:
            mine = starts[part.start : part.stop + 1]
            found = lists.gather(np.arange(mine[0], mine[-1]))
            pieces.append((found.values, np.diff(found.offsets[mine - mine[0]])))
        return candidates.side_by_side(pieces, part.stop - part.start, np.uint64)


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
        With the columns of all tables that it is written to.
    words, terms : Tally
        Of the words that are texts' own, and of their heaviest.
    """

    rows: pa.RecordBatch
    words: Tally
    terms: Tally


def sketch(settings: Settings, work: Workspace, number: int) -> dict[str, Any]:
    """Sketch the texts of the signed shard of that number; tables lie in the workspace after."""
    shard = _shard(work, number)
    parts = spans(len(shard.texts), ARTICLES)
    sketched = partial(_sketched, shard, settings=settings)
    words: list[Tally] = []
    terms: list[Tally] = []
    counts = {"shingles": 0, "template_shingles": 0}

    def rows() -> Iterator[pa.RecordBatch]:
        for done in in_order(sketched, parts, settings.threads):
            words.append(done.words)
            terms.append(done.terms)
            left_out = int(done.rows["template_shingles"].sum().as_py() or 0)
            counts["template_shingles"] += left_out
            counts["shingles"] += left_out + int(done.rows["shingles_counted"].sum().as_py() or 0)
            yield done.rows

    tables = _tables(settings)
    work.write_apart({f"{name}-{number:06}": tables[name] for name in tables}, rows())
    for name, tallies in ("words", words), ("terms", terms):
        both = map(np.concatenate, zip(_NONE, *summed(tallies, settings.threads), strict=True))
        columns = [*map(pa.array, both)]
        work.write_table(f"{name}-{number:06}", pa.Table.from_arrays(columns, schema=TALLY))
    return counts


def banded(settings: Settings) -> Plan:
    """Bands and rows that keep the settings' promise."""
    floor = _JACCARD * settings.similarity_floor
    return plan(floor, settings.recall_at_floor, settings.num_perm)


def _tables(settings: Settings) -> dict[str, pa.Schema]:
    bands = [(f"band-{band}", pa.uint64()) for band in range(banded(settings).bands)]
    return _TABLES | {"bands": pa.schema(bands)}


def _shard(work: Workspace, number: int) -> Shard:
    before = sum(note["articles"] for note in work.notes("sign-")[:number])
    tokens = work.read_all(f"tokens-{number:06}", TOKENS)["tokens"]
    quoted = work.read_all(f"quoted-{number:06}", QUOTED)["quoted"]
    numbers = work.read("numbers")["text"].to_numpy()[before : before + len(tokens)]
    rows = np.flatnonzero(numbers >= 0)
    bounds = before + np.append(rows, rows[-1:] + 1)
    left_out = [
        (Stored(table["shingles"]), np.searchsorted(table["place"].to_numpy(), bounds))
        for table in work.read_each("left-out-")
    ]
    return Shard(rows, numbers[rows], Stored(tokens), Stored(quoted), left_out)


def _sketched(shard: Shard, part: slice, settings: Settings) -> Sketched:
    """What becomes of consecutive texts of the shard."""
    rows, template = shard.rows[part], shard.template(part)
    tokens = shard.tokens.gather(rows)
    kept, body = shingle.left(tokens, template, settings.shingle_size)
    own, _ = quote.own(body, shard.quoted.gather(rows))
    found = shingle.words(tokens, body, own)
    terms = language.heaviest(found)
    packed = terms.words.map(shingle.packed)
    columns = {
        "text": pa.array(shard.texts[part]),
        "template": template.arrow(),
        "shingles_counted": pa.array(kept.lengths.astype(np.int32)),
        "template_shingles": pa.array(template.lengths.astype(np.int32)),
        "sketch": shingle.sets(candidates.sketch(kept, sketch_scale(settings))).arrow(),
        "prefixes": kept.map(verify.prefixes).arrow(),
        "terms": packed.arrow(),
        "term_counts": terms.words._replace(values=terms.counts).arrow(),
        "term_frequencies": terms.words._replace(values=terms.frequencies).arrow(),
    }
    banding = banded(settings)
    signatures = sign.sign(kept, settings.num_perm, settings.seed)
    keys = candidates.band_keys(signatures, banding.rows, banding.bands)
    columns |= {f"band-{band}": pa.array(keys[band]) for band in range(banding.bands)}
    made = pa.schema([column for schema in _tables(settings).values() for column in schema])
    return Sketched(
        pa.RecordBatch.from_arrays([columns[name] for name in made.names], schema=made),
        _tally(found.words.values[found.own]),
        _tally(packed.values),
    )


def _tally(words: np.ndarray) -> Tally:
    """Of words (uint32) where every text names each once."""
    distinct, texts = counted(words)
    return Tally(distinct, texts.astype(np.uint32))


def summed(tallies: Sequence[Tally], threads: int) -> Iterator[Tally]:
    """The sum of tallies, one range of words after the other."""

    def of(span: tuple[int, int]) -> Tally:
        within = [tally.within(*span) for tally in tallies]
        if len(within) == 1:
            return within[0]
        words, texts = (np.concatenate(column) for column in zip(_NONE, *within, strict=True))
        return Tally(*totals(words, texts))

    parts = sum(len(tally.words) for tally in tallies) // _WORDS + 1
    return in_order(of, exchange.spans(parts, (0, 2**32 - 1)), threads)


_NONE = Tally(np.empty(0, np.uint32), np.empty(0, np.uint32))
