"""Who counts after a run: of each id the newest row, unless it was taken down.

Law: which row of an id counts depends on the files, not on the runs they came in: the one in the
file that was modified last, then by path and row. All other rows of the id are rejects, so every
row that was ever read is either in `articles` or in `rejects`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.numbering import among
from dedup.pipeline import language
from dedup.pipeline.evidence import only_outlets, published_or_never
from dedup.pipeline.furniture import outlets
from dedup.pipeline.renewal.memory import DAY, Memory
from dedup.ragged import Stored
from dedup.schemas import BODIES, REJECTS, REMEMBERED, TEXTS
from dedup.settings import Settings

_PLACE = ("alive", "published", "seen", "day", "naming")
"""What a text's template, its rank among others and its story depend on, besides itself."""


class Arrivals(NamedTuple):
    """What came and went.

    Attributes
    ----------
    texts : ndarray of int64
        Texts of articles that came or went, rising: alive or not.
    moved : ndarray of int64
        Those of them that are new or gone, or have another time or first outlet than before.
    carried : ndarray of int64
        Those of them that are not, but are carried by other outlets than before.
    removed : pa.Table
        Articles that counted and do so no longer, as `schemas.REMEMBERED`.
    corrected : ndarray of bool
        Which of them have a newer version with another text.
    added : pa.StringArray
        Ids of the articles that came.
    rejects : pa.Table
    returned : dict of str to int
        Day of articles that are forgotten and came again, or are taken down, by id.
    """

    texts: np.ndarray
    moved: np.ndarray
    carried: np.ndarray
    removed: pa.Table
    corrected: np.ndarray
    added: pa.StringArray
    rejects: pa.Table
    returned: dict[str, int]


def arrive(
    memory: Memory, signed: pa.Table, taken_down: pa.StringArray, settings: Settings
) -> Arrivals:
    """Bring the articles and texts in memory up to date.

    Parameters
    ----------
    memory : Memory
    signed : pa.Table
        Articles of the new files, as `schemas.SIGNED`, `TOKENS` and `QUOTED`, with ``path`` and
        ``modified`` of the files.
    taken_down : StringArray
        Ids to retract, besides those in memory.
    settings : Settings
    """
    known = memory.tables["retracted"]["article_id"].combine_chunks()
    retracted = pc.unique(pa.concat_arrays([known, taken_down.cast(known.type)]))
    memory.tables["retracted"] = pa.table({"article_id": retracted})
    place = pa.array(np.arange(signed.num_rows))
    rows = signed.drop_columns(["tokens", "quoted"]).append_column("place", place)
    banned = pc.is_in(rows["article_id"], value_set=retracted)
    newest, older = _newest(rows.filter(pc.invert(banned)))
    articles = memory.tables["articles"]
    won, lost, beaten = _against(newest, articles)
    down = pc.is_in(articles["article_id"], value_set=retracted)
    gone = pc.or_(down, pc.is_in(articles["article_id"], value_set=won["article_id"]))
    removed = articles.filter(gone)
    before = memory.tables["texts"]
    numbers = _numbered(memory, signed, won, settings)
    added = won.append_column("text", pa.array(numbers))
    former = pa.concat_tables([removed.select(memory.former.schema.names), memory.former])
    added = added.append_column("cluster_id", _inherited(added, former))
    memory.tables["articles"] = pa.concat_tables(
        [articles.filter(pc.invert(gone)), added.select(REMEMBERED.names).cast(REMEMBERED)]
    ).combine_chunks()
    texts = np.unique(np.concatenate([removed["text"].to_numpy(), numbers]))
    if _has_outlets(articles) != _has_outlets(memory.tables["articles"]):  # all are to be told of
        texts = np.union1d(texts, memory.tables["articles"]["text"].to_numpy())
    _describe(memory, texts, settings)
    moved = _differing(before, memory.tables["texts"], texts, _PLACE)
    carried = _differing(before, memory.tables["texts"], texts, ("outlet",))
    return Arrivals(
        texts,
        moved,
        np.setdiff1d(carried, moved),
        removed,
        _corrected(removed, added),
        won["article_id"].combine_chunks(),
        pa.concat_tables(
            [
                _rejected(rows.filter(banned), "retracted"),
                _rejected(articles.filter(down), "retracted"),
                *(_rejected(each, "superseded") for each in (older, lost, beaten)),
            ]
        ),
        memory.days_forgotten(_strangers(won, taken_down, articles)),
    )


