"""Outlets: one key for many spellings, other keys for other outlets."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.stages.template import outlet

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=300)

SPELLINGS = [
    [
        "CNN",
        "cnn",
        "CNN (Web News)",
        "cnn.com",
        "https://edition.cnn.com",
        "edition.cnn.com:443/a?b",
    ],
    [
        "The Guardian",
        "Guardian",
        "guardian",
        "https://www.theguardian.com/uk/news",
        "The  GUARDIAN",
    ],
    [
        "BBC News",
        "BBC",
        "bbc.co.uk",
        "www.bbc.co.uk",
        "http://news.bbc.co.uk/1/hi",
        "BBC News Online",
    ],
    [
        "Harbour Post",
        "The Harbour Post",
        "harbour-post.example",
        "Harbour-Post (print)",
        "HARBOUR POST",
    ],
    ["news.com.au", "www.news.com.au", "News"],
    ["朝日新聞", "朝日新聞 (Web)"],
    ["20 Minuten", "20minuten.example"],
    ["USA Today"],
    ["Die Zeit"],
]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda spellings: spellings[0])
def test_spellings_of_one_outlet_have_one_key(spellings: list[str]) -> None:
    assert len({outlet(name) for name in spellings}) == 1


def test_other_outlets_have_other_keys() -> None:
    for some, others in combinations(SPELLINGS, 2):
        assert not {outlet(name) for name in some} & {outlet(name) for name in others}


@pytest.mark.parametrize(
    "name", ["", " ", "!!!", "()", "(Reuters)", "The", "News", "the news", "..", "_"]
)
def test_a_name_without_anything_else_keeps_something(name: str) -> None:
    assert outlet(name) or not name.strip()


@brief
@given(st.text(max_size=20))
def test_every_name_has_a_key_that_only_case_and_space_around_do_not_change(name: str) -> None:
    key = outlet(name)
    assert key or not name
    if any(character.isalnum() for character in name.split("(")[0]):
        assert outlet(f" {name}\t") == key
        assert outlet(name.casefold()) == key
