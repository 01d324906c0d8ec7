"""Why two articles are together, or not.

Law: an explanation says only what the run published and what the two texts show, and the same for
both orders of the two. What can no longer be had, because an input is gone, is said and not
guessed.

Scores of a pair that the run kept are the run's own. Those of any other pair are counted again from
the texts, with the run's template left out. The weights of words in the corpus are not at hand
then, so their cosine is null, and whether their figures disagree is judged by the two texts alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dedup.errors import InputError
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.sources import Shard, fingerprint, plan_shards, read_shard
from dedup.stages import shingle, verify
from dedup.stages.credit import credits
from dedup.stages.text import Tokens, tokenise
from dedup.store import Result, read

VERDICTS = {
    "kept": "{relation}, similarity {similarity:.3f} against a floor of {floor:g}",
    "cut": "their similarity of {similarity:.3f} reaches the floor of {floor:g}, but their "
    "neighbours agree too little on average, so the cut parted them",
    "little_shared": "they share too little text: {shared} shingles of {shared_floor} needed, and "
    "{containment:.1%} of {least_containment:.0%} needed of one of them",
    "below_floor": "their similarity of {similarity:.3f} is below the floor of {floor:g}",
    "figures_disagree": "their similarity of {similarity:.3f} counts for less than the floor of "
    "{floor:g}, because their figures disagree: {figures_shared} of {figures} in common",
    "not_compared": "their similarity of {similarity:.3f} would reach the floor of {floor:g}, but "
    "no search proposed them",
    "unknown": "the run kept no scores of the two, and their texts cannot be read again",
}
"""What can be said of a pair, by name."""

_SHOWN_PASSAGES, _SHOWN_LENGTH = 5, 400


@dataclass(frozen=True)
class Passage:
    """A run of consecutive tokens of an article.

    Attributes
    ----------
    text : str
        As it stands in the article.
    words : int
        Tokens in it: words, or character n-grams in scripts without spaces.
    """

    text: str
    words: int


@dataclass(frozen=True)
class Article:
    """One of the two.

    Attributes
    ----------
    article_id, cluster_id, story_id, title, source, published_at, agency, shingles, \
template_shingles
        As `schemas.CLUSTERS` describes them.
    template : tuple of Passage
        What was left out as page furniture or common phrase, longest first; empty when the text
        cannot be read again.
    credits : tuple of str
        Dateline, byline and closing credit that were left out; empty likewise.
    """

    article_id: str
    cluster_id: str
    story_id: str
    title: str | None
    source: str | None
    published_at: datetime | None
    agency: str | None
    shingles: int
    template_shingles: int
    template: tuple[Passage, ...] = ()
    credits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Scores of two articles.

    Attributes
    ----------
    left_id, right_id : str
    relation : str or None
        As `schemas.PAIRS` has it; None for a pair that the run did not keep.
    similarity : float
        What is held against ``similarity_floor``, 0 to 1. Of a pair that the run did not keep, the
        larger of Jaccard and weighted containment, before disagreeing figures are counted against
        it.
    jaccard, containment_left, containment_right : float
        0 to 1.
    cosine : float or None
        0 to 1; None for a pair that the run did not keep.
    shared_shingles : int
    """

    left_id: str
    right_id: str
    relation: str | None
    similarity: float
    jaccard: float
    containment_left: float
    containment_right: float
    cosine: float | None
    shared_shingles: int


