"""What is new in an inbox.

Law: every version of a file is taken once, and only when it is whole. What makes a version is the
path, the size and the SHA-256 of the bytes; a new time alone makes none.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from dedup.errors import InputError
from dedup.schemas import INBOX_FILES
from dedup.sources.files import (
    File,
    format_of,
    open_file,
    partition_keys,
    printable,
    within,
)
from dedup.threads import in_order

PARTIAL_ENDINGS = (".tmp", ".part", ".partial", ".crdownload")
"""What programs add to the name of a file that they are writing; case does not matter."""

FOOTER_PATIENCE = 3600.0
"""Seconds after which a Parquet file without its end is taken as it is, and rejected."""

_PARQUET_END = b"PAR1"
_READERS = 4
_READ_BYTES = 2**20

_log = logging.getLogger(__name__)


class InboxFile(NamedTuple):
    """A version of a file in an inbox.

    Attributes
    ----------
    path : str
        Below the inbox.
    url : str
        Absolute path of a local file, URL of any other.
    root : str
        The inbox, as `url`.
    size : int
        Bytes.
    sha256 : str
        Of its bytes, hexadecimal.
    modified : datetime
        Time of modification, UTC.
    """

    path: str
    url: str
    root: str
    size: int
    sha256: str
    modified: datetime

    def source(self) -> File:
        """The file to read, in the version that its checksum names."""
        return File(self.url, self.root, self.size, self.sha256, self.modified)


class Arrivals(NamedTuple):
    """What an inbox holds that its ledger does not know.

    Attributes
    ----------
    files : list of InboxFile
        New files and new versions, by time of modification, then path.
    touched : list of InboxFile
        Files with another time and the content that is known, in the same order. With their rows
        in the ledger they need not be read again.
    waiting : int
        Files left alone for now, as they may not be whole.
    """

    files: list[InboxFile]
    touched: list[InboxFile]
    waiting: int


def new_files(
    inbox: str | Path,
    ledger: pa.Table,
    settle_seconds: float = 5.0,
    day: date | None = None,
) -> Arrivals:
    """Files of an inbox that were not processed yet.

    Left alone for now are, on a local disk, files modified within the last `settle_seconds`, and
    Parquet files without their closing bytes until ``FOOTER_PATIENCE`` is over; everywhere files
    whose names end as in ``PARTIAL_ENDINGS``, and those that change or cannot be opened while they
    are read. Names that begin with "." or "_" are passed over.

    Parameters
    ----------
    inbox : str or Path
        Folder or URL, read with all folders in it. On an object store it may be missing.
    ledger : pyarrow.Table
        Of schema ``schemas.INBOX_FILES``; of several rows of a path the last counts, so that a
        file which got back an earlier content is new again. Its checksum is compared only where
        the size is as before and the time is not.
    settle_seconds : float
        0 for an inbox into which files are only ever renamed.
    day : date, optional
        Only files whose path below the inbox names that day: 2026-11-21, 2026/11/21, 20261121
        (a time of day may follow) or ``year=2026/month=11/day=21``.

    Raises
    ------
    InputError
        When the inbox is not a folder, or cannot be reached.
    """
    known = _known(ledger)
    unseen, waiting = [], 0
    for file in _readable(within(inbox)):
        path = _path(file)
        if day is not None and not names_day(path, day):
            continue
        if known.get(path, _NEVER)[:2] == (file.size, file.modified):
            continue
        if _is_partial(file) or not _is_settled(file, settle_seconds):
            waiting += 1
        else:
            unseen.append(file)
    found = [file for file in in_order(_checked, unseen, _READERS) if file is not None]
    found.sort(key=lambda file: (file.modified, file.path))
    is_known = {f: known.get(f.path, _NEVER)[::2] == (f.size, f.sha256) for f in found}
    return Arrivals(
        [file for file in found if not is_known[file]],
        [file for file in found if is_known[file]],
        waiting + len(unseen) - len(found),
    )


def to_ledger(files: Sequence[InboxFile]) -> pa.Table:
    """Rows of the ledger for files that were processed, in their order."""
    rows = [{name: getattr(file, name) for name in INBOX_FILES.names} for file in files]
    return pa.Table.from_pylist(rows, INBOX_FILES)


def names_day(path: str, day: date) -> bool:
    """Whether a path names the day, in one of the forms that :func:`new_files` knows."""
    plain = rf"(?<!\d)({day:%Y-%m-%d}|{day:%Y/%m/%d}|{day:%Y%m%d}(\d\d){{0,3}})(?!\d)"
    if re.search(plain, path):
        return True
    keys = partition_keys(path)
    values = [keys.get(name) or "" for name in ("year", "month", "day")]
    return all(map(str.isdecimal, values)) and [*map(int, values)] == [day.year, day.month, day.day]


def read_ids(path: str | Path) -> pa.Array:
    """Article ids of a list, such as one of take-downs.

    Parameters
    ----------
    path : str or Path
        Text in UTF-8, local or at any fsspec URL: an id per line, without the white space around
        it. Blank lines and those that begin with "#" say nothing.

    Returns
    -------
    pyarrow.Array
        Strings, each once, in the order of the lines.

    Raises
    ------
    InputError
        When the list cannot be read, or is not UTF-8.
    """
    given = str(path)
    with open_file(given) as file:
        content = file.read()
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"{error.reason} in line {line}"
        raise InputError(printable(given), "text in UTF-8", found, "write it in UTF-8") from None
    ids = dict.fromkeys(line for line in lines if line and not line.startswith("#"))
    return pa.array(list(ids), pa.string())


_NEVER = (None, None, None)


def _known(ledger: pa.Table) -> dict[str, tuple[int, datetime, str]]:
    """Size, time and checksum of the last row of each path."""
    columns = (ledger[name].to_pylist() for name in ("path", "size", "modified", "sha256"))
    rows = zip(*columns, strict=True)
    return {path: (size, modified, digest) for path, size, modified, digest in rows}


def _readable(files: Sequence[File]) -> list[File]:
    """Files of known format, and those that are being written and may become one."""
    others = [file.url for file in files if format_of(file.url) is None and not _is_partial(file)]
    if others:
        message = "%d files of unknown format under %s are passed over, such as %s"
        _log.warning(message, len(others), printable(files[0].root), printable(others[0]))
    return [file for file in files if format_of(file.url) or _is_partial(file)]


def _is_partial(file: File) -> bool:
    return file.url.lower().endswith(PARTIAL_ENDINGS)


def _path(file: File) -> str:
    return printable(file.url.removeprefix(file.root).lstrip("/"))


def _is_settled(file: File, settle_seconds: float) -> bool:
    """Whether nothing tells that the file is still being written."""
    if "://" in file.url:
        return True  # an object is there whole or not at all
    # A time somewhat ahead comes of another machine's clock; one far ahead must not wait for it.
    age = abs((datetime.now(UTC) - file.modified).total_seconds())
    if age < settle_seconds:
        return False
    return format_of(file.url) != "parquet" or age >= FOOTER_PATIENCE or _has_footer(file)


def _has_footer(file: File) -> bool:
    try:
        with open_file(file.url) as stream:
            stream.seek(max(0, file.size - len(_PARQUET_END)))
            return stream.read() == _PARQUET_END
    except (InputError, OSError):
        return False


def _checked(file: File) -> InboxFile | None:
    """The file with its checksum; None when it changed meanwhile, or cannot be opened."""
    digest, size = hashlib.sha256(), 0
    try:
        with open_file(file.url) as stream:
            while block := stream.read(_READ_BYTES):
                digest.update(block)
                size += len(block)
    except (InputError, OSError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, ConnectionError | TimeoutError) or not isinstance(cause, OSError):
            raise
        _log.warning("%s is left alone: %s", printable(file.url), printable(str(error)))
        return None
    if size != file.size:
        return None
    return InboxFile(_path(file), file.url, file.root, size, digest.hexdigest(), file.modified)
