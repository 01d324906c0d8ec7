"""Page furniture out, wire copy kept.

Law: a shingle's frequency is counted in stories, not in articles. What an outlet repeats in stories
that have nothing else in common is template; what comes back because the story comes back (an
update, a second section, fifty outlets) is copy.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.forest import root
from dedup.numbering import number
from dedup.ragged import Ragged

_MEDIUM = re.compile(r"\([^)]*\b(?:web|online|news|print|www)\b[^)]*\)")
_HOST = re.compile(r"(?:\w+://)?([\w-]+(?:\.[\w-]+)+)(?:[:/].*)?")
# Second-level domains that belong to many, registries' and blog hosts'.
_SHARED_LABELS = {"ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"} | {
    *("blogspot", "livejournal", "medium", "patch", "substack", "tumblr", "typepad", "wordpress")
}
_LETTERS = re.compile(r"[^\W_]+")
_AFFIXES = re.compile(r"^the|(?:news|online|web)+$")


class Repeats(NamedTuple):
    """Shingles that repeat within their source.

    Attributes
    ----------
    shingles : ndarray of uint64, shape (n_repeats,)
        Each once for each source in which it repeats.
    members : Ragged of int64
        Articles of the source that hold each, rising.
    """

    shingles: np.ndarray
    members: Ragged


@lru_cache(maxsize=1 << 16)
def outlet(name: str) -> str:
    """One key for an outlet however its name is spelt.

    "CNN (Web News)", "CNN" and "https://edition.cnn.com" have the same key; "The Times (London)"
    and "Times (Malta)", and two blogs of one host, have not.
    """
    plain = _MEDIUM.sub(" ", unicodedata.normalize("NFKC", name).casefold()).strip()
    host = _HOST.fullmatch(plain)
    if host:
        labels = host[1].split(".")
        beneath = len(labels) > 2 and labels[-2] in _SHARED_LABELS
        plain = labels[-3] if beneath else labels[-2]
    joined = "".join(_LETTERS.findall(plain))
    return _AFFIXES.sub("", joined) or joined or name


def salts(sources: np.ndarray) -> np.ndarray:
    """What sets the shingles of one source (int64, 0 or more) apart from others': uint64."""
    return (sources.astype(np.uint64) + np.uint64(1)) * _PRIME


def count(
    rolled: Ragged, salts: np.ndarray, span: tuple[int, int], floor: int, counters: np.ndarray
) -> None:
    """Count shingles into a table of small counters, each an upper bound for all that share it.

    Parameters
    ----------
    rolled : Ragged of uint64
        Shingle hashes of each article; one that comes twice counts twice.
    salts : ndarray of uint64, shape (n_articles,)
        As of :func:`salts`.
    span : tuple of int
        Smallest and largest hash that is counted.
    floor : int
        Counters stop there, at most at 255.
    counters : ndarray of uint8
        Fewer than 2^32; about two for each hash are enough.
    """
    first, last = np.uint64(span[0]), np.uint64(span[1])
    _count(*rolled, salts, first, last, np.uint8(floor), counters)


def select(
    rolled: Ragged, salts: np.ndarray, span: tuple[int, int], floor: int, counters: np.ndarray
) -> Ragged:
    """Hashes of each article whose counters have reached the floor, its salt mixed in (xor).

    Parameters as of :func:`count`. All that stand in so many articles of one salt are among them,
    and a few that do not.
    """
    first, last = np.uint64(span[0]), np.uint64(span[1])
    values, offsets = np.empty(len(rolled.values), np.uint64), np.zeros_like(rolled.offsets)
    _select(*rolled, salts, first, last, np.uint8(floor), counters, values, offsets)
    return Ragged(values[: offsets[-1]].copy(), offsets)