@dataclass(frozen=True)
class Explanation:
    """Why two articles are together, or not.

    Attributes
    ----------
    run_id : str
    left, right : Article
        The one of the smaller id first.
    reason : str
        What is true of the pair itself, one of `VERDICTS`.
    pair : Pair or None
        Their scores; those of their identical stand-ins where these were compared for them. None
        when the run kept none and the texts cannot be read again.
    hours_apart : float or None
        Hours between publication; None when unknown.
    figures : tuple of int, or None
        Distinct figures that both have, and distinct figures of the one with fewer; None when the
        texts cannot be read again.
    similarity_floor : float
    shared_floor : int
    passages : tuple of Passage
        Shared passages as they stand in the left article, template left out, longest first.
    path : tuple of Pair
        Of two articles of one cluster, the kept pairs that lead from left to right, in order.
    notes : tuple of str
        What could not be had, and why.
    """

    run_id: str
    left: Article
    right: Article
    reason: str
    pair: Pair | None
    hours_apart: float | None
    figures: tuple[int, int] | None
    similarity_floor: float
    shared_floor: int
    passages: tuple[Passage, ...]
    path: tuple[Pair, ...]
    notes: tuple[str, ...]

    @property
    def together(self) -> bool:
        """Whether the two are in one cluster."""
        return self.left.cluster_id == self.right.cluster_id

    @property
    def verdict(self) -> str:
        """The answer in a sentence."""
        facts: dict[str, Any] = {
            "floor": self.similarity_floor,
            "shared_floor": self.shared_floor,
            "least_containment": verify.LEAST_CONTAINMENT,
        }
        if self.pair:
            facts |= vars(self.pair) | {"shared": self.pair.shared_shingles}
            facts["containment"] = max(self.pair.containment_left, self.pair.containment_right)
        if self.figures:
            facts["figures_shared"], facts["figures"] = self.figures
        why = VERDICTS[self.reason].format(**facts)
        if not self.together:
            same_story = self.left.story_id == self.right.story_id
            return f"Apart{', in one story' if same_story else ''}: {why}."
        if self.reason == "kept":
            return f"Together: {why}."
        others = len(self.path) - 1
        through = f"through {others} other{'s' * (others > 1)}" if self.path else "through others"
        return f"Together {through}; by themselves, {why}."

    def render(self) -> RenderableType:
        """The explanation for the screen."""
        parts: list[RenderableType] = [Text(self.verdict, "bold"), "", self._articles()]
        if self.pair:
            parts += ["", self._scores(self.pair)]
        if len(self.path) > 1:
            parts += ["", "Path", *(Text(f"  {_step(pair)}") for pair in self.path)]
        parts += _listed("Shared passages", self.passages)
        for article in (self.left, self.right):
            parts += _listed(f"Left out of {article.article_id} as template", article.template)
            for credit in article.credits:
                parts += ["", Text(f"Left out of {article.article_id} as credit: {_plain(credit)}")]
        return Group(*parts, *(Text(f"\nNote: {_plain(note)}") for note in self.notes))

    def _articles(self) -> Table:
        table = Table("")
        for side in (self.left, self.right):
            table.add_column(Text(_plain(side.article_id)))
        for name in (
            "title",
            "source",
            "published_at",
            "agency",
            "cluster_id",
            "story_id",
            "shingles",
            "template_shingles",
        ):
            values = (getattr(side, name) for side in (self.left, self.right))
            cells = ("-" if value is None else _plain(str(value)) for value in values)
            table.add_row(name.replace("_", " "), *map(Text, cells))
        return table

    def _scores(self, pair: Pair) -> Table:
        table = Table("score", "value", "enough")
        jaccard, containment, cosine = (
            f"{self.similarity_floor / weight:.3g}" if self.similarity_floor <= weight else "cannot"
            for weight in (1, verify.CONTAINMENT_WEIGHT, verify.COSINE_WEIGHT)
        )
        table.add_row("similarity", f"{pair.similarity:.3f}", f"{self.similarity_floor:g}")
        table.add_row("Jaccard", f"{pair.jaccard:.3f}", jaccard)
        table.add_row("share of left in right", f"{pair.containment_left:.3f}", containment)
        table.add_row("share of right in left", f"{pair.containment_right:.3f}", containment)
        if pair.cosine is not None:
            table.add_row("cosine", f"{pair.cosine:.3f}", f"{cosine}, if figures agree")
        table.add_row("shared shingles", f"{pair.shared_shingles:,}", f"{self.shared_floor} needed")
        if self.figures:
            table.add_row("figures in common", "{} of {}".format(*self.figures), "")
        if self.hours_apart is not None:
            table.add_row("hours apart", f"{self.hours_apart:.1f}", "")
        return table


