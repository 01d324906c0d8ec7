"""The comparison with peers: what is measured of fake ones, failing ones, tables and CSV."""

from __future__ import annotations

import csv
import math
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import peers
import pytest
from peers import Bench, Corpus, FailedError, Figures, Record, Runner

MEGABYTE = 1_000_000


# Fake peers

WRITES = """
import sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
articles, folder, label = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
ids = pq.read_table(articles, columns=["id"])["id"]
labels = [label or str(at) for at in range(len(ids))]
pq.write_table(pa.table({"article_id": ids, "cluster_id": labels}), folder / "clusters.parquet")
(folder / "seconds.txt").write_text("0.25")
"""

CHILDREN = """
import subprocess
burns = "held = b'x' * 60_000_000; import time\\nwhile time.process_time() < 0.2: pass\\n"
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
command = [sys.executable, "-c", burns + "print(flush=True); input()"]
children = [subprocess.Popen(command, **pipes) for _ in range(2)]
[each.stdout.readline() for each in children]
import time
time.sleep(0.3)
[each.communicate(b"end") for each in children]
"""

FAILS = "raise SystemExit('no such thing')"


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Runner]:
    """Makes runners of code."""

    def make(name: str, code: str, *words: str) -> Runner:
        script = tmp_path / f"run_{name}.py"
        script.write_text(code)
        return Runner(name, script, words)

    return make


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench on which everybody runs in this interpreter."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    names = ("singles", "one", "bad", "quiet")
    return Bench(
        scratch, Corpus.make(30, tmp_path), dict.fromkeys(names, sys.executable), limit=60.0
    )


def test_a_run_is_timed_and_evaluated(fake: Callable[..., Runner], bench: Bench) -> None:
    singles = bench.record(fake("singles", WRITES, ""), bench.tiny, 0).figures
    one = bench.record(fake("one", WRITES, "same"), bench.tiny, 0).figures
    assert singles and one
    assert singles.work == one.work == 0.25
    assert singles.cpu > 0
    assert singles.wall > 0.02
    assert singles.memory > 5 * MEGABYTE
    # Made news has copies: of all pairs in one cluster some are true, of none none are found.
    assert singles.f1 == 0
    assert 0 < one.f1 < 1


def test_memory_and_cpu_are_also_those_of_children(
    fake: Callable[..., Runner], bench: Bench
) -> None:
    alone = bench.record(fake("singles", WRITES, ""), bench.tiny, 0).figures
    family = bench.record(fake("one", WRITES + CHILDREN, ""), bench.tiny, 0).figures
    assert alone and family
    assert 120 * MEGABYTE < family.memory - alone.memory < 200 * MEGABYTE
    assert family.cpu > alone.cpu + 0.3


def test_a_run_without_clusters_has_no_rightness(fake: Callable[..., Runner], bench: Bench) -> None:
    quiet = fake("quiet", "import sys; open(sys.argv[2] + '/seconds.txt', 'w').write('1.5')")
    figures = bench.record(quiet, bench.tiny, 0).figures
    assert figures
    assert figures.work == 1.5
    assert math.isnan(figures.f1) and math.isnan(figures.ari)


def test_a_run_over_the_limit_is_a_failure(fake: Callable[..., Runner], bench: Bench) -> None:
    slow = fake("one", "import time; time.sleep(60)")
    record = replace(bench, limit=0.3).record(slow, bench.tiny, 0)
    assert record.figures is None
    assert record.failure == "killed after 0.3 s"


def test_runs_are_interleaved_and_who_failed_is_not_run_again(
    fake: Callable[..., Runner], bench: Bench, tmp_path: Path
) -> None:
    count = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); {FAILS}"
    runners = [fake("singles", WRITES, ""), fake("bad", count)]
    failures = {"gone": "cannot be installed"}
    runners.append(fake("gone", FAILS))
    records = [
        record
        for number in range(2)
        for record in peers.a_round(bench, runners, bench.tiny, number, failures)
    ]
    assert [(r.round, r.runner) for r in records] == [
        (0, "singles"),
        (0, "bad"),
        (0, "gone"),
        (1, "singles"),
        (1, "bad"),
        (1, "gone"),
    ]
    assert [bool(r.figures) for r in records] == [True, False, False] * 2
    assert {r.failure for r in records} == {"", "no such thing", "cannot be installed"}
    assert failures == {"gone": "cannot be installed", "bad": "no such thing"}
    assert (tmp_path / "runs").read_text() == "x"


# Environments


def test_a_script_that_names_no_packages_runs_here(tmp_path: Path) -> None:
    script = tmp_path / "run_plain.py"
    script.write_text("import sys\n")
    assert peers.environment(script, tmp_path / "none", []) == sys.executable
    assert peers.environment(None, tmp_path / "none", []) == sys.executable
    assert not (tmp_path / "none").exists()


