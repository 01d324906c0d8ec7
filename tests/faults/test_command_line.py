"""A command that cannot do its work says so in one line, and ends with the status for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dedup.__main__ import main

LINES = "".join(
    f'{{"id": "{name}", "text": "The harbour council voted on Monday to rebuild the old pier."}}\n'
    for name in "ab"
)
TRUTH = "id,cluster\na,x\nb,x\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an input, a truth and a run."""
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text(LINES)
    Path("truth.csv").write_text(TRUTH)
    Path("foreign").mkdir()
    Path("foreign/letter.txt").write_text("not ours")
    Path("bad.toml").write_text("seed = = 1")
    return tmp_path


@pytest.fixture
def published(folder: Path) -> Path:
    assert main(["cluster", "in.jsonl", "--output", "out"]) == 0
    return folder


def fails(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str]:
    """Status and message of a command that fails without printing anything else."""
    capsys.readouterr()
    status = main(command.split())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return status, err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        # Usage
        ("", "Missing command; see dedup --help"),
        ("nothing", "No such command 'nothing'"),
        ("--nothing", "No such option"),
        ("cluster --output out", "Missing argument 'INPUT...'; see dedup cluster --help"),
        ("cluster in.jsonl", "Missing option '--output'"),
        ("evaluate out", "Missing option '--truth'"),
        ("explain out a", "Missing argument 'ARTICLE_B'"),
        ("synth --output made", "Missing option '--articles'"),
        ("synth --articles few --output made", "'few' is not a valid integer"),
        ("settings --all", "No such option"),
        # Input
        ("cluster none.jsonl --output out", "none.jsonl: expected a file"),
        ("cluster in.jsonl none/*.csv --output out", "none/*.csv: expected"),
        ("cluster truth.csv --output out", "expected one column 'text'"),
        ("cluster bad.toml --output out", "bad.toml"),
        # Settings
        ("cluster in.jsonl --output out --set sede=1", "setting 'sede': expected one of"),
        ("cluster in.jsonl --output out --set seed=x", "setting 'seed': expected a valid integer"),
        ("cluster in.jsonl --output out --set seed=-1", "setting 'seed': expected greater than"),
        ("cluster in.jsonl --output out --set seed", "setting 'seed': expected name=value"),
        ("cluster in.jsonl --output out --settings none.toml", "none.toml: expected a readable"),
        ("cluster in.jsonl --output out --settings bad.toml", "bad.toml: expected TOML"),
        ("cluster in.jsonl --output out --settings foreign", "foreign: expected a readable"),
        ("synth --articles 0 --output made", "articles: expected 1 or more"),
        ("synth --articles 1 --seed -1 --output made", "seed: expected 0 or more"),
        # Output
        ("cluster in.jsonl --output foreign", "foreign: expected an empty folder"),
        ("cluster in.jsonl --output in.jsonl", "in.jsonl: expected"),
        ("cluster in.jsonl --output in.jsonl/out", "in.jsonl/out: expected a folder"),
        ("synth --articles 1 --output in.jsonl/made", "in.jsonl/made: expected a folder"),
        ("evaluate none --truth truth.csv", "none: expected a folder with a complete run"),
        ("explain none a b", "none: expected a folder with a complete run"),
    ],
)
def test_what_the_user_can_mend_is_2(
    capsys: pytest.CaptureFixture[str], folder: Path, command: str, said: str
) -> None:
    before = sorted(folder.rglob("*"))
    status, err = fails(capsys, command)
    assert status == 2
    assert said in err
    made = {path.name for path in folder.rglob("*") if path not in before}
    left = {"out", "runs", ".lock"}
    assert made <= left, "nothing but an empty output folder, and its lock, is left behind"


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("evaluate out --truth none.csv", "none.csv: expected a readable file"),
        ("evaluate out --truth in.jsonl", "in.jsonl: expected columns"),
        ("evaluate out --truth bad.toml", "bad.toml: expected one of"),
        ("evaluate out --truth truth.csv --level page", "'page' is not one of"),
        ("evaluate out --truth truth.csv --json in.jsonl/f.json", "in.jsonl/f.json: expected"),
        ("explain out a nobody", "article 'nobody'"),
        ("explain out a a", "expected two articles, got one twice"),
    ],
)
def test_what_the_user_can_mend_of_a_run_is_2(
    capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    status, err = fails(capsys, command)
    assert status == 2
    assert said in err


def test_a_damaged_run_is_a_failure(capsys: pytest.CaptureFixture[str], published: Path) -> None:
    next((published / "out" / "latest" / "pairs").glob("*.parquet")).write_bytes(b"PAR1")
    for command in ("explain out a b", "evaluate out --truth truth.csv"):
        status, err = fails(capsys, command)
        assert status == 1
        assert "run the clustering again" in err


@pytest.mark.usefixtures("folder")
def test_a_defect_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("dedup.pipeline.cluster_articles", broken)
    status, err = fails(capsys, "cluster in.jsonl --output out")
    assert status == 1
    assert "ZeroDivisionError: two lines; PYTHONDEVMODE=1" in err


@pytest.mark.usefixtures("folder")
def test_an_interrupt_is_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dedup.pipeline.cluster_articles", interrupted)
    assert fails(capsys, "cluster in.jsonl --output out") == (130, "error: interrupted\n")


@pytest.mark.usefixtures("folder")
def test_control_c_ends_a_process_with_130() -> None:
    # The input is a pipe that nobody writes to, so that the signal finds the command at work.
    os.mkfifo("waits.toml")
    command = [sys.executable, "-m", "dedup", "cluster", "in.jsonl", "--output", "out"]
    with subprocess.Popen(
        [*command, "--settings", "waits.toml"], stderr=subprocess.PIPE, text=True
    ) as process:
        writer = os.open("waits.toml", os.O_WRONLY)  # returns once the command reads
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        os.close(writer)
    assert (process.returncode, err) == (130, "error: interrupted\n")


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("command", ["settings", "explain out a b", "--help"])
def test_a_broken_pipe_is_quiet(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "dedup", *command.split()],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (done.returncode, done.stderr) == (1, "")