def repeats(selected: Ragged, salts: np.ndarray, floor: int) -> Repeats:
    """What stands in so many articles of one salt.

    Parameters
    ----------
    selected : Ragged of uint64
        As of :func:`select`.
    salts : ndarray of uint64, shape (n_articles,)
    floor : int
    """
    keys, n_keys = number(selected.values)
    counts = np.zeros(n_keys, np.int64)
    _count_once(keys, selected.offsets, counts)
    kept = counts >= floor
    numbers = np.where(kept, np.cumsum(kept) - 1, -1)
    offsets = np.zeros(np.count_nonzero(kept) + 1, np.int64)
    np.cumsum(counts[kept], out=offsets[1:])
    shingles, members = np.empty(len(offsets) - 1, np.uint64), np.empty(offsets[-1], np.int64)
    _hold(*selected, salts, keys, numbers, offsets[:-1].copy(), shingles, members)
    return Repeats(shingles, Ragged(members, offsets))


def floors(sizes: np.ndarray, least: int, share: float) -> np.ndarray:
    """How many articles or stories of its source each repeat must stand in to be template: int64.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_repeats,)
        Articles of the repeat's source.
    least : int
    share : float
        Share of the articles of its source, 0 to 1, that it must stand in as well.
    """
    return np.maximum(least, np.ceil(share * sizes)).astype(np.int64)


def of_articles(found: Repeats, chosen: np.ndarray) -> Repeats:
    """The repeats as far as the chosen articles (bool, shape (n_articles,)) hold them."""
    return found._replace(members=found.members.keep(chosen[found.members.values]))


def left_out(found: Repeats, chosen: np.ndarray, n: int) -> Ragged:
    """The chosen repeats (bool, shape (n_repeats,)) that each of `n` articles holds: sorted."""
    order = np.flatnonzero(chosen)
    order = order[np.argsort(found.shingles[order])]
    offsets = np.zeros(n + 1, np.int64)
    held = found.members.take(order)
    np.cumsum(np.bincount(held.values, minlength=n), out=offsets[1:])
    values = np.empty(offsets[-1], np.uint64)
    _leave_out(found.shingles[order], *held, offsets[:-1].copy(), values)
    return Ragged(values, offsets)


def neighbours(left: np.ndarray, right: np.ndarray, n: int) -> Ragged:
    """Articles that each of `n` is paired with: Ragged of int64."""
    ends, others = np.concatenate([left, right]), np.concatenate([right, left])
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(ends, minlength=n), out=offsets[1:])
    return Ragged(others[np.argsort(ends, kind="stable")], offsets)


def stories(members: Ragged, versions: Ragged, floors: np.ndarray) -> np.ndarray:
    """Stories that the members of each list tell; counted no further where they fall below a floor.

    Members are of one story as far as versions among them connect them.

    Parameters
    ----------
    members : Ragged of int64
        Distinct articles.
    versions : Ragged of int64
        As :func:`neighbours` of the pairs of versions of one story.
    floors : ndarray of int64, shape (n_lists,)

    Returns
    -------
    ndarray of int64, shape (n_lists,)
    """
    return _stories(*members, *versions, floors)


class Held(NamedTuple):
    """Who holds what, at one time; arrays are by article.

    Attributes
    ----------
    alive : ndarray of bool
    outlets : ndarray of int64
        Counting up from 0, fewer than 2^20; -1 where unknown.
    days : ndarray of int64
        Of publication.
    versions : Ragged of int64
        As of :func:`neighbours`.
    """

    alive: np.ndarray
    outlets: np.ndarray
    days: np.ndarray
    versions: Ragged


class Decided(NamedTuple):
    """What is template among given shingles.

    Attributes
    ----------
    verdicts : ndarray of uint64
        The shingle's number from bit 36, one more than its outlet from bit 16 (0 for a common
        phrase), and below the day (0 for all days).
    sizes : ndarray of int32
        Articles that each verdict takes the shingle from.
    shingles, articles : ndarray of int64
        Each wanted article's shingles that are template, by number.
    """

    verdicts: np.ndarray
    sizes: np.ndarray
    shingles: np.ndarray
    articles: np.ndarray


