"""Signatures are datasketch's, bit for bit; shingles and sketches are what a plain loop finds."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ragged, sets_of

from dedup.ragged import Ragged
from dedup.stages.candidates import sketch
from dedup.stages.shingle import counted, rolled, shingle_sets, text_hashes, unpacked
from dedup.stages.sign import sign

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)
hashes = st.integers(0, 2**64 - 1)
SEED = 20250101

_M64 = 2**64 - 1


def plain_mix(state: int) -> int:
    """SplitMix64's finalizer."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _M64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _M64
    return state ^ (state >> 31)


def plain_shingles(tokens: list[int], size: int) -> list[int]:
    """Hashes of all runs of `size` tokens, or of all tokens where there are fewer."""
    runs = [tokens[i : i + size] for i in range(max(1, len(tokens) - size + 1))] if tokens else []
    base = 0xD6E8FEB86659FD93
    return [
        plain_mix(sum(t * pow(base, len(run) - 1 - i, 2**64) for i, t in enumerate(run)) & _M64)
        for run in runs
    ]


def in_order(articles: list[list[int]]) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in articles])]).astype(np.int64)
    return Ragged(np.array([t for a in articles for t in a], np.uint64), offsets)


def lists_of(found: Ragged) -> list[list[int]]:
    bounds = zip(found.offsets[:-1], found.offsets[1:], strict=True)
    return [found.values[start:end].tolist() for start, end in bounds]


# Few distinct tokens, so that shingles repeat within an article.
articles_of_tokens = st.lists(
    st.lists(st.one_of(st.integers(1, 4).map(lambda n: n * 0x9E3779B97F4A7C15 & _M64), hashes)),
    max_size=5,
)


@brief
@given(articles_of_tokens, st.integers(1, 7))
def test_shingles_are_those_of_a_plain_loop(articles: list[list[int]], size: int) -> None:
    tokens = in_order(articles)
    expected = [plain_shingles(article, size) for article in articles]
    assert lists_of(rolled(tokens, size)) == expected
    assert lists_of(shingle_sets(tokens, size)) == [sorted(set(found)) for found in expected]
    everything = np.ones(len(tokens.values), bool)
    narrow = tokens.map(lambda values: values.astype(np.uint32))
    words, read = counted(narrow, everything), lists_of(narrow.map(unpacked))
    assert lists_of(words.words) == [list(dict.fromkeys(article)) for article in read]
    counts = [article.count(word) for article in read for word in dict.fromkeys(article)]
    assert words.counts.tolist() == counts


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("n", [1023, 1024, 1025, 1028, 1029, 5000])
def test_shingles_of_long_articles_are_those_of_a_plain_loop(n: int, size: int) -> None:
    tokens = list(range(7, 7 + n))
    assert lists_of(rolled(in_order([tokens, [1], tokens]), size)) == [
        plain_shingles(tokens, size),
        plain_shingles([1], size),
        plain_shingles(tokens, size),
    ]


def plain_polynomial(values: list[int], factor: int) -> int:
    state = 1 if values else 0
    for value in values:
        state = (state * 0xD6E8FEB86659FD93 + value * factor) & _M64
    return plain_mix(state)


@brief
@given(st.lists(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.booleans())), max_size=4))
def test_text_hashes_are_those_of_a_plain_loop(articles: list[list[tuple[int, bool]]]) -> None:
    tokens = in_order([[token for token, _ in article] for article in articles])
    marks = [[int(mark) for _, mark in article] for article in articles]
    found = text_hashes(
        tokens.map(lambda each: each.astype(np.uint32)),
        in_order(marks).map(lambda each: each.astype(np.uint8)),
    )
    assert found.tolist() == [
        plain_polynomial([token for token, _ in article], 0x9E3779B97F4A7C15)
        ^ plain_polynomial(of_article, 1)
        for article, of_article in zip(articles, marks, strict=True)
    ]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("num_perm", [16, 128, 256])
def test_signatures_are_those_of_datasketch(num_perm: int, seed: int) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    lists = [rng.integers(0, 2**64, n, np.uint64).tolist() for n in (1, 2, 7, 300)]
    # Where the lower half alone counts, and at its ends.
    lists += [[0], [2**32 - 1], [2**32, 2**63, 5 * 2**32 + 17], []]
    found = sign(ragged(lists), num_perm, seed)
    for row, values in zip(found, lists, strict=True):
        expected = MinHash(num_perm, seed, scheme="affine32", hashfunc=lambda value: value)
        expected.update_batch([value & 0xFFFFFFFF for value in values])
        assert row.tolist() == expected.hashvalues.tolist()


@brief
@given(st.lists(st.lists(hashes, max_size=20), max_size=4), st.sampled_from([1, 2, 3, 8, 1024]))
def test_sketches_hold_the_hashes_under_the_bound(lists: list[list[int]], scale: int) -> None:
    found = sets_of(sketch(ragged(lists), scale))
    assert found == [{value for value in values if value < 2**64 // scale} for values in lists]


@pytest.mark.parametrize("scale", [2, 8, 64])
def test_sketches_keep_about_one_in_scale(scale: int) -> None:
    """Shingle hashes of any tokens are spread evenly, even those of consecutive numbers."""
    n = 200_000
    shingles = shingle_sets(Ragged(np.arange(n, dtype=np.uint64), np.array([0, n])), 5)
    kept = len(sketch(shingles, scale).values)
    total, share = len(shingles.values), 1 / scale
    assert total == n - 4
    # Binomial: five standard deviations, which chance exceeds once in two million.
    assert abs(kept - total * share) < 5 * (total * share * (1 - share)) ** 0.5


def test_agreement_of_signatures_estimates_jaccard() -> None:
    print(f"seed {SEED}")
    values = np.random.default_rng(SEED).integers(0, 2**64, 3000, np.uint64)
    pair = sign(ragged([values[:2000].tolist(), values[1000:].tolist()]), 1024, 1)
    # Binomial with p = 1000 / 3000 and n = 1024: five standard deviations.
    assert abs((pair[0] == pair[1]).mean() - 1 / 3) < 5 * (1 / 3 * 2 / 3 / 1024) ** 0.5


def test_no_articles() -> None:
    nothing = Ragged(np.empty(0, np.uint64), np.zeros(1, np.int64))
    assert sign(nothing, 16, 1).shape == (0, 16)
    assert lists_of(shingle_sets(nothing, 5)) == []
    assert lists_of(counted(nothing, np.empty(0, bool)).words) == []
