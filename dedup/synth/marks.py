"""The marks agencies leave on their copy.

Law: the agencies are real names in the form they really use, so that whoever looks for marks finds
real ones; everybody credited is invented.
"""

from __future__ import annotations

from dataclasses import replace

from dedup.synth.data import load
from dedup.synth.language import Desk, Draft

_MARKS = load("marks")
_DATELINE_SHARE = 0.6
_CREDIT_SHARE = 0.45


def correction_line(desk: Desk, old: str, new: str) -> str:
    """What stands over corrected copy."""
    return str(_MARKS[desk.language.code]["correction"]).format(old=old, new=new)


def marked(draft: Draft, desk: Desk) -> Draft:
    """The draft as an agency sends it out: often with a dateline, often with credits."""
    draws, marks, place = desk.draws, _MARKS[desk.language.code], desk.cast.place
    values = {name: desk.language.person(draws) for name in "abc"}
    values |= {"place": place, "PLACE": place.upper(), "day": str(draws.between(1, 28))}
    if draws.chance(_DATELINE_SHARE):
        draft = replace(draft, dateline=draws.pick(marks["datelines"]).format(**values))
    if marks["credits"] and draws.chance(_CREDIT_SHARE):
        draft = replace(draft, credit=draws.pick(marks["credits"]).format(**values))
    return draft


def thinned(draft: Draft, desk: Desk) -> Draft:
    """The draft with its marks lost in part, as outlets lose them."""
    if desk.draws.chance(0.4):
        draft = replace(draft, dateline="")
    if desk.draws.chance(0.5):
        draft = replace(draft, credit="")
    return draft
