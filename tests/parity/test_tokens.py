"""The compiled tokeniser says what the plain one does, and keeps its law."""

from __future__ import annotations

import functools
import html.entities
import re
import sys
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import tokens as plain_tokens

from dedup.stages.text import tokenise, whole
from dedup.stages.text.kernel import PIECE

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
thorough = settings(derandomize=True, deadline=None, max_examples=250)
brief = settings(derandomize=True, deadline=None, max_examples=400)

_SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "àéîõüßçñøåœſŉıİĳΑΣσςЖжёЇאבשלםعربيةपत्रकारिताকলকাতাกรุงเทพข่าวລາວភាសាខ្មែរမြန်မာ"
    "日本語新聞ニュースガパひらがなー々〇한국어뉴스ﬁﬂＡＢＣ１２３㎏①⑵ⅫǅⲀ𝔘𝟘"
)
_MARKS = "\u0301\u0300\u0327\u0345\u0323\u3099\u093c\u094d\u0e48\u200d\u200b\u00ad\ufeff\ufe0f"
_POINTS = ".,-'‐‑–—’‘“”\"`´′…‥．，٫٬⒈🄀0123456789٣५๔ \n\t\r\u00a0\u3000¨"
_ESCAPES = [
    *("&amp;", "&lt;b&gt;", "&nbsp;", "&eacute;", "&amp;eacute;", "&amp;amp;#233;", "&#233;"),
    *("&#xE9;", "&#XE9;", "&#8217;", "&#39;", "&#146;", "&#0;", "&#xD800;", "&#1114112;", "&#;"),
    *("&#x;", "&#00000000000233;", "&fjlig;", "&shy;", "&zwj;", "&notanentity;", "&eacute", "&"),
    *("&amp", "&amp;&amp;", "&#46;", "&#45;", "&hyphen;", "&NotEqualTilde;", "&AMP;", "&#x1F100;"),
    "&CounterClockwiseContourIntegral;",
]
_TAGS = [
    "<b>",
    "</b>",
    "<br/>",
    "<!-- x -->",
    "<a href='é'>",
    "<",
    ">",
    "<3",
    "<a<b>",
    "</>",
    "<é>",
]
_BREAKS = ["-\n", "- \r\n", "‐\n\n", "-\u00a0\n ", "-\u00ad\n", "-\n<b>", "-\n&eacute;", "-\r"]

words = st.text(st.sampled_from(_SCRIPTS + _MARKS), min_size=1, max_size=8)
anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
points = st.text(st.sampled_from(_POINTS), min_size=1, max_size=4)
unmarked = st.lists(st.one_of(words, words, points, anything), max_size=12).map("".join)
markup = st.sampled_from(_ESCAPES + _TAGS + _BREAKS)
texts = st.lists(st.one_of(words, words, points, anything, markup), max_size=16).map("".join)
fillers = st.sampled_from(["x", "é", "日", "7", "a ", "한", "l'"])
either = pytest.mark.parametrize("gram", [0, 4])


def hashes_of(*given_texts: str, gram: int = 0) -> list[list[int]]:
    array = pa.array(given_texts, pa.large_string())
    found = tokenise(array, whole(array), gram)
    bounds = zip(found.offsets[:-1], found.offsets[1:], strict=True)
    return [found.hashes[start:end].tolist() for start, end in bounds]


@functools.cache
def hash_of(folded: str, figure: bool) -> int:
    """Characters are absorbed one after the other; half of the bits are kept."""
    state = 0x243F6A8885A308D3
    for character in folded:
        state = (state ^ ord(character)) * 0x9E3779B97F4A7C15 % 2**64
        state ^= state >> 29
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ state >> 33) * factor % 2**64
    return (state ^ state >> 33) >> 32 & ~1 | figure