def _strangers(won: pa.Table, taken_down: pa.Array, articles: pa.Table) -> pa.Array:
    """Ids that came, or are to be taken down, and are not those of known articles."""
    ids = pc.unique(pa.concat_arrays([won["article_id"].combine_chunks(), taken_down]))
    return ids.filter(pc.invert(pc.is_in(ids, value_set=articles["article_id"].combine_chunks())))


def _newest(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The last row of each id, and the rows before."""
    keys = ("article_id", "modified", "path", "row")
    rows = rows.sort_by([(name, "ascending") for name in keys])
    ids = rows["article_id"].combine_chunks()
    last = np.ones(len(ids), bool)
    last[:-1] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    return rows.filter(pa.array(last)), rows.filter(pa.array(~last))


def _against(newest: pa.Table, articles: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """New rows that count, new rows that do not, and articles that no longer do."""
    at = pc.index_in(newest["article_id"], value_set=articles["article_id"].combine_chunks())
    met = at.combine_chunks()
    rivals = np.flatnonzero(met.is_valid().to_numpy(zero_copy_only=False))
    theirs = articles.take(met.drop_null())
    wins = np.ones(newest.num_rows, bool)
    wins[rivals] = [
        mine > yours
        for mine, yours in zip(_order(newest.take(pa.array(rivals))), _order(theirs), strict=True)
    ]
    beaten = theirs.filter(pa.array(wins[rivals], pa.bool_()))
    return newest.filter(pa.array(wins)), newest.filter(pa.array(~wins)), beaten


def _order(rows: pa.Table) -> Sequence[tuple[object, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in ("modified", "path", "row")), strict=True))


def _inherited(added: pa.Table, before: pa.Table) -> pa.Array:
    """Cluster of the version before, null where there was none."""
    at = pc.index_in(added["article_id"], value_set=before["article_id"].combine_chunks())
    return before["cluster_id"].combine_chunks().take(at.combine_chunks())


def _corrected(removed: pa.Table, added: pa.Table) -> np.ndarray:
    """Which removed articles came again with another text."""
    at = pc.index_in(removed["article_id"], value_set=added["article_id"].combine_chunks())
    places = at.fill_null(-1).to_numpy()
    texts = np.append(added["text"].to_numpy(), -1)[places]
    return (places >= 0) & (texts != removed["text"].to_numpy())


def _numbered(memory: Memory, signed: pa.Table, rows: pa.Table, settings: Settings) -> np.ndarray:
    """Number of each row's text; texts that are new are added to memory."""
    known = memory.tables["texts"]
    hashes, n = rows["text_hash"].to_numpy(), known.num_rows
    # A text without tokens (hash 0) is the same as no other; one that died has lost its postings.
    living = np.flatnonzero(known["alive"].to_numpy(zero_copy_only=False))
    living = living[memory.texts("hash")[living] != 0]
    order = living[np.argsort(memory.texts("hash")[living])]
    at = np.searchsorted(memory.texts("hash")[order], hashes)
    candidates = np.append(order, -1)[at]
    found = (candidates >= 0) & (np.append(memory.texts("hash"), 0)[candidates] == hashes)
    numbers = np.where(found, candidates, -1)
    fresh = np.flatnonzero(~found)
    keys = np.where(hashes[fresh] == 0, np.arange(len(fresh), dtype=np.uint64), hashes[fresh])
    distinct = np.stack([hashes[fresh] == 0, keys], axis=1).astype(np.uint64)
    _, first, inverse = np.unique(distinct, axis=0, return_index=True, return_inverse=True)
    numbers[fresh] = n + inverse.ravel()
    places = rows["place"].to_numpy()[fresh[first]]
    memory.add("bodies", _bodies(signed, places, settings))
    blank = np.full(len(first), -1, np.int64)
    columns = {
        "hash": hashes[fresh[first]],
        "alive": np.zeros(len(first), bool),
        **dict.fromkeys(set(TEXTS.names) - {"hash", "alive", "sketched"}, blank),
        "sketched": np.zeros(len(first), np.int64),
    }
    added = pa.table({name: columns[name] for name in TEXTS.names}).cast(TEXTS)
    memory.tables["texts"] = pa.concat_tables([known, added]).combine_chunks()
    return numbers


def _bodies(signed: pa.Table, places: np.ndarray, settings: Settings) -> pa.Table:
    tokens = Stored(signed["tokens"]).gather(places)
    terms = language.terms(tokens, settings)
    columns = {
        "tokens": tokens.arrow(),
        "quoted": Stored(signed["quoted"]).gather(places).arrow(),
        "terms": terms.words.arrow(),
        "term_counts": terms.words._replace(values=terms.counts).arrow(),
        "term_frequencies": terms.words._replace(values=terms.frequencies).arrow(),
    }
    return pa.table([columns[name] for name in BODIES.names], schema=BODIES)


def _describe(memory: Memory, texts: np.ndarray, settings: Settings) -> None:
    """Tell anew of the texts when and where they were published, and whether they still are."""
    articles = memory.tables["articles"]
    theirs = articles.filter(pa.array(np.isin(articles["text"].to_numpy(), texts)))
    theirs = theirs.sort_by(
        [("text", "ascending"), ("published_at", "ascending"), ("article_id", "ascending")]
    )
    numbers = theirs["text"].to_numpy()
    living, first, local = np.unique(numbers, return_index=True, return_inverse=True)
    sources = theirs["source"].combine_chunks()
    alone = only_outlets(sources, local, articles["source"].combine_chunks(), settings)
    published = published_or_never(theirs["published_at"])
    modified = theirs["modified"].cast(pa.int64()).to_numpy()
    seen = np.full(len(living), np.iinfo(np.int64).max)
    np.minimum.at(seen, local, np.where(theirs["published_at"].is_valid(), published, modified))
    table = memory.tables["texts"]
    columns = {name: table[name].to_numpy(zero_copy_only=False).copy() for name in TEXTS.names}
    columns["alive"][texts] = False
    columns["alive"][living] = True
    columns["published"][living] = published[first]
    columns["seen"][living] = seen
    columns["day"][living] = seen // DAY
    columns["naming"][living] = outlets(sources)[first]
    columns["outlet"][living] = alone
    memory.tables["texts"] = pa.table(columns).cast(TEXTS)


def _has_outlets(articles: pa.Table) -> bool:
    """Whether there are two known outlets, so that one of them means something."""
    known = outlets(articles["source"].combine_chunks().unique())
    return np.unique(known[known >= 0]).size > 1


def _differing(
    before: pa.Table, after: pa.Table, texts: np.ndarray, columns: Sequence[str]
) -> np.ndarray:
    """Which of the texts are new, or have another value in one of the columns."""
    known = texts[texts < before.num_rows]
    same = np.ones(len(known), bool)
    for name in columns:
        was, now = (table[name].to_numpy(zero_copy_only=False) for table in (before, after))
        same &= was[known] == now[known]
    return texts[~among(texts, known[same])]


def _rejected(rows: pa.Table, reason: str) -> pa.Table:
    columns = {
        "row": rows["row"],
        "article_id": rows["article_id"],
        "reason": pa.array([reason] * rows.num_rows, pa.string()),
        "detail": pa.nulls(rows.num_rows, pa.string()),
        "file": rows["file"],
    }
    return pa.table(columns).cast(REJECTS)
