"""Text to tokens.

Law: two texts that differ only in case, accents and other combining marks, typography, width,
HTML escapes or line-end hyphens give the same tokens, in every script; and a token always says
which bytes it came from.

Every code point is folded by one table: compatibility decomposition (NFKD) around full case
folding, without the code points whose canonical combining class is not zero. Dropping those makes
composed and decomposed text equal without reordering. Apostrophes and ignorable code points are
dropped inside words, and so are `.` and `,` between digits.

Scripts with spaces give words. Scripts without (Han, kana, Thai, Lao, Khmer, Burmese) give
overlapping character n-grams, a shorter run of them one token. Mixed text is told apart code point
by code point.

Where recognition has broken the words, every script can be read in n-grams. It breaks spaces and
lines no less, so then nothing but letters and digits counts, and n-grams run on across words. A
figure misread is another figure, so none is marked.

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
import pyarrow as pa
from numba import njit

SEPARATOR, IGNORED, WORD = 0, 1, 2
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
_LONGEST_NGRAM = 8  # a power of two, so that the ring below needs no division

# Those that NFKD leaves as they are; it makes of U+00B4 a space and an accent.
_APOSTROPHES = "'`ʹʻʼʽˈ‘’‚‛′"

# No script lies above; what does (tags, variation selectors, private use) is ignored.
_LAST_SCRIPT = 0x323B0

# A left-over tag longer than this is taken for a stray '<'.
_LONGEST_TAG = 1000
_LONGEST_ENTITY = 32


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
    ascii_word : ndarray of uint32, shape (128,)
        Folded character of each ASCII letter and digit that belongs to a word, 0 for the others.
    entity_keys : ndarray of uint64
        Sorted hashes of the names of HTML entities.
    entity_points : ndarray of int32, shape (len(entity_keys), 2)
        Their code points; -1 where there is no second one.
    latin_escapes : ndarray of int32, shape (32,)
        What numeric escapes 128 to 159 mean in HTML.
    """

    starts: np.ndarray
    folded: np.ndarray
    kinds: np.ndarray
    ascii_word: np.ndarray
    entity_keys: np.ndarray
    entity_points: np.ndarray
    latin_escapes: np.ndarray


class Tokens(NamedTuple):
    """Tokens of a batch of articles.

    Attributes
    ----------
    hashes : ndarray of uint64, shape (n_tokens,)
        Token hashes; the lowest bit says whether the token is a word that holds a digit.
    starts, ends : ndarray of int32, shape (n_tokens,)
        The bytes of the article's UTF-8 text that the token came from.
    offsets : ndarray of int64, shape (n_articles + 1,)
        Article `i` has the tokens `offsets[i]:offsets[i + 1]`.
    """

    hashes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray


def tokenise(texts: pa.LargeStringArray, spans: np.ndarray, gram: int = 0) -> Tokens:
    """Tokens of the given part of each text.

    Parameters
    ----------
    texts : LargeStringArray of length n, without nulls
    spans : ndarray of int64, shape (n, 2)
        First byte and byte past the last to read of each text.
    gram : int
        Characters per token in scripts with spaces, 2 to 8; 0 leaves their words whole.
    """
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    buffer = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
    return Tokens(*_tokenise(buffer, starts, spans, fold_table(gram)))


def whole(texts: pa.LargeStringArray) -> np.ndarray:
    """Spans that cover each text whole: ndarray of int64, shape (n, 2)."""
    _, offsets, _ = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.stack([np.zeros(len(texts), np.int64), np.diff(starts)], axis=1)


@functools.cache
def fold_table(gram: int = 0) -> FoldTable:
    """The table for this Python's Unicode version; built once per process.

    Parameters
    ----------
    gram : int
        See :func:`tokenise`.
    """
    # Lone surrogates cannot stand in UTF-8. NUL parts the code points and combines with none.
    points = ["" if 0xD800 <= point < 0xE000 else chr(point) for point in range(1, _LAST_SCRIPT)]
    text = unicodedata.normalize("NFKD", "\0".join(["\1", *points]))
    # The dotless i is the one letter that does not fold to what its capital folds to.
    text = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    characters = np.frombuffer(text.encode("utf-32-le"), np.uint32).copy()
    owner = np.cumsum(characters == 0)
    kinds = _kinds(gram)
    keep = (characters != 0) & (kinds[characters] != IGNORED)
    # NUL itself, which the kernel reads at the end of every text, separates always.
    keep[0], characters[0] = True, 0
    counts = np.bincount(owner[keep], minlength=_LAST_SCRIPT)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    folded = _ascii_digits(characters[keep])
    ascii_word = np.zeros(128, np.uint32)
    for byte in range(128):
        if counts[byte] and kinds[folded[starts[byte]]] == WORD:
            ascii_word[byte] = folded[starts[byte]]
    return FoldTable(starts, folded, kinds, ascii_word, *_entities())


