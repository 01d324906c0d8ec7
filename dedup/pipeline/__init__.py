"""The verbs, and their order.

Law: each verb reads files and writes files, and what is written need not be made again; so the same
verbs serve a plain call, a flow, several machines at once, and a run that picks up where another
was killed. Where a verb goes in units, these know nothing of one another.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.errors import RunError
from dedup.lock import locked
from dedup.pipeline.checks import check, check_silence
from dedup.pipeline.incremental import begin_new, cluster_new, publish_new, renew
from dedup.pipeline.run import Progress, Renewal, Run, described, new_id
from dedup.pipeline.scratch import LAYOUT, check_room, scratch
from dedup.pipeline.sign import sign_batches
from dedup.pipeline.verbs import VERBS, noted, perform, units
from dedup.schemas import LINEAGE, OUTPUT_TABLES, REJECTS, TEMPLATE, table_name
from dedup.settings import Settings
from dedup.sources import Shard, fingerprint, plan_shards, table_batches
from dedup.store import Result, Store, read
from dedup.workspace import Workspace

__all__ = [
    "VERBS",
    "Progress",
    "Renewal",
    "Run",
    "begin",
    "begin_new",
    "check",
    "check_silence",
    "cluster_articles",
    "cluster_new",
    "perform",
    "publish",
    "publish_new",
    "renew",
    "units",
]


def begin(inputs: Sequence[str | Path], output: str | Path, settings: Settings) -> Run:
    """Check inputs and output, and plan the shards; nothing is read but what planning needs.

    Raises
    ------
    InputError
        When an input cannot be read at all.
    OutputError
        When the output folder cannot be used, or there is no room for intermediate files.
    """
    Store(output).check()
    shards = plan_shards(inputs, settings)
    digest = fingerprint(shards)
    parts = [LAYOUT, *(shard.to_dict() for shard in shards)]
    cut = hashlib.sha256(repr(parts).encode()).hexdigest()
    key = f"{digest}-{settings.fingerprint()}-{cut[:8]}"
    folder = scratch(output, settings) / f"dedup-{key}"
    check_room(folder, shards)
    return _run(inputs, digest, str(output), folder, shards)


def _run(
    inputs: Sequence[str | Path], digest: str, output: str, folder: Path, shards: list[Shard]
) -> Run:
    run_id, started_at = new_id()
    return Run(
        run_id,
        [str(name) for name in inputs],
        digest,
        output,
        str(folder),
        [shard.to_dict() for shard in shards],
        started_at,
    )


def publish(run: Run, settings: Settings) -> dict[str, Any]:
    """Last verb: make the run the output's latest, and clear its folder.

    Returns
    -------
    dict
        The run's manifest.

    Raises
    ------
    RunError
        When articles and rejects do not add up to the rows read.
    """
    work = Workspace(Path(run.folder))
    tables = _tables(work)
    parts = {name: {"part-00000": table} for name, table in tables.items()}
    manifest = Store(run.output).publish(
        run.run_id, parts, _info(run, settings, work, tables), settings.keep_runs
    )
    work.discard()
    return manifest


def cluster_articles(
    input: str | Path | Sequence[str | Path] | pa.Table,
    output: str | Path | None = None,
    settings: Settings = Settings(),
    progress: Progress | None = None,
) -> Result:
    """Cluster articles: the library's one call.

    Parameters
    ----------
    input : path, sequence of paths, or Table
        Files, folders, globs or URLs as `sources.plan_shards` takes them, or an Arrow table.
    output : path, optional
        Folder or URL the run is published under; without it the result is only returned.
    settings : Settings
    progress : callable, optional
        Called with a verb's name, the units of it done, and how many there are.

    Returns
    -------
    Result

    Raises
    ------
    InputError, OutputError, RunError
    BusyError
        When another process is at work on the output.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from dedup import cluster_articles
    >>> text = "The harbour council voted on Monday to rebuild the old pier before next summer."
    >>> articles = pa.table({"id": ["a", "b"], "text": [text, "<p>" + text.upper() + "</p>"]})
    >>> cluster_articles(articles).clusters["relation"].to_pylist()
    ['lead', 'identical']
    """
    with tempfile.TemporaryDirectory(prefix="dedup-") as aside:
        target = output or f"{aside}/out"
        report = progress or (lambda verb, done, total: None)
        Store(target).check()
        with locked(target, "cluster_articles") as held:
            if isinstance(input, pa.Table):
                run = _run([], "", str(target), Path(aside) / "work", [])
                work = Workspace(Path(run.folder))
                batches = table_batches(input, settings)
                noted(work, "sign", 0, lambda: sign_batches(batches, 0, settings, work))
            else:
                inputs = [input] if isinstance(input, str | Path) else input
                run = begin(inputs, target, settings)
            for verb in VERBS:
                count = units(verb, run, settings)
                for number in range(count):
                    report(verb, number, count)
                    perform(verb, run, number, settings)
            report("publish", 0, 1)
            held.check()
            publish(run, settings)
            report("publish", 1, 1)
        return read(target) if output else read(target).loaded()


def _tables(work: Workspace) -> dict[str, pa.Table]:
    rejects = work.read_all("rejects-", REJECTS)
    template = work.read_all("template-", TEMPLATE)
    made = {
        table_name(REJECTS): rejects.sort_by([("file", "ascending"), ("row", "ascending")]),
        table_name(TEMPLATE): _by_source(template),
        table_name(LINEAGE): LINEAGE.empty_table(),
    }
    names = [table_name(schema) for schema in OUTPUT_TABLES]
    return {name: made[name] if name in made else work.read(f"out-{name}") for name in names}


def _by_source(template: pa.Table) -> pa.Table:
    """The shingles of each source, rising; those of none come last.

    Sources are few, so their names are sorted alone, which `pyarrow.Table.sort_by` does not do.
    """
    sources = template["source"].combine_chunks().dictionary_encode()
    n = len(sources.dictionary)
    ranks = np.full(n + 1, n, np.min_scalar_type(n))  # small numbers are sorted in linear time
    ranks[pc.array_sort_indices(sources.dictionary).to_numpy()] = np.arange(n)
    of_rows = ranks[sources.indices.fill_null(n).to_numpy()]
    order = np.argsort(template["shingle"].to_numpy())
    return template.take(pa.array(order[np.argsort(of_rows[order], kind="stable")]))


def _info(
    run: Run, settings: Settings, work: Workspace, tables: dict[str, pa.Table]
) -> dict[str, Any]:
    totals = {verb: _total(work.notes(f"{verb}-")) for verb in VERBS}
    rows = totals["sign"]["articles"] + totals["sign"]["rejects"]
    reasons = tables[table_name(REJECTS)]["reason"].value_counts().to_pylist()
    rejects = {entry["values"]: entry["counts"] for entry in reasons}
    clustered = tables["clusters"].num_rows
    if rows != clustered + sum(rejects.values()):
        raise RunError(
            run.run_id,
            f"{rows} rows read to be in clusters or rejects",
            f"{clustered} and {sum(rejects.values())}",
            "report this as a defect, with the input",
        )
    counts = {name: number for verb in VERBS for name, number in totals[verb].items()}
    left_out = {"seconds", "reused", "tokens", "rejects", "articles"}
    return {
        **described(run, settings),
        "counts": {
            "rows": rows,
            "articles": clustered,
            "rejects": dict(sorted(rejects.items())),
            **{name: number for name, number in counts.items() if name not in left_out},
        },
        "stages": [
            {
                "name": verb,
                "seconds": round(totals[verb]["seconds"], 3),
                "rows": rows if verb == "sign" else clustered,
            }
            for verb in VERBS
        ],
    }


def _total(notes: list[dict[str, Any]]) -> dict[str, Any]:
    """The facts of a verb's units, numbers summed."""
    first, *others = notes
    for note in others:
        first = {
            name: fact + note[name] if isinstance(fact, int | float) else fact
            for name, fact in first.items()
        }
    return first
