"""Token sets: what depends on order, length and repetition, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ragged, sets_of

from dedup.ragged import Ragged
from dedup.stages.shingle import (
    layout,
    rolled,
    shingle_sets,
    text_hashes,
    token_values,
    word_sets,
)

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

# Spread over the whole range as hashes are, and both of its ends.
HASHES = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(6)] + [2**64 - 1]
batches = st.lists(st.lists(st.sampled_from(HASHES), max_size=14), max_size=5)


def tokens(*articles: Sequence[int]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in articles])]).astype(np.int64)
    return Ragged(np.array([t for a in articles for t in a], np.uint64), offsets)


def test_an_article_shorter_than_a_shingle_has_one() -> None:
    found = shingle_sets(tokens([], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]), 3)
    assert found.lengths.tolist() == [0, 1, 1, 1, 2]
    assert len(set().union(*sets_of(found))) == 4  # that of [1, 2, 3] is in [1, 2, 3, 4]


def test_order_matters_to_shingles_and_not_to_words() -> None:
    articles = tokens([1, 2, 3, 4], [4, 3, 2, 1])
    left, right = sets_of(shingle_sets(articles, 3))
    assert not left & right
    left, right = sets_of(word_sets(articles).sets)
    assert left == right


def test_neighbours_in_the_batch_do_not_matter() -> None:
    alone, among = tokens([1, 2, 3, 4]), tokens([9, 9, 9, 9], [1, 2, 3, 4], [8] * 50)
    assert sets_of(shingle_sets(among, 3))[1] == sets_of(shingle_sets(alone, 3))[0]
    assert text_hashes(among)[1] == text_hashes(alone)[0]


def test_text_hashes_tell_sequences_apart() -> None:
    articles = [[], [0], [0, 0], [1], [1, 0], [0, 1], [1, 2, 3], [1, 2, 3, 0], [1, 3, 2]]
    found = text_hashes(tokens(*articles, *articles)).tolist()
    assert len(set(found)) == len(articles)
    assert found[: len(articles)] == found[len(articles) :]
    assert found[0] == 0


@brief
@given(batches, st.integers(1, 5), st.data())
def test_a_layout_is_where_python_finds_the_shingles(
    articles: list[list[int]], size: int, data: st.DataObject
) -> None:
    """A place is where a shingle first begins; a token is body unless template covers it."""
    every = rolled(tokens(*articles), size)
    runs = [every.part(slice(n, n + 1)).values.tolist() for n in range(len(articles))]
    known = sorted({run for of_one in runs for run in of_one})
    template = data.draw(st.sets(st.sampled_from(known)) if known else st.just(set()))
    kept = [sorted(set(of_one) - template) for of_one in runs]
    found = layout(tokens(*articles), tokens(*kept), size)
    places = [of_one.index(run) for of_one, own in zip(runs, kept, strict=True) for run in own]
    assert found.places.tolist() == places
    body = []
    for article, of_one in zip(articles, runs, strict=True):
        under = {
            start + step
            for start, run in enumerate(of_one)
            if run in template
            for step in range(size)
        }
        body += [at not in under for at in range(len(article))]
    assert found.body.tolist() == body


def test_a_layout_by_hand() -> None:
    article = [1, 2, 3, 4, 5, 6, 7, 2, 3, 4]
    given_tokens = tokens(article, article, [1, 2], [1, 2])
    middle, short = (shingle_sets(tokens(run), 3).values[0] for run in ([4, 5, 6], [1, 2]))
    template = [{middle}, set(), {short}, set()]
    sets = sets_of(shingle_sets(given_tokens, 3))
    kept = [sorted(of_one - out) for of_one, out in zip(sets, template, strict=True)]
    found = layout(given_tokens, tokens(*kept), 3)
    body = [True] * 3 + [False] * 3 + [True] * 4, [True] * 10, [False] * 2, [True] * 2
    assert found.body.tolist() == [token for of_one in body for token in of_one]
    # [2, 3, 4] begins at 1 and at 7.
    assert sorted(found.places.tolist()) == sorted([0, 1, 2, 4, 5, 6, *range(7), 0])


@brief
@given(batches, batches, st.data())
def test_token_values_are_those_of_a_dictionary(
    articles: list[list[int]], others: list[list[int]], data: st.DataObject
) -> None:
    others = (others + [[]] * len(articles))[: len(articles)]
    words = ragged(others)
    one_each = st.lists(st.integers(1, 99), min_size=len(words.values), max_size=len(words.values))
    values = np.array(data.draw(one_each), np.float32)
    found = token_values(tokens(*articles), words, values)
    assert found.dtype == np.float32
    expected = []
    for n, article in enumerate(articles):
        own = slice(words.offsets[n], words.offsets[n + 1])
        known = dict(zip(words.values[own].tolist(), values[own].tolist(), strict=True))
        expected += [known.get(token, 0) for token in article]
    assert found.tolist() == expected


@pytest.mark.parametrize("n", [1, 2, 3, 1023, 1024, 1025])
def test_sets_are_sorted_whatever_the_length(n: int) -> None:
    # All in one bucket of the sort: only the lowest bits differ.
    falling = tokens(list(range(n))[::-1])
    assert word_sets(falling).sets.values.tolist() == list(range(n))
    shingles = shingle_sets(falling, 1).values
    assert len(shingles) == n
    assert np.all(shingles[1:] > shingles[:-1])


def test_bits_of_hashes_are_even() -> None:
    """Each bit of the shingle hashes of consecutive tokens is set in half of them."""
    n = 20_000
    values = shingle_sets(tokens(list(range(n))), 5).values
    shares = np.unpackbits(values.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    # Binomial with p = 1/2: six standard deviations, for 64 bits at once.
    assert np.all(np.abs(shares - 0.5) < 6 * 0.5 / n**0.5)
