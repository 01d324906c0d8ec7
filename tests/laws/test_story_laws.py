"""Independent reports of one event are one story, alone in the corpus too; a follow-up is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dedup.pipeline import language
from dedup.pipeline.stories import profiles
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import story
from dedup.stages.text import tokenise, whole

WINDOW, FLOOR = 48.0, 0.08

REPORTS = [
    "The Norvik city council voted on Tuesday evening to close the Harland Street bridge to all "
    "traffic from June after engineers found cracks in two of its main girders. Mayor Petra "
    "Lindqvist said the closure was painful but that nobody would gamble with lives. Ferries will "
    "carry pedestrians across the Ansa river until a new crossing opens, which the council expects "
    "to take three years and cost 48 million euros.",
    "Drivers in Norvik will lose one of their two river crossings this summer. Petra Lindqvist, "
    "the mayor, announced that the ageing Harland Street bridge must shut because steel inspectors "
    "no longer trust its girders. Shopkeepers on both banks of the Ansa fear for their trade. The "
    "replacement has been priced at 48 million euros.",
    "A century-old bridge is to be shut for good. Cracked girders were discovered during a routine "
    "inspection of the Harland Street bridge in Norvik, and councillors agreed by 31 votes to 9 "
    "that repairs would be too risky. Opposition leader Tomas Berg called the decision hasty and "
    "demanded to see the engineers' report. A free ferry over the Ansa is planned.",
    "Businesses reacted with dismay after Norvik announced the end of the Harland Street bridge. "
    "The chamber of commerce estimated that 14,000 vehicles a day would have to take the long way "
    "round by the motorway. Lindqvist promised a ferry service and compensation for hauliers. "
    "Engineers had warned of fatigue in the girders as early as last autumn.",
    "Norvik's Harland Street bridge, opened in 1911, will close in June, city officials said. The "
    "announcement follows a survey that showed damage to the girders which carry the roadway. Bus "
    "lines 4 and 7 will be diverted; cyclists can use a ferry across the Ansa. Mayor Lindqvist "
    "hopes that work on a successor starts next spring.",
]
FOLLOW_UP = (
    "Three days after Norvik decided to close the Harland Street bridge, hundreds of residents "
    "marched along the Ansa to demand that mayor Petra Lindqvist reconsider. Organisers said the "
    "ferry would be useless in winter. The council will discuss the girders again next week."
)
OTHERS = [
    "The central bank of Talmeria raised its key interest rate by half a point to 6.25 percent on "
    "Wednesday, surprising most economists. Governor Elena Vasquez said inflation in services "
    "remained stubborn and that further steps were possible. Shares in lenders rose.",
    "Striker Jonas Eklund scored twice as Brenholm beat Castelnuovo 3-1 to reach the semi-finals "
    "of the cup. The visitors had taken the lead after ten minutes but lost their goalkeeper to a "
    "red card before the break. Coach Ray Daly praised the patience of his players.",
]


def tokens(texts: pa.LargeStringArray) -> Ragged:
    found = tokenise(texts, whole(texts))
    return Ragged(found.hashes, found.offsets)


def stories(texts: list[str], hours: list[float], floor: float = FLOOR) -> list[int]:
    """Story of each text, each a cluster of its own."""
    terms = language.terms(tokens(pa.array(texts, pa.large_string())), Settings())
    given = profiles(terms)
    about = story.of_clusters(given, np.arange(len(texts)), len(texts))
    times = np.array(hours)
    found = [story.pairs(story.index(about, times, WINDOW), slice(0, len(texts)))]
    nobody = np.full(len(texts), -1)
    return story.join(found, times, WINDOW, floor, nobody).tolist()


def test_five_reports_alone_are_one_story() -> None:
    assert stories(REPORTS, [0, 2, 5, 9, 20]) == [0] * 5
    assert stories(REPORTS, [np.nan] * 5) == [0] * 5


@pytest.mark.parametrize("last", [20.0, np.nan])
def test_a_follow_up_three_days_later_is_another(last: float) -> None:
    hours = [0, 2, 5, 9, 20, 72, 3, last]
    assert stories([*REPORTS, FOLLOW_UP, *OTHERS], hours) == [0, 0, 0, 0, 0, 5, 6, 7]
    # On the same day it would be one of them.
    hours[5] = 12
    assert stories([*REPORTS, FOLLOW_UP, *OTHERS], hours) == [0, 0, 0, 0, 0, 0, 6, 7]


def test_order_decides_nothing() -> None:
    texts, hours = [*REPORTS, *OTHERS, FOLLOW_UP], [0, 2, 5, 9, 20, 3, np.nan, 90]
    expected = stories(texts, hours)
    order = [4, 7, 0, 6, 2, 5, 3, 1]
    shuffled = stories([texts[i] for i in order], [hours[i] for i in order])
    together = [[expected[i] == expected[j] for j in order] for i in order]
    assert [[a == b for b in shuffled] for a in shuffled] == together


def test_a_higher_floor_only_splits() -> None:
    texts, hours = [*REPORTS, *OTHERS, FOLLOW_UP], [0, 2, 5, 9, 20, 3, np.nan, 30]
    coarser, numbers = [0] * len(texts), []
    for floor in (0.04, 0.1, 0.15, 0.2, 0.3, 0.6):
        finer = stories(texts, hours, floor)
        if numbers:
            assert [coarser[label] for label in finer] == coarser
        coarser = finer
        numbers.append(len(set(finer)))
    assert numbers[-1] == len(texts) > numbers[0]
