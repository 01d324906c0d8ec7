"""Where inputs lie, and their bytes.

Law: which files a list of inputs means depends on nothing but the inputs and what the storage
holds; neither on the order they are named in, nor on how often one is named.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import unquote

import pyarrow as pa
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from dedup.errors import InputError

ENDINGS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".jsonl.zst": "jsonl",
    ".ndjson": "jsonl",
    ".ndjson.gz": "jsonl",
    ".ndjson.zst": "jsonl",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".csv.zst": "csv",
    ".txt": "txt",
}
"""Format of each file name's ending; case does not matter."""

_log = logging.getLogger(__name__)


class File(NamedTuple):
    """A file to read.

    Attributes
    ----------
    url : str
        Absolute path of a local file, URL of any other.
    root : str
        The folder it was found in, as `url`.
    size : int
        Bytes.
    version : str
        Size with entity tag or time of modification: differs when the content does.
    modified : datetime
        Time of modification, UTC; 1970 where the storage tells none.
    """

    url: str
    root: str
    size: int
    version: str
    modified: datetime


def locate(inputs: Iterable[str | Path]) -> list[File]:
    """Files of known format that the inputs name, sorted by URL, each once.

    Parameters
    ----------
    inputs : iterable of str or Path
        Files, folders (read with all folders in them), glob patterns; local or fsspec URLs. Names
        in a folder that begin with "." or "_" are passed over, as engines that write Parquet
        folders expect; files of another format there are passed over with a logged warning.

    Raises
    ------
    InputError
        When an input does not exist, cannot be reached, holds no file of a known format, or is a
        file of an unknown one.
    """
    found: dict[str, File] = {}
    for given in inputs:
        for file in _files(str(given)):
            # Of several roots the outermost counts, whichever input came first.
            found[file.url] = min(file, found.get(file.url, file), key=lambda f: len(f.root))
    return sorted(found.values())


def within(folder: str | Path) -> list[File]:
    """Files of any format in a folder and all folders in it, sorted by URL; there may be none.

    Names that begin with "." or "_" are passed over. On an object store a folder is only there
    while there is something in it, so one that is missing has no files.

    Raises
    ------
    InputError
        When it is not a folder, or cannot be reached.
    """
    given = str(folder)
    try:
        storage, path = _storage(given)
        storage.invalidate_cache()
        is_missing = not storage.exists(path)
        is_folder = storage.isdir(path) or (is_missing and not isinstance(storage, LocalFileSystem))
        found = _inside(storage, path) if is_folder and not is_missing else {}
    except Exception as error:  # each storage has error types of its own
        raise _unreachable(given, error) from error
    if not is_folder:
        there = "nothing there" if is_missing else "a file"
        raise InputError(printable(given), "a folder", there, "check the path")
    if is_missing:
        _log.warning("there is nothing under %s", printable(given))
    return sorted(_described(storage, found, path))


def format_of(url: str) -> str | None:
    """Format by the name's ending, one of the values of ``ENDINGS``; None when unknown."""
    return next((kind for end, kind in ENDINGS.items() if url.lower().endswith(end)), None)


def open_file(url: str) -> BinaryIO:
    """The file's bytes as they are stored.

    Raises
    ------
    InputError
        When it cannot be opened.
    """
    try:
        storage, path = _storage(url)
        return cast(BinaryIO, storage.open(path, "rb"))
    except Exception as error:  # each storage has error types of its own
        raise _unreachable(url, error) from error


@contextmanager
def open_stream(url: str) -> Iterator[BinaryIO]:
    """The file's bytes with ``.gz`` or ``.zst`` undone.

    Of a stream that breaks off, all that can be decompressed is read before an error is raised,
    so lines before the break are not lost.

    Raises
    ------
    InputError
        When it cannot be opened.
    """
    with open_file(url) as stored, _decompressed(stored, url) as stream:
        yield stream


def _decompressed(stored: BinaryIO, url: str) -> BinaryIO:
    if url.lower().endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stored))
    if url.lower().endswith(".zst"):
        # Arrow drops what the failing read had decompressed, so reads are small.
        plain = pa.CompressedInputStream(pa.PythonFile(stored, "r"), "zstd")
        return io.BufferedReader(cast(io.RawIOBase, plain), 2**14)
    return io.BufferedReader(cast(io.RawIOBase, stored), 2**20)


