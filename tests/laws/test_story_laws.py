"""Independent reports of one event are one story, alone in the corpus too; a follow-up is not.

Neither the threads nor where the work is cut decide which articles these are.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from dedup.numbering import among
from dedup.pipeline import language, stories
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import candidates, linkage, story
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


def told(texts: list[str], hours: list[float], floor: float = FLOOR) -> list[int]:
    """Story of each text, each a cluster of its own; by the smallest number among its texts."""
    settings = Settings(story_hours=WINDOW, story_floor=floor)
    order = np.argsort(hours, kind="stable")  # NaN sorts last
    given = pa.array([texts[place] for place in order], pa.large_string())
    terms = language.terms(tokens(given), settings)
    clusters = stories.Clusters(terms, np.arange(len(texts) + 1))
    known, times = stories.vocabulary(terms), np.array(hours)[order]
    found = stories.told([clusters], known, times, np.empty(0, np.uint64), settings)
    return numbered(found, order)


def numbered(found: np.ndarray, order: np.ndarray) -> list[int]:
    """Groups of places by the smallest number at the places of each, by number."""
    smallest = np.full(len(order), len(order))
    np.minimum.at(smallest, found, order)
    by_number = np.empty(len(order), np.int64)
    by_number[order] = smallest[found]
    return by_number.tolist()


def test_five_reports_alone_are_one_story() -> None:
    assert told(REPORTS, [0, 2, 5, 9, 20]) == [0] * 5
    assert told(REPORTS, [np.nan] * 5) == [0] * 5


@pytest.mark.parametrize("last", [20.0, np.nan])
def test_a_follow_up_three_days_later_is_another(last: float) -> None:
    hours = [0, 2, 5, 9, 20, 72, 3, last]
    assert told([*REPORTS, FOLLOW_UP, *OTHERS], hours) == [0, 0, 0, 0, 0, 5, 6, 7]
    # On the same day it would be one of them.
    hours[5] = 12
    assert told([*REPORTS, FOLLOW_UP, *OTHERS], hours) == [0, 0, 0, 0, 0, 0, 6, 7]


def test_order_decides_nothing() -> None:
    texts, hours = [*REPORTS, *OTHERS, FOLLOW_UP], [0, 2, 5, 9, 20, 3, np.nan, 90]
    expected = told(texts, hours)
    order = [4, 7, 0, 6, 2, 5, 3, 1]
    shuffled = told([texts[i] for i in order], [hours[i] for i in order])
    together = [[expected[i] == expected[j] for j in order] for i in order]
    assert [[a == b for b in shuffled] for a in shuffled] == together


def test_a_higher_floor_only_splits() -> None:
    texts, hours = [*REPORTS, *OTHERS, FOLLOW_UP], [0, 2, 5, 9, 20, 3, np.nan, 30]
    coarser, numbers = [0] * len(texts), []
    for floor in (0.04, 0.1, 0.15, 0.2, 0.3, 0.6):
        finer = told(texts, hours, floor)
        if numbers:
            assert [coarser[label] for label in finer] == coarser
        coarser = finer
        numbers.append(len(set(finer)))
    assert numbers[-1] == len(texts) > numbers[0]


@given(st.randoms(use_true_random=False))
@trying(max_examples=15, deadline=None)
def test_where_the_work_is_cut_decides_nothing(random: Random) -> None:
    """Made of the words of the reports, so that many are somewhat alike."""
    words = " ".join([*REPORTS, *OTHERS]).split()
    texts, hours = [], []
    for _ in range(random.randint(1, 60)):
        length = random.randint(5, 60)
        start = random.randrange(len(words) - length)
        texts.append(" ".join([*words[start : start + length], *random.choices(words, k=10)]))
        hours.append(random.choice([random.uniform(0, 300), random.uniform(0, 300), np.nan]))
    hours.sort(key=lambda hour: (np.isnan(hour), hour))
    bounds = [0, *sorted({random.randint(1, len(texts)) for _ in texts}), len(texts)]
    bounds = [start for start, stop in pairwise([*bounds, np.inf]) if start < stop]
    every = language.terms(tokens(pa.array(texts, pa.large_string())), Settings())
    known = stories.vocabulary(every)
    clusters, times = len(bounds) - 1, np.array(hours)[bounds[:-1]]
    left, right = (np.array([random.randrange(clusters) for _ in range(20)]) for _ in range(2))
    unlike = np.sort(candidates.pack(np.minimum(left, right), np.maximum(left, right)))

    def cut(length: int) -> Iterator[stories.Clusters]:
        for start in range(0, clusters, length):
            mine = np.array(bounds[start : start + length + 1])
            rows = slice(every.words.offsets[mine[0]], every.words.offsets[mine[-1]])
            part = language.Terms(
                every.words.part(slice(mine[0], mine[-1])),
                every.counts[rows],
                every.frequencies[rows],
            )
            yield stories.Clusters(part, mine - mine[0])

    chosen = Settings(story_hours=WINDOW, story_floor=FLOOR, threads=1)
    at_once = stories.told(cut(clusters), known, times, unlike, chosen)
    assert np.all(at_once[at_once] == at_once)
    # Two that are unlike are no story without a third.
    members = np.arange(clusters)
    second = members[(np.bincount(at_once)[at_once] == 2) & (at_once < members)]
    assert not among(candidates.pack(at_once[second], second), unlike).any()
    for length, places, pairs in ((1, 1, 1), (7, 20, 5), (3, 1_000, 20)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dedup.pipeline.stories.ARTICLES", length)
            patch.setattr(story, "SLICE", places)
            patch.setattr(linkage, "_PAIRS", pairs)
            again = stories.told(
                cut(length), known, times, unlike, chosen.model_copy(update={"threads": 2})
            )
        assert again.tolist() == at_once.tolist()
