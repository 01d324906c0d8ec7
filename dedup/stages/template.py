"""Page furniture out, wire copy kept.

Law: a shingle's frequency is counted in stories, not in articles. What an outlet repeats in stories
that have nothing else in common is template; what comes back because the story comes back (an
update, a second section, fifty outlets) is copy.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

import numpy as np
from numba import njit

from dedup.forest import root
from dedup.numbering import number, repeating
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
    """The shingles that repeat within their source.

    Attributes
    ----------
    positions : ndarray of int64, shape (n_repeats,)
        Rising positions in `shingles.values`.
    keys : ndarray of int64, shape (n_repeats,)
        Equal where shingle and source are equal; from 0 to `n_keys` - 1.
    offsets : ndarray of int64, shape (n_articles + 1,)
        Article `i` owns `positions[offsets[i]:offsets[i + 1]]`.
    n_keys : int
    """

    positions: np.ndarray
    keys: np.ndarray
    offsets: np.ndarray
    n_keys: int


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


def repeats(shingles: Ragged, sources: np.ndarray, floor: int) -> Repeats:
    """All shingles that may stand in at least `floor` articles of their article's source.

    Parameters
    ----------
    shingles : Ragged of uint64
        Sorted distinct shingle hashes per article.
    sources : ndarray of int64, shape (n_articles,)
        Source of each article; articles with a negative one take no part.
    floor : int
        Higher finds fewer; a few that stand in fewer articles come along.
    """
    salts = (sources.astype(np.uint64) + np.uint64(1)) * _PRIME
    mask = repeating(shingles.values, shingles.offsets, salts, min(floor, 255))
    mask &= np.repeat(sources >= 0, shingles.lengths)
    positions = np.flatnonzero(mask)
    offsets = np.searchsorted(positions, shingles.offsets)
    keys, n_keys = number(shingles.values[positions] ^ np.repeat(salts, np.diff(offsets)))
    return Repeats(positions, keys, offsets, n_keys)


def floors(found: Repeats, sources: np.ndarray, least: int, share: float) -> np.ndarray:
    """How many articles or stories of its source each key must stand in to be template.

    Parameters
    ----------
    found : Repeats
    sources : ndarray of int64, shape (n_articles,)
        As `found` was made with.
    least : int
    share : float
        Share of the articles of the key's source, 0 to 1, that it must stand in as well.

    Returns
    -------
    ndarray of int64, shape (n_keys,)
    """
    owners = np.repeat(sources, np.diff(found.offsets))
    source = np.zeros(found.n_keys, np.int64)
    source[found.keys] = owners
    sizes = np.bincount(sources[sources >= 0], minlength=1)
    return np.maximum(least, np.ceil(share * sizes)).astype(np.int64)[source]


def members(found: Repeats) -> Ragged:
    """Articles that hold each key, rising: Ragged of int64."""
    owners = np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))
    offsets = np.zeros(found.n_keys + 1, np.int64)
    np.cumsum(np.bincount(found.keys, minlength=found.n_keys), out=offsets[1:])
    return Ragged(owners[np.argsort(found.keys, kind="stable")], offsets)


def of_articles(found: Repeats, chosen: np.ndarray) -> Repeats:
    """What the chosen articles (bool, shape (n_articles,)) hold of the repeats; keys stay."""
    kept = np.repeat(chosen, np.diff(found.offsets))
    offsets = np.concatenate([[0], np.cumsum(kept)])[found.offsets]
    return Repeats(found.positions[kept], found.keys[kept], offsets, found.n_keys)


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


def places(found: Repeats, chosen: np.ndarray) -> np.ndarray:
    """Rising positions in `shingles.values` of the chosen keys (bool, shape (n_keys,))."""
    return found.positions[chosen[found.keys]]


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
_S16, _S36 = np.uint64(16), np.uint64(36)


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
