"""Work spread over threads, results in order.

Law: the result is that of a plain loop, whatever the number of threads. Threads suffice, because
the kernels, Arrow and NumPy let go of the interpreter's lock.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

ARTICLES = 2_000
"""Articles of one unit of threaded work: enough for a kernel, few enough to spread."""

Item = TypeVar("Item")
Output = TypeVar("Output")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def width(threads: int) -> int:
    """Threads that a setting stands for; 0 takes one per core."""
    return threads or cores()


def in_order(
    function: Callable[[Item], Output], items: Iterable[Item], threads: int
) -> Iterator[Output]:
    """`function` of each item, in the order of the items.

    Parameters
    ----------
    threads : int
        0 takes one per core. At most twice as many items are under way or waiting to be fetched,
        so memory stays bounded however many there are.
    """
    most = width(threads)
    waiting: deque[Future[Output]] = deque()
    with ThreadPoolExecutor(most, thread_name_prefix="dedup") as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def together(threads: int, *functions: Callable[[], Any]) -> list[Any]:
    """Results of functions that do not need one another, run at the same time."""
    return list(in_order(lambda function: function(), functions, threads))


def spans(total: int, length: int) -> list[slice]:
    """Slices of at most `length` that cover `range(total)`."""
    return [slice(start, min(start + length, total)) for start in range(0, total, length)]