def explain(output: str | Path, left_id: str, right_id: str) -> Explanation:
    """Explain two articles of the latest run under an output folder.

    Parameters
    ----------
    output : str or Path
        The output folder, local or a URL.
    left_id, right_id : str
        Ids of two articles, in either order.

    Raises
    ------
    InputError
        When an id is not among the run's articles, or both are the same.
    OutputError
        When there is no run.
    RunError
        When the run is damaged.
    """
    if left_id == right_id:
        raise InputError(f"article {left_id!r}", "two articles", "one twice", "name another")
    run = read(output)
    left, right = (_cluster_row(run, name) for name in sorted((left_id, right_id)))
    stand_ins = (_stand_in(run, left), _stand_in(run, right))
    kept = _kept_pair(run, left, right, stand_ins)
    settings = Settings.checked(run.info["settings"])
    texts, notes = _texts(run, (left["article_id"], right["article_id"]), settings)
    reading = texts and _Reading.of(texts, [_template(run, row) for row in stand_ins], settings)
    if reading and not reading.counts_as((left, right)):
        reading, notes = None, [*notes, "the texts are not those that the run read"]
    pair = kept or (reading.pair(left, right) if reading else None)
    together = left["cluster_id"] == right["cluster_id"]
    return Explanation(
        run_id=run.info["run_id"],
        left=_article(left, reading, 0),
        right=_article(right, reading, 1),
        reason=_reason(pair, reading, together, settings),
        pair=pair,
        hours_apart=_hours_apart(left["published_at"], right["published_at"]),
        figures=reading.figures() if reading else None,
        similarity_floor=settings.similarity_floor,
        shared_floor=settings.shared_floor,
        passages=reading.shared_passages() if reading else (),
        path=_path(run, left, right) if together else (),
        notes=tuple(notes),
    )


# What the run published


def _first(table: pa.Table, **values: str) -> dict[str, Any] | None:
    """The first row that has the given values."""
    for column, value in values.items():
        table = table.filter(pc.equal(table[column], value))
    rows = table.slice(0, 1).to_pylist()
    return rows[0] if rows else None


def _cluster_row(run: Result, article_id: str) -> dict[str, Any]:
    row = _first(run.clusters, article_id=article_id)
    if row is None:
        reject = _first(run.rejects, article_id=article_id)
        got = "no such id"
        if reject:
            got = f"a row left out as {reject['reason']} ({reject['detail'] or reject['file']})"
        raise InputError(
            f"article {article_id!r}",
            f"an article of run {run.info['run_id']}",
            got,
            "check the id",
        )
    return row


def _stand_in(run: Result, row: dict[str, Any]) -> dict[str, Any]:
    """The article compared for all that have its text; often the article itself."""
    pair = _first(run.pairs, right_id=row["article_id"], relation="identical")
    return _cluster_row(run, pair["left_id"]) if pair else row


def _kept_pair(
    run: Result, left: dict[str, Any], right: dict[str, Any], stand_ins: tuple[dict[str, Any], ...]
) -> Pair | None:
    first, second = (row["article_id"] for row in stand_ins)
    ids = left["article_id"], right["article_id"]
    if first == second:
        shingles = left["shingles"]
        return Pair(*ids, "identical", 1.0, 1.0, 1.0, 1.0, 1.0, shingles)
    row = _first(run.pairs, left_id=min(first, second), right_id=max(first, second))
    return _pair(row, first, ids) if row else None


def _pair(row: Mapping[str, Any], first: str, ids: tuple[str, str]) -> Pair:
    """A row of pairs, turned so that `first` is its left, under the ids given."""
    contained = row["containment_left"], row["containment_right"]
    if row["left_id"] != first:
        contained = contained[::-1]
    scores = row["similarity"], row["jaccard"], *contained, row["cosine"], row["shared_shingles"]
    return Pair(*ids, row["relation"], *scores)


def _template(run: Result, row: dict[str, Any]) -> np.ndarray:
    """Hashes of the shingles that are template in an article's source."""
    sources = run.template["source"]
    here = pc.is_null(sources)
    if row["source"] is not None:
        here = pc.or_kleene(here, pc.equal(sources, row["source"]))
    return run.template.filter(here)["shingle"].to_numpy()


