"""Quotations: the marks of many languages, what is none, and where they end."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.ragged import Ragged
from dedup.stages import quote
from dedup.stages.text import tokenise, whole

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=300)
thorough = settings(derandomize=True, deadline=None, max_examples=500)

MARKS = "\"'«»“”„‟‘’「」『』"
DOUBLE = ['""', "“”", "„“", "„”", '„"', "‟”", "«»", "»«", "””", "»»", "「」", "『』"]


def marks(*texts: str) -> list[list[tuple[str, int]]]:
    """What of each text every token came from, and its mark."""
    array = pa.array(texts, pa.large_string())
    tokens = tokenise(array, whole(array))
    found = quote.quoted(array, tokens.starts, tokens.offsets)
    assert (found.dtype, len(found)) == (np.uint8, len(tokens.hashes))
    read = []
    for n, text in enumerate(texts):
        part, raw = slice(tokens.offsets[n], tokens.offsets[n + 1]), text.encode()
        spans = zip(tokens.starts[part], tokens.ends[part], strict=True)
        words = [raw[start:end].decode() for start, end in spans]
        read.append(list(zip(words, found[part].tolist(), strict=True)))
    return read


def inside(text: str) -> list[str]:
    """Words in quotations."""
    return [word for word, mark in marks(text)[0] if mark]


@pytest.mark.parametrize(
    "text",
    [
        'She said "a crack was found" on Monday.',  # English, typewritten
        "She said “a crack was found” on Monday.",  # English, printed
        "Er sagte: „a crack was found“, am Montag.",  # German, Czech
        "Zij zei: „a crack was found” op maandag.",  # Polish, Hungarian
        'Er sagte: „a crack was found", am Montag.',  # half typewritten
        "Er sagte: »a crack was found«, am Montag.",  # German and Danish books
        "Elle a dit «a crack was found» lundi.",  # Spanish, Italian, Russian
        "Elle a dit « a crack was found » lundi.",  # French
        "Elle a dit «\u00a0a crack was found\u00a0» lundi.",
        "Hon sade: ”a crack was found” i måndags.",  # Swedish, Finnish
        "Hon sade: »a crack was found» i måndags.",  # Finnish
        "She said ‘a crack was found’ on Monday.",  # British
        "She said 'a crack was found' on Monday.",
        "東京「a crack was found」月曜日",  # Japanese
        "東京『a crack was found』月曜日",
        "他说：“a crack was found”昨天",  # Chinese
        'By then:"a crack was found."',
        'On Monday ("a crack was found") it was told.',
    ],
)
def test_marks_of_many_languages(text: str) -> None:
    assert inside(text) == ["a", "crack", "was", "found"]


def test_scripts_without_spaces() -> None:
    found = marks("彼は「裂け目」と述べた。", "他说：“我们发现”昨天")
    assert [word for word, mark in found[0] if mark] == ["裂け", "け目"]
    assert [word for word, mark in found[1] if mark] == ["我们", "们发", "发现"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes “or ‘so’ they said” again", ["or", "so", "they", "said"]),
        ("Yes ‘or “so” they said’ again", ["or", "so", "they", "said"]),
        ("Yes “we don’t know” again", ["we", "don’t", "know"]),
        ("Yes 'we don't know' again", ["we", "don't", "know"]),
        ('"one" two "three" four', ["one", "three"]),
        ('"one""two" three', ["one", "two"]),
    ],
)
def test_marks_within_marks(text: str, expected: list[str]) -> None:
    assert inside(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Don't say the boys' coats weren't the ladies' own.",
        "Don’t say the boys’ coats weren’t the ladies’ own.",
        "L'État d'accord, l’été d’hier; O'Brien and O’Neill.",
        "Back in the '90s and the ’80s, rock'n'roll.",
        "The residents’ group told nobody.\n\nThe drivers' union did.",
        "Words ``as in old type'' are left.",
    ],
)
def test_apostrophes_quote_nothing(text: str) -> None:
    assert inside(text) == []


def test_apostrophes_between_quotations_quote_nothing() -> None:
    assert inside("“Yes” and the boys’ coats") == ["Yes"]
    assert inside("'Yes' and the boys' coats, 'no'") == ["Yes", "no"]


def test_inches_quote_nothing() -> None:
    assert inside('Pipes of 5" and 6" were laid "by hand" here') == ["by", "hand"]
    assert inside('Pipes of 5" were laid "by hand" here') == ["by", "hand"]


@pytest.mark.parametrize("mark", ['"', "“", "„", "«", "「"])
def test_an_unclosed_mark_quotes_to_the_end_of_its_paragraph(mark: str) -> None:
    """So do all but the last paragraphs of a long quotation."""
    for end in ("\n", "\r\n", "\n\n", "\r\n\r\n", "\n    "):
        assert inside(f"one {mark}two three{end}Four") == ["two", "three"]


@pytest.mark.parametrize("pair", ['""', "“”", "„“", "«»", "‘’", "''"])
def test_a_quotation_may_be_wrapped(pair: str) -> None:
    """A line that goes on in lower case is no paragraph."""
    text = f"He said {pair[0]}we will\nmend the\nbridge{pair[1]} on\nMonday.\nNobody asked."
    assert inside(text) == ["we", "will", "mend", "the", "bridge"]


def test_where_a_wrapped_line_begins_in_capitals_no_quotation_turns_inside_out() -> None:
    text = 'He said "we and\nJane will mend it" on Monday, and "soon" too.\nNobody asked.'
    assert inside(text) == ["we", "and", "soon"]


@pytest.mark.parametrize("mark", ['"', "“", "„", "«", "「"])
def test_the_end_of_the_text_ends_a_paragraph(mark: str) -> None:
    assert inside(f"one {mark}two three") == ["two", "three"]


def test_a_quotation_over_paragraphs() -> None:
    assert inside("“One two.\n\n“Three four.\n\n“Five,” he said. Six") == [
        *["One", "two", "Three", "four", "Five"]
    ]


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("mark", ["'", "‘"])
def test_an_unclosed_single_mark_quotes_nothing(mark: str, end: str) -> None:
    assert inside(f"{mark}Tis the season to be{end}") == []


@pytest.mark.parametrize("pair", ['""', "“”", "«»", "‘’"])
def test_marks_that_are_far_apart_have_lost_their_partners(pair: str) -> None:
    # Between the first mark's first byte and the last one's: the mark and words of two bytes.
    width = len(pair[0].encode())
    for words, expected in ((quote._LONGEST // 2 - 3, True), (quote._LONGEST // 2 + 1, False)):
        text = f"a {pair[0]}{'x ' * words}{pair[1]} b"
        assert (width + 2 * words <= quote._LONGEST) == expected
        assert inside(text) == ["x"] * words * expected


def test_a_mark_that_quotes_too_much_is_followed_by_others() -> None:
    text = f"a “{'x ' * quote._LONGEST}” b “c d” e"
    assert inside(text) == ["c", "d"]


def test_a_closing_mark_alone_quotes_nothing() -> None:
    for mark in "”»」’":
        assert inside(f"one two{mark} three four\nfive") == []


POST = "Ferries sail tomorrow. Bring a coat."


@pytest.mark.parametrize(
    "signature",
    [
        "— Port (@port) May 3, 2024",
        "- Port (@port) May 3, 2024",
        "-- Port (@port) May 3, 2024",
        "— Port (@port) May 3 - 2024",
    ],
)
def test_posts(signature: str) -> None:
    """Signed in the same paragraph, or on the next line; what is around is the author's."""
    of_post = ["Ferries", "sail", "tomorrow", "Bring", "a", "coat"]
    signed = ["Port", "port", "May", "3", "2024"]
    for between in (" ", "\n", "\n\n"):
        text = f"The office wrote:\n{POST}{between}{signature}\nNobody knew."
        assert inside(text) == of_post + signed
    assert inside(f"{signature}\nNobody knew.") == signed