def _kinds(gram: int) -> np.ndarray:
    kinds = np.full(_LAST_SCRIPT, SEPARATOR, np.uint8)
    for point, character in enumerate(map(chr, range(_LAST_SCRIPT))):
        category = unicodedata.category(character)
        if category[0] in "LN" or (category[0] == "M" and not unicodedata.combining(character)):
            kinds[point] = WORD
        elif category[0] == "M" or category == "Cf":
            kinds[point] = IGNORED
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


def _ascii_digits(characters: np.ndarray) -> np.ndarray:
    """Decimal digits of every script become those of ASCII."""
    values = {
        point: 48 + int(unicodedata.decimal(chr(point)))
        for point in np.unique(characters).tolist()
        if point > 127 and unicodedata.decimal(chr(point), None) is not None
    }
    replaced = characters.copy()
    for point, digit in values.items():
        replaced[characters == point] = digit
    return replaced


def _entities() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names = sorted(name[:-1] for name in html.entities.html5 if name.endswith(";"))
    spelt = [np.frombuffer(name.encode(), np.uint8) for name in names]
    keys = np.array([_name_key(name) for name in spelt], np.uint64)
    points = np.full((len(names), 2), -1, np.int32)
    for row, name in enumerate(names):
        meaning = html.entities.html5[name + ";"]
        points[row, : len(meaning)] = [ord(character) for character in meaning]
    order = np.argsort(keys)
    latin = np.array([ord(html.unescape(f"&#{point};") or " ") for point in range(128, 160)])
    return keys[order], points[order], latin.astype(np.int32)


# --- the kernel -------------------------------------------------------------------------------

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SEED = np.uint64(0x243F6A8885A308D3)
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S29, _S33 = np.uint64(29), np.uint64(33)
_ONE = np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def _absorb(state, character):  # type: ignore[no-untyped-def]
    state = (state ^ np.uint64(character)) * _PRIME
    return state ^ (state >> _S29)


@njit(cache=True, nogil=True)
def _finish(state, has_digit):  # type: ignore[no-untyped-def]
    state = (state ^ (state >> _S33)) * _MIX_1
    state = (state ^ (state >> _S33)) * _MIX_2
    state = state ^ (state >> _S33)
    return (state | _ONE) if has_digit else (state & ~_ONE)


@njit(cache=True, nogil=True)
def _name_key(name):  # type: ignore[no-untyped-def]
    state = _SEED
    for byte in name:
        state = _absorb(state, byte)
    return _finish(state, False)


