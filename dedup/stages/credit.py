"""Datelines, bylines and closing credits: who is credited, and where the body begins and ends.

Law: a credit is metadata. It names the agency, and its words never count as shared text.

Only the first and last few hundred characters are looked at, and those only of articles that name
an agency or an editor there. Their bytes tell at once where there is none; a linear-time regular
expression over all that remain tells where there may be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from dedup.ragged import Located

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
    stops, starts, opening, closing = _look(buffer, bounds, *_PACKED_NAMES)
    spans = np.zeros((len(texts), 2), np.int64)
    spans[:, 1] = np.diff(bounds)
    agencies: list[str | None] = [None] * len(texts)
    for row, head in _suspects(buffer, bounds[:-1], stops, opening, _HEAD_HINT):
        agencies[row], spans[row, 0] = _opening(head)
    for row, tail in _suspects(buffer, starts, bounds[1:], closing, _TAIL_HINT):
        agency, length = _closing(tail)
        # A text that is nothing but credits keeps them: better some words than none.
        if spans[row, 1] - length > spans[row, 0]:
            spans[row, 1] -= length
        agencies[row] = agencies[row] or agency
    return Credits(pa.array(agencies, pa.string()), spans)


def _suspects(
    buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, looked_at: np.ndarray, hint: str
) -> Iterator[tuple[int, str]]:
    """Rows and pieces of those texts that are looked at and in which the hint is found."""
    rows = np.flatnonzero(looked_at)
    data, offsets = Located(buffer, starts, stops - starts).take(rows).gathered()
    pieces = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(data))
    found = pc.indices_nonzero(pc.match_substring_regex(pieces, hint))
    return zip(rows[found].tolist(), pieces.take(found).to_pylist(), strict=True)


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


# --- which texts are looked at ----------------------------------------------------------------

# Every hint at a head has one of these bytes, or characters, of which the last two are looked at.
_OPENING = tuple(b"([/=")
_ROUND, _LENS, _SQUARE, _XIN, _ER = (tuple(mark.encode()[-2:]) for mark in "（【［新Р")
# Every closing credit holds one of these, or ends with a name.
_SIGNS = _BY, _IN, _CONTRIBUTED, _COPYRIGHT, _C_SIGN, _C_LOWER, _C_UPPER = tuple(
    tuple(word.encode())
    for word in ("ting by ", "ting in ", "uted to ", "opyright", "©", "(c)", "(C)")
)
_SIGN_BYTES = max(map(len, _SIGNS))
_PACKED_NAMES = (
    np.frombuffer("".join(_CANONICAL).encode(), np.uint8),
    np.cumsum([0] + [len(name.encode()) for name in _CANONICAL]),
)


@njit(cache=True, nogil=True)
def _look(buffer, bounds, names, name_bounds):  # type: ignore[no-untyped-def]
    """Where each head stops and each tail starts, and whether either may hold a credit."""
    stops, starts = bounds[1:].copy(), bounds[:-1].copy()
    opening, closing = np.zeros(len(starts), np.bool_), np.zeros(len(starts), np.bool_)
    for row in range(len(starts)):
        text = buffer[bounds[row] : bounds[row + 1]]
        stop, start = _after_head(text), _tail_start(text)
        stops[row], starts[row] = bounds[row] + stop, bounds[row] + start
        opening[row] = _may_open(text[:stop])
        closing[row] = (
            start < _SIGN_BYTES
            or _has_sign(text[start - _SIGN_BYTES :])
            or _may_end_with_name(text, names, name_bounds)
        )
    return stops, starts, opening, closing


@njit(cache=True, nogil=True)
def _after_head(text):  # type: ignore[no-untyped-def]
    at, left = 0, _HEAD
    while left > 0 and at < len(text):
        piece = text[at : at + left]
        at, left = at + len(piece), left - _characters(piece)
    while at < len(text) and text[at] & 0xC0 == 0x80:
        at += 1
    return at


@njit(cache=True, nogil=True)
def _tail_start(text):  # type: ignore[no-untyped-def]
    at, left = len(text), _TAIL
    while left > 0 and at > 0:
        piece = text[max(at - left, 0) : at]
        at, left = at - len(piece), left - _characters(piece)
    return at


# No branch in these depends on the text, so many bytes are looked at at once.


@njit(cache=True, nogil=True)
def _characters(piece):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(len(piece)):
        count += piece[i] & 0xC0 != 0x80
    return count


@njit(cache=True, nogil=True)
def _may_open(head):  # type: ignore[no-untyped-def]
    found = False
    for i in range(len(head)):
        for byte in _OPENING:
            found |= head[i] == byte
    for end in range(np.uint64(2), np.uint64(len(head) + 1)):
        found |= _ends(head, end, _ROUND) | _ends(head, end, _LENS) | _ends(head, end, _SQUARE)
        found |= _ends(head, end, _XIN) | _ends(head, end, _ER)
    return found


@njit(cache=True, nogil=True)
def _has_sign(piece):  # type: ignore[no-untyped-def]
    """Whether a sign stands there that ends behind the first `_SIGN_BYTES`."""
    found = False
    for end in range(np.uint64(_SIGN_BYTES + 1), np.uint64(len(piece) + 1)):
        found |= _ends(piece, end, _BY) | _ends(piece, end, _IN) | _ends(piece, end, _CONTRIBUTED)
        found |= _ends(piece, end, _COPYRIGHT) | _ends(piece, end, _C_SIGN)
        found |= _ends(piece, end, _C_LOWER) | _ends(piece, end, _C_UPPER)
    return found


@njit(cache=True, nogil=True, inline="always")
def _ends(piece, end, word):  # type: ignore[no-untyped-def]
    same = True
    for i in range(len(word)):
        same &= piece[end - np.uint64(len(word) - i)] == word[i]
    return same


@njit(cache=True, nogil=True)
def _may_end_with_name(text, names, bounds):  # type: ignore[no-untyped-def]
    """Whether a name is last but for white space and closing marks; or these are not in ASCII."""
    end = len(text)
    while end > 0 and (text[end - 1] <= 32 or text[end - 1] in (41, 46, 47, 93)):  # ) . / ]
        end -= 1
    if end > 2 and text[end - 1] >= 0x80 and _is_white(text[end - 3], text[end - 2], text[end - 1]):
        return True
    for name in range(len(bounds) - 1):
        at, left = end, bounds[name + 1] - bounds[name]
        while left > 0 and at > 0 and text[at - 1] == names[bounds[name] + left - 1]:
            at, left = at - 1, left - 1
        if left == 0:
            return True
    return False


@njit(cache=True, nogil=True)
def _is_white(first, second, third):  # type: ignore[no-untyped-def]
    """Whether bytes may end white space, or are a wide bracket."""
    if first == 0xE2:
        return second in (0x80, 0x81) and not 0x8B <= third < 0xA8
    wide = (first, second, third) in ((0xE3, 0x80, 0x80), (0xEF, 0xBC, 0x89))
    return wide or second == 0xC2 or (first, second) == (0xE1, 0x9A)
