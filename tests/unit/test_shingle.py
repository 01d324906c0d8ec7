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
    counted,
    laid_out,
    left,
    lowest,
    packed,
    rolled,
    sets,
    shingle_sets,
    text_hashes,
    unpacked,
    words,
)

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

SEED = 20250132

# Spread over the whole range as hashes are, and both of its ends.
HASHES = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(1, 7)] + [2**64 - 1]
batches = st.lists(st.lists(st.sampled_from(HASHES), max_size=14), max_size=5)

TOKENS = [0, 1, 2, 2**31, 2**32 - 2, 2**32 - 1]
packed_batches = st.lists(st.lists(st.sampled_from(TOKENS), max_size=14), max_size=5)


def tokens(*articles: Sequence[int]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in articles])]).astype(np.int64)
    return Ragged(np.array([t for a in articles for t in a], np.uint64), offsets)


def narrow(articles: Ragged) -> Ragged:
    """Tokens as packed ones."""
    return articles.map(lambda each: each.astype(np.uint32))


def hashes_of(articles: Ragged, marked: Sequence[int] = ()) -> np.ndarray:
    """Text hashes of packed tokens, of which some stand in quotation marks."""
    marks = np.isin(np.arange(len(articles.values)), marked).astype(np.uint8)
    return text_hashes(narrow(articles), articles.map(lambda _: marks))


def test_an_article_shorter_than_a_shingle_has_one() -> None:
    found = shingle_sets(tokens([], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]), 3)
    assert found.lengths.tolist() == [0, 1, 1, 1, 2]
    assert len(set().union(*sets_of(found))) == 4  # that of [1, 2, 3] is in [1, 2, 3, 4]


def test_order_matters_to_shingles_and_not_to_words() -> None:
    articles = tokens([1, 2, 3, 4], [4, 3, 2, 1])
    left, right = sets_of(shingle_sets(articles, 3))
    assert not left & right
    everything = np.ones(8, bool)
    left, right = sets_of(counted(narrow(articles), everything).words)
    assert left == right


def test_neighbours_in_the_batch_do_not_matter() -> None:
    alone, among = tokens([1, 2, 3, 4]), tokens([9, 9, 9, 9], [1, 2, 3, 4], [8] * 50)
    assert sets_of(shingle_sets(among, 3))[1] == sets_of(shingle_sets(alone, 3))[0]
    assert hashes_of(among)[1] == hashes_of(alone)[0]


def test_text_hashes_tell_sequences_apart() -> None:
    articles = [[], [1], [1, 1], [2], [2, 1], [1, 2], [2, 3, 4], [2, 3, 4, 1], [2, 4, 3]]
    found = hashes_of(tokens(*articles, *articles)).tolist()
    assert len(set(found)) == len(articles)
    assert found[: len(articles)] == found[len(articles) :]
    assert found[0] == 0


def test_text_hashes_tell_what_is_quoted() -> None:
    articles = tokens(list(range(9)))
    found = {int(hashes_of(articles, marked)[0]) for marked in ([], [0], [7], [8], range(9))}
    assert len(found) == 5


@brief
@given(batches, st.integers(1, 5), st.data())
def test_what_template_leaves_is_what_python_leaves(
    articles: list[list[int]], size: int, data: st.DataObject
) -> None:
    """A shingle stands where it first begins; a token is body unless template covers it."""
    words = tokens(*articles)
    every = rolled(words, size)
    runs = [every.part(slice(n, n + 1)).values.tolist() for n in range(len(articles))]
    known = sorted({run for of_one in runs for run in of_one})
    some = st.sets(st.sampled_from(known)) if known else st.just(set())
    # Also shingles that the article has not.
    template = [data.draw(some) for _ in articles]
    found = laid_out(words, ragged(template), size)
    kept, body = [], []
    for article, of_one, out in zip(articles, runs, template, strict=True):
        kept += [
            run if run not in out and of_one.index(run) == at else 0
            for at, run in enumerate(of_one)
        ]
        under = {at + step for at, run in enumerate(of_one) if run in out for step in range(size)}
        body += [at not in under for at in range(len(article))]
    assert found.shingles.values.tolist() == kept
    assert found.shingles.offsets.tolist() == every.offsets.tolist()
    assert found.body.tolist() == body


def test_what_template_leaves_by_hand() -> None:
    article = [1, 2, 3, 4, 5, 6, 7, 2, 3, 4]
    words = tokens(article, article, [1, 2], [1, 2])
    middle, short = (shingle_sets(tokens(run), 3).values[0] for run in ([4, 5, 6], [1, 2]))
    found = laid_out(words, tokens([middle], [], [short], []), 3)
    body = [True] * 3 + [False] * 3 + [True] * 4, [True] * 10, [False] * 2, [True] * 2
    assert found.body.tolist() == [token for of_one in body for token in of_one]
    # [2, 3, 4] begins at 1 and at 7.
    places = [np.flatnonzero(found.shingles.part(slice(n, n + 1)).values) for n in range(4)]
    assert [each.tolist() for each in places] == [[0, 1, 2, 4, 5, 6], [*range(7)], [], [0]]


@pytest.mark.parametrize("n", [100, 128, 129, 1000])
def test_more_template_than_text(n: int) -> None:
    """The table grows with what it has to hold, and an article leaves nothing to the next."""
    article = list(range(1, n + 1))
    words = tokens(article[:3], article, article[:3])
    every = rolled(words, 2)
    template = [shingle_sets(tokens(list(range(10, 5 * n))), 2).values.tolist(), [], []]
    found = laid_out(words, ragged(template), 2)
    assert found.body.all()
    assert found.shingles.values.tolist() == every.values.tolist()


