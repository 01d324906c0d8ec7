"""The words that articles are made of.

Law: words and how often they come are those of a language, their order is nobody's. So a word is as
rare here as the pipeline's own lists say, and what two articles share by chance they share as
often as random text does.

Words and frequencies are those of the `wordfreq` package (Speer, 2022).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import wordfreq
from numba import njit

LANGUAGES = {"en": 0.70, "es": 0.10, "fr": 0.10, "ru": 0.10}
"""Share of the outlets, and of the stories, of each."""

WORDS = 200_000
"""Of each language, the most frequent."""

DATELINES = ("(AP) —", "(Reuters) —", "(AFP) —", "(dpa) —")
"""What follows the place where an agency is credited."""


class Lexicon(NamedTuple):
    """Words as they are written, and how they are drawn.

    Attributes
    ----------
    letters : ndarray of uint8
        UTF-8 of all forms: the words of each language in turn, the most frequent first, then all of
        them again with a capital, then the datelines.
    offsets : ndarray of int64, shape (n_forms + 1,)
        Form `i` is ``letters[offsets[i]:offsets[i + 1]]``.
    chances, aliases : ndarray of float32 and of int32, shape (n_languages * WORDS,)
        Tables of the alias method (Walker, 1977; Vose, 1991): a place of the language drawn evenly
        stands for itself with this chance, else for its alias.
    word_bytes : ndarray of float64, shape (n_languages,)
        Mean bytes of a drawn word, without the space after it.
    """

    letters: np.ndarray
    offsets: np.ndarray
    chances: np.ndarray
    aliases: np.ndarray
    word_bytes: np.ndarray


@functools.cache
def lexicon() -> Lexicon:
    """All languages' words; made once per process."""
    words: list[str] = []
    chances, aliases, lengths = [], [], []
    for number, language in enumerate(LANGUAGES):
        found = wordfreq.get_frequency_dict(language, "best")
        chosen = [word for word in found if word.isalpha()][:WORDS]
        shares = np.array([found[word] for word in chosen])
        shares /= shares.sum()
        chance, alias = _alias(shares)
        chances.append(chance)
        aliases.append(alias + number * WORDS)
        lengths.append(shares @ np.array([len(word.encode()) for word in chosen]))
        words += chosen
    forms = [form.encode() for form in (*words, *map(str.capitalize, words), *DATELINES)]
    offsets = np.zeros(len(forms) + 1, np.int64)
    np.cumsum([len(form) for form in forms], out=offsets[1:])
    return Lexicon(
        np.frombuffer(b"".join(forms), np.uint8),
        offsets,
        np.concatenate(chances).astype(np.float32),
        np.concatenate(aliases).astype(np.int32),
        np.array(lengths),
    )


@njit(cache=True)
def _alias(shares):  # type: ignore[no-untyped-def]
    """Vose's tables for shares that sum to 1."""
    n = len(shares)
    chances, aliases = shares * n, np.arange(n)
    small, large = np.empty(n, np.int64), np.empty(n, np.int64)
    n_small = n_large = 0
    for place in range(n):
        if chances[place] < 1:
            small[n_small] = place
            n_small += 1
        else:
            large[n_large] = place
            n_large += 1
    while n_small and n_large:
        n_small -= 1
        less, more = small[n_small], large[n_large - 1]
        aliases[less] = more
        chances[more] -= 1 - chances[less]
        if chances[more] < 1:
            small[n_small] = more
            n_small, n_large = n_small + 1, n_large - 1
    for place in large[:n_large]:
        chances[place] = 1
    for place in small[:n_small]:
        chances[place] = 1
    return chances, aliases
