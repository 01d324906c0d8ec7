"""Units of mapped work.

Law: the shards of a plan, in order, hold every row of the inputs once; they are plain data, so
they travel between processes as JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Part of the inputs that is read in one go.

    Attributes
    ----------
    file : str
        Absolute path or URL of the file; of text files, of the folder they lie in.
    position : int
        Zero-based place of the file among the inputs.
    size : int
        Bytes it takes in storage, about.
    version : str
        Differs when the content of `file`, or of `texts`, does.
    first_row : int
        Zero-based position in the file of its first row.
    row_groups : tuple of int, optional
        Of a Parquet file, the row groups it holds, ascending.
    texts : tuple of str
        Of text files, their paths below `file`.
    fault : str, optional
        Why not one row of `file` can be read; then all of it is one reject.
    """

    file: str
    position: int
    size: int
    version: str
    first_row: int = 0
    row_groups: tuple[int, ...] | None = None
    texts: tuple[str, ...] = ()
    fault: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON has them; ``Shard(**fields)`` gives the shard back."""
        return asdict(self)


def fingerprint(shards: Iterable[Shard]) -> str:
    """Hexadecimal digest, 16 characters, of which files are read and in which version.

    It does not depend on how files are cut into shards, nor read their content: a file that is
    written again with the same content counts as changed.
    """
    digest = hashlib.sha256()
    for file, version in sorted({(shard.file, shard.version) for shard in shards}):
        digest.update(f"{file}\n{version}\n".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:16]
