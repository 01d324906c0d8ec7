"""Chance, seeded.

Law: whatever is random in made-up news comes from one :class:`Draws`, so that one seed gives one
corpus, byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, MutableSequence, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

_BUFFER = 8192


class Draws:
    """Random values from a seed.

    Single numbers come from a buffer, since a numpy generator takes a microsecond for each call.

    Parameters
    ----------
    *seed : int
        Non-negative numbers; another sequence of them gives other draws.
    """

    def __init__(self, *seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        self._buffer: Iterator[float] = iter(())

    def unit(self) -> float:
        """A number of [0, 1)."""
        for value in self._buffer:
            return value
        self._buffer = iter(self._generator.random(_BUFFER).tolist())
        return next(self._buffer)

    def units(self, count: int) -> NDArray[np.float64]:
        """`count` numbers of [0, 1)."""
        return self._generator.random(count)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.unit() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, values: Sequence[T]) -> T:
        """One of the values, each as likely."""
        return values[int(self.unit() * len(values))]

    def pick_weighted(self, values: Sequence[T], weights: Sequence[float]) -> T:
        """One of the values, as likely as its weight."""
        mark = self.unit() * sum(weights)
        for value, upto in zip(values, accumulate(weights), strict=True):
            if mark < upto:
                return value
        return values[-1]

    def sample(self, values: Sequence[T], count: int) -> list[T]:
        """`count` of the values (all, when they are fewer), none twice, in random order."""
        pool = list(values)
        self.shuffle(pool)
        return pool[:count]

    def shuffle(self, values: MutableSequence[T]) -> None:
        """Bring the values into random order, in place."""
        for last in range(len(values) - 1, 0, -1):
            other = int(self.unit() * (last + 1))
            values[last], values[other] = values[other], values[last]

    def lognormal(self, median: float, sigma: float) -> float:
        """A positive number, half of them under `median`; log standard deviation `sigma`."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.unit()))
        return median * math.exp(sigma * radius * math.cos(2.0 * math.pi * self.unit()))
