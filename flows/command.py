"""The command line of the flows.

Law: a flow is started here as it would be without Prefect, with the same options, words and exit
statuses as `python -m dedup`; Prefect shows only in what it remembers of the run, and in the one
option that says where tasks run.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from dedup.__main__ import commands
from dedup.command import run, show
from flows.runner import DEFAULT, VARIABLE, WORDS, checked

_WITH_RUNNER = click.Option(
    ["--runner"],
    envvar=VARIABLE,
    default=DEFAULT,
    callback=lambda context, option, word: checked(word),
    metavar="RUNNER",
    help=f"Where tasks run: {WORDS}.",
    show_default=True,
    show_envvar=True,
)


def main(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a flow on this machine.

    Parameters
    ----------
    name : str
        ``cluster_articles`` or ``cluster_new``: its module and its function.
    arguments : sequence of str, optional
        What follows the program's name; by default what this process was given.

    Returns
    -------
    int
        Exit status, as of `dedup.command.run`.
    """
    flows: dict[str, tuple[str, Callable[..., None]]] = {
        "cluster_articles": ("cluster", _cluster_articles),
        "cluster_new": ("cluster-new", _cluster_new),
    }
    same, callback = flows[name]
    plain = commands.commands[same]
    params = [*plain.params, _WITH_RUNNER]
    command = click.Command(plain.name, callback=callback, params=params, help=plain.help)
    return run(command, f"python -m flows.{name}", arguments)


def _cluster_articles(
    inputs: tuple[str, ...], output: str, file: Path | None, changes: tuple[str, ...], runner: str
) -> None:
    from dedup.settings import Settings

    settings = Settings.load(file, changes)
    _start("cluster_articles", output, runner, inputs=list(inputs), settings=settings)


def _cluster_new(
    inbox: str,
    output: str,
    retract: tuple[str, ...],
    rebuild: bool,
    file: Path | None,
    changes: tuple[str, ...],
    bounds: tuple[str, ...],
    runner: str,
) -> None:
    from dedup.settings import Limits, Settings

    _start(
        "cluster_new",
        output,
        runner,
        inbox=inbox,
        retract=list(retract),
        rebuild=rebuild,
        settings=Settings.load(file, changes),
        limits=Limits.load(changes=bounds),
    )


def _start(name: str, output: str, runner: str, **given: Any) -> None:
    """Run the flow of that name, and show what it published."""
    from flows.server import Server

    # The flow's module reads it, once that is imported.
    os.environ[VARIABLE] = runner

    server = Server()

    # What takes long to import comes while the server starts; Prefect once its address is known.
    import dedup.pipeline  # noqa: F401
    from dedup.console import render
    from dedup.store import Store, read

    with Console(stderr=True).status("starting Prefect"):
        server.announce()
        flow = getattr(import_module(f"flows.{name}"), name)
        server.wait()
    _quieten()
    # Whoever sits before a terminal is told at once that another run is under way.
    done = flow(output=output, wait_minutes=0, **given)
    if not done:
        click.echo(f"nothing new in {given['inbox']}")
        return
    result = read(output, done["run_id"])
    show(render(result.info, result.summary))
    click.echo(click.format_filename(Store(output).pointer))


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
