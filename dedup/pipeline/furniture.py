"""Third verb: page furniture and common phrases.

Law: what an outlet repeats in stories that have nothing else in common is template, however the
outlet's name is spelt; what comes back because the story comes back is copy.

The texts of a unit's outlets are read once, in the order of files, and lie in memory outlet by
outlet. Some outlets at a time are then worked through, so that their shingles, which are rolled
anew from the tokens, are counted in the processor's cache. Common phrases, and an outlet with more
texts than that, are worked through in spans of hashes.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from dedup.numbering import inverse
from dedup.pipeline import exchange
from dedup.ragged import Located, Ragged, Stored
from dedup.schemas import FORMS, LEFT_OUT, SIGNED, TEMPLATE, TOKENS
from dedup.settings import Settings
from dedup.stages import shingle, template
from dedup.threads import in_order, spans, width
from dedup.workspace import Workspace

_TOKEN_BYTES = 4
"""Bytes that a token takes; what is found is little beside."""

_TOGETHER = 200_000
"""Tokens of outlets that are worked through together: their counters fit into the cache."""

_LARGEST = 50_000_000
"""Tokens that are worked through at a time, at most."""

_ROLLED = 128
"""Texts of which the shingles are rolled at a time: they stay in the nearer cache."""

_READ = 80 * _ROLLED
"""Texts that are read from files before what was read is let go of."""


class Corpus(NamedTuple):
    """All distinct texts, as they were signed; those of one outlet side by side.

    Attributes
    ----------
    work : Workspace
        Where they lie.
    tokens : Located of uint32
        Packed.
    places : ndarray of int64, shape (n_texts,)
    sources : ndarray of int64, shape (n_texts,)
        Outlet of each text, from 0, rising; -1 where unknown.
    versions : Ragged of int64
        As `template.neighbours`.
    """

    work: Workspace
    tokens: Located
    places: np.ndarray
    sources: np.ndarray
    versions: Ragged

    def rolled(self, texts: slice, size: int) -> Iterator[tuple[slice, Ragged]]:
        """Shingles of some of the texts at a time, and which those are."""
        for part in spans(texts.stop - texts.start, _ROLLED):
            some = slice(texts.start + part.start, texts.start + part.stop)
            yield some, shingle.rolled(self.tokens.part(some).gathered(), size)
            if not part.stop % _READ:
                self.work.release()

    def near(self, texts: slice, threads: int) -> Corpus:
        """The same with the tokens of some texts in memory, read in the order in which they lie."""
        tokens, lengths = self.tokens, self.tokens.lengths[texts]
        starts = np.zeros_like(tokens.starts)
        starts[texts] = np.cumsum(lengths) - lengths
        values = np.empty(lengths.sum(), tokens.values.dtype)
        order = texts.start + np.argsort(tokens.starts[texts])
        self.work.throughout()

        def read(part: slice) -> None:
            some = order[part]
            tokens.take(some).copy(values, starts[some])
            self.work.release()

        deque(in_order(read, spans(len(order), _READ), threads), maxlen=0)
        return self._replace(tokens=tokens._replace(values=values, starts=starts))

    def versions_among(self, texts: slice) -> Ragged:
        """Versions of the texts that are themselves among them, all counted from the first."""
        versions = self.versions.part(texts).map(lambda values: values - texts.start)
        n = texts.stop - texts.start
        return versions.keep((versions.values >= 0) & (versions.values < n))


class Task(NamedTuple):
    """What is worked through at a time.

    Attributes
    ----------
    texts : slice
        All texts of some outlets, or all there are.
    tokens : int
        How many they have.
    span : tuple of int
        Smallest and largest shingle hash that is looked at.
    """

    texts: slice
    tokens: int
    span: tuple[int, int]


class Found(NamedTuple):
    """Template that was found.

    Attributes
    ----------
    places : ndarray of int64, shape (n_texts,)
    left_out : Ragged of uint64
        Shingles that are left out of each of these texts, sorted.
    first : ndarray of int64, shape (n_template,)
        Place of the first text that holds each shingle that is template; -1 if of unknown source.
    shingles : ndarray of uint64, shape (n_template,)
    articles : ndarray of int64, shape (n_template,)
        How many texts hold it.
    """

    places: np.ndarray
    left_out: Ragged
    first: np.ndarray
    shingles: np.ndarray
    articles: np.ndarray


def units(settings: Settings, work: Workspace) -> int:
    """Parts that the verb works in, each within the memory."""
    tokens = sum(note["tokens"] for note in work.notes("sign-"))
    # Half of the memory may be taken, as little else lies there meanwhile.
    return exchange.parts(_TOKEN_BYTES * tokens // 2, settings)


def furnish(settings: Settings, work: Workspace, number: int, count: int) -> dict[str, Any]:
    """Tell the template of some outlets, and some common phrases: one of so many units.

    Articles are versions of one story as far as they are close copies, template included. Of an
    article of unknown source no furniture can be told, so phrases common to all stand in for it.
    """
    tokens = work.read_all("tokens-", TOKENS)["tokens"]
    work.here_and_there()  # for where the tokens lie
    found = _joined(_told(_corpus(work, Stored(tokens)), number, count, settings))
    work.write(f"left-out-{number:06}", LEFT_OUT, _left_out(found))
    names = work.read_all("signed-", SIGNED)["source"]
    work.write_table(f"template-{number:06}", _template(found, names))
    return {}


def _told(corpus: Corpus, number: int, count: int, settings: Settings) -> list[Found]:
    """What is found in the tasks of one of so many units."""
    tasks = list(_tasks(corpus, number, count))
    mine = slice(tasks[0].texts.start, tasks[-1].texts.stop) if tasks else slice(0, 0)
    of_sources = partial(_of_sources, corpus.near(mine, settings.threads), settings=settings)
    of_all = partial(_of_all, corpus, settings=settings)
    return [
        *in_order(of_sources, tasks, settings.threads),
        *in_order(of_all, _everywhere(corpus, number, count, settings), settings.threads),
    ]


def _joined(pieces: list[Found]) -> Found:
    none = np.empty(0, np.int64)
    places, first, articles = (
        np.concatenate([none, *(getattr(piece, name) for piece in pieces)])
        for name in ("places", "first", "articles")
    )
    shingles = np.concatenate([np.empty(0, np.uint64), *(piece.shingles for piece in pieces)])
    left_out = Ragged.joined([piece.left_out for piece in pieces], pa.uint64())
    return Found(places, left_out, first, shingles, articles)


def _left_out(found: Found) -> Iterator[pa.RecordBatch]:
    """As `schemas.LEFT_OUT`, some texts at a time."""
    some = np.flatnonzero(found.left_out.lengths)
    order = some[np.argsort(found.places[some], kind="stable")]  # spans follow one another
    for part in spans(len(order), _READ):
        lists = found.left_out.take(order[part])
        columns = [pa.array(found.places[order[part]]), lists.arrow()]
        yield pa.RecordBatch.from_arrays(columns, schema=LEFT_OUT)


def _template(found: Found, names: pa.ChunkedArray) -> pa.Table:
    """As `schemas.TEMPLATE`; a source is spelt as the first of its texts spells it."""
    columns = [
        names.take(pa.array(found.first, mask=found.first < 0)),
        pa.array(found.shingles),
        pa.array(found.articles.astype(np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=TEMPLATE)


def _corpus(work: Workspace, tokens: Stored) -> Corpus:
    versions, texts = work.read_all("versions", FORMS), work.read("texts")
    sources = texts["naming"].to_numpy()
    order = np.argsort(sources, kind="stable")
    numbers = inverse(order)
    left, right = (numbers[versions[end].to_numpy()] for end in ("left", "right"))
    places = texts["place"].to_numpy()[order]
    neighbours = template.neighbours(left, right, len(order))
    return Corpus(work, tokens.located(places), places, sources[order], neighbours)


def _tasks(corpus: Corpus, number: int, count: int) -> Iterator[Task]:
    """Tasks of one of so many units; all outlets are in one unit each, and in one task or more."""
    known = np.searchsorted(corpus.sources, 0)
    _, starts = np.unique(corpus.sources[known:], return_index=True)
    bounds = np.append(starts + known, len(corpus.sources))
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(corpus.tokens.lengths)])[bounds]
    before, of_outlets = ends[:-1] - ends[0], np.diff(ends)
    unit = before * count // max(int(ends[-1] - ends[0]), 1)
    group = (before - before[np.searchsorted(unit, unit)]) // _TOGETHER
    mine = np.flatnonzero(unit == number)
    for several in np.split(mine, np.flatnonzero(np.diff(group[mine])) + 1) if len(mine) else []:
        part = slice(int(bounds[several[0]]), int(bounds[several[-1] + 1]))
        tokens = int(of_outlets[several].sum())
        for span in exchange.spans(1 + tokens // _LARGEST):
            yield Task(part, tokens, span)


def _everywhere(corpus: Corpus, number: int, count: int, settings: Settings) -> Iterator[Task]:
    """Tasks of one of so many units in which all texts are looked at, if that is of any use."""
    if len(corpus.sources) and corpus.sources[0] < 0:
        texts, tokens = slice(0, len(corpus.sources)), int(corpus.tokens.lengths.sum())
        for span in exchange.spans(width(settings.threads), exchange.spans(count)[number]):
            yield Task(texts, tokens, span)


def _of_sources(corpus: Corpus, task: Task, settings: Settings) -> Found:
    """What repeats within sources and is template."""
    profile, sources = settings.representation, corpus.sources[task.texts]
    least = np.array([settings.template_stories, settings.template_articles]) * profile.repeats
    found = _repeats(corpus, task, template.salts(sources), int(least.min()), settings)
    _, of_source, sizes = np.unique(sources, return_inverse=True, return_counts=True)
    sizes = sizes[of_source][found.members.values[found.members.offsets[:-1]]]
    in_stories, in_articles = (template.floors(sizes, floor, profile.share) for floor in least)
    told = template.stories(found.members, corpus.versions_among(task.texts), in_stories)
    chosen = (found.members.lengths >= in_articles) | (told >= in_stories)
    return _found(corpus, task, found, chosen)


def _of_all(corpus: Corpus, task: Task, settings: Settings) -> Found:
    """What articles of unknown source hold that is common to all."""
    n, share = len(corpus.sources), settings.representation.share
    found = _repeats(corpus, task, np.zeros(n, np.uint64), settings.common_stories, settings)
    sizes = np.full(len(found.shingles), n)
    floors = template.floors(sizes, settings.common_stories, share)
    common = template.stories(found.members, corpus.versions, floors) >= floors
    return _found(corpus, task, template.of_articles(found, corpus.sources < 0), common)


def _repeats(
    corpus: Corpus, task: Task, salts: np.ndarray, least: int, settings: Settings
) -> template.Repeats:
    """Shingles of the task that stand in so many articles of one salt."""
    span, floor = task.span, min(least, 255)
    share, start = (span[1] - span[0]) / 2**64, task.texts.start
    counters = np.zeros(int(2 * share * task.tokens) + 4096, np.uint8)

    def rolled() -> Iterator[tuple[Ragged, np.ndarray]]:
        for texts, lists in corpus.rolled(task.texts, settings.shingle_size):
            yield lists, salts[texts.start - start : texts.stop - start]

    for lists, mine in rolled():
        template.count(lists, mine, span, floor, counters)
    selected = [template.select(lists, mine, span, floor, counters) for lists, mine in rolled()]
    return template.repeats(Ragged.joined(selected, pa.uint64()), salts, least)


def _found(corpus: Corpus, task: Task, repeats: template.Repeats, chosen: np.ndarray) -> Found:
    """Of the repeats the chosen ones (bool, shape (n_repeats,)), unless no article has them."""
    members, places = repeats.members, corpus.places[task.texts]
    left_out = template.left_out(repeats, chosen, len(places))
    chosen = chosen & (members.lengths > 0)
    first = members.values[members.offsets[:-1][chosen]]
    spelt = np.where(corpus.sources[task.texts][first] < 0, -1, places[first])
    return Found(places, left_out, spelt, repeats.shingles[chosen], members.lengths[chosen])


def outlets(sources: pa.StringArray) -> np.ndarray:
    """A number (int64) per outlet, the same in every run; -1 where it is unknown."""
    spelt = sources.dictionary_encode()
    keys = [template.outlet(name).encode() for name in spelt.dictionary.to_pylist()]
    digests = [hashlib.blake2b(key, digest_size=8).digest() for key in keys]
    numbers = np.array([int.from_bytes(digest, "little") >> 1 for digest in digests] + [-1])
    return numbers[spelt.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
