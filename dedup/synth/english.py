"""English, from the grammar in ``english.toml``.

Law: a sentence is a tree of meanings, and most meanings can be said in more than one way; to
reword a sentence is to say the same tree in other ways.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, NamedTuple

from dedup.synth.data import load
from dedup.synth.draws import Draws
from dedup.synth.language import Cast, Sentence

_SLOT = re.compile(r"\{(\w+(?:\.\d)?)\}")
_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeioAEIO](?!ne\b|ur)|u(?!ni|s|r[aeiou])|hon|hour)")
_THREEFOLD = re.compile(r"(.)\1\1")
_CURRENCIES = (("$", ""), ("€", ""), ("£", ""), ("", " crowns"), ("", " dollars"))
_FOCUS = {"role": 4, "thing": 4, "things": 6, "actors": 4, "plan": 3, "problem": 3}


class Rule(NamedTuple):
    """One meaning: the ways of saying it, each a sequence of (text before, slot)."""

    ways: tuple[tuple[tuple[str, str], ...], ...]
    slots: tuple[str, ...]


class Meaning(NamedTuple):
    """A rule with its slots filled, said in one of its ways."""

    rule: Rule
    way: int
    filled: dict[str, Any]


def _way(text: str) -> tuple[tuple[str, str], ...]:
    parts = _SLOT.split(text.strip())
    parts.append("")  # the text after the last slot has no slot of its own
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def _rule(line: str) -> Rule:
    ways = tuple(_way(text) for text in line.split(" | "))
    slots = dict.fromkeys(slot for way in ways for _, slot in way if slot)
    return Rule(ways, tuple(slots))


def _say(meaning: Meaning | str) -> str:
    if isinstance(meaning, str):
        return meaning
    filled = meaning.filled
    return "".join(
        [
            before + _say(filled[slot]) if slot else before
            for before, slot in meaning.rule.ways[meaning.way]
        ]
    )


def _another_way(meaning: Meaning | str, draws: Draws) -> Meaning | str:
    if isinstance(meaning, str):
        return meaning
    ways = len(meaning.rule.ways)
    way = (meaning.way + draws.between(1, ways - 1)) % ways if ways > 1 else 0
    filled = {slot: _another_way(child, draws) for slot, child in meaning.filled.items()}
    return Meaning(meaning.rule, way, filled)


def _finish(text: str) -> str:
    text = _BEFORE_VOWEL.sub(r"\1n ", text)
    return text[0].upper() + text[1:]


class English:
    """English news of invented people and places."""

    code = "en"
    joiner = " "
    pace = 1.0

    def __init__(self) -> None:
        grammar = load("english")
        self._rules = {
            name: [_rule(line) for line in text.strip().splitlines()]
            for name, text in grammar["rules"].items()
        }
        self._names: dict[str, list[str]] = grammar["names"]
        self._topics = list(grammar["topics"].values())
        self._words = sorted(self._known_words())

    def _known_words(self) -> set[str]:
        phrases = [text for topic in self._topics for values in topic.values() for text in values]
        phrases += [
            before
            for rules in self._rules.values()
            for rule in rules
            for way in rule.ways
            for before, _ in way
        ]
        return {word for phrase in phrases for word in re.findall(r"[a-z]{4,}", phrase)}

    # Names and figures

    def word(self, draws: Draws) -> str:
        return draws.pick(self._words)

    def _name(self, ends: str, draws: Draws) -> str:
        parts = [draws.pick(self._names[part]) for part in ("onsets", "nuclei", "codas", ends)]
        return _THREEFOLD.sub(r"\1\1", "".join(parts)).capitalize()

    def place(self, draws: Draws) -> str:
        return self._name("place_ends", draws)

    def surname(self, draws: Draws) -> str:
        """Draw a family name."""
        return self._name("surname_ends", draws)

    def person(self, draws: Draws) -> str:
        return f"{draws.pick(self._names['given'])} {self.surname(draws)}"

    def street(self, draws: Draws) -> str:
        """Draw the name of a street."""
        return f"{self.surname(draws)} {draws.pick(self._names['street_ends'])}"

    def figure(self, draws: Draws) -> str:
        if draws.chance(0.4):
            return f"{draws.between(11, 989) / 10:.1f}"
        return f"{int(draws.lognormal(900, 1.2)) + 101:,}"

    def cast(self, draws: Draws) -> Cast:
        topic = draws.pick(self._topics)
        facts = {slot: draws.sample(topic[slot], count) for slot, count in _FOCUS.items()}
        facts |= self._names_of(topic, draws)
        decimals = [f"{draws.between(11, 989) / 10:.1f}" for _ in range(6)]
        counts = [f"{int(draws.lognormal(700, 1.2)) + 101:,}" for _ in range(3)]
        before, after = draws.pick(_CURRENCIES)
        scale = "billion" if draws.chance(0.1) else "million"
        facts |= {
            "money": [f"{before}{value} {scale}{after}" for value in decimals[:3]],
            "percent": [f"{value} percent" for value in decimals[3:]],
            "count": counts,
            "price": [f"{before}{draws.between(101, 9899) / 100:.2f}{after}"],
            "number": [str(draws.between(7, 97)) for _ in range(4)],
            "year": [str(draws.between(1961, 2023)) for _ in range(3)],
            "age": [str(draws.between(19, 88)) for _ in range(4)],
            "day": [str(draws.between(1, 28)) for _ in range(2)],
        }
        return Cast(facts, decimals + counts, place=facts["place"][0])

    def _names_of(self, topic: dict[str, list[str]], draws: Draws) -> dict[str, list[str]]:
        people = [self.person(draws) for _ in range(4)]
        places = [self.place(draws) for _ in range(3)]
        bodies = draws.sample(topic["body"], 2)
        return {
            "person": people,
            "surname": [name.split()[-1] for name in people],
            "place": places,
            "body": [f"{places[0]} {body}" for body in bodies],
            "body_short": [body.split()[-1].lower() for body in bodies],
            "company": [f"{self.surname(draws)} {firm}" for firm in draws.sample(topic["firm"], 2)],
            "street": [self.street(draws) for _ in range(2)],
            "term": [self.place(draws)],
        }

    # Sentences

    def _mention(self, slot: str, index: int, cast: Cast) -> str:
        name = cast.facts["person"][index]
        if name in cast.mentioned:
            return name.split()[-1]
        cast.mentioned.add(name)
        return f"{cast.facts['role'][index]} {name}" if slot == "official" else name

    def _fill(self, slot: str, cast: Cast, draws: Draws, index: int | None = None) -> Any:
        values = cast.facts.get("person" if slot == "official" else slot)
        if values is None:
            return self._mean(slot, cast, draws)
        # The first of a cast are named more often than the others.
        at = int(draws.unit() ** 1.5 * len(values)) if index is None else index % len(values)
        return self._mention(slot, at, cast) if slot in ("person", "official") else values[at]

    def _mean(self, name: str, cast: Cast, draws: Draws) -> Meaning:
        rule = draws.pick(self._rules[name])
        filled: dict[str, Any] = {}
        for slot in rule.slots:
            base, _, second = slot.partition(".")
            if second and base in cast.facts and filled[base] in cast.facts[base]:
                following = cast.facts[base].index(filled[base]) + 1
                filled[slot] = self._fill(base, cast, draws, following)
            else:
                filled[slot] = self._fill(base, cast, draws)
        return Meaning(rule, draws.between(0, len(rule.ways) - 1), filled)

    def _spoken(self, meaning: Meaning) -> Sentence:
        return Sentence(tuple(_finish(_say(meaning)).split()), meaning)

    def _sentence(self, rule: str, cast: Cast, draws: Draws) -> Sentence:
        meaning = self._mean(rule, cast, draws)
        full_stop = Rule(((("", "all"), (".", "")),), ("all",))
        return self._spoken(Meaning(full_stop, 0, {"all": meaning}))

    def headline(self, cast: Cast, draws: Draws) -> str:
        return _finish(_say(self._mean("headline", cast, draws)))

    def sentence(self, cast: Cast, draws: Draws) -> Sentence:
        return self._sentence("sentence", cast, draws)

    def local_sentence(self, cast: Cast, place: str, draws: Draws) -> Sentence:
        local = {
            "local": [place],
            "local_person": [self.person(draws)],
            "local_street": [self.street(draws)],
        }
        return self._sentence("local", replace(cast, facts=cast.facts | local), draws)

    def quotation(self, cast: Cast, low: int, high: int, draws: Draws) -> tuple[str, ...]:
        words: list[str] = []
        while len(words) < low:
            more = _finish(_say(self._mean("quote", cast, draws))).split()
            if len(words) + len(more) <= high:
                words = [*words[:-1], words[-1] + ".", *more] if words else more
            elif low > high // 2:
                words += more[: high - len(words)]
        return tuple(words)

    def quoting(self, cast: Cast, words: tuple[str, ...], draws: Draws) -> Sentence:
        filled: dict[str, Any] = {
            "quote": " ".join(words),
            "official": self._fill("official", cast, draws),
            "said": self._mean("said", cast, draws),
        }
        return self._spoken(Meaning(_QUOTING, draws.between(0, len(_QUOTING.ways) - 1), filled))

    def reword(self, sentence: Sentence, draws: Draws) -> Sentence:
        return self._spoken(_another_way(sentence.meaning, draws))  # type: ignore[arg-type]


_QUOTING = _rule(
    "“{quote},” {official} {said}. | {official} {said}: “{quote}.” | "
    "as {official} {said}: “{quote}.”"
)
