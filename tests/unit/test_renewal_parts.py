"""Parts of a run: those that change are written, the others are those of the run before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dedup.pipeline.renewal import parts
from dedup.pipeline.renewal.parts import (
    Change,
    Published,
    appended,
    changed,
    day_names,
    lost,
    relabelled,
    without,
)
from dedup.schemas import CLUSTERS, LINEAGE, PAIRS, REJECTS, SUMMARY, TOLD
from dedup.store import Kept, Store

DAYS = [datetime(2024, 3, day, tzinfo=UTC) for day in (1, 2, 3)]
NAMES = ["day-2024-03-01", "day-2024-03-02", "day-2024-03-03"]
NOTHING = CLUSTERS.empty_table()
_FILLED: dict[pa.DataType, Any] = {
    **dict.fromkeys((pa.float32(), pa.int32(), pa.int64()), 1),
    **dict.fromkeys((pa.string(), pa.large_string()), "x"),
    pa.bool_(): True,
}


def table(schema: pa.Schema, *rows: dict[str, Any]) -> pa.Table:
    filled = {field.name: _FILLED.get(field.type) for field in schema if not field.nullable}
    return pa.Table.from_pylist([{**filled, **row} for row in rows], schema)


def article(name: str, cluster: str, at: datetime | None, story: str = "s") -> dict[str, Any]:
    return {"article_id": name, "cluster_id": cluster, "story_id": story, "published_at": at}


def reject(name: str, reason: str) -> dict[str, Any]:
    return {"article_id": name, "reason": reason}


@pytest.fixture
def published(tmp_path: Path) -> Published:
    store = Store(tmp_path)
    tables = {
        "clusters": {
            NAMES[0]: table(CLUSTERS, article("a", "a", DAYS[0]), article("b", "b", DAYS[0])),
            NAMES[1]: table(CLUSTERS, article("c", "a", DAYS[1]), article("e", "e", DAYS[1])),
            "undated": table(CLUSTERS, article("d", "d", None)),
        },
        "pairs": {NAMES[0]: table(PAIRS, {"left_id": "a", "right_id": "c"})},
        "rejects": {
            "part-00000": table(REJECTS, reject("a", "superseded"), reject("z", "null_id")),
            "part-00001": table(REJECTS, reject("b", "superseded"), reject("a", "empty_text")),
        },
        "lineage": {"part-00000": table(LINEAGE, {"cluster_id": "old"})},
        "summary": {},
    }
    store.publish("r1", tables, {"counts": {"rows": 7}}, 5)
    return Published(store, "r1")


def told(**stories: str) -> pa.Table:
    rows = ({"cluster_id": c, "story_id": s, "first": 0.0} for c, s in stories.items())
    return table(TOLD, *rows)


def change(gone: list[str], new: pa.Table, touched: set[str]) -> Change:
    places = day_names(new["published_at"])
    return Change("clusters", ("article_id",), pa.array(gone, pa.string()), new, places, touched)


def test_only_the_days_that_change_are_written(published: Published) -> None:
    new = table(CLUSTERS, article("c", "c", DAYS[2]), article("f", "b", DAYS[0], "t"))
    found = changed(published, change(["c"], new, {NAMES[1]}), told(b="t", c="s"), NOTHING)
    assert {name: isinstance(part, Kept) for name, part in found.items()} == {
        NAMES[0]: False,
        NAMES[1]: False,
        NAMES[2]: False,
        "undated": True,
    }
    assert found["undated"] == Kept("r1", "clusters/undated.parquet")
    rows = published.table("clusters", dict(sorted(found.items()))).to_pylist()
    assert [(row["article_id"], row["cluster_id"], row["story_id"]) for row in rows] == [
        ("a", "a", "s"),
        ("b", "b", "t"),  # untouched, but its cluster is told otherwise
        ("f", "b", "t"),
        ("e", "e", "s"),
        ("c", "c", "s"),
        ("d", "d", "s"),
    ]
    assert [published.size(found[name]) for name in (*NAMES, "undated")] == [3, 1, 1, 1]


def test_a_day_without_rows_has_no_part(published: Published) -> None:
    found = changed(published, change(["d"], NOTHING, {"undated"}), told(), NOTHING)
    assert list(found) == NAMES[:2]
    found = changed(
        published, change(list("abcde"), NOTHING, {*NAMES[:2], "undated"}), told(), NOTHING
    )
    assert list(found) == ["part-00000"]  # readers of the folder find the columns
    assert found["part-00000"] == NOTHING


def test_a_pair_goes_with_either_end(published: Published) -> None:
    nothing, nowhere = PAIRS.empty_table(), np.array([], str)
    for gone, left in ((["a"], 0), (["c"], 0), (["b"], 1)):
        ends = ("left_id", "right_id")
        change = Change("pairs", ends, pa.array(gone), nothing, nowhere, {NAMES[0]})
        rows = published.table("pairs", changed(published, change, told(), NOTHING))
        assert rows.num_rows == left


def test_what_was_forgotten_and_came_again_is_lost(published: Published) -> None:
    """Its row goes, and what is left of its cluster there is smaller."""
    day = (DAYS[0] - datetime(1970, 1, 1, tzinfo=UTC)).days
    missing = lost(published, {"b": day, "nobody": day, "c": day})  # that one is of another day
    assert missing["article_id"].to_pylist() == ["b"]
    rows = table(CLUSTERS, article("a", "b", DAYS[0]), article("e", "e", DAYS[0]))
    rows = rows.set_column(3, CLUSTERS.field(3), pa.array([2, 1], pa.int32()))
    assert without(rows, missing)["cluster_size"].to_pylist() == [1, 1]
    leads = [("b", "b", 3), ("e", "e", 2)]
    told_of = [{"cluster_id": c, "lead_id": x, "size": n, "lead_title": "t"} for c, x, n in leads]
    left = without(table(SUMMARY, *told_of), missing).to_pylist()
    assert [(row["size"], row["lead_title"]) for row in left] == [(2, None), (2, "t")]
    assert without(table(SUMMARY, {**told_of[0], "size": 2}), missing).num_rows == 0


def test_what_grows_gets_another_part_when_one_is_full(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = table(LINEAGE, {"cluster_id": "new"})
    found = appended(published, "lineage", new)
    assert published.table("lineage", found)["cluster_id"].to_pylist() == ["old", "new"]
    assert list(found) == ["part-00000"]
    same = appended(published, "lineage", LINEAGE.empty_table())
    assert same == {"part-00000": Kept("r1", "lineage/part-00000.parquet")}
    monkeypatch.setattr(parts, "_MOST_ROWS", 1)
    found = appended(published, "lineage", new)
    assert [isinstance(part, Kept) for part in found.values()] == [True, False]
    assert published.table("lineage", found)["cluster_id"].to_pylist() == ["old", "new"]
    first = appended(published, "summary", SUMMARY.empty_table())
    assert list(first) == ["part-00000"] and isinstance(first["part-00000"], pa.Table)


def test_rejects_say_what_was_taken_down_since(published: Published) -> None:
    new = table(REJECTS, reject("c", "superseded"), reject("b", "superseded"))
    before = appended(published, "rejects", new)
    found = relabelled(published, before, pa.array(["a", "c"]))
    columns = (published.table("rejects", found)[name].to_pylist() for name in REJECTS.names[1:3])
    assert list(zip(*columns, strict=True)) == [
        ("a", "retracted"),
        ("z", "null_id"),
        ("b", "superseded"),
        ("a", "empty_text"),
        ("c", "retracted"),
        ("b", "superseded"),
    ]
    # One that says so already is carried over.
    kept = relabelled(published, appended(published, "rejects", new.slice(0, 0)), pa.array(["z"]))
    assert all(isinstance(part, Kept) for part in kept.values())


def test_what_is_not_gone_on_from_has_no_parts(published: Published, tmp_path: Path) -> None:
    anew = Published(Store(tmp_path), "r1", {"lineage"})
    assert list(anew.kept("lineage")) == ["part-00000"]
    assert anew.kept("clusters") == {} and anew.rows("clusters", NAMES[0]).num_rows == 0
    nobody = Published(Store(tmp_path), None)
    assert nobody.kept("lineage") == {} and nobody.count("rows") == 0
    assert published.count("rows") == 7


def test_parts_are_named_after_days() -> None:
    times = pa.chunked_array([[DAYS[0].replace(hour=23), None]], pa.timestamp("us", "UTC"))
    assert day_names(times).tolist() == [NAMES[0], "undated"]
    assert day_names(times.slice(0, 0)).tolist() == []
