"""Where tasks run, by one word."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from dedup.errors import SettingsError
from flows.runner import DEFAULT, VARIABLE, WORDS, checked, task_runner


@pytest.mark.parametrize(
    ("spec", "runner"),
    [
        ("threads:3", ThreadPoolTaskRunner(max_workers=3)),
        ("processes:2", ProcessPoolTaskRunner(max_workers=2)),
        ("", ThreadPoolTaskRunner(max_workers=int(DEFAULT.partition(":")[2]))),
    ],
)
def test_runners_of_this_machine(
    spec: str, runner: ThreadPoolTaskRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, spec)
    assert type(task_runner()) is type(runner)
    assert task_runner() == runner


@pytest.mark.parametrize(
    ("spec", "name", "address"),
    [
        ("dask:tcp://head:8786", "DaskTaskRunner", "tcp://head:8786"),
        ("dask:head:8786", "DaskTaskRunner", "head:8786"),
        ("dask:tls://[fd00::1]:8786", "DaskTaskRunner", "tls://[fd00::1]:8786"),
        ("ray:ray://head:10001", "RayTaskRunner", "ray://head:10001"),
        ("ray:auto", "RayTaskRunner", "auto"),
    ],
)
def test_runners_of_a_cluster(
    spec: str, name: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = f"prefect_{spec.partition(':')[0]}"
    module: Any = ModuleType(package)
    module.__spec__ = ModuleSpec(package, None)
    setattr(module, name, lambda address: (name, address))
    monkeypatch.setitem(sys.modules, package, module)
    monkeypatch.setenv(VARIABLE, spec)
    assert task_runner() == (name, address)


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_missing_package_names_the_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"prefect_{kind}", None)
    with pytest.raises(SettingsError) as caught:
        checked(f"{kind}:tcp://head:1")
    assert caught.value.mend == f"pip install 'dedup[{kind}]'"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        "threads",
        "threads:0",
        "threads:many",
        "threads:2 ",
        "processes:-1",
        "processes:٣",
        "dask:",
        "dask:head",
        "dask:tcp://head",
        "dask:tcp://head:8786/",
        "ray:",
        "fibres:2",
        ":",
    ],
)
def test_no_such_runner(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, spec)
    with pytest.raises(SettingsError) as caught:
        task_runner()
    assert caught.value.got == repr(spec)
    assert caught.value.expected == WORDS
