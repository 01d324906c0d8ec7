"""The README's outputs: made anew by `python tests/readme.py`, checked by `test_readme.py`.

Law: every output shown was printed by the command above it.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

_BLOCK = re.compile(r"```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)```", re.DOTALL)
_TABLES = re.compile(r"(<!-- tables -->\n).*(<!-- end of tables -->)", re.DOTALL)
_EXPRESSION = re.compile(r"```pycon\n(.*?)```", re.DOTALL)


def run(command: str) -> str:
    """What a command prints, as it would on a terminal 100 columns wide."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "COLUMNS": "100", "MAKEFLAGS": "--silent"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}"
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n") + "\n"


def shown(readme: str) -> list[tuple[str, str]]:
    """Commands of the README with the outputs it shows."""
    return [(match["command"], match["output"]) for match in _BLOCK.finditer(readme)]


def substance(output: str) -> list[str]:
    """Lines of an output without what differs from run to run: seconds and spacing."""
    plain = re.sub(r"\d+\.\d s\b", "N s", output)
    return [" ".join(line.split()) for line in plain.splitlines() if line.strip()]


def fill(readme: str) -> str:
    """The README with the outputs of now."""
    from dedup.schemas import markdown

    def block(match: re.Match[str]) -> str:
        return f"```console\n$ {match['command']}\n{run(match['command'])}```"

    filled = _TABLES.sub(lambda match: f"{match[1]}\n{markdown()}\n{match[2]}", readme)
    filled = _BLOCK.sub(block, filled)
    return _EXPRESSION.sub(lambda match: f"```pycon\n{_evaluated(match[1])}```", filled)


def _evaluated(session: str) -> str:
    """A session of Python with the results of now."""
    results: list[str] = []

    class Recorder(doctest.DocTestRunner):
        def report_success(self, out, test, example, got):  # type: ignore[no-untyped-def]
            results.append(got)

        def report_failure(self, out, test, example, got):  # type: ignore[no-untyped-def]
            results.append(got)

    examples = doctest.DocTestParser().get_doctest(session, {}, "README", None, None)
    Recorder(verbose=False).run(examples, clear_globs=False)
    lines = []
    for example, got in zip(examples.examples, results, strict=True):
        first, *rest = example.source.splitlines()
        lines += [f">>> {first}", *(f"... {line}" for line in rest), *got.splitlines()]
    return "\n".join(lines) + "\n\n"  # doctest ends an expected output at an empty line


if __name__ == "__main__":
    os.chdir(ROOT)
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")
