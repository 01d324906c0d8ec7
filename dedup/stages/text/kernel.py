"""Texts to tokens, a piece at a time: bytes to code points, to cells, to tokens, to hashes.

Law: a text's tokens are its own; what else is read with it, and in how many pieces it is read,
makes no difference.

A folded character that counts is a *cell*: in bits 0 to 20 the character, in bit 21 whether it is a
digit of a word, in bits 24 to 27 its class. A separator is 0. Nearly every code point becomes the
same one cell wherever it stands. These are read by a loop that takes all alike, so that nothing in
the text makes the processor guess wrongly; the others are looked at one by one.

All that is compiled stands in this file, with the constants it is compiled with: a kernel that lies
compiled on disk is made anew when its own file changes, and not when another does.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# --- what the kernel and its tables agree on ---------------------------------------------------

SEPARATOR, IGNORED, WORD = 0, 1, 2  # from there on, WORD plus the length of n-grams
# No script lies above; what does (tags, variation selectors, private use) is ignored.
LAST_SCRIPT = 0x323B0

CHARACTER, DIGIT, CLASS = np.uint32((1 << 21) - 1), np.uint32(1 << 21), np.uint32(24)
WORD_CELL, NGRAM_CELL = np.uint32(WORD << 24), np.uint32((WORD + 1) << 24)
# In the table: a code point that counts for nothing is dropped; from CLOSER on, it is no one cell,
# or what stands around it tells which.
DROPPED, CLOSER = np.uint32(1 << 30), np.uint32(1 << 31)
POINT, HYPHEN, SEVERAL = (CLOSER + np.uint32(n) for n in (1, 2, 3))
# Decimal and thousands marks, and hyphens, as folded.
POINTS, HYPHENS = (44, 46, 0x66B, 0x66C), (45, 0x2010)
# Surrogates, which stand in no text: for bytes where no code point begins, and for one that is not
# of the Basic Multilingual Plane.
NO_POINT, BEYOND = 0xD800, 0xD801

# --- pieces of text ---------------------------------------------------------------------------

# Bytes read at a time, so that all that is made of them stays in a near cache, and how many more
# until the piece ends between two tokens; no code point folds to as many characters.
PIECE, _STEP = np.uint64(4096), np.uint64(32)

# Places are unsigned: a signed one may count from the end, and each use asks whether it does.
_ONE, _TWO = np.uint64(1), np.uint64(2)


@njit(cache=True, nogil=True)
def tokenise_all(buffer, text_starts, spans, folds, escapes, hashes, starts, ends):  # type: ignore[no-untyped-def]
    """Tokens of all texts, written into the given arrays while there is room in them."""
    offsets = np.zeros(len(spans) + 1, np.int64)
    cells, places, edges, firsts, sizes = _room(2 * np.int64(PIECE))
    points, lanes = np.empty(PIECE + _ONE, np.uint16), np.zeros(_SHAPE, np.uint64)
    count = 0
    for article in range(len(spans)):
        begin = text_starts[article]
        text, at = buffer[begin : begin + spans[article, 1]], spans[article, 0]
        while at < len(text):
            n, after = _read(text, at, folds, escapes, cells, places, points)
            if n < 0:
                cells, places, edges, firsts, sizes = _room(2 * len(places))
                continue
            if len(hashes) < count + n:
                size = 2 * len(hashes) + n
                hashes = _larger(hashes, size)
                starts, ends = _larger(starts, size), _larger(ends, size)
            m = _split(cells, edges, _cut(cells, n, edges), firsts, sizes)
            if _place(text, places, firsts, sizes, m, np.uint64(count), starts, ends):
                _place_escapes(text, escapes, count, count + np.int64(m), ends)
            _hash_tokens(cells, firsts, sizes, m, lanes, hashes, np.uint64(count))
            count, at = count + np.int64(m), after
        offsets[article + 1] = count
    return hashes[:count], starts[:count], ends[:count], offsets


@njit(cache=True, nogil=True)
def _room(size):  # type: ignore[no-untyped-def]
    """Room for cells and their places, for where runs of them begin, and for tokens."""
    cells, places = np.empty(size + _PADDING, np.uint32), np.empty(size, np.int32)
    edges = np.empty(size + 1, np.int32)
    return cells, places, edges, np.empty(size, np.int32), np.empty(size, np.int32)


@njit(cache=True, nogil=True)
def _larger(array, size):  # type: ignore[no-untyped-def]
    larger = np.empty(size, array.dtype)
    for i in range(len(array)):
        larger[i] = array[i]
    return larger


# --- bytes to cells ---------------------------------------------------------------------------

_NOTHING = np.uint32(0)
_DROPPED_BIT = np.uint32(30)


@njit(cache=True, nogil=True)
def _read(text, at, folds, escapes, cells, places, points):  # type: ignore[no-untyped-def]
    """Write the cells of some text, up to between two tokens, and the bytes they came from.

    How many there are, -1 where there is no room; and the byte after that text.
    """
    known, spread, folded, kinds = folds.cells, folds.starts, folds.folded, folds.kinds
    n, at, end = np.uint64(0), np.uint64(at), np.uint64(len(text))
    stop = min(end, at + PIECE)
    while True:
        _write_points(text, at, stop, points)
        base = at
        while at < stop:
            cell = known[points[at - base]]
            while cell < CLOSER:
                cells[n], places[n] = cell, at
                n += _ONE - np.uint64(cell >> _DROPPED_BIT)
                at += _ONE
                cell = known[points[at - base]]
            if at == stop:
                break
            point = np.uint64(points[at - base])
            if cell in (POINT, HYPHEN):
                last = cells[n - _ONE] if n > 0 else _NOTHING
                cell = _between(cell, last, _following(text, at, point, known))
            if cell < CLOSER:
                cells[n], places[n] = cell, at
                n += _ONE - np.uint64(cell >> _DROPPED_BIT)
                at += _ONE
            elif cell == SEVERAL and n + _STEP + stop - at <= len(places):
                for i in range(spread[point], spread[point + _ONE]):
                    cells[n], places[n] = _cell(folded[i], kinds), at
                    n += _ONE
                at += _ONE
            else:
                count, onward = _read_closer(
                    text, np.int64(at), np.int64(stop), folds, escapes, cells, places, np.int64(n)
                )
                if count < 0:
                    return -1, np.int64(at)
                n, at = np.uint64(count), np.uint64(onward)
        if at >= end or n == 0 or cells[n - _ONE] == SEPARATOR:
            return np.int64(n), np.int64(at)
        if n + _STEP > len(places):
            return -1, np.int64(at)
        stop = min(end, at + _STEP)


@njit(cache=True, nogil=True)
def _write_points(text, at, stop, points):  # type: ignore[no-untyped-def]
    """Write the code point that begins at each byte, and behind them BEYOND.

    No branch depends on the text, so many bytes are done at once.
    """
    inner = min(stop, np.uint64(max(len(text) - 2, 0)))  # two more bytes follow
    for i in range(max(inner, at) - at):
        first, second, third = text[at + i], text[at + i + _ONE], text[at + i + _TWO]
        of_two = ((first & 0x1F) << 6) | (second & 0x3F)
        of_three = ((first & 0x0F) << 12) | ((second & 0x3F) << 6) | (third & 0x3F)
        point = BEYOND if first >= 0xF0 else of_three
        point = point if first >= 0xE0 else of_two
        point = point if first >= 0xC0 else NO_POINT
        point = point if first >= 0x80 else first
        # A point before a space parts words, whatever stands before it.
        parts = (first == 44 or first == 46) and (second == 32 or second == 10)
        points[i] = 32 if parts else point
    for i in range(max(inner, at), stop):
        begins = text[i] < 0x80 or text[i] >= 0xC0
        points[i - at] = _decode(text, np.int64(i))[0] if begins else NO_POINT
    points[stop - at] = BEYOND


@njit(cache=True, nogil=True, inline="always")
def _following(text, at, point, known):  # type: ignore[no-untyped-def]
    """Cell of the ASCII character that follows the point at `at`; CLOSER where it is another."""
    after = at + _ONE + np.uint64(point >= 0x80) + np.uint64(point >= 0x800)
    if after >= len(text):
        return _NOTHING
    return known[text[after]] if text[after] < 0x80 else CLOSER


@njit(cache=True, nogil=True, inline="always")
def _between(cell, last, following):  # type: ignore[no-untyped-def]
    """What a point or a hyphen between two cells is; itself where a closer look must tell."""
    if not WORD_CELL <= last < NGRAM_CELL:
        return _NOTHING
    if cell == HYPHEN:
        return _NOTHING if WORD_CELL <= following < DROPPED else cell
    if last & DIGIT == 0 or (following < DROPPED and following & DIGIT == 0):
        return _NOTHING
    return DROPPED if following < DROPPED else cell


@njit(cache=True, nogil=True, inline="always")
def _cell(character, kinds):  # type: ignore[no-untyped-def]
    kind = np.uint32(kinds[character])
    digit = DIGIT if kind == WORD and _is_digit(character) else _NOTHING
    return (kind << CLASS) | digit | character if kind != SEPARATOR else _NOTHING


@njit(cache=True, nogil=True)
def _read_closer(text, here, stop, folds, escapes, cells, places, n):  # type: ignore[no-untyped-def]
    """Write the cells of a tag, an escape or a code point, as `_read` does."""
    point, at = _decode(text, here)
    point, second = np.int64(point), np.int64(-1)
    if point == 60:  # '<'
        at = max(at, _after_tag(text, here))
    elif point == 38:  # '&'
        point, second, at = _escape(text, at, escapes)
    while 0 <= point < LAST_SCRIPT:
        first, beyond = folds.starts[point], folds.starts[point + 1]
        if n + beyond - first + max(stop - at, 0) > len(places):
            return -1, at
        for i in range(first, beyond):
            character, last = folds.folded[i], cells[n - 1] if n > 0 else _NOTHING
            final = i + 1 == beyond  # else another separator follows: "…" is "..."
            if final and last >> CLASS == WORD and _may_go_on(character):
                onward = _goes_on(character, last & CHARACTER, text, at, folds)
                if onward >= 0:
                    at = onward
                    continue
            cells[n], places[n] = _cell(character, folds.kinds), here
            n += 1
        point, second = second, np.int64(-1)
    return n, at


@njit(cache=True, nogil=True)
def _may_go_on(character):  # type: ignore[no-untyped-def]
    """Whether a word may go on past this separator."""
    return character in POINTS or character in HYPHENS


@njit(cache=True, nogil=True)
def _goes_on(character, last, text, at, folds):  # type: ignore[no-untyped-def]
    """The byte where the word goes on past a separator that stands before `at`; else -1."""
    if character in HYPHENS:
        after = _after_line_end(text, at, folds)
        first = _first_folded(text, after, folds) if after >= 0 else _NOTHING
        return after if folds.kinds[first] == WORD else -1
    return at if _is_digit(last) and _is_digit(_first_folded(text, at, folds)) else -1


@njit(cache=True, nogil=True)
def _after_line_end(text, at, folds):  # type: ignore[no-untyped-def]
    """The byte where the next line's text starts if a line ends at `at`; else -1."""
    at = _after_blanks(text, at, folds)
    if at >= len(text) or text[at] != 10:
        return -1
    while at < len(text) and text[at] == 10:
        at = _after_blanks(text, at + 1, folds)
    return at


