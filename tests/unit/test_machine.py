"""The machine: what limits this process counts, not what there is.

Where kernels are kept in fact, tests/faults/test_read_only_install.py tells.
"""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import pytest

from dedup import machine


def put(root: Path, limits: dict[str, str]) -> None:
    for name, limit in limits.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")


V1_UNLIMITED = str(2**63 - 4096)


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        # Version 2: a group's own limit, and those it lies in.
        (["0::/a/b"], {"a/b/memory.max": "5000", "a/memory.max": "max"}, [5000]),
        (["0::/a/b"], {"a/b/memory.max": "5000", "a/memory.max": "4000"}, [5000, 4000]),
        (["0::/a"], {"a/memory.max": "max", "b/memory.max": "1"}, []),
        # In a container: its own group is the root, or its path leads nowhere there.
        (["0::/"], {"memory.max": "3000"}, [3000]),
        (["0::/host/path"], {"memory.max": "3000"}, [3000]),
        (["0::/../other"], {"memory.max": "3000"}, [3000]),
        # Version 1, alone and beside version 2.
        (
            ["4:memory:/a", "3:cpu:/b", "0::/"],
            {"memory/a/memory.limit_in_bytes": "2000", "b/memory.max": "1"},
            [2000],
        ),
        (["4:cpu,memory:/a:b"], {"memory/a:b/memory.limit_in_bytes": "2000"}, [2000]),
        # None at all.
        ([], {}, []),
        (["0::/a"], {}, []),
    ],
)
def test_limits_of_control_groups(
    tmp_path: Path, groups: list[str], limits: dict[str, str], expected: list[int]
) -> None:
    put(tmp_path, limits)
    assert list(machine._limits(groups, tmp_path)) == expected


@pytest.mark.parametrize(("limit", "capped"), [("123456789", True), (V1_UNLIMITED, False)])
def test_memory_is_the_least_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, capped: bool
) -> None:
    groups = tmp_path / "cgroup"
    groups.write_text("7:memory:/job\n")
    put(tmp_path, {"memory/job/memory.limit_in_bytes": limit})
    monkeypatch.setattr(machine, "_GROUPS", groups)
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.memory() == (123_456_789 if capped else physical)


def test_memory_where_there_are_no_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_GROUPS", tmp_path / "none")
    assert machine.memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# A folder for kernels; what lies there is run.


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_private_folder_is_made_once(temporary: Path) -> None:
    folder = machine._private_folder()
    assert folder == machine._private_folder() == str(temporary / f"dedup-kernels-{os.getuid()}")
    assert Path(folder).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("planted", ["open folder", "link", "file"])
def test_a_folder_that_another_may_have_made_is_left(temporary: Path, planted: str) -> None:
    folder = temporary / f"dedup-kernels-{os.getuid()}"
    if planted == "open folder":
        folder.mkdir()
        folder.chmod(0o777)
    elif planted == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(temporary / "elsewhere")
    else:
        folder.touch(mode=0o600)
    private = Path(machine._private_folder() or "")
    assert private.parent == temporary
    assert private != folder
    assert private.stat().st_mode & 0o777 == 0o700


def test_no_temporary_folder_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert machine._private_folder() is None


def test_folders_where_files_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert machine._may_write(tmp_path)
    assert machine._may_write(tmp_path / "not" / "yet")
    assert not machine._may_write(tmp_path / "file")
    assert not machine._may_write(tmp_path / "file" / "inside")


def test_what_imports_make_is_old_at_once_and_not_searched() -> None:
    searches: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        searches.append(phase)

    thresholds = gc.get_threshold()
    gc.set_threshold(700)
    try:
        with machine.uncollected():
            gc.callbacks.append(note)
            made: list[list[int]] = [[] for _ in range(100_000)]
            gc.callbacks.remove(note)
        assert searches == []
        assert gc.isenabled()
        assert any(each is made for each in gc.get_objects(generation=2))
        assert gc.get_freeze_count() == 0
    finally:
        gc.set_threshold(*thresholds)


def test_who_does_without_the_collector_still_does() -> None:
    gc.disable()
    try:
        with machine.uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
