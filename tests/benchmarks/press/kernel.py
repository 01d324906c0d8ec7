"""Articles written letter by letter.

Law: an article follows from its seeds and its plan; nothing is drawn that another article's length
or fate could change.

A text is first a row of tokens: the form of a word, or a figure, with marks around it. It is told,
edited and written so; no string is ever made.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from press.lexicon import DATELINES, LANGUAGES, WORDS, Lexicon
from press.plan import LONGEST, Block

PHRASES = 20_000
"""Set phrases of each language, which recur in unrelated articles."""

_FORM = np.int64((1 << 32) - 1)
_FIGURE, _COMMA, _STOP, _END, _OPEN, _CLOSE = (np.int64(1 << bit) for bit in range(32, 38))
"""Marks of a token: the lower half is a figure; what follows it; `_END` is that of a paragraph."""

_CAPITAL = np.int64(len(LANGUAGES) * WORDS)
"""From a form to the same with a capital."""

_NAMES, _SUBJECTS = 6, 10
_HALF_PARAGRAPH = 20  # tokens
_FRONT_PHRASES = 30  # Mandelbrot's shift: the commonest phrase opens one sentence in 1,300
_SHORTEST_PHRASE, _LONGEST_PHRASE = 3, 6
_OPENING = 0.15  # share of the sentences that open with a set phrase
_QUOTED = 0.12  # share of the sentences that are quotations
_NAME, _SUBJECT, _FIGURE_SHARE = 0.05, 0.12, 0.14  # each up to which share of a sentence's words
_HABIT = 0.55  # and up to which it is one of the words that usually follow the one before
_FOLLOWERS = np.uint64(2)  # bits: four words follow each
_REST = np.uint64(64 - 2)
_ROOM = LONGEST + 2_000  # tokens: of the longest story, a local paragraph, and a last sentence


class Stock(NamedTuple):
    """Tokens that stand ready.

    Attributes
    ----------
    phrases, phrase_offsets : ndarray of int64
        Of each language in turn, the commonest first.
    furniture, furniture_offsets : ndarray of int64
        Of each outlet in turn: what stands above an article, and below it.
    """

    phrases: np.ndarray
    phrase_offsets: np.ndarray
    furniture: np.ndarray
    furniture_offsets: np.ndarray


class Written(NamedTuple):
    """Texts and titles: UTF-8, and where each begins (int32, shape (n + 1,))."""

    text: np.ndarray
    text_offsets: np.ndarray
    title: np.ndarray
    title_offsets: np.ndarray


def stock(seed: int, words: Lexicon, outlet_languages: np.ndarray) -> Stock:
    """Phrases and furniture of a corpus."""
    return Stock(*_stocked(np.uint64(seed), words, outlet_languages))


def write(block: Block, words: Lexicon, ready: Stock) -> Written:
    """All articles of a block, in its order."""
    return Written(*_written(block, words, ready))


@njit(nogil=True, cache=True)
def _draw(state):  # type: ignore[no-untyped-def]
    """64 random bits, by SplitMix64 (Steele, Lea and Flood, 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    return _mixed(state[0])


@njit(nogil=True, cache=True)
def _mixed(bits):  # type: ignore[no-untyped-def]
    """SplitMix64's last step: as good as random, and always the same for the same bits."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@njit(nogil=True, cache=True)
def _unit(state):  # type: ignore[no-untyped-def]
    return np.int64(_draw(state) >> np.uint64(11)) * 2.0**-53


@njit(nogil=True, cache=True)
def _below(state, limit):  # type: ignore[no-untyped-def]
    return np.int64(((_draw(state) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))


@njit(nogil=True, cache=True)
def _word(bits, chances, aliases, language):  # type: ignore[no-untyped-def]
    """The word that 64 random bits stand for."""
    place = language * WORDS + np.int64(
        ((bits >> np.uint64(32)) * np.uint64(WORDS)) >> np.uint64(32)
    )
    chance = np.int64(bits & np.uint64(0xFFFFFFFF)) * 2.0**-32
    return place if chance < chances[place] else np.int64(aliases[place])


@njit(nogil=True, cache=True)
def _cast(state, language, cast):  # type: ignore[no-untyped-def]
    """What a story is about: names, which are rare words with a capital, and other words."""
    for at in range(_NAMES):
        cast[at] = language * WORDS + 3_000 + _below(state, WORDS - 3_000) + _CAPITAL
    for at in range(_NAMES, len(cast)):
        cast[at] = language * WORDS + 300 + _below(state, 20_000)


@njit(nogil=True, cache=True)
def _running(state, words, language, cast, count, tokens, at):  # type: ignore[no-untyped-def]
    """So many words, in hardly any order, and where they end."""
    for place in range(at, at + count):
        share = _unit(state)
        if share < _NAME:
            tokens[place] = cast[_below(state, _NAMES)]
        elif share < _SUBJECT:
            tokens[place] = cast[_NAMES + _below(state, _SUBJECTS)]
        elif share < _FIGURE_SHARE:
            tokens[place] = np.int64(10.0 ** (1 + 5 * _unit(state))) | _FIGURE
        else:
            bits = _draw(state)
            if share < _HABIT and place > at:
                bits = _mixed(np.uint64(tokens[place - 1] & _FORM) << _FOLLOWERS | bits >> _REST)
            tokens[place] = _word(bits, words.chances, words.aliases, language)
    return at + count


@njit(nogil=True, cache=True)
def _capital(token):  # type: ignore[no-untyped-def]
    return token if token & _FIGURE or token & _FORM >= _CAPITAL else token + _CAPITAL


@njit(nogil=True, cache=True)
def _phrase(state, ready, language, tokens, at):  # type: ignore[no-untyped-def]
    """A set phrase, by Zipf's and Mandelbrot's law, and where it ends."""
    ratio = (PHRASES + _FRONT_PHRASES) / _FRONT_PHRASES
    rank = np.int64(_FRONT_PHRASES * ratio ** _unit(state)) - _FRONT_PHRASES
    each = language * PHRASES + min(rank, PHRASES - 1)
    for token in ready.phrases[ready.phrase_offsets[each] : ready.phrase_offsets[each + 1]]:
        tokens[at] = token
        at += 1
    return at


@njit(nogil=True, cache=True)
def _sentence(state, words, ready, language, cast, tokens, at):  # type: ignore[no-untyped-def]
    """A sentence, at most 40 tokens, and where it ends."""
    start = at
    if _unit(state) < _OPENING:
        at = _phrase(state, ready, language, tokens, at)
    at = _running(state, words, language, cast, 4 + _below(state, 12), tokens, at)
    tokens[at - 1] |= _COMMA
    if _unit(state) < _QUOTED:
        tokens[start] |= _OPEN
        tokens[at - 1] |= _CLOSE
        tokens[at] = cast[_below(state, _NAMES)]
        tokens[at + 1] = _word(_draw(state), words.chances, words.aliases, language)
        at += 2
    else:
        at = _running(state, words, language, cast, 3 + _below(state, 12), tokens, at)
    tokens[start] = _capital(tokens[start])
    tokens[at - 1] |= _STOP
    return at


@njit(nogil=True, cache=True)
def _paragraph(state, words, ready, language, cast, tokens, at):  # type: ignore[no-untyped-def]
    """One to three sentences, and where they end."""
    for _ in range(1 + _below(state, 3)):
        at = _sentence(state, words, ready, language, cast, tokens, at)
    tokens[at - 1] |= _END
    return at


@njit(nogil=True, cache=True)
def _story(state, words, ready, language, cast, count, tokens):  # type: ignore[no-untyped-def]
    """A story of about so many words, and how many it has."""
    at = 0
    while at < count - _HALF_PARAGRAPH:
        at = _paragraph(state, words, ready, language, cast, tokens, at)
    return at


@njit(nogil=True, cache=True)
def _paragraphs(tokens):  # type: ignore[no-untyped-def]
    count = 0
    for token in tokens:
        count += token & _END != 0
    return count


@njit(nogil=True, cache=True)
def _edited(state, words, ready, block, row, cast, story, tokens):  # type: ignore[no-untyped-def]
    """The story as the row's outlet prints it, and how many tokens that has."""
    language, paragraphs = block.languages[row], _paragraphs(story)
    # The first paragraph stays; what is added comes behind another.
    dropped = 1 + _below(state, max(paragraphs - 1, 1)) if block.dropped[row] else -1
    local = _below(state, paragraphs) if block.local[row] else -1
    room, at, paragraph = block.keep[row] * len(story), 0, 0
    for place in range(len(story)):
        token = story[place]
        if paragraph != dropped:
            tokens[at] = token
            if block.replaced[row] and not token & _FIGURE and _unit(state) < block.replaced[row]:
                other = _word(_draw(state), words.chances, words.aliases, language)
                marks = token & ~_FORM
                tokens[at] = marks | (other + _CAPITAL if token & _FORM >= _CAPITAL else other)
            at += 1
        if token & _END:
            if paragraph == local:
                at = _paragraph(state, words, ready, language, cast, tokens, at)
            paragraph += 1
        if token & _STOP and place >= room:
            break
    return at


@njit(nogil=True, cache=True)
def _roomy(letters, size):  # type: ignore[no-untyped-def]
    """The letters with room for so many."""
    if size <= len(letters):
        return letters
    larger = np.empty(2 * size, np.uint8)
    larger[: len(letters)] = letters
    return larger


@njit(nogil=True, cache=True)
def _put_figure(value, letters, at):  # type: ignore[no-untyped-def]
    """The figure with commas between its thousands, and where it ends."""
    power = 1
    while power * 10 <= value:
        power *= 10
    while power:
        letters[at] = 48 + value // power % 10
        at += 1
        if power == 1_000 or power == 1_000_000:
            letters[at] = 44
            at += 1
        power //= 10
    return at


@njit(nogil=True, cache=True)
def _put_quote(last, letters, at):  # type: ignore[no-untyped-def]
    """A quotation mark, whose last byte tells opening from closing, and where it ends."""
    letters[at], letters[at + 1], letters[at + 2] = 0xE2, 0x80, last
    return at + 3


@njit(nogil=True, cache=True)
def _put(tokens, words, letters, at):  # type: ignore[no-untyped-def]
    """Letters with the tokens written to them, each with what parts it from the next; the end."""
    for token in tokens:
        form = token & _FORM
        first, last = words.offsets[form], words.offsets[form + 1]
        if token & _FIGURE:
            first = last
        letters = _roomy(letters, at + last - first + 20)
        if token & _OPEN:
            at = _put_quote(0x9C, letters, at)
        if token & _FIGURE:
            at = _put_figure(form, letters, at)
        for place in range(first, last):
            letters[at] = words.letters[place]
            at += 1
        if token & _COMMA:
            letters[at] = 44
            at += 1
        if token & _STOP:
            letters[at] = 46
            at += 1
        if token & _CLOSE:
            at = _put_quote(0x9D, letters, at)
        letters[at] = 10 if token & _END else 32
        at += 1
        if token & _END:
            letters[at] = 10
            at += 1
    return letters, at


@njit(nogil=True, cache=True)
def _headline(state, words, language, cast, tokens):  # type: ignore[no-untyped-def]
    """A headline, and how many tokens it has."""
    at = _running(state, words, language, cast, 4 + _below(state, 5), tokens, 0)
    tokens[at] = cast[_below(state, _NAMES)]
    tokens[0] = _capital(tokens[0])
    return at + 1


@njit(nogil=True, cache=True)
def _page(ready, outlet, below):  # type: ignore[no-untyped-def]
    """The outlet's furniture, above or below an article."""
    each = 2 * outlet + below
    return ready.furniture[ready.furniture_offsets[each] : ready.furniture_offsets[each + 1]]


@njit(nogil=True, cache=True)
def _written(block, words, ready):  # type: ignore[no-untyped-def]
    n = len(block.seeds)
    text, title = np.empty(4_096, np.uint8), np.empty(4_096, np.uint8)
    text_offsets, title_offsets = np.zeros(n + 1, np.int32), np.zeros(n + 1, np.int32)
    story, tokens = np.empty(_ROOM, np.int64), np.empty(_ROOM, np.int64)
    cast, state = np.empty(_NAMES + _SUBJECTS, np.int64), np.empty(1, np.uint64)
    text_end = title_end = length = 0
    for row in range(n):
        state[0] = block.seeds[row]
        language, outlet = block.languages[row], block.outlets[row]
        if block.clusters[row] == row:
            _cast(state, language, cast)
            length = _story(state, words, ready, language, cast, block.words[row], story)
        count = _headline(state, words, language, cast, tokens)
        title, title_end = _put(tokens[:count], words, title, title_end)
        title_end -= 1  # no space after it
        title_offsets[row + 1] = title_end
        if block.furnished[row]:
            text, text_end = _put(_page(ready, outlet, 0), words, text, text_end)
        if block.wire[row]:
            tokens[0] = cast[0]
            tokens[1] = 2 * _CAPITAL + block.clusters[row] % len(DATELINES)
            text, text_end = _put(tokens[:2], words, text, text_end)
        count = _edited(state, words, ready, block, row, cast, story[:length], tokens)
        tokens[count - 1] |= _END
        text, text_end = _put(tokens[:count], words, text, text_end)
        if block.furnished[row]:
            text, text_end = _put(_page(ready, outlet, 1), words, text, text_end)
        text_end -= 2  # no empty line after it
        text_offsets[row + 1] = text_end
    return text[:text_end], text_offsets, title[:title_end], title_offsets


@njit(nogil=True, cache=True)
def _stocked(seed, words, outlet_languages):  # type: ignore[no-untyped-def]
    state, cast = np.array([seed]), np.empty(_NAMES + _SUBJECTS, np.int64)
    languages = len(words.word_bytes)
    phrases = np.empty(languages * PHRASES * _LONGEST_PHRASE, np.int64)
    phrase_offsets = np.zeros(languages * PHRASES + 1, np.int64)
    at = 0
    for each in range(languages * PHRASES):
        for _ in range(_SHORTEST_PHRASE + _below(state, _LONGEST_PHRASE - _SHORTEST_PHRASE + 1)):
            phrases[at] = _word(_draw(state), words.chances, words.aliases, each // PHRASES)
            at += 1
        phrase_offsets[each + 1] = at
    ready = Stock(phrases[:at], phrase_offsets, phrases[:0], phrase_offsets[:1])
    furniture = np.empty(len(outlet_languages) * 800, np.int64)
    furniture_offsets = np.zeros(2 * len(outlet_languages) + 1, np.int64)
    at = 0
    for outlet in range(len(outlet_languages)):
        language = outlet_languages[outlet]
        _cast(state, language, cast)
        for below in range(2):
            # Above a sentence; below up to three, and at one outlet in twelve ten more.
            sentences = 1 + _below(state, 3 if below else 1)
            sentences += 10 if below and _below(state, 12) == 0 else 0
            for _ in range(sentences):
                at = _sentence(state, words, ready, language, cast, furniture, at)
                furniture[at - 1] |= _END
            furniture_offsets[2 * outlet + below + 1] = at
    return ready.phrases, phrase_offsets, furniture[:at], furniture_offsets
