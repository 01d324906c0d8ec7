"""What distinct texts are compared by, and its table between the verbs.

Law: template and quotations aside, a word counts for its article and nowhere else; an outlet's
telephone number is nobody's figure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline import language
from dedup.pipeline.furniture import outlets
from dedup.ragged import Ragged
from dedup.schemas import DISTINCT
from dedup.settings import Settings
from dedup.stages import quote, shingle, template, verify
from dedup.stages.credit import is_agency
from dedup.threads import ARTICLES, in_order, spans


class Texts(NamedTuple):
    """Distinct texts, as they were signed.

    Attributes
    ----------
    tokens : Ragged of uint64
    quoted : Ragged of uint8
        1 for each token in quotation marks.
    shingles : Ragged of uint64
        Sorted distinct shingle hashes that are not template.
    hours : ndarray of float64, shape (n_texts,)
        First publication, in hours since 1970; NaN where unknown.
    outlets : ndarray of int64, shape (n_texts,)
        As `verify.Evidence` has them.
    """

    tokens: Ragged
    quoted: Ragged
    shingles: Ragged
    hours: np.ndarray
    outlets: np.ndarray


_NEVER = np.iinfo(np.int64).max


def published_or_never(times: pa.ChunkedArray) -> np.ndarray:
    """Times of publication in microseconds since 1970, the largest int64 where unknown."""
    return times.cast(pa.int64()).fill_null(_NEVER).to_numpy()


def first_hours(times: pa.ChunkedArray, numbers: np.ndarray) -> np.ndarray:
    """When each group of articles was first published: hours since 1970, NaN where unknown.

    Parameters
    ----------
    times : ChunkedArray of timestamp
    numbers : ndarray of int64, shape (n_articles,)
        Group of each article, counting up from 0.
    """
    hours = np.full(numbers.max(initial=-1) + 1, np.nan)
    np.fmin.at(hours, numbers, times.cast(pa.int64()).to_numpy() / 3.6e9)
    return hours


def only_outlets(
    sources: pa.StringArray, numbers: np.ndarray, corpus: pa.StringArray, settings: Settings
) -> np.ndarray:
    """Number of each distinct text's one outlet; -1 where unknown, an agency or several.

    All -1 where one outlet means nothing: in a corpus of one, or where the profile says so.

    Parameters
    ----------
    sources : StringArray of length n
        Of articles that have the texts.
    numbers : ndarray of int64, shape (n,)
        Number of each one's text.
    corpus : StringArray
        Sources of all articles of the run.
    settings : Settings
    """
    known = outlets(corpus.unique())
    if not settings.representation.follow_ups or np.unique(known[known >= 0]).size < 2:
        return np.full(numbers.max(initial=-1) + 1, -1)
    names = sources.dictionary_encode()
    agencies = [
        is_agency(name) or is_agency(template.outlet(name)) for name in names.dictionary.to_pylist()
    ]
    among = pc.is_in(sources, value_set=names.dictionary.filter(pa.array(agencies, pa.bool_())))
    codes = np.where(among.to_numpy(zero_copy_only=False), -1, outlets(sources))
    lowest = np.full(numbers.max(initial=-1) + 1, np.iinfo(np.int64).max)
    highest = np.full_like(lowest, -1)
    np.minimum.at(lowest, numbers, codes)
    np.maximum.at(highest, numbers, codes)
    return np.where(lowest == highest, lowest, -1)


def gathered(texts: Texts, settings: Settings) -> tuple[verify.Evidence, np.ndarray]:
    """Evidence of texts, and which tokens (bool, shape (n_tokens,)) are not template."""
    tokens, size = texts.tokens, settings.shingle_size
    laid_out = _layout(tokens, texts.shingles, settings)
    own, spoken = quote.own(laid_out.body, texts.quoted)
    parts = spans(len(tokens.lengths), ARTICLES)

    def own_words(part: slice) -> shingle.Words:
        mine = slice(tokens.offsets[part.start], tokens.offsets[part.stop])
        return shingle.word_sets(tokens.part(part).keep(own[mine]))

    pieces = list(in_order(own_words, parts, settings.threads))
    words = Ragged.joined([piece.sets for piece in pieces], pa.uint64())
    counts = np.concatenate([np.empty(0, np.uint32), *(piece.counts for piece in pieces)])
    by_corpus = settings.rarity == "corpus"
    rarities = verify.rarity(words) if by_corpus else language.rarity(words)

    def masses(part: slice) -> np.ndarray:
        values = rarities[words.offsets[part.start] : words.offsets[part.stop]]
        mine = slice(tokens.offsets[part.start], tokens.offsets[part.stop])
        return own[mine] * shingle.token_values(tokens.part(part), words.part(part), values)

    masses_of = in_order(masses, parts, settings.threads)
    given = verify.Evidence(
        shingles=texts.shingles,
        places=laid_out.places,
        masses=tokens._replace(values=np.concatenate([np.empty(0, np.float32), *masses_of])),
        words=words,
        weights=verify.weigh(rarities, counts),
        spoken=spoken,
        hours=texts.hours,
        outlets=texts.outlets,
        late_weight=settings.representation.late_weight,
        size=size,
    )
    return given, laid_out.body


def to_table(
    given: verify.Evidence, scored: pa.Table, terms: language.Terms, shingles: np.ndarray
) -> pa.Table:
    """Evidence and profiles as `schemas.DISTINCT`; evidence of texts in no pair is left out.

    Parameters
    ----------
    given : verify.Evidence
    scored : pa.Table
        Pairs as `schemas.SCORED` describes them.
    terms : language.Terms
    shingles : ndarray of int64, shape (n_texts,)
        Shingles of each text, template included.
    """
    counted = given.shingles.lengths
    paired = np.zeros(len(counted), bool)
    paired[scored["left"].to_numpy()] = True
    paired[scored["right"].to_numpy()] = True
    given = _only(given, paired)
    columns = {
        "shingles": given.shingles.arrow(),
        "places": given.shingles._replace(values=given.places).arrow(),
        "shingles_counted": pa.array(counted.astype(np.int32)),
        "template_shingles": pa.array((shingles - counted).astype(np.int32)),
        "masses": given.masses.arrow(),
        "words": given.words.arrow(),
        "weights": given.words._replace(values=given.weights).arrow(),
        "terms": terms.words.arrow(),
        "term_counts": terms.words._replace(values=terms.counts).arrow(),
        "term_frequencies": terms.words._replace(values=terms.frequencies).arrow(),
        "spoken": pa.array(given.spoken),
        "hours": pa.array(given.hours, from_pandas=True),
        "outlet": pa.array(given.outlets),
    }
    return pa.Table.from_arrays([columns[name] for name in DISTINCT.names], schema=DISTINCT)


def _only(given: verify.Evidence, chosen: np.ndarray) -> verify.Evidence:
    """Evidence in which the texts that are not chosen are empty."""
    of_shingles = np.repeat(chosen, given.shingles.lengths)
    of_words = np.repeat(chosen, given.words.lengths)
    return given._replace(
        shingles=given.shingles.keep(of_shingles),
        places=given.places[of_shingles],
        masses=given.masses.keep(np.repeat(chosen, given.masses.lengths)),
        words=given.words.keep(of_words),
        weights=given.weights[of_words],
    )


def from_table(distinct: pa.Table, settings: Settings) -> verify.Evidence:
    """Evidence of a table made by :func:`to_table`."""
    return verify.Evidence(
        shingles=Ragged.of(distinct["shingles"]),
        places=Ragged.of(distinct["places"]).values,
        masses=Ragged.of(distinct["masses"]),
        words=Ragged.of(distinct["words"]),
        weights=Ragged.of(distinct["weights"]).values,
        spoken=distinct["spoken"].to_numpy(),
        hours=distinct["hours"].to_numpy(),
        outlets=distinct["outlet"].to_numpy(),
        late_weight=settings.representation.late_weight,
        size=settings.shingle_size,
    )


def _layout(tokens: Ragged, kept: Ragged, settings: Settings) -> shingle.Layout:
    """As `shingle.layout`, on several threads."""
    pieces = list(
        in_order(
            lambda part: shingle.layout(tokens.part(part), kept.part(part), settings.shingle_size),
            spans(len(tokens.lengths), ARTICLES),
            settings.threads,
        )
    )
    places = np.concatenate([np.empty(0, np.int32), *(piece.places for piece in pieces)])
    return shingle.Layout(places, np.concatenate([np.empty(0, bool), *(p.body for p in pieces)]))
