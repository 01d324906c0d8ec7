"""Labelled sets: what there is to measure on, and at which level.

Law: what a truth speaks of follows from its file's name and columns alone, so a set that nobody has
seen is read by the same rule, and no setting belongs to a set.

- A set is a folder with `articles.parquet` and one or more truths: files `gold_pairs*` or `truth*`
  in Parquet, CSV or JSON Lines, as `dedup.truth` reads them.
- A truth with a word of `STORY_WORDS` in its file's name tells stories and is compared with
  `story_id`; any other tells copies and is compared with `cluster_id`.
- A truth of copies with a column `story` tells both, and is measured at both levels.
- Label files are CSV with `set, a, b, label, positive, weight`: pairs of copies of several sets, by
  the names of the sets' folders. They make a set of a folder that has no truth of its own.
- Made sets come from `dedup.synth`, by number of articles and seed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from dedup import synth
from dedup.errors import InputError
from dedup.truth import ClusterTruth, PairTruth, Truth, read_truth, truth_from_table

STORY_WORDS = {"claim", "claims", "event", "events", "story", "stories", "topic", "topics"}
TRUTH_NAMES, TRUTH_SUFFIXES = ("gold_pairs", "truth"), {".parquet", ".csv", ".jsonl", ".ndjson"}

POSITIVE_LABELS = ("C", "D")

_LABEL_COLUMNS = ("set", "a", "b", "label", "positive", "weight")


@dataclass(frozen=True, eq=False)
class Gold:
    """A truth of a set, and the column of the prediction it is compared with.

    Attributes
    ----------
    name : str
        The truth file's name without suffix; ``NAME:story`` for the stories of a truth that also
        tells copies, ``labels:NAME`` for a label file.
    truth : ClusterTruth or PairTruth
    column : str
        ``cluster_id`` or ``story_id``.
    """

    name: str
    truth: Truth
    column: str

    @property
    def headline(self) -> tuple[str, ...]:
        """The figures that stand for all others."""
        if isinstance(self.truth, PairTruth):
            return ("weighted_f1",)
        if self.column == "story_id":
            return ("bcubed_f1",)
        kinds = self.truth.kinds
        if kinds is not None and pc.any(pc.equal(kinds, "bulletin")).as_py():
            return ("f1", "wrong_bulletin_pairs")
        return ("f1", "recall")


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """A folder of articles with what is known of them.

    Attributes
    ----------
    name : str
        Path of the folder below the data folder.
    articles : Path
    golds : list of Gold
    made : bool
        Whether it comes from `dedup.synth`.
    """

    name: str
    articles: Path
    golds: list[Gold] = field(default_factory=list)
    made: bool = False


def find(data: Path, labels: Mapping[str, Sequence[Gold]]) -> list[LabelledSet]:
    """Labelled sets below a folder, by name.

    Parameters
    ----------
    data : Path
        Folder with sets at any depth.
    labels : mapping of str to sequence of Gold
        As :func:`read_labels` gives them.

    Raises
    ------
    InputError
        When the folder has no labelled set, or a truth cannot be read.
    """
    sets = []
    for articles in sorted(data.rglob("articles.parquet")):
        name = articles.parent.relative_to(data).as_posix()
        golds = [*_golds(articles.parent), *labels.get(name, [])]
        if golds:
            sets.append(LabelledSet(name, articles, golds))
    if not sets:
        raise InputError(
            str(data), "folders with articles.parquet and a truth", "none", "name another folder"
        )
    return sets


def make(articles: int, seeds: Iterable[int], scratch: Path) -> list[LabelledSet]:
    """Made sets of so many articles, one for each seed."""
    sets = []
    for seed in seeds:
        name = f"synth_{articles}_seed{seed}"
        synth.write(articles, seed, scratch / name)
        golds = _golds(scratch / name)
        sets.append(LabelledSet(name, scratch / name / "articles.parquet", golds, made=True))
    return sets


def levels(name: str, truth: Truth) -> list[Gold]:
    """A truth at each level that it speaks of."""
    if STORY_WORDS & set(re.split(r"[^a-z]+", name.lower())):
        return [Gold(name, truth, "story_id")]
    golds = [Gold(name, truth, "cluster_id")]
    if isinstance(truth, ClusterTruth) and truth.stories is not None:
        stories = replace(truth, clusters=truth.stories, stories=None, kinds=None)
        golds.append(Gold(f"{name}:story", stories, "story_id"))
    return golds


def read_labels(folder: Path) -> dict[str, list[Gold]]:
    """Pairs of all label files in a folder, by set; none when there is no folder.

    Raises
    ------
    InputError
        When a file is no CSV with the columns, or calls a label other than C and D positive, or
        one of them negative.
    """
    found: dict[str, list[Gold]] = {}
    for path in sorted(folder.glob("*.csv")):
        table = _label_table(path)
        for name in sorted(set(table["set"].to_pylist())):
            rows = table.filter(pc.equal(table["set"], name))
            truth = truth_from_table(rows, f"{path}, set {name!r}")
            _check_labels(truth, path)
            found.setdefault(name, []).append(Gold(f"labels:{path.stem}", truth, "cluster_id"))
    return found


def _golds(folder: Path) -> list[Gold]:
    paths = [
        path
        for path in sorted(folder.iterdir())
        if path.name.startswith(TRUTH_NAMES) and path.suffix in TRUTH_SUFFIXES
    ]
    _refuse_twins(paths)
    return [gold for path in paths for gold in levels(path.stem, read_truth(path))]


def _refuse_twins(paths: Sequence[Path]) -> None:
    names = [path.stem for path in paths]
    twins = [str(path) for path in paths if names.count(path.stem) > 1]
    if twins:
        raise InputError(twins[0], "one truth of a name", ", ".join(twins), "rename one")


def _check_labels(truth: Truth, path: Path) -> None:
    assert isinstance(truth, PairTruth) and truth.labels is not None
    for label, positive in zip(truth.labels.to_pylist(), truth.positive.tolist(), strict=True):
        if (label in POSITIVE_LABELS) != positive:
            expected = f"positive for {' and '.join(POSITIVE_LABELS)} only"
            raise InputError(str(path), expected, f"{label} with {positive}", "correct the row")


def _label_table(path: Path) -> pa.Table:
    # Never guess types: an id 007 is not 7.
    options = csv.ConvertOptions(column_types=dict.fromkeys(_LABEL_COLUMNS, pa.large_string()))
    try:
        table = csv.read_csv(path, convert_options=options)
    except pa.ArrowException as error:
        raise InputError(str(path), "a CSV file", str(error), "correct it") from None
    missing = set(_LABEL_COLUMNS) - set(table.column_names)
    if missing:
        raise InputError(
            str(path),
            f"columns {', '.join(_LABEL_COLUMNS)}",
            f"columns {', '.join(table.column_names)}",
            "add the columns",
        )
    return table
