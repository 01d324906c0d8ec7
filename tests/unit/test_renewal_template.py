"""What is template of each article, told from those within the window around its day."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import components, ragged

from dedup.stages.template import Decided, Held, decided, neighbours

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=400)
ARTICLES = 9
_OUTLET, _LIST = 16, 36

Pairs = list[tuple[int, int]]


class News(NamedTuple):
    """Who holds what; `versions` are of one story."""

    alive: list[bool]
    outlets: list[int]
    days: list[int]
    versions: Pairs

    def held(self) -> Held:
        left, right = np.array(self.versions, np.int64).reshape(-1, 2).T
        columns = (np.array(self.alive), np.array(self.outlets), np.array(self.days))
        return Held(*columns, neighbours(left, right, ARTICLES))

    def near(self, members: list[int], article: int, window: int) -> list[int]:
        """Living members within the window around an article's day."""
        day = self.days[article]
        return [m for m in members if self.alive[m] and abs(self.days[m] - day) <= window]

    def stories(self, members: list[int]) -> int:
        places = {member: place for place, member in enumerate(members)}
        edges = [(places[a], places[b]) for a, b in self.versions if {a, b} <= places.keys()]
        return len(set(components(len(members), edges)))

    def is_template(
        self, members: list[int], article: int, floors: tuple[int, int, int], window: int
    ) -> bool:
        near = self.near(members, article, window)
        if self.outlets[article] < 0:
            return self.stories(near) >= floors[2]
        own = [member for member in near if self.outlets[member] == self.outlets[article]]
        return len(own) >= floors[1] or self.stories(own) >= floors[0]


def of_each(values: st.SearchStrategy[int]) -> st.SearchStrategy[list[int]]:
    return st.lists(values, min_size=ARTICLES, max_size=ARTICLES)


pairs = st.sets(st.tuples(*[st.integers(0, ARTICLES - 1)] * 2).filter(lambda p: p[0] < p[1]))
news = st.builds(
    News,
    st.lists(st.booleans() | st.just(True), min_size=ARTICLES, max_size=ARTICLES),
    of_each(st.integers(-1, 2)),
    of_each(st.integers(100, 112)),
    pairs.map(sorted),
)
holders = st.lists(st.sets(st.integers(0, ARTICLES - 1)).map(sorted), max_size=3)
floors_of = st.tuples(st.integers(2, 4), st.integers(2, 5), st.integers(2, 6))


def hits(found: Decided) -> set[tuple[int, int]]:
    columns = zip(found.shingles.tolist(), found.articles.tolist(), strict=True)
    result = list(columns)
    assert len(result) == len(set(result))
    return set(result)


def ask(lists: list[list[int]], who: News, floors: tuple[int, int, int], window: int) -> Decided:
    return decided(ragged(lists), who.held(), floors, window, np.ones(ARTICLES, bool))


@brief
@given(holders, news, floors_of, st.integers(1, 12), st.sets(st.integers(0, ARTICLES - 1)))
def test_like_asking_for_each_article(
    lists: list[list[int]],
    who: News,
    floors: tuple[int, int, int],
    window: int,
    wanted: set[int],
) -> None:
    expected = {
        (number, article)
        for number, members in enumerate(lists)
        for article in members
        if who.alive[article] and who.is_template(members, article, floors, window)
    }
    assert hits(ask(lists, who, floors, window)) == expected
    mask = np.array([article in wanted for article in range(ARTICLES)])
    some = decided(ragged(lists), who.held(), floors, window, mask)
    assert hits(some) == {hit for hit in expected if hit[1] in wanted}


def dated(days: list[int]) -> News:
    """Of two outlets, the second with the last article alone."""
    more = [0] * (ARTICLES - len(days))
    return News([True] * ARTICLES, [0] * (len(days) - 1) + [1, *more], [*days, *more], [])


@brief
@given(holders, news, floors_of, st.integers(1, 12))
# A day with another's article alone, and a date far off that says the year 9999.
@example([[0, 1, 2]], dated([100, 104, 102]), (2, 9, 9), 3)
@example([[0, 1, 2]], dated([2_932_896, 2_932_896, 0]), (2, 9, 9), 3)
def test_verdicts_count_whom_they_take_the_shingle_from(
    lists: list[list[int]], who: News, floors: tuple[int, int, int], window: int
) -> None:
    found = ask(lists, who, floors, window)
    verdicts = zip(found.verdicts.tolist(), found.sizes.tolist(), strict=True)
    largest: dict[tuple[int, int], int] = {}
    for verdict, size in verdicts:
        of = (verdict >> _OUTLET & (1 << 20) - 1) - 1
        key = verdict >> _LIST, of
        largest[key] = max(largest.get(key, 0), size)
    expected: dict[tuple[int, int], int] = {}
    for number, article in hits(found):
        near = who.near(lists[number], article, window)
        of = who.outlets[article]
        key = number, of
        size = sum(who.outlets[member] == of for member in near)
        expected[key] = max(expected.get(key, 0), size)
    assert largest == expected


def of_one_outlet(alive: list[int], days: list[int]) -> News:
    return News([n in alive for n in range(ARTICLES)], [0] * ARTICLES, [*days, 0, 0, 0, 0], [])


@brief
@given(holders, news, news, st.sets(st.integers(0, ARTICLES - 1)), floors_of, st.integers(1, 6))
# The first two go and the last two come: 2 is as far from the first of the living as they were.
@example(
    [[0, 1, 2, 3, 4]],
    of_one_outlet([0, 1, 2], [100, 100, 110, 110, 120]),
    of_one_outlet([2, 3, 4], [100, 100, 110, 110, 120]),
    {0, 1, 3, 4},
    (2, 9, 9),
    3,
)
def test_what_changes_for_an_article_shows_in_a_verdict_about_it(
    lists: list[list[int]],
    before: News,
    drawn: News,
    touched: set[int],
    floors: tuple[int, int, int],
    window: int,
) -> None:
    """So that only those are told again that a verdict which came or went is about."""

    versions = [pair for pair in before.versions if not touched & {*pair}]
    versions += [pair for pair in drawn.versions if touched & {*pair}]

    def mixed(old: list[int], new: list[int]) -> list[int]:
        return [new[a] if a in touched else old[a] for a in range(ARTICLES)]

    after = before._replace(
        alive=list(map(bool, mixed([*before.alive], [*drawn.alive]))),
        outlets=mixed(before.outlets, drawn.outlets),
        days=mixed(before.days, drawn.days),
        versions=versions,
    )
    was, now = (ask(lists, who, floors, window) for who in (before, after))
    differing = set(was.verdicts.tolist()) ^ set(now.verdicts.tolist())
    about = {(v >> _LIST, (v >> _OUTLET & (1 << 20) - 1) - 1) for v in differing}
    for number, article in hits(was) ^ hits(now):
        assert article in touched or (number, after.outlets[article]) in about
