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


def in_stories(found: Repeats, stories: np.ndarray, floor: int | np.ndarray) -> np.ndarray:
    """Which keys stand in at least `floor` stories of their source.

    Parameters
    ----------
    found : Repeats
    stories : ndarray of int64, shape (n_articles,)
        Story of each article; articles with the same one count once.
    floor : int, or ndarray of int64, shape (n_keys,)
        One for all or, as from :func:`floors`, one each. Higher leaves more in; at least the floor
        that `found` was made with.

    Returns
    -------
    ndarray of bool, shape (n_keys,)
    """
    order = np.argsort(stories, kind="stable")
    return _count_stories(found.keys, found.offsets, order, stories, found.n_keys) >= floor


def places(found: Repeats, chosen: np.ndarray) -> np.ndarray:
    """Rising positions in `shingles.values` of the chosen keys (bool, shape (n_keys,))."""
    return found.positions[chosen[found.keys]]


_PRIME = np.uint64(0xD6E8FEB86659FD93)


@njit(cache=True, nogil=True)
def _count_stories(keys, offsets, order, stories, n_keys):  # type: ignore[no-untyped-def]
    """Distinct stories per key: articles come in the order of their story."""
    counts = np.zeros(n_keys, np.int64)
    last = np.full(n_keys, -1, np.int64)
    for article in order:
        for at in range(offsets[article], offsets[article + 1]):
            if last[keys[at]] != stories[article]:
                last[keys[at]] = stories[article]
                counts[keys[at]] += 1
    return counts
