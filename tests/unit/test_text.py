"""Tokens, by example: what a reader would call the same words."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dedup.stages.text import tokenise, whole


def hashes(text: str, gram: int = 0) -> list[int]:
    array = pa.array([text], pa.large_string())
    return tokenise(array, whole(array), gram).hashes.tolist()


def pieces(text: str, gram: int = 0) -> list[str]:
    """What of the text each token came from."""
    array = pa.array([text], pa.large_string())
    found, raw = tokenise(array, whole(array), gram), text.encode()
    return [raw[a:b].decode() for a, b in zip(found.starts, found.ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mayor: “We won’t wait.”", ["Mayor", "We", "won’t", "wait"]),
        ("a 3.5% rise, to 1,250.75 (2024)", ["a", "3.5", "rise", "to", "1,250.75", "2024"]),
        ("in 2010. 5 more", ["in", "2010", "5", "more"]),
        ("2010…2015 1..2", ["2010", "2015", "1", "2"]),
        ("well-known", ["well", "known"]),
        ("infor-\nmation", ["infor-\nmation"]),
        ("one -\ntwo", ["one", "two"]),
        ("<p>One</p><br/>two <3", ["One", "two", "3"]),
        ("AT&amp;T caf&eacute;s &amp;eacute;t&amp;eacute;", None),
        ("東京で発表", ["東京", "京で", "で発", "発表"]),
        ("東 京", ["東", "京"]),
        ("2024年3月", ["2024", "年", "3", "月"]),
        ("กรุงเทพ", ["กรุงเ", "รุงเท", "งเทพ"]),
        ("iPhone発売", ["iPhone", "発売"]),
        ("서울 경찰", ["서울", "경찰"]),
        ("हिन्दी समाचार", ["हिन्दी", "समाचार"]),
        ("", []),
        ("… — !", []),
    ],
)
def test_pieces(text: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = ["AT", "T", "caf&eacute;s", "&amp;eacute;t&amp;eacute;"]
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "straße"),
        ("ΟΔΟΣ", "οδος"),
        ("ISPARTA DIŞI", "ısparta dışı"),
        ("İstanbul", "istanbul"),
        ("naïve", "naive"),
        ("don't", "don’t"),
        ("don't", "don&#39;t"),
        ("Ｔｏｋｙｏ　２０２０", "Tokyo 2020"),
        ("３．５", "3.5"),
        ("٣٫٥", "3.5"),
        ("१२", "12"),
        ("ﬁnance", "finance"),
        ("ガス", "ガス"),
        ("co\u00adoperate", "cooperate"),
        ("infor-\r\n  mation", "information"),
        ("infor\u2011\nmation", "information"),
        ("zero\u200bwidth", "zerowidth"),
        ("caf&eacute;", "café"),
        ("caf&#0000000000233;", "café"),
        ("a&nbsp;b", "a b"),
    ],
)
def test_the_same_words(one: str, other: str) -> None:
    assert hashes(one) == hashes(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3.5", "3 5"),
        ("35 dead", "3 5 dead"),
        ("to get her", "together"),
        ("東京", "京東"),
        ("a\0b", "ab"),
        ("word", "words"),
        ("fox–\njumps", "foxjumps"),
        ("&bogus;", ""),
    ],
)
def test_other_words(one: str, other: str) -> None:
    assert hashes(one) != hashes(other)


def test_figures_are_marked() -> None:
    marks = [value & 1 for value in hashes("Boeing 737 b2b two 東京2020年 ٣")]
    assert marks == [0, 1, 1, 0, 0, 1, 0, 1]


def test_a_stray_bracket_costs_linear_time_and_no_text() -> None:
    text = "<a " * 50_000 + "end"
    assert len(hashes(text)) == 50_001
    assert len(hashes("x-" * 50_000)) == 50_000
    assert len(hashes("&amp;" * 50_000)) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A la gare", ["A la g", "la ga", "a gar", "gare"]),
        ("infor-\nmer", ["info", "nfor", "for-\nm", "or-\nme", "r-\nmer"]),
        ("No 12, 3", ["No 12", "o 12, 3"]),
        ("caf&eacute;s", ["caf&eacute;", "af&eacute;s"]),
        ("a<br/>bcd", ["a<br/>bcd"]),
        ("un", ["un"]),
        ("… — !", []),
        ("東京 で発表", ["東京", "京 で", "で発", "発表"]),
        ("กรุงเทพ", ["กรุงเ", "รุงเท", "งเทพ"]),
        ("서울", ["서울", "서울"]),
        ("ab\0cd", ["ab", "cd"]),
    ],
)
def test_ngrams(text: str, expected: list[str]) -> None:
    assert pieces(text, 4) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("la Confédération en- trera", "La confederation entrera"),
        ("l ' Oberland bern ois", "L’Oberland bernois"),
        ('ouvert le 1 " juin', "Ouvert le 1 « Juin."),
    ],
)
def test_the_same_ngrams(one: str, other: str) -> None:
    assert hashes(one, 4) == hashes(other, 4)


def test_no_ngram_is_a_figure() -> None:
    assert not any(value & 1 for value in hashes("Boeing 737, 20 000 fr.", 4))
