"""Floors: figures that may not fall.

Law: raising never lowers, and lowering is asked for by name. A floor of a set that was run but is
no longer measured counts as fallen; one of a set that was not run is left alone.

A floor of a figure of which less is better (`measure.AT_MOST`) is the most that it may be.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dedup.errors import InputError
from gate.measure import AT_MOST, Figures, Measured

Floors = dict[str, Figures]

_HEAD = """\
# Floors of the figures that accuracy.py measures with default settings; less is better only of
# wrong_bulletin_pairs. Rewritten by `accuracy.py DATA_DIR --raise`, downwards only with --lower.
"""


@dataclass(frozen=True)
class Fall:
    """A figure below its floor; `value` is NaN when it was not measured."""

    key: str
    figure: str
    floor: float
    value: float

    def __str__(self) -> str:
        side = "above its ceiling" if self.figure in AT_MOST else "below its floor"
        now = "not measured" if math.isnan(self.value) else f"{self.value:.4f} is {side}"
        return f"{self.key}: {self.figure} {now}, {self.floor:g}"


def read(path: Path) -> Floors:
    """Floors of a file; none when there is no file.

    Raises
    ------
    InputError
        When it is no TOML file of numbers by truth and figure.
    """
    if not path.exists():
        return {}
    try:
        floors = tomllib.loads(path.read_text(encoding="utf-8"))
        return {
            key: {figure: float(value) for figure, value in pinned.items()}
            for key, pinned in floors.items()
        }
    except (tomllib.TOMLDecodeError, AttributeError, TypeError, ValueError) as error:
        raise InputError(str(path), "floors in TOML", str(error), "correct it") from None


def write(path: Path, floors: Floors) -> None:
    """Write floors, sorted by truth and figure."""
    lines = [_HEAD]
    for key, pinned in sorted(floors.items()):
        lines.append(f'["{key}"]')
        lines += [f"{figure} = {round(value, 3):.12g}" for figure, value in sorted(pinned.items())]
        lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")


def fallen(floors: Floors, measured: Iterable[Measured], due: Callable[[str], bool]) -> list[Fall]:
    """Floors that do not hold.

    Parameters
    ----------
    due : callable
        Whether a truth, by key, should have been measured.
    """
    now = {found.key: found.figures for found in measured}
    falls = []
    for key, pinned in floors.items():
        if key not in now and not due(key):
            continue
        for figure, floor in pinned.items():
            value = now.get(key, {}).get(figure, math.nan)
            if not _holds(figure, value, floor):
                falls.append(Fall(key, figure, floor, value))
    return falls


def raised(floors: Floors, measured: Iterable[Measured]) -> Floors:
    """Floors at the figures of now where these are better; new ones for headlines not yet pinned.

    Figures under another profile than the default are pinned only where they already are.
    """
    result = {key: dict(pinned) for key, pinned in floors.items()}
    for found in measured:
        pinned = result.get(found.key, {})
        names = set(pinned) | (set() if "@" in found.key else set(found.headline))
        for name in names:
            value = found.figures.get(name, math.nan)
            if not math.isnan(value):
                present = _pinned(name, value)
                pinned[name] = _better(name, present, pinned.get(name, present))
        if pinned:
            result[found.key] = pinned
    return result


def lowered(floors: Floors, falls: Iterable[Fall]) -> Floors:
    """Floors at the figures of now where they fell; those no longer measured are dropped."""
    result = {key: dict(pinned) for key, pinned in floors.items()}
    for fall in falls:
        del result[fall.key][fall.figure]
        if not math.isnan(fall.value):
            result[fall.key][fall.figure] = _pinned(fall.figure, fall.value)
    return {key: pinned for key, pinned in result.items() if pinned}


def _holds(figure: str, value: float, floor: float) -> bool:
    return value <= floor if figure in AT_MOST else value >= floor


def _better(figure: str, one: float, other: float) -> float:
    return min(one, other) if figure in AT_MOST else max(one, other)


def _pinned(figure: str, value: float) -> float:
    """A figure as it is pinned: three decimals, on the side where it still holds."""
    rounded = math.ceil if figure in AT_MOST else math.floor
    return rounded(value * 1000) / 1000
