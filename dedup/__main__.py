"""The command line.

Law: each command is one library call, and imports what it needs only when it is run, so that help
comes at once. How a command ends, `dedup.command` says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dedup.command import progress_bar, run, show
from dedup.errors import OutputError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; by default what this process was given.

    Returns
    -------
    int
        Exit status.
    """
    return run(commands, "dedup", arguments)


_WITH_SETTINGS = click.option(
    "--settings", "file", type=Path, metavar="FILE.toml", help="Settings to use."
)


def _note(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Keep what an option of its own sets until the words of `--set` are read."""
    if value is not None:
        context.meta.setdefault(__name__, []).append(f"{option.name}={value}")


def _with_noted(
    context: click.Context, option: click.Parameter, words: tuple[str, ...]
) -> tuple[str, ...]:
    return (*words, *context.meta.get(__name__, ()))


_WITH_CHANGES = click.option(
    "--set",
    "changes",
    multiple=True,
    callback=_with_noted,
    metavar="NAME=VALUE",
    help="Change one setting; may be repeated, and wins over the file.",
)


def _setting(name: str, metavar: str, meaning: str) -> Callable[[Any], Any]:
    """An option of its own for one setting; it wins over `--set`."""
    # Eager, so that it is noted before the words of `--set` are read, wherever it stands.
    return click.option(
        name, callback=_note, expose_value=False, is_eager=True, metavar=metavar, help=meaning
    )


_WITH_MEMORY = _setting(
    "--memory", "SIZE", "Memory to keep under, as 4GB or 512MiB; by default half of what there is."
)
_WITH_SCRATCH = _setting(
    "--scratch", "DIR", "Folder for intermediate files; by default beside a local output."
)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dedup")
def commands() -> None:
    """Find the news stories that are syndications or rewrites of the same wire copy."""


@commands.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--output", required=True, metavar="OUT", help="Folder or URL for the run.")
@_WITH_MEMORY
@_WITH_SCRATCH
@_WITH_SETTINGS
@_WITH_CHANGES
def cluster(
    inputs: tuple[str, ...], output: str, file: Path | None, changes: tuple[str, ...]
) -> None:
    """Cluster the articles of every INPUT: files, folders, patterns or URLs.

    Parquet, JSON Lines, CSV or text files, known by their names' endings.
    """
    from dedup.settings import Settings

    settings = Settings.load(file, changes)

    from dedup.console import render
    from dedup.pipeline import cluster_articles
    from dedup.store import Store

    with progress_bar() as progress:
        result = cluster_articles(inputs, output, settings, progress)
    show(render(result.info, result.summary))
    click.echo(click.format_filename(Store(output).pointer))


@commands.command()
@click.option("--inbox", required=True, metavar="DIR", help="Folder or URL where files arrive.")
@click.option("--output", required=True, metavar="OUT", help="Folder or URL for runs and state.")
@click.option(
    "--retract",
    multiple=True,
    metavar="FILE",
    help="Ids of articles to take down, one per line; may be repeated.",
)
@click.option("--rebuild", is_flag=True, help="Forget what is remembered; take all files anew.")
@_WITH_MEMORY
@_WITH_SCRATCH
@_WITH_SETTINGS
@_WITH_CHANGES
@click.option(
    "--limit",
    "bounds",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change one limit past which a run is not published; may be repeated.",
)
def cluster_new(
    inbox: str,
    output: str,
    retract: tuple[str, ...],
    rebuild: bool,
    file: Path | None,
    changes: tuple[str, ...],
    bounds: tuple[str, ...],
) -> None:
    """Take what is new in an inbox into the clusters under OUT.

    Files of the formats that `cluster` reads; each version of a file is taken once.
    """
    from dedup.settings import Limits, Settings

    settings, limits = Settings.load(file, changes), Limits.load(changes=bounds)

    from dedup.console import render
    from dedup.pipeline import cluster_new
    from dedup.store import Store

    before = _latest(output)
    with progress_bar() as progress:
        result = cluster_new(
            inbox, output, settings, retract, rebuild, limits=limits, progress=progress
        )
    if result is None or result.info["run_id"] == before:
        click.echo(f"nothing new in {inbox}")
        return
    show(render(result.info, result.summary))
    click.echo(click.format_filename(Store(output).pointer))


def _latest(output: str) -> str | None:
    """Id of the run before; None when there is none."""
    from dedup.store import Store

    store = Store(output)
    return store.latest() if store.runs() else None


@commands.command()
@click.argument("output", metavar="OUT")
@click.option("--truth", required=True, metavar="FILE", help="Gold: id,cluster or a,b,label.")
@click.option(
    "--level",
    type=click.Choice(["cluster", "story"]),
    default="cluster",
    show_default=True,
    help="What to compare.",
)
@click.option("--json", "file", type=Path, metavar="FILE", help="Write the figures here too.")
def evaluate(output: str, truth: str, level: str, file: Path | None) -> None:
    """Measure the latest run under OUT against a truth.

    The truth is Parquet, CSV or JSON Lines.
    """
    import json

    from dedup.evaluate import evaluate, expand_candidates
    from dedup.store import read
    from dedup.truth import read_truth

    run = read(output)
    candidates = expand_candidates(run.candidates, run.pairs)
    measured = evaluate(run.clusters, read_truth(truth), f"{level}_id", candidates)
    if file:
        _write(file, json.dumps(measured.to_dict(), indent=2) + "\n")
    show(measured.render())


@commands.command()
@click.argument("output", metavar="OUT")
@click.argument("article_a")
@click.argument("article_b")
def explain(output: str, article_a: str, article_b: str) -> None:
    """Say why two articles of the latest run under OUT are together, or not."""
    from dedup.explain import explain
    from dedup.explain.screen import render

    show(render(explain(output, article_a, article_b)))


@commands.command()
@click.option("--articles", type=int, required=True, metavar="N", help="How many to make.")
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="S", help="Same seed, same articles."
)
@click.option("--output", type=Path, required=True, metavar="DIR", help="Folder for the files.")
def synth(articles: int, seed: int, output: Path) -> None:
    """Make up news with known copies: articles.parquet and truth.parquet."""
    from dedup.synth import write

    write(articles, seed, output)
    for name in ("articles.parquet", "truth.parquet"):
        click.echo(click.format_filename(output / name))


@commands.command()
def settings() -> None:
    """Print every setting with its meaning, range and default, as a file for --settings."""
    from dedup.settings import Settings

    for name, field in Settings.model_fields.items():
        bounds = _bounds(field)
        click.echo(f"# {field.description}" + (f" ({bounds})" if bounds else ""))
        click.echo(f"{name} = {_toml(field.default)}\n")


_BOUNDS = {"ge": "{} or more", "gt": "above {}", "le": "{} or less", "lt": "below {}"}


def _bounds(field: FieldInfo) -> str:
    """Range of a setting, in words; empty where there is none."""
    return ", ".join(
        words.format(getattr(bound, kind))
        for bound in field.metadata
        for kind, words in _BOUNDS.items()
        if hasattr(bound, kind)
    )


def _toml(value: Any) -> str:
    # TOML writes strings, numbers and booleans as JSON does.
    import json

    return json.dumps(value)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            str(file), "a file that can be written", error.strerror or str(error), "name another"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