@njit(cache=True, nogil=True)
def _after_blanks(text, at, folds):  # type: ignore[no-untyped-def]
    """The byte past the white space, line ends left out, and ignored characters at `at`."""
    while at < len(text):
        point, after = _decode(text, at)
        if point != 9 and point != 13 and point < LAST_SCRIPT:
            for i in range(folds.starts[point], folds.starts[point + 1]):
                if folds.folded[i] != 32:
                    return at
        at = after
    return at


@njit(cache=True, nogil=True)
def _first_folded(text, at, folds):  # type: ignore[no-untyped-def]
    """First folded character at or after `at`; 0 where there is none."""
    while at < len(text):
        point, at = _decode(text, at)
        if point < LAST_SCRIPT and folds.starts[point] < folds.starts[point + 1]:
            return folds.folded[folds.starts[point]]
    return _NOTHING


@njit(cache=True, nogil=True)
def _is_digit(character):  # type: ignore[no-untyped-def]
    return 48 <= character <= 57


@njit(cache=True, nogil=True)
def _decode(text, at):  # type: ignore[no-untyped-def]
    """Code point at a byte and the byte after it. Arrow has checked the text to be UTF-8."""
    first = np.int32(text[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0 and at + 1 < len(text):
        return ((first & 0x1F) << 6) | (np.int32(text[at + 1]) & 0x3F), at + 2
    if first < 0xF0 and at + 2 < len(text):
        second = np.int32(text[at + 1]) & 0x3F
        return ((first & 0x0F) << 12) | (second << 6) | (np.int32(text[at + 2]) & 0x3F), at + 3
    if first < 0xF8 and at + 3 < len(text):
        second, third = np.int32(text[at + 1]) & 0x3F, np.int32(text[at + 2]) & 0x3F
        last = np.int32(text[at + 3]) & 0x3F
        return min(((first & 7) << 18) | (second << 12) | (third << 6) | last, 0x10FFFF), at + 4
    return np.int32(32), at + 1


# --- tags and escapes -------------------------------------------------------------------------

# A left-over tag longer than this is taken for a stray '<'.
_LONGEST_TAG = 1000
_LONGEST_ENTITY = 32


@njit(cache=True, nogil=True)
def _is_letter_byte(byte):  # type: ignore[no-untyped-def]
    return (65 <= byte <= 90) or (97 <= byte <= 122)


@njit(cache=True, nogil=True)
def _after_tag(text, at):  # type: ignore[no-untyped-def]
    """The byte after the tag that opens at `at`, or `at` where none does."""
    if at + 1 >= len(text):
        return at
    first = text[at + 1]
    if not (_is_letter_byte(first) or first == 47 or first == 33):  # letter, '/' or '!'
        return at
    for i in range(at + 2, min(len(text), at + _LONGEST_TAG)):
        if text[i] == 62:  # '>'
            return i + 1
        if text[i] == 60:  # '<'
            return at
    return at


@njit(cache=True, nogil=True)
def _numeric_entity(text, at, table):  # type: ignore[no-untyped-def]
    """Code point of `#…;` at `at` and the byte after it; -1 where it is none."""
    hexadecimal = at < len(text) and (text[at] | 32) == 120  # 'x'
    i = at + 1 if hexadecimal else at
    first, point = i, 0
    while i < len(text):
        byte = np.int64(text[i])
        if 48 <= byte <= 57:
            digit = byte - 48
        elif hexadecimal and 97 <= (byte | 32) <= 102:
            digit = (byte | 32) - 87
        else:
            break
        point = min(point * (16 if hexadecimal else 10) + digit, 0x110000)
        i += 1
    if i == first or i >= len(text) or text[i] != 59:  # ';'
        return -1, at
    if 128 <= point < 160:
        point = table.latin[point - 128]
    if point == 0 or point > 0x10FFFF or 0xD800 <= point < 0xE000:
        point = 0xFFFD
    return point, i + 1


@njit(cache=True, nogil=True)
def _entity(text, at, table):  # type: ignore[no-untyped-def]
    """Code points of the entity whose '&' stands before `at`, and the byte after it.

    The first is -1 where there is no entity, the second where it means one code point.
    """
    if at < len(text) and text[at] == 35:  # '#'
        point, after = _numeric_entity(text, at + 1, table)
        return point, -1, after
    i = at
    while i < len(text) and i - at < _LONGEST_ENTITY:
        byte = text[i]
        if not (_is_letter_byte(byte) or 48 <= byte <= 57):
            break
        i += 1
    if i == at or i >= len(text) or text[i] != 59:
        return -1, -1, at
    key = name_key(text[at:i])
    row = np.searchsorted(table.keys, key)
    if row == len(table.keys) or table.keys[row] != key:
        return -1, -1, at
    return table.points[row, 0], table.points[row, 1], i + 1


@njit(cache=True, nogil=True)
def _escape(text, at, table):  # type: ignore[no-untyped-def]
    """As `_entity`, but '&' itself where there is none, and past "&amp;nbsp;", escaped twice."""
    first, second, after = _entity(text, at, table)
    while first == 38:
        at = after
        first, second, after = _entity(text, at, table)
    return (first, second, after) if first >= 0 else (38, -1, at)


# --- cells to tokens --------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _cut(cells, n, edges):  # type: ignore[no-untyped-def]
    """Write where runs of cells of one class begin, and where the last ends; how many there are."""
    count, before = np.uint64(0), np.uint32(0)
    for i in range(n):
        this = cells[i] >> CLASS
        edges[count] = i
        count += np.uint64(this != before)
        before = this
    edges[count] = n
    return count


@njit(cache=True, nogil=True)
def _split(cells, edges, runs, firsts, sizes):  # type: ignore[no-untyped-def]
    """Write the tokens' first cells and numbers of cells; how many there are."""
    count = np.uint64(0)
    for run in range(runs):
        first, stop = np.uint64(edges[run]), np.uint64(edges[run + _ONE])
        kind = cells[first] >> CLASS
        if kind == WORD:
            firsts[count], sizes[count] = first, stop - first
            count += _ONE
        elif kind != SEPARATOR:  # a run too short for one n-gram is one token
            size = min(stop - first, np.uint64(kind - WORD))
            for at in range(first, stop - size + _ONE):
                firsts[count], sizes[count] = at, size
                count += _ONE
    return count


@njit(cache=True, nogil=True)
def _place(text, places, firsts, sizes, m, count, starts, ends):  # type: ignore[no-untyped-def]
    """Write the bytes of `m` tokens from `count` on; how many end with an escape."""
    escapes = np.uint64(0)
    for token in range(m):
        first = np.uint64(firsts[token])
        place = np.uint64(places[first + np.uint64(sizes[token]) - _ONE])
        byte = text[place]
        width = _ONE + np.uint64(byte >= 0xC0) + np.uint64(byte >= 0xE0) + np.uint64(byte >= 0xF0)
        starts[count + token], ends[count + token] = places[first], place + width
        escapes += np.uint64(byte == 38)
    return escapes


@njit(cache=True, nogil=True)
def _place_escapes(text, escapes, first, beyond, ends):  # type: ignore[no-untyped-def]
    """Put right the ends of tokens that end with an escape."""
    for token in range(first, beyond):
        if text[ends[token] - 1] == 38:  # '&'
            ends[token] = _escape(text, np.int64(ends[token]), escapes)[2]


# --- tokens to hashes -------------------------------------------------------------------------

_SEED = np.uint64(0x243F6A8885A308D3)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_S29, _S32, _S33 = np.uint64(29), np.uint64(32), np.uint64(33)

# Tokens hashed side by side, each a column: pairs of its first cells, its size, its state, and the
# bits of all cells seen.
_LANES, _PAIRS = np.uint64(64), np.uint64(6)
_SIZE, _STATE, _SEEN = (_PAIRS + np.uint64(n) for n in range(3))
_SHAPE, _PADDING = (int(_SEEN) + 1, int(_LANES)), 2 * int(_PAIRS)
_CHARACTER, _DIGIT_BIT = np.uint64(CHARACTER), np.uint64(21)


@njit(cache=True, nogil=True, inline="always")
def _absorb(state, character):  # type: ignore[no-untyped-def]
    state = (state ^ np.uint64(character)) * _PRIME
    return state ^ (state >> _S29)


@njit(cache=True, nogil=True)
def _finish(state):  # type: ignore[no-untyped-def]
    state = (state ^ (state >> _S33)) * _MIX_1
    state = (state ^ (state >> _S33)) * _MIX_2
    return state ^ (state >> _S33)


@njit(cache=True, nogil=True)
def name_key(name):  # type: ignore[no-untyped-def]
    """Hash of the bytes of a name."""
    state = _SEED
    for byte in name:
        state = _absorb(state, byte)
    return _finish(state)


@njit(cache=True, nogil=True)
def _hash_tokens(cells, firsts, sizes, m, lanes, hashes, count):  # type: ignore[no-untyped-def]
    """Write the hashes of `m` tokens from `count` on, each of so many cells from its first on.

    What is kept of a hash is its upper half, the last bit of which says whether there is a digit.

    Parameters
    ----------
    cells : ndarray of uint32
        At least `_PADDING` follow the first cell of each token.
    lanes : ndarray of uint64, shape `_SHAPE`
        To work in.
    """
    for base in range(np.uint64(0), m, _LANES):
        width = min(_LANES, m - base)
        longest = _align(cells, firsts, sizes, base, width, lanes)
        _absorb_pairs(lanes, min((longest + _ONE) >> _ONE, _PAIRS))
        if longest > _TWO * _PAIRS:
            _absorb_rest(cells, firsts, base, width, lanes)
        for lane in range(width):
            digit = (lanes[_SEEN, lane] >> _DIGIT_BIT) & _ONE
            upper = _finish(lanes[_STATE, lane]) >> _S32
            hashes[count + base + lane] = np.uint32((upper & ~_ONE) | digit)


@njit(cache=True, nogil=True)
def _align(cells, firsts, sizes, base, width, lanes):  # type: ignore[no-untyped-def]
    """Write the tokens' first cells in columns; the longest token's size."""
    longest = np.uint64(0)
    for lane in range(width):
        first, size = np.uint64(firsts[base + lane]), np.uint64(sizes[base + lane])
        lanes[_SIZE, lane], longest = size, max(longest, size)
        for pair in range(_PAIRS):
            at = first + pair + pair
            lanes[pair, lane] = np.uint64(cells[at]) | (np.uint64(cells[at + _ONE]) << _S32)
    return longest


@njit(cache=True, nogil=True)
def _absorb_pairs(lanes, pairs):  # type: ignore[no-untyped-def]
    """Absorb the columns, all lanes at once; those beyond a token's size are left out."""
    for lane in range(_LANES):
        lanes[_STATE, lane], lanes[_SEEN, lane] = _SEED, 0
    for pair in range(pairs):
        for lane in range(_LANES):
            two, size = lanes[pair, lane], lanes[_SIZE, lane]
            state, seen = lanes[_STATE, lane], lanes[_SEEN, lane]
            inside = pair + pair < size
            state = _absorb(state, two & _CHARACTER) if inside else state
            seen = seen | two if inside else seen
            two, inside = two >> _S32, pair + pair + _ONE < size
            state = _absorb(state, two & _CHARACTER) if inside else state
            lanes[_STATE, lane], lanes[_SEEN, lane] = state, seen | two if inside else seen


@njit(cache=True, nogil=True)
def _absorb_rest(cells, firsts, base, width, lanes):  # type: ignore[no-untyped-def]
    """Absorb what of long tokens does not stand in the columns."""
    beyond = _TWO * _PAIRS
    for lane in range(width):
        state, seen = lanes[_STATE, lane], lanes[_SEEN, lane]
        first = np.uint64(firsts[base + lane])
        for at in range(beyond, max(beyond, lanes[_SIZE, lane])):
            cell = np.uint64(cells[first + at])
            state, seen = _absorb(state, cell & _CHARACTER), seen | cell
        lanes[_STATE, lane], lanes[_SEEN, lane] = state, seen
