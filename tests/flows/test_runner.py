"""Where tasks run, by environment variable."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from prefect.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

from dedup.errors import SettingsError
from flows.runner import DEFAULT, VARIABLE, task_runner


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
        ("ray:ray://head:10001", "RayTaskRunner", "ray://head:10001"),
    ],
)
def test_runners_of_a_cluster(
    spec: str, name: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = SimpleNamespace(**{name: lambda address: (name, address)})
    monkeypatch.setitem(sys.modules, f"prefect_{spec.partition(':')[0]}", package)
    monkeypatch.setenv(VARIABLE, spec)
    assert task_runner() == (name, address)


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_missing_package_names_the_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"prefect_{kind}", None)
    monkeypatch.setenv(VARIABLE, f"{kind}:tcp://head:1")
    with pytest.raises(SettingsError) as caught:
        task_runner()
    assert caught.value.mend == f"pip install 'dedup[{kind}]'"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec", ["threads", "threads:0", "threads:many", "dask:", "fibres:2", ":", "processes:-1"]
)
def test_no_such_runner(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, spec)
    with pytest.raises(SettingsError) as caught:
        task_runner()
    assert caught.value.got == repr(spec)