@pytest.mark.parametrize(
    "text",
    [
        f"{POST} Write to the office (@port).\n",  # no dash before the handle
        f"{POST} — as it is known — {'very ' * 20}long (@port)\n",  # none near by
        f"{POST} — Port, port@example.org\n",
        f"Old-fashioned {POST} (@port)\n",
        f"— A dash.\n{POST} (@port)\n",  # a dash of another paragraph
    ],
)
def test_what_is_no_post(text: str) -> None:
    assert inside(text) == []


words = st.lists(
    st.sampled_from(["ab", "crack", "9.5", "über", "ж", "橋を"]), min_size=1, max_size=4
)


@brief
@given(st.lists(st.tuples(words, words, st.sampled_from([*DOUBLE, "''", "‘’"])), max_size=6))
def test_only_what_stands_between_marks_is_marked(
    parts: list[tuple[list[str], list[str], str]],
) -> None:
    text, expected = "", []
    for outside, within, pair in parts:
        text += f"{' '.join(outside)} {pair[0]}{' '.join(within)}{pair[1]} "
        expected += [0] * len(plain(outside)) + [1] * len(plain(within))
    assert [mark for _, mark in marks(text)[0]] == expected


def plain(some: list[str]) -> list[tuple[str, int]]:
    return marks(" ".join(some))[0]


