"""The one door out: complete runs, and reading them back.

Law: a reader sees one complete run or the one before it, never a mixture. A run is written aside,
gets its manifest last, takes its name in one step, and only then does `latest` point to it. Its
state lies in its folder, so the same step commits both: exactly once. What is published is never
written to again: runs share the parts that did not change.

On a local disk `OUT/latest` is a link that is replaced in one step. An object store has no links:
there `OUT/latest.json` names the run, and :func:`read` follows either.

One process at a time may publish to an output, and run ids sort by time. So a run newer than the
latest is one that was killed on its way, and the next publish clears it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from dedup.errors import OutputError, RunError
from dedup.schemas import OUTPUT_TABLES, table_name
from dedup.threads import in_order, spans

_ROW_GROUP = 65_536
_OURS = {"runs", "latest", "latest.json", "work", "state"}
_SCHEMAS = {table_name(schema): schema for schema in OUTPUT_TABLES}
_REQUESTS = 16  # under way at once on an object store, where time goes to waiting


class Result:
    """One complete run. A table is read when it is first asked for, so a run may be large.

    Parameters
    ----------
    table : callable
        Reads the table of that name.
    info : dict
        The run's manifest: settings, versions, counts, seconds per stage, files.

    Raises
    ------
    RunError
        From a table, when a file of it is missing or not as the manifest says.
    OutputError
        From a table, when the run has been removed meanwhile, as later ones remove those that are
        not to be kept.
    """

    def __init__(self, table: Callable[[str], pa.Table], info: dict[str, Any]) -> None:
        self._table = table
        self.info = info

    @cached_property
    def clusters(self) -> pa.Table:
        """As `schemas.CLUSTERS`."""
        return self._table("clusters")

    @cached_property
    def pairs(self) -> pa.Table:
        """As `schemas.PAIRS`."""
        return self._table("pairs")

    @cached_property
    def summary(self) -> pa.Table:
        """As `schemas.SUMMARY`."""
        return self._table("summary")

    @cached_property
    def rejects(self) -> pa.Table:
        """As `schemas.REJECTS`."""
        return self._table("rejects")

    @cached_property
    def lineage(self) -> pa.Table:
        """As `schemas.LINEAGE`."""
        return self._table("lineage")

    @cached_property
    def template(self) -> pa.Table:
        """As `schemas.TEMPLATE`."""
        return self._table("template")

    @cached_property
    def candidates(self) -> pa.Table:
        """As `schemas.CANDIDATES`."""
        return self._table("candidates")

    def loaded(self) -> Result:
        """The same with all tables read, so that its files may go."""
        for name in _SCHEMAS:
            getattr(self, name)
        return self


@dataclass(frozen=True)
class Kept:
    """A part that an earlier run has published and that has not changed.

    Attributes
    ----------
    run_id : str
    path : str
        As the manifest of that run lists it: ``TABLE/PART.parquet``.
    """

    run_id: str
    path: str


Parts = Mapping[str, pa.Table | Kept]
"""Parts of one table by name."""


class Store:
    """An output folder, local or behind any fsspec URL.

    Parameters
    ----------
    output : str or Path

    Raises
    ------
    OutputError
        When no installed package serves such a URL.
    """

    def __init__(self, output: str | Path) -> None:
        self.output = str(output)
        try:
            self.fs, self.root = fsspec.url_to_fs(self.output)
        except (ImportError, ValueError) as error:
            mend = "install the package that it names, for s3:// dedup[s3]"
            raise OutputError(self.output, "a folder or a URL", str(error), mend) from None
        self.fs.invalidate_cache()  # another process may have published since
        self.is_local = isinstance(self.fs, LocalFileSystem)
        self._threads = 0 if self.is_local else _REQUESTS
        # What is published does not change, so a run's list of files is read once.
        self._files = functools.cache(self._listed)

    def check(self) -> None:
        """Make sure that runs can be published here, before any work is done.

        Raises
        ------
        OutputError
            When the folder is not writable, is a file, or holds what this library did not write.
        """
        try:
            self.fs.makedirs(self.root, exist_ok=True)
            # Names with a dot before them are nobody's work: locks, and what desktops leave.
            named = {name for name in self._names("") if name[0] != "."}
            if strange := sorted(named - _OURS):
                raise OutputError(
                    self.output,
                    "an empty folder or one with earlier runs",
                    f"a folder with {strange[0]!r} in it",
                    "name another folder",
                )
            self.fs.makedirs(f"{self.root}/runs", exist_ok=True)
            probe = f"{self.root}/runs/.probe-{uuid.uuid4().hex}"
            self.fs.pipe_file(probe, b"")
            self.fs.rm_file(probe)
        except OutputError:
            raise
        except Exception as error:  # object stores raise what their own libraries do
            raise OutputError(
                self.output,
                "a folder that can be written to",
                getattr(error, "strerror", None) or str(error),
                "name another folder or change its permissions",
            ) from None

    def publish(
        self,
        run_id: str,
        tables: Mapping[str, Parts],
        info: dict[str, Any],
        keep_runs: int,
        state: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Publish a run's tables, and its state with them, and make it the latest.

        Called again with the same run after a kill, it finishes what was begun. Afterwards only the
        runs to be kept are there, and of the files under ``OUT/state`` only those they name.

        Parameters
        ----------
        tables : mapping of str to mapping
            By name: the parts of each table of `schemas.OUTPUT_TABLES`. A table without parts is
            read as an empty one. A part that is `Kept` is carried over without reading it: by a
            hard link on a local disk, by the store's own copy elsewhere.
        info : dict
            The manifest; the files are added to it.
        keep_runs : int
            Complete runs kept, this one included.
        state : dict, optional
            What the next run goes on from, as JSON has it; ``state["files"]`` names the files under
            ``OUT/state`` that it needs.

        Returns
        -------
        dict
            The manifest as written.

        Raises
        ------
        RunError
            When a part to be carried over, or a file the state names, is not there.
        """
        earlier = [name for name in self.runs() if name != run_id]
        if self._is_complete(run_id):  # an earlier try got so far
            manifest = self.manifest(run_id)
        else:
            self._keep(earlier)
            manifest = self._complete(run_id, tables, info, state)
        self._point_to(run_id)
        self.settle(keep_runs)
        return manifest

    def settle(self, keep_runs: int) -> None:
        """Remove runs that are not to be kept, what killed ones left, and state nobody needs.

        Parameters
        ----------
        keep_runs : int
            Complete runs kept.
        """
        kept = self.runs()[-keep_runs:]
        self._keep(kept)
        self._keep_state(kept)

    def latest(self) -> str:
        """Id of the latest complete run.

        Raises
        ------
        OutputError
            When there is none.
        """
        link = f"{self.root}/latest"
        if self.is_local and os.path.islink(link):
            return Path(os.readlink(link)).name
        try:
            return str(json.loads(self.fs.cat_file(f"{link}.json"))["run_id"])
        except (FileNotFoundError, NotADirectoryError):
            raise OutputError(
                self.output,
                "a folder with a complete run",
                "none in it",
                "run the clustering first",
            ) from None

    @property
    def pointer(self) -> str:
        """Where the latest run is told: the link to it, or the object that names it."""
        return f"{self.output.rstrip('/')}/latest{'' if self.is_local else '.json'}"

    def runs(self) -> list[str]:
        """Ids of the runs that were published and are still there, oldest first."""
        complete = [name for name in sorted(self._names("runs")) if self._is_complete(name)]
        try:
            latest = self.latest()
        except OutputError:
            return complete  # an output may lose its link on the way to another machine
        return [name for name in complete if name <= latest]

    def folder(self, run_id: str) -> str:
        """Path of a run's folder on this store's file system."""
        return f"{self.root}/runs/{run_id}"

    def manifest(self, run_id: str) -> dict[str, Any]:
        """What the `run.json` of a complete run says.

        Raises
        ------
        OutputError
            When there is no such run.
        RunError
            When the manifest is damaged.
        """
        path = f"{self.folder(run_id)}/run.json"
        try:
            return dict(json.loads(self.fs.cat_file(path)))
        except FileNotFoundError:
            known = ", ".join(self.runs()) or "none"
            subject = f"run {run_id!r} in {self.output}"
            raise OutputError(
                subject, f"one of {known}", "no such run", "name one of these"
            ) from None
        except (ValueError, TypeError) as error:
            raise _damaged(path, "a run's manifest", str(error)) from None

    def state(self, run_id: str) -> dict[str, Any] | None:
        """What a run was published with to go on from; None when with nothing.

        Raises
        ------
        RunError
            When it is missing or not as the manifest says.
        """
        entry = self.manifest(run_id).get("state")
        return None if entry is None else dict(json.loads(self._content(run_id, entry)))

    def parts(self, run_id: str, table: str) -> list[str]:
        """Paths of the parts of a table of a run, in their order."""
        return sorted(path for path in self._files(run_id) if path.startswith(f"{table}/"))

    def read_part(self, run_id: str, path: str) -> pa.Table:
        """One part of a run.

        Parameters
        ----------
        path : str
            One of `parts`.

        Raises
        ------
        RunError
            When it is missing or not as the manifest says.
        """
        content = self._content(run_id, self._entry(run_id, path))
        schema = _SCHEMAS[path.partition("/")[0]]
        # Not by pyarrow.parquet.read_table, whose threads may outlive the interpreter and end the
        # process with it (apache/arrow#34314).
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        return table.select(schema.names).cast(schema)

    def read_table(self, run_id: str, table: str) -> pa.Table:
        """All parts of a table of a run, as one; errors as of `read_part`."""
        paths = self.parts(run_id, table)
        read = in_order(lambda path: self.read_part(run_id, path), paths, self._threads)
        return pa.concat_tables(read) if paths else _SCHEMAS[table].empty_table()

    def _complete(
        self,
        run_id: str,
        tables: Mapping[str, Parts],
        info: dict[str, Any],
        state: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Write a run aside, and give it its name."""
        # Readers of an object store go by latest.json, so there the run needs no other name.
        aside = f"{self.root}/runs/.{run_id}" if self.is_local else self.folder(run_id)
        self.fs.makedirs(aside, exist_ok=True)
        manifest = {"run_id": run_id, **info, "files": self._write_tables(aside, tables)}
        if state is not None:
            manifest["state"] = self._write_state(aside, state)
        self.fs.pipe_file(f"{aside}/run.json", json.dumps(manifest, indent=2).encode())
        if self.is_local:
            # The link waits inside, so that what a kill leaves of it goes with the run.
            Path(aside, "latest").symlink_to(Path("runs") / run_id)
            os.replace(aside, self.folder(run_id))
        return manifest

    def _write_tables(self, folder: str, tables: Mapping[str, Parts]) -> list[dict[str, Any]]:
        for table in tables:
            self.fs.makedirs(f"{folder}/{table}", exist_ok=True)
        parts = [
            (f"{table}/{name}.parquet", part)
            for table, parts in tables.items()
            for name, part in parts.items()
        ]
        return list(in_order(lambda part: self._write(folder, *part), parts, self._threads))

    def _write(self, folder: str, path: str, part: pa.Table | Kept) -> dict[str, Any]:
        """Write or carry over a part; its entry in the manifest."""
        if isinstance(part, Kept):
            entry = self._entry(part.run_id, part.path)
            self._carry(f"{self.folder(part.run_id)}/{part.path}", f"{folder}/{path}")
            return {**entry, "path": path}
        with self.fs.open(f"{folder}/{path}", "wb") as file:
            sink = _Digesting(file)
            # Few columns repeat more than zstd finds by itself; dictionaries of ids only cost.
            layout = {"compression": "zstd", "use_dictionary": False}
            with pq.ParquetWriter(sink, part.schema, **layout) as writer:
                # In one piece each, so that how a table came about does not show in its bytes.
                for rows in spans(part.num_rows, _ROW_GROUP) or [slice(0, 0)]:
                    group = part.slice(rows.start, _ROW_GROUP).combine_chunks()
                    writer.write_table(group, row_group_size=_ROW_GROUP)
        return {"path": path, "rows": part.num_rows, "bytes": sink.size, "sha256": sink.sha256()}

    def _carry(self, source: str, target: str) -> None:
        if self.is_local:
            with contextlib.suppress(OSError):  # a file system without links, or no such file
                os.link(source, target)
                return
        try:
            self.fs.cp_file(source, target)
        except FileNotFoundError:
            raise _damaged(source, "a part of the run", "no such file") from None

    def _write_state(self, folder: str, state: dict[str, Any]) -> dict[str, Any]:
        if missing := sorted(set(state["files"]) - self._names("state")):
            path = f"{self.root}/state/{missing[0]}"
            raise _damaged(path, "a file that the state names", "no such file")
        content = json.dumps(state, indent=2).encode()
        self.fs.pipe_file(f"{folder}/state.json", content)
        digest = hashlib.sha256(content).hexdigest()
        return {"path": "state.json", "bytes": len(content), "sha256": digest}

    def _point_to(self, run_id: str) -> None:
        if self.is_local:
            waiting = Path(self.folder(run_id), "latest")
            if waiting.is_symlink():  # else an earlier try has put it in its place
                os.replace(waiting, Path(self.root, "latest"))
        else:
            self.fs.pipe_file(f"{self.root}/latest.json", json.dumps({"run_id": run_id}).encode())

    def _keep(self, runs: Collection[str]) -> None:
        """Remove all runs but these, and what killed runs left."""
        for name in sorted(self._names("runs").difference(runs)):
            # The manifest first, so that half of a run never passes for a complete one.
            if self._is_complete(name):
                self.fs.rm_file(f"{self.folder(name)}/run.json")
            with contextlib.suppress(FileNotFoundError):  # an empty folder of an object store
                self.fs.rm(self.folder(name), recursive=True)

    def _keep_state(self, runs: Collection[str]) -> None:
        """Remove the files under ``OUT/state`` that none of these runs names."""
        try:
            states = [self.state(run_id) for run_id in runs]
        except RunError:
            return  # what a damaged run needs is not known, so nothing is garbage
        named = {name for state in states if state for name in state["files"]}
        for name in sorted(self._names("state") - named):
            self.fs.rm_file(f"{self.root}/state/{name}")

    def _is_complete(self, run_id: str) -> bool:
        return run_id[0] != "." and bool(self.fs.exists(f"{self.folder(run_id)}/run.json"))

    def _names(self, folder: str) -> set[str]:
        """Names in a folder of the output; none when there is no such folder."""
        path = f"{self.root}/{folder}".rstrip("/")
        self.fs.invalidate_cache(path)
        try:
            found = self.fs.ls(path, detail=False)
        except FileNotFoundError:
            return set()
        # An object store may list the folder itself.
        return {Path(name).name for name in found if name.rstrip("/") != path}

    def _listed(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Entries of the manifest's files by path."""
        try:
            return {file["path"]: file for file in self.manifest(run_id)["files"]}
        except (KeyError, TypeError) as error:
            path = f"{self.folder(run_id)}/run.json"
            raise _damaged(path, "a run's manifest", repr(error)) from None

    def _entry(self, run_id: str, path: str) -> dict[str, Any]:
        files = self._files(run_id)
        if path not in files:
            raise _damaged(f"{self.folder(run_id)}/{path}", "a part of the run", "none so named")
        return files[path]

    def _content(self, run_id: str, entry: dict[str, Any]) -> bytes:
        """A file of a run, found to be as its entry says."""
        path = f"{self.folder(run_id)}/{entry['path']}"
        try:
            content: bytes = self.fs.cat_file(path)
        except OSError as error:
            raise _damaged(path, "a file of the run", str(error)) from None
        found = hashlib.sha256(content).hexdigest()
        if found != entry["sha256"]:
            raise _damaged(path, f"SHA-256 {entry['sha256']}", found)
        return content


class _Digesting:
    """A file to write to that knows the size and the digest of what was written."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        self._hash.update(content)
        self.size += len(content)
        return self._file.write(content)

    def flush(self) -> None:
        """Left to whoever closes the file."""

    def sha256(self) -> str:
        return self._hash.hexdigest()


def read(output: str | Path, run_id: str | None = None) -> Result:
    """A complete run's tables.

    Parameters
    ----------
    output : str or Path
        The output folder, local or a URL.
    run_id : str, optional
        The latest run by default.

    Raises
    ------
    OutputError
        When there is no such run.
    RunError
        When the manifest is damaged; a damaged table says so when it is asked for.
    """
    store = Store(output)
    run_id = run_id or store.latest()
    return Result(functools.partial(store.read_table, run_id), store.manifest(run_id))


def _damaged(path: str, expected: str, got: str) -> RunError:
    mend = "run the clustering again, an incremental one with --rebuild"
    return RunError(path, expected, got, mend)
