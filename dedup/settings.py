"""Every knob, once.

Law: a setting has one name, one unit, one range and one direction, and stands here. What changes
the result takes part in the fingerprint; what only changes how fast it comes does not.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from dedup import machine
from dedup.errors import SettingsError

ALGORITHM_VERSION = 5
"""Raised whenever the same input and settings may give another result; part of the fingerprint."""


class Profile(NamedTuple):
    """What an article is compared by.

    Attributes
    ----------
    gram : int
        Characters per token in scripts with spaces; 0 leaves their words whole.
    quotes : bool
        Whether quotation marks are what they look like.
    follow_ups : bool
        Whether what an outlet repeats in a later story is taken for background; else for a notice
        that is printed again.
    late_weight : float
        What is left of the similarity of two articles published days apart, 0 to 1.
    repeats : int
        What `template_stories` and `template_articles` are multiplied by; higher removes less.
    share : float
        Share of a source's articles, or of all, that must hold a shingle as well for it to be
        template, or a common phrase; higher removes less.
    scale : int
        What `sketch_scale` is multiplied by; as many times more shingles there are than with words,
        so that sketches stay as large.
    cohesion : float
        Share of the floor that the mean similarity between two groups must reach for them to join,
        0 to 1; higher gives more, tighter clusters.
    """

    gram: int
    quotes: bool
    follow_ups: bool
    late_weight: float
    repeats: int
    share: float
    scale: int
    cohesion: float


PROFILES = {
    # A brief and a cut version of one story may share nothing, and a rewrite little with either: so
    # groups cohere well below the floor that a pair must reach.
    "words": Profile(
        gram=0,
        quotes=True,
        follow_ups=True,
        late_weight=0.45,
        repeats=1,
        share=0.0,
        scale=1,
        cohesion=0.6,
    ),
    # Five tokens of four characters are eight characters. These recur by chance where five words
    # do not, the more the more articles there are; and what is misread repeats as other shingles,
    # so that versions of one story count as several. Specks are read as quotation marks. Old papers
    # print a notice again for weeks.
    "ocr": Profile(
        gram=4,
        quotes=False,
        follow_ups=False,
        late_weight=0.6,
        repeats=2,
        share=1 / 150,
        scale=4,
        cohesion=0.8,
    ),
}
"""Representations by the name that `Settings.profile` knows them by."""


class Knobs(BaseModel):
    """What can be set by a file, by ``name=value`` words and by a form.

    Raises
    ------
    SettingsError
        From :meth:`load`, when a name is unknown or a value does not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def load(cls, file: Path | None = None, changes: Sequence[str] = ()) -> Self:
        """Values from a TOML file, changed by ``name=value`` words; defaults fill the rest.

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
    def checked(cls, values: Mapping[str, Any]) -> Self:
        """From names and values, with this library's errors instead of pydantic's."""
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


_UNITS = {
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SIZE = re.compile(rf"(\d{{1,15}}(?:\.\d+)?) ?({'|'.join(_UNITS)})")


def _bytes(size: str) -> int:
    """Bytes of ``4GB``, ``512MiB`` and the like, or of 0."""
    given = _SIZE.fullmatch(size)
    if not given and size != "0":
        units = ", ".join(_UNITS)
        raise PydanticCustomError("size", "0, or a number and one of {units}", {"units": units})
    return int(float(given[1]) * _UNITS[given[2]]) if given else 0


def _size(text: str) -> str:
    _bytes(text)
    return text


def _local(folder: str) -> str:
    if "://" in folder:
        raise PydanticCustomError("local", "a folder on a local disk")
    return folder


class Settings(Knobs):
    """What a run may be told."""

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
    profile: Literal["words", "ocr"] = Field(
        "words",
        description="what tokens are: words, or character n-grams where OCR has broken the words",
    )
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
        14,
        ge=2,
        le=255,
        description="articles of a source that make it template even if alike; higher removes less",
    )
    common_stories: int = Field(
        60,
        ge=2,
        le=255,
        description="stories of all sources that make it template where the source is unknown; "
        "higher removes less",
    )

    # Which pairs are looked at.
    similarity_floor: float = Field(
        0.28,
        gt=0,
        le=1,
        description="similarity of a kept pair and of a coherent cluster; higher keeps fewer",
    )
    shared_floor: int = Field(
        4,
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
        32,
        ge=2,
        description="members of a bucket, the earliest, that are paired with all of it; higher is "
        "surer and slower",
    )
    rarity: Literal["corpus", "language"] = Field(
        "corpus",
        description="what makes a word rare: the corpus at hand, or the language at large, which "
        "never changes",
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
    story_floor: float = Field(
        0.08,
        gt=0.03,
        le=1,
        description="mean cosine of two groups of reports of one story; higher splits stories",
    )
    story_hours: float = Field(
        48,
        ge=0,
        description="hours that the first publications of a story's clusters may span; without "
        "dates there is no window",
    )
    lead_minutes: float = Field(
        15,
        ge=0,
        description="minutes after the first in which a fuller version may lead",
    )

    # What incremental runs remember.
    window_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="days between two articles that an incremental run compares, at most",
    )
    late_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="days after which an article comes too late to be compared with all it should; "
        "higher remembers longer",
    )

    # What a run may take of the machine.
    threads: int = Field(
        0, ge=0, le=1024, description="threads of one process; 0 takes one per core"
    )
    memory: Annotated[str, AfterValidator(_size)] = Field(
        "0",
        coerce_numbers_to_str=True,
        description="memory of one process, as 4GB or 512MiB; 0 takes half of what there is, lower "
        "is slower",
    )
    scratch: Annotated[str, AfterValidator(_local)] = Field(
        "",
        description="folder for intermediate files; empty is beside a local output, else the "
        "system's temporary folder",
    )
    keep_runs: int = Field(5, ge=1, description="complete runs kept under the output folder")

    @property
    def representation(self) -> Profile:
        """What the profile stands for."""
        return PROFILES[self.profile]

    @property
    def memory_bytes(self) -> int:
        """Bytes of `memory`, or half of what this process may use of its machine."""
        return _bytes(self.memory) or machine.memory() // 2

    def fingerprint(self) -> str:
        """Hexadecimal digest, 16 characters, of everything that changes the result."""
        values = self.model_dump(exclude=_WITHOUT_EFFECT)
        canonical = json.dumps([ALGORITHM_VERSION, values], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


_WITHOUT_EFFECT = {"batch_rows", "shard_rows", "threads", "memory", "scratch", "keep_runs"}


class Limits(Knobs):
    """What lets a run be published: past a limit it fails, and its output stays the run before."""

    input_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of the usual rows (median of the runs before) that must come; higher is "
        "stricter, 0 switches off",
    )
    least_runs: int = Field(
        24, ge=1, le=100, description="runs before that tell what is usual; with fewer none is"
    )
    rejects_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of the rows that may be rejected as bad; lower is stricter, 1 switches "
        "off",
    )
    cluster_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the new articles that one cluster may take, where there are 50 or "
        "more; lower is stricter, 1 switches off",
    )
    silence_hours: float = Field(
        6,
        ge=0,
        description="hours since the last run that found something new after which finding nothing "
        "is a failure; lower is stricter, 0 switches off",
    )


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            str(file), "a readable TOML file", error.strerror or str(error), "check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(file), "TOML", str(error), "correct the file") from None
