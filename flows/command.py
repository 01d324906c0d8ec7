"""The command line of the flows.

Law: a flow is started here as it would be without Prefect, with the same options, words and exit
statuses as `python -m dedup`; Prefect shows only in what it remembers of the run.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from dedup.__main__ import cluster
from dedup.command import run, show


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `flows.cluster_articles` on this machine.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; by default what this process was given.

    Returns
    -------
    int
        Exit status, as of `dedup.command.run`.
    """
    command = click.Command(
        "cluster", callback=_cluster_articles, params=cluster.params, help=cluster.help
    )
    return run(command, "python -m flows.cluster_articles", arguments)


def _cluster_articles(
    inputs: tuple[str, ...], output: str, file: Path | None, changes: tuple[str, ...]
) -> None:
    from dedup.settings import Settings
    from flows import server

    settings = Settings.load(file, changes)
    api = server.start()

    from dedup.console import render
    from dedup.store import read
    from flows.cluster_articles import cluster_articles

    with api:
        _quieten()
        done = cluster_articles(list(inputs), output, settings)
    result = read(output, done["run_id"])
    show(render(result.info, result.summary))
    click.echo(click.format_filename(f"{output.rstrip('/')}/latest"))


def _quieten() -> None:
    """Keep off the screen what the command itself shows: progress on a terminal, and errors."""
    least = logging.WARNING if sys.stderr.isatty() else logging.INFO

    def wanted(record: logging.LogRecord) -> bool:
        of_run = record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))
        return record.levelno >= least and not (of_run and record.levelno >= logging.ERROR)

    for handler in logging.getLogger().handlers:
        handler.addFilter(wanted)
