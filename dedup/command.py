"""How a command runs, shows and ends.

Law: a command ends with exit status 0, or with one line on standard error and 2 (usage, input,
settings, output), 1 (failure) or 130 (interrupted); never with a traceback.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from dedup.errors import DedupError

if TYPE_CHECKING:
    from dedup.pipeline import Progress

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

# The interpreter would search all that is imported for cycles, many times over and once more at its
# end: a fifth of a short run. A command makes hardly any.
_OBJECTS = 1_000_000
"""New ones between two searches, four times as many as imports make."""
atexit.register(gc.freeze)


def run(command: click.Command, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    command : click.Command
    name : str
        What its user types to start it.
    arguments : sequence of str, optional
        What follows the name; by default what this process was given.

    Returns
    -------
    int
        Exit status.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    gc.set_threshold(_OBJECTS)
    try:
        with command.make_context(name, given) as context:
            command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        helper = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        return _fail(error.format_message().rstrip(".") + helper, error.exit_code)
    except DedupError as error:
        return _fail(str(error), error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", _INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is still buffered goes nowhere, or the
        # interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        said = f"{type(error).__name__}: {error}"
        return _fail(f"{said}; PYTHONDEVMODE=1 in the environment shows where", 1)
    return 0


def _fail(message: str, status: int) -> int:
    click.echo("error: " + " ".join(message.split()), err=True)
    return status


def show(renderable: Any) -> None:
    """Print what rich can render, on any terminal or pipe."""
    from rich.console import Console

    console = Console(highlight=False)
    with console.capture() as shown:
        console.print(renderable)
    # What the terminal's encoding lacks becomes a question mark. Through click, because rich would
    # end the process by itself when the pipe is broken.
    text = shown.get().encode(console.encoding, "replace").decode(console.encoding)
    click.echo(text, nl=False)


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar on standard error that follows the library's progress; none unless it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description:7}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sign", total=None)

        def follow(verb: str, done: int, total: int) -> None:
            # A verb of one unit has no measure to show but that it is at work.
            bar.update(task, description=verb, completed=done, total=total if total > 1 else None)

        yield follow
