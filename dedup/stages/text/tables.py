"""The tables that the kernel reads.

Law: every code point is folded by one table: compatibility decomposition (NFKD) around full case
folding, without the code points whose canonical combining class is not zero. Dropping those makes
composed and decomposed text equal without reordering.

References: Unicode Standard Annexes #15 (normalisation) and #24 (scripts); HTML Living Standard,
section 13.5 (named character references).
"""

from __future__ import annotations

import functools
import html
import html.entities
import unicodedata
from typing import NamedTuple

import numpy as np

from dedup.stages.text.kernel import (
    BEYOND,
    CLASS,
    CLOSER,
    DIGIT,
    DROPPED,
    HYPHEN,
    HYPHENS,
    IGNORED,
    LAST_SCRIPT,
    POINT,
    POINTS,
    SEPARATOR,
    SEVERAL,
    WORD,
    name_key,
)

# Above WORD, a character's class is WORD plus the length of its n-grams.
_NGRAM_BY_RANGE = (
    (0x0E00, 0x0EFF, 4),  # Thai, Lao
    (0x1000, 0x109F, 4),  # Burmese
    (0x1780, 0x17FF, 4),  # Khmer
    (0x2E80, 0x2FDF, 2),  # Han radicals
    (0x3005, 0x3007, 2),  # Han iteration mark, closing mark, zero
    (0x3021, 0x30FF, 2),  # Han numerals, Hiragana, Katakana
    (0x31F0, 0x31FF, 2),  # Katakana phonetic extensions
    (0x3400, 0x4DBF, 2),  # Han extension A
    (0x4E00, 0x9FFF, 2),  # Han
    (0xA9E0, 0xA9FF, 4),  # Burmese extended B
    (0xAA60, 0xAA7F, 4),  # Burmese extended A
    (0xF900, 0xFAFF, 2),  # Han compatibility
    (0x1AFF0, 0x1B16F, 2),  # Kana supplements
    (0x20000, 0x323AF, 2),  # Han extensions B and later
)

# Those that NFKD leaves as they are; it makes of U+00B4 a space and an accent.
_APOSTROPHES = "'`ʹʻʼʽˈ‘’‚‛′"

_PLANE = 0x10000
_IGNORED_POINT = 0xAD  # the soft hyphen


class FoldTable(NamedTuple):
    """What becomes of each code point; the arrays are read by the kernel.

    Attributes
    ----------
    starts : ndarray of int32, shape (205745,)
        Where each code point's folded characters start in `folded`.
    folded : ndarray of uint32
        Folded characters of all code points, one after the other.
    kinds : ndarray of uint8, shape (205744,)
        Class of each *folded* character: separator, ignored, word, or word + n-gram length.
    cells : ndarray of uint32, shape (65536,)
        Cell of each code point of the Basic Multilingual Plane that is always the same one cell.
    """

    starts: np.ndarray
    folded: np.ndarray
    kinds: np.ndarray
    cells: np.ndarray


class EscapeTable(NamedTuple):
    """What escapes stand for; the arrays are read by the kernel.

    Attributes
    ----------
    keys : ndarray of uint64
        Sorted hashes of the names of HTML entities.
    points : ndarray of int32, shape (len(keys), 2)
        Their code points; -1 where there is no second one.
    latin : ndarray of int32, shape (32,)
        What numeric escapes 128 to 159 mean in HTML.
    """

    keys: np.ndarray
    points: np.ndarray
    latin: np.ndarray


