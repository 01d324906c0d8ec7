"""Every knob, once.

Law: a setting has one name, one unit, one range and one direction, and stands here. What changes
the result takes part in the fingerprint; what only changes how fast it comes does not.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dedup.errors import SettingsError

ALGORITHM_VERSION = 1
"""Raised whenever the same input and settings may give another result; part of the fingerprint."""


class Settings(BaseModel):
    """What a run may be told.

    Raises
    ------
    SettingsError
        From :meth:`load`, when a name is unknown or a value does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Input columns. An optional column that is absent from the input reads as null.
    id_column: str = Field("id", description="column with a unique id per article")
    text_column: str = Field("text", description="column with the article's text")
    title_column: str = Field("title", description="column with the headline; may be absent")
    source_column: str = Field("source", description="column with the outlet; may be absent")
    published_at_column: str = Field(
        "published_at", description="column with the time of publication; may be absent"
    )
    lang_column: str = Field("lang", description="column with the language; may be absent")
    url_column: str = Field("url", description="column with the address; may be absent")

    # How it is read.
    batch_rows: int = Field(
        2048, ge=1, le=1_000_000, description="rows read at a time; higher takes more memory"
    )
    shard_rows: int = Field(
        100_000, ge=1, description="rows of one unit of mapped work, where a format can be split"
    )

    # What an article is made of.
    min_tokens: int = Field(
        0, ge=0, description="tokens below which an article is rejected as too short; 0 keeps all"
    )
    shingle_size: int = Field(
        5, ge=1, le=32, description="tokens per shingle; higher makes pairs fewer and surer"
    )
    num_perm: int = Field(
        128, ge=16, le=1024, description="values per MinHash signature; higher is surer and slower"
    )
    seed: int = Field(1, ge=0, lt=2**32, description="seed of the MinHash permutations")
    sketch_scale: int = Field(
        8, ge=1, le=1024, description="one in this many shingle hashes is kept in the scaled sketch"
    )

    template_stories: int = Field(
        3,
        ge=2,
        le=255,
        description="stories of a source that make a shingle template; higher removes less",
    )
    template_articles: int = Field(
        20,
        ge=2,
        le=255,
        description="articles of a source that make it template even if alike; higher removes less",
    )
    common_stories: int = Field(
        60,
        ge=2,
        le=255,
        description="stories of all sources that make it a common phrase; higher removes less",
    )

    # Which pairs are looked at.
    similarity_floor: float = Field(
        0.2,
        gt=0,
        le=1,
        description="similarity of a kept pair and of a coherent cluster; higher keeps fewer",
    )
    shared_floor: int = Field(
        8,
        ge=1,
        description="shared shingles of a kept pair, template aside; higher keeps fewer, surer",
    )
    recall_at_floor: float = Field(
        0.9,
        gt=0,
        lt=1,
        description="share of pairs at a Jaccard of similarity_floor to be found; higher is slower",
    )
    sketch_shared: int = Field(
        2, ge=1, description="sketch hashes two articles must share; higher makes candidates fewer"
    )
    bucket_cap: int = Field(
        100,
        ge=2,
        description="largest bucket paired out in full; higher is surer and slower",
    )

    # What becomes a cluster.
    version_floor: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Jaccard of two versions of one story, where template is counted",
    )
    component_limit: int = Field(
        400,
        ge=2,
        le=10_000,
        description="largest component compared all with all; higher is surer, slower",
    )
    lead_minutes: float = Field(
        15,
        ge=0,
        description="minutes after the first in which a fuller version may lead",
    )

    threads: int = Field(
        0, ge=0, le=1024, description="threads of one process; 0 takes one per core"
    )
    keep_runs: int = Field(5, ge=1, description="complete runs kept under the output folder")

    @classmethod
    def load(cls, file: Path | None = None, changes: Sequence[str] = ()) -> Settings:
        """Settings from a TOML file, changed by ``name=value`` words; defaults fill the rest.

        Parameters
        ----------
        file : Path, optional
            TOML file with settings at its top level.
        changes : sequence of str
            ``name=value`` each; they win over the file.

        Raises
        ------
        SettingsError
            When the file cannot be read, a name is unknown or a value is out of range.
        """
        values: dict[str, Any] = _read_toml(file) if file else {}
        for change in changes:
            name, equals, value = change.partition("=")
            if not equals:
                raise SettingsError(
                    f"setting {change!r}", "name=value", "no '='", "write for example seed=7"
                )
            values[name.strip()] = value.strip()
        return cls.checked(values)

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from names and values, with this library's errors instead of pydantic's."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise SettingsError(
                    f"setting {name!r}", f"one of {known}", "an unknown name", "correct the name"
                ) from None
            raise SettingsError(
                f"setting {name!r}",
                first["msg"].removeprefix("Input should be "),
                repr(first["input"]),
                "correct the value",
            ) from None

    def fingerprint(self) -> str:
        """Hexadecimal digest, 16 characters, of everything that changes the result."""
        values = self.model_dump(exclude=_WITHOUT_EFFECT)
        canonical = json.dumps([ALGORITHM_VERSION, values], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


_WITHOUT_EFFECT = {"batch_rows", "shard_rows", "threads", "keep_runs"}


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            str(file), "a readable TOML file", error.strerror or str(error), "check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(file), "TOML", str(error), "correct the file") from None
