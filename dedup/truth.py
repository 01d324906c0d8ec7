"""Gold: what is known to belong together.

Law: a truth says what it says or is refused; nothing in it is guessed, and an id stays as written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, parquet

from dedup.errors import InputError

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClusterTruth:
    """Gold clusters: which articles belong together, for all or some of the articles.

    Attributes
    ----------
    ids : pa.Array
        Article ids, n distinct strings.
    clusters : ndarray of int64, shape (n,)
        Code of each article's gold cluster, from 0.
    stories : ndarray of int64, shape (n,), or None
        Code of each article's gold story, from 0, where the truth tells.
    kinds : pa.Array or None
        Kind of edit that made each article, n strings; null where none.
    """

    ids: pa.Array
    clusters: Codes
    stories: Codes | None = None
    kinds: pa.Array | None = None

    @property
    def true_pairs(self) -> int:
        """Number of pairs of articles that share a gold cluster."""
        return pairs_touching(self.clusters, np.ones(len(self.ids), dtype=bool))

    def holds(self, low: Codes, high: Codes) -> Mask:
        """Which pairs of positions in `ids`, ``low < high``, are true pairs."""
        return self.clusters[low] == self.clusters[high]

    def level(self, column: str) -> Codes:
        """Gold to compare a column of the prediction with: stories for ``story_id``, if known."""
        return self.clusters if column != "story_id" or self.stories is None else self.stories


@dataclass(frozen=True, eq=False)
class PairTruth:
    """Gold pairs: for some pairs of articles, whether the two belong together.

    Attributes
    ----------
    ids : pa.Array
        Ids of the articles in any pair, distinct strings.
    low, high : ndarray of int64, shape (m,)
        Positions in `ids` of a pair's two articles, ``low < high``; each pair once.
    positive : ndarray of bool, shape (m,)
        Whether the two belong together.
    weight : ndarray of float64, shape (m,)
        How many pairs of its stratum a pair stands for, 0 or more; 1 where the truth is silent.
    labels : pa.Array or None
        Label of each pair as it came, m strings.
    """

    ids: pa.Array
    low: Codes
    high: Codes
    positive: Mask
    weight: NDArray[np.float64]
    labels: pa.Array | None = None

    @property
    def true_pairs(self) -> int:
        """Number of positive pairs."""
        return int(self.positive.sum())

    def holds(self, low: Codes, high: Codes) -> Mask:
        """Which pairs of positions in `ids`, ``low < high``, are true pairs."""
        n = len(self.ids)
        return np.isin(low * n + high, (self.low * n + self.high)[self.positive])


Truth = ClusterTruth | PairTruth


def pairs_touching(groups: Codes, members: Mask) -> int:
    # Of a group of n with k members: n(n-1)/2 pairs, less the (n-k)(n-k-1)/2 without a member.
    n = np.bincount(groups)
    k = np.bincount(groups[members], minlength=len(n))
    return int((k * (2 * n - k - 1) // 2).sum())


def read_truth(path: str | Path) -> Truth:
    """Read a truth from Parquet, CSV or JSON Lines, told apart by the file's name.

    Parameters
    ----------
    path : str or Path
        ``.parquet``, ``.csv``, ``.jsonl`` or ``.ndjson`` with the columns that
        :func:`truth_from_table` takes. The fields of a CSV are taken as text, an empty one as
        null.

    Raises
    ------
    InputError
        When the file cannot be read, or its columns or values make no truth.
    """
    readers = {
        ".parquet": parquet.read_table,
        ".csv": _read_csv,
        ".jsonl": _read_json_lines,
        ".ndjson": _read_json_lines,
    }
    path = Path(path)
    if path.suffix not in readers:
        raise InputError(
            str(path), "one of " + ", ".join(readers), path.suffix or "no suffix", "convert it"
        )
    try:
        table = readers[path.suffix](path)
    except OSError as error:
        problem = error.strerror or str(error)
        raise InputError(str(path), "a readable file", problem, "check the path") from None
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(str(path), f"a {path.suffix} file", str(error), "correct it") from None
    return truth_from_table(table, str(path))


def truth_from_table(table: pa.Table, subject: str = "truth") -> Truth:
    """Make a truth of a table with gold clusters or gold pairs.

    Parameters
    ----------
    table : pa.Table
        Gold clusters: ``id``, ``cluster``, and, where known, ``kind`` (of edit; null for none)
        and ``story``. Gold pairs: ``a``, ``b``, ``positive`` or ``label`` or both, and, where
        known, ``weight``. Whether a pair is positive stands in ``positive`` if there is such a
        column, otherwise in ``label``: true/false, 1/0, or single letters of which C (copy) and
        D (derived) are positive and all others negative. Other columns are not looked at.
    subject : str
        What errors call the table.

    Raises
    ------
    InputError
        When columns are missing, there are no rows, a value is null or not of its column's
        kind, an id or a pair comes twice, or a pair joins an article with itself.
    """
    columns = set(table.column_names)
    if not ({"id", "cluster"} <= columns or {"a", "b"} <= columns):
        raise InputError(
            subject,
            "columns id, cluster or a, b, label",
            f"columns {', '.join(table.column_names) or 'none'}",
            "rename the columns",
        )
    if not table.num_rows:
        raise InputError(subject, "at least one row", "none", "give a truth with rows")
    make = _cluster_truth if {"id", "cluster"} <= columns else _pair_truth
    return make(table, subject)


def _cluster_truth(table: pa.Table, subject: str) -> ClusterTruth:
    ids = filled(table, "id", subject)
    check_distinct(ids, subject, "id")
    clusters = codes(filled(table, "cluster", subject).dictionary_encode())
    stories = None
    if "story" in table.column_names:
        stories = codes(filled(table, "story", subject).dictionary_encode())
    kinds = _strings(table, "kind", subject) if "kind" in table.column_names else None
    return ClusterTruth(ids, clusters, stories, kinds)


def _pair_truth(table: pa.Table, subject: str) -> PairTruth:
    ends = pa.concat_arrays([filled(table, end, subject) for end in ("a", "b")])
    ends = ends.dictionary_encode()
    low, high = np.sort(codes(ends).reshape(2, -1), axis=0)
    if (low == high).any():
        same = ends.dictionary[int(low[low == high][0])]
        raise InputError(subject, "pairs of two articles", f"{same} with itself", "remove the row")
    check_distinct(pa.array(low * len(ends) + high), subject, "a, b")
    labels = filled(table, "label", subject) if "label" in table.column_names else None
    column = "positive" if "positive" in table.column_names else "label"
    positive = _positive(filled(table, column, subject), f"{subject}, column {column!r}")
    return PairTruth(ends.dictionary, low, high, positive, _weights(table, subject), labels)


def _positive(values: pa.Array, subject: str) -> Mask:
    words = values.dictionary_encode()
    yes_no = {"true": True, "1": True, "false": False, "0": False}
    found = [word.lower() for word in words.dictionary.to_pylist()]
    if all(word in yes_no for word in found):
        meaning = [yes_no[word] for word in found]
    # Letters without C or D are refused: Y and N, or T and F, would all read as negative.
    elif all(len(word) == 1 for word in found) and {"c", "d"} & set(found):
        meaning = [word in ("c", "d") for word in found]
    else:
        raise InputError(
            subject,
            "true/false, 1/0, or letters with C or D for positive pairs",
            ", ".join(sorted(words.dictionary.to_pylist())[:10]),
            "add a boolean column 'positive'",
        )
    return np.array(meaning, dtype=bool)[codes(words)]


def _weights(table: pa.Table, subject: str) -> NDArray[np.float64]:
    if "weight" not in table.column_names:
        return np.ones(table.num_rows)
    try:
        weights = table["weight"].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise InputError(
            f"{subject}, column 'weight'", "numbers", str(error), "correct it"
        ) from None
    wrong = weights[~(np.isfinite(weights) & (weights >= 0))]
    if wrong.size:
        raise InputError(
            f"{subject}, column 'weight'", "numbers of 0 or more", str(wrong[0]), "correct it"
        )
    return weights


def _read_csv(path: Path) -> pa.Table:
    # Never guess types: an id 007 is not 7.
    names = ("id", "cluster", "kind", "story", "a", "b", "label", "positive", "weight")
    options = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.large_string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    return csv.read_csv(path, convert_options=options)


def _read_json_lines(path: Path) -> pa.Table:
    # Not Arrow's reader, which takes an id that looks like a date for a timestamp.
    with path.open(encoding="utf-8-sig") as lines:
        rows = [_json_object(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _json_object(line: str, number: int) -> dict[str, Any]:
    # Numbers stay as written: an id of 20 digits fits neither int64 nor float64.
    try:
        row = json.loads(line, parse_int=str, parse_float=str)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise ValueError(f"no JSON object in line {number}")
    return row


def _strings(table: pa.Table, column: str, subject: str) -> pa.Array:
    if column not in table.column_names:
        found = ", ".join(table.column_names) or "none"
        raise InputError(subject, f"a column {column!r}", f"columns {found}", "rename the column")
    values = table[column]
    try:
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        return values.cast(pa.large_string()).combine_chunks()
    except pa.ArrowException:
        raise InputError(
            f"{subject}, column {column!r}", "strings", str(values.type), "convert the column"
        ) from None


def filled(table: pa.Table, column: str, subject: str) -> pa.Array:
    values = _strings(table, column, subject)
    if values.null_count:
        raise InputError(
            f"{subject}, column {column!r}",
            "a value in every row",
            f"{values.null_count} nulls",
            "fill or remove these rows",
        )
    return values


def check_distinct(values: pa.Array, subject: str, columns: str) -> None:
    repeated = len(values) - pc.count_distinct(values).as_py()
    if repeated:
        raise InputError(
            f"{subject}, {columns}", "each once", f"{repeated} repeated", "keep one row of each"
        )


def codes(encoded: pa.DictionaryArray) -> Codes:
    return encoded.indices.to_numpy().astype(np.int64)