def _path(run: Result, left: dict[str, Any], right: dict[str, Any]) -> tuple[Pair, ...]:
    """Fewest kept pairs from left to right; of several ways that by the lead, then by the likest.

    Breadth first; empty when there is no way, as in a giant cluster whose pairs were not all kept.
    """
    rows = run.pairs.filter(pc.equal(run.pairs["cluster_id"], left["cluster_id"])).to_pylist()
    neighbours: dict[str, list[Pair]] = {}
    for row in rows:
        ends = row["left_id"], row["right_id"]
        for here, there in (ends, ends[::-1]):
            neighbours.setdefault(here, []).append(_pair(row, here, (here, there)))
    start, goal, lead = left["article_id"], right["article_id"], left["lead_id"]
    came_by: dict[str, Pair | None] = {start: None}
    waiting = deque([start])
    while waiting and goal not in came_by:
        for pair in sorted(neighbours.get(waiting.popleft(), []), key=_by_preference(lead)):
            if pair.right_id not in came_by:
                came_by[pair.right_id] = pair
                waiting.append(pair.right_id)
    return _back(came_by, goal)


def _by_preference(lead: str) -> Any:
    return lambda pair: (pair.right_id != lead, -pair.similarity, pair.right_id)


def _back(came_by: Mapping[str, Pair | None], goal: str) -> tuple[Pair, ...]:
    steps: list[Pair] = []
    while pair := came_by.get(goal):
        steps.append(pair)
        goal = pair.left_id
    return tuple(reversed(steps))


# What the texts show


def _texts(
    run: Result, ids: tuple[str, str], settings: Settings
) -> tuple[pa.LargeStringArray | None, list[str]]:
    """The two texts from the run's inputs, or None; and what is to be said about them."""
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


class _Reading(NamedTuple):
    """The two texts as the run read them; index 0 is the left, 1 the right.

    Attributes
    ----------
    texts : list of bytes
        UTF-8.
    spans : ndarray of int64, shape (2, 2)
        The body in each, without credits.
    tokens : Tokens
    rolled : Ragged of uint64
        Shingle hashes in the order of the text.
    evidence : verify.Evidence
        Of the two alone, template left out.
    scores : verify.Scores
        Of the one pair they are.
    templates : list of ndarray of uint64
        Shingle hashes that are template in each one's source.
    size : int
        Tokens per shingle.
    """

    texts: list[bytes]
    spans: np.ndarray
    tokens: Tokens
    rolled: Ragged
    evidence: verify.Evidence
    scores: verify.Scores
    templates: list[np.ndarray]
    size: int

    @classmethod
    def of(
        cls, texts: pa.LargeStringArray, templates: list[np.ndarray], settings: Settings
    ) -> _Reading:
        size = settings.shingle_size
        spans = credits(texts).spans
        tokens = tokenise(texts, spans)
        body = Ragged(tokens.hashes, tokens.offsets)
        shingles = shingle.shingle_sets(body, size)
        template = [np.isin(_list(shingles, i), templates[i]) for i in range(2)]
        kept = shingles.keep(~np.concatenate(template))
        words = shingle.word_sets(shingle.without_template(body, kept, size))
        weights = verify.weigh(words.sets, words.counts)
        evidence = verify.evidence(kept, words.sets, weights)
        scores = verify.score(evidence, np.array([0]), np.array([1]), settings.shared_floor)
        raw = [text.encode() for text in texts.to_pylist()]
        rolled = shingle.rolled(body, size)
        return cls(raw, spans, tokens, rolled, evidence, scores, templates, size)

    def counts_as(self, rows: tuple[dict[str, Any], ...]) -> bool:
        """Whether each text has as many shingles as the run counted in it."""
        return self.evidence.shingles.lengths.tolist() == [row["shingles"] for row in rows]

    def pair(self, left: dict[str, Any], right: dict[str, Any]) -> Pair:
        """Their scores, as far as two texts alone can tell."""
        scores = self.scores
        contained = float(scores.containment_left[0]), float(scores.containment_right[0])
        jaccard = float(scores.jaccard[0])
        similarity = max(jaccard, verify.CONTAINMENT_WEIGHT * max(contained))
        ids = left["article_id"], right["article_id"]
        return Pair(*ids, None, similarity, jaccard, *contained, None, int(scores.shared[0]))

    def figures(self) -> tuple[int, int]:
        """Distinct figures that both have, and those of the one with fewer."""
        left, right = (_list(self.evidence.figures, i) for i in range(2))
        return len(np.intersect1d(left, right)), min(len(left), len(right))

    def shared_passages(self) -> tuple[Passage, ...]:
        """What the left has of the right, template left out."""
        left, right = (_list(self.evidence.shingles, i) for i in range(2))
        return self._passages(0, np.intersect1d(left, right))

    def template_passages(self, i: int) -> tuple[Passage, ...]:
        return self._passages(i, self.templates[i])

    def credits(self, i: int) -> tuple[str, ...]:
        first, after = self.spans[i]
        pieces = (self.texts[i][:first], self.texts[i][after:])
        return tuple(text for piece in pieces if (text := piece.decode().strip()))

    def _passages(self, i: int, wanted: np.ndarray) -> tuple[Passage, ...]:
        """Longest runs of an article's text whose every shingle is wanted; longest first."""
        marked = np.isin(_list(self.rolled, i), wanted)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], marked, [0]])))
        begin, end = self.tokens.offsets[i : i + 2]
        passages = []
        for first, after in edges.reshape(-1, 2).tolist():
            last = min(begin + after + self.size - 1, end) - 1
            text = self.texts[i][self.tokens.starts[begin + first] : self.tokens.ends[last]]
            passages.append(Passage(text.decode(), int(last - begin - first + 1)))
        return tuple(sorted(passages, key=lambda passage: -passage.words))


