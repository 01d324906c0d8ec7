"""How right the clusters are, on every labelled set there is, with default settings.

    python tests/benchmarks/accuracy.py DATA_DIR [--errors 20] [--large]
    python tests/benchmarks/accuracy.py DATA_DIR --vary similarity_floor=0.1,0.2,0.3

Runs the whole pipeline over each labelled set below DATA_DIR (see `gate/sets.py` for what that is)
and over made ones, prints every figure and the worst errors, and ends with status 1 when a figure
is below its floor in `accuracy.toml`. Nothing here knows a set by name, and no set has settings of
its own. Sets of copies run under every profile of the library; floors are those of the default.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from gate import floors, show
from gate.changes import applied, default
from gate.measure import Measured, measure
from gate.sets import LabelledSet, find, make, read_labels

from dedup import Settings
from dedup.errors import DedupError

HERE = Path(__file__).parent

SEEDS = (1, 2, 3)
"""Of the made sets."""

LARGE = 200_000
"""Articles of the made set that --large adds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every floor holds."""
    given = _arguments(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="accuracy-") as scratch:
            if given.set:
                show.loud(f"EXPERIMENT, not the defaults: {', '.join(given.set)}")
            sets = list(_sets(given, Path(scratch)))
            if given.vary:
                return _vary(given, sets, Path(scratch))
            return _gate(given, sets, Path(scratch))
    except DedupError as error:
        print(error, file=sys.stderr)
        return 2


def _gate(given: argparse.Namespace, sets: Sequence[LabelledSet], scratch: Path) -> int:
    measured = []
    for found in _measured(given, sets, given.set, given.profiles, scratch):
        show.details(found)
        measured.append(found)
    show.line("")
    show.table(show.overview(measured))
    if given.json:
        _write_json(given.json, [(given.set, measured)])
    if given.docs:
        content = show.markdown(show.overview(measured, seconds=False))
        show.rewrite(given.docs, "figures", content)
    return _hold(given, sets, measured)


def _hold(
    given: argparse.Namespace, sets: Sequence[LabelledSet], measured: Sequence[Measured]
) -> int:
    """Compare with the floors, move them where that was asked for; the exit status."""
    pinned = floors.read(given.floors)
    names = {chosen.name for chosen in sets}

    def due(key: str) -> bool:
        truth, _, profile = key.partition("@")
        return truth.rpartition("/")[0] in names and (profile or None) in given.profiles

    falls = floors.fallen(pinned, measured, due)
    moved = floors.raised(pinned, measured) if given.raise_ else pinned
    moved = floors.lowered(moved, falls) if given.lower else moved
    if moved != pinned:
        floors.write(given.floors, moved)
        show.line(f"Floors rewritten: {given.floors}")
    word = "LOWERED" if given.lower else "FALLEN"
    for fall in falls:
        show.loud(f"{word}: {fall}")
    absent = [key for key in moved if not due(key)]
    if absent:
        show.line(f"Floors of what was not run: {', '.join(absent)}")
    if not falls:
        show.line(f"All floors hold, of {len(moved) - len(absent)} truths.")
    return 1 if falls and not given.lower else 0


def _vary(given: argparse.Namespace, sets: Sequence[LabelledSet], scratch: Path) -> int:
    """One row of headlines for each value of a setting."""
    name, _, values = given.vary.partition("=")
    by_value = {}
    for value in values.split(","):
        changes = [*given.set, f"{name}={value}"]
        with applied(changes) as settings:
            Settings.load(None, settings)
        by_value[value] = list(_measured(given, sets, changes, given.profiles, scratch))
        show.line(f"{name}={value} done")
    rows = show.comparison(name, default(name), by_value)
    show.table(rows)
    if given.json:
        _write_json(
            given.json, [([*given.set, f"{name}={v}"], found) for v, found in by_value.items()]
        )
    if given.docs:
        show.rewrite(given.docs, name, show.markdown(rows))
    return 0


def _measured(
    given: argparse.Namespace,
    sets: Sequence[LabelledSet],
    changes: Sequence[str],
    profiles: Sequence[str | None],
    scratch: Path,
) -> Iterator[Measured]:
    """Each set under each profile, once."""
    errors = 0 if given.vary else given.errors
    for chosen in sets:
        for profile in profiles:
            if profile and chosen.made:  # they are made for the default profile
                continue
            with tempfile.TemporaryDirectory(dir=scratch) as output, applied(changes) as rest:
                measured = measure(chosen, rest, profile, Path(output) / "out", errors)
            yield from measured


def _sets(given: argparse.Namespace, scratch: Path) -> Iterator[LabelledSet]:
    def chosen(name: str) -> bool:
        return not given.only or any(fnmatch(name, pattern) for pattern in given.only)

    labels = read_labels(given.labels)
    found = find(given.data, labels)
    unknown = labels.keys() - {one.name for one in found}
    if unknown:
        show.line(f"Labels of sets that are not here: {', '.join(sorted(unknown))}")
    yield from (one for one in found if chosen(one.name))
    wanted = [(given.synth, seed) for seed in SEEDS if given.synth]
    wanted += [(LARGE, SEEDS[0])] if given.large else []
    for articles, seed in wanted:
        if chosen(f"synth_{articles}_seed{seed}"):
            yield from make(articles, [seed], scratch)


def _write_json(path: Path, runs: Sequence[tuple[Sequence[str], Sequence[Measured]]]) -> None:
    content = [
        {"set": list(changes), "truths": {found.key: found.to_dict() for found in measured}}
        for changes, measured in runs
    ]
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("data", type=Path, metavar="DATA_DIR", help="folder with labelled sets")
    add("--only", action="append", metavar="NAME", help="run only sets whose name matches")
    add("--errors", type=int, default=20, help="worst errors shown of each truth; 0 hides them")
    add("--synth", type=int, default=20_000, help="articles of each made set; 0 makes none")
    add("--large", action="store_true", help=f"also make a set of {LARGE:,} articles")
    add("--profile", action="append", help="profile to run, words or ocr; both by default")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="an experiment")
    add("--vary", metavar="NAME=V1,V2", help="one row of headline figures for each value")
    add("--raise", dest="raise_", action="store_true", help="raise floors to the figures of now")
    add("--lower", action="store_true", help="lower floors that fell to the figures of now")
    add("--json", type=Path, metavar="FILE", help="write every figure")
    add("--docs", type=Path, nargs="?", metavar="FILE", const=HERE.parents[1] / "docs/accuracy.md")
    add("--floors", type=Path, default=HERE / "accuracy.toml", metavar="FILE")
    add("--labels", type=Path, default=HERE / "labels", metavar="DIR")
    given = parser.parse_args(arguments)
    if (given.set or given.vary) and (given.raise_ or given.lower):
        parser.error("floors are those of the defaults: no --raise or --lower with --set or --vary")
    if given.docs and (given.set or given.only):
        parser.error("documents are of the defaults and of all sets: no --docs with --set, --only")
    if given.vary and not all(given.vary.partition("=")):
        parser.error("--vary wants NAME=V1,V2")
    given.profiles = _profiles(given)
    return given


def _profiles(given: argparse.Namespace) -> list[str | None]:
    """Profiles to run; None is the default one, and the only one while a setting is varied."""
    wanted = given.profile or (["words"] if given.vary else ["words", "ocr"])
    return [None if profile == "words" else profile for profile in dict.fromkeys(wanted)]


if __name__ == "__main__":
    sys.exit(main())
