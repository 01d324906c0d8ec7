"""Imports run one way; the contracts stand in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_imports_run_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(str(PYPROJECT), no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_a_broken_contract_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other way round: what is above may not be below."""
    config = tmp_path / "lint.toml"
    config.write_text(
        '[tool.importlinter]\nroot_packages = ["dedup"]\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["dedup.stages", "dedup.pipeline"]\n'
    )
    assert lint_imports(str(config), no_cache=True) == 1
    assert "dedup.pipeline" in capsys.readouterr().out
