"""What the two texts show.

Law: a text is read as the run read it, or not at all.

Where the language says how rare words are, all is as the run had it. Their rarity in a corpus is
not at hand, so all count as equally rare then: what is shared is exact, its weight is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.errors import InputError
from dedup.explain.answer import Alone, Passage
from dedup.explain.published import Versions
from dedup.explain.remembered import Origins
from dedup.pipeline import language
from dedup.pipeline.evidence import Texts, gathered
from dedup.pipeline.sign import Body, read_body
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.sources import Shard, fingerprint, plan_shards, read_shard
from dedup.stages import shingle, verify
from dedup.stages.text import tokenise
from dedup.store import Result

_BOTH = np.array([0]), np.array([1])
_OTHERS = "the texts are not those that the run read"


class Reading(NamedTuple):
    """The two texts as the run read them; index 0 is the left, 1 the right.

    Attributes
    ----------
    texts : list of bytes
        UTF-8.
    body : Body
    lists : list of list of (int, int, int)
        Galleries and lists of links left out of each: first byte, byte past the last, tokens.
    rolled : Ragged of uint64
        Shingle hashes in the order of the text.
    templates : list of ndarray of uint64
        Shingle hashes that are template in each one's outlet.
    exact : bool
        Whether words weigh as they did in the run.
    given : verify.Evidence
        Of the two; all words equally rare unless `exact`.
    scores : verify.Scores
        Of the one pair they are, from `given`.
    """

    texts: list[bytes]
    body: Body
    lists: list[list[tuple[int, int, int]]]
    rolled: Ragged
    templates: list[np.ndarray]
    exact: bool
    given: verify.Evidence
    scores: verify.Scores

    def unlowered(self) -> float:
        """Similarity if neither figures, nor time, nor outlet lowered it."""
        own = self.given.own
        unfigured = own._replace(sums=own.sums._replace(figured=np.zeros(2, np.int64)))
        hours, outlets = np.full(2, np.nan), np.full(2, -1)
        given = self.given._replace(own=unfigured, hours=hours, outlets=outlets)
        return float(verify.score(given, *_BOTH, 0).similarity[0])

    def alone(self, settings: Settings) -> Alone:
        scores = self.scores
        marked = [_list(self.given.own.words, i) for i in range(2)]
        left, right = (values[values & np.uint64(1) > 0] for values in marked)
        common = len(np.intersect1d(left, right))
        longest = float(scores.longest[0])
        return Alone(
            shared_shingles=int(scores.shared[0]),
            jaccard=float(scores.jaccard[0]),
            containment_left=float(scores.containment_left[0]),
            containment_right=float(scores.containment_right[0]),
            exact=self.exact,
            similarity=float(scores.similarity[0]),
            held=float(scores.held[0]),
            agreement=float(scores.agreement[0]),
            longest=int(longest),
            agreement_asked=float(verify.agreement_asked(np.array(longest))),
            figures=None if settings.representation.gram else (common, min(len(left), len(right))),
        )

    def shared_passages(self) -> tuple[Passage, ...]:
        """What the left has of the right, template left out."""
        left, right = (_list(self.given.shingles, i) for i in range(2))
        shared = np.intersect1d(left, right)
        return self._passages(0, shared[shared != 0])  # 0 stands for what does not count

    def left_out(self, i: int) -> dict[str, Any]:
        """Fields of an `Article`: what does not count in it."""
        first, after = self.body.credits.spans[i]
        outside = (self.texts[i][:first], self.texts[i][after:])
        lists = [
            Passage(self.texts[i][begin:end].decode(), tokens, 0)
            for begin, end, tokens in self.lists[i]
        ]
        return {
            "template": self._passages(i, self.templates[i]),
            "lists": tuple(lists),
            "credits": tuple(text for piece in outside if (text := piece.decode().strip())),
        }

    def _passages(self, i: int, wanted: np.ndarray) -> tuple[Passage, ...]:
        """Longest runs of an article's text whose every shingle is wanted, most own words first."""
        tokens, passages = self.body.tokens, []
        begin, end = tokens.offsets[i : i + 2]
        for first, after in _runs(np.isin(_list(self.rolled, i), wanted)):
            places = slice(begin + first, min(begin + after + self.given.size - 1, end))
            text = self._text(i, tokens.starts[places.start], tokens.ends[places.stop - 1])
            own = int(np.count_nonzero(self.given.own.masses.values[places]))
            passages.append(Passage(text, int(places.stop - places.start), own))
        return tuple(sorted(passages, key=lambda passage: (-passage.own, -passage.words)))

    def _text(self, i: int, first: int, after: int) -> str:
        pieces = []
        for begin, end, _ in self.lists[i]:
            if first < begin < after:
                pieces.append(self.texts[i][first:begin])
                first = end
        pieces.append(self.texts[i][first:after])
        return " … ".join(piece.decode().strip() for piece in pieces)


def read_again(
    run: Result, rows: tuple[Any, Any], versions: Versions, settings: Settings
) -> tuple[Reading | None, list[str]]:
    """The two texts from the run's inputs, or None; and what is to be said about them.

    Parameters
    ----------
    rows : tuple of mapping
        Of clusters.
    """
    if memory := versions.remembered:
        texts, notes = _current(run, memory.origins, settings)
    else:
        texts, notes = _texts(run, (rows[0]["article_id"], rows[1]["article_id"]), settings)
    if texts is None:
        return None, notes
    reading = _reading(texts, versions, settings)
    same = verify.counted(reading.given.shingles).tolist() == [row["shingles"] for row in rows]
    if memory and memory.origins:
        same &= np.array_equal(reading.body.hashes, memory.origins.hashes)
    return (reading, notes) if same else (None, [*notes, _OTHERS])


