"""What runs the tasks: threads, processes, Dask or Ray.

Law: where tasks run changes how fast a result comes, never the result; so it is no setting, but a
word of the command, or of the environment of the machine that runs the flow.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from dedup.errors import SettingsError

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

VARIABLE = "DEDUP_RUNNER"
DEFAULT = "threads:2"
"""Two units at a time: one is read while the kernels, on all cores, work on the other."""
WORDS = "threads:N, processes:N, dask:tcp://HOST:PORT or ray:ADDRESS"

_VALUES = {
    "threads": r"[1-9][0-9]*",
    "processes": r"[1-9][0-9]*",
    "dask": r"(\w+://)?[^\s/]+:[0-9]+",
    "ray": r"\S+",
}
_LOCAL = {"threads": "ThreadPoolTaskRunner", "processes": "ProcessPoolTaskRunner"}
_CLUSTERS = {"dask": "DaskTaskRunner", "ray": "RayTaskRunner"}


def checked(word: str) -> str:
    """The word for a runner, if it names one that is installed; Prefect is not imported.

    Raises
    ------
    SettingsError
        When it names none, or one whose package is missing.
    """
    kind, _, value = word.partition(":")
    if kind not in _VALUES or not re.fullmatch(_VALUES[kind], value):
        raise SettingsError(
            "runner", WORDS, repr(word), f"correct --runner, or {VARIABLE} in the environment"
        )
    if kind in _CLUSTERS and find_spec(f"prefect_{kind}") is None:
        raise SettingsError(
            "runner",
            f"a runner that is installed, for {kind} prefect-{kind}",
            "no such package",
            f"pip install 'dedup[{kind}]'",
        )
    return word


def task_runner() -> TaskRunner[Any]:
    """Task runner that the environment variable ``DEDUP_RUNNER`` names.

    ``threads:N`` and ``processes:N`` run N tasks at a time on this machine; ``dask:ADDRESS`` and
    ``ray:ADDRESS`` on a cluster whose workers reach the inputs, the output and the files of the
    run by the same paths.

    Raises
    ------
    SettingsError
        As `checked`.
    """
    kind, _, value = checked(os.environ.get(VARIABLE) or DEFAULT).partition(":")
    if kind in _LOCAL:
        local = getattr(import_module("prefect.task_runners"), _LOCAL[kind])
        return cast("TaskRunner[Any]", local(max_workers=int(value)))
    cluster = getattr(import_module(f"prefect_{kind}"), _CLUSTERS[kind])
    return cast("TaskRunner[Any]", cluster(address=value))
