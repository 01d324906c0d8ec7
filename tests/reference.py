"""Plain Python that says what the kernels should: slow, and written from their documented rules."""

from __future__ import annotations

import functools
import html.entities
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dedup.ragged import Ragged
from dedup.stages import candidates

# --- text -------------------------------------------------------------------------------------

_TAG = re.compile(rb"<[A-Za-z/!][^<>]*>")
_NUMBER = re.compile(rb"#(?:[xX]([0-9a-fA-F]+)|([0-9]+));")
_NAME = re.compile(rb"([A-Za-z0-9]+);")
SEPARATOR, WORD = 0, 1

_APOSTROPHES = {
    "APOSTROPHE",
    "GRAVE ACCENT",
    "MODIFIER LETTER PRIME",
    "MODIFIER LETTER TURNED COMMA",
    "MODIFIER LETTER APOSTROPHE",
    "MODIFIER LETTER REVERSED COMMA",
    "MODIFIER LETTER VERTICAL LINE",
    "LEFT SINGLE QUOTATION MARK",
    "RIGHT SINGLE QUOTATION MARK",
    "SINGLE LOW-9 QUOTATION MARK",
    "SINGLE HIGH-REVERSED-9 QUOTATION MARK",
    "PRIME",
}
_UNSPACED = {
    "CJK UNIFIED": 2,
    "CJK COMPATIBILITY IDEOGRAPH": 2,
    "IDEOGRAPHIC TALLY": WORD,
    "IDEOGRAPHIC": 2,
    "VERTICAL IDEOGRAPHIC": 2,
    "VERTICAL KANA": 2,
    "HANGZHOU": 2,
    "HIRAGANA": 2,
    "KATAKANA": 2,
    "HENTAIGANA": 2,
    "MASU MARK": 2,
    "THAI": 4,
    "LAO": 4,
    "KHMER": 4,
    "MYANMAR": 4,
}
_BEYOND_SCRIPTS = 0x323B0
_LONGEST_TAG = 1000


class Token(NamedTuple):
    """What a token folds to, and the bytes it came from."""

    folded: str
    start: int
    end: int


class _Unit(NamedTuple):
    """A code point as written (`plain`), or a tag or an escape, and what it folds to."""

    folded: str
    start: int
    end: int
    written: str
    plain: bool


@functools.cache
def script(character: str, gram: int = 0) -> int:
    """0 of a separator, 1 of a word's character, n of a script read in n-grams; -1 if ignored.

    With `gram`, words are read in n-grams of that length, and only NUL separates.
    """
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if name in _APOSTROPHES or category == "Cf" or unicodedata.combining(character):
        return -1
    if category[0] not in "LNM":
        return -1 if gram and character != "\0" else SEPARATOR
    n = next((n for start, n in _UNSPACED.items() if name.startswith(start)), WORD)
    return gram if gram and n == WORD else n


@functools.cache
def fold(character: str, gram: int = 0) -> str:
    """What one character counts as."""
    if ord(character) >= _BEYOND_SCRIPTS:
        return ""
    wide = unicodedata.normalize("NFKD", character).casefold()
    folded = unicodedata.normalize("NFKD", wide).replace("ı", "i")
    return "".join(_digit(c) for c in folded if script(c, gram) >= 0)


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


def _escape(raw: bytes, at: int) -> tuple[str, int] | None:
    """Meaning of the escape whose '&' stands before `at`, and where it ends."""
    if match := _NUMBER.match(raw, at):
        point = int(match[1], 16) if match[1] else int(match[2])
        if 0x80 <= point < 0xA0:
            meaning = bytes([point]).decode("cp1252", "replace").replace("\ufffd", chr(point))
        elif point == 0 or point > 0x10FFFF or 0xD800 <= point < 0xE000:
            meaning = "\ufffd"
        else:
            meaning = chr(point)
    elif (match := _NAME.match(raw, at)) and match[0].decode() in html.entities.html5:
        meaning = html.entities.html5[match[0].decode()]
    else:
        return None
    nested = _escape(raw, match.end()) if meaning == "&" else None
    # An escaped '&' that escapes nothing is not unescaped: it is a separator either way.
    return nested or (meaning, match.end())


def _units(text: str, gram: int) -> list[_Unit]:
    raw, units, at = text.encode(), [], 0
    while at < len(raw):
        character = text_at(raw, at)
        end, folded, plain = at + len(character.encode()), fold(character, gram), True
        tag = _TAG.match(raw, at)
        if tag and tag.end() - at <= _LONGEST_TAG:
            end, folded, plain = tag.end(), fold("<", gram), False
        elif character == "&" and (escape := _escape(raw, end)):
            folded, end = "".join(fold(c, gram) for c in escape[0]), escape[1]
            plain = False
        units.append(_Unit(folded, at, end, character, plain))
        at = end
    return units


