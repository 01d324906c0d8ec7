"""A read-only install: kernels are compiled, kept and found again, wherever that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

KERNEL = """
import os, sys
{before}
from dedup.forest import root
import numpy as np
assert root(np.array([0, 0, 1]), 2) == 0
print(sum(root.stats.cache_hits.values()), os.environ.get("NUMBA_CACHE_DIR"))
"""
"""Compile a kernel, or take one that was; tells which of the two, and what Numba is told."""


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in which nothing can be kept."""
    folder = tmp_path_factory.mktemp("install")
    shutil.copytree(ROOT / "dedup", folder / "dedup", ignore=shutil.ignore_patterns("__pycache__"))
    # Who runs the tests as root may write to any folder, but to no file as if it were one.
    for package in {path.parent for path in folder.rglob("*.py")}:
        (package / "__pycache__").touch()
        package.chmod(0o555)
    return folder


class Machine:
    """A user's machine with that install; what is told Python there, and what it answers."""

    def __init__(self, folder: Path, install: Path) -> None:
        self.home, self.temporary, self.install = folder / "home", folder / "tmp", install
        self.home.mkdir()
        self.temporary.mkdir()

    def python(self, *words: str, **told: str | Path) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.install),
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            **{name: str(value) for name, value in told.items()},
        }
        # Not in the project, where Python would find another copy of the package.
        call = [sys.executable, *words]
        done = subprocess.run(call, cwd=self.home, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def kernel(self, before: str = "", **told: str | Path) -> list[str]:
        return self.python("-c", KERNEL.format(before=before), **told).split()

    @property
    def private(self) -> Path:
        return self.temporary / f"dedup-kernels-{os.getuid()}"


@pytest.fixture
def user(tmp_path: Path, install: Path) -> Machine:
    return Machine(tmp_path, install)


def kept(folder: Path) -> bool:
    return any(folder.rglob("*.nbc"))


def test_a_home_keeps_the_kernels(user: Machine) -> None:
    assert user.kernel() == ["0", "None"]
    assert kept(user.home / ".cache" / "numba")
    assert user.kernel() == ["1", "None"]
    assert not any(user.temporary.iterdir())


NOWHERE = Path("/dev/null")
"""Under a file nothing can be made, by nobody."""


def test_without_a_place_a_private_folder_keeps_them(user: Machine) -> None:
    told = {"HOME": NOWHERE, "NUMBA_CACHE_DIR": NOWHERE / "kernels"}
    assert user.kernel(**told) == ["0", str(user.private)]
    assert user.private.stat().st_mode & 0o777 == 0o700
    assert kept(user.private)
    assert user.kernel(**told) == ["1", str(user.private)]


def test_a_place_that_is_told_is_used(user: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    assert user.kernel(HOME=NOWHERE, NUMBA_CACHE_DIR=folder) == ["0", str(folder)]
    assert kept(folder)
    assert not any(user.temporary.iterdir())


def test_numba_may_have_been_there_before(user: Machine) -> None:
    assert user.kernel("import numba", HOME=NOWHERE) == ["0", str(user.private)]
    assert kept(user.private)


def test_every_kernel_can_be_imported(user: Machine) -> None:
    every = "import dedup.pipeline, dedup.explain, dedup.state.postings, dedup.synth"
    assert user.python("-c", every, HOME=NOWHERE) == ""