def assert_parity(given_texts: list[str], gram: int = 0) -> None:
    """Same spans, and the hashes of the folded tokens."""
    # A null-free slice of a larger array, as batches are.
    array = pa.array(["padding", *given_texts, "padding"], pa.large_string())
    array = array.slice(1, len(given_texts))
    found = tokenise(array, whole(array), gram)
    for i, text in enumerate(given_texts):
        part = slice(found.offsets[i], found.offsets[i + 1])
        spans = zip(found.starts[part].tolist(), found.ends[part].tolist(), strict=True)
        expected = plain_tokens(text, gram)
        assert list(spans) == [(token.start, token.end) for token in expected], repr(text)
        for value, token in zip(found.hashes[part].tolist(), expected, strict=True):
            figure = gram == 0 and bool(re.search("[0-9]", token.folded))
            assert value == hash_of(token.folded, figure)


@thorough
@given(st.lists(texts, max_size=4))
def test_random_text(given_texts: list[str]) -> None:
    assert_parity(given_texts)


@thorough
@given(st.lists(texts, max_size=4), st.sampled_from([2, 4, 8]))
def test_random_text_in_ngrams(given_texts: list[str], gram: int) -> None:
    assert_parity(given_texts, gram)


@brief
@given(st.text(st.sampled_from(_SCRIPTS + "0123456789"), min_size=9, max_size=60))
def test_long_words(text: str) -> None:
    assert_parity([text, text[1:], text[:-1], f"{text[:-1]}7 {text}"])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(texts, texts, fillers, st.integers(-24, 24), st.sampled_from([0, 4]))
def test_where_a_text_is_cut_into_pieces(
    first: str, last: str, filler: str, offset: int, gram: int
) -> None:
    """A piece ends about where the first text stands, or goes on where nothing parts tokens."""
    filling = filler * ((int(PIECE) + offset) // len(filler.encode()))
    assert_parity([f"{filling}{first}{filling} {last}"], gram)


@either
def test_every_code_point(gram: int) -> None:
    """Each alone, and each in a word, after a digit point and after a line-end hyphen."""
    every = [chr(p) for p in range(sys.maxunicode + 1) if not 0xD800 <= p < 0xE000]
    # Most of what no script and no table knows is alike.
    known = [c for c in every if unicodedata.category(c) not in ("Cn", "Co") or ord(c) % 997 == 0]
    assert len(known) > 140_000
    assert_parity([f"{c} a{c}b 1.{c}" for c in known], gram)
    assert_parity([f"7{c}5 x-\n{c} x{c}\ny" for c in known[:20_000]], gram)


@either
def test_every_named_entity(gram: int) -> None:
    names = [name for name in html.entities.html5 if name.endswith(";")]
    assert_parity([f"a&{name}b &amp;{name}" for name in names], gram)
    assert_parity([f"a&#{point};b &#x{point:x};" for point in range(300)], gram)


@pytest.mark.parametrize("length", [998, 999, 1000, 1001, 1002])
def test_a_tag_has_an_end_near_by(length: int) -> None:
    assert_parity([f"a <b{' c' * (length // 2 - 2)}{' ' * (length % 2)}> d"])


@either
@brief
@given(unmarked)
def test_normal_forms_are_the_same_text(gram: int, text: str) -> None:
    # Compatibility forms make markup of look-alikes ('＜'), which is another text.
    assume(not set("<&") & set(unicodedata.normalize("NFKD", text)))
    given_forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    forms = hashes_of(text, *given_forms, gram=gram)
    assert all(form == forms[0] for form in forms)


@either
@brief
@given(unmarked)
def test_case_is_the_same_text(gram: int, text: str) -> None:
    assume(not set("<&") & set(text))  # a name in capitals is another entity, or none
    cases = text.upper(), text.lower(), text.casefold(), text.title()
    forms = hashes_of(text, *cases, gram=gram)
    assert all(form == forms[0] for form in forms)


@brief
@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_typography_is_the_same_text(some: list[str], data: st.DataObject) -> None:
    joints = st.sampled_from([" - ", ' "', '" ', "'", " -- "])
    chosen = data.draw(st.lists(joints, min_size=len(some), max_size=len(some)))
    ascii_text = "".join(word + joint for word, joint in zip(some, chosen, strict=True))
    # In turn: an opening mark, a closing one, an opening one …
    curly = re.sub("[\"']", lambda m: {'"': "“", "'": "’"}[m[0]], ascii_text)
    other = re.sub("[\"']", lambda m: {'"': "»", "'": "ʼ"}[m[0]], ascii_text)
    dashed = curly.replace(" -- ", " — ").replace(" - ", " – ")
    plain, *forms = hashes_of(ascii_text, curly, other, dashed)
    assert forms == [plain] * 3


@brief
@given(unmarked, st.data())
def test_soft_hyphens_are_not_there(text: str, data: st.DataObject) -> None:
    assume(not set("<&") & set(text))
    place = data.draw(st.integers(0, len(text)))
    for invisible in "\u00ad\u200b\u2060":
        plain, hyphened = hashes_of(text, text[:place] + invisible + text[place:])
        assert hyphened == plain


@brief
@given(st.text(st.sampled_from(_SCRIPTS), min_size=1, max_size=30))
def test_escapes_mean_what_they_stand_for(text: str) -> None:
    named = "".join(
        f"&{html.entities.codepoint2name[ord(c)]};" if ord(c) in html.entities.codepoint2name else c
        for c in text
    )
    decimal = "".join(f"&#{ord(c)};" for c in text)
    hexadecimal = "".join(f"&#x{ord(c):X};" for c in text)
    twice = named.replace("&", "&amp;")
    plain, *forms = hashes_of(text, named, decimal, hexadecimal, twice, twice.replace("&", "&#38;"))
    assert forms == [plain] * 5


@brief
@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_tags_are_dropped(some: list[str], data: st.DataObject) -> None:
    tags = st.sampled_from(["<b>", "</b>", "<br/>", '<a href="x?y=1">', "<!--note-->"])
    chosen = data.draw(st.lists(tags, min_size=len(some), max_size=len(some)))
    tagged = "".join(tag + word for word, tag in zip(some, chosen, strict=True))
    assert hashes_of(tagged) == hashes_of(" ".join(some))


@brief
@given(st.lists(st.text("abcdeéжß", min_size=2, max_size=9), min_size=1, max_size=6), st.data())
def test_words_broken_at_line_ends_are_whole(some: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(some) - 1))
    place = data.draw(st.integers(1, len(some[at]) - 1))
    end = data.draw(st.sampled_from(["-\n", "- \n", "-\r\n  ", "‐\n", "\u2011\n", "－\n"]))
    broken = [*some[:at], some[at][:place] + end + some[at][place:], *some[at + 1 :]]
    assert hashes_of(" ".join(broken)) == hashes_of(" ".join(some))