def _list(lists: Ragged, i: int) -> np.ndarray:
    """Values of one article."""
    return lists.part(slice(i, i + 1)).values


# What follows


def _reason(pair: Pair | None, reading: _Reading | None, together: bool, settings: Settings) -> str:
    if pair and pair.relation:
        return "kept" if together else "cut"
    if pair is None or reading is None:
        return "unknown"
    floor = np.float32(settings.similarity_floor)
    containment = max(pair.containment_left, pair.containment_right)
    if containment < verify.LEAST_CONTAINMENT or pair.shared_shingles < settings.shared_floor:
        return "little_shared"
    if np.float32(pair.similarity) < floor:
        return "below_floor"
    return "figures_disagree" if reading.scores.similarity[0] < floor else "not_compared"


def _article(row: dict[str, Any], reading: _Reading | None, i: int) -> Article:
    names = Article.__dataclass_fields__.keys() & row.keys()
    facts = {name: row[name] for name in names}
    if reading is None:
        return Article(**facts)
    return Article(**facts, template=reading.template_passages(i), credits=reading.credits(i))


def _hours_apart(left: datetime | None, right: datetime | None) -> float | None:
    if left is None or right is None:
        return None
    return abs((left - right).total_seconds()) / 3600


# On the screen


def _plain(text: str) -> str:
    """One line, without what would move a terminal's cursor."""
    return "".join(filter(str.isprintable, " ".join(text.split())))


def _step(pair: Pair) -> str:
    return _plain(
        f"{pair.left_id} - {pair.right_id}: {pair.relation}, similarity {pair.similarity:.3f}"
    )


def _listed(heading: str, passages: tuple[Passage, ...]) -> list[RenderableType]:
    """The longest passages under a heading; nothing when there are none."""
    if not passages:
        return []
    words = sum(passage.words for passage in passages)
    lines = [Text(f"\n{_plain(heading)} ({words:,} words in {len(passages):,})")]
    for passage in passages[:_SHOWN_PASSAGES]:
        text = _plain(passage.text)
        shown = text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + " …"
        lines.append(Text(f"  {passage.words:,} words: “{shown}”"))
    return [*lines]
