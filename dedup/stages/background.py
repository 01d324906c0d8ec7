"""How common a word is in the language at large.

Law: what a word tells does not depend on how many other articles came with it. Five articles alone
have no corpus to learn common words from; lists of word frequencies stand in for one.

The lists are those of the `wordfreq` package (Speer, 2022), its small ones, of words down to about
one in a million. A word common in any of its languages counts as common, because articles often
come with no language or a wrong one. Its words go through the same tokeniser as the articles', so
scripts without spaces have the frequencies of their character n-grams.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from dedup.ragged import Ragged

UNKNOWN = 1e-7
"""Frequency, as a share of tokens, of a word in no list: a tenth of the rarest there."""

_TOP_BITS = 18
"""As many as there are words, so that a lookup is one step or two."""

Tokenise = Callable[[pa.LargeStringArray], Ragged]


class Background(NamedTuple):
    """Word frequencies.

    Attributes
    ----------
    hashes : ndarray of uint64, shape (n_words,)
        Sorted token hashes.
    frequencies : ndarray of float64, shape (n_words,)
        Share of all tokens, 0 to 1, in the language where it is largest; from wordfreq.
    starts : ndarray of int64
        Place of the first hash with each value of the upper `_TOP_BITS`, and the end.
    """

    hashes: np.ndarray
    frequencies: np.ndarray
    starts: np.ndarray


@functools.cache
def background(tokenise: Tokenise) -> Background:
    """The frequencies of all languages, by the tokeniser's hashes; made once per process."""
    import wordfreq  # here, because most commands need none of it

    pieces = [
        _by_token(wordfreq.get_frequency_list(language, "small"), tokenise)
        for language in sorted(wordfreq.available_languages("small"))
    ]
    hashes = np.concatenate([piece[0] for piece in pieces])
    frequencies = np.concatenate([piece[1] for piece in pieces])
    order = np.lexsort((-frequencies, hashes))
    hashes, frequencies = hashes[order], frequencies[order]
    largest = np.concatenate([[True], hashes[1:] != hashes[:-1]])
    hashes = hashes[largest]
    tops = np.arange(1, 1 << _TOP_BITS, dtype=np.uint64) << np.uint64(64 - _TOP_BITS)
    starts = np.concatenate([[0], np.searchsorted(hashes, tops), [len(hashes)]])
    return Background(hashes, frequencies[largest], starts)


def frequencies(known: Background, hashes: np.ndarray) -> np.ndarray:
    """Frequency of each hash (uint64), as float64; `UNKNOWN` where no list has it."""
    result = np.full(len(hashes), UNKNOWN)
    _look_up(*known, hashes, result)
    return result


def _by_token(bands: list[list[str]], tokenise: Tokenise) -> tuple[np.ndarray, np.ndarray]:
    """Distinct token hashes of one language's list and their frequencies.

    A list holds, at place `n`, the words of a frequency of 10^(-n / 100).
    """
    words = [word for band in bands for word in band]
    exponents = np.repeat(np.arange(len(bands)), [len(band) for band in bands])
    tokens = tokenise(pa.array(words, pa.large_string()))
    each = np.repeat(10.0 ** (-exponents / 100), tokens.lengths)
    hashes, places = np.unique(tokens.values, return_inverse=True)
    return hashes, np.minimum(np.bincount(places, each, minlength=len(hashes)), 1.0)


_REST = np.uint64(64 - _TOP_BITS)


@njit(cache=True, nogil=True)
def _look_up(known, frequencies, starts, hashes, result):  # type: ignore[no-untyped-def]
    for at in range(len(hashes)):
        top = np.int64(hashes[at] >> _REST)
        for place in range(starts[top], starts[top + 1]):
            if known[place] == hashes[at]:
                result[at] = frequencies[place]
