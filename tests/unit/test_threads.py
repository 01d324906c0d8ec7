"""Threads: results in order, few items under way, errors passed on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from dedup.threads import cores, in_order, spans


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
def test_results_come_in_the_order_of_items(threads: int) -> None:
    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item % 5 == 0 else 0)
        return item * item

    assert list(in_order(slow_at_first, range(40), threads)) == [i * i for i in range(40)]
    assert list(in_order(slow_at_first, [], threads)) == []


def test_few_items_are_under_way() -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for i in range(100):
            drawn = i + 1
            yield i

    for fetched, item in enumerate(in_order(lambda item: item, items(), 3), 1):
        assert item == fetched - 1
        assert drawn - fetched < 2 * 3
    assert drawn == 100


def test_threads_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    assert sorted(in_order(lambda _: meeting.wait(), range(3), 3)) == [0, 1, 2]


def test_an_error_comes_at_its_place() -> None:
    results = in_order(lambda item: 6 // item, [3, 2, 0, 1], 2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 20])
def test_spans_cover_everything_once(total: int) -> None:
    found = spans(total, 10)
    assert [i for span in found for i in range(total)[span]] == list(range(total))
    assert all(0 < span.stop - span.start <= 10 for span in found)


def test_at_least_one_core() -> None:
    assert cores() >= 1
