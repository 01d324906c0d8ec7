"""What happens in the made-up world, and who publishes it when.

Law: every published article knows how it came about, and the truth is written down when an article
is made, never worked out from the texts afterwards. The one exception is a chain, whose truth is a
share of text (see :meth:`Newsroom.chain`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from dedup.synth.bulletins import filled
from dedup.synth.draws import Draws
from dedup.synth.edits import EDITS, next_version
from dedup.synth.english import English
from dedup.synth.invented import CODES, Invented
from dedup.synth.language import Desk, Draft, Language
from dedup.synth.marks import marked, thinned
from dedup.synth.outlets import Outlet, busy, outlets
from dedup.synth.stories import length, telling

DAYS = 5
"""Days within which a block is published, but for copies, which come up to two days later."""
CLUSTERED = 0.30
"""Share of the articles that lie in a planted cluster of two or more."""
CHAINED, INDEPENDENT, SHARED_QUOTE, BULLETIN = 0.015, 0.03, 0.02, 0.10
"""Shares of the articles; those in chains are among the clustered, the others are not."""
LARGEST_CLUSTER = 50
CHAIN_LENGTH = 5
CHAIN_FLOOR = 0.30
"""Share of a version's 5-grams that its cluster's first version must hold."""

_SIZE_EXPONENT = 2.0
_LONG_ENOUGH = 370  # words of copy that gets edited: a brief of 60 is then a sixth of it
_LANGUAGE_WEIGHTS = {
    "en": 65, "de": 6, "fr": 5, "es": 5, "ru": 5, "ar": 4, "hi": 3, "zh": 3, "ja": 2, "th": 2
}  # fmt: skip
_KIND_WEIGHTS = {
    "identical": 10, "headline": 10, "tail_cut_80": 6, "tail_cut_60": 6, "tail_cut_40": 6,
    "local_paragraph": 8, "furniture": 10, "substitution_2": 5, "substitution_5": 5,
    "substitution_10": 4, "substitution_15": 4, "moved_paragraphs": 5, "correction": 5,
    "update": 6, "excerpt": 5, "rewrite": 3,
}  # fmt: skip
_TEXT_KEPT = {"identical", "headline"}  # so no page comes around it and no mark is lost
_OWN_UPDATES = {"update", "correction"}  # at times by the outlet that had the original


@dataclass(slots=True, eq=False)
class Article:
    """A published article with the truth about it."""

    title: str
    text: str
    outlet: Outlet
    source: str
    minute: int
    kind: str
    cluster: int
    story: int
    origin: Article | None = None


@cache
def _languages() -> dict[str, Language]:
    """English and every invented language, by tag; the same whatever the seed."""
    return {"en": English()} | {code: Invented(code) for code in CODES}


@dataclass(frozen=True)
class World:
    """The languages and their outlets, the same for every block of a corpus."""

    languages: dict[str, Language]
    press: dict[str, list[Outlet]]

    @classmethod
    def of(cls, articles: int, seed: int) -> World:
        """A world whose press fits a corpus of so many articles."""
        draws = Draws(seed, 0)
        languages = _languages()
        english = min(max(articles // 40, 30), 240)
        counts = {code: english if code == "en" else max(8, english // 5) for code in languages}
        press = {code: outlets(languages[code], count, draws) for code, count in counts.items()}
        return cls(languages, press)


class Newsroom:
    """Makes a block of articles that were published within a few days.

    Parameters
    ----------
    world : World
        Languages and outlets.
    draws : Draws
        The block's dice.
    """

    def __init__(self, world: World, draws: Draws) -> None:
        self._world = world
        self._draws = draws
        self._last = 0  # number of the last cluster; a story has the number of its first

    def block(self, articles: int) -> list[Article]:
        """So many articles, by time of publication."""
        published: list[Article] = []
        chains = round(CHAINED * articles / CHAIN_LENGTH)
        for _ in range(chains):
            published += self.chain()
        for size in self._sizes(round(CLUSTERED * articles) - chains * CHAIN_LENGTH, articles):
            published += self.copies(size)
        for _ in range(round(INDEPENDENT * articles / 3)):
            published += self.independent(self._draws.between(2, 4))
        for _ in range(round(SHARED_QUOTE * articles / 2)):
            published += self.shared_quote()
        for _ in range(round(BULLETIN * articles)):
            published.append(self.bulletin())
        del published[articles:]  # only a corpus of a handful is full before this
        while len(published) < articles:
            published.append(self.single())
        return sorted(published, key=lambda article: article.minute)

    def _sizes(self, articles: int, block: int) -> Iterator[int]:
        """Sizes of clusters, two or more, that come to so many articles."""
        # No outlet carries a story twice; the last cluster may be one larger than drawn.
        press = max(map(len, self._world.press.values()))
        sizes = range(2, min(LARGEST_CLUSTER, press - 1, max(2, block // 10)) + 1)
        weights = [size**-_SIZE_EXPONENT for size in sizes]
        while articles >= 2:
            size = min(self._draws.pick_weighted(sizes, weights), articles)
            size += articles - size == 1
            yield size
            articles -= size

    # Putting an article together

    def _language(self) -> Language:
        codes = list(_LANGUAGE_WEIGHTS)
        code = self._draws.pick_weighted(codes, list(_LANGUAGE_WEIGHTS.values()))
        return self._world.languages[code]

    def _outlet(self, language: Language) -> Outlet:
        return busy(self._world.press[language.code], self._draws)

    def _desk(self, language: Language) -> Desk:
        cast = language.cast(self._draws)
        return Desk(language, cast, self._draws, cast.place)

    def _own(self, title: str, text: str, outlet: Outlet, kind: str) -> Article:
        """An article in a cluster and a story of its own, published at any time."""
        self._last += 1
        source = outlet.spelling(self._draws)
        minute = self._draws.between(0, DAYS * 24 * 60 - 1)
        return Article(title, text, outlet, source, minute, kind, self._last, self._last)

    def _page(self, text: str, outlet: Outlet) -> str:
        """The text as the outlet shows it, mostly or seldom with its furniture."""
        return outlet.around(text) if self._draws.chance(outlet.furnished) else text

    def _later(self) -> int:
        """Minutes from one version to another: a few, seldom up to two days."""
        return 2 + int(self._draws.unit() ** 3 * (48 * 60 - 2))

    # Articles that are no copies

    def _report(self, desk: Desk, kind: str) -> Article:
        draft = telling(desk, length(self._draws))
        outlet = self._outlet(desk.language)
        return self._own(draft.title, self._page(_text(draft, desk), outlet), outlet, kind)

    def single(self) -> Article:
        """An article that has nothing to do with any other."""
        return self._report(self._desk(self._language()), "single")

    def independent(self, outlets: int) -> list[Article]:
        """Several outlets' own reports of one event: the same names and figures, own words."""
        desk = self._desk(self._language())
        first = self._report(desk, "independent")
        others = [self._report(desk, "independent") for _ in range(outlets - 1)]
        return [first] + [
            replace(report, story=first.story, minute=first.minute + self._later())
            for report in others
        ]

    def shared_quote(self) -> list[Article]:
        """Two stories with nothing in common but one long quotation."""
        language = self._language()
        words = language.quotation(language.cast(self._draws), 40, 80, self._draws)
        stories = []
        for _ in range(2):
            desk, outlet = self._desk(language), self._outlet(language)
            draft = telling(desk, length(self._draws, _LONG_ENOUGH), [words])
            text = self._page(_text(draft, desk), outlet)
            stories.append(self._own(draft.title, text, outlet, "shared_quote"))
        return stories

    def bulletin(self) -> Article:
        """A form filled in by an outlet that does so often."""
        language = self._language()
        outlet = self._outlet(language)
        while not outlet.forms:
            outlet = self._outlet(language)
        title, text = filled(self._draws.pick(outlet.forms), language, self._draws)
        return self._own(title, self._page(text, outlet), outlet, "bulletin")

    # Copies

    def _original(self, desk: Desk) -> tuple[Draft, Article]:
        """A story long enough to be edited, as its agency sends it out: with no page around it."""
        draft = marked(telling(desk, length(self._draws, _LONG_ENOUGH)), desk)
        outlet = self._outlet(desk.language)
        return draft, self._own(draft.title, _text(draft, desk), outlet, "original")

    def _carriers(self, language: Language, count: int) -> list[Outlet]:
        """So many different outlets, the busy ones more likely."""
        press = self._world.press[language.code]
        carriers: dict[str, Outlet] = {}
        while len(carriers) < count:
            outlet = busy(press, self._draws)
            carriers[outlet.domain] = outlet
        return list(carriers.values())

    def copies(self, size: int) -> list[Article]:
        """An original and what `size` - 1 editors made of it."""
        language = self._language()
        while size > len(self._world.press[language.code]):
            language = self._language()
        desk = self._desk(language)
        draft, original = self._original(desk)
        carriers = self._carriers(language, size - 1)
        return [original, *(self._copy(draft, original, desk, outlet) for outlet in carriers)]

    def _copy(self, draft: Draft, original: Article, desk: Desk, outlet: Outlet) -> Article:
        draws = self._draws
        kind = draws.pick_weighted(list(_KIND_WEIGHTS), list(_KIND_WEIGHTS.values()))
        if kind in _OWN_UPDATES and draws.chance(0.3):
            outlet = original.outlet
        edited = EDITS[kind](draft, replace(desk, town=outlet.town))
        if kind not in _TEXT_KEPT:
            edited = thinned(edited, desk)
            if draws.chance(0.5):
                edited = EDITS["headline"](edited, desk)
        text = _text(edited, desk)
        if kind == "furniture":
            text = outlet.around(text)
        elif kind not in _TEXT_KEPT:
            text = self._page(text, outlet)
        return replace(
            original,
            title=edited.title,
            text=text,
            outlet=outlet,
            source=outlet.spelling(draws),
            minute=original.minute + self._later(),
            kind=kind,
            origin=original,
        )

    def chain(self) -> list[Article]:
        """Versions that are each made from the one before.

        Truth: a version belongs to the cluster of the version before it as long as the first
        version of that cluster holds at least :data:`CHAIN_FLOOR` of its 5-grams; the version that
        has drifted further starts a cluster. All of them are one story.
        """
        desk = self._desk(self._language())
        draft, original = self._original(desk)
        versions, founding = [original], _five_grams(draft)
        for outlet in self._carriers(desk.language, CHAIN_LENGTH - 1):
            draft = thinned(next_version(draft, desk), desk)
            version = replace(
                versions[-1],
                title=draft.title,
                text=_text(draft, desk),
                outlet=outlet,
                source=outlet.spelling(self._draws),
                minute=versions[-1].minute + 1 + self._later() // CHAIN_LENGTH,
                kind="chain",
                origin=versions[-1],
            )
            grams = _five_grams(draft)
            if len(grams & founding) < CHAIN_FLOOR * len(grams):
                self._last += 1
                version.cluster, founding = self._last, grams
            versions.append(version)
        return versions


def _text(draft: Draft, desk: Desk) -> str:
    paragraphs = [
        desk.language.joiner.join([token for sentence in sentences for token in sentence.tokens])
        for sentences in draft.paragraphs
    ]
    paragraphs[0] = draft.dateline + paragraphs[0]
    return "\n\n".join([*paragraphs, draft.credit] if draft.credit else paragraphs)


def _five_grams(draft: Draft) -> set[tuple[str, ...]]:
    tokens = [token for sentences in draft.paragraphs for s in sentences for token in s.tokens]
    return set(zip(*(tokens[start:] for start in range(5)), strict=False))
