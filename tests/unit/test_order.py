"""Texts in the order of publication, whatever the order in which they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.pipeline.order import _distinct_texts

DAY = datetime(2024, 5, 1, tzinfo=UTC)


Row = tuple[float | None, int]
"""Days after the first of May, and hash of the text, 0 where it has no word."""


def numbered(rows: list[Row]) -> tuple[list[int], list[int]]:
    """Number of each article's text, and the first article that has each text."""
    times = [None if day is None else DAY + timedelta(days=day) for day, _ in rows]
    columns = {
        "published_at": pa.array(times, pa.timestamp("us", "UTC")),
        "text_hash": pa.array([text for _, text in rows], pa.uint64()),
    }
    numbers, first = _distinct_texts(pa.table(columns))
    return numbers.tolist(), first.tolist()


def test_texts_are_numbered_in_the_order_of_publication() -> None:
    """Undated ones last; what has no word is a text of its own each time, wherever it comes."""
    rows: list[Row] = [(None, 0), (2, 9), (0, 0), (1, 7), (None, 7), (1, 0), (0, 9)]
    assert numbered(rows) == ([4, 1, 0, 3, 3, 2, 1], [2, 6, 5, 3, 0])
    assert numbered([]) == ([], [])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, 0.0, 1.0, 2.5]), st.sampled_from([0, 0, 1, 2, 3, 2**64 - 1])
        ),
        max_size=14,
    )
)
def test_the_first_of_each_text_is_the_one_published_first(rows: list[Row]) -> None:
    """Of equal times the text with the smaller hash, then the article that comes first."""
    by_time = sorted(
        range(len(rows)),
        key=lambda at: (rows[at][0] is None, rows[at][0] or 0, rows[at][1], at),
    )
    numbers: dict[tuple[int, int], int] = {}
    first: list[int] = []
    for at in by_time:
        text = rows[at][1]
        if numbers.setdefault((text, at if text == 0 else -1), len(first)) == len(first):
            first.append(at)
    expected = [numbers[text, at if text == 0 else -1] for at, (_, text) in enumerate(rows)]
    assert numbered(rows) == (expected, first)
