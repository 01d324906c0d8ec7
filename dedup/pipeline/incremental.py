"""The verbs of incremental runs: begin, sign, renew, check, publish.

Law: a run takes what is new in its inbox and goes on from the state of the latest run. Output and
state are committed in one step, so a run that was killed has taken nothing, and the next one takes
the same files again.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dedup.errors import InputError, RunError, SettingsError
from dedup.lock import locked
from dedup.pipeline.checks import check, check_silence
from dedup.pipeline.renewal import renew_memory
from dedup.pipeline.renewal.forgetting import counts, forget, less
from dedup.pipeline.renewal.memory import Memory
from dedup.pipeline.renewal.output import grown, parts_of
from dedup.pipeline.renewal.parts import Published, lost
from dedup.pipeline.run import Progress, Renewal, described, new_id
from dedup.pipeline.scratch import LAYOUT, check_room, scratch
from dedup.pipeline.verbs import perform
from dedup.schemas import CLUSTERS, INBOX_FILES, QUOTED, REJECTS, SIGNED, TOKENS
from dedup.settings import Limits, Settings
from dedup.sources import (
    InboxFile,
    fingerprint,
    new_files,
    plan_new,
    read_ids,
    to_ledger,
)
from dedup.sources.files import printable
from dedup.state.files import StateFiles
from dedup.store import Kept, Parts, Result, Store, read
from dedup.workspace import Workspace

_HISTORY = 100
"""Runs whose number of rows is remembered."""


def begin_new(
    inbox: str | Path,
    output: str | Path,
    settings: Settings,
    retract: Sequence[str | Path] = (),
    rebuild: bool = False,
    day: date | None = None,
) -> Renewal | None:
    """Find what is new, and plan its shards; None when nothing is.

    Parameters
    ----------
    inbox : str or Path
        Folder or URL.
    output : str or Path
    settings : Settings
    retract : sequence of str or Path
        Lists of ids to take down, one id per line.
    rebuild : bool
        Take the whole inbox as new, and remember only the ids of clusters and of take-downs.
    day : date, optional
        Take only files whose path names this day.

    Raises
    ------
    InputError, OutputError
    SettingsError
        When the state was made with other settings.
    """
    settings, store = _settled(settings), Store(output)
    store.check()
    _check_apart(str(inbox), store)
    previous = store.latest() if store.runs() else None
    state = store.state(previous) if previous else None
    if previous and state is None and not rebuild:
        raise _other(str(output), str(inbox), "a run of another job, with no state to go on from")
    if state and state["fingerprint"] != settings.fingerprint() and not rebuild:
        raise _other(str(output), str(inbox), "other settings or another version of this software")
    files = StateFiles(output)
    ledger = Memory.table(files, None if rebuild else state, "inbox")
    arrivals = new_files(inbox, ledger, day=day)
    down = pa.array([], pa.string())
    for name in retract:
        down = pa.concat_arrays([down, read_ids(name).cast(pa.string())])
    known = Memory.table(files, state, "retracted")["article_id"].combine_chunks()
    down = pc.unique(down.filter(pc.invert(pc.is_in(down, value_set=known))))
    base = scratch(output, settings)
    if not arrivals.files and not len(down) and not rebuild:
        if previous:  # whose last step may have been cut short
            store.settle(store.manifest(previous).get("keep_runs", settings.keep_runs))
            _clear(base, str(output))
        return None
    shards = plan_new(arrivals.files, settings)
    run_id, started_at = new_id()
    key = hashlib.sha256(
        repr([LAYOUT, previous, settings.fingerprint(), rebuild, down.to_pylist(), shards]).encode()
    ).hexdigest()[:24]
    folder = base / f"{_work_of(str(output))}{key}"
    check_room(folder, shards)
    return Renewal(
        run_id=run_id,
        inputs=[str(inbox)],
        input_fingerprint=fingerprint(shards),
        output=str(output),
        folder=str(folder),
        shards=[shard.to_dict() for shard in shards],
        started_at=started_at,
        files=[_plain(file) for file in arrivals.files],
        touched=[_plain(file) for file in arrivals.touched],
        retract=down.to_pylist(),
        previous=previous,
        rebuild=rebuild,
        usual=bool(arrivals.files) and not rebuild and day is None,
    )


def renew(run: Renewal, settings: Settings) -> dict[str, Any]:
    """Third verb: bring the clusters up to date; parts and state lie aside after.

    Returns
    -------
    dict
        Counts of the run, as `checks.broken` takes them, and of the whole.
    """
    work = Workspace(Path(run.folder))
    return work.noted("renewed") or _renew(run, _settled(settings), work)


def publish_new(run: Renewal, settings: Settings) -> dict[str, Any]:
    """Last verb: make the run the output's latest, with its state; its manifest.

    After a take-down no earlier run is kept, because those still have the articles.
    """
    settings, store = _settled(settings), Store(run.output)
    work = Workspace(Path(run.folder))
    state, done = work.noted("state"), work.noted("renewed")
    assert state is not None and done is not None
    tables: dict[str, Parts] = {}
    for table, parts in (work.noted("parts") or {}).items():
        tables[table] = {
            name: Kept(*kept) if kept else work.read(f"part-{table}-{name}")
            for name, kept in parts.items()
        }
    info = {
        **described(run, settings),
        "counts": done["counts"],
        "growth": done["growth"],
        "stages": done["stages"],
        "keep_runs": 1 if run.retract else settings.keep_runs,
    }
    manifest = store.publish(run.run_id, tables, info, info["keep_runs"], state)
    StateFiles(run.output).keep(state["files"])
    _clear(work.folder.parent, run.output)
    return manifest


def cluster_new(
    inbox: str | Path,
    output: str | Path,
    settings: Settings = Settings(),
    retract: Sequence[str | Path] = (),
    rebuild: bool = False,
    day: date | None = None,
    limits: Limits = Limits(),
    progress: Progress | None = None,
) -> Result | None:
    """Bring the clusters under an output up to date with what is new in an inbox.

    Parameters
    ----------
    inbox, output, settings, retract, rebuild, day
        As of :func:`begin_new`.
    limits : Limits
        What lets the run be published.
    progress : callable, optional
        Called with a verb's name, the units of it done, and how many there are.

    Returns
    -------
    Result or None
        The latest run; where nothing is new the one before, and None where there is none yet.

    Raises
    ------
    InputError, OutputError, SettingsError, RunError
    BusyError
        When another process is at work on the output.

    Examples
    --------
    >>> import os, tempfile
    >>> from pathlib import Path
    >>> from dedup import cluster_new
    >>> inbox, output = Path(tempfile.mkdtemp()), tempfile.mkdtemp()
    >>> row = '{"id": "%s", "text": "The harbour council voted to rebuild the old pier."}'
    >>> for hour, name in enumerate("ab", 1):
    ...     file = inbox / f"{hour}.jsonl"
    ...     size = file.write_text(row % name)
    ...     os.utime(file, (hour, hour))  # a file that was modified just now would have to wait
    ...     result = cluster_new(inbox, output)
    >>> result.clusters["relation"].to_pylist()
    ['lead', 'identical']
    """
    report = progress or (lambda verb, done, total: None)
    Store(output).check()
    with locked(output, "cluster_new") as held:
        run = begin_new(inbox, output, settings, retract, rebuild, day)
        if run is None:
            check_silence(str(output), limits)
            return read(output) if Store(output).runs() else None
        for number in range(len(run.shards)):
            report("sign", number, len(run.shards))
            perform("sign", run, number, settings)
        report("renew", 0, 1)
        renew(run, settings)
        check(run, limits)
        report("publish", 0, 1)
        held.check()
        publish_new(run, settings)
        report("publish", 1, 1)
    return read(output)


def _clear(base: Path, output: str) -> None:
    """Remove the workspaces of an output's runs, of killed ones too."""
    for folder in base.glob(f"{_work_of(output)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _work_of(output: str) -> str:
    """How the names of the workspaces of an output's runs begin."""
    return f"renewal-{hashlib.sha256(output.encode()).hexdigest()[:8]}-"


def _settled(settings: Settings) -> Settings:
    """The settings as incremental runs have them.

    Raises
    ------
    SettingsError
        When the profile needs the corpus as a whole.
    """
    if settings.profile != "words":
        raise SettingsError(
            "setting 'profile'",
            "'words' for incremental runs",
            repr(settings.profile),
            "cluster such articles with cluster_articles",
        )
    return settings.model_copy(update={"rarity": "language"})


def _check_apart(inbox: str, store: Store) -> None:
    """Make sure that a run does not read what it writes."""
    given = Store(inbox)
    inside = f"{store.root}/".startswith(f"{given.root}/")
    if type(given.fs) is type(store.fs) and inside:
        raise InputError(inbox, "an inbox apart from the output", store.output, "move one of them")


def _other(output: str, inbox: str, got: str) -> SettingsError:
    return SettingsError(
        f"state under {output}",
        "one made with these settings",
        got,
        "use those settings, or cluster anew: "
        f"python -m flows.cluster_new --inbox {inbox} --output {output} --rebuild",
    )


def _plain(file: InboxFile) -> dict[str, Any]:
    return {**file._asdict(), "modified": file.modified.isoformat()}


def _file(fields: dict[str, Any]) -> InboxFile:
    return InboxFile(**{**fields, "modified": datetime.fromisoformat(fields["modified"])})


def _renew(run: Renewal, settings: Settings, work: Workspace) -> dict[str, Any]:
    started = time.perf_counter()
    store = Store(run.output)
    state = store.state(run.previous) if run.previous else None
    memory = Memory.load(StateFiles(run.output), state)
    if run.rebuild:
        memory = memory.forgotten(_published(store, run.previous))
    signed = _with_files(_with_tokens(work), run)
    rejects = work.read_all("rejects-", REJECTS)
    renewed = renew_memory(memory, signed, pa.array(run.retract, pa.string()), run.run_id, settings)
    published = Published(store, run.previous, {"lineage"} if run.rebuild else None)
    missing = lost(published, renewed.arrivals.returned)
    parts = parts_of(memory, renewed, rejects, published, missing, run.run_id)
    rows, history = signed.num_rows + rejects.num_rows, memory.history
    _enter(memory, run, rows)
    memory.past = less(memory.past, missing)
    whole = _counted(memory, published, parts)
    _check_sum(run, whole, rows + (0 if run.rebuild else published.count("rows")))
    growth = grown(memory, renewed)
    forget(memory, settings)
    work.note("state", memory.save(settings.fingerprint(), settings.threads))
    _set_aside(work, parts)
    seconds = round(time.perf_counter() - started, 3)
    signing = sum(note["seconds"] for note in work.notes("sign-"))
    came = pa.concat_tables([rejects, renewed.arrivals.rejects])["reason"]
    return work.note(
        "renewed",
        {
            "rows": rows,
            "articles_new": len(renewed.arrivals.added),
            "rejects": _by_value(came),
            "largest_cluster_new": _largest(memory, renewed.arrivals.added),
            "history": history,
            "counts": whole
            | {
                "rows_new": rows,
                "articles_new": len(renewed.arrivals.added),
                "articles_gone": renewed.arrivals.removed.num_rows,
                "articles_grouped_anew": renewed.tables["clusters"].num_rows,
            },
            "growth": growth,
            "stages": [
                {"name": "sign", "seconds": round(signing, 3), "rows": rows},
                {"name": "renew", "seconds": seconds, "rows": whole["articles"]},
            ],
        },
    )


def _published(store: Store, run_id: str | None) -> pa.Table:
    """The clusters that were published, and so all that have an id."""
    return store.read_table(run_id, "clusters") if run_id else CLUSTERS.empty_table()


def _with_tokens(work: Workspace) -> pa.Table:
    """Signed articles with the columns of `schemas.TOKENS` and `QUOTED`."""
    tokens, quoted = work.read_all("tokens-", TOKENS), work.read_all("quoted-", QUOTED)
    signed = work.read_all("signed-", SIGNED).append_column(TOKENS.field(0), tokens.column(0))
    return signed.append_column(QUOTED.field(0), quoted.column(0))


def _with_files(signed: pa.Table, run: Renewal) -> pa.Table:
    """Signed articles with the path and the time of modification of their files."""
    known = {printable(file["url"]): file for file in run.files}
    names = signed["file"].combine_chunks().dictionary_encode()
    files = [_file(known[name]) for name in names.dictionary.to_pylist()]
    paths = pa.array([file.path for file in files], pa.string()).take(names.indices)
    times = pa.array([file.modified for file in files], INBOX_FILES.field("modified").type)
    signed = signed.append_column(INBOX_FILES.field("path"), paths)
    return signed.append_column(INBOX_FILES.field("modified"), times.take(names.indices))


def _enter(memory: Memory, run: Renewal, rows: int) -> None:
    """Put what was read into memory."""
    files = [to_ledger([_file(file) for file in each]) for each in (run.files, run.touched)]
    memory.tables["inbox"] = pa.concat_tables([memory.tables["inbox"], *files])
    if run.usual:
        memory.history = [*memory.history, rows][-_HISTORY:]


def _counted(memory: Memory, published: Published, parts: dict[str, Parts]) -> dict[str, Any]:
    """Counts of the whole, with what is forgotten."""
    now = counts(memory.tables["articles"])
    return {
        **{name: number + memory.past.get(name, 0) for name, number in now.items()},
        "remembered": now["articles"],
        "rejects": _by_value(published.table("rejects", parts["rejects"])["reason"]),
        "pairs": sum(published.size(part) for part in parts["pairs"].values()),
    }


def _check_sum(run: Renewal, whole: dict[str, Any], rows: int) -> None:
    rejected = sum(whole["rejects"].values())
    whole["rows"] = rows
    if rows != whole["articles"] + rejected:
        raise RunError(
            run.run_id,
            f"{rows} rows read so far to be in clusters or rejects",
            f"{whole['articles']} and {rejected}",
            "report this as a defect, with the input; --rebuild reads all files again",
        )


def _set_aside(work: Workspace, parts: dict[str, Parts]) -> None:
    for table, each in parts.items():
        for name, part in each.items():
            if isinstance(part, pa.Table):
                work.write_table(f"part-{table}-{name}", part)
    work.note(
        "parts",
        {
            table: {
                name: [part.run_id, part.path] if isinstance(part, Kept) else None
                for name, part in each.items()
            }
            for table, each in parts.items()
        },
    )


def _by_value(column: pa.ChunkedArray) -> dict[str, int]:
    counted = column.combine_chunks().value_counts().to_pylist()
    return dict(sorted((entry["values"], entry["counts"]) for entry in counted))


def _largest(memory: Memory, added: pa.Array) -> int:
    """Most new articles that one cluster took."""
    articles = memory.tables["articles"]
    new = articles.filter(pc.is_in(articles["article_id"], value_set=added))
    counted = new["cluster_id"].combine_chunks().value_counts()
    return int(pc.max(counted.field("counts")).as_py() or 0)
