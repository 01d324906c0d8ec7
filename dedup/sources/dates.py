"""Times of publication, in whatever form they came.

Law: a value is read alone: what its neighbours hold changes how fast it is read, never what it
reads as. What cannot be read, or lies outside ``FIRST_YEAR`` to ``LAST_YEAR``, is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pyarrow as pa
import pyarrow.compute as pc

from dedup.schemas import TIMESTAMP

FIRST_YEAR, LAST_YEAR = 1600, 2100
"""The first newspaper is of 1605; a later or earlier date is a slip or a mark for "unknown"."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND - 1

_YEAR = r"1[6-9]\d\d|20\d\d|2100"
_MONTH = r"0[1-9]|1[0-2]"
_DAY = r"0[1-9]|[12]\d|3[01]"
_HOUR = r"[01]\d|2[0-3]"
_ISO = rf"^\d{{4}}-(?:{_MONTH})-(?:{_DAY})"
_CLOCK = rf"[T ](?:{_HOUR})(?::[0-5]\d(?::[0-5]\d(?:\.\d{{1,6}})?)?)?"
_OFFSET = rf"(?:Z|[+-](?:{_HOUR})(?::?[0-5]\d)?)"

_NAIVE = rf"{_ISO}(?:{_CLOCK})?$"
_ZONED = rf"{_ISO}{_CLOCK}{_OFFSET}$"

_REWRITES = (
    (r"(?i)\s*(?:UTC|GMT|UT|Z)$", "Z"),
    (r"(\d)\s+([+-]\d\d(?::?\d\d)?)$", r"\1\2"),
    (r"(\d\d),(\d+)", r"\1.\2"),
    (r"(\.\d{6})\d+", r"\1"),
    (rf"^({_YEAR})({_MONTH})({_DAY})$", r"\1-\2-\3"),
    (
        rf"^({_YEAR})({_MONTH})({_DAY})[Tt ]?({_HOUR})([0-5]\d)([0-5]\d)((?:\.\d+)?{_OFFSET}?)$",
        r"\1-\2-\3T\4:\5:\6\7",
    ),
    (rf"^({_YEAR})-({_MONTH})$", r"\1-\2-01"),
    (rf"({_ISO})({_OFFSET})$", r"\1T00\2"),
    (rf"^({_YEAR})$", r"\1-01-01"),
)
"""Other spellings of ISO 8601, each rewritten to the one that Arrow reads."""