@functools.cache
def fold_table(gram: int = 0) -> FoldTable:
    """The table for this Python's Unicode version; built once per process.

    Parameters
    ----------
    gram : int
        See :func:`dedup.stages.text.tokenise`.
    """
    points = np.arange(LAST_SCRIPT, dtype=np.uint32)
    categories = _categories(points)
    points[0] = 1
    points[categories == b"Cs"] = _IGNORED_POINT  # lone surrogates cannot stand in UTF-8
    # NUL parts the code points, and combines with none.
    parted = np.stack([points, np.zeros_like(points)], axis=1)
    text = unicodedata.normalize("NFKD", parted.tobytes().decode("utf-32-le"))
    # The dotless i is the one letter that does not fold to what its capital folds to.
    text = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    characters = np.frombuffer(text.encode("utf-32-le"), np.uint32).copy()
    owner = np.cumsum(characters == 0)
    kinds = _kinds(categories, gram)
    keep = (characters != 0) & (kinds[characters] != IGNORED)
    # NUL itself, which the kernel reads at the end of every text, separates always.
    keep[0], characters[0] = True, 0
    counts = np.bincount(owner[keep], minlength=LAST_SCRIPT)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    folded = _ascii_digits(categories)[characters[keep]]
    return FoldTable(starts, folded, kinds, _cells(starts, folded, kinds))


def _cells(starts: np.ndarray, folded: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    counts = np.diff(starts[: _PLANE + 1])
    first = folded[np.minimum(starts[:_PLANE], len(folded) - 1)]
    kind = kinds[first].astype(np.uint32)
    digits = np.where((kind == WORD) & (first >= 48) & (first <= 57), DIGIT, 0)
    cells = np.where(kind == SEPARATOR, 0, kind << CLASS | digits | first)
    cells[(kind == SEPARATOR) & np.isin(first, POINTS)] = POINT
    cells[(kind == SEPARATOR) & np.isin(first, HYPHENS)] = HYPHEN
    cells[counts == 0] = DROPPED
    separators = np.concatenate([[0], np.cumsum(kinds[folded] == SEPARATOR)])[starts[: _PLANE + 1]]
    cells[counts > 1] = np.where(np.diff(separators) == 0, SEVERAL, CLOSER)[counts > 1]
    cells[[ord("<"), ord("&"), BEYOND]] = CLOSER
    return cells.astype(np.uint32)


def _categories(points: np.ndarray) -> np.ndarray:
    """General category of each code point, two letters of ASCII."""
    characters = points.tobytes().decode("utf-32-le", "surrogatepass")
    return np.frombuffer("".join(map(unicodedata.category, characters)).encode(), "S2")


def _kinds(categories: np.ndarray, gram: int) -> np.ndarray:
    major = categories.astype("S1")
    kinds = np.full(LAST_SCRIPT, SEPARATOR, np.uint8)
    kinds[(major == b"L") | (major == b"N")] = WORD
    kinds[categories == b"Cf"] = IGNORED
    for point in np.flatnonzero(major == b"M").tolist():
        kinds[point] = IGNORED if unicodedata.combining(chr(point)) else WORD
    for first, last, length in _NGRAM_BY_RANGE:
        block = kinds[first : last + 1]
        block[block == WORD] = WORD + length
    for character in _APOSTROPHES:
        kinds[ord(character)] = IGNORED
    if gram:
        kinds[kinds == WORD] = WORD + gram
        kinds[kinds == SEPARATOR] = IGNORED
        kinds[0] = SEPARATOR
    return kinds


def _ascii_digits(categories: np.ndarray) -> np.ndarray:
    """What each character becomes where decimal digits of every script become those of ASCII."""
    characters = np.arange(LAST_SCRIPT, dtype=np.uint32)
    for point in np.flatnonzero(categories == b"Nd").tolist():
        characters[point] = 48 + unicodedata.decimal(chr(point))
    return characters


@functools.cache
def escape_table() -> EscapeTable:
    """The table of this Python's HTML entities; built once per process."""
    names = sorted(name[:-1] for name in html.entities.html5 if name.endswith(";"))
    spelt = [np.frombuffer(name.encode(), np.uint8) for name in names]
    keys = np.array([name_key(name) for name in spelt], np.uint64)
    points = np.full((len(names), 2), -1, np.int32)
    for row, name in enumerate(names):
        meaning = html.entities.html5[name + ";"]
        points[row, : len(meaning)] = [ord(character) for character in meaning]
    order = np.argsort(keys)
    latin = np.array([ord(html.unescape(f"&#{point};") or " ") for point in range(128, 160)])
    return EscapeTable(keys[order], points[order], latin.astype(np.int32))
