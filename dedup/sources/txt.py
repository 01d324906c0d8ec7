"""Folders of text files.

Law: a file is one row, its id the path below the folder without ``.txt``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from dedup.errors import InputError
from dedup.settings import Settings
from dedup.sources.files import File, open_file, partition_keys, printable
from dedup.sources.records import BROKEN, Record, broken_off, record_batches
from dedup.sources.rows import Batch, Fault, column_names
from dedup.sources.shards import Shard

SHARD_TEXTS = 10_000
"""Text files of one shard, at most."""

_READERS = 8
_READ_AHEAD = 32


def plan(files: Sequence[tuple[int, File]]) -> list[Shard]:
    """Shards of up to ``SHARD_TEXTS`` files of one folder.

    Parameters
    ----------
    files : sequence of (int, File)
        Each with its position among the inputs, ascending.
    """
    shards = []
    by_root = sorted(files, key=lambda entry: (entry[1].root, entry[0]))
    for root, group in groupby(by_root, key=lambda entry: entry[1].root):
        members = list(group)
        for begin in range(0, len(members), SHARD_TEXTS):
            shards.append(_shard(root, members[begin : begin + SHARD_TEXTS]))
    return shards


def _shard(root: str, members: Sequence[tuple[int, File]]) -> Shard:
    files = [file for _, file in members]
    texts = tuple(file.url.removeprefix(root).lstrip("/") for file in files)
    seen = "\n".join(f"{file.url} {file.version}" for file in files)
    version = hashlib.sha256(seen.encode("utf-8", "backslashreplace")).hexdigest()
    return Shard(root, members[0][0], sum(file.size for file in files), version, texts=texts)


def read(shard: Shard, settings: Settings) -> Iterator[Batch]:
    """Batches of the files' articles and rejects."""
    return record_batches(_records(shard, settings), settings)


def _records(shard: Shard, settings: Settings) -> Iterator[Record | Fault]:
    with ThreadPoolExecutor(_READERS) as pool:
        for begin in range(0, len(shard.texts), _READ_AHEAD):
            texts = shard.texts[begin : begin + _READ_AHEAD]
            urls = [f"{shard.file}/{text}" for text in texts]
            for text, url, content in zip(texts, urls, pool.map(_content, urls), strict=True):
                if isinstance(content, Exception):
                    yield broken_off(printable(url), None, content)
                else:
                    yield _record(text, url, content, settings)


def _content(url: str) -> bytes | Exception:
    try:
        with open_file(url) as file:
            return file.read()
    except (InputError, *BROKEN) as error:
        return error


def _record(path: str, url: str, content: bytes, settings: Settings) -> Record:
    keys = partition_keys(url)
    values = {role: keys.get(name) for role, name in column_names(settings).items()}
    values["article_id"] = printable(path[: -len(".txt")])
    values["text"] = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return Record(printable(url), 0, len(content), list(values.values()))
