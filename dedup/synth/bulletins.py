"""Templated bulletins: alike in form, each about something else.

Law: two bulletins of one template share their sentences' fixed words and none of their names and
figures, and are not copies of each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dedup.synth.data import load
from dedup.synth.draws import Draws
from dedup.synth.language import Language

_SLOT = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d+)(?:\.(\d+))?-(\d+)(?:\.\d+)?")
_LISTS: dict[str, list[str]] = load("bulletins")["lists"]
_INVENTED_BULLETINS = 3


@dataclass(frozen=True)
class Bulletin:
    """A form to be filled: a headline and a body with {slots}."""

    title: str
    body: str


def _english() -> tuple[Bulletin, ...]:
    forms = load("bulletins")["bulletin"]
    return tuple(Bulletin(form["title"], " ".join(form["body"].split())) for form in forms)


def _invented(language: Language, draws: Draws) -> Bulletin:
    cast = language.cast(draws)
    sentences = []
    for _ in range(draws.between(4, 8)):
        tokens = list(language.sentence(cast, draws).tokens)
        for at in draws.sample(range(len(tokens) - 1), max(1, len(tokens) // 5)):
            tokens[at] = draws.pick(("{place}", "{figure}", "{figure}"))
        sentences.append(language.joiner.join(tokens))
    title = language.headline(cast, draws)
    return Bulletin(f"{title}{language.joiner}{{place}}", language.joiner.join(sentences))


def bulletins(language: Language, draws: Draws) -> tuple[Bulletin, ...]:
    """The forms that the outlets of a language use."""
    if language.code == "en":
        return _english()
    return tuple(_invented(language, draws) for _ in range(_INVENTED_BULLETINS))


def _value(slot: str, language: Language, draws: Draws) -> str:
    name = slot.partition(":")[0]
    numbers = _RANGE.fullmatch(name)
    if numbers:
        low, decimals, high = numbers.groups()
        if decimals is None:
            return f"{draws.between(int(low), int(high)):,}"
        scale = 10 ** len(decimals)
        value = draws.between(int(low) * scale, int(high) * scale) / scale
        return f"{value:,.{len(decimals)}f}"
    if name in _LISTS:
        return draws.pick(_LISTS[name])
    if name == "person":
        return language.person(draws)
    return language.figure(draws) if name == "figure" else language.place(draws)


def filled(bulletin: Bulletin, language: Language, draws: Draws) -> tuple[str, str]:
    """Headline and text of one bulletin; a slot with a mark (``{place:1}``) is filled once."""
    marked: dict[str, str] = {}

    def value(match: re.Match[str]) -> str:
        slot = match[1]
        if ":" not in slot:
            return _value(slot, language, draws)
        if slot not in marked:
            marked[slot] = _value(slot, language, draws)
        return marked[slot]

    return _SLOT.sub(value, bulletin.title), _SLOT.sub(value, bulletin.body)
