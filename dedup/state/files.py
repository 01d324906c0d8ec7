"""The files a run remembers things in.

Law: a file never changes once it has its name, and its name says what is in it: the kind and the
SHA-256 of its bytes. So the same table gets the same name whatever the run, writing one again
changes nothing, and a copy elsewhere holds the same or is damaged.

Files are Arrow IPC under ``OUT/state``, each one batch, and read by memory map: a column is there
without a copy, and what is not looked at is not read. Behind a URL they are mapped from a folder on
the local disk, to which each is fetched once. Which files count is said by the runs that name them;
:meth:`dedup.store.Store.publish` removes the others.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from dedup.errors import RunError

_DIGITS = 32  # hexadecimal digits of the digest that a name holds: 128 bits


class StateFiles:
    """The files under ``OUT/state``.

    Parameters
    ----------
    output : str or Path
        Local folder or fsspec URL.
    cache : Path, optional
        Where files from behind a URL are kept for mapping; by default a folder named after the
        output, among the temporary files. Of no meaning for a local output.
    """

    def __init__(self, output: str | Path, cache: Path | None = None) -> None:
        self._fs, root = fsspec.url_to_fs(str(output))
        self._root = f"{root}/state"
        self._is_local = isinstance(self._fs, LocalFileSystem)
        self._folder = Path(self._root) if self._is_local else cache or self._default_cache()

    def write(self, kind: str, table: pa.Table) -> str:
        """Write a table; the name it can be read by.

        Digesting costs about 0.08 s for 100 MB.

        Parameters
        ----------
        kind : str
            What the table is, for whoever lists the folder.

        Returns
        -------
        str
            ``KIND-DIGEST.arrow``, which depends on nothing but the kind and the table.
        """
        with self._aside() as aside:
            with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table.combine_chunks())  # one chunk is mapped without a copy
            name = f"{kind}-{_digest(aside)}.arrow"
            if not self._is_local:
                self._fs.makedirs(self._root, exist_ok=True)
                self._fs.put_file(str(aside), f"{self._root}/{name}")
            os.replace(aside, self._folder / name)
        return name

    def read(self, name: str) -> pa.Table:
        """A table, memory-mapped; its bytes are not digested, see `verify`.

        Raises
        ------
        RunError
            When the file is missing, cut short or not what a state file is.
        """
        path = self._fetched(name)
        try:
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
            table.validate()
        except (OSError, pa.ArrowException) as error:
            raise _damaged(str(path), "an Arrow file of the state", str(error)) from None
        return table

    def verify(self, name: str) -> None:
        """Make sure that a file holds what its name says, byte for byte.

        Raises
        ------
        RunError
            When it is missing or damaged.
        """
        path = self._fetched(name)
        try:
            _check(path, name, str(path))
        except FileNotFoundError:
            raise _missing(str(path)) from None

    def keep(self, names: Collection[str]) -> None:
        """Remove all files but these from the local folder of an output behind a URL.

        The files of the output itself are the store's to remove.
        """
        if self._is_local or not self._folder.is_dir():
            return
        for path in sorted(self._folder.iterdir()):
            if path.name not in names:
                path.unlink(missing_ok=True)

    def _fetched(self, name: str) -> Path:
        path = self._folder / name
        if not self._is_local and not path.exists():
            remote = f"{self._root}/{name}"
            with self._aside() as aside:
                try:
                    self._fs.get_file(remote, str(aside))
                except FileNotFoundError:
                    raise _missing(remote) from None
                _check(aside, name, remote)
                os.replace(aside, path)
        return path

    @contextlib.contextmanager
    def _aside(self) -> Iterator[Path]:
        """A path to write to, which is gone afterwards unless it was renamed."""
        # Nobody else's, where everybody may make folders.
        mode = 0o777 if self._is_local else 0o700
        self._folder.mkdir(mode, parents=True, exist_ok=True)
        aside = self._folder / f".{uuid.uuid4().hex}"
        try:
            yield aside
        finally:
            aside.unlink(missing_ok=True)

    def _default_cache(self) -> Path:
        url = self._fs.unstrip_protocol(self._root)
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"dedup-state-{digest}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def _check(path: Path, name: str, subject: str) -> None:
    expected, found = name.removesuffix(".arrow").rpartition("-")[2], _digest(path)
    if found != expected:
        raise _damaged(subject, f"SHA-256 {expected}…", f"{found}…")


def _missing(subject: str) -> RunError:
    return _damaged(subject, "a file of the state", "no such file")


def _damaged(subject: str, expected: str, got: str) -> RunError:
    return RunError(subject, expected, got, "run again with --rebuild")