_RFC_2822 = (
    r"^(?:[A-Za-z]{3,9},?\s+)?(?P<day>\d{1,2})[ -](?P<month>[A-Za-z]{3})[a-z]*[ -](?P<year>\d{4})"
    r"\s+(?P<clock>\d\d:\d\d(?::\d\d)?)\s*(?P<offset>Z|[+-]\d{4})$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def to_utc(values: pa.Array) -> pa.Array:
    """Instants of a column of dates.

    Parameters
    ----------
    values : pyarrow.Array
        Timestamps or dates of any unit and zone, where one without a zone is UTC; strings in any
        ISO 8601 form or as in RFC 2822; or counts since 1970-01-01 UTC, as numbers or digits, in
        seconds, milliseconds, microseconds or nanoseconds, told apart by their magnitude (up to
        10^11 they are seconds, and every further unit reaches a thousand times as far). Whole
        numbers and strings of 4, 8 or 14 digits that spell a calendar date (2013, 20130524,
        20130524150101) are that date.

    Returns
    -------
    pyarrow.Array
        ``timestamp[us, UTC]``, as long as `values`; null where the value is null, cannot be read
        or lies outside ``FIRST_YEAR`` to ``LAST_YEAR``.
    """
    kind = values.type
    if pa.types.is_timestamp(kind):
        return _in_range(_microseconds(values.cast(pa.int64()), kind.unit))
    if pa.types.is_date(kind):
        return _in_range(_microseconds(values.cast(pa.date64()).cast(pa.int64()), "ms"))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _from_epoch(values.cast(pa.float64()))
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(values.cast(pa.string()))
    return pa.nulls(len(values), TIMESTAMP)


def _from_text(text: pa.Array) -> pa.Array:
    found = pa.nulls(len(text), TIMESTAMP)
    readers: tuple[Callable[[pa.Array], pa.Array], ...] = (_iso, _other_spelling, _counted, _odd)
    for read in readers:
        left = pc.if_else(found.is_null(), text, None)
        if left.null_count == len(left):
            break
        found = pc.coalesce(found, read(left))
    return found


def _iso(text: pa.Array) -> pa.Array:
    naive = _cast_matching(text, _NAIVE, pa.timestamp("us"))
    return _in_range(pc.coalesce(naive, _cast_matching(text, _ZONED, TIMESTAMP)).cast(pa.int64()))


def _cast_matching(text: pa.Array, pattern: str, kind: pa.DataType) -> pa.Array:
    matching = pc.if_else(pc.match_substring_regex(text, pattern), text, None)
    try:
        return matching.cast(kind).cast(TIMESTAMP)
    except pa.ArrowInvalid:  # one of them is a day no calendar has, such as 30 February
        return _odd(matching)


def _other_spelling(text: pa.Array) -> pa.Array:
    text = pc.utf8_trim_whitespace(text)
    for pattern, replacement in _REWRITES:
        text = pc.replace_substring_regex(text, pattern, replacement)
    found = _iso(text)
    return pc.coalesce(found, _iso(_iso_from_rfc_2822(pc.if_else(found.is_null(), text, None))))


def _iso_from_rfc_2822(text: pa.Array) -> pa.Array:
    part = pc.extract_regex(text, _RFC_2822)
    day, name, year, clock, offset = (pc.struct_field(part, i) for i in range(5))
    number = pc.index_in(pc.ascii_lower(name), pa.array(_MONTHS, name.type))
    month = pa.array([f"{n:02}" for n in range(1, 13)], name.type).take(number)
    day = pc.ascii_lpad(day, 2, "0")
    return pc.binary_join_element_wise(
        pc.binary_join_element_wise(year, month, day, "-"), "T", clock, offset, ""
    )


def _counted(text: pa.Array) -> pa.Array:
    whole = pc.match_substring_regex(text, r"^-?(?:\d{1,18}|[0-8]\d{18})$")
    decimal = pc.match_substring_regex(text, r"^-?\d+(?:\.\d*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)$")
    return pc.coalesce(
        _from_epoch(pc.if_else(whole, text, None).cast(pa.int64())),
        _from_epoch(pc.if_else(decimal, text, None).cast(pa.float64())),
    )


def _from_epoch(count: pa.Array) -> pa.Array:
    # Every unit is worked out for every value and the fitting one chosen; what overflows is not.
    size, thousand = pc.abs(count), _scalar(10**3, count.type)
    units = [pc.less(size, _scalar(bound, count.type)) for bound in (10**11, 10**14, 10**17)]
    millis = pc.multiply(count, thousand)
    return _in_range(
        pc.case_when(
            pc.make_struct(*units),
            pc.multiply(millis, thousand),
            millis,
            count,
            pc.divide(count, thousand),
        )
    )


def _microseconds(count: pa.Array, unit: str) -> pa.Array:
    if unit == "ns":
        return pc.divide(count, 1000)
    factor = {"s": 10**6, "ms": 10**3, "us": 1}[unit]
    fits = pc.and_(pc.greater(count, _FIRST // factor - 1), pc.less(count, _LAST // factor + 1))
    return pc.multiply(pc.if_else(fits, count, None), factor)


def _in_range(micros: pa.Array) -> pa.Array:
    micros = pc.round(micros)
    first, last = _scalar(_FIRST, micros.type), _scalar(_LAST, micros.type)
    sane = pc.and_(pc.greater_equal(micros, first), pc.less_equal(micros, last))
    return pc.if_else(sane, micros, None).cast(pa.int64(), safe=False).cast(TIMESTAMP)


def _scalar(value: int, kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(float(value) if pa.types.is_floating(kind) else value, kind)


def _odd(text: pa.Array) -> pa.Array:
    distinct = text.dictionary_encode()
    micros = pa.array([_odd_date(value) for value in distinct.dictionary.to_pylist()], pa.int64())
    return _in_range(micros.take(distinct.indices))


def _odd_date(text: str) -> int | None:
    text = text.strip().upper()
    midnight = re.fullmatch(r"(.*[T ])24(:00(?::00(?:\.0+)?)?(?![\d:.]).*)", text)
    if midnight:
        begin = _odd_date(f"{midnight[1]}00{midnight[2]}")
        return None if begin is None else begin + timedelta(days=1) // _MICROSECOND
    readers: tuple[Callable[[str], datetime], ...] = (
        datetime.fromisoformat,
        lambda value: datetime.strptime(value, "%Y-%j"),
        parsedate_to_datetime,
    )
    for read in readers:
        try:
            when = read(text)
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
            return (when - _EPOCH) // _MICROSECOND
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None
