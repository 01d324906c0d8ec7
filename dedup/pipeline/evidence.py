"""What distinct texts are compared by, and its table between the verbs.

Law: template and quotations aside, a word counts for its article and nowhere else; an outlet's
telephone number is nobody's figure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline.furniture import outlets
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import quote, shingle, template, verify
from dedup.stages.credit import is_agency
from dedup.threads import in_order, spans


class Texts(NamedTuple):
    """Distinct texts, as they were signed.

    Attributes
    ----------
    tokens : Ragged of uint32
        Packed.
    quoted : Ragged of uint8
        1 for each token in quotation marks.
    rest : shingle.Rest
        What their template leaves.
    hours : ndarray of float64, shape (n_texts,)
        First publication, in hours since 1970; NaN where unknown.
    outlets : ndarray of int64, shape (n_texts,)
        As `verify.Evidence` has them.
    """

    tokens: Ragged
    quoted: Ragged
    rest: shingle.Rest
    hours: np.ndarray
    outlets: np.ndarray


_PAIRS = 20_000
"""Pairs of one unit of threaded work."""

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


def own(tokens: Ragged, quoted: Ragged, body: np.ndarray, rarity: verify.Rarity) -> verify.Own:
    """Own words of texts.

    Parameters
    ----------
    tokens : Ragged of uint32
        Packed.
    quoted : Ragged of uint8
        1 for each token in quotation marks.
    body : ndarray of bool, shape (n_tokens,)
        Tokens that no template covers.
    rarity : verify.Rarity
    """
    mask, spoken = quote.own(body, quoted)
    counted = shingle.counted(tokens, mask)
    rarities = rarity(counted.words.values)
    masses = tokens._replace(values=np.append(rarities, np.float32(0))[counted.places])
    weights = verify.weigh(rarities, counted.counts)
    sums = verify.summed(masses, counted.words, weights)
    return verify.Own(masses, counted.words, weights, spoken, sums)


def gathered(texts: Texts, rarity: verify.Rarity, settings: Settings) -> verify.Evidence:
    """Evidence of texts."""
    return verify.Evidence(
        shingles=texts.rest.shingles,
        sizes=verify.counted(texts.rest.shingles),
        own=own(texts.tokens, texts.quoted, texts.rest.body, rarity),
        hours=texts.hours,
        outlets=texts.outlets,
        late_weight=settings.representation.late_weight,
        size=settings.shingle_size,
    )


def scored(
    given: verify.Evidence, left: np.ndarray, right: np.ndarray, settings: Settings
) -> verify.Scores:
    """As `verify.score`, on several threads."""
    pieces = list(
        in_order(
            lambda part: verify.score(given, left[part], right[part], settings.shared_floor),
            spans(len(left), _PAIRS),
            settings.threads,
        )
    ) or [verify.score(given, left, right, settings.shared_floor)]
    return verify.Scores(*(np.concatenate(column) for column in zip(*pieces, strict=True)))