def headed(tmp_path: Path, python: str, package: str) -> Path:
    script = tmp_path / "run_peer.py"
    script.write_text(
        f'# /// script\n# requires-python = "{python}"\n# dependencies = ["{package}"]\n# ///\n'
    )
    return script


def test_an_environment_is_kept_until_its_packages_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def printed(command: list[str]) -> str:
        commands.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        return "Python 3.12.1" if command[-1] == "--version" else ""

    monkeypatch.setattr(peers, "_printed", printed)
    folder = tmp_path / "made"
    for package, installs in (("first>=1", 1), ("first>=1", 0), ("second", 1)):
        commands.clear()
        script = headed(tmp_path, ">=3.12", package)
        assert peers.environment(script, folder, ["some"]) == str(folder / "peer/bin/python")
        assert [command[-1] for command in commands if "install" in command] == [package] * installs


def test_an_environment_needs_an_interpreter_that_is_new_enough(tmp_path: Path) -> None:
    script = headed(tmp_path, ">=3.99", "anything")
    with pytest.raises(FailedError, match=r"needs Python >=3\.99"):
        peers.environment(script, tmp_path / "made", [sys.executable])


def test_what_cannot_be_made_is_a_failure_not_a_crash(tmp_path: Path) -> None:
    script = headed(tmp_path, ">=3.9", "anything")
    runner = Runner("peer", script)
    pythons, failures = peers.prepared([runner], tmp_path / "made", [str(tmp_path / "missing")])
    assert not pythons
    assert "No such file" in failures["peer"]


@pytest.mark.parametrize("runner", peers.RUNNERS, ids=lambda runner: runner.name)
def test_every_script_is_there_and_compiles(runner: Runner) -> None:
    if runner.script:
        code = runner.script.read_text(encoding="utf-8")
        compile(code, runner.script, "exec")
        ours = runner.script.stem in ("run_dedup", "run_floor")
        assert ours != code.startswith("# /// script\n")


# What is shown


def record(runner: str, number: int, work: float, failure: str = "") -> Record:
    figures = Figures(work + 1, work, 2 * work, 10 * MEGABYTE, 0.9, 0.8)
    return Record(runner, 100, number, None if failure else figures, failure)


def shown(records: list[Record]) -> dict[str, dict[str, str]]:
    heading, *table = peers.rows(records)
    return {row[0]: dict(zip(heading, row, strict=True)) for row in table}


def test_figures_are_medians_and_ratios_are_taken_within_a_round() -> None:
    ours = [record(peers.OURS.name, number, work) for number, work in enumerate((1.0, 2.0, 4.0))]
    other = [record("other", number, work) for number, work in enumerate((3.0, 4.0, 40.0))]
    row = shown([each for pair in zip(ours, other, strict=True) for each in pair])["other"]
    assert row["work s"] == "4.00"
    assert row["least to most"] == "3.00 to 40.00"
    assert row["whole s"] == "5.00"
    assert row["start s"] == "1.00"
    assert row["CPU s"] == "8.00"
    assert row["memory MB"] == "10"
    assert row["articles/s"] == "25"
    assert row["times ours"] == "3.000"  # of 3, 2 and 10; the ratio of medians were 2
    assert (row["pair F1"], row["ARI"]) == ("0.900", "0.800")


def test_a_failure_in_any_round_is_a_row_without_figures() -> None:
    row = shown([record("peer", 0, 1.0), record("peer", 1, 1.0, failure="gone")])["peer"]
    assert row["whole s"] == "failed"
    assert not any(row[name] for name in peers.HEADINGS[2:])


def test_what_is_not_known_is_left_empty() -> None:
    alone = record("floor", 0, 1.0)
    assert alone.figures
    unknown = replace(alone, figures=replace(alone.figures, f1=math.nan, ari=math.nan))
    row = shown([unknown])["floor"]
    assert (row["times ours"], row["pair F1"], row["ARI"]) == ("", "", "")


def test_csv_has_a_row_for_each_run_with_machine_and_packages(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    records = [record("peer", 0, 1.5), record("gone", 0, 1.0, failure="cannot be installed")]
    about = {"machine": "two cores", "date": "2026-01-01"}
    peers.write_csv(file, records, about, {"peer": "numpy 2.0; peer 1.0"})
    with file.open(newline="", encoding="utf-8") as lines:
        first, second = csv.DictReader(lines)
    assert (first["runner"], first["work"], first["memory"]) == ("peer", "1.5", "10000000")
    assert first["packages"] == "numpy 2.0; peer 1.0"
    assert (first["machine"], first["date"]) == ("two cores", "2026-01-01")
    assert (second["work"], second["failure"]) == ("", "cannot be installed")


def test_all_packages_and_the_interpreter_are_named() -> None:
    named = peers.installed(sys.executable).split("; ")
    assert named[0] == f"Python {platform.python_version()}"
    assert f"pytest {pytest.__version__}" in named
