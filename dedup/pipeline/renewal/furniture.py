"""Template, brought up to date: which texts have another template than before.

Law: what is template of a text depends on the texts that share its shingles within the window, as
if all had come at once; so only those are looked at that share one with a text that came, went or
changed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.numbering import among, counted, rising
from dedup.pipeline.furniture import outlets
from dedup.pipeline.match import shingled
from dedup.pipeline.renewal.memory import Memory
from dedup.ragged import Ragged, Stored
from dedup.schemas import FURNITURE, TEMPLATE, TEXTS, VERSIONS
from dedup.settings import Settings
from dedup.stages import buckets, candidates, shingle, template
from dedup.state import postings


class Templates(NamedTuple):
    """Template of some texts.

    Attributes
    ----------
    texts : ndarray of int64
        Rising numbers.
    shingles : Ragged of uint64
        Sorted hashes of what is template in each.
    """

    texts: np.ndarray
    shingles: Ragged


def orders(before: pa.Table, after: pa.Table) -> tuple[buckets.Order, buckets.Order]:
    """Texts in the order of publication, before and after the run; both of the length after."""
    return order(before, after.num_rows), order(after, after.num_rows)


def sets(memory: Memory, texts: np.ndarray, settings: Settings) -> Ragged:
    """Sorted distinct shingle hashes of texts, template included."""
    return shingled(memory.gather("bodies", "tokens", texts).map(shingle.unpacked), settings)


def renew_template(
    memory: Memory, before: pa.Table, touched: np.ndarray, settings: Settings
) -> Templates:
    """Bring what is template in memory up to date.

    Parameters
    ----------
    memory : Memory
        Its texts are those after the run.
    before : pa.Table
        The texts before it.
    touched : ndarray of int64
        Texts that came, went or changed, rising.
    settings : Settings

    Returns
    -------
    Templates
        Of the texts that have another template, and of all touched that are alive.
    """
    mine = sets(memory, touched, settings)
    _enter(memory, before.num_rows, touched, mine, settings)
    after = memory.tables["texts"]
    old, new = orders(before, after)
    present = old.alive | new.alive
    keys = rising(mine.values)
    members = memory.holders("shingles", keys, present, settings.threads)
    versions = memory.tables["versions"]
    changed = _renew_versions(memory, keys, members, touched, (old, new), settings)
    if len(changed):
        more = sets(memory, changed, settings).values
        keys = rising(np.concatenate([keys, more]))
        members = memory.holders("shingles", keys, present, settings.threads)
    (outlets_before, days_before), (outlets_after, days_after), known = _numbered(before, after)
    floors = settings.template_stories, settings.template_articles, settings.common_stories
    had = template.Held(old.alive, outlets_before, days_before, _neighbours(versions, present))
    has = template.Held(
        new.alive, outlets_after, days_after, _neighbours(memory.tables["versions"], present)
    )
    nobody, window = np.zeros(len(present), bool), settings.window_days
    was = template.decided(members, had, floors, window, nobody)
    now = template.decided(members, has, floors, window, nobody)
    wanted = _suspects(members, np.setxor1d(was.verdicts, now.verdicts), outlets_after)
    wanted &= _near(after["day"].to_numpy(), before["day"].to_numpy(), touched, settings)
    wanted[touched] = True
    wanted &= new.alive
    now = template.decided(members, has, floors, window, wanted)
    _renew_table(memory, keys, now, known)
    return _renewed(memory, np.flatnonzero(wanted), touched, keys, now)


def with_known(memory: Memory, templates: Templates, texts: np.ndarray) -> Templates:
    """The templates, and those that other texts have already."""
    texts = np.setdiff1d(texts, templates.texts)
    known = memory.gather("editions", "template", memory.texts("edition")[texts])
    numbers = np.concatenate([templates.texts, texts])
    both = Ragged.joined([templates.shingles, known], pa.uint64())
    order = np.argsort(numbers)
    return Templates(numbers[order], Stored(pa.chunked_array([both.arrow()])).gather(order))


def order(texts: pa.Table, n: int) -> buckets.Order:
    """The order of publication of `n` texts; those not there yet are last, and not alive."""
    alive = np.zeros(n, bool)
    alive[: texts.num_rows] = texts["alive"].to_numpy(zero_copy_only=False)
    ranks = np.arange(n)
    by_time = np.lexsort((texts["hash"].to_numpy(), texts["published"].to_numpy()))
    ranks[by_time] = np.arange(len(by_time))
    return buckets.Order(alive, ranks)


def _enter(
    memory: Memory, first: int, touched: np.ndarray, mine: Ragged, settings: Settings
) -> None:
    """Enter new texts, those numbered from `first`, into the index."""
    start = int(np.searchsorted(touched, first))
    fresh, numbers = mine.part(slice(start, len(touched))), touched[start:]
    memory.add("shingles", postings.segment(fresh, numbers, settings.threads))
    texts = memory.tables["texts"]
    sketched = texts["sketched"].to_numpy().copy()
    sketched[numbers] = candidates.sketch(fresh, settings.sketch_scale).lengths
    place = TEXTS.get_field_index("sketched")
    memory.tables["texts"] = texts.set_column(place, TEXTS.field(place), pa.array(sketched))


def _renew_versions(
    memory: Memory,
    keys: np.ndarray,
    members: Ragged,
    touched: np.ndarray,
    both: tuple[buckets.Order, buckets.Order],
    settings: Settings,
) -> np.ndarray:
    """Bring the versions in memory up to date; texts not touched that have others than before."""
    old, new = both
    last = np.uint64(candidates.last_sketched(settings.sketch_scale))
    low = slice(0, int(np.searchsorted(keys, last, "right")))
    members, cap = members.part(low), settings.bucket_cap
    chosen = buckets.displaced(members, old, new, cap)
    chosen[touched] = True
    others = np.setdiff1d(np.flatnonzero(chosen), touched)
    if len(others):
        every = sets(memory, np.flatnonzero(chosen), settings)
        sketches = rising(candidates.sketch(every, settings.sketch_scale).values)
        present = old.alive | new.alive
        members = memory.holders("shingles", sketches, present, settings.threads)
    packed, counts = counted(buckets.proposals(members, new, chosen, cap))
    left, right = candidates.ends(packed)
    sizes = memory.texts("sketched")
    close = counts >= settings.version_floor * (sizes[left] + sizes[right] - counts)
    known = memory.tables["versions"]
    ends = known["left"].to_numpy(), known["right"].to_numpy()
    stays = ~(chosen[ends[0]] | chosen[ends[1]]) & new.alive[ends[0]] & new.alive[ends[1]]
    found = np.sort(
        np.concatenate([candidates.pack(ends[0][stays], ends[1][stays]), packed[close]])
    )
    left, right = candidates.ends(found)
    memory.tables["versions"] = pa.table([pa.array(left), pa.array(right)], schema=VERSIONS)
    differing = np.unique(candidates.ends(np.setxor1d(candidates.pack(*ends), found)))
    is_touched = np.zeros(len(new.alive), bool)
    is_touched[touched] = True
    return differing[~is_touched[differing] & new.alive[differing]]


def _neighbours(pairs: pa.Table, texts: np.ndarray) -> Ragged:
    ends = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    return template.neighbours(*ends, len(texts))


def _numbered(before: pa.Table, after: pa.Table):  # type: ignore[no-untyped-def]
    """Outlets counted up from 0, and days, of the texts before and after; and the outlets."""
    n = after.num_rows
    naming = [np.full(n, -1, np.int64), after["naming"].to_numpy()]
    days = [np.zeros(n, np.int64), after["day"].to_numpy()]
    naming[0][: before.num_rows] = before["naming"].to_numpy()
    days[0][: before.num_rows] = before["day"].to_numpy()
    known, places = np.unique(np.concatenate([[-1], *naming]), return_inverse=True)
    places = places[1:] - 1
    return (places[:n], days[0]), (places[n:], days[1]), known[1:]


def _suspects(members: Ragged, verdicts: np.ndarray, outlets: np.ndarray) -> np.ndarray:
    """Texts that a verdict is about: bool, by number."""
    lists = (verdicts >> np.uint64(36)).astype(np.int64)
    of = ((verdicts >> np.uint64(16)) & np.uint64((1 << 20) - 1)).astype(np.int64) - 1
    lengths = members.lengths[lists]
    starts = np.repeat(members.offsets[lists] - (np.cumsum(lengths) - lengths), lengths)
    texts = members.values[starts + np.arange(lengths.sum())].astype(np.int64)
    of = np.repeat(of, lengths)
    mask = np.zeros(len(outlets), bool)
    mask[texts[outlets[texts] == of]] = True  # -1 for unknown outlets, of common phrases
    return mask


def _near(
    days: np.ndarray, before: np.ndarray, touched: np.ndarray, settings: Settings
) -> np.ndarray:
    """Texts that a touched one may change the template of: bool, by number."""
    moved = np.concatenate([days[touched], before[touched[touched < len(before)]]])
    if not len(moved):
        return np.zeros(len(days), bool)
    first, last = moved.min(), moved.max()
    return (days >= first - settings.window_days) & (days <= last + settings.window_days)


def _renewed(
    memory: Memory,
    wanted: np.ndarray,
    touched: np.ndarray,
    keys: np.ndarray,
    now: template.Decided,
) -> Templates:
    """Template of the wanted texts that are touched, or have another than before."""
    editions = memory.texts("edition")[wanted]
    had = memory.gather("editions", "template", editions[editions >= 0])
    owners = np.repeat(wanted[editions >= 0], had.lengths)
    elsewhere = ~among(had.values, keys)
    texts = np.concatenate([owners[elsewhere], now.articles])
    values = np.concatenate([had.values[elsewhere], keys[now.shingles]])
    order = np.lexsort((values, texts))
    texts, values = texts[order], values[order]
    offsets = np.append(np.searchsorted(texts, wanted), len(texts))
    shingles = Ragged(values, offsets)
    differs = np.ones(len(wanted), bool)
    before = had.part(slice(0, len(had.lengths)))
    for at, place in enumerate(np.flatnonzero(editions >= 0).tolist()):
        differs[place] = not np.array_equal(
            before.values[before.offsets[at] : before.offsets[at + 1]],
            values[offsets[place] : offsets[place + 1]],
        )
    differs |= among(wanted, touched)
    rows = np.flatnonzero(differs)
    return Templates(wanted[rows], Stored(pa.chunked_array([shingles.arrow()])).gather(rows))


def _renew_table(
    memory: Memory, keys: np.ndarray, now: template.Decided, known: np.ndarray
) -> None:
    """Bring the table of template up to date, as far as these shingles go."""
    table = memory.tables["furniture"]
    others = table.filter(pa.array(~among(table["shingle"].to_numpy(), keys)))
    # Of verdicts for several days the one of most articles.
    order = np.lexsort((-now.sizes, now.verdicts >> np.uint64(16)))
    named, sizes = (now.verdicts >> np.uint64(16))[order], now.sizes[order]
    first = np.ones(len(named), bool)
    first[1:] = named[1:] != named[:-1]
    named, sizes = named[first], sizes[first]
    of = (named & np.uint64((1 << 20) - 1)).astype(np.int64) - 1
    codes = np.append(known, -1)[of]
    columns = {
        "outlet": pa.array(codes),
        "shingle": pa.array(keys[(named >> np.uint64(20)).astype(np.int64)]),
        "articles": pa.array(sizes),
    }
    added = pa.table({name: columns[name] for name in FURNITURE.names}).cast(FURNITURE)
    memory.tables["furniture"] = pa.concat_tables([others, added]).combine_chunks()


def tabled(memory: Memory) -> pa.Table:
    """The template in memory, as `schemas.TEMPLATE`; of an outlet's names the first by spelling."""
    table = memory.tables["furniture"]
    names = memory.tables["articles"]["source"].combine_chunks().unique().drop_null().sort()
    codes, first = np.unique(outlets(names), return_index=True)
    wanted = table["outlet"].to_numpy()
    at = np.minimum(np.searchsorted(codes, wanted), max(len(codes) - 1, 0))
    found = among(wanted, codes)
    places = pa.array(np.append(first, 0)[at], mask=~found)
    columns = {"source": names.take(places)} | {
        name: table[name] for name in ("shingle", "articles")
    }
    rows = pa.table({name: columns[name] for name in TEMPLATE.names}).cast(TEMPLATE)
    rows = rows.filter(pa.array(found | (wanted < 0)))  # without outlets that are forgotten
    return rows.sort_by([("source", "ascending"), ("shingle", "ascending")])
