"""What every language of made-up news can do.

Law: stories, edits and bulletins know a language only through :class:`Language`; a text is
paragraphs of sentences of tokens, and only a language knows how tokens become text.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from dedup.synth.draws import Draws


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence.

    Parameters
    ----------
    tokens : tuple of str
        Its words with their punctuation; in a script without spaces, its words as such.
    meaning : object, optional
        What its language needs to say it another way.
    """

    tokens: tuple[str, ...]
    meaning: Any = None


Paragraph = tuple[Sentence, ...]


@dataclass(slots=True)
class Cast:
    """Who and what a story is about: what its every telling has in common.

    Parameters
    ----------
    facts : dict of str to list of str
        Names, bodies, places, figures and things, by the slot they fill.
    figures : list of str
        Those of them that are numbers, without currency or unit.
    place : str
        Where it happens.
    mentioned : set of str
        People introduced already in the telling at hand.
    """

    facts: dict[str, list[str]]
    figures: list[str]
    place: str
    mentioned: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Draft:
    """An article before its outlet puts its page around it."""

    title: str
    paragraphs: tuple[Paragraph, ...]
    dateline: str = ""
    credit: str = ""

    def words(self) -> int:
        """Tokens in the paragraphs."""
        return sum(len(s.tokens) for paragraph in self.paragraphs for s in paragraph)

    def with_paragraphs(self, paragraphs: list[Paragraph]) -> Draft:
        """The same article with these paragraphs, of which empty ones are dropped."""
        return replace(self, paragraphs=tuple(p for p in paragraphs if p))


class Language(Protocol):
    """A language that news can be written in."""

    code: str
    """Its BCP 47 tag."""
    joiner: str
    """What stands between two tokens."""
    pace: float
    """Tokens per token of English text of the same length on the page."""

    def cast(self, draws: Draws) -> Cast:
        """Draw what a story is about."""
        ...

    def headline(self, cast: Cast, draws: Draws) -> str:
        """Draw a headline for it."""
        ...

    def sentence(self, cast: Cast, draws: Draws) -> Sentence:
        """Draw a sentence about it."""
        ...

    def local_sentence(self, cast: Cast, place: str, draws: Draws) -> Sentence:
        """Draw a sentence on what it means in an outlet's own town."""
        ...

    def quotation(self, cast: Cast, low: int, high: int, draws: Draws) -> tuple[str, ...]:
        """Draw `low` to `high` tokens of speech, without quotation marks."""
        ...

    def quoting(self, cast: Cast, words: tuple[str, ...], draws: Draws) -> Sentence:
        """Put speech into the mouth of somebody of the cast."""
        ...

    def reword(self, sentence: Sentence, draws: Draws) -> Sentence:
        """Say it in other words and order; names, figures and quotations stay."""
        ...

    def word(self, draws: Draws) -> str:
        """Draw any word."""
        ...

    def place(self, draws: Draws) -> str:
        """Draw a place name."""
        ...

    def person(self, draws: Draws) -> str:
        """Draw a full name."""
        ...

    def figure(self, draws: Draws) -> str:
        """Draw a number as it stands in a text."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an article is worked on: its language, its story's cast, and the dice."""

    language: Language
    cast: Cast
    draws: Draws
    town: str
    """Where the outlet is that the work is done for."""