@brief
@given(unmarked, st.data())
def test_spaces_and_points_are_nothing_to_ngrams(text: str, data: st.DataObject) -> None:
    assume(not set("<&") & set(text))
    place = data.draw(st.integers(0, len(text)))
    for mark in (" ", "-\n", ". ", " » ", "\x07"):
        plain, parted = hashes_of(text, text[:place] + mark + text[place:], gram=4)
        assert parted == plain


@brief
@given(st.text("abcdeéж1 -\n", min_size=1, max_size=60), st.data())
def test_a_misread_letter_costs_the_ngrams_it_stands_in(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    read, misread = hashes_of(text, text[:at] + "z" + text[at + 1 :], gram=4)
    assert len(set(read) - set(misread)) <= 4


def test_only_the_given_spans_are_read() -> None:
    array = pa.array(["DATELINE - body text", "whole"], pa.large_string())
    spans = whole(array)
    spans[0] = [11, 15]
    found = tokenise(array, spans)
    assert found.offsets.tolist() == [0, 1, 2]
    assert (found.starts[0], found.ends[0]) == (11, 15)
    assert found.hashes.tolist() == [value for (value,) in hashes_of("body", "whole")]


def test_nothing_to_read() -> None:
    assert hashes_of() == []
    assert hashes_of("", " \n", "") == [[], [], []]


def test_more_tokens_than_guessed() -> None:
    """Room for tokens is guessed from bytes; n-grams of folded ligatures need far more."""
    text = "㍿" * 2000  # one code point, four characters, of three bytes
    assert len(hashes_of(text, "a b", text)[0]) == 4 * 2000 - 1
    assert_parity([text, "a b " * 500, text])
