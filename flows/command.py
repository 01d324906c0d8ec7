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
from rich.console import Console

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
    from flows.server import Server

    settings = Settings.load(file, changes)
    server = Server()

    # What takes long to import comes while the server starts; Prefect once its address is known.
    import dedup.pipeline  # noqa: F401
    from dedup.console import render
    from dedup.store import read

    with Console(stderr=True).status("starting Prefect"):
        server.announce()
        from flows.cluster_articles import cluster_articles

        server.wait()
    _quieten()
    done = cluster_articles(list(inputs), output, settings)
    result = read(output, done["run_id"])
    show(render(result.info, result.summary))
    click.echo(click.format_filename(f"{output.rstrip('/')}/latest"))


def _quieten() -> None:
    """Show of what is logged of runs only what the flows say, and that only off a terminal.

    How a run ended the command says itself, and a terminal has its progress bar.
    """
    ours = str(Path(__file__).parent)
    plain = not sys.stderr.isatty()

    def wanted(record: logging.LogRecord) -> bool:
        if record.name.startswith(("prefect.flow_runs", "prefect.task_runs")):
            return plain and record.pathname.startswith(ours)
        return record.levelno >= logging.WARNING

    for handler in logging.getLogger().handlers:
        handler.addFilter(wanted)