@njit(cache=True, nogil=True)
def _decode(buffer, at, end):  # type: ignore[no-untyped-def]
    """Code point at a byte and the byte after it. Arrow has checked the text to be UTF-8."""
    first = np.int32(buffer[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0 and at + 1 < end:
        return ((first & 0x1F) << 6) | (np.int32(buffer[at + 1]) & 0x3F), at + 2
    if first < 0xF0 and at + 2 < end:
        second = np.int32(buffer[at + 1]) & 0x3F
        return ((first & 0x0F) << 12) | (second << 6) | (np.int32(buffer[at + 2]) & 0x3F), at + 3
    if first < 0xF8 and at + 3 < end:
        second, third = np.int32(buffer[at + 1]) & 0x3F, np.int32(buffer[at + 2]) & 0x3F
        last = np.int32(buffer[at + 3]) & 0x3F
        return min(((first & 7) << 18) | (second << 12) | (third << 6) | last, 0x10FFFF), at + 4
    return np.int32(32), at + 1


@njit(cache=True, nogil=True)
def _is_letter_byte(byte):  # type: ignore[no-untyped-def]
    return (65 <= byte <= 90) or (97 <= byte <= 122)


@njit(cache=True, nogil=True)
def _after_tag(buffer, at, end):  # type: ignore[no-untyped-def]
    """The byte after the tag that opens at `at`, or `at` where none does."""
    if at + 1 >= end:
        return at
    first = buffer[at + 1]
    if not (_is_letter_byte(first) or first == 47 or first == 33):  # letter, '/' or '!'
        return at
    for i in range(at + 2, min(end, at + _LONGEST_TAG)):
        if buffer[i] == 62:  # '>'
            return i + 1
        if buffer[i] == 60:  # '<'
            return at
    return at


@njit(cache=True, nogil=True)
def _numeric_entity(buffer, at, end, table):  # type: ignore[no-untyped-def]
    """Code point of `#…;` at `at` and the byte after it; -1 where it is none."""
    hexadecimal = at < end and (buffer[at] | 32) == 120  # 'x'
    i = at + 1 if hexadecimal else at
    first, point = i, 0
    while i < end:
        byte = np.int64(buffer[i])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif hexadecimal and 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            break
        point = min(point * (16 if hexadecimal else 10) + digit, 0x110000)
        i += 1
    if i == first or i >= end or buffer[i] != 59:  # ';'
        return -1, at
    if 128 <= point < 160:
        point = table.latin_escapes[point - 128]
    if point == 0 or point > 0x10FFFF or 0xD800 <= point < 0xE000:
        point = 0xFFFD
    return point, i + 1


@njit(cache=True, nogil=True)
def _entity(buffer, at, end, table):  # type: ignore[no-untyped-def]
    """Code points of the entity whose '&' stands before `at`, and the byte after it.

    The first is -1 where there is no entity, the second where it means one code point.
    """
    if at < end and buffer[at] == 35:  # '#'
        point, after = _numeric_entity(buffer, at + 1, end, table)
        return point, -1, after
    i = at
    while i < end and i - at < _LONGEST_ENTITY:
        byte = buffer[i]
        if not (_is_letter_byte(byte) or 48 <= byte <= 57):
            break
        i += 1
    if i == at or i >= end or buffer[i] != 59:
        return -1, -1, at
    key = _name_key(buffer[at:i])
    row = np.searchsorted(table.entity_keys, key)
    if row == len(table.entity_keys) or table.entity_keys[row] != key:
        return -1, -1, at
    return table.entity_points[row, 0], table.entity_points[row, 1], i + 1


@njit(cache=True, nogil=True)
def _first_folded(buffer, at, end, folds, folded):  # type: ignore[no-untyped-def]
    """First folded character at or after `at`; 0 where there is none."""
    while at < end:
        point, at = _decode(buffer, at, end)
        if point < _LAST_SCRIPT and folds[point] < folds[point + 1]:
            return folded[folds[point]]
    return np.uint32(0)


@njit(cache=True, nogil=True)
def _after_blanks(buffer, at, end, folds, folded):  # type: ignore[no-untyped-def]
    """The byte past the white space, line ends left out, and ignored characters at `at`."""
    while at < end:
        point, after = _decode(buffer, at, end)
        if point != 9 and point != 13 and point < _LAST_SCRIPT:
            for i in range(folds[point], folds[point + 1]):
                if folded[i] != 32:
                    return at
        at = after
    return at


@njit(cache=True, nogil=True)
def _after_line_end(buffer, at, end, folds, folded):  # type: ignore[no-untyped-def]
    """The byte where the next line's text starts if a line ends at `at`; else -1."""
    at = _after_blanks(buffer, at, end, folds, folded)
    if at >= end or buffer[at] != 10:
        return -1
    while at < end and buffer[at] == 10:
        at = _after_blanks(buffer, at + 1, end, folds, folded)
    return at


@njit(cache=True, nogil=True)
def _may_go_on(character):  # type: ignore[no-untyped-def]
    """Whether a word may go on past this separator: hyphens, decimal and thousands marks."""
    return (44 <= character <= 46) or (character == 0x2010) or (0x66B <= character <= 0x66C)


@njit(cache=True, nogil=True)
def _goes_on(character, last, buffer, at, end, folds, folded, kinds):  # type: ignore[no-untyped-def]
    """The byte where the word goes on past a separator that stands before `at`; else -1."""
    if character == 45 or character == 0x2010:
        after = _after_line_end(buffer, at, end, folds, folded)
        first = _first_folded(buffer, after, end, folds, folded) if after >= 0 else np.uint32(0)
        return after if kinds[first] == WORD else -1
    following = _first_folded(buffer, at, end, folds, folded)
    return at if _is_digit(last) and _is_digit(following) else -1


@njit(cache=True, nogil=True)
def _is_digit(character):  # type: ignore[no-untyped-def]
    return 48 <= character <= 57


@njit(cache=True, nogil=True)
def _larger(array):  # type: ignore[no-untyped-def]
    larger = np.empty(2 * len(array), array.dtype)
    larger[: len(array)] = array
    return larger


@njit(cache=True, nogil=True)
def _tokenise(buffer, text_starts, spans, table):  # type: ignore[no-untyped-def]
    n = len(spans)
    offsets = np.zeros(n + 1, np.int64)
    guess = 64 + (text_starts[n] - text_starts[0]) // 4
    hashes = np.empty(guess, np.uint64)
    starts, ends = np.empty(guess, np.int32), np.empty(guess, np.int32)
    for article in range(n):
        begin = text_starts[article]
        at, end = begin + spans[article, 0], begin + spans[article, 1]
        count = -1
        while count < 0:
            count = _tokenise_one(
                buffer, begin, at, end, table, hashes, starts, ends, offsets[article]
            )
            if count < 0:
                hashes, starts, ends = _larger(hashes), _larger(starts), _larger(ends)
        offsets[article + 1] = count
    total = offsets[n]
    return hashes[:total], starts[:total], ends[:total], offsets


@njit(cache=True, nogil=True)
def _tokenise_one(buffer, begin, at, end, table, hashes, starts, ends, count):  # type: ignore[no-untyped-def]
    """Write one article's tokens from `count` on; their new count, or -1 when there is no room."""
    folds, folded, kinds, ascii_word = table.starts, table.folded, table.kinds, table.ascii_word
    ring = np.zeros(_LONGEST_NGRAM, np.uint32)
    ring_bytes = np.zeros(_LONGEST_NGRAM, np.int64)
    # The token being read: its class, length in folded characters, hash, first and last byte.
    kind, length, state, has_digit = np.int64(SEPARATOR), 0, _SEED, False
    start, stop, last = at, at, np.uint32(0)
    while at <= end:
        here = at
        second = np.int64(-1)
        if at == end:
            point, at = np.int64(0), at + 1  # closes the last token
        elif buffer[at] < 128:
            point, at = np.int64(buffer[at]), at + 1
            character = ascii_word[point]
            if character != 0 and (kind == WORD or length == 0):
                if length == 0:
                    state, has_digit, start, kind = _SEED, False, here, np.int64(WORD)
                stop, last = at, character
                length += 1
                has_digit = has_digit or _is_digit(character)
                state = _absorb(state, character)
                continue
        else:
            point, at = _decode(buffer, at, end)
        if point == 60:  # '<'
            at = max(at, _after_tag(buffer, here, end))
        elif point == 38:  # '&'
            first, other, after = _entity(buffer, at, end, table)
            while first == 38 and after > at:  # escaped twice: "&amp;nbsp;"
                at = after
                first, other, after = _entity(buffer, at, end, table)
            if first >= 0:
                point, second, at = first, other, after
        while point >= 0:
            if point >= _LAST_SCRIPT:
                break
            for i in range(folds[point], folds[point + 1]):
                character = folded[i]
                this = np.int64(kinds[character])
                final = i + 1 == folds[point + 1]  # else another separator follows: "…" is "..."
                if kind == WORD and length > 0 and final and _may_go_on(character):
                    onward = _goes_on(character, last, buffer, at, end, folds, folded, kinds)
                    if onward >= 0:
                        at = onward
                        continue
                # The word ends here, or an unspaced run too short for one n-gram does.
                ends_token = this != kind and length > 0
                if ends_token and (kind == WORD or length < kind - WORD):
                    if count == len(hashes):
                        return -1
                    hashes[count] = _finish(state, has_digit)
                    starts[count], ends[count] = start - begin, stop - begin
                    count += 1
                if ends_token:
                    length = 0
                kind = this
                if kind == SEPARATOR:
                    continue
                if length == 0:
                    state, has_digit, start = _SEED, False, here
                stop, last = at, character
                length += 1
                has_digit = has_digit or (kind == WORD and _is_digit(character))
                state = _absorb(state, character)
                if kind > WORD:
                    ring[length & (_LONGEST_NGRAM - 1)] = character
                    ring_bytes[length & (_LONGEST_NGRAM - 1)] = here
                    first = length - (kind - WORD) + 1
                    if first >= 1:
                        gram = _SEED
                        for k in range(first, length + 1):
                            gram = _absorb(gram, ring[k & (_LONGEST_NGRAM - 1)])
                        if count == len(hashes):
                            return -1
                        hashes[count] = _finish(gram, False)
                        starts[count] = ring_bytes[first & (_LONGEST_NGRAM - 1)] - begin
                        ends[count] = stop - begin
                        count += 1
            point, second = second, np.int64(-1)
    return count
