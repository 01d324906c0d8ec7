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
    packed,
    rolled,
    sets,
    shingle_sets,
    shortened,
    text_hashes,
    unpacked,
    without,
)

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

SEED = 20250132

# Spread over the whole range as hashes are, and both of its ends.
HASHES = [n * 0x9E3779B97F4A7C15 % 2**64 for n in range(1, 7)] + [2**64 - 1]
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
    everything = np.ones(8, bool)
    left, right = sets_of(counted(articles, everything, everything).words)
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
def test_what_template_leaves_is_what_python_leaves(
    articles: list[list[int]], size: int, data: st.DataObject
) -> None:
    """A shingle stands where it first begins; a token is body unless template covers it."""
    words = tokens(*articles)
    every = rolled(words, size)
    before = every.values.copy()
    runs = [every.part(slice(n, n + 1)).values.tolist() for n in range(len(articles))]
    known = sorted({run for of_one in runs for run in of_one})
    some = st.sets(st.sampled_from(known)) if known else st.just(set())
    # Also shingles that the article has not.
    template = [data.draw(some) for _ in articles]
    found = without(every, ragged(template), words.offsets, size)
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
    assert every.values.tolist() == before.tolist()


def test_what_template_leaves_by_hand() -> None:
    article = [1, 2, 3, 4, 5, 6, 7, 2, 3, 4]
    words = tokens(article, article, [1, 2], [1, 2])
    middle, short = (shingle_sets(tokens(run), 3).values[0] for run in ([4, 5, 6], [1, 2]))
    found = without(rolled(words, 3), tokens([middle], [], [short], []), words.offsets, 3)
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
    found = without(every, ragged(template), words.offsets, 2)
    assert found.body.all()
    assert found.shingles.values.tolist() == every.values.tolist()


@brief
@given(batches, st.data())
def test_words_are_those_of_a_dictionary(articles: list[list[int]], data: st.DataObject) -> None:
    given_tokens = tokens(*articles)
    n = len(given_tokens.values)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    body = np.array(data.draw(flags), bool)
    own = body & np.array(data.draw(flags), bool)
    found = counted(given_tokens, body, own)
    words, counts, owned, places, at = [], [], [], [], 0
    for article in articles:
        known: dict[int, list[int]] = {}
        for token in article:
            if body[at]:
                entry = known.setdefault(token, [len(words) + len(known), 0, 0])
                entry[1] += 1
                entry[2] += int(own[at])
            places.append(known[token][0] if body[at] else -1)
            at += 1
        words += known
        counts += [times for _, times, _ in known.values()]
        owned += [times for *_, times in known.values()]
    assert found.words.values.tolist() == words
    assert found.words.lengths.tolist() == [
        len({token for token, read in zip(article, body[start:], strict=False) if read})
        for article, start in zip(articles, given_tokens.offsets, strict=False)
    ]
    assert (found.counts.tolist(), found.owned.tolist()) == (counts, owned)
    assert (found.counts.dtype, found.owned.dtype) == (np.uint32, np.uint32)
    assert found.places.tolist() == places


@pytest.mark.parametrize("n", [127, 128, 129, 5000])
def test_words_of_long_articles(n: int) -> None:
    """Up to, at and past the sizes at which the table grows."""
    article = list(range(n)) * 2
    found = counted(tokens([1], article, [1]), *np.ones((2, 2 * n + 2), bool))
    assert found.words.values.tolist() == [1, *range(n), 1]
    assert found.counts.tolist() == [1, *[2] * n, 1]
    assert found.places.tolist() == [0, *(list(range(1, n + 1)) * 2), n + 1]


hash_values = st.lists(st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, *HASHES])))


@brief
@given(hash_values)
def test_tokens_survive_a_file(hashes: list[int]) -> None:
    """Half of their bits do, and the lowest, which marks figures."""
    given_hashes = np.array(hashes, np.uint64)
    found = shortened(given_hashes)
    assert (found.dtype, packed(found).dtype) == (np.uint64, np.uint32)
    assert unpacked(packed(found)).tolist() == found.tolist()
    assert (found & np.uint64(1)).tolist() == [value & 1 for value in hashes]
    kept = [(value >> 33, value & 1) for value in hashes]
    pairs = {*zip(kept, found.tolist(), strict=True)}
    assert len(pairs) == len({of_kept for of_kept, _ in pairs}) == len({*found.tolist()})


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
    found = shortened(np.random.default_rng(SEED).integers(0, 2**64, n, np.uint64))
    shares = np.unpackbits(found.view(np.uint8)).reshape(-1, 64).mean(axis=0)
    # Six standard deviations, as above.
    assert np.all(np.abs(shares - 0.5) < 6 * 0.5 / n**0.5)
