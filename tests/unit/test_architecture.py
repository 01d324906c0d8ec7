"""Imports run one way; the contracts stand in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    # In a process of its own, because the linter configures logging for the whole process.
    linter = "from importlinter.cli import lint_imports"
    call = f"{linter}; raise SystemExit(lint_imports({str(config)!r}))"
    return subprocess.run(
        [sys.executable, "-c", call], cwd=PYPROJECT.parent, capture_output=True, text=True
    )


def test_imports_run_one_way() -> None:
    linted = lint(PYPROJECT)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_a_broken_contract_is_noticed(tmp_path: Path) -> None:
    """The other way round: what is above may not be below."""
    config = tmp_path / "lint.toml"
    config.write_text(
        '[tool.importlinter]\nroot_packages = ["dedup"]\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["dedup.stages", "dedup.pipeline"]\n'
    )
    linted = lint(config)
    assert linted.returncode == 1
    assert "dedup.pipeline" in linted.stdout
