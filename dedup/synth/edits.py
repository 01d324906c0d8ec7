"""What editors do to copy.

Law: an edit takes a draft and gives another, is named once in :data:`EDITS`, and does what its
name says, no more: its strength is in its name or its docstring.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from unicodedata import category

from dedup.synth.draws import Draws
from dedup.synth.language import Cast, Desk, Draft, Paragraph, Sentence
from dedup.synth.marks import correction_line
from dedup.synth.stories import paragraph

Edit = Callable[[Draft, Desk], Draft]

_PUNCTUATION = "".join(mark for mark in map(chr, range(0x10000)) if category(mark)[0] in "PZ")


def identical(draft: Draft, desk: Desk) -> Draft:
    """As it came."""
    return draft


def headline(draft: Draft, desk: Desk) -> Draft:
    """A new headline over the same text."""
    return replace(draft, title=desk.language.headline(desk.cast, desk.draws))


def tail_cut(draft: Draft, desk: Desk, *, keep: float) -> Draft:
    """The first `keep` of the words, to the nearest end of a sentence; no credits."""
    room = keep * draft.words()
    kept: list[Paragraph] = []
    for sentences in draft.paragraphs:
        fitting: list[Sentence] = []
        for sentence in sentences:
            if room < len(sentence.tokens) / 2:
                kept.append(tuple(fitting))
                return replace(draft, credit="").with_paragraphs(kept)
            room -= len(sentence.tokens)
            fitting.append(sentence)
        kept.append(tuple(fitting))
    return replace(draft, credit="").with_paragraphs(kept)


def local_paragraph(draft: Draft, desk: Desk) -> Draft:
    """A paragraph of two to four sentences on the outlet's own town, put in after the lead."""
    local = tuple(
        desk.language.local_sentence(desk.cast, desk.town, desk.draws)
        for _ in range(desk.draws.between(2, 4))
    )
    at = desk.draws.between(1, len(draft.paragraphs))
    return draft.with_paragraphs([*draft.paragraphs[:at], local, *draft.paragraphs[at:]])


def substitution(draft: Draft, desk: Desk, *, share: float) -> Draft:
    """This share of the words, anywhere, replaced by other words."""
    total = draft.words()
    places = set(desk.draws.sample(range(total), round(share * total)))
    at = 0
    paragraphs: list[Paragraph] = []
    for sentences in draft.paragraphs:
        changed = []
        for sentence in sentences:
            tokens = list(sentence.tokens)
            for index, token in enumerate(tokens):
                if at + index in places:
                    tokens[index] = _other_word(token, desk)
            at += len(tokens)
            changed.append(Sentence(tuple(tokens), sentence.meaning))
        paragraphs.append(tuple(changed))
    return draft.with_paragraphs(paragraphs)


def _other_word(token: str, desk: Desk) -> str:
    core = token.strip(_PUNCTUATION)
    word = desk.language.word(desk.draws)
    while word.casefold() == core.casefold():
        word = desk.language.word(desk.draws)
    return token.replace(core, word, 1) if core else word


