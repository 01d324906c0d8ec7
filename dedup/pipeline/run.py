"""A run that has begun, and what is written down of it.

Law: a run is plain data, so that it travels between processes as JSON.
"""

from __future__ import annotations

import platform
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from dedup.settings import Settings

Progress = Callable[[str, int, int], None]
"""Called with a verb, the units of it that are done, and how many there are."""


@dataclass(frozen=True)
class Run:
    """A run over inputs that are named once.

    Attributes
    ----------
    run_id : str
        Sorts by time of start.
    inputs : list of str
    input_fingerprint : str
        Equal for equal inputs; see `sources.fingerprint`.
    output : str
    folder : str
        Where the verbs keep their files; the same for the same inputs and settings, so that a run
        finds what a killed one left.
    shards : list of dict
        Fields of each `sources.Shard`.
    started_at : str
        ISO 8601, UTC.
    """

    run_id: str
    inputs: list[str]
    input_fingerprint: str
    output: str
    folder: str
    shards: list[dict[str, Any]]
    started_at: str

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON has them; ``Run(**fields)`` gives the run back."""
        return asdict(self)


@dataclass(frozen=True)
class Renewal(Run):
    """A run over what is new in an inbox.

    Attributes
    ----------
    files : list of dict
        Rows of `schemas.INBOX_FILES`, and the ``url``, of each file to be read.
    touched : list of dict
        Rows of those with a new time and the known content.
    retract : list of str
        Ids to take down.
    previous : str or None
        The run before, from which ids of clusters are carried on.
    rebuild : bool
        Whether nothing else is remembered of it.
    usual : bool
        Whether it brings what an ordinary run does, so that later ones are measured by it.
    """

    files: list[dict[str, Any]]
    touched: list[dict[str, Any]]
    retract: list[str]
    previous: str | None
    rebuild: bool
    usual: bool


def new_id() -> tuple[str, str]:
    """Id of a run that starts now, and the time, as `Run` has them."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S%f}Z-{uuid.uuid4().hex[:6]}", now.isoformat(timespec="seconds")


def described(run: Run, settings: Settings) -> dict[str, Any]:
    """What a manifest says of a run besides its counts."""
    return {
        "started_at": run.started_at,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": settings.model_dump(),
        "settings_fingerprint": settings.fingerprint(),
        "versions": _versions(),
        "input": {"paths": run.inputs, "fingerprint": run.input_fingerprint},
    }


def _versions() -> dict[str, str]:
    packages = ("dedup", "numpy", "numba", "pyarrow")
    return {
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        **{name: version(name) for name in packages},
    }
