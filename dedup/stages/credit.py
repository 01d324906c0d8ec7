"""Datelines, bylines and closing credits: who is credited, and where the body begins and ends.

Law: a credit is metadata. It names the agency, and its words never count as shared text.

Only the first and last few hundred characters are looked at, and those only of articles that name
an agency or an editor there; a linear-time regular expression over all articles at once finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

_AGENCIES = {
    "AAP": ["AAP", "Australian Associated Press"],
    "AFP": ["AFP", "Agence France-Presse", "Agence France Presse", "أ ف ب", "فرانس برس", "एएफपी"],
    "AGI": ["AGI"],
    "ANI": ["ANI"],
    "ANP": ["ANP"],
    "ANSA": ["ANSA", "Ansa"],
    "AP": ["AP", "The Associated Press", "Associated Press", "एपी", "أسوشيتد برس"],
    "APA": ["APA"],
    "Adnkronos": ["Adnkronos"],
    "Anadolu": ["AA", "Anadolu", "Anadolu Agency", "Anadolu Ajansı"],
    "Antara": ["Antara", "ANTARA"],
    "Belga": ["Belga", "BELGA"],
    "Bernama": ["Bernama", "BERNAMA"],
    "Bloomberg": ["Bloomberg", "Bloomberg News"],
    "CP": ["The Canadian Press", "Canadian Press", "La Presse Canadienne"],
    "CTK": ["ČTK", "CTK"],
    "EFE": ["EFE", "Agencia EFE"],
    "Europa Press": ["Europa Press", "EUROPA PRESS"],
    "IANS": ["IANS"],
    "IRNA": ["IRNA"],
    "Interfax": ["Interfax", "Интерфакс"],
    "Jiji": ["Jiji", "Jiji Press", "時事"],
    "Keystone-SDA": ["Keystone-SDA", "Keystone-ATS", "sda", "SDA", "ats", "ATS"],
    "Kyodo": ["Kyodo", "Kyodo News", "共同", "共同通信"],
    "Lusa": ["Lusa", "LUSA"],
    "MTI": ["MTI"],
    "NTB": ["NTB"],
    "PA": ["PA", "PA Media", "Press Association", "The Press Association"],
    "PAP": ["PAP"],
    "PTI": ["PTI", "भाषा", "पीटीआई"],
    "RIA Novosti": ["RIA Novosti", "РИА Новости"],
    "Reuters": ["Reuters", "REUTERS", "Thomson Reuters", "Рейтер", "रॉयटर्स", "رويترز", "ロイター"],
    "Ritzau": ["Ritzau", "ritzau"],
    "TASS": ["TASS", "ITAR-TASS", "ТАСС", "ИТАР-ТАСС"],
    "TT": ["TT"],
    "UPI": ["UPI", "United Press International"],
    "Xinhua": ["Xinhua", "XINHUA", "新华社", "新華社"],
    "Yonhap": ["Yonhap", "연합뉴스"],
    "dpa": ["dpa", "DPA", "dpa-AFX", "د ب أ"],
}

_HEAD, _TAIL = 240, 500


class Credits(NamedTuple):
    """What the credits of a batch say.

    Attributes
    ----------
    agencies : StringArray of length n
        Agency credited, under one name however it is spelt; null where none is.
    spans : ndarray of int64, shape (n, 2)
        First byte and byte past the last of each text's body, without dateline and credits.
    """

    agencies: pa.StringArray
    spans: np.ndarray


def is_agency(name: str) -> bool:
    """Whether an outlet's name is that of a wire agency, however it is spelt here."""
    return name.strip().casefold() in _FOLDED


