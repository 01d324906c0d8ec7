"""Token sets: what depends on order, length and repetition, and what does not."""

from __future__ import annotations

import numpy as np
import pytest
from reference import sets_of

from dedup.ragged import Ragged
from dedup.stages.shingle import shingle_sets, text_hashes, without_template, word_sets


def tokens(*articles: list[int]) -> Ragged:
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


def test_tokens_under_template_are_left_out() -> None:
    """A token counts exactly when every shingle over it counts."""
    article = [1, 2, 3, 4, 5, 6, 7]
    given = tokens(article, article, article, [1, 2], [1, 2])
    every = shingle_sets(tokens([1, 2, 3], [4, 5, 6], [1, 2]), 3)
    first, middle, short = every.values.tolist()
    template = [{first}, {middle}, set(), {short}, set()]
    sets = [sorted(s - t) for s, t in zip(sets_of(shingle_sets(given, 3)), template, strict=True)]
    left = without_template(given, tokens(*sets), 3)
    assert left.lengths.tolist() == [4, 4, 7, 0, 2]
    assert left.values.tolist() == [4, 5, 6, 7, 1, 2, 3, 7, *article, 1, 2]


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
