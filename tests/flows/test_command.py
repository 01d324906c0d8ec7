"""The flow as a command: quiet, offline, and with the library's exit statuses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import flows
from dedup import read
from dedup.pipeline import VERBS
from flows.command import main

ROOT = Path(flows.__file__).parents[1]

COMMAND = ("-m", "flows.cluster_articles")

# Written down by every process of a command: whom it looks up, and whom it calls.
WATCH = """
import os, sys

def watch(event, given):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        whom = given[1] if event == "socket.connect" else given[0]
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{event} {whom!r}\\n")

sys.addaudithook(watch)
"""


def run(folder: Path, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**kept, "PREFECT_HOME": os.environ["PREFECT_HOME"], **env},
        capture_output=True,
        text=True,
        timeout=150,
    )


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that is not the project's, with a module that watches Python's sockets."""
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    return tmp_path


def test_without_a_server_it_runs_offline_and_says_nothing_but_its_own(
    corpus: Path, elsewhere: Path
) -> None:
    calls = elsewhere / "calls.txt"
    done = run(
        elsewhere,
        *COMMAND,
        corpus,
        "--output",
        "out",
        PYTHONPATH=str(elsewhere),
        WATCHED=str(calls),
    )
    assert done.returncode == 0, done.stderr
    said = re.compile(
        rf"\S+ \| INFO    \| Flow run 'out from wire' - +\d+ % ({'|'.join(VERBS)}|publish)"
    )
    assert [line for line in done.stderr.splitlines() if not said.match(line)] == []
    assert "sign: 3 of 3" in done.stderr
    counts = read(elsewhere / "out").info["counts"]
    assert f"{counts['clusters']}  clusters of two or more" in done.stdout
    assert done.stdout.splitlines()[-1] == "out/latest"
    seen = calls.read_text().splitlines()
    assert any("connect" in call for call in seen), "the watch does not work"
    assert [call for call in seen if "'127.0.0.1'" not in call] == []


def test_what_is_new_is_taken_once(api: str, corpus: Path, elsewhere: Path) -> None:
    inbox = shutil.copytree(corpus, elsewhere / "inbox")
    for path in inbox.iterdir():
        os.utime(path, (time.time() - 3600, time.time() - 3600))
    asked = "-m", "flows.cluster_new", "--inbox", inbox, "--output", "out"
    first, second = (run(elsewhere, *asked, PREFECT_API_URL=api) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    counts = read(elsewhere / "out").info["counts"]
    assert f"{counts['clusters']}  clusters of two or more" in first.stdout
    assert first.stdout.splitlines()[-1] == "out/latest"
    assert second.stdout == f"nothing new in {inbox}\n"


def test_as_a_script_against_a_server(api: str, corpus: Path, elsewhere: Path) -> None:
    script = ROOT / "flows" / "cluster_articles.py"
    asked = elsewhere / "missing.parquet", "--output", "out"
    done = run(elsewhere, script, *asked, PREFECT_API_URL=api)
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {elsewhere / 'missing.parquet'}: expected a file")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in.parquet"], "Missing option '--output'"),
        (["--output", "out"], "Missing argument 'INPUT...'"),
        (["in.parquet", "--output", "out", "--fast"], "No such option '--fast'"),
        (["in.parquet", "--output", "out", "--set", "seed=-1"], "setting 'seed'"),
        (["in.parquet", "--output", "out", "--set", "sede=1"], "setting 'sede'"),
        (["in.parquet", "--output", "out", "--settings", "none.toml"], "none.toml"),
    ],
)
def test_what_cannot_be_run_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("cluster_articles", arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "out"], "Missing option '--inbox'"),
        (["--inbox", "in"], "Missing option '--output'"),
        (["--inbox", "in", "--output", "out", "--set", "seed=-1"], "setting 'seed'"),
        (["--inbox", "in", "--output", "out", "--limit", "rejects_share=2"], "'rejects_share'"),
        (["--inbox", "in", "--output", "out", "--limit", "seed=1"], "setting 'seed'"),
    ],
)
def test_what_cannot_be_run_of_what_is_new_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("cluster_new", arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1


NO_RUNNER = re.compile(r"error: runner: expected threads:N, .*, got 'fibres:2'; .*\n")


@pytest.mark.parametrize("given", [{"DEDUP_RUNNER": "fibres:2"}, {}])
@pytest.mark.parametrize("name", ["cluster_articles", "cluster_new"])
def test_a_runner_that_does_not_exist_is_one_line_before_prefect(
    name: str, given: dict[str, str], elsewhere: Path
) -> None:
    # Whoever imports Prefect fails otherwise.
    (elsewhere / "prefect.py").write_text("raise SystemExit('Prefect was imported')")
    option = [] if given else ["--runner", "fibres:2"]
    asked = ["in"] if name == "cluster_articles" else ["--inbox", "in"]
    there = {"PYTHONPATH": str(elsewhere), "WATCHED": str(elsewhere / "calls"), **given}
    done = run(elsewhere, "-m", f"flows.{name}", *asked, "--output", "out", *option, **there)
    assert (done.returncode, done.stdout) == (2, "")
    assert NO_RUNNER.fullmatch(done.stderr)


def test_the_defaults_are_those_of_the_project() -> None:
    # In the project's folder Prefect reads its table, elsewhere the package sets the environment.
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["prefect"]
    assert table == {
        "server": {"analytics_enabled": False, "ephemeral": {"startup_timeout_seconds": 120}},
        "logging": {"extra_loggers": ["dedup"]},
    }
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] == "120"
    assert os.environ["PREFECT_LOGGING_EXTRA_LOGGERS"] == "dedup"
