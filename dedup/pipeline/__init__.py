"""The verbs, and their order: sign shards, match, group, publish.

Law: each verb reads files and writes files, and what is written need not be made again; so the same
verbs serve a plain call, a flow and a run that picks up where another was killed.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from dedup.errors import RunError
from dedup.lock import locked
from dedup.pipeline.checks import check, check_silence
from dedup.pipeline.group import group as _group
from dedup.pipeline.incremental import begin_new, cluster_new, publish_new, renew
from dedup.pipeline.match import match as _match
from dedup.pipeline.run import Progress, Renewal, Run, described, new_id
from dedup.pipeline.sign import sign_batches, sign_shard
from dedup.schemas import LINEAGE, OUTPUT_TABLES, REJECTS, table_name
from dedup.settings import Settings
from dedup.sources import Shard, fingerprint, plan_shards, table_batches
from dedup.store import Result, Store, read
from dedup.workspace import Workspace

__all__ = [
    "Progress",
    "Renewal",
    "Run",
    "begin",
    "begin_new",
    "check",
    "check_silence",
    "cluster_articles",
    "cluster_new",
    "group",
    "match",
    "publish",
    "publish_new",
    "renew",
    "sign",
]


def begin(inputs: Sequence[str | Path], output: str | Path, settings: Settings) -> Run:
    """Check inputs and output, and plan the shards; nothing is read but what planning needs.

    Raises
    ------
    InputError
        When an input cannot be read at all.
    OutputError
        When the output folder cannot be used.
    """
    store = Store(output)
    store.check()
    shards = plan_shards(inputs, settings)
    digest = fingerprint(shards)
    cut = hashlib.sha256(repr([shard.to_dict() for shard in shards]).encode()).hexdigest()
    key = f"{digest}-{settings.fingerprint()}-{cut[:8]}"
    base = Path(store.root) / "work" if store.is_local else Path(tempfile.gettempdir())
    return _run(inputs, digest, str(output), base / f"dedup-{key}", shards)


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


def sign(run: Run, number: int, settings: Settings) -> dict[str, Any]:
    """First verb, of the run's shard of that number; see `pipeline.sign.sign_shard`."""
    shard = Shard(**run.shards[number])
    return sign_shard(shard, number, settings, Workspace(Path(run.folder)))


def match(run: Run, settings: Settings) -> dict[str, Any]:
    """Second verb; see `pipeline.match.match`."""
    work = Workspace(Path(run.folder))
    return work.noted("matched") or _match(settings, work)


def group(run: Run, settings: Settings) -> dict[str, Any]:
    """Third verb; see `pipeline.group.group`."""
    work = Workspace(Path(run.folder))
    return work.noted("grouped") or _group(settings, work)


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
    shutil.rmtree(work.folder, ignore_errors=True)
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
    with tempfile.TemporaryDirectory(prefix="dedup-") as scratch:
        target = output or f"{scratch}/out"
        report = progress or (lambda verb, done, total: None)
        Store(target).check()
        with locked(target, "cluster_articles") as held:
            if isinstance(input, pa.Table):
                run = _run([], "", str(target), Path(scratch) / "work", [])
                work = Workspace(Path(run.folder))
                sign_batches(table_batches(input, settings), 0, settings, work)
            else:
                inputs = [input] if isinstance(input, str | Path) else input
                run = begin(inputs, target, settings)
                for number in range(len(run.shards)):
                    report("sign", number, len(run.shards))
                    sign(run, number, settings)
            for verb, function in (("match", match), ("group", group)):
                report(verb, 0, 1)
                function(run, settings)
            report("publish", 0, 1)
            held.check()
            publish(run, settings)
            report("publish", 1, 1)
        return read(target)


def _tables(work: Workspace) -> dict[str, pa.Table]:
    rejects = work.read_all("rejects-", REJECTS)
    rejects = rejects.sort_by([("file", "ascending"), ("row", "ascending")])
    made = {table_name(REJECTS): rejects, table_name(LINEAGE): LINEAGE.empty_table()}
    names = [table_name(schema) for schema in OUTPUT_TABLES]
    return {name: made[name] if name in made else work.read(f"out-{name}") for name in names}


def _info(
    run: Run, settings: Settings, work: Workspace, tables: dict[str, pa.Table]
) -> dict[str, Any]:
    signed, matched, grouped = work.notes("signed-"), work.noted("matched"), work.noted("grouped")
    assert matched is not None and grouped is not None
    rows = sum(note["articles"] + note["rejects"] for note in signed)
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
    return {
        **described(run, settings),
        "counts": {
            "rows": rows,
            "articles": clustered,
            "rejects": dict(sorted(rejects.items())),
            "dates_unread": sum(note["dates_unread"] for note in signed),
            **{name: value for name, value in matched.items() if name not in _TIMES},
            **{name: value for name, value in grouped.items() if name not in _TIMES},
        },
        "stages": [
            {
                "name": "sign",
                "seconds": round(sum(note["seconds"] for note in signed), 3),
                "rows": rows,
            },
            {"name": "match", "seconds": matched["seconds"], "rows": matched["articles"]},
            {"name": "group", "seconds": grouped["seconds"], "rows": clustered},
        ],
    }


_TIMES = {"seconds", "articles", "repeated_rows"}
