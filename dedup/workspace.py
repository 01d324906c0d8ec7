"""What a run keeps between its verbs.

Law: a file is there whole or not at all, and what is there need not be made again. Files are Arrow
IPC, read by memory map, so passing a table from one verb to the next costs no copy; and pages that
were looked at can be let go, so a table may be larger than memory.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import uuid
from bisect import insort
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

_GONE = ".gone-"

_NEXT = 65_536
"""Bytes between two wanted places that are sooner read than passed over, about."""


class _Map(NamedTuple):
    """A file in memory, and where it begins there."""

    address: int
    file: mmap.mmap


class Workspace:
    """A folder of one run's intermediate tables and notes.

    Parameters
    ----------
    folder : Path
        Made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: list[_Map] = []  # by address
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a table batch by batch; it appears under its name once it is whole."""
        self.write_apart({name: schema}, batches)

    def write_apart(
        self, schemas: Mapping[str, pa.Schema], batches: Iterable[pa.RecordBatch]
    ) -> None:
        """Write columns of the batches to several tables, so that each is read without the others.

        Parameters
        ----------
        schemas : mapping of str to Schema
            Of each table by its name: which columns it takes. The tables appear once all are whole.
        batches : iterable of RecordBatch
            With the columns of all schemas.
        """
        partial = {name: self._partial(name) for name in schemas}
        with ExitStack() as stack:
            for path in partial.values():
                stack.callback(path.unlink, missing_ok=True)
            with ExitStack() as files:
                writers = [
                    (schema.names, _writer(files, partial[name], schema))
                    for name, schema in schemas.items()
                ]
                for batch in batches:
                    for columns, writer in writers:
                        writer.write_batch(batch.select(columns))
            for name, path in partial.items():
                os.replace(path, self._table(name))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a table that is in memory."""
        self.write(name, table.schema, table.to_batches())

    def read(self, name: str) -> pa.Table:
        """A table, memory-mapped."""
        with self._table(name).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        _advise(mapped, "MADV_RANDOM")  # where its columns lie is told all over it
        table = pa.ipc.open_file(pa.py_buffer(mapped)).read_all()
        _advise(mapped, "MADV_NORMAL")
        address = np.frombuffer(mapped, np.uint8).ctypes.data
        insort(self._maps, _Map(address, mapped), key=lambda each: each.address)
        return table

    def release(self) -> None:
        """Let go of the memory that tables read so far take; they can be used as before.

        So is what Arrow keeps for tables to come.
        """
        for each in self._maps:
            _advise(each.file, "MADV_DONTNEED")
        pa.default_memory_pool().release_unused()

    def here_and_there(self) -> None:
        """Of tables read so far single rows will be looked at, so nothing around them is read."""
        for each in self._maps:
            _advise(each.file, "MADV_RANDOM")

    def throughout(self) -> None:
        """Tables read so far will be looked at from begin to end."""
        for each in self._maps:
            _advise(each.file, "MADV_NORMAL")

    def ahead(self, first: np.ndarray, after: np.ndarray) -> None:
        """Begin to read parts of tables read so far, all at the same time.

        Parameters
        ----------
        first, after : ndarray of int64, shape (n_parts,)
            Address of the first byte of each part, and of the first one after it. Neighbours are
            read in one go where they follow one another.
        """
        some = first < after  # what is empty may lie nowhere
        if not some.any():
            return
        first, after = first[some], after[some]
        between = first[1:] - after[:-1]
        apart = np.flatnonzero((between < 0) | (between > _NEXT))
        starts, ends = first[np.append(0, apart + 1)], after[np.append(apart, len(after) - 1)]
        addresses = [each.address for each in self._maps]
        of = np.searchsorted(addresses, starts, side="right") - 1
        for start, end, number in zip(starts.tolist(), ends.tolist(), of.tolist(), strict=True):
            address, file = self._maps[number]
            begin = (start - address) // mmap.PAGESIZE * mmap.PAGESIZE
            _advise(file, "MADV_WILLNEED", begin, end - address - begin)

    def read_each(self, prefix: str) -> list[pa.Table]:
        """The tables whose names start so, in the order of their names."""
        return [self.read(path.stem) for path in self._tables(prefix)]

    def read_all(self, prefix: str, schema: pa.Schema) -> pa.Table:
        """The tables of the schema whose names start so, in the order of their names, as one."""
        return pa.concat_tables([schema.empty_table(), *self.read_each(prefix)])

    def count(self, prefix: str) -> int:
        """How many tables there are whose names start so."""
        return len(self._tables(prefix))

    def remove(self, prefix: str) -> None:
        """Remove the tables whose names start so; what is still in use stays readable."""
        for path in self._tables(prefix):
            path.unlink()

    def discard(self) -> None:
        """Remove the folder in one step, and what kills left of any on their way."""
        gone = self.folder.with_name(f"{_GONE}{uuid.uuid4().hex}")
        os.replace(self.folder, gone)
        for folder in gone.parent.glob(f"{_GONE}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def note(self, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Write down facts, and give them back; a note says that what it tells of is done."""
        partial = self._partial(name)
        partial.write_text(json.dumps(facts), encoding="utf-8")
        os.replace(partial, self.folder / f"{name}.json")
        return facts

    def noted(self, name: str) -> dict[str, Any] | None:
        """Facts written down before, or None."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def notes(self, prefix: str) -> list[dict[str, Any]]:
        """The notes whose names start so, in the order of their names."""
        paths = sorted(self.folder.glob(f"{prefix}*.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]

    def _table(self, name: str) -> Path:
        return self.folder / f"{name}.arrow"

    def _tables(self, prefix: str) -> list[Path]:
        return sorted(self.folder.glob(f"{prefix}*.arrow"))

    def _partial(self, name: str) -> Path:
        return self.folder / f".{name}.{uuid.uuid4().hex}"


def _writer(files: ExitStack, path: Path, schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
    sink = files.enter_context(pa.OSFile(str(path), "wb"))
    return files.enter_context(pa.ipc.new_file(sink, schema))


def _advise(mapped: mmap.mmap, advice: str, *part: int) -> None:
    # Systems read up to megabytes around a page that they do not have, unless told otherwise.
    if hasattr(mmap, advice):
        mapped.madvise(getattr(mmap, advice), *part)
