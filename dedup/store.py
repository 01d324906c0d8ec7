"""The one door out: complete runs, and reading them back.

Law: a reader sees one complete run or the one before it, never a mixture. A run is written aside,
gets its manifest last, takes its name in one step, and only then does `latest` point to it.

On a local disk `OUT/latest` is a link that is replaced in one step. An object store has no links:
there `OUT/latest.json` names the run, and :func:`read` follows either.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from dedup.errors import OutputError, RunError
from dedup.schemas import OUTPUT_TABLES, table_name
from dedup.threads import in_order

_ROW_GROUP = 65_536
_OURS = {"runs", "latest", "latest.json", "work"}


@dataclass(frozen=True)
class Result:
    """One complete run.

    Attributes
    ----------
    clusters, pairs, summary, rejects, lineage, template, candidates : pyarrow.Table
        As `dedup.schemas` describes them.
    info : dict
        The run's manifest: settings, versions, counts, seconds per stage, files.
    """

    clusters: pa.Table
    pairs: pa.Table
    summary: pa.Table
    rejects: pa.Table
    lineage: pa.Table
    template: pa.Table
    candidates: pa.Table
    info: dict[str, Any]


class Store:
    """An output folder, local or behind any fsspec URL.

    Parameters
    ----------
    output : str or Path
    """

    def __init__(self, output: str | Path) -> None:
        self.output = str(output)
        self.fs, self.root = fsspec.url_to_fs(self.output)
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def check(self) -> None:
        """Make sure that runs can be published here, before any work is done.

        Raises
        ------
        OutputError
            When the folder is not writable, is a file, or holds what this library did not write.
        """
        try:
            self.fs.makedirs(self.root, exist_ok=True)
            strange = {Path(name).name for name in self.fs.ls(self.root, detail=False)} - _OURS
            if strange:
                raise OutputError(
                    self.output,
                    "an empty folder or one with earlier runs",
                    f"a folder with {sorted(strange)[0]!r} in it",
                    "name another folder",
                )
            self.fs.makedirs(f"{self.root}/runs", exist_ok=True)
            probe = f"{self.root}/runs/.probe-{uuid.uuid4().hex}"
            self.fs.pipe_file(probe, b"")
            self.fs.rm_file(probe)
        except OSError as error:
            raise OutputError(
                self.output,
                "a folder that can be written to",
                error.strerror or str(error),
                "name another folder or change its permissions",
            ) from None

    def publish(
        self, run_id: str, tables: Mapping[str, pa.Table], info: dict[str, Any], keep_runs: int
    ) -> dict[str, Any]:
        """Publish a run's tables and make it the latest.

        Parameters
        ----------
        tables : mapping of str to Table
            By name, all of `schemas.OUTPUT_TABLES`.
        info : dict
            The manifest; the files are added to it.
        keep_runs : int
            Complete runs kept, this one included.

        Returns
        -------
        dict
            The manifest as written.
        """
        if run_id in self.runs():  # an earlier try got so far
            manifest = self.manifest(run_id)
        else:
            manifest = self._complete(run_id, tables, info)
        self._point_to(run_id)
        self._prune(keep_runs)
        return manifest

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
        if self.fs.exists(f"{link}.json"):
            return str(json.loads(self.fs.cat_file(f"{link}.json"))["run_id"])
        raise OutputError(
            self.output, "a folder with a complete run", "none in it", "run the clustering first"
        )

    def runs(self) -> list[str]:
        """Ids of the complete runs, oldest first."""
        found = self.fs.glob(f"{self.root}/runs/*/run.json")
        names = (Path(path).parent.name for path in found)
        return sorted(name for name in names if not name.startswith("."))

    def folder(self, run_id: str) -> str:
        """Path of a run's folder on this store's file system."""
        return f"{self.root}/runs/{run_id}"

    def manifest(self, run_id: str) -> dict[str, Any]:
        """What the `run.json` of a complete run says."""
        return dict(json.loads(self.fs.cat_file(f"{self.folder(run_id)}/run.json")))

    def _complete(
        self, run_id: str, tables: Mapping[str, pa.Table], info: dict[str, Any]
    ) -> dict[str, Any]:
        """Write a run aside, and give it its name."""
        # Readers of an object store go by latest.json, so there the run needs no other name.
        aside = f"{self.root}/runs/.{run_id}" if self.is_local else self.folder(run_id)
        files = list(
            in_order(
                lambda item: self._write(aside, f"{item[0]}/part-00000.parquet", item[1]),
                tables.items(),
                threads=0,
            )
        )
        manifest = {"run_id": run_id, **info, "files": files}
        self.fs.pipe_file(f"{aside}/run.json", json.dumps(manifest, indent=2).encode())
        if self.is_local:
            # The link waits inside, so that what a kill leaves of it goes with the run.
            link = Path(aside, "latest")
            link.unlink(missing_ok=True)  # an earlier try's
            link.symlink_to(Path("runs") / run_id)
            os.replace(aside, self.folder(run_id))
        return manifest

    def _write(self, folder: str, name: str, table: pa.Table) -> dict[str, Any]:
        path = f"{folder}/{name}"
        self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        with self.fs.open(path, "wb") as sink:
            pq.write_table(table, sink, compression="zstd", row_group_size=_ROW_GROUP)
        with self.fs.open(path, "rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        return {
            "path": name,
            "rows": table.num_rows,
            "bytes": self.fs.size(path),
            "sha256": digest,
        }

    def _point_to(self, run_id: str) -> None:
        if self.is_local:
            waiting = Path(self.folder(run_id), "latest")
            if waiting.is_symlink():  # else an earlier try has put it in its place
                os.replace(waiting, Path(self.root, "latest"))
        else:
            self.fs.pipe_file(f"{self.root}/latest.json", json.dumps({"run_id": run_id}).encode())

    def _prune(self, keep_runs: int) -> None:
        """Remove the oldest runs, and what killed runs older than the latest left."""
        latest = self.latest()
        kept = {latest, *self.runs()[-keep_runs:]}
        for path in self.fs.ls(f"{self.root}/runs", detail=False):
            name = Path(path).name
            if name in kept or name.removeprefix(".") > latest:
                continue
            # The manifest first, so that half of a run never passes for a complete one.
            if self.fs.exists(f"{path}/run.json"):
                self.fs.rm_file(f"{path}/run.json")
            self.fs.rm(path, recursive=True)


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
        When a file of the run is missing or not as the manifest says.
    """
    store = Store(output)
    run_id = run_id or store.latest()
    folder = store.folder(run_id)
    try:
        info = store.manifest(run_id)
        digests = {file["path"]: file["sha256"] for file in info["files"]}
    except FileNotFoundError:
        known = ", ".join(store.runs()) or "none"
        raise OutputError(
            f"run {run_id!r} in {output}", f"one of {known}", "no such run", "name one of these"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(f"{folder}/run.json", "a run's manifest", str(error)) from None
    tables = {}
    for schema in OUTPUT_TABLES:
        path = f"{table_name(schema)}/part-00000.parquet"
        tables[table_name(schema)] = _table(store, f"{folder}/{path}", schema, digests.get(path))
    return Result(**tables, info=info)


def _table(store: Store, path: str, schema: pa.Schema, digest: str | None) -> pa.Table:
    try:
        content = store.fs.cat_file(path)
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise _damaged(path, f"SHA-256 {digest}", found)
        return pq.read_table(pa.BufferReader(content), schema=schema)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, "a table of the run", str(error)) from None


def _damaged(path: str, expected: str, got: str) -> RunError:
    return RunError(path, expected, got, "run the clustering again")