# --- mark by mark -----------------------------------------------------------------------------

OPENING = dict.fromkeys("“‟«「『", "open") | {"„": "low", "‘": "open one"}
CLOSING = dict.fromkeys("”»」』", "close") | {"’": "close one"}
KINDS = OPENING | CLOSING | {'"': "either", "'": "either one"}
CLOSED_BY = {
    "open": {"close", "either"},
    "either": {"close", "either"},
    "low": {"open", "close", "either"},
    "close": {"open", "close"},
    "open one": {"close one", "either one"},
    "either one": {"close one", "either one"},
}


def quotations(text: str) -> list[tuple[int, int]]:
    """Characters from and to which each quotation reaches, the opening mark with it."""
    found: list[tuple[int, int]] = []
    opened, start = "", 0
    for at, mark in enumerate(f"{text}\0"):
        kind, following = KINDS.get(mark, ""), text[at + 1 : at + 2] or " "
        before_word = (following.isascii() and following.isalnum()) or not following.isascii()
        after_space = at == 0 or text[at - 1] <= " " or text[at - 1] == "("
        ends = at == len(text) or (mark == "\n" and not "a" <= following <= "z")
        closes = kind in CLOSED_BY.get(opened, ()) and not ("one" in opened and before_word)
        if opened and (ends or closes):
            short = len(text[start:at].encode()) <= quote._LONGEST
            if short and not ("one" in opened and ends):
                found.append((start, at))
            opened = ""
        elif kind and not opened:
            opens = {
                "open": True,
                "low": True,
                "either": after_space or before_word,
            }.get(kind, after_space and before_word)
            opened, start = (kind if opens and kind != "close one" else ""), at
    return found


def posts(text: str) -> list[tuple[int, int]]:
    """Characters of each paragraph that is signed, or of the one above it."""
    found, above, begin = [], 0, 0
    for paragraph in text.split("\n"):
        dash = None
        for at, character in enumerate(paragraph):
            hyphen = character == "-" and (at == 0 or paragraph[at - 1] <= " ")
            if hyphen or character == "—":
                dash = at
            signed = paragraph[at - 1 : at + 1] == "(@" and dash is not None
            if signed and len(paragraph[dash:at].encode()) <= quote._LONGEST_NAME:
                only_name = all(c <= " " for c in paragraph[:dash])
                found.append((above if only_name else begin, begin + len(paragraph)))
                break
        if any(c > " " for c in paragraph):
            above = begin
        begin += len(paragraph) + 1
    return found


pieces = st.one_of(
    st.sampled_from([*MARKS, "\n", "\n\n", " ", "(", "@", "(@", "—", " - ", "-- ", "\t"]),
    st.sampled_from(["ab", "Ab", "9", "É", "日本", "£", "…", "®", "ー", "。", ". "]),
    st.sampled_from(["(@port)", "— Port (@port)", "x " * 700, "é" * 45]),
)