def decided(
    members: Ragged, held: Held, floors: tuple[int, int, int], window: int, wanted: np.ndarray
) -> Decided:
    """What is template, each article judged by those within the window around its day.

    Parameters
    ----------
    members : Ragged of integers
        Articles that hold each shingle, fewer than 2^28 shingles.
    held : Held
    floors : tuple of int
        Stories of a source, articles of a source, and stories of all sources, that make a shingle
        template.
    window : int
        Days.
    wanted : ndarray of bool, by article
        Articles of which the template is to be told.
    """
    return Decided(
        *_decided(
            *members,
            held.alive,
            held.outlets,
            held.days,
            *held.versions,
            np.array(floors),
            window,
            wanted,
        )
    )


_PRIME = np.uint64(0xD6E8FEB86659FD93)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_S16, _S32, _S36 = np.uint64(16), np.uint64(32), np.uint64(36)


@njit(cache=True, nogil=True, inline="always")
def _slot(value, salt, size):  # type: ignore[no-untyped-def]
    return ((((value ^ salt) * _SPREAD) >> _S32) * size) >> _S32


@njit(cache=True, nogil=True)
def _count(values, offsets, salts, first, last, floor, counters):  # type: ignore[no-untyped-def]
    size = np.uint64(len(counters))
    for article in range(len(offsets) - 1):
        for at in range(offsets[article], offsets[article + 1]):
            slot = _slot(values[at], salts[article], size)
            more = (counters[slot] < floor) & (first <= values[at] <= last)
            counters[slot] += np.uint8(more)


@njit(cache=True, nogil=True)
def _select(  # type: ignore[no-untyped-def]
    values, offsets, salts, first, last, floor, counters, selected, selected_offsets
):
    size, found = np.uint64(len(counters)), np.uint64(0)
    for article in range(len(offsets) - 1):
        for at in range(offsets[article], offsets[article + 1]):
            slot = _slot(values[at], salts[article], size)
            selected[found] = values[at] ^ salts[article]
            found += np.uint64((counters[slot] >= floor) & (first <= values[at] <= last))
        selected_offsets[article + 1] = found


@njit(cache=True, nogil=True)
def _count_once(keys, offsets, counts):  # type: ignore[no-untyped-def]
    """Count the articles of each key; keys that an article has had before become -1."""
    latest = np.full(len(counts), -1, np.int64)
    for article in range(len(offsets) - 1):
        for at in range(offsets[article], offsets[article + 1]):
            key = keys[at]
            if latest[key] == article:
                keys[at] = -1
            else:
                latest[key] = article
                counts[key] += 1


@njit(cache=True, nogil=True)
def _hold(  # type: ignore[no-untyped-def]
    values, offsets, salts, keys, numbers, nexts, shingles, members
):
    for article in range(len(offsets) - 1):
        for at in range(offsets[article], offsets[article + 1]):
            if keys[at] < 0 or numbers[keys[at]] < 0:
                continue
            number_of = numbers[keys[at]]
            shingles[number_of] = values[at] ^ salts[article]
            members[nexts[number_of]] = article
            nexts[number_of] += 1


@njit(cache=True, nogil=True)
def _leave_out(shingles, members, offsets, nexts, result):  # type: ignore[no-untyped-def]
    for each in range(len(offsets) - 1):
        for member in members[offsets[each] : offsets[each + 1]]:
            result[nexts[member]] = shingles[each]
            nexts[member] += 1


@njit(cache=True, nogil=True)
def _told(mine, floor, versions, version_offsets, places, parents):  # type: ignore[no-untyped-def]
    """Stories that the articles tell, counted no further once below the floor."""
    count = len(mine)
    if count < floor:
        return count
    for at in range(len(mine)):
        places[mine[at]] = parents[at] = at
    for at in range(len(mine)):
        for edge in range(version_offsets[mine[at]], version_offsets[mine[at] + 1]):
            other = places[versions[edge]]
            if other > at:
                first, second = root(parents, at), root(parents, other)
                parents[first] = second
                count -= first != second
        if count < floor:
            break
    for member in mine:
        places[member] = -1
    return count


