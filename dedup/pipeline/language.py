"""How rare words are in the language at large, and so what a text is about.

Law: what is told here of a text depends on it alone, whatever others came with it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import background, shingle, story
from dedup.stages.text import tokenise, whole
from dedup.threads import ARTICLES, in_order, spans


class Terms(NamedTuple):
    """What each text is about: its own matter, whatever others came with it.

    Attributes
    ----------
    words : Ragged of uint64
        Hashes of its heaviest words, in the order in which they first come.
    counts : ndarray of uint8
        How often each of `words.values` stands in its text, 255 for more.
    frequencies : ndarray of float32
        Share of tokens, 0 to 1, that each has in the language at large.
    """

    words: Ragged
    counts: np.ndarray
    frequencies: np.ndarray


def terms(tokens: Ragged, settings: Settings) -> Terms:
    """What each text is about; quotations count, for they are of the event.

    Parameters
    ----------
    tokens : Ragged of uint32
        Packed, of each text.
    """

    def of(part: slice) -> Terms:
        mine = tokens.part(part)
        everything = np.ones(len(mine.values), bool)
        return heaviest(shingle.words(mine, everything, everything))

    parts = spans(len(tokens.lengths), ARTICLES)
    found = list(in_order(of, parts, settings.threads))
    return Terms(
        Ragged.joined([piece.words for piece in found], pa.uint64()),
        np.concatenate([np.empty(0, np.uint8), *(piece.counts for piece in found)]),
        np.concatenate([np.empty(0, np.float32), *(piece.frequencies for piece in found)]),
    )


def heaviest(found: shingle.Words) -> Terms:
    """The heaviest of each text's words."""
    hashes, known = shingle.unpacked(found.words.values), background.background(_tokens)
    levels = background.levels(known, hashes)
    places, offsets = story.heaviest(found.words.offsets, found.counts, levels, _rarities())
    shares = known.frequencies.astype(np.float32)
    return Terms(Ragged(hashes[places], offsets), found.counts[places], shares[levels[places]])


def frequencies(hashes: np.ndarray) -> np.ndarray:
    """Share of tokens, 0 to 1, that each hashed word (uint64) has in the language: float64."""
    known = background.background(_tokens)
    shares: np.ndarray = known.frequencies[background.levels(known, hashes)]
    return shares


def rarity(words: np.ndarray) -> np.ndarray:
    """Inverse document frequency, ln(1 + 1 / share of texts), of each word (uint64): float32.

    As `verify.Rarity`, with the texts of the language at large for a corpus.
    """
    return np.log1p(1 / story.expected(frequencies(words))).astype(np.float32)


@functools.cache
def _rarities() -> np.ndarray:
    """Of the levels of the background, made once per process."""
    return story.rarities(background.background(_tokens).frequencies)


def _tokens(texts: pa.LargeStringArray) -> Ragged:
    found = tokenise(texts, whole(texts))
    return Ragged(shingle.unpacked(found.hashes), found.offsets)
