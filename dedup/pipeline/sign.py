"""First verb: a shard's articles to tokens.

Law: what a shard becomes depends on its rows and the settings alone, so it is made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup.ragged import Ragged
from dedup.schemas import QUOTED, REJECTS, SIGNED, SKETCHES, TOKENS
from dedup.settings import Settings
from dedup.sources import Batch
from dedup.stages import candidates, refrain, shingle
from dedup.stages.credit import Credits, credits
from dedup.stages.quote import quoted
from dedup.stages.text import Tokens, tokenise
from dedup.threads import in_order
from dedup.workspace import Workspace

_TABLES = {"signed": SIGNED, "tokens": TOKENS, "quoted": QUOTED, "sketches": SKETCHES}
"""Where what becomes of an article is written, column by column."""

_MADE = pa.schema([column for schema in _TABLES.values() for column in schema])


def sign_batches(
    batches: Iterable[Batch], number: int, settings: Settings, work: Workspace
) -> dict[str, Any]:
    """Sign batches of articles into the workspace as the shard of that number.

    Returns
    -------
    dict
        Counts of ``articles``, ``rejects``, ``dates_unread`` and ``tokens``.
    """
    rejects: list[pa.RecordBatch] = []
    counts = {"articles": 0, "rejects": 0, "dates_unread": 0, "tokens": 0}

    def signed() -> Iterator[pa.RecordBatch]:
        for batch, kept, refused in in_order(
            lambda batch: (batch, *_sign(batch.articles, settings)), batches, settings.threads
        ):
            rejects.extend([batch.rejects, refused])
            counts["articles"] += kept.num_rows
            counts["tokens"] += len(kept["tokens"].values)
            counts["rejects"] += batch.rejects.num_rows + refused.num_rows
            counts["dates_unread"] += batch.dates_unread
            yield kept

    work.write_apart({f"{name}-{number:06}": _TABLES[name] for name in _TABLES}, signed())
    work.write(f"rejects-{number:06}", REJECTS, rejects)
    return counts


class Body(NamedTuple):
    """What is read of a batch of texts.

    Attributes
    ----------
    tokens : Tokens
        Credits, galleries and lists of links left out.
    quoted : ndarray of uint8, shape (n_tokens,)
        1 for each token in quotation marks.
    hashes : ndarray of uint64, shape (n_articles,)
        See `shingle.text_hashes`; of lists as well, because two tables may differ in nothing else,
        and of where the quotation marks are.
    credits : Credits
    """

    tokens: Tokens
    quoted: np.ndarray
    hashes: np.ndarray
    credits: Credits


def read_body(texts: pa.LargeStringArray, settings: Settings) -> Body:
    """Tokens of the texts, as the settings' profile has them."""
    profile, credited = settings.representation, credits(texts)
    tokens = tokenise(texts, credited.spans, profile.gram)
    everything = Ragged(tokens.hashes, tokens.offsets)
    listed = refrain.inside(everything, tokens.starts, tokens.ends, settings.shingle_size)
    if listed.any():
        body = everything.keep(~listed)
        tokens = Tokens(body.values, tokens.starts[~listed], tokens.ends[~listed], body.offsets)
    if profile.quotes:
        inside = quoted(texts, tokens.starts, tokens.offsets)
    else:
        inside = np.zeros(len(tokens.hashes), np.uint8)
    hashes = shingle.text_hashes(everything, Ragged(inside, tokens.offsets))
    return Body(tokens, inside, hashes, credited)


def sketch_scale(settings: Settings) -> int:
    """One in this many shingle hashes is kept in a sketch."""
    return settings.representation.scale * settings.sketch_scale


def _sign(articles: pa.RecordBatch, settings: Settings) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Signed articles, and rejects for those that are too short."""
    body = read_body(articles.column("text"), settings)
    tokens = Ragged(body.tokens.hashes, body.tokens.offsets)
    columns = {name: articles.column(name) for name in articles.schema.names}
    columns |= {
        "agency": body.credits.agencies,
        "text_hash": pa.array(body.hashes),
        "tokens": tokens.arrow(),
        "quoted": tokens._replace(values=body.quoted).arrow(),
    }
    last = candidates.last_sketched(sketch_scale(settings))
    sketch = shingle.sets(shingle.lowest(tokens, settings.shingle_size, last))
    columns["sketch"] = sketch.arrow()
    signed = pa.RecordBatch.from_arrays([columns[name] for name in _MADE.names], schema=_MADE)
    short = tokens.lengths < settings.min_tokens
    if short.any():  # to filter is to copy the tokens
        signed = signed.filter(pa.array(~short))
    return signed, _too_short(articles, tokens.lengths, settings.min_tokens)


def _too_short(articles: pa.RecordBatch, lengths: np.ndarray, floor: int) -> pa.RecordBatch:
    short = lengths < floor
    rows = articles.filter(pa.array(short))
    details = [f"{length} tokens, min_tokens is {floor}" for length in lengths[short].tolist()]
    return pa.RecordBatch.from_arrays(
        [
            rows.column("row"),
            rows.column("article_id"),
            pa.array(["too_short"] * rows.num_rows, pa.string()),
            pa.array(details, pa.string()),
            rows.column("file"),
        ],
        schema=REJECTS,
    )
