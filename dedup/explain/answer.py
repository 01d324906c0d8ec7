"""The answer: what is said of two articles.

Law: plain facts, each with its meaning; how they are shown, `screen` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dedup.stages import verify

REASONS = {
    "kept": "{relation}, similarity {similarity:.3f} against a floor of {floor:g}",
    "cut": "their similarity of {similarity:.3f} reaches the floor of {floor:g}, but their "
    "neighbours agree too little on average, so the cut parted them",
    "little_shared": "they share too little text: {shared} shingles of {shared_floor} needed, and "
    "{containment:.1%} of {least_containment:.0%} needed of one of them",
    "little_held": "{below}, {likely}because too few of their own words stand in passages that "
    "both have: {about}{held:.0%} of the one's, their spread counted",
    "figures_disagree": "{below}, {likely}because {why}",
    "days_apart": "{below}, {likely}because {why}",
    "same_outlet": "{below}, {likely}because {why}",
    "rare_words": "{below}, most likely because the words that they do not share are the rarer "
    "ones: were all equally rare, it would reach it",
    "not_compared": "no search proposed them, and so they were {likely}not compared: {equally}"
    "their similarity would reach the floor of {floor:g}",
    "out_of_window": "no search proposed them, and so they were not compared: {apart} days lie "
    "between the first publications of their texts, and `window_days` is {days}",
    "unknown": "the run kept no scores of the two, and their texts cannot be read again",
}
"""What can be said of a pair, by name; the three that say why are causes of `Lowered` too."""


@dataclass(frozen=True)
class Passage:
    """A run of consecutive tokens of an article.

    Attributes
    ----------
    text : str
        As it stands in the article; " … " where a gallery or list was left out of it.
    words : int
        Tokens in it: words, or character n-grams where the run's profile or the script has them.
    own : int
        How many of these are the article's own: neither template nor quotation.
    """

    text: str
    words: int
    own: int


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
    lists : tuple of Passage
        Galleries and lists of links that were left out; empty likewise.
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
    lists: tuple[Passage, ...] = ()
    credits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Scores of a pair that the run kept.

    Attributes
    ----------
    left_id, right_id, relation, score, similarity, held, cosine, agreement, jaccard, \
containment_left, containment_right, shared_shingles
        As `schemas.PAIRS` describes them.
    """

    left_id: str
    right_id: str
    relation: str
    score: float
    similarity: float
    held: float
    cosine: float
    agreement: float
    jaccard: float
    containment_left: float
    containment_right: float
    shared_shingles: int


@dataclass(frozen=True)
class Alone:
    """What the two texts show by themselves, template left out.

    Attributes
    ----------
    shared_shingles, jaccard, containment_left, containment_right
        As `schemas.PAIRS` describes them.
    exact : bool
        Whether words weigh as they did in the run: where the language says how rare they are. Else
        all weigh alike, because the run does not publish how rare they are in the corpus.
    similarity, held, agreement : float
        Likewise, with words of such weights.
    longest : int
        Tokens of the longest passage of own words that both have; 0 where they share too little to
        be compared.
    agreement_asked : float
        Agreement of figures from which on a pair with such a passage keeps all its similarity.
    figures : tuple of int, or None
        Distinct figures among the own words of both, and of the one with fewer; None where the
        profile tells no figures.
    """

    shared_shingles: int
    jaccard: float
    containment_left: float
    containment_right: float
    exact: bool
    similarity: float
    held: float
    agreement: float
    longest: int
    agreement_asked: float
    figures: tuple[int, int] | None


@dataclass(frozen=True)
class Lowered:
    """Why a similarity counts for less.

    Attributes
    ----------
    cause : str
        "figures_disagree", "days_apart" or "same_outlet".
    weight : float
        What it is multiplied by, 0 to 1; of a pair that the run did not keep, for figures, with
        words weighing as in `Alone`.
    why : str
        In words.
    """

    cause: str
    weight: float
    why: str


@dataclass(frozen=True)
class Window:
    """How far from an article an incremental run looks for copies of it.

    Attributes
    ----------
    days : int
        Days between two texts that a search proposes, at most.
    apart : int
        Days between the first publications of the two; an undated article counts as published when
        its file was modified.
    """

    days: int
    apart: int


@dataclass(frozen=True)
class Explanation:
    """Why two articles are together, or not.

    Attributes
    ----------
    run_id : str
    left, right : Article
        The one of the smaller id first.
    reason : str
        What is true of the pair itself, one of `REASONS`.
    proposed : bool or None
        Whether a search proposed the two, or their identical stand-ins; None when that is not
        known, as incremental runs publish only what they proposed themselves.
    pair : Pair or None
        Their scores; those of their identical stand-ins where these were compared for them. None
        when the run kept none.
    alone : Alone or None
        None when the texts cannot be read again.
    lowered : tuple of Lowered
        What lowers their similarity, most first, as far as it can be told.
    hours_apart : float or None
        Hours between publication; None when unknown.
    window : Window or None
        None of a run that compares all with all.
    similarity_floor : float
    shared_floor : int
    passages : tuple of Passage
        Shared passages as they stand in the left article, template left out, those with most own
        words first; one without any is quotation, or lies between template.
    path : tuple of Pair
        Of two articles of one cluster, the kept pairs that lead from left to right, in order.
    unit : str
        What passages are counted in.
    notes : tuple of str
        What could not be had, and why.
    """

    run_id: str
    left: Article
    right: Article
    reason: str
    proposed: bool | None
    pair: Pair | None
    alone: Alone | None
    lowered: tuple[Lowered, ...]
    hours_apart: float | None
    window: Window | None
    similarity_floor: float
    shared_floor: int
    passages: tuple[Passage, ...]
    path: tuple[Pair, ...]
    unit: str
    notes: tuple[str, ...]

    @property
    def together(self) -> bool:
        """Whether the two are in one cluster."""
        return self.left.cluster_id == self.right.cluster_id

    @property
    def verdict(self) -> str:
        """The answer in a sentence."""
        why = REASONS[self.reason].format(**self._facts())
        if not self.together:
            same_story = self.left.story_id == self.right.story_id
            return f"Apart{', in one story' if same_story else ''}: {why}."
        if self.reason == "kept":
            return f"Together: {why}."
        others = len(self.path) - 1
        through = f"through {others} other{'s' * (others > 1)}" if self.path else "through others"
        return f"Together {through}; by themselves, {why}."

    def _facts(self) -> dict[str, Any]:
        """What the reasons name."""
        facts: dict[str, Any] = {
            "floor": self.similarity_floor,
            "shared_floor": self.shared_floor,
            "least_containment": verify.LEAST_CONTAINMENT,
            "below": f"their similarity is below the floor of {self.similarity_floor:g}",
            "why": next((each.why for each in self.lowered if each.cause == self.reason), ""),
            **dict.fromkeys(("likely", "about", "equally"), ""),
        }
        if not (self.alone and self.alone.exact):
            facts |= {"likely": "most likely ", "about": "about "}
            facts["equally"] = "were all words equally rare, "
        if self.proposed is False:
            # Within a component all are compared, but who was in one is not published.
            facts["below"] = f"no search proposed them, and {facts['below']} if they were compared"
        if self.alone:
            facts["shared"], facts["held"] = self.alone.shared_shingles, self.alone.held
            contained = self.alone.containment_left, self.alone.containment_right
            facts["containment"] = max(contained)
        for found in (self.window, self.pair):
            facts |= vars(found) if found else {}
        return facts
