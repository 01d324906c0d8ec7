"""The verbs between begin and publish, and their order.

Law: what a verb makes lies in the run's folder before its note does, so what is noted need not be
made again; and the units of a verb know nothing of one another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dedup.errors import RunError
from dedup.pipeline import furniture, match
from dedup.pipeline.group import group
from dedup.pipeline.order import order
from dedup.pipeline.run import Run
from dedup.pipeline.sign import sign_batches
from dedup.pipeline.sketch import sketch
from dedup.settings import Settings
from dedup.sources import Shard, read_shard
from dedup.workspace import Workspace


class Unit(NamedTuple):
    """One unit of a verb: which, of how many, of which run, and where its files lie."""

    run: Run
    number: int
    of: int
    settings: Settings
    work: Workspace


class _Verb(NamedTuple):
    """A verb.

    Attributes
    ----------
    perform : callable
        Does one unit of it.
    units : callable
        How many there are.
    needs : tuple of str
        How the names of tables begin that it reads.
    spent : tuple of str
        How the names of tables begin that nobody needs once it is done; only where it is one unit.
    """

    perform: Callable[[Unit], dict[str, Any]]
    units: Callable[[Run, Settings, Workspace], int]
    needs: tuple[str, ...] = ()
    spent: tuple[str, ...] = ()


def _sign(unit: Unit) -> dict[str, Any]:
    shard = Shard(**unit.run.shards[unit.number])
    batches = read_shard(shard, unit.settings)
    return sign_batches(batches, unit.number, unit.settings, unit.work)


def _shards(run: Run, settings: Settings, work: Workspace) -> int:
    return len(run.shards) or 1  # a table in memory is one


def _once(run: Run, settings: Settings, work: Workspace) -> int:
    return 1


_MAKERS = {
    "sign": ("signed-", "tokens-", "quoted-", "sketches-"),
    "furnish": ("left-out-", "template-"),
    "sketch": (
        "sketched-",
        "own-sketches-",
        "prefixes-",
        "heaviest-",
        "bands-",
        "words-",
        "terms-",
    ),
    "propose": ("shared-",),
    "score": ("scored-", "scores-", "forms-"),
}
"""How the names of tables begin of which each unit of a verb makes one."""

_MAKER = {prefix: verb for verb, prefixes in _MAKERS.items() for prefix in prefixes}

_COMPARED = ("tokens-", "quoted-", "sketched-", "prefixes-")

_VERBS = {
    "sign": _Verb(_sign, _shards),
    "order": _Verb(
        lambda unit: order(unit.settings, unit.work),
        _once,
        needs=("signed-", "sketches-"),
        spent=("sketches-",),
    ),
    "furnish": _Verb(
        lambda unit: furniture.furnish(unit.settings, unit.work, unit.number, unit.of),
        lambda run, settings, work: furniture.units(settings, work),
        needs=("signed-", "tokens-"),
    ),
    "sketch": _Verb(
        lambda unit: sketch(unit.settings, unit.work, unit.number),
        _shards,
        needs=("tokens-", "quoted-", "left-out-"),
    ),
    "propose": _Verb(
        lambda unit: match.propose(unit.settings, unit.work, unit.number, unit.of),
        lambda run, settings, work: match.proposals(settings, work),
        needs=("sketched-", "own-sketches-", "bands-"),
    ),
    "collect": _Verb(
        lambda unit: match.collect(unit.settings, unit.work),
        _once,
        needs=("shared-", "words-", "terms-"),
        spent=("shared-", "words-", "terms-", "own-sketches-", "bands-", "left-out-"),
    ),
    "score": _Verb(
        lambda unit: match.score(unit.settings, unit.work, unit.number),
        lambda run, settings, work: match.units(work),
        needs=_COMPARED,
    ),
    "group": _Verb(
        lambda unit: group(unit.settings, unit.work),
        _once,
        needs=(*_COMPARED, "scored-", "scores-", "forms-", "heaviest-", "template-"),
    ),
}

VERBS = tuple(_VERBS)
"""Their names, in their order."""


def units(verb: str, run: Run, settings: Settings) -> int:
    """How many units a verb goes in, which is known once the verb before is done.

    It is written down, for the machines that share the work need not be alike.
    """
    work = Workspace(Path(run.folder))
    known = work.noted(f"units-of-{verb}")
    if known is None:
        count = _VERBS[verb].units(run, settings, work)
        known = work.note(f"units-of-{verb}", {"units": count})
    return int(known["units"])


def perform(verb: str, run: Run, number: int, settings: Settings) -> dict[str, Any]:
    """One unit of a verb, unless it was done before.

    Returns
    -------
    dict
        What is noted of it: counts, ``seconds``, and whether it was ``reused``.

    Raises
    ------
    RunError
        When what units of earlier verbs have made is not all there.
    """
    work, this = Workspace(Path(run.folder)), _VERBS[verb]
    unit = Unit(run, number, units(verb, run, settings), settings, work)

    def make() -> dict[str, Any]:
        for prefix in this.needs:
            _check(work, prefix, units(_MAKER[prefix], run, settings))
        return this.perform(unit)

    facts = noted(work, verb, number, make)
    # Only now, so that a run that is killed meanwhile finds all that it needs.
    for prefix in this.spent:
        work.remove(prefix)
    return facts


def _check(work: Workspace, prefix: str, expected: int) -> None:
    found = work.count(prefix)
    if found != expected:
        raise RunError(
            f"{work.folder}/{prefix}*",
            f"{expected} files",
            f"{found}",
            "see that all machines have the same folder there, and start the run again",
        )


def noted(
    work: Workspace, verb: str, number: int, make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What `make` tells of a unit, written down; or what was, when it was done before."""
    name = f"{verb}-{number:06}"
    if done := work.noted(name):
        return {**done, "reused": True}
    started = time.perf_counter()
    facts = make()
    work.release()
    seconds = round(time.perf_counter() - started, 3)
    return work.note(name, {**facts, "seconds": seconds, "reused": False})
