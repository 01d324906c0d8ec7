"""Who publishes, and the page each puts around its articles.

Law: an outlet's page furniture is its own, the same on every article that carries it, and says
nothing about any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from unicodedata import normalize

from dedup.synth.bulletins import Bulletin, bulletins
from dedup.synth.data import load
from dedup.synth.draws import Draws
from dedup.synth.language import Language

_STOCK = load("furniture")
_LONG_FURNITURE = 0.08  # share of outlets with 200 to 400 words of it; the others have 50 to 200
_UNEVEN = 0.12  # share of an outlet's articles under another spelling of its name


@dataclass(frozen=True)
class Outlet:
    """A newspaper, station or site.

    Parameters
    ----------
    name, domain, language, town : str
        Its name, address, language tag and home.
    top, bottom : tuple of str
        Its page furniture, paragraph by paragraph.
    furnished : float
        Share of its articles that carry the furniture.
    forms : tuple of Bulletin
        Those it publishes again and again.
    """

    name: str
    domain: str
    language: str
    town: str
    top: tuple[str, ...]
    bottom: tuple[str, ...]
    furnished: float
    forms: tuple[Bulletin, ...]

    def spelling(self, draws: Draws) -> str:
        """Its name as an article gives it: mostly so, at times its domain or in capitals."""
        if draws.chance(_UNEVEN):
            return draws.pick((self.domain, self.name.upper()))
        return self.name

    def around(self, text: str) -> str:
        """The text with the outlet's page around it."""
        return "\n\n".join((*self.top, text, *self.bottom))


def _notice(name: str, language: Language, draws: Draws) -> str:
    """A line of furniture in the outlet's own words."""
    cast = language.cast(draws)
    tokens = [token for _ in range(2) for token in language.sentence(cast, draws).tokens]
    return language.joiner.join([name, *tokens])


def _furniture(
    words: int, stock: list[str], blanks: dict[str, str], language: Language, draws: Draws
) -> tuple[str, ...]:
    """Lines from the stock, with the blanks filled, and own notices, to so many words in all."""
    known = draws.sample(stock, len(stock)) if language.code == "en" else []
    lines: list[str] = []
    while words > 0:
        if known:
            line = draws.pick(known.pop().split(" | ")).format(**blanks)
        else:
            line = _notice(blanks["name"], language, draws)
        lines.append(line)
        words -= len(line.split()) if language.joiner else len(line) // 2
    return tuple(lines)


def _domain(name: str, fallback: str) -> str:
    plain = normalize("NFKD", name.lower())
    letters = "".join(letter for letter in plain if letter.isascii() and letter.isalnum())
    return f"{letters or fallback}.example"


def _outlet(language: Language, number: int, shelf: tuple[Bulletin, ...], draws: Draws) -> Outlet:
    town = language.place(draws)
    paper = draws.pick(_STOCK["papers"]) if language.code == "en" else language.place(draws)
    name = f"{town}{language.joiner}{paper}"
    domain = _domain(name, f"{language.code}-news-{number}")
    blanks = {"name": name, "domain": domain, "town": town, "figure": language.figure(draws)}
    blanks |= {"person": language.person(draws), "person2": language.person(draws)}
    blanks |= {"section": draws.pick(_STOCK["sections"]), "year": str(draws.between(1851, 2019))}
    words = draws.between(200, 400) if draws.chance(_LONG_FURNITURE) else draws.between(50, 200)
    return Outlet(
        name=name,
        domain=domain,
        language=language.code,
        town=town,
        top=_furniture(words // 4, _STOCK["top"], blanks, language, draws),
        bottom=_furniture(words - words // 4, _STOCK["bottom"], blanks, language, draws),
        furnished=draws.pick((0.1, 0.2, 0.5, 0.8, 0.95)),
        forms=tuple(draws.sample(shelf, draws.pick((0, 1, 1, 2, 3)))),
    )


def outlets(language: Language, count: int, draws: Draws) -> list[Outlet]:
    """So many outlets, two or more, of one language; the first publish most (see :func:`busy`).

    The first two share every form of bulletin between them, so that none lacks a home.
    """
    shelf = bulletins(language, draws)
    press = [_outlet(language, number, shelf, draws) for number in range(count)]
    return [replace(press[at], forms=shelf[at::2]) for at in range(2)] + press[2:]


def busy(press: list[Outlet], draws: Draws) -> Outlet:
    """One outlet of the press; the first of them publish several times what the last do."""
    return press[int(draws.unit() ** 1.7 * len(press))]