def text_at(raw: bytes, at: int) -> str:
    """The character whose UTF-8 starts at a byte."""
    length = next(n for n, bound in enumerate((0x80, 0xE0, 0xF0, 0x100), 1) if raw[at] < bound)
    return raw[at : at + length].decode()


def _next_folded(units: Sequence[_Unit], at: int) -> str:
    """First character that counts from there on, as written: an escape starts with '&'."""
    for unit in units[at:]:
        if not unit.plain:
            return "&"
        if unit.folded:
            return unit.folded[0]
    return " "


def _past_line_end(units: Sequence[_Unit], at: int) -> int | None:
    """Where the next line's text starts, if nothing but white space is left of this line."""
    lines = 0
    while at < len(units) and units[at].plain:
        if units[at].written == "\n":
            lines += 1
        elif units[at].written not in "\t\r" and units[at].folded.strip(" "):
            break
        at += 1
    return at if lines else None


def tokens(text: str, gram: int = 0) -> list[Token]:
    """Tokens of a text; with `gram`, words are read in n-grams of that length."""
    units, at = _units(text, gram), 0
    found: list[Token] = []
    run: list[Token] = []  # characters of one script without a separator between

    def close() -> None:
        if run:
            found.extend(_split(run, script(run[0].folded, gram)))
            run.clear()

    while at < len(units):
        unit = units[at]
        at += 1
        for place, character in enumerate(unit.folded):
            in_word = bool(run) and script(run[-1].folded, gram) == WORD
            if place == len(unit.folded) - 1 and in_word:
                if character in "-\u2010":
                    onward = _past_line_end(units, at)
                    if onward is not None and script(_next_folded(units, onward)) == WORD:
                        at = onward
                        continue
                if character in ".,\u066b\u066c" and run[-1].folded in "0123456789":
                    following = _next_folded(units, at)
                    if following in "0123456789":
                        continue
            if run and script(character, gram) != script(run[-1].folded, gram):
                close()
            if script(character, gram) != SEPARATOR:
                run.append(Token(character, unit.start, unit.end))
    close()
    return found


def _split(run: Sequence[Token], n: int) -> Iterable[Token]:
    length = len(run) if n == WORD else min(n, len(run))
    for first in range(len(run) - length + 1):
        gram = run[first : first + length]
        yield Token("".join(c.folded for c in gram), gram[0].start, gram[-1].end)


# --- sets -------------------------------------------------------------------------------------


def ragged(lists: Iterable[Iterable[int]]) -> Ragged:
    """Sorted distinct values of each article."""
    sets = [sorted(set(values)) for values in lists]
    offsets = np.concatenate([[0], np.cumsum([len(values) for values in sets])]).astype(np.int64)
    return Ragged(np.array([v for values in sets for v in values], np.uint64), offsets)


def sets_of(lists: Ragged) -> list[set[int]]:
    """The values of each article as Python's sets."""
    return [
        set(lists.values[start:end].tolist())
        for start, end in zip(lists.offsets[:-1], lists.offsets[1:], strict=True)
    ]


def components(n: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Smallest member of each article's component, by merging sets."""
    groups = [{i} for i in range(n)]
    for left, right in pairs:
        if groups[left] is not groups[right]:
            groups[left] |= groups[right]
            for member in groups[right]:
                groups[member] = groups[left]
    return [min(group) for group in groups]


def partition(labels: Iterable[object]) -> set[frozenset[int]]:
    """Groups of positions that have the same label."""
    groups: dict[object, set[int]] = defaultdict(set)
    for position, label in enumerate(labels):
        groups[label].add(position)
    return {frozenset(group) for group in groups.values()}


class Shared(NamedTuple):
    """Packed pairs that share hashes, rising, how many each shares, and the capped buckets."""

    keys: np.ndarray
    counts: np.ndarray
    capped: int


def shared_hashes(sketches: Ragged, cap: int) -> Shared:
    """Pairs of all sketches, from one index of one range of hashes."""
    n = len(sketches.lengths)
    found = candidates.index([candidates.bucketed(sketches)], n, cap)
    keys, counts = candidates.met(found, slice(0, n), 1)
    order = np.argsort(keys)
    return Shared(keys[order], counts[order], found.capped)
