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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

_GONE = ".gone-"


class Workspace:
    """A folder of one run's intermediate tables and notes.

    Parameters
    ----------
    folder : Path
        Made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._maps: list[mmap.mmap] = []
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a table batch by batch; it appears under its name once it is whole."""
        partial = self._partial(name)
        try:
            with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            os.replace(partial, self._table(name))
        finally:
            partial.unlink(missing_ok=True)

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
        self._maps.append(mapped)
        return table

    def release(self) -> None:
        """Let go of the memory that tables read so far take; they can be used as before.

        So is what Arrow keeps for tables to come.
        """
        for each in self._maps:
            each.madvise(mmap.MADV_DONTNEED)
        pa.default_memory_pool().release_unused()

    def here_and_there(self) -> None:
        """Of tables read so far single rows will be looked at, so nothing around them is read."""
        for each in self._maps:
            _advise(each, "MADV_RANDOM")

    def throughout(self) -> None:
        """Tables read so far will be looked at from begin to end."""
        for each in self._maps:
            _advise(each, "MADV_NORMAL")

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


def _advise(mapped: mmap.mmap, advice: str) -> None:
    # Systems read up to megabytes around a page that they do not have, unless told otherwise.
    if hasattr(mmap, advice):
        mapped.madvise(getattr(mmap, advice))
