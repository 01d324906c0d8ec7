"""What the README shows is what its commands print."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from readme import README, ROOT, run, shown, substance

from dedup.__main__ import commands
from dedup.schemas import markdown

TEXT = README.read_text(encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def in_the_project() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield


def test_commands_print_what_is_shown() -> None:
    assert len(shown(TEXT)) >= 3
    for command, output in shown(TEXT):
        assert substance(run(command)) == substance(output), command


def test_python_gives_what_is_shown() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 0
    assert failed == 0


def test_output_tables_are_those_of_the_schemas() -> None:
    assert markdown() in TEXT


def test_every_command_is_documented() -> None:
    documents = TEXT + "".join(path.read_text() for path in sorted(Path("docs").glob("*.md")))
    for name in commands.commands:
        assert f"dedup {name}" in documents, name


def test_every_file_that_is_named_is_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / link).exists(), link