def _reading(texts: pa.LargeStringArray, versions: Versions, settings: Settings) -> Reading:
    body, size = read_body(texts, settings), settings.shingle_size
    tokens = Ragged(body.tokens.hashes, body.tokens.offsets)
    sizes = [len(template) for template in versions.templates]
    template = Ragged(np.concatenate(versions.templates), np.cumsum([0, *sizes]))
    left = shingle.laid_out(tokens, template, size)
    quoted = tokens._replace(values=body.quoted)
    texts_alone = Texts(tokens, quoted, left, versions.hours, versions.outlets)
    exact = settings.rarity == "language"
    given = gathered(texts_alone, language.rarity if exact else _equal, settings)
    return Reading(
        texts=[text.encode() for text in texts.to_pylist()],
        body=body,
        lists=_lists(texts, body, settings),
        rolled=shingle.rolled(tokens, size),
        templates=versions.templates,
        exact=exact,
        given=given,
        scores=verify.score(given, *_BOTH, settings.shared_floor),
    )


def _equal(words: np.ndarray) -> np.ndarray:
    """All words equally rare."""
    return np.ones(len(words), np.float32)


def _lists(
    texts: pa.LargeStringArray, body: Body, settings: Settings
) -> list[list[tuple[int, int, int]]]:
    everything = tokenise(texts, body.credits.spans, settings.representation.gram)
    spans = []
    for i in range(2):
        part = slice(*everything.offsets[i : i + 2])
        read = body.tokens.starts[slice(*body.tokens.offsets[i : i + 2])]
        starts, ends = everything.starts[part], everything.ends[part]
        runs = _runs(~np.isin(starts, read))
        spans.append([(int(starts[a]), int(ends[b - 1]), b - a) for a, b in runs])
    return spans


def _runs(mask: np.ndarray) -> list[list[int]]:
    """First and past the last place of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]])))
    runs: list[list[int]] = edges.reshape(-1, 2).tolist()
    return runs


def _list(lists: Ragged, i: int) -> np.ndarray:
    """Values of one article."""
    return lists.part(slice(i, i + 1)).values


def _texts(
    run: Result, ids: tuple[str, str], settings: Settings
) -> tuple[pa.LargeStringArray | None, list[str]]:
    """The two texts as they are now, or None; and what is to be said about them."""
    if not run.info["input"]["paths"]:
        return None, ["the input was a table in memory, so the texts cannot be read again"]
    left_out = run.rejects.filter(pc.is_in(run.rejects["article_id"], pa.array(ids)))
    rejected = {(row["file"], row["row"]) for row in left_out.to_pylist()}
    try:
        shards = plan_shards(run.info["input"]["paths"], settings)
        found = _find(shards, ids, rejected, settings)
    except InputError as error:
        return None, [f"the texts cannot be read again: {error}"]
    missing = [name for name in ids if name not in found]
    if missing:
        return None, [f"the inputs no longer hold article {missing[0]!r}"]
    notes = []
    if fingerprint(shards) != run.info["input"]["fingerprint"]:
        notes = ["the inputs have changed since the run; texts are shown as they are now"]
    return pa.array([found[name] for name in ids], pa.large_string()), notes


def _current(
    run: Result, origins: Origins | None, settings: Settings
) -> tuple[pa.LargeStringArray | None, list[str]]:
    """The two texts from the rows that count, as they are now, or None; and what is to be said."""
    if origins is None:
        return None, ["they are too old for the runs to remember, so they cannot be read again"]
    (inbox,) = run.info["input"]["paths"]
    texts = []
    try:
        for path, row in zip(origins.files, origins.rows, strict=True):
            file = f"{inbox.rstrip('/')}/{path}"
            texts.append(_row(file, row, settings))
            if texts[-1] is None:
                return None, [f"{file} no longer has the row that counts"]
    except InputError as error:
        return None, [f"the texts cannot be read again: {error}"]
    return pa.array(texts, pa.large_string()), []


def _row(file: str, row: int, settings: Settings) -> str | None:
    """Text of one row of a file."""
    for shard in plan_shards([file], settings):
        for batch in read_shard(shard, settings):
            found = batch.articles.filter(pc.equal(batch.articles["row"], row))
            if found.num_rows:
                text: str = found["text"][0].as_py()
                return text
    return None


def _find(
    shards: Iterable[Shard], ids: tuple[str, str], rejected: set[Any], settings: Settings
) -> dict[str, str]:
    """Texts by id: of each the first row that was not rejected."""
    found: dict[str, str] = {}
    wanted = pa.array(ids, pa.string())
    for shard in shards:
        for batch in read_shard(shard, settings):
            rows = batch.articles.filter(pc.is_in(batch.articles["article_id"], wanted))
            for row in rows.to_pylist():
                if (row["file"], row["row"]) not in rejected:
                    found.setdefault(row["article_id"], row["text"])
            if len(found) == len(ids):
                return found
    return found