def moved_paragraphs(draft: Draft, desk: Desk) -> Draft:
    """A third of the paragraphs below the lead, at least two, moved to other places."""
    lead, *rest = draft.paragraphs
    moving = desk.draws.sample(range(len(rest)), max(2, len(rest) // 3))
    staying = [p for index, p in enumerate(rest) if index not in moving]
    for index in moving:
        staying.insert(desk.draws.between(0, len(staying)), rest[index])
    return draft.with_paragraphs([lead, *staying])


def _standing(figure: str) -> re.Pattern[str]:
    """Matches the figure, but not as a part of a longer one."""
    return re.compile(rf"(?<!\d)(?<!\d[.,]){re.escape(figure)}(?!\d|[.,]\d)")


def _with_figure(paragraphs: list[Paragraph], old: str, new: str) -> list[Paragraph]:
    pattern = _standing(old)
    return [
        tuple(Sentence(tuple(pattern.sub(new, t) for t in s.tokens), s.meaning) for s in sentences)
        for sentences in paragraphs
    ]


def _figures_of(draft: Draft, desk: Desk) -> list[str]:
    """Those figures of the cast that the draft names."""
    text = " ".join(t for sentences in draft.paragraphs for s in sentences for t in s.tokens)
    return [figure for figure in desk.cast.figures if _standing(figure).search(text)]


def _another(figure: str, draws: Draws) -> str:
    """A figure of the same form."""
    other = figure
    while other == figure:
        digits = [str(draws.between(1, 9)) if c.isdigit() else c for c in figure]
        other = "".join(digits)
    return other


def correction(draft: Draft, desk: Desk) -> Draft:
    """One figure corrected wherever it stands, and a line before the text that says so."""
    old = desk.draws.pick(_figures_of(draft, desk) or desk.cast.figures)
    new = _another(old, desk.draws)
    line = Sentence(tuple(correction_line(desk, old, new).split()))
    return draft.with_paragraphs([(line,), *_with_figure(list(draft.paragraphs), old, new)])


def update(draft: Draft, desk: Desk) -> Draft:
    """A write-through: one or two new paragraphs for the lead, up to three new figures, and one
    paragraph in eight dropped."""
    fresh = [paragraph(desk) for _ in range(desk.draws.between(1, 2))]
    below = list(draft.paragraphs[1:])
    for _ in range(len(below) // 8):
        below.pop(desk.draws.between(0, len(below) - 1))
    updated = [*fresh, *below]
    for old in desk.draws.sample(_figures_of(draft, desk), desk.draws.between(1, 3)):
        updated = _with_figure(updated, old, _another(old, desk.draws))
    return draft.with_paragraphs(updated)


def excerpt(draft: Draft, desk: Desk) -> Draft:
    """A brief: 15 to 25% of the words, at least 60, in one piece, from the beginning or from the
    middle of the story."""
    sentences = [s for paragraph in draft.paragraphs for s in paragraph]
    total = draft.words()
    wanted = max(60.0, (0.15 + 0.1 * desk.draws.unit()) * total)
    skipped = 0.0 if desk.draws.chance(0.5) else desk.draws.unit() * 0.6 * (total - wanted)
    taken: list[Sentence] = []
    for sentence in sentences:
        if skipped > 0:
            skipped -= len(sentence.tokens)
        elif wanted > 0:
            taken.append(sentence)
            wanted -= len(sentence.tokens)
    half = (len(taken) + 1) // 2
    brief = Draft(draft.title, (), draft.dateline)
    return brief.with_paragraphs([tuple(taken[:half]), tuple(taken[half:])])


def rewrite(draft: Draft, desk: Desk) -> Draft:
    """Every sentence in other words and order, sentences regrouped; quotations, names and figures
    stay."""
    reworded = [
        desk.language.reword(sentence, desk.draws)
        for sentences in draft.paragraphs
        for sentence in sentences
    ]
    for at in range(0, len(reworded) - 1, 2):
        reworded[at : at + 2] = reversed(reworded[at : at + 2])
    pairs = [tuple(reworded[at : at + 2]) for at in range(0, len(reworded), 2)]
    return headline(draft, desk).with_paragraphs(pairs)


def next_version(draft: Draft, desk: Desk) -> Draft:
    """A step of a chain: the story a day on. Two fifths of the words go from the tail, as much with
    new figures comes at the top, and one word in twenty-five is another."""
    kept = tail_cut(draft, desk, keep=0.6)
    missing = draft.words() - kept.words()
    later = replace(desk, cast=_next_day(desk))
    fresh: list[Paragraph] = []
    while missing > 0:
        fresh.append(paragraph(later))
        missing -= sum(len(sentence.tokens) for sentence in fresh[-1])
    mixed = headline(kept, desk).with_paragraphs([*fresh, *kept.paragraphs])
    return substitution(mixed, desk, share=0.04)


def _next_day(desk: Desk) -> Cast:
    """The same people and places; the figures are new."""
    fresh = desk.language.cast(desk.draws)
    facts = {
        slot: fresh.facts[slot] if any(c.isdigit() for v in values for c in v) else values
        for slot, values in desk.cast.facts.items()
    }
    return Cast(facts, fresh.figures, desk.cast.place)


EDITS: dict[str, Edit] = {
    "identical": identical,
    "headline": headline,
    "tail_cut_80": partial(tail_cut, keep=0.8),
    "tail_cut_60": partial(tail_cut, keep=0.6),
    "tail_cut_40": partial(tail_cut, keep=0.4),
    "local_paragraph": local_paragraph,
    "furniture": identical,  # the outlet's page comes around it in `newsroom`
    "substitution_2": partial(substitution, share=0.02),
    "substitution_5": partial(substitution, share=0.05),
    "substitution_10": partial(substitution, share=0.10),
    "substitution_15": partial(substitution, share=0.15),
    "moved_paragraphs": moved_paragraphs,
    "correction": correction,
    "update": update,
    "excerpt": excerpt,
    "rewrite": rewrite,
}
"""Each edit by its kind in the truth."""
