"""Third verb: page furniture and common phrases.

Law: what an outlet repeats in stories that have nothing else in common is template, however the
outlet's name is spelt; what comes back because the story comes back is copy.

Some outlets at a time are worked through, all their texts, so that their shingles, which are rolled
anew from the tokens, are counted in the processor's cache. Common phrases, and an outlet with more
texts than that, are worked through in spans of hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup.pipeline import exchange
from dedup.ragged import Ragged, Stored
from dedup.schemas import FORMS, LEFT_OUT, SIGNED, TEMPLATE
from dedup.settings import Settings
from dedup.stages import shingle, template
from dedup.threads import ARTICLES, in_order, spans, width
from dedup.workspace import Workspace

_TOKEN_BYTES = 10
"""Bytes that a token takes while what repeats is told, about: two counters, and what is found."""

_TOGETHER = 200_000
"""Tokens of outlets that are worked through together: their counters fit into the cache."""

_LARGEST = 50_000_000
"""Tokens that are worked through at a time, at most."""


class Corpus(NamedTuple):
    """All distinct texts, as they were signed.

    Attributes
    ----------
    tokens : Stored of uint32
        By place, packed.
    places : ndarray of int64, shape (n_texts,)
    sources : ndarray of int64, shape (n_texts,)
        Outlet of each text, from 0; -1 where unknown.
    names : ChunkedArray of str, by place
        How the outlets are spelt.
    versions : Ragged of int64
        As `template.neighbours`.
    """

    tokens: Stored
    places: np.ndarray
    sources: np.ndarray
    names: pa.ChunkedArray
    versions: Ragged

    def rolled(self, texts: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, Ragged]]:
        """Some of the texts at a time, and their shingles."""
        for part in spans(len(texts), ARTICLES):
            tokens = self.tokens.gather(self.places[texts[part]]).map(shingle.unpacked)
            yield texts[part], shingle.rolled(tokens, size)


class Task(NamedTuple):
    """What is worked through at a time.

    Attributes
    ----------
    texts : ndarray of int64
        Numbers of all texts of some outlets, or of all there are.
    tokens : int
        How many they have.
    span : tuple of int
        Smallest and largest shingle hash that is looked at.
    """

    texts: np.ndarray
    tokens: int
    span: tuple[int, int]


class Found(NamedTuple):
    """Template that was found.

    Attributes
    ----------
    places, shingles : ndarray
        Texts by place, and the shingles that are left out of them.
    table : pa.Table
        As `schemas.TEMPLATE`.
    """

    places: np.ndarray
    shingles: np.ndarray
    table: pa.Table


def units(settings: Settings, work: Workspace) -> int:
    """Parts that the verb works in, each within the memory."""
    tokens = sum(note["tokens"] for note in work.notes("sign-"))
    return exchange.parts(_TOKEN_BYTES * tokens, settings)


def furnish(settings: Settings, work: Workspace, number: int, count: int) -> dict[str, Any]:
    """Tell the template of some outlets, and some common phrases: one of so many units.

    Articles are versions of one story as far as they are close copies, template included. Of an
    article of unknown source no furniture can be told, so phrases common to all stand in for it.
    """
    corpus = _corpus(work)
    of_sources = partial(_of_sources, corpus, settings=settings)
    found = list(in_order(of_sources, _tasks(corpus, number, count), settings.threads))
    if (corpus.sources < 0).any():
        everywhere = np.arange(len(corpus.sources))
        mine = exchange.spans(count)[number]
        tasks = [
            Task(everywhere, corpus.tokens.size, span)
            for span in exchange.spans(width(settings.threads), mine)
        ]
        found += in_order(partial(_of_all, corpus, settings=settings), tasks, settings.threads)
    places = np.concatenate([np.empty(0, np.int64), *(each.places for each in found)])
    shingles = np.concatenate([np.empty(0, np.uint64), *(each.shingles for each in found)])
    order = np.argsort(places, kind="stable")  # spans follow one another
    left_out = pa.table([pa.array(places[order]), pa.array(shingles[order])], schema=LEFT_OUT)
    work.write_table(f"left-out-{number:06}", left_out)
    tables = [TEMPLATE.empty_table(), *(each.table for each in found)]
    work.write_table(f"template-{number:06}", pa.concat_tables(tables))
    return {}


def _corpus(work: Workspace) -> Corpus:
    versions = work.read_all("versions", FORMS)
    texts, signed = work.read("texts"), work.read_all("signed-", SIGNED)
    ends = versions["left"].to_numpy(), versions["right"].to_numpy()
    return Corpus(
        Stored(signed["tokens"]),
        texts["place"].to_numpy(),
        texts["naming"].to_numpy(),
        signed["source"],
        template.neighbours(*ends, texts.num_rows),
    )


def _tasks(corpus: Corpus, number: int, count: int) -> Iterator[Task]:
    """Tasks of one of so many units; all outlets are in one unit each, and in one task or more."""
    texts = np.argsort(corpus.sources, kind="stable")
    texts = texts[np.count_nonzero(corpus.sources < 0) :]
    sizes = corpus.tokens.lengths[corpus.places[texts]]
    _, starts = np.unique(corpus.sources[texts], return_index=True)
    of_outlets = np.add.reduceat(sizes, starts) if len(starts) else sizes
    before = np.cumsum(of_outlets) - of_outlets
    unit = before * count // max(int(of_outlets.sum()), 1)
    group = (before - before[np.searchsorted(unit, unit)]) // _TOGETHER
    bounds = np.append(starts, len(texts))
    mine = np.flatnonzero(unit == number)
    for several in np.split(mine, np.flatnonzero(np.diff(group[mine])) + 1) if len(mine) else []:
        part = texts[bounds[several[0]] : bounds[several[-1] + 1]]
        tokens = int(of_outlets[several].sum())
        for span in exchange.spans(1 + tokens // _LARGEST):
            yield Task(part, tokens, span)


def _of_sources(corpus: Corpus, task: Task, settings: Settings) -> Found:
    """What repeats within sources and is template."""
    profile, sources = settings.representation, corpus.sources
    least = np.array([settings.template_stories, settings.template_articles]) * profile.repeats
    found = _repeats(corpus, task, sources, min(least), settings)
    in_stories, in_articles = (
        template.floors(found, sources, floor, profile.share) for floor in least
    )
    held = template.members(found)
    told = template.stories(held, corpus.versions, in_stories)
    return _found(corpus, found, (held.lengths >= in_articles) | (told >= in_stories))


def _of_all(corpus: Corpus, task: Task, settings: Settings) -> Found:
    """What articles of unknown source hold that is common to all."""
    everywhere = np.zeros(len(corpus.sources), np.int64)
    found = _repeats(corpus, task, everywhere, settings.common_stories, settings)
    share = settings.representation.share
    floors = template.floors(found, everywhere, settings.common_stories, share)
    common = template.stories(template.members(found), corpus.versions, floors) >= floors
    return _found(corpus, template.of_articles(found, corpus.sources < 0), common)


def _repeats(
    corpus: Corpus, task: Task, sources: np.ndarray, floor: int, settings: Settings
) -> template.Repeats:
    """Shingles of the task that may stand in so many articles of one source."""
    span, floor = task.span, min(floor, 255)
    share = (span[1] - span[0]) / 2**64
    counters = np.zeros(int(2 * share * task.tokens) + 4096, np.uint8)
    for texts, rolled in corpus.rolled(task.texts, settings.shingle_size):
        template.count(rolled, template.salts(sources[texts]), span, floor, counters)
    selected = [
        template.select(rolled, template.salts(sources[texts]), span, floor, counters)
        for texts, rolled in corpus.rolled(task.texts, settings.shingle_size)
    ]
    lists = Ragged.joined(selected, pa.uint64())
    return template.repeats(lists, task.texts, template.salts(sources[task.texts]))


def _found(corpus: Corpus, repeats: template.Repeats, chosen: np.ndarray) -> Found:
    """Of the repeats those of chosen keys (bool, shape (n_keys,)).

    A source is spelt as the first of its texts spells it.
    """
    mine = chosen[repeats.keys]
    values, owners, keys = repeats.values[mine], repeats.owners[mine], repeats.keys[mine]
    counts = np.bincount(keys, minlength=repeats.n_keys)
    first = np.full(repeats.n_keys, len(corpus.places))
    np.minimum.at(first, keys, owners)
    shingles = np.zeros(repeats.n_keys, np.uint64)
    shingles[keys] = values
    used = counts > 0
    first = first[used]
    columns = [
        corpus.names.take(pa.array(corpus.places[first], mask=corpus.sources[first] < 0)),
        pa.array(shingles[used]),
        pa.array(counts[used].astype(np.int32)),
    ]
    table = pa.Table.from_arrays(columns, schema=TEMPLATE)
    return Found(corpus.places[owners], values, table)


def outlets(sources: pa.StringArray) -> np.ndarray:
    """A number (int64) per outlet, the same in every run; -1 where it is unknown."""
    spelt = sources.dictionary_encode()
    keys = [template.outlet(name).encode() for name in spelt.dictionary.to_pylist()]
    digests = [hashlib.blake2b(key, digest_size=8).digest() for key in keys]
    numbers = np.array([int.from_bytes(digest, "little") >> 1 for digest in digests] + [-1])
    return numbers[spelt.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
