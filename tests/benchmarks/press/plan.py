"""Who prints what when.

Law: what is true of an article is decided before a word of it is written, by the corpus' seed and
the number of its block alone.

A block is two days of news. Clusters lie within a block; copies come up to two days later.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from press.lexicon import LANGUAGES, lexicon

BLOCK = 10_000
"""Articles of a block."""

DAYS = 2
"""Within which the stories of a block begin, and after which their copies have all come."""

CLUSTERED = 0.30
"""Share of the articles that lie in clusters of two or more."""

LARGEST_CLUSTER = 50

OUTLETS = 1_500

_SIZE_EXPONENT = 2.0
_LENGTH_SPREAD = 0.6  # of the logarithm of an article's length
_SHORTEST, LONGEST = 60, 8_000  # words
_FURNISHED = 0.8  # share of the articles that carry their outlet's furniture
_WIRE = 0.5  # share of the clusters that an agency is credited for
_PUNCTUATION = 1.25  # bytes after a word: a space, and now and then a mark or the end of a line
_DAY = 86_400_000_000  # microseconds
_START = 16_436 * _DAY  # 2015-01-01, so that ten million articles are no news of the future

KINDS = ("original", "headline", "tail_cut", "substitution", "dropped", "local", "several")
"""What was done to the text; every copy has a headline of its own. `several` is all the others,
each of them weaker."""

_KIND_SHARES = np.array([0.0, 0.2, 0.2, 0.2, 0.1, 0.15, 0.15])


class Block(NamedTuple):
    """Articles that are to be made, those of a cluster in a row, its original first.

    Attributes
    ----------
    seeds : ndarray of uint64, shape (n,)
    clusters : ndarray of int64, shape (n,)
        Place of each one's original.
    kinds : ndarray of int64, shape (n,)
        Place in `KINDS`.
    languages, outlets : ndarray of int64, shape (n,)
    words : ndarray of int64, shape (n,)
        Of the original's text.
    keep, replaced : ndarray of float64, shape (n,)
        Share of the original's words, from the start, that is kept; and of those that are replaced.
    dropped, local, furnished, wire : ndarray of bool, shape (n,)
        Whether a paragraph is missing, one is added, the outlet's furniture comes around it, an
        agency is credited.
    published : ndarray of int64, shape (n,)
        Microseconds since 1970.
    """

    seeds: np.ndarray
    clusters: np.ndarray
    kinds: np.ndarray
    languages: np.ndarray
    outlets: np.ndarray
    words: np.ndarray
    keep: np.ndarray
    replaced: np.ndarray
    dropped: np.ndarray
    local: np.ndarray
    furnished: np.ndarray
    wire: np.ndarray
    published: np.ndarray


def plan(number: int, articles: int, seed: int, mean_bytes: int) -> Block:
    """The block of that number.

    Parameters
    ----------
    number : int
    articles : int
        1 to `BLOCK`.
    seed : int
    mean_bytes : int
        Mean length of an original, without furniture.
    """
    dice = np.random.default_rng([seed, 1, number])
    sizes = _sizes(articles, dice)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    copy = first != np.arange(articles)

    def drawn(low: float, high: float) -> np.ndarray:
        return dice.uniform(low, high, articles)

    shares = np.array(list(LANGUAGES.values()))
    languages = dice.choice(len(shares), articles, p=shares)[first]
    kinds = np.where(copy, dice.choice(len(KINDS), articles, p=_KIND_SHARES), 0)
    tail_cut, substitution, dropped, local, several = (
        kinds == KINDS.index(kind) for kind in KINDS[2:]
    )
    start = (number * DAYS * _DAY + drawn(0, DAYS * _DAY))[first]
    later = 120e6 + drawn(0, 1) ** 3 * (DAYS * _DAY - 120e6)
    return Block(
        seeds=dice.integers(0, 2**64, articles, np.uint64),
        clusters=first,
        kinds=kinds,
        languages=languages,
        outlets=_outlets(first, languages, dice),
        words=_words(articles, mean_bytes, languages, dice)[first],
        keep=np.where(tail_cut, drawn(0.4, 0.8), np.where(several, drawn(0.7, 1), 1)),
        replaced=np.where(substitution, drawn(0.05, 0.15), np.where(several, 0.03, 0)),
        dropped=dropped | several,
        local=local | several,
        furnished=drawn(0, 1) < _FURNISHED,
        wire=(drawn(0, 1) < _WIRE)[first] & np.repeat(sizes > 1, sizes),
        published=_START + (start + np.where(copy, later, 0)).astype(np.int64),
    )


def outlet_languages() -> np.ndarray:
    """Language of each outlet: ndarray of int64, rising."""
    return np.repeat(np.arange(len(LANGUAGES)), np.diff(_presses()))


def _presses() -> np.ndarray:
    """First outlet of each language, and the end."""
    return np.round(np.cumsum([0, *LANGUAGES.values()]) * OUTLETS).astype(np.int64)


def _sizes(articles: int, dice: np.random.Generator) -> np.ndarray:
    """Sizes of all clusters, singles last."""
    clustered = round(CLUSTERED * articles)
    sizes = np.arange(2, LARGEST_CLUSTER + 1)
    weights = sizes**-_SIZE_EXPONENT
    drawn = dice.choice(sizes, clustered // 2 + 1, p=weights / weights.sum())
    planted = drawn[np.cumsum(drawn) <= clustered]
    return np.concatenate([planted, np.ones(articles - planted.sum(), np.int64)])


def _outlets(first: np.ndarray, languages: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """An outlet for each article, no two of a cluster the same; the first ones print most."""
    starts = _presses()
    counts = np.diff(starts)[languages]
    outlets = np.full(len(first), -1)
    again = np.ones(len(first), bool)
    while again.any():
        places = (dice.random(again.sum()) ** 1.7 * counts[again]).astype(np.int64)
        outlets[again] = starts[languages[again]] + places
        _, chosen = np.unique(first * OUTLETS + outlets, return_index=True)
        again = np.ones(len(first), bool)
        again[chosen] = False
    return outlets


def _words(
    articles: int, mean_bytes: int, languages: np.ndarray, dice: np.random.Generator
) -> np.ndarray:
    """Log-normal lengths, of this mean in bytes."""
    scale = np.log(mean_bytes) - _LENGTH_SPREAD**2 / 2
    lengths = dice.lognormal(scale, _LENGTH_SPREAD, articles)
    words = lengths / (lexicon().word_bytes[languages] + _PUNCTUATION)
    return np.clip(words, _SHORTEST, LONGEST).astype(np.int64)
