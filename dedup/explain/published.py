"""What the run published of two articles.

Law: nothing is counted again here; a row says what it says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.errors import InputError
from dedup.explain.answer import Pair
from dedup.explain.remembered import Remembered
from dedup.pipeline.evidence import first_hours, only_outlets
from dedup.settings import Settings
from dedup.stages import template
from dedup.store import Result

Row = Mapping[str, Any]


class Versions(NamedTuple):
    """The two texts as the run compared them, each once for all articles that have it.

    Attributes
    ----------
    rows : list of mapping
        Of clusters: of each the article that stands for all in pairs and candidates, the one of the
        smallest id; often the only one.
    hours : ndarray of float64, shape (2,)
    outlets : ndarray of int64, shape (2,)
        As `verify.Evidence` has them.
    templates : list of ndarray of uint64
        Hashes of the shingles that are template in each one's outlet, of several the one that had
        the text first; common phrases where that is unknown.
    remembered : Remembered or None
        What an incremental run remembers of them; None of any other.
    """

    rows: list[Row]
    hours: np.ndarray
    outlets: np.ndarray
    templates: list[np.ndarray]
    remembered: Remembered | None = None


def cluster_row(run: Result, article_id: str) -> Row:
    """An article's row in clusters.

    Raises
    ------
    InputError
        When there is none; it says what became of the article.
    """
    row = _first(run.clusters, article_id=article_id)
    if row is None:
        expected, got = f"an article of run {run.info['run_id']}", _fate(run, article_id)
        raise InputError(f"article {article_id!r}", expected, got, "name another")
    return row


def _fate(run: Result, article_id: str) -> str:
    """What became of an article that is not in clusters."""
    left = _first(run.lineage, article_id=article_id, reason="retraction")
    out_of = f", out of cluster {left['cluster_id']} by run {left['run_id']}" if left else ""
    if _first(run.rejects, article_id=article_id, reason="retracted"):
        return f"one that was taken down{out_of}"
    if reject := _first(run.rejects, article_id=article_id):
        return f"a row left out as {reject['reason']} ({reject['detail'] or reject['file']})"
    return f"one that is gone{out_of}" if left else "no such id"


def versions(run: Result, rows: tuple[Row, Row], settings: Settings) -> Versions:
    """The texts of two articles, given their rows in clusters."""
    articles = [_alike(run, row) for row in rows]
    numbers = np.repeat([0, 1], [table.num_rows for table in articles])
    both = pa.concat_tables(articles).combine_chunks()
    sources, corpus = (table["source"].combine_chunks() for table in (both, run.clusters))
    return Versions(
        rows=[table.slice(0, 1).to_pylist()[0] for table in articles],
        hours=first_hours(both["published_at"], numbers),
        outlets=only_outlets(sources, numbers, corpus, settings),
        templates=[_template(run, _first_source(table)) for table in articles],
    )


def _alike(run: Result, row: Row) -> pa.Table:
    """Rows in clusters of the articles that have an article's text; first that of all others."""
    identical = run.pairs.filter(pc.equal(run.pairs["relation"], "identical"))
    pair = _first(identical, right_id=row["article_id"])
    first = pair["left_id"] if pair else row["article_id"]
    same = identical.filter(pc.equal(identical["left_id"], first))["right_id"]
    ids = pa.array([first, *same.to_pylist()])
    # In pairs the article of the smallest id stands for all.
    return run.clusters.filter(pc.is_in(run.clusters["article_id"], ids)).sort_by("article_id")


def _first_source(alike: pa.Table) -> str | None:
    """Source of the article published first: undated ones last, of equal ones the smaller id."""
    order = [("published_at", "ascending"), ("article_id", "ascending")]
    source: str | None = alike.sort_by(order)["source"][0].as_py()
    return source


def kept_pair(run: Result, rows: tuple[Row, Row], stand_ins: list[Row]) -> Pair | None:
    """Scores of two articles, given their rows in clusters; None when the run kept none."""
    first, second = (row["article_id"] for row in stand_ins)
    ids = rows[0]["article_id"], rows[1]["article_id"]
    if first == second:
        whole = dict.fromkeys(Pair.__dataclass_fields__, 1.0) | {"relation": "identical"}
        return _pair(whole | {"shared_shingles": rows[0]["shingles"]}, ids)
    row = _first(run.pairs, left_id=min(first, second), right_id=max(first, second))
    return _pair(row if first < second else _turned(row), ids) if row else None


def was_proposed(run: Result, stand_ins: list[Row]) -> bool:
    """Whether a search of this run proposed the two texts, or they are one."""
    first, second = sorted(row["article_id"] for row in stand_ins)
    return first == second or bool(_first(run.candidates, left_id=first, right_id=second))


def path(run: Result, left: Row, right: Row) -> tuple[Pair, ...]:
    """Fewest kept pairs from left to right; of several ways that by the lead, then by the likest.

    Breadth first; empty when there is no way, as in a giant cluster whose pairs were not all kept.
    """
    rows = run.pairs.filter(pc.equal(run.pairs["cluster_id"], left["cluster_id"])).to_pylist()
    neighbours: dict[str, list[Pair]] = {}
    for row in rows:
        for end in (row, _turned(row)):
            pair = _pair(end, (end["left_id"], end["right_id"]))
            neighbours.setdefault(pair.left_id, []).append(pair)
    start, goal, lead = left["article_id"], right["article_id"], left["lead_id"]
    came_by: dict[str, Pair | None] = {start: None}
    waiting = deque([start])
    while waiting and goal not in came_by:
        for pair in sorted(neighbours.get(waiting.popleft(), []), key=_by_preference(lead)):
            if pair.right_id not in came_by:
                came_by[pair.right_id] = pair
                waiting.append(pair.right_id)
    return _back(came_by, goal)


def _by_preference(lead: str) -> Callable[[Pair], Any]:
    return lambda pair: (pair.right_id != lead, -pair.similarity, pair.right_id)


def _back(came_by: Mapping[str, Pair | None], goal: str) -> tuple[Pair, ...]:
    steps: list[Pair] = []
    while pair := came_by.get(goal):
        steps.append(pair)
        goal = pair.left_id
    return tuple(reversed(steps))


def _turned(row: Row) -> Row:
    """A row of pairs with its ends exchanged."""
    return {
        **row,
        "left_id": row["right_id"],
        "right_id": row["left_id"],
        "containment_left": row["containment_right"],
        "containment_right": row["containment_left"],
    }


def _pair(row: Row, ids: tuple[str, str]) -> Pair:
    """A row of pairs under the ids given."""
    facts = {name: row[name] for name in Pair.__dataclass_fields__}
    return Pair(**facts | {"left_id": ids[0], "right_id": ids[1]})


def _first(table: pa.Table, **values: str) -> Row | None:
    """The first row that has the given values."""
    for column, value in values.items():
        table = table.filter(pc.equal(table[column], value))
    rows = table.slice(0, 1).to_pylist()
    return rows[0] if rows else None


def _template(run: Result, source: str | None) -> np.ndarray:
    """Hashes of the shingles that are template in an outlet, however its name is spelt there.

    Of an unknown one these are the phrases common to all.
    """
    sources = run.template["source"]
    if source is None:
        here = pc.is_null(sources)
    else:
        names = sources.unique().drop_null().to_pylist()
        same = [name for name in names if template.outlet(name) == template.outlet(source)]
        here = pc.is_in(sources, pa.array(same, pa.string()))
    return run.template.filter(here)["shingle"].to_numpy()
