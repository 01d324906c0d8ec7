"""Which tokens somebody else said.

Law: what stands in quotation marks is the speaker's, not the author's: every outlet that was there
has it. A mark that is never closed quotes nothing beyond its paragraph.

Double marks of every script are known, single ones where they open and close a word. An embedded
post ("… — Name (@handle) …") is a quotation too.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit

from dedup.ragged import Ragged

# Bytes; a longer stretch between two marks is more likely two marks that have lost their partners.
_LONGEST = 1500
# Bytes between the dash and the handle under an embedded post.
_LONGEST_NAME = 80

# Share of an article's text, template aside, below which the rest of it is no text of its own.
_LEAST_OWN = 0.1

# Bytes that begin a mark, end a line, or stand in the name of a post's author.
_MARKS, _LINE_END, _AT = 1, 2, 4
_LOOKED_AT = np.zeros(256, np.uint8)
_LOOKED_AT[[0x22, 0x27, 0xC2, 0xE2, 0xE3]] = _MARKS
_LOOKED_AT[[0x0A, 0x40]] = _LINE_END, _AT

# Bytes in which marks are looked for at once, less one.
_ONE, _BLOCK = np.uint64(1), np.uint64(63)

_NONE, _OPEN, _CLOSE, _EITHER, _LOW, _OPEN_ONE, _CLOSE_ONE, _EITHER_ONE = range(8)


def quoted(texts: pa.LargeStringArray, starts: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which tokens stand in quotations: uint8, shape (n_tokens,), 1 where they do.

    Parameters
    ----------
    texts : LargeStringArray of length n, without nulls
    starts : ndarray of int32, shape (n_tokens,)
        First byte of each token in its text.
    offsets : ndarray of int64, shape (n + 1,)
        Text `i` has the tokens `offsets[i]:offsets[i + 1]`.
    """
    _, text_offsets, data = texts.buffers()
    bounds = np.frombuffer(text_offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    buffer = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
    return _quoted(buffer, bounds, starts, offsets, np.zeros(len(starts), np.uint8))


def own(body: np.ndarray, inside: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that are their article's own: neither template nor quotation.

    An article that is quotation from end to end (a speech, a statement) has no others, and so they
    are taken for its own.

    Parameters
    ----------
    body : ndarray of bool, shape (n_tokens,)
        Tokens that are not template.
    inside : Ragged of uint8
        See :func:`quoted`.

    Returns
    -------
    own : ndarray of bool, shape (n_tokens,)
    spoken : ndarray of bool, shape (n_articles,)
        Articles that are quotation from end to end.
    """
    return _own(body, inside.values, inside.offsets)


@njit(cache=True, nogil=True)
def _own(body, quoted, offsets):  # type: ignore[no-untyped-def]
    result, spoken = np.zeros(len(body), np.bool_), np.zeros(len(offsets) - 1, np.bool_)
    for article in range(len(spoken)):
        text, outside = 0, 0
        for at in range(offsets[article], offsets[article + 1]):
            result[at] = body[at] and quoted[at] == 0
            text += body[at]
            outside += result[at]
        spoken[article] = outside < _LEAST_OWN * text
        if spoken[article]:
            for at in range(offsets[article], offsets[article + 1]):
                result[at] = body[at]
    return result, spoken


@njit(cache=True, nogil=True)
def _quoted(buffer, bounds, starts, offsets, result):  # type: ignore[no-untyped-def]
    for article in range(len(offsets) - 1):
        text = buffer[bounds[article] : bounds[article + 1]]
        first, last = offsets[article], offsets[article + 1]
        if _mark_quotations(text, starts[first:last], result[first:last]):
            _mark_posts(text, starts[first:last], result[first:last])
    return result


@njit(cache=True, nogil=True, inline="always")
def _mark_tokens(starts, marks, token, start, stop):  # type: ignore[no-untyped-def]
    """Mark the tokens from `token` on that start in some bytes; the first that starts behind."""
    while token < len(starts) and starts[token] < start:
        token += 1
    while token < len(starts) and starts[token] < stop:
        marks[token] = 1
        token += 1
    return token


@njit(cache=True, nogil=True, inline="always")
def _is_letter(byte):  # type: ignore[no-untyped-def]
    return (65 <= byte <= 90) or (97 <= byte <= 122) or byte >= 128


@njit(cache=True, nogil=True)
def _mark(text, at):  # type: ignore[no-untyped-def]
    """Kind of the quotation mark whose first byte is at `at`, and its length in bytes."""
    first = text[at]
    if first == 0x22:
        return _EITHER, 1
    if first == 0x27:
        return _EITHER_ONE, 1
    if first == 0xC2 and at + 1 < len(text):
        return (_OPEN if text[at + 1] == 0xAB else _CLOSE if text[at + 1] == 0xBB else _NONE), 2
    if at + 2 >= len(text):
        return _NONE, 1
    second, third = text[at + 1], text[at + 2]
    if first == 0xE2 and second == 0x80:
        if third == 0x9C or third == 0x9F:
            return _OPEN, 3
        if third == 0x9D:
            return _CLOSE, 3
        if third == 0x9E:
            return _LOW, 3
        if third == 0x98:
            return _OPEN_ONE, 3
        return (_CLOSE_ONE if third == 0x99 else _NONE), 3
    if first == 0xE3 and second == 0x80:
        if third == 0x8C or third == 0x8E:
            return _OPEN, 3
        return (_CLOSE if third == 0x8D or third == 0x8F else _NONE), 3
    return _NONE, 1


@njit(cache=True, nogil=True)
def _closes(opened, kind, before_letter):  # type: ignore[no-untyped-def]
    """Whether a mark closes the quotation that a mark of the kind `opened` began."""
    if opened == _LOW:
        return kind in (_OPEN, _CLOSE, _EITHER)
    if opened in (_OPEN, _EITHER):
        return kind in (_CLOSE, _EITHER)
    if opened == _CLOSE:  # »so« and ”so”
        return kind in (_OPEN, _CLOSE)
    return kind in (_CLOSE_ONE, _EITHER_ONE) and not before_letter


@njit(cache=True, nogil=True)
def _opens(kind, after_space, before_letter):  # type: ignore[no-untyped-def]
    if kind in (_OPEN_ONE, _EITHER_ONE, _CLOSE):
        return after_space and before_letter
    if kind == _EITHER:  # not the inches of 5" and no mark whose partner the last paragraph had
        return after_space or before_letter
    return kind in (_OPEN, _LOW)


@njit(cache=True, nogil=True, inline="always")
def _next(text, place, wanted):  # type: ignore[no-untyped-def]
    """The first byte from `place` on that is looked at; where there is none, the text's end."""
    end = np.uint64(len(text))
    while place < end:
        stop = min((place | _BLOCK) + _ONE, end)
        if wanted & _LINE_END or _has_mark(text[place:stop]):
            while place < stop and _LOOKED_AT[text[place]] & wanted == 0:
                place += _ONE
            if place < stop:
                break
        place = stop
    return place


@njit(cache=True, nogil=True)
def _has_mark(piece):  # type: ignore[no-untyped-def]
    """Whether any byte may begin a mark or a handle; many are looked at at once."""
    found = False
    for i in range(len(piece)):
        byte = piece[i]
        found |= (byte == 0x22) | (byte == 0x27) | (byte == 0x40)
        found |= (byte == 0xC2) | (byte == 0xE2) | (byte == 0xE3)
    return found


@njit(cache=True, nogil=True)
def _mark_quotations(text, starts, marks):  # type: ignore[no-untyped-def]
    """Mark the tokens within quotation marks; whether there is "(@", without which no post.

    Only bytes are looked at that begin a mark or end a paragraph within one.
    """
    opened, start, token, signed, wanted = _NONE, 0, 0, False, _MARKS | _AT
    place, end = np.uint64(0), np.uint64(len(text))
    while True:
        place = _next(text, place, wanted)
        if place == end:
            break
        at, byte = np.int64(place), text[place]
        if byte == 0x40:
            signed = signed or (at > 0 and text[at - 1] == 40)  # "(@"
            place += _ONE
            continue
        kind, width = _mark(text, at)
        place += np.uint64(width)
        if kind == _NONE and byte != 10:
            continue
        following = text[place] if place < end else 32
        before_letter = _is_letter(following) or 48 <= following <= 57
        # A line that goes on in lower case was only wrapped.
        paragraph_ends = byte == 10 and not 97 <= following <= 122
        if opened != _NONE and (
            paragraph_ends or (kind != _NONE and _closes(opened, kind, before_letter))
        ):
            single = opened in (_OPEN_ONE, _EITHER_ONE)
            if at - start <= _LONGEST and not (paragraph_ends and single):
                token = _mark_tokens(starts, marks, token, start, at)
            opened, wanted = _NONE, _MARKS | _AT
        elif kind != _NONE and opened == _NONE:
            after_space = at == 0 or text[at - 1] <= 32 or text[at - 1] == 40
            if _opens(kind, after_space, before_letter):
                opened, start, wanted = kind, at, _MARKS | _AT | _LINE_END
    if opened not in (_NONE, _OPEN_ONE, _EITHER_ONE) and len(text) - start <= _LONGEST:
        _mark_tokens(starts, marks, token, start, len(text))
    return signed


@njit(cache=True, nogil=True)
def _mark_posts(text, starts, marks):  # type: ignore[no-untyped-def]
    """Mark the tokens of embedded posts: the signed paragraph, or the one above its name."""
    token, above, begin, dash, signed = 0, 0, 0, -1, False
    for at in range(len(text) + 1):
        byte = text[at] if at < len(text) else 10
        if byte == 0x40 and at > begin and text[at - 1] == 40:  # "(@"
            signed = signed or (dash >= 0 and at - dash <= _LONGEST_NAME)
        elif not signed and (
            (byte == 0x2D and (at == begin or text[at - 1] <= 32))
            or (
                byte == 0xE2
                and at + 2 < len(text)
                and text[at + 1] == 0x80
                and text[at + 2] == 0x94
            )
        ):
            dash = at
        elif byte == 10:
            if signed:
                start = above if _is_blank(text, begin, dash) else begin
                token = _mark_tokens(starts, marks, token, start, at)
            if not _is_blank(text, begin, at):
                above = begin
            begin, dash, signed = at + 1, -1, False


@njit(cache=True, nogil=True)
def _is_blank(text, start, end):  # type: ignore[no-untyped-def]
    blank = True
    for at in range(start, end):
        blank = blank and text[at] <= 32
    return blank