@njit(cache=True, nogil=True)
def _stories(members, offsets, versions, version_offsets, floors):  # type: ignore[no-untyped-def]
    longest = 0
    for each in range(len(offsets) - 1):
        longest = max(longest, offsets[each + 1] - offsets[each])
    places = np.full(len(version_offsets) - 1, -1, np.int64)
    parents, result = np.empty(longest, np.int64), np.zeros(len(offsets) - 1, np.int64)
    for each in range(len(offsets) - 1):
        mine = members[offsets[each] : offsets[each + 1]]
        result[each] = _told(mine, floors[each], versions, version_offsets, places, parents)
    return result


@njit(cache=True, nogil=True)
def _decided(  # type: ignore[no-untyped-def]
    members, offsets, alive, outlets, days, versions, version_offsets, floors, window, wanted
):
    """Verdicts, with the articles each counts, and the wanted articles' template by list."""
    longest, top, least = 1, 0, floors.min()
    for each in range(len(offsets) - 1):
        longest = max(longest, offsets[each + 1] - offsets[each])
    for outlet in outlets:
        top = max(top, outlet)
    places, parents = np.full(len(alive), -1, np.int64), np.empty(longest, np.int64)
    counts, is_template = np.zeros(top + 1, np.int64), np.zeros(top + 1, np.bool_)
    living, near = np.empty(longest, np.int64), np.empty(longest, np.int64)
    own = np.empty(longest, np.int64)
    verdicts, sizes = [np.uint64(0) for _ in range(0)], [np.int32(0) for _ in range(0)]
    lists, articles = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    for each in range(len(offsets) - 1):
        n, first, last = 0, np.int64(2**62), np.int64(-(2**62))
        for member in members[offsets[each] : offsets[each + 1]]:
            if alive[member]:
                living[n] = member
                n += 1
                first, last = min(first, days[member]), max(last, days[member])
        if n < least:
            continue
        together = last - first <= window
        asked = days[living[:1]] if together else np.unique(days[living[:n]])
        for day in asked:
            m, unknown, judged = 0, 0, False
            for member in living[:n]:
                if together or abs(days[member] - day) <= window:
                    near[m] = member
                    m += 1
                    if outlets[member] >= 0:
                        counts[outlets[member]] += 1
                    else:
                        unknown += 1
                        judged |= together or days[member] == day
            # By the day itself, not its place among the others', which may go.
            base = (np.uint64(each) << _S36) | np.uint64(0 if together else day % 65_535 + 1)
            common = judged and m >= floors[2]
            if common:
                told = _told(near[:m], floors[2], versions, version_offsets, places, parents)
                common = told >= floors[2]
            if common:
                verdicts.append(base)
                sizes.append(np.int32(unknown))
            for member in near[:m]:
                outlet = outlets[member]
                # Once for each outlet that has an article of the day.
                if outlet < 0 or counts[outlet] == 0 or not (together or days[member] == day):
                    continue
                size, counts[outlet] = counts[outlet], 0
                is_template[outlet] = size >= floors[1]
                if floors[0] <= size < floors[1]:
                    k = 0
                    for other in near[:m]:
                        if outlets[other] == outlet:
                            own[k] = other
                            k += 1
                    told = _told(own[:k], floors[0], versions, version_offsets, places, parents)
                    is_template[outlet] = told >= floors[0]
                if is_template[outlet]:
                    verdicts.append(base | (np.uint64(outlet + 1) << _S16))
                    sizes.append(np.int32(size))
            for member in near[:m]:
                if outlets[member] >= 0:
                    counts[outlets[member]] = 0
                hit = common if outlets[member] < 0 else is_template[outlets[member]]
                if hit and wanted[member] and (together or days[member] == day):
                    lists.append(np.int64(each))
                    articles.append(np.int64(member))
    return np.array(verdicts), np.array(sizes), np.array(lists), np.array(articles)
