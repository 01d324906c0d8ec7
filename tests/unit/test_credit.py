"""Credits: who is named, and which words are the story's."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedup.stages import credit
from dedup.stages.credit import credits, is_agency

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
thorough = settings(derandomize=True, deadline=None, max_examples=500)

BODY = "The harbour council voted on Monday to rebuild the old pier before next summer."
MORE = "Work is to begin in May, and the ferries will use the northern quay until then."


def credited(text: str) -> tuple[str | None, str]:
    """Agency, and what is left of the text."""
    found = credits(pa.array(["", text, "x"], pa.large_string()))
    assert found.agencies.to_pylist()[::2] == [None, None]
    start, end = found.spans[1]
    return found.agencies[1].as_py(), text.encode()[start:end].decode().strip()


@pytest.mark.parametrize(
    ("dateline", "agency"),
    [
        ("BERLIN (Reuters) - ", "Reuters"),
        ("LONDON, March 3 (Reuters) - ", "Reuters"),
        ("(AP) — ", "AP"),
        ("WASHINGTON (AP) — ", "AP"),
        ("By JANE DOE\nWASHINGTON (AP) — ", "AP"),
        ("Berlin (dpa/tmn) - ", "dpa"),
        ("Paris (AFP) – ", "AFP"),
        ("MADRID (EFE).- ", "EFE"),
        ("(ANSA) - ROMA, 03 MAR - ", "ANSA"),
        ("МОСКВА, 3 марта. /ТАСС/. ", "TASS"),
        ("МОСКВА, 3 мар - РИА Новости. ", "RIA Novosti"),
        ("新华社北京3月3日电 ", "Xinhua"),
        ("【北京共同】", "Kyodo"),
        ("(서울=연합뉴스) 홍길동 기자 = ", "Yonhap"),
        ("Århus (Ritzau) - ", "Ritzau"),
        ("[Berlin, dpa] ", "dpa"),
        ("［北京　3日　ロイター］", "Reuters"),
    ],
)
def test_datelines(dateline: str, agency: str) -> None:
    assert credited(dateline + BODY) == (agency, BODY)


@pytest.mark.parametrize(
    ("ending", "agency"),
    [
        ("\n(Reporting by Jane Doe; Editing by John Roe)", None),
        ("\n(Reporting by Jane Doe; Editing by John Roe)\n© Reuters", "Reuters"),
        ("\nAdditional reporting by Jane Doe in Paris", None),
        ("\nThe Associated Press contributed to this report.", "AP"),
        ("\nCopyright 2020 The Associated Press. All rights reserved.", "AP"),
        (" (AFP)", "AFP"),
        ("\nQuelle: dpa", "dpa"),
        ("\n– EFE", "EFE"),
        (" [Xinhua]", "Xinhua"),
    ],
)
def test_closing_credits(ending: str, agency: str | None) -> None:
    assert credited(f"{BODY}\n{MORE}{ending}") == (agency, f"{BODY}\n{MORE}")


@pytest.mark.parametrize(
    "ending",
    [
        "\n© AP 2020",
        "\n(c) The Associated Press 2020",
        "\n(C) The Associated Press 2020",
        "\nCopyright The Associated Press, 2020",
        "\nStaff of The Associated Press contributed to this report from Paris",
        " (AP)\u2028",
        " (AP)\xa0",
        " （AP）",
        "\n-- AP\n\n",
    ],
)
def test_signs_of_a_credit_below_a_long_text(ending: str) -> None:
    assert credited(BODY * 9 + ending) == ("AP", BODY * 9)


@pytest.mark.parametrize("verb", ["Reporting", "reporting", "Writing", "Editing"])
@pytest.mark.parametrize("word", ["by", "in"])
def test_reporters_below_a_long_text(verb: str, word: str) -> None:
    assert credited(f"{BODY * 9}\n{verb} {word} Jane Doe, London") == (None, BODY * 9)


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        f"{BODY} The minister told Reuters that the pier was safe. {MORE}",
        f"{BODY} Shares of AP rose (by 3 percent) on Monday. {MORE}",
        f"The council (of the harbour) - which met on Monday - voted. {BODY}",
        "",
        "   ",
        "ひらがな",
    ],
)
def test_what_is_no_credit_stays(text: str) -> None:
    agency, left = credited(text)
    assert agency is None
    assert left == text.strip()


@pytest.mark.parametrize("text", ["BERLIN (Reuters) - ", "(AFP)", "(Reporting by Jane Doe)"])
def test_a_text_of_nothing_but_credits_keeps_words(text: str) -> None:
    assert credited(text)[1] != ""


def test_the_first_credit_wins() -> None:
    text = f"PARIS (AFP) - {BODY}\n{MORE}\n(AP)"
    assert credited(text) == ("AFP", f"{BODY}\n{MORE}")


def test_spans_are_bytes_of_whole_characters() -> None:
    text = f"MÜNCHEN (dpa) - {'ü漢😀' * 400}\nQuelle: dpa"
    assert credited(text) == ("dpa", "ü漢😀" * 400)


@pytest.mark.parametrize("piece", ["(", "\n", "- ", "A", "Reporting by ", "(AP", " (Reuters"])
def test_odd_texts_take_linear_time(piece: str) -> None:
    """A pattern that backtracks without bound would not come back."""
    text = piece * 5000
    found = credits(pa.array([text] * 50, pa.large_string()))
    assert len(found.agencies) == 50


@pytest.mark.parametrize(
    "name",
    ["Reuters", "REUTERS", "reuters", " AP\n", "The Associated Press", "新华社", "ТАСС", "dpa"],
)
def test_agencies_are_known_by_name(name: str) -> None:
    assert is_agency(name)


@pytest.mark.parametrize(
    "name", ["", "Harbour Post", "Reuters Street Gazette", "Apple", "APR", "A P"]
)
def test_other_outlets_are_no_agencies(name: str) -> None:
    assert not is_agency(name)


@pytest.mark.parametrize("name", ["Reuters", "AFP", "dpa", "Xinhua", "ANSA"])
def test_who_is_credited_is_an_agency(name: str) -> None:
    assert credited(f"PORT SALLOW ({name}) - {BODY}")[0] == name
    assert is_agency(name)


# --- every pattern over every text ------------------------------------------------------------

HINT = re.compile(credit._TAIL_HINT)
NAMED = re.compile(rf"(?:{credit._alternation(credit._NAMED_TAILS)})\s*\Z")


def plain(text: str) -> tuple[str | None, list[int]]:
    """Agency and span: all patterns at once, tried at every tail that has the hint."""
    agency, length = None, 0
    if re.search(credit._HEAD_HINT, text[: credit._HEAD]):
        agency, length = credit._opening(text[: credit._HEAD])
    end, rest = len(text.encode()), text[-credit._TAIL :]
    for _ in range(3 if HINT.search(rest) else 0):
        match = NAMED.search(rest) or credit._REPORTERS_PATTERN.search(rest)
        if match is None:
            break
        rest, agency = rest[: match.start()], agency or credit._agency(match)
    gone = len(text[-credit._TAIL :][len(rest) :].encode())
    return agency, [length, end - gone if end - gone > length else end]


SPACES = ["", " ", "  ", "\n", "\n\n", "\t", "\x1f", "\x85", "\xa0", "\u2028", "\u3000"]
SIGNS = [
    *(
        "",
        "(",
        "（",
        "[",
        "-",
        "--",
        "–",
        "—",
        "/",
        ":",
        "©",
        "© 2020 ",
        "(c) The ",
        "(C) The ",
        "Via ",
    ),
    *("Copyright ", "copyright 2020 The ", "Quelle:", "Source ", "in ", "boats"),
]
ENDS = [
    *("", ")", "）", "]", ".", ").", "） .", "/", ":", "; Jane Doe", " All rights reserved"),
    *(" contributed to this report", " staff contributed to this story.", " contributed to this"),
]
REPORTERS = [
    f"{bracket}{verb} {word} Jane Doe{end}"
    for bracket in ("(", "[", "\n", "\n(", " ")
    for verb in ("Reporting", "reporting", "Additional reporting", "Writing", "editing", "meeting")
    for word in ("by", "in", "on")
    for end in ("", ")", "; Editing by John Roe)")
]
some = st.sampled_from
names = some(list(credit._CANONICAL))
lines = st.one_of(
    st.tuples(some(SPACES), some(SIGNS), some(SPACES), names, some(ENDS), some(SPACES)),
    st.tuples(some(REPORTERS), some(SPACES)),
    some([(BODY,), ("x" * 300,), ("é" * 240,), ("日本",), ("\n",)]),
).map("".join)


@thorough
@given(st.lists(lines, max_size=2), some([0, 1, 9, 9, 9]), st.lists(lines, max_size=4))
@example([], 9, ["\n\n© AFP"])  # a later pattern begins earlier
def test_credits_are_those_of_all_patterns(head: list[str], count: int, tail: list[str]) -> None:
    text = "".join(head) + BODY * count + "".join(tail)
    found = credits(pa.array(["", text], pa.large_string()))
    assert (found.agencies[1].as_py(), found.spans[1].tolist()) == plain(text)
