"""Second verb: articles in the order of their ids, texts in the order of publication.

Law: articles are put in the order of their ids before anything looks at them, so the order in which
they came decides nothing but which of two articles with one id is kept.

What is made here takes some hundred bytes an article; the texts themselves stay where they lie.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.numbering import inverse, number
from dedup.pipeline import evidence, exchange
from dedup.pipeline.furniture import outlets
from dedup.ragged import Stored
from dedup.schemas import DISTINCT, FORMS, MATCHED, REJECTS, SIGNED, SKETCHES
from dedup.settings import Settings
from dedup.stages import candidates
from dedup.threads import in_order, spans
from dedup.workspace import Workspace


def order(settings: Settings, work: Workspace) -> dict[str, Any]:
    """Order the articles of all signed shards; the tables lie in the workspace after.

    Returns
    -------
    dict
        Count of ``distinct`` texts.
    """
    distinct = _texts(settings, work)
    work.release()  # the sketches come next, which take most
    places = work.read("texts")["place"].to_numpy()
    sketches = Stored(work.read_all("sketches-", SKETCHES)["sketch"])
    work.write_table("versions", _versions(work, sketches, places, settings))
    return {"distinct": distinct}


def _texts(settings: Settings, work: Workspace) -> int:
    """Write down which texts there are, and who has them; how many there are."""
    signed = work.read_all("signed-", SIGNED)
    rows, rejects = _unique_ids(signed)
    articles = _articles(signed, rows)
    numbers, first = _distinct_texts(articles)
    places = rows[first]
    at_place = np.full(signed.num_rows, -1)
    at_place[places] = np.arange(len(places))
    matched = articles.append_column(MATCHED.field("distinct"), pa.array(numbers))
    tables = {
        "texts": _described(articles, places, numbers, first, settings),
        "numbers": pa.table({"text": at_place}),
        "matched": matched.select(MATCHED.names).cast(MATCHED),
        "rejects-duplicates": rejects,
    }
    for name, table in tables.items():
        work.write_table(name, table)
    return len(first)


def _unique_ids(signed: pa.Table) -> tuple[np.ndarray, pa.Table]:
    """Rows of the articles in the order of their ids, each id once (int64); and rejects.

    Of several rows with one id the first is kept.
    """
    ids = signed["article_id"].combine_chunks()
    order = pc.sort_indices(ids)  # equal ones stay in their order
    ids = ids.take(order)
    again = np.zeros(len(ids), bool)
    again[1:] = pc.equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    rows, twice = order.to_numpy().astype(np.int64), np.flatnonzero(again)
    rows, more = rows[~again], rows[twice]
    repeated = signed.select(["row", "article_id", "text_hash", "file"]).take(pa.array(more))
    kept = signed.select(["row", "text_hash", "file"]).take(
        pa.array(rows[np.cumsum(~again)[twice] - 1])
    )
    same_text = pc.equal(kept["text_hash"], repeated["text_hash"])
    detail = pc.binary_join_element_wise(
        "kept is row", kept["row"].cast(pa.string()), "of", kept["file"], " "
    )
    columns = {
        "row": repeated["row"],
        "article_id": repeated["article_id"],
        "reason": pc.if_else(same_text, "repeated_row", "duplicate_id"),
        "detail": detail,
        "file": repeated["file"],
    }
    return rows, pa.table(columns).cast(REJECTS)


def _articles(signed: pa.Table, rows: np.ndarray) -> pa.Table:
    """What is kept of the articles of the rows, in their order."""
    names = [name for name in MATCHED.names if name in signed.column_names] + ["text_hash"]
    # One column at a time, because strings of all articles lie in memory twice meanwhile.
    return pa.table({name: signed[name].combine_chunks().take(pa.array(rows)) for name in names})


def _distinct_texts(articles: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Number of each article's text, and the first article that has each text.

    Texts are numbered, and articles are first, in the order of publication: undated ones last, of
    equal times the text with the smaller hash, the article with the smaller id. A text without
    tokens (hash 0) is the same as no other.
    """
    hashes = articles["text_hash"].to_numpy()
    numbers, found = number(hashes)
    empty = hashes == 0
    numbers[empty] = found + np.arange(empty.sum())
    published = evidence.published_or_never(articles["published_at"])
    by_time = np.lexsort((hashes, published))  # equal ones stay in the order of their ids
    # Numbers stay below that of articles, so that the first of each is told without sorting.
    first = np.full(numbers.max(initial=-1) + 1, -1)
    first[numbers[by_time[::-1]]] = by_time[::-1]
    first = first[first >= 0]
    first = first[np.argsort(inverse(by_time)[first])]
    new = np.empty(numbers.max(initial=-1) + 1, np.int64)
    new[numbers[first]] = np.arange(len(first))
    return new[numbers], first


def _described(
    articles: pa.Table,
    places: np.ndarray,
    numbers: np.ndarray,
    first: np.ndarray,
    settings: Settings,
) -> pa.Table:
    """Where and when each distinct text was published, as `schemas.DISTINCT`."""
    sources = articles["source"].combine_chunks()
    # Counted up from 0 for the known, -1 for the unknown.
    _, named = np.unique(np.append(outlets(sources)[first], -1), return_inverse=True)
    columns = {
        "place": pa.array(places),
        "hours": pa.array(
            evidence.first_hours(articles["published_at"], numbers), from_pandas=True
        ),
        "outlet": pa.array(evidence.only_outlets(sources, numbers, sources, settings)),
        "naming": pa.array(named[:-1] - 1),
    }
    return pa.Table.from_arrays([columns[name] for name in DISTINCT.names], schema=DISTINCT)


def _versions(
    work: Workspace, sketches: Stored, places: np.ndarray, settings: Settings
) -> pa.Table:
    """Pairs of close copies, template included, which are versions of one story.

    Parameters
    ----------
    work : Workspace
    sketches : Stored of uint64
        By place.
    places : ndarray of int64, shape (n_texts,)
    """
    sizes, floor = sketches.lengths[places], settings.version_floor
    index = exchange.indexed(work, sketches, places, settings)

    def close(part: slice) -> tuple[np.ndarray, np.ndarray]:
        return candidates.close(index, part, sizes, floor)

    found = in_order(close, spans(len(places), exchange.TEXTS), settings.threads)
    none = np.empty(0, np.int64), np.empty(0, np.int64)
    left, right = (np.concatenate(ends) for ends in zip(none, *found, strict=True))
    return pa.table([pa.array(left), pa.array(right)], schema=FORMS)
