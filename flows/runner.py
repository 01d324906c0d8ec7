"""What runs the tasks: threads, processes, Dask or Ray.

Law: where tasks run changes how fast a result comes, never the result; so it is no setting, but an
environment variable of the machine that runs the flow.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from dedup.errors import SettingsError

VARIABLE = "DEDUP_RUNNER"
DEFAULT = "threads:2"
"""Two shards at a time: one is read while the kernels, on all cores, work on the other."""

_CLUSTERS = {"dask": "DaskTaskRunner", "ray": "RayTaskRunner"}


def task_runner() -> TaskRunner[Any]:
    """Task runner that the environment variable ``DEDUP_RUNNER`` names.

    ``threads:N`` and ``processes:N`` run N tasks at a time on this machine; ``dask:ADDRESS`` and
    ``ray:ADDRESS`` on a cluster that shares the inputs' and the output's file systems.

    Raises
    ------
    SettingsError
        When it names no runner, or one whose package is not installed.
    """
    spec = os.environ.get(VARIABLE) or DEFAULT
    kind, _, value = spec.partition(":")
    if kind in _CLUSTERS and value:
        return _cluster_runner(kind, value)
    if kind in ("threads", "processes") and value.isdecimal() and int(value):
        local = ThreadPoolTaskRunner if kind == "threads" else ProcessPoolTaskRunner
        return local(max_workers=int(value))
    raise SettingsError(
        f"environment variable {VARIABLE}",
        "threads:N, processes:N, dask:ADDRESS or ray:ADDRESS",
        repr(spec),
        "correct it or leave it out",
    )


def _cluster_runner(kind: str, address: str) -> TaskRunner[Any]:
    try:
        module = import_module(f"prefect_{kind}")
    except ImportError as error:
        raise SettingsError(
            f"environment variable {VARIABLE}",
            f"a runner that is installed, for {kind} prefect-{kind}",
            str(error),
            f"pip install 'dedup[{kind}]'",
        ) from None
    runner: TaskRunner[Any] = getattr(module, _CLUSTERS[kind])(address=address)
    return runner