@thorough
@given(st.lists(pieces, max_size=40).map("".join))
def test_quotations_are_those_of_plain_python(text: str) -> None:
    spans = quotations(text) + posts(text)
    array = pa.array([text], pa.large_string())
    tokens = tokenise(array, whole(array))
    starts = [len(text.encode()[:start].decode()) for start in tokens.starts]
    expected = [any(a <= start < b for a, b in spans) for start in starts]
    assert quote.quoted(array, tokens.starts, tokens.offsets).tolist() == expected


@brief
@given(
    st.lists(
        st.one_of(
            st.text(st.characters(exclude_characters=MARKS, exclude_categories=["Cs"]), max_size=8),
            st.sampled_from(["\n", " — ", " - ", "(", "@", "word ", "&quot;", "\u2039", "\u3010"]),
        ),
        max_size=20,
    )
)
def test_without_marks_nothing_is_quoted(pieces: list[str]) -> None:
    text = "".join(pieces)
    while "(@" in text:
        text = text.replace("(@", "(")
    assert inside(text) == []


@brief
@given(st.lists(st.text(st.sampled_from([*MARKS, *"ab (@-—\n."]), max_size=30), max_size=5))
def test_other_texts_of_the_batch_do_not_matter(texts: list[str]) -> None:
    assert marks(*texts) == [marks(text)[0] for text in texts]


def test_a_slice_of_a_larger_array_is_read() -> None:
    whole_array = pa.array(["“x y", 'one "two" three', 'z" w'], pa.large_string())
    array = whole_array.slice(1, 1)
    tokens = tokenise(array, whole(array))
    assert quote.quoted(array, tokens.starts, tokens.offsets).tolist() == [0, 1, 0]


def test_no_texts() -> None:
    array = pa.array([], pa.large_string())
    tokens = tokenise(array, whole(array))
    assert len(quote.quoted(array, tokens.starts, tokens.offsets)) == 0
    own, spoken = quote.own(np.empty(0, bool), Ragged(np.empty(0, np.uint8), np.zeros(1, np.int64)))
    assert (len(own), len(spoken)) == (0, 0)


@pytest.mark.parametrize("piece", ['"', "“", "'", "(@", "— ", "\n"])
def test_odd_texts_take_linear_time(piece: str) -> None:
    """A search that starts again at every mark would not come back."""
    assert len(marks(piece * 300_000)) == 1


@brief
@given(
    st.lists(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40), max_size=4),
    st.integers(0, 60),
)
def test_own_is_neither_template_nor_quotation(
    articles: list[list[tuple[bool, bool]]], more: int
) -> None:
    # A long quotation more, or the share of own words that makes the difference is seldom met.
    articles = [[*article, *[(True, True)] * more] for article in articles]
    flat = [token for article in articles for token in article]
    offsets = np.cumsum([0] + [len(article) for article in articles])
    body = np.array([in_body for in_body, _ in flat], bool)
    inside_marks = Ragged(np.array([quoted for _, quoted in flat], np.uint8), offsets)
    own, spoken = quote.own(body, inside_marks)
    expected = []
    for article, is_spoken in zip(articles, spoken.tolist(), strict=True):
        outside = sum(in_body and not quoted for in_body, quoted in article)
        assert is_spoken == (outside < quote._LEAST_OWN * sum(in_body for in_body, _ in article))
        expected += [in_body and (is_spoken or not quoted) for in_body, quoted in article]
    assert own.tolist() == expected


def test_a_speech_is_its_speaker_s_own() -> None:
    """Around it no more than who spoke; of a report with one quotation, the rest is own."""
    texts = [f"“{'We will mend the bridge. ' * 10}” she said.", "She said “yes” on Monday.", ""]
    array = pa.array(texts, pa.large_string())
    tokens = tokenise(array, whole(array))
    inside_marks = Ragged(quote.quoted(array, tokens.starts, tokens.offsets), tokens.offsets)
    own, spoken = quote.own(np.ones(len(tokens.hashes), bool), inside_marks)
    assert spoken.tolist() == [True, False, False]
    assert own.tolist() == [True] * 52 + [True, True, False, True, True]
