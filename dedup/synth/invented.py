"""Invented languages, one for each kind of script.

Law: an invented language owns its script's letters, a vocabulary with Zipf's frequencies and
habits of word order, and nothing else of a real language; it looks right to a tokeniser and means
nothing to a reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dedup.synth.data import load
from dedup.synth.draws import Draws
from dedup.synth.language import Cast, Sentence

CODES = tuple(load("scripts"))
"""Tags of the languages that there are."""

VOCABULARY = 20_000
"""Words of each."""

_FUNCTION_WORDS = 60
_ZIPF_EXPONENT = 1.02
_ZIPF_SHIFT = 2.7  # Mandelbrot's: flattens the first ranks
_HABIT = 0.12  # share of words that bring along the word that usually follows them


@dataclass(frozen=True)
class Script:
    """How the words of a language are built and written.

    Parameters
    ----------
    onsets, nuclei, codas : str
        Parts of a syllable, parted by spaces; ``-`` is none.
    ends : str
        Endings of longer words, parted by spaces; ``-`` is none.
    quotes : str
        Opening and closing quotation mark.
    comma, stop : str
        Written straight after a token.
    joiner : str
        Between two tokens.
    syllables : sequence of int
        Least and most syllables of a word that is no function word.
    compounds : float
        Share of words that are two words written as one.
    nouns : float
        Share of words that begin with a capital.
    """

    onsets: str
    nuclei: str
    codas: str
    ends: str = "-"
    quotes: str = "«»"
    comma: str = ","
    stop: str = "."
    joiner: str = " "
    syllables: Sequence[int] = (1, 3)
    compounds: float = 0.0
    nouns: float = 0.0


def _parts(text: str) -> list[str]:
    return ["" if part == "-" else part for part in text.split()]


class Invented:
    """A language that nobody speaks, in a script that many write.

    Parameters
    ----------
    code : str
        One of :data:`CODES`: the tag of the language that it resembles.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self._script = Script(**load("scripts")[code])
        self.joiner = self._script.joiner
        self._syllable_parts = [
            _parts(text) for text in (self._script.onsets, self._script.nuclei, self._script.codas)
        ]
        self._ends = _parts(self._script.ends)
        # A language is the same whatever the news: its dice know its name and no seed.
        self._words = self._vocabulary(Draws(*code.encode()))
        self._follows = np.roll(np.arange(VOCABULARY), 7919)
        weights = 1.0 / (np.arange(VOCABULARY) + _ZIPF_SHIFT) ** _ZIPF_EXPONENT
        self._cumulated = np.cumsum(weights / weights.sum())
        english_characters = 6.2  # per token of English news, with its space
        shown = sum(len(word) * share for word, share in zip(self._words, weights, strict=True))
        characters = shown / float(weights.sum()) + len(self.joiner)
        # A script without spaces says in a third of the characters what English says.
        self.pace = english_characters / characters * (1.0 if self.joiner else 0.4)

    # Words

    def _syllables(self, count: int, draws: Draws) -> str:
        return "".join([draws.pick(part) for _ in range(count) for part in self._syllable_parts])

    def _longer_word(self, draws: Draws) -> str:
        low, high = self._script.syllables
        word = self._syllables(draws.between(low, high), draws) + draws.pick(self._ends)
        if draws.chance(self._script.compounds):
            word = self._syllables(draws.between(low, high), draws) + word
        return word.capitalize() if draws.chance(self._script.nouns) else word

    def _vocabulary(self, draws: Draws) -> list[str]:
        words: dict[str, None] = {}  # a dict, since a set has no order to rely on
        while len(words) < _FUNCTION_WORDS:
            words[self._syllables(1, draws)] = None
        while len(words) < VOCABULARY:
            words[self._longer_word(draws)] = None
        return list(words)

    def _run(self, count: int, draws: Draws) -> list[str]:
        ranks = np.searchsorted(self._cumulated, draws.units(count))
        habit = draws.units(count - 1) < _HABIT
        ranks[1:][habit] = self._follows[ranks[:-1][habit]]
        return [self._words[rank] for rank in ranks.tolist()]

    def word(self, draws: Draws) -> str:
        return self._words[int(np.searchsorted(self._cumulated, draws.unit()))]

    def _name(self, draws: Draws) -> str:
        return self._syllables(3 if self.joiner else 2, draws).capitalize()

    def place(self, draws: Draws) -> str:
        return self._name(draws)

    def person(self, draws: Draws) -> str:
        return f"{self._name(draws)}{self.joiner}{self._name(draws)}"

    def figure(self, draws: Draws) -> str:
        return str(int(draws.lognormal(900, 1.2)) + 101)

    # Sentences

    def cast(self, draws: Draws) -> Cast:
        names = [self._name(draws) for _ in range(10)]
        figures = [self.figure(draws) for _ in range(6)]
        subject = [word for word in self._run(40, draws) if len(word) > 2 or not self.joiner]
        facts = {"name": names, "figure": figures, "subject": subject}
        return Cast(facts, figures, place=names[0])

    def _clause(self, cast: Cast, low: int, high: int, draws: Draws) -> list[str]:
        words = self._run(draws.between(low, high), draws)
        for slot, most in (("name", 2), ("figure", 1), ("subject", 2)):
            for _ in range(draws.between(0, most)):
                at = int(draws.unit() ** 1.5 * len(cast.facts[slot]))
                words[draws.between(0, len(words) - 1)] = cast.facts[slot][at]
        return words

    def _close(self, words: list[str], mark: str) -> None:
        words[-1] += mark

    def headline(self, cast: Cast, draws: Draws) -> str:
        words = self._clause(cast, 5, 9, draws)
        return self.joiner.join([words[0].capitalize(), *words[1:]])

    def sentence(self, cast: Cast, draws: Draws) -> Sentence:
        words = self._clause(cast, 6, 14, draws)
        if draws.chance(0.5):
            self._close(words, self._script.comma)
            words += self._clause(cast, 4, 10, draws)
        self._close(words, self._script.stop)
        return Sentence((words[0].capitalize(), *words[1:]), (frozenset(self._kept(cast)), ()))

    @staticmethod
    def _kept(cast: Cast) -> list[str]:
        return [*cast.facts["name"], *cast.facts["figure"]]

    def local_sentence(self, cast: Cast, place: str, draws: Draws) -> Sentence:
        sentence = self.sentence(cast, draws)
        return Sentence((place, *sentence.tokens), sentence.meaning)

    def quotation(self, cast: Cast, low: int, high: int, draws: Draws) -> tuple[str, ...]:
        return tuple(self._clause(cast, low, high, draws))

    def quoting(self, cast: Cast, words: tuple[str, ...], draws: Draws) -> Sentence:
        opening, closing = tuple(self._script.quotes)
        speech = (
            opening + words[0],
            *words[1:-1],
            words[-1] + closing + self._script.comma,
        )
        says = [draws.pick(cast.facts["name"]), *self._run(2, draws)]
        self._close(says, self._script.stop)
        return Sentence((*speech, *says), (frozenset(self._kept(cast)), speech))

    def reword(self, sentence: Sentence, draws: Draws) -> Sentence:
        kept, speech = sentence.meaning
        words = [self._other_word(word, kept, draws) for word in sentence.tokens[len(speech) :]]
        if speech:
            return Sentence((*words, *speech), sentence.meaning)
        turn = draws.between(1, max(1, len(words) - 1))
        return Sentence((*words[turn:], *words[:turn]), sentence.meaning)

    def _other_word(self, word: str, kept: frozenset[str], draws: Draws) -> str:
        bare = word.rstrip(self._script.comma + self._script.stop)
        if bare in kept or draws.chance(0.2):
            return bare
        return self.word(draws)
