"""Articles written from scratch.

Law: everything a telling says of a story comes from its cast, so two tellings of one story share
names and figures, and two stories share nothing but their language.
"""

from __future__ import annotations

from dedup.synth.draws import Draws
from dedup.synth.language import Desk, Draft, Paragraph, Sentence

_SHORTEST, _MEDIAN, _LONGEST = 140, 370, 900  # tokens of English: 0.9, 2.4 and 5.8 kB
_SPREAD = 0.5
_QUOTATION = (12, 25)


def length(draws: Draws, shortest: int = _SHORTEST) -> int:
    """Draw how many tokens of English an article has."""
    return int(min(max(draws.lognormal(_MEDIAN, _SPREAD), shortest), _LONGEST))


def paragraph(desk: Desk) -> Paragraph:
    """A paragraph of one to three sentences."""
    return tuple(
        desk.language.sentence(desk.cast, desk.draws) for _ in range(desk.draws.between(1, 3))
    )


def telling(desk: Desk, tokens: int, quotations: list[tuple[str, ...]] | None = None) -> Draft:
    """An article of about so many English tokens that tells the story of the desk's cast.

    Parameters
    ----------
    desk : Desk
        Language, cast and dice.
    tokens : int
        Its length, in tokens of English; other languages write as many as fill the same page.
    quotations : list of tuple of str, optional
        Speeches it must hold; two to four of its own when absent.
    """
    language, cast, draws = desk.language, desk.cast, desk.draws
    cast.mentioned.clear()
    if quotations is None:
        quotations = [
            language.quotation(cast, *_QUOTATION, draws) for _ in range(draws.between(2, 4))
        ]
    wanted = tokens * language.pace - sum(map(len, quotations))
    paragraphs: list[Paragraph] = []
    while wanted > 0:
        paragraphs.append(paragraph(desk))
        wanted -= sum(len(sentence.tokens) for sentence in paragraphs[-1])
    for words in quotations:
        quoting: Sentence = language.quoting(cast, words, draws)
        paragraphs.insert(draws.between(1, len(paragraphs)), (quoting,))
    return Draft(language.headline(cast, draws), tuple(paragraphs))
