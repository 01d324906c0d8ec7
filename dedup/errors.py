"""Errors that carry facts.

Law: every error names its subject, what was expected, what came, and the mend; none of these
facts is only inside a sentence, so a caller can act on them without parsing text.
"""

from __future__ import annotations


class DedupError(Exception):
    """Base of every error this library raises on purpose.

    Parameters
    ----------
    subject : str
        What the error is about: a file, a column, a setting, a folder.
    expected : str
        What would have been right.
    got : str
        What was there instead.
    mend : str
        What to do about it, as an imperative.
    """

    exit_status = 1
    """Exit status of a command that ends with this error."""

    def __init__(self, subject: str, expected: str, got: str, mend: str) -> None:
        # All four stay in `args`, so the error survives pickling between processes.
        super().__init__(subject, expected, got, mend)
        self.subject = subject
        self.expected = expected
        self.got = got
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.subject}: expected {self.expected}, got {self.got}; {self.mend}"


class SettingsError(DedupError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_status = 2


class InputError(DedupError):
    """An input cannot be read at all: missing, unknown, damaged, or without a needed column."""

    exit_status = 2


class OutputError(DedupError):
    """An output folder cannot be used: not writable, or holding files that are not ours."""

    exit_status = 2


class BusyError(DedupError):
    """An output is in another process's hands, or came into them meanwhile."""


class RunError(DedupError):
    """A run, or what a run left behind, is not whole."""
