"""How common a word is in the language at large.

Law: what a word tells does not depend on how many other articles came with it. Five articles alone
have no corpus to learn common words from; lists of word frequencies stand in for one.

The lists are those of the `wordfreq` package (Speer, 2022), its small ones, of words down to about
one in a million. A word common in any of its languages counts as common, because articles often
come with no language or a wrong one. Its words go through the same tokeniser as the articles', so
scripts without spaces have the frequencies of their character n-grams.

To read the lists takes a second, so what they come to is kept in the user's cache folder, named by
all that decides it. Where nothing can be kept there, the lists are read.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import sys
import unicodedata
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from dedup.lookup import Lookup, slot_of, spread
from dedup.ragged import Ragged

UNKNOWN = 1e-7
"""Frequency, as a share of tokens, of a word in no list: a tenth of the rarest there."""

Tokenise = Callable[[pa.LargeStringArray], Ragged]


class Background(NamedTuple):
    """Word frequencies.

    Attributes
    ----------
    known : Lookup
        Token hashes.
    levels : ndarray of uint16 (or wider), shape (n_slots,)
        Which of the frequencies the token in each slot has.
    frequencies : ndarray of float64, shape (n_levels,)
        Shares of all tokens, 0 to 1, that tokens have in the language where theirs is largest; from
        wordfreq. Rising, the first is `UNKNOWN`.
    """

    known: Lookup
    levels: np.ndarray
    frequencies: np.ndarray


@functools.cache
def background(tokenise: Tokenise) -> Background:
    """The frequencies of all languages, by the tokeniser's hashes; made once per process."""
    found = _kept(tokenise)
    if found is None:
        found = _read(tokenise)
        _keep(tokenise, found)
    return found


def levels(known: Background, hashes: np.ndarray) -> np.ndarray:
    """Which of the frequencies each hash (uint64) has, as uint16; 0 where no list has it."""
    result = np.empty(len(hashes), known.levels.dtype)
    _look_up(*known.known, known.levels, hashes, result)
    return result


def _read(tokenise: Tokenise) -> Background:
    import wordfreq  # here, because it is seldom needed

    pieces = [
        _by_token(wordfreq.get_frequency_list(language, "small"), tokenise)
        for language in sorted(wordfreq.available_languages("small"))
    ]
    hashes = np.concatenate([piece[0] for piece in pieces])
    listed = np.concatenate([piece[1] for piece in pieces])
    order = np.lexsort((-listed, hashes))
    hashes, listed = hashes[order], listed[order]
    largest = np.concatenate([[True], hashes[1:] != hashes[:-1]])
    known, slots = spread(hashes[largest])
    frequencies, places = np.unique(listed[largest], return_inverse=True)
    kind = np.result_type(np.uint16, np.min_scalar_type(len(frequencies)))
    levels = np.zeros(len(known.keys), kind)
    levels[slots] = places + 1
    return Background(known, levels, np.append(UNKNOWN, frequencies))


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


def _kept(tokenise: Tokenise) -> Background | None:
    """What was kept; None where there is nothing, or nothing whole."""
    # Archives of arrays are checked by their sums as they are read.
    with (
        suppress(OSError, RuntimeError, ValueError, EOFError, KeyError, zipfile.BadZipFile),
        np.load(_file(tokenise)) as kept,
    ):
        known = Lookup(kept["keys"], np.uint64(kept["homes"]))
        return Background(known, kept["levels"], kept["frequencies"])
    return None


def _keep(tokenise: Tokenise, made: Background) -> None:
    """Keep what was made, where that can be; what was made of anything else goes."""
    with suppress(OSError, RuntimeError):
        file = _file(tokenise)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{uuid.uuid4().hex}")
        try:
            with partial.open("wb") as sink:
                np.savez(
                    sink,
                    keys=made.known.keys,
                    homes=made.known.homes,
                    levels=made.levels,
                    frequencies=made.frequencies,
                )
            os.replace(partial, file)
        finally:
            partial.unlink(missing_ok=True)
        for other in {*file.parent.glob("wordfreq-*.npz")} - {file}:
            other.unlink(missing_ok=True)


def _file(tokenise: Tokenise) -> Path:
    """File named by all that decides the frequencies, in the user's cache folder."""
    digest = hashlib.sha256()
    for source in _sources(tokenise):
        digest.update(source.read_bytes())
    names = ("wordfreq", version("wordfreq"), unicodedata.unidata_version, digest.hexdigest()[:16])
    # By the XDG rule a relative folder is none.
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    cache = cache if cache.is_absolute() else Path.home() / ".cache"
    return cache / "dedup" / f"{'-'.join(names)}.npz"


def _sources(tokenise: Tokenise) -> list[Path]:
    """Files that say how words become tokens, and how they are laid out here."""
    used = (_read, spread, tokenise, *inspect.getclosurevars(tokenise).globals.values())
    modules = {getattr(thing, "__module__", None) or thing.__name__ for thing in used}
    files = [Path(str(sys.modules[name].__file__)) for name in sorted(modules)]
    packages = (file.parent.rglob("*.py") for file in files if file.name == "__init__.py")
    return [*files, *sorted(chain(*packages))]


_MEMO_BITS, _LAST = 16, np.uint64(2**64 - 1)
# Hashes that are looked up at a time.
_ABREAST = 1024


@njit(cache=True, nogil=True)
def _look_up(keys, homes, levels, hashes, result):  # type: ignore[no-untyped-def]
    # Articles share most of their words, and the table is far larger than a cache.
    shift = np.uint64(64 - _MEMO_BITS)
    known, values = np.zeros(1 << _MEMO_BITS, np.uint64), np.empty(1 << _MEMO_BITS, levels.dtype)
    known[0] = _LAST  # whose place is another
    new = np.empty(_ABREAST, np.uint64)
    for begin in range(0, len(hashes), _ABREAST):
        # Whether a hash is remembered cannot be foretold, so nothing branches on it.
        count = np.uint64(0)
        for at in range(begin, min(begin + _ABREAST, len(hashes))):
            place = hashes[at] >> shift
            result[at], new[count] = values[place], at
            count += np.uint64(known[place] != hashes[at])
        for at in new[:count]:
            slot, place = slot_of(keys, homes, hashes[at]), hashes[at] >> shift
            result[at] = levels[slot] if slot >= 0 else 0
            known[place], values[place] = hashes[at], result[at]