def credits(texts: pa.LargeStringArray) -> Credits:
    """Credits of a batch of texts (LargeStringArray of length n, without nulls)."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    buffer = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
    spans = np.zeros((len(texts), 2), np.int64)
    spans[:, 1] = np.diff(bounds)
    agencies: list[str | None] = [None] * len(texts)
    for row, head in _suspects(pc.utf8_slice_codeunits(texts, 0, _HEAD), _HEAD_HINT):
        agencies[row], spans[row, 0] = _opening(head)
    for row, tail in _suspects(_tails(buffer, bounds), _TAIL_HINT):
        agency, length = _closing(tail)
        # A text that is nothing but credits keeps them: better some words than none.
        if spans[row, 1] - length > spans[row, 0]:
            spans[row, 1] -= length
        agencies[row] = agencies[row] or agency
    return Credits(pa.array(agencies, pa.string()), spans)


def _tails(buffer: np.ndarray, bounds: np.ndarray) -> pa.LargeStringArray:
    """Last `_TAIL` characters of each text; Arrow reads the whole text for them."""
    starts = np.empty(len(bounds) - 1, np.int64)
    _find_tails(buffer, bounds, starts)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(bounds[1:] - starts)])
    pieces = np.empty(offsets[-1], np.uint8)
    _copy(buffer, starts, offsets, pieces)
    return pa.LargeStringArray.from_buffers(
        len(starts), pa.py_buffer(offsets), pa.py_buffer(pieces)
    )


def _suspects(pieces: pa.LargeStringArray, hint: str) -> Iterator[tuple[int, str]]:
    rows = pc.indices_nonzero(pc.match_substring_regex(pieces, hint))
    return zip(rows.to_pylist(), pieces.take(rows).to_pylist(), strict=True)


def _opening(head: str) -> tuple[str | None, int]:
    """Agency of a dateline or byline, and its length in bytes of UTF-8."""
    match = _HEAD_PATTERN.match(head)
    if match is None or not head[match.end() :].strip():
        return None, 0
    return _agency(match), len(head[: match.end()].encode())


def _closing(tail: str) -> tuple[str | None, int]:
    """Agency of the closing credits, and their length in bytes of UTF-8."""
    rest, agency = tail, None
    # From the end: a copyright line may stand below the names of the reporters.
    for _ in range(3):
        match = _last_credit(rest)
        if match is None:
            break
        rest, agency = rest[: match.start()], agency or _agency(match)
    return agency, len(tail[len(rest) :].encode())


def _last_credit(rest: str) -> re.Match[str] | None:
    """The credit at the end that names an agency and begins first; else that of reporters."""
    # Each pattern is tried only where there is what it cannot do without.
    said = rest.rstrip().removesuffix(".").rstrip(")）]/").rstrip()
    signs = (
        "contributed to this" in rest,
        "©" in rest or "opyright" in rest or "(c)" in rest or "(C)" in rest,
        said[-1:] in _LAST_LETTERS and said.endswith(_SPELLINGS),
    )
    tried = (p.search(rest) for p, sign in zip(_NAMED_TAIL_PATTERNS, signs, strict=True) if sign)
    named = min(filter(None, tried), key=re.Match.start, default=None) if any(signs) else None
    reported = "ting by " in rest or "ting in " in rest
    return named or (_REPORTERS_PATTERN.search(rest) if reported else None)


def _agency(match: re.Match[str]) -> str | None:
    named = next(filter(None, match.groups()), None)
    return _CANONICAL[named] if named else None


_CANONICAL = {spelling: name for name, spellings in _AGENCIES.items() for spelling in spellings}
_NAMES = "|".join(
    re.escape(name) for name in sorted(_CANONICAL, key=lambda name: (-len(name), name))
)
_HEAD_HINT = rf"[(（/【［\[=][^)）/】］\]\n]{{0,20}}(?:{_NAMES})|新[华華]社|РИА Новости"
_TAIL_HINT = (
    rf"(?:[Rr]eporting|[Ww]riting|[Ee]diting) (?:by|in)|(?:[(（\[©/–—:-]|\n|[a-z]) ?(?:{_NAMES})"
)
_UPPER = "A-ZÀ-ÖØ-ÞА-ЯЁ"
_DASH = r"\s*[.,:]?\s*(?:--|[-–—−―]+)\s*"
_FOLDED = {spelling.casefold() for spelling in _CANONICAL}
_SPELLINGS = tuple(_CANONICAL)
_LAST_LETTERS = {spelling[-1] for spelling in _SPELLINGS}
_IN_BRACKETS = r"[(（]\s*AGENCY(?:[/,; -][^)）\n]{0,40})?\s*[)）]"
_HEADS = [
    # PLACE, date (Reuters) - ; Berlin (dpa/tmn) - ; MADRID (EFE).-
    rf"[^\n()（【\[]{{2,70}}{_IN_BRACKETS}{_DASH}",
    # (AP) — ; (ANSA) - ROMA, 03 MAR -
    rf"{_IN_BRACKETS}(?:{_DASH})?"
    rf"(?:[{_UPPER}][{_UPPER} ]{{1,30}}, \d{{1,2}} [{_UPPER}]{{3}}{_DASH})?",
    # МОСКВА, 3 марта. /ТАСС/.
    rf"[^\n()/]{{0,60}}/AGENCY/[.,]?(?:{_DASH})?",
    # МОСКВА, 3 мар - РИА Новости.
    rf"[{_UPPER}][^\n()/]{{2,50}}{_DASH}AGENCY[.,]\s",
    # 新华社北京3月3日电
    r"AGENCY[^\n。，,]{1,24}[电電]\s*(?:（[^）\n]{0,30}）)?",
    # 【北京共同】 ［北京　3日　ロイター］
    r"[【［\[][^】］\]\n]{0,24}?AGENCY[】］\]]\s*[-–—]?\s*",
    # (서울=연합뉴스) 홍길동 기자 =
    r"\([^)\n]{0,16}=AGENCY\)[^\n=]{0,30}=",
]
# (Reporting by …; Editing by …), whatever stands behind it
_REPORTERS = (
    r"[(\[\n]\s*\(?(?:Additional [Rr]eporting|[Rr]eporting|[Ww]riting|[Ee]diting)"
    r" (?:by|in) .{2,320}"
)
_NAMED_TAILS = [
    # The Associated Press contributed to this report.
    r"\n[^\n]{0,80}?AGENCY[^\n]{0,60} contributed to this (?:report|story|article)[^\n]*",
    # Copyright 2020 The Associated Press. All rights reserved …
    r"\n[^\n]{0,20}?(?:©|\([cC]\)|[Cc]opyright)[^\n]{0,60}?AGENCY[^\n]{0,300}",
    # (AFP), [dpa]; Quelle: dpa, © Reuters, – EFE on a line of its own
    r"(?:[(（\[]|\n\s*(?:©|--?|[–—]|/|(?:Quelle|Source|Fuente|Fonte|Avec|Con|With|Via)\b:?)?)"
    r"\s*AGENCY\s*[)）\]/]?[.]?",
]


def _alternation(patterns: list[str]) -> str:
    return "|".join(pattern.replace("AGENCY", f"({_NAMES})") for pattern in patterns)


_BYLINE = r"\s*(?:(?:By|BY|Por|Par|Von|Di|De)\s[^\n]{2,80}\n\s*)?"
_HEAD_PATTERN = re.compile(rf"{_BYLINE}(?:{_alternation(_HEADS)})")
_NAMED_TAIL_PATTERNS = [re.compile(rf"(?:{_alternation([tail])})\s*\Z") for tail in _NAMED_TAILS]
_REPORTERS_PATTERN = re.compile(rf"(?s:{_REPORTERS})\Z")


@njit(cache=True, nogil=True)
def _find_tails(buffer, bounds, starts):  # type: ignore[no-untyped-def]
    for row in range(len(starts)):
        at, left = bounds[row + 1], _TAIL
        while left > 0 and at > bounds[row]:
            piece = buffer[max(at - left, bounds[row]) : at]
            for i in range(len(piece)):
                left -= piece[i] & 0xC0 != 0x80
            at -= len(piece)
        starts[row] = at


@njit(cache=True, nogil=True)
def _copy(buffer, starts, offsets, pieces):  # type: ignore[no-untyped-def]
    for row in range(len(starts)):
        size = offsets[row + 1] - offsets[row]
        pieces[offsets[row] : offsets[row + 1]] = buffer[starts[row] : starts[row] + size]
