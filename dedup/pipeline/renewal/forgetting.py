"""Forgetting: what nothing that still comes can change.

Law: an article is forgotten with all that it hangs together with, and only when the last of that
was published `late_days` and twice `window_days` before the newest: what comes at most so late
changes the template and the pairs of texts a window before it, and these are judged by the texts a
window before them. Rows of what is forgotten stay published as they are.

What is left gets new numbers, so everything that is remembered is written anew; this happens when a
fifth of it can go, so that each text is written a bounded number of times.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline.renewal.memory import DAY, EPOCH, GROWING, INDEXES, Memory, id_hashes
from dedup.settings import Settings
from dedup.stages import cluster
from dedup.state.postings import SEGMENT

_SHARE = 0.2
_ENDS = ("left", "right")


def forget(memory: Memory, settings: Settings) -> None:
    """Forget texts that are gone or too old, if they are many."""
    kept = _kept(memory, settings)
    if kept.sum() > (1 - _SHARE) * len(kept):
        return
    old = memory.tables["articles"].filter(pa.array(~kept[_texts_of(memory)]))
    memory.past = _with(memory.past, old)
    forgotten = _by_id(old)
    _forget_texts(memory, kept)
    current = np.zeros(memory.rows("editions"), bool)
    editions = memory.texts("edition")[kept]
    current[editions[editions >= 0]] = True
    _forget_segments(memory, kept, current)
    _renumber(memory, kept, np.cumsum(current) - 1)
    memory.add("forgotten", forgotten)


def counts(articles: pa.Table) -> dict[str, int]:
    """Counts of articles and of the clusters that they make."""
    sizes = articles["cluster_id"].combine_chunks().value_counts().field("counts").to_numpy()
    return {
        "articles": int(sizes.sum()),
        "clusters": int((sizes > 1).sum()),
        "clustered": int(sizes[sizes > 1].sum()),
        "singles": int((sizes == 1).sum()),
    }


def less(past: dict[str, int], lost: pa.Table) -> dict[str, int]:
    """Counts of what is forgotten, without published rows that count no longer."""
    if not lost.num_rows:
        return past
    left = dict(past)
    sizes = dict(zip(lost["cluster_id"].to_pylist(), lost["cluster_size"].to_pylist(), strict=True))
    gone = Counter(lost["cluster_id"].to_pylist())
    for name, size in sizes.items():
        rest = size - gone[name]
        left["articles"] -= gone[name]
        left["clusters"] += (rest > 1) - (size > 1)
        left["clustered"] += (rest if rest > 1 else 0) - (size if size > 1 else 0)
        left["singles"] += (rest == 1) - (size == 1)
    return left


def _with(past: dict[str, int], articles: pa.Table) -> dict[str, int]:
    return {name: past.get(name, 0) + number for name, number in counts(articles).items()}


def _by_id(articles: pa.Table) -> pa.Table:
    """Articles by the hash of their id, and their day: as `postings.SEGMENT`."""
    keys = id_hashes(articles["article_id"].combine_chunks())
    times = pc.coalesce(articles["published_at"], articles["modified"]).cast(pa.int64())
    days = times.to_numpy() // DAY + EPOCH
    order = np.argsort(keys)
    columns = [pa.array(keys[order]), pa.array(days[order].astype(np.uint32))]
    return pa.Table.from_arrays(columns, schema=SEGMENT)


def _texts_of(memory: Memory) -> np.ndarray:
    return memory.tables["articles"]["text"].to_numpy()


def _kept(memory: Memory, settings: Settings) -> np.ndarray:
    """Texts that are alive, and with something new enough: bool, by number."""
    scored, articles = memory.tables["scored"], memory.tables["articles"]
    alive = memory.tables["texts"]["alive"].to_numpy(zero_copy_only=False)
    days, told = memory.texts("day"), np.flatnonzero(alive & (memory.texts("story") >= 0))
    clusters = articles["cluster_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first, inverse = np.unique(clusters, return_index=True, return_inverse=True)
    texts = _texts_of(memory)
    left = [scored["left"].to_numpy(), told, texts]
    right = [scored["right"].to_numpy(), memory.texts("story")[told], texts[first][inverse]]
    labels = cluster.components(len(alive), np.concatenate(left), np.concatenate(right))
    last = np.full(len(alive), np.iinfo(np.int64).min)
    np.maximum.at(last, labels[alive], days[alive])
    horizon = _newest(memory, days[alive]) - settings.late_days - 2 * settings.window_days
    return alive & (last[labels] >= horizon)


def _newest(memory: Memory, days: np.ndarray) -> int:
    """The newest day; one that no file had come by yet is a mistake."""
    files = memory.tables["inbox"]["modified"].cast(pa.int64()).to_numpy()
    return int(min(days.max(initial=0), files.max(initial=0) // DAY))


def _forget_texts(memory: Memory, kept: np.ndarray) -> None:
    tables = memory.tables
    tables["articles"] = tables["articles"].filter(pa.array(kept[_texts_of(memory)]))
    for name in ("scored", "versions"):
        left, right = (tables[name][end].to_numpy() for end in ("left", "right"))
        tables[name] = tables[name].filter(pa.array(kept[left] & kept[right]))
    articles, told = tables["articles"], tables["stories"]
    current = articles["cluster_id"].combine_chunks().unique()
    tables["stories"] = told.filter(pc.is_in(told["cluster_id"], value_set=current))
    # An id could only be given again with the article that it is named after.
    named = pc.replace_substring_regex(tables["retired"]["cluster_id"], "~[0-9]+$", "")
    ids = articles["article_id"].combine_chunks()
    tables["retired"] = tables["retired"].filter(pc.is_in(named, value_set=ids))


def _forget_segments(memory: Memory, kept: np.ndarray, current: np.ndarray) -> None:
    """Leave out of the growing tables what is not kept, or no longer current; renumber the rest."""
    for name in set(GROWING) - {"forgotten"}:
        rows, segments, start = kept if name in ("bodies", "shingles") else current, [], 0
        numbers = (np.cumsum(rows) - 1).astype(np.uint32)
        for segment in memory.segments[name]:
            if name in INDEXES:
                segment = segment.filter(pa.array(rows[segment["number"].to_numpy()]))
                places = pa.array(numbers[segment["number"].to_numpy()])
                segment = segment.set_column(1, segment.schema.field("number"), places)
            else:
                mine = slice(start, start + segment.num_rows)
                segment, start = segment.filter(pa.array(rows[mine])), mine.stop
            segments += [segment.combine_chunks()] if segment.num_rows else []
        memory.segments[name], memory.names[name] = segments, []


def _renumber(memory: Memory, kept: np.ndarray, editions: np.ndarray) -> None:
    """Give the texts that are kept their new numbers, and those of their editions."""
    numbers, tables = np.cumsum(kept) - 1, memory.tables
    columns = [("articles", "text"), *((t, e) for t in ("scored", "versions") for e in _ENDS)]
    for table, column in columns:
        tables[table] = _mapped(tables[table], column, numbers)
    tables["texts"] = tables["texts"].filter(pa.array(kept)).combine_chunks()
    tables["texts"] = _mapped(tables["texts"], "story", numbers)
    tables["texts"] = _mapped(tables["texts"], "edition", editions)
    memory.segments["editions"] = [
        _mapped(segment, "text", numbers) for segment in memory.segments["editions"]
    ]


def _mapped(table: pa.Table, column: str, numbers: np.ndarray) -> pa.Table:
    """The table with another number for each in a column, -1 for -1."""
    at = table.schema.get_field_index(column)
    values = np.append(numbers, -1)[table[column].to_numpy()]
    return table.set_column(at, table.schema.field(at), pa.array(values)).combine_chunks()