def partition_keys(url: str) -> dict[str, str | None]:
    """Hive partition keys in a path: ``source=CNN/year=2014/a.parquet``."""
    pairs = (part.partition("=") for part in url.split("/")[:-1] if "=" in part)
    return {
        key: None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
        for key, _, value in pairs
    }


def printable(name: str) -> str:
    """A file's or column's name with its bytes that are not UTF-8 spelled out."""
    return name.encode("utf-8", "backslashreplace").decode()


def _files(given: str) -> list[File]:
    try:
        storage, path = _storage(given)
        storage.invalidate_cache()  # a long-lived worker must see the files that came since
        found, root = _find(storage, path)
    except Exception as error:  # each storage has error types of its own
        raise _unreachable(given, error) from error
    if not found:
        raise InputError(
            printable(given), "a file, a folder or a pattern", "nothing there", "check the path"
        )
    return _of_known_format(_described(storage, found, root), given)


def _described(
    storage: AbstractFileSystem, found: dict[str, dict[str, Any]], root: str
) -> list[File]:
    folder = _url(storage, root)
    return [
        File(_url(storage, name), folder, info.get("size") or 0, _version(info), _modified(info))
        for name, info in found.items()
    ]


def _of_known_format(files: list[File], given: str) -> list[File]:
    known = [file for file in files if format_of(file.url)]
    others = sorted(printable(file.url) for file in files if not format_of(file.url))
    if not known:
        raise InputError(
            printable(given),
            "files ending in " + ", ".join(ENDINGS),
            ", ".join(other.rpartition("/")[2] for other in others[:3]),
            "convert them, or correct their names",
        )
    if others:
        message = "%d files of unknown format under %s are passed over, such as %s"
        _log.warning(message, len(others), printable(given), others[0])
    return known


def _storage(url: str) -> tuple[AbstractFileSystem, str]:
    if "://" in url:
        storage, path = url_to_fs(url)
        return storage, path
    # Not left to fsspec, which takes "::" in a file's name for a chain of URLs; nor to pathlib,
    # which undoes ".." only together with links.
    return LocalFileSystem(), Path(os.path.abspath(Path(url).expanduser())).as_posix()  # noqa: PTH100


def _find(storage: AbstractFileSystem, path: str) -> tuple[dict[str, dict[str, Any]], str]:
    """Details of each file that a path means, and the folder they are relative to."""
    if storage.isfile(path):
        return {path: storage.info(path)}, path.rpartition("/")[0]
    if storage.isdir(path):
        return _inside(storage, path), path
    literal = path[: min((path.find(c) for c in "*?[" if c in path), default=len(path))]
    found: dict[str, dict[str, Any]] = {}
    if literal != path:
        for name, info in storage.glob(path, detail=True).items():
            found |= _inside(storage, name) if info["type"] == "directory" else {name: info}
    return found, literal.rpartition("/")[0]


def _inside(storage: AbstractFileSystem, folder: str) -> dict[str, dict[str, Any]]:
    found = storage.find(folder, detail=True)
    return {
        name: info
        for name, info in found.items()
        if not any(part[:1] in "._" for part in name.removeprefix(folder).split("/") if part)
    }


def _url(storage: AbstractFileSystem, path: str) -> str:
    return path if isinstance(storage, LocalFileSystem) else str(storage.unstrip_protocol(path))


def _version(info: dict[str, Any]) -> str:
    marks = ("ETag", "etag", "mtime", "LastModified", "last_modified", "created")
    return f"{info.get('size')}-{next((info[mark] for mark in marks if info.get(mark)), '')}"


def _modified(info: dict[str, Any]) -> datetime:
    marks = ("mtime", "LastModified", "last_modified", "updated", "created")
    value = next((info[mark] for mark in marks if info.get(mark)), 0)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _unreachable(url: str, error: Exception) -> InputError:
    mend = "check the path and the permissions"
    if isinstance(error, ImportError):
        is_s3 = url.startswith(("s3://", "s3a://"))
        mend = "pip install dedup[s3]" if is_s3 else "install the package that it names"
    found = printable(" ".join(str(error).split())) or type(error).__name__
    return InputError(printable(url), "a location that can be read", found, mend)
