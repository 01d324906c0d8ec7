"""The command line on good input: what each command prints and leaves behind."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from io import StringIO
from itertools import chain, permutations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup import Settings, read
from dedup.__main__ import commands, main

SEED = 7
ARTICLES = 200


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a made-up corpus and of a run over it, both made by commands."""
    print("seed", SEED)
    folder = tmp_path_factory.mktemp("corpus")
    made = ["synth", "--articles", str(ARTICLES), "--seed", str(SEED), "--output", str(folder)]
    assert main(made) == 0
    assert main(["cluster", str(folder / "articles.parquet"), "--output", str(folder / "out")]) == 0
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Standard output of a command that ends well and has nothing to complain of."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    return out


# Help


HEAVY = {"fsspec", "numba", "numpy", "pyarrow", "pydantic", "rich.table", "scipy", "sklearn"}


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from dedup.__main__ import commands, main;"
        "status = main(['--help']) + sum(main([name, '--help']) for name in commands.commands);"
        f"print(sorted({HEAVY} & set(sys.modules))); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Usage: dedup ") == 1 + len(commands.commands)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("asked", [["--help"], ["cluster", "--help"], ["settings"]], ids=" ".join)
def test_what_needs_no_articles_comes_within_half_a_second(asked: list[str]) -> None:
    """Of the processor's time, which other processes do not change much."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        call = [sys.executable, "-m", "dedup", *asked]
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.5


def test_what_a_command_imports_is_not_searched_for_cycles() -> None:
    script = (
        "import gc; from dedup.__main__ import main; searches = [];"
        "gc.callbacks.append(lambda phase, info: searches.append(phase));"
        "main(['settings']); assert not searches, len(searches)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, "--help")
    for command in ("cluster", "cluster-new", "evaluate", "explain", "settings", "synth"):
        assert f"  {command} " in shown
        assert "Usage: dedup" in run(capsys, command, "--help")


def test_the_module_and_the_script_are_one() -> None:
    ways = [sys.executable, "-m", "dedup"], [str(Path(sys.executable).with_name("dedup"))]
    shown = [
        subprocess.run([*way, "--help"], capture_output=True, text=True, check=True).stdout
        for way in ways
    ]
    assert shown[0] == shown[1]
    assert "cluster" in shown[0]


# The face of the package, which is fetched when first used


def test_the_package_has_what_it_names() -> None:
    import dedup

    assert set(dedup.__all__) <= set(dir(dedup))
    assert all(hasattr(dedup, name) for name in dedup.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = dedup.nothing


# cluster


def test_cluster_publishes_a_run_and_says_where(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path
) -> None:
    shown = run(capsys, "cluster", corpus / "articles.parquet", "--output", f"{tmp_path / 'out'}/")
    result = read(tmp_path / "out")
    assert result.clusters.num_rows == ARTICLES
    assert shown.splitlines()[-1] == str(tmp_path / "out" / "latest")
    assert str(result.info["counts"]["clusters"]) in shown
    assert result.clusters.equals(read(corpus / "out").clusters)


def test_cluster_takes_several_inputs_and_settings(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path
) -> None:
    articles = pq.read_table(corpus / "articles.parquet")
    halves = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    pq.write_table(articles.slice(0, 90), halves[0])
    pq.write_table(articles.slice(90), halves[1])
    (tmp_path / "given.toml").write_text("similarity_floor = 0.9\nkeep_runs = 2\n")
    floor = Settings().similarity_floor
    given = "--settings", tmp_path / "given.toml", "--set", f"similarity_floor={floor}"
    run(capsys, "cluster", *halves, "--output", tmp_path / "out", *given, "--set", "threads=1")
    result = read(tmp_path / "out")
    chosen = {name: result.info["settings"][name] for name in ("similarity_floor", "keep_runs")}
    assert chosen == {"similarity_floor": floor, "keep_runs": 2}
    assert result.clusters.equals(read(corpus / "out").clusters)


@pytest.mark.parametrize(
    "asked",
    [("cluster", "in.parquet"), ("cluster-new", "--inbox", "in")],
    ids=lambda asked: asked[0],
)
def test_options_of_their_own_are_settings_wherever_they_stand(asked: tuple[str, ...]) -> None:
    name, *given = asked
    options = ("--memory", "2GB"), ("--set", "seed=4"), ("--set", "memory=1GB"), ("--scratch", "s")
    for order in permutations(options):
        words = [*given, "--output", "out", *chain.from_iterable(order)]
        context = commands.commands[name].make_context(name, words)
        loaded = Settings.load(None, context.params["changes"])
        assert loaded == Settings(memory="2GB", scratch="s", seed=4), words


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_progress(
    monkeypatch: pytest.MonkeyPatch, corpus: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    arguments = ["cluster", str(corpus / "articles.parquet"), "--output", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "publish" in terminal.getvalue()
    assert "error" not in terminal.getvalue()


# cluster-new


def put(table: pa.Table, inbox: Path, hour: int) -> Path:
    """A file of that hour in an inbox."""
    inbox.mkdir(exist_ok=True)
    file = inbox / f"{hour:02}.parquet"
    pq.write_table(table, file)
    os.utime(file, (1_700_000_000 + 3600 * hour,) * 2)
    return file


def test_cluster_new_takes_what_is_new(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path
) -> None:
    articles = pq.read_table(corpus / "articles.parquet")
    inbox, output, retracted = tmp_path / "inbox", tmp_path / "out", tmp_path / "ids.txt"
    asked = "cluster-new", "--inbox", inbox, "--output", f"{output}/"
    put(articles.slice(0, 150), inbox, 0)
    first = run(capsys, *asked, "--set", "threads=1")
    assert read(output).clusters.num_rows == 150
    assert first.splitlines()[-1] == str(output / "latest")
    assert f"{read(output).info['counts']['clusters']}  clusters of two or more" in first
    assert "rows read by this run" not in first

    put(articles.slice(140), inbox, 1)
    second = run(capsys, *asked)
    assert "60  rows read by this run" in second
    assert "60  articles that came" in second
    assert "10  articles that went" in second
    grown = read(output).info["growth"][0]
    added = grown["size"] - grown["before"]
    assert any(line.split()[:2] == [str(added), str(grown["size"])] for line in second.splitlines())
    assert run(capsys, *asked) == f"nothing new in {inbox}\n"

    lead = read(output).summary["lead_id"][0].as_py()
    retracted.write_text(f"{lead}\n")
    assert "1  articles that went" in run(capsys, *asked, "--retract", retracted)
    assert lead not in read(output).clusters["article_id"].to_pylist()
    rebuilt = run(capsys, *asked, "--rebuild", "--set", "similarity_floor=0.9")
    assert "retracted" in rebuilt
    assert read(output).clusters.num_rows == ARTICLES - 1
    assert read(output).info["settings"]["similarity_floor"] == 0.9


def test_cluster_new_keeps_to_the_limits(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    put(pa.table({"id": ["a", "b"], "text": ["Something.", ""]}), tmp_path / "inbox", 0)
    asked = ["cluster-new", "--inbox", str(tmp_path / "inbox"), "--output", str(tmp_path / "out")]
    assert main(asked) == 1
    assert "--limit rejects_share=1" in capsys.readouterr().err
    assert not (tmp_path / "out" / "latest").exists()
    assert "1  rows left out: empty text" in run(capsys, *asked, "--limit", "rejects_share=1")


# evaluate


@pytest.mark.parametrize("level", ["cluster", "story"])
def test_evaluate_shows_and_writes_the_figures(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path, level: str
) -> None:
    truth, file = corpus / "truth.parquet", tmp_path / "figures.json"
    shown = run(
        capsys, "evaluate", corpus / "out", "--truth", truth, "--level", level, "--json", file
    )
    figures = json.loads(file.read_text())
    assert figures["column"] == f"{level}_id"
    assert figures["coverage"]["articles_both"] == ARTICLES
    # How good the clusters are is measured elsewhere; here, that the truth is that of the run.
    assert figures["pairs"]["f1"] > 0.2
    assert f"{figures['pairs']['f1']:.3f}" in shown
    assert f"{level}_id against the truth" in shown


# explain


def test_explain_shows_the_verdict(capsys: pytest.CaptureFixture[str], corpus: Path) -> None:
    pair = read(corpus / "out").pairs.slice(0, 1).to_pylist()[0]
    shown = run(capsys, "explain", corpus / "out", pair["right_id"], pair["left_id"])
    assert shown.startswith(("Together", "Apart"))
    assert f"{pair['jaccard']:.3f}" in shown
    assert "Shared passages" in shown


def test_a_narrow_encoding_shows_question_marks(corpus: Path) -> None:
    ids = read(corpus / "out").clusters["article_id"].to_pylist()[:2]
    done = subprocess.run(
        [sys.executable, "-m", "dedup", "explain", corpus / "out", *ids],
        env={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


# synth


def test_synth_is_deterministic(
    capsys: pytest.CaptureFixture[str], corpus: Path, tmp_path: Path
) -> None:
    options = "--articles", str(ARTICLES), "--seed", str(SEED), "--output"
    shown = run(capsys, "synth", *options, tmp_path)
    assert shown.split() == [str(tmp_path / "articles.parquet"), str(tmp_path / "truth.parquet")]
    for name in ("articles.parquet", "truth.parquet"):
        assert (tmp_path / name).read_bytes() == (corpus / name).read_bytes()


# settings


def test_settings_prints_a_file_of_the_defaults(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(run(capsys, "settings"))
    assert Settings.load(file) == Settings()
    assert set(tomllib_names(file)) == set(Settings.model_fields)


def tomllib_names(file: Path) -> list[str]:
    import tomllib

    return list(tomllib.loads(file.read_text()))


def test_settings_tells_range_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run(capsys, "settings")
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"# {field.description}" in shown
    lines = shown.splitlines()
    above = {name: lines[lines.index(f"{name} = {value}") - 1] for name, value in SHOWN.items()}
    assert above["similarity_floor"].endswith("(above 0, 1 or less)")
    assert above["shingle_size"].endswith("(1 or more, 32 or less)")
    assert above["keep_runs"].endswith("(1 or more)")


SHOWN = {
    name: getattr(Settings(), name) for name in ("similarity_floor", "shingle_size", "keep_runs")
}