@brief
@given(packed_batches, st.data())
def test_words_are_those_of_a_dictionary(articles: list[list[int]], data: st.DataObject) -> None:
    given_tokens = narrow(tokens(*articles))
    n = len(given_tokens.values)
    body = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    found = counted(given_tokens, body)
    words, counts, places, at = [], [], [], 0
    for article in articles:
        known: dict[int, list[int]] = {}
        for token in article:
            if body[at]:
                known.setdefault(token, [len(words) + len(known), 0])[1] += 1
            places.append(known[token][0] if body[at] else -1)
            at += 1
        words += known
        counts += [times for _, times in known.values()]
    assert packed(found.words.values).tolist() == words
    assert found.words.lengths.tolist() == [
        len({token for token, read in zip(article, body[start:], strict=False) if read})
        for article, start in zip(articles, given_tokens.offsets, strict=False)
    ]
    assert found.counts.tolist() == counts
    assert found.counts.dtype == np.uint32
    assert found.places.tolist() == places


@brief
@given(packed_batches, st.data())
def test_words_are_those_that_are_counted(articles: list[list[int]], data: st.DataObject) -> None:
    stored = narrow(tokens(*articles))
    flags = st.lists(st.booleans(), min_size=len(stored.values), max_size=len(stored.values))
    body = np.array(data.draw(flags), bool)
    own = body & np.array(data.draw(flags), bool)
    found, expected = words(stored, body, own), counted(stored, body)
    assert unpacked(found.words.values).tolist() == expected.words.values.tolist()
    assert found.words.offsets.tolist() == expected.words.offsets.tolist()
    assert found.counts.tolist() == expected.counts.tolist()
    of_own = sets_of(counted(stored, own).words)
    owners = expected.words.owners()
    assert found.own.tolist() == [
        word in of_own[owner] for word, owner in zip(expected.words.values, owners, strict=True)
    ]


def test_words_are_counted_up_to_a_bound() -> None:
    stored = narrow(tokens([1] * 254, [1] * 255, [1] * 1000 + [2]))
    everything = np.ones(len(stored.values), bool)
    assert words(stored, everything, everything).counts.tolist() == [254, 255, 255, 1]


@brief
@given(packed_batches, st.integers(1, 5), st.data())
def test_what_is_left_of_packed_tokens_is_what_is_left_of_unpacked(
    articles: list[list[int]], size: int, data: st.DataObject
) -> None:
    stored = narrow(tokens(*articles))
    every = rolled(stored, size)
    some = st.sets(st.sampled_from(every.values.tolist())) if len(every.values) else st.just(set())
    template = ragged([data.draw(some) for _ in articles])
    found, expected = left(stored, template, size), laid_out(stored, template, size)
    shingles = expected.shingles.keep(expected.shingles.values != 0)
    assert found.shingles.values.tolist() == shingles.values.tolist()
    assert found.shingles.offsets.tolist() == shingles.offsets.tolist()
    assert found.body.tolist() == expected.body.tolist()


@pytest.mark.parametrize("n", [127, 128, 129, 5000])
def test_words_of_long_articles(n: int) -> None:
    """Up to, at and past the sizes at which the table grows."""
    article = list(range(n)) * 2
    found = counted(narrow(tokens([1], article, [1])), np.ones(2 * n + 2, bool))
    assert packed(found.words.values).tolist() == [1, *range(n), 1]
    assert found.counts.tolist() == [1, *[2] * n, 1]
    assert found.places.tolist() == [0, *(list(range(1, n + 1)) * 2), n + 1]


packed_tokens = st.lists(st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**32 - 1])))


@brief
@given(packed_tokens, st.integers(1, 7))
def test_packed_tokens_are_told_apart_and_have_the_shingles_of_unpacked(
    stored: list[int], size: int
) -> None:
    """And the lowest bit, which marks figures, stays."""
    given_tokens = np.array(stored, np.uint32)
    found = unpacked(given_tokens)
    assert found.dtype == np.uint64
    assert packed(found).tolist() == stored
    assert len({*found.tolist()}) == len({*stored})
    assert (found & np.uint64(1)).tolist() == [value & 1 for value in stored]
    offsets = np.array([0, len(stored)])
    shingles = [rolled(Ragged(each, offsets), size) for each in (given_tokens, found)]
    assert shingles[0].values.tolist() == shingles[1].values.tolist()


@brief
@given(batches, st.integers(1, 4), st.sampled_from([0, 2**60, 2**63, 2**64 - 1]))
def test_the_lowest_shingles_are_those_up_to_the_bound(
    articles: list[list[int]], size: int, last: int
) -> None:
    of_all = rolled(tokens(*articles), size)
    found = lowest(tokens(*articles), size, last)
    expected = of_all.keep(of_all.values <= np.uint64(last))
    assert found.values.tolist() == expected.values.tolist()
    assert found.offsets.tolist() == expected.offsets.tolist()


@pytest.mark.parametrize("n", [1, 2, 3, 1023, 1024, 1025])
def test_sets_are_sorted_whatever_the_length(n: int) -> None:
    # All in one bucket of the sort: only the lowest bits differ.
    falling = tokens(list(range(n))[::-1])
    assert sets(falling).values.tolist() == list(range(n))
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


def test_bits_of_tokens_are_even() -> None:
    """Also of what is left of them, so that it can be sorted and looked up by its upper bits."""
    print(f"seed {SEED}")
    n = 20_000
    found = unpacked(np.random.default_rng(SEED).integers(0, 2**32, n, np.uint32))
    shares = np.unpackbits(found.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    # Six standard deviations, as above.
    assert np.all(np.abs(shares - 0.5) < 6 * 0.5 / n**0.5)
