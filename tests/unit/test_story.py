"""Stories: weights of words, profiles, and candidates within the window."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain, combinations, pairwise

import numpy as np
import pytest

from dedup.lookup import slots
from dedup.ragged import Ragged
from dedup.stages import story

SEED = 20250211
RARE = 1e-7
"""Share of tokens of a word in no list."""


def ragged(lists: list[list[int]]) -> Ragged:
    offsets = np.cumsum([0, *map(len, lists)])
    return Ragged(np.array([*chain(*lists)], np.uint64), offsets.astype(np.int64))


def vocabulary(texts: list[list[int]], shares: dict[int, float]) -> story.Vocabulary:
    """Of texts by their words; words are rare where nothing else is said."""
    found = {word: texts for word, texts in Counter(chain(*texts)).items() if texts > 1}
    words = sorted(found)
    return story.vocabulary(
        np.array(words, np.uint64),
        np.array([found[word] for word in words], np.uint32),
        np.array([shares.get(word, RARE) for word in words], np.float32),
        len(texts),
    )


def profiled(
    texts: list[dict[int, int]], bounds: list[int], shares: dict[int, float]
) -> list[dict[int, float]]:
    """Weight of each word of each cluster that another one has; texts are words and their counts.

    Words are numbers below 1,000.
    """
    words = [[*text] for text in texts]
    known = vocabulary(words, shares)
    found = story.profiles(
        ragged(words),
        np.array([*chain(*(text.values() for text in texts))], np.uint32),
        np.array([shares.get(word, RARE) for word in chain(*words)], np.float32),
        np.array(bounds, np.int64),
        known,
    )
    names = np.full(len(known.rarity), -1)
    every = np.arange(1_000, dtype=np.uint64)
    names[slots(known.known, every)] = every  # -1 is the last slot, which is nobody's
    owners = found.terms.owners().tolist()
    clusters: list[dict[int, float]] = [{} for _ in found.least]
    for owner, term, weight in zip(
        owners, found.terms.values.tolist(), found.weights.tolist(), strict=True
    ):
        clusters[owner][int(names[term])] = weight
    assert [len(cluster) for cluster in clusters] == found.terms.lengths.tolist()
    return clusters


def weighed(text: dict[int, int], texts: list[dict[int, int]], shares: dict[int, float]) -> dict:
    """Plainly: the words of one text, where all together have the length 1."""
    weights = {}
    for word, count in text.items():
        at_large = 1 - math.exp(-story.TYPICAL_TOKENS * shares.get(word, RARE))
        found = sum(word in other for other in texts)
        share = (story.PRIOR_TEXTS * at_large + found) / (story.PRIOR_TEXTS + len(texts))
        idf = math.log(max(1 / min(share, 1) - 1, 1))
        weights[word] = (1 + math.log(min(count, 63))) * idf**2
    return scaled(weights)


def scaled(weights: dict[int, float]) -> dict[int, float]:
    length = math.sqrt(sum(weight**2 for weight in weights.values()))
    return {word: weight / length for word, weight in weights.items() if weight > 0}


def random_profiles(rng: np.random.Generator, n: int) -> story.Profiles:
    """A few words each, of forty, so that many pairs share some."""
    words = [sorted(rng.choice(40, rng.integers(1, 9), replace=False).tolist()) for _ in range(n)]
    terms = ragged(words)._replace(values=np.array([*chain(*words)], np.int32))
    weights = rng.random(len(terms.values), np.float32) + np.float32(0.1)
    lengths = np.sqrt(np.bincount(terms.owners(), weights**2, n))
    return story.Profiles(
        terms, (weights / lengths[terms.owners()]).astype(np.float32), np.zeros(n, np.float32)
    )


def in_batches(given: story.Profiles, length: int) -> list[story.Profiles]:
    """The same clusters, so many at a time."""
    parts = (slice(at, at + length) for at in range(0, len(given.least), length))
    return [
        story.Profiles(
            given.terms.part(part),
            given.weights[given.terms.offsets[part][0] :][: given.terms.part(part).offsets[-1]],
            given.least[part],
        )
        for part in parts
    ]


def pairs(
    given: story.Profiles, hours: np.ndarray, window: float, length: int = story.SLICE
) -> dict[tuple[int, int], float]:
    """Cosine of each pair that is found, so many places being indexed at a time."""
    far, slots = story.reach(hours, window), int(given.terms.values.max(initial=-1)) + 1
    pieces = [
        story.pairs(index, far, slice(at, min(at + 7, index.stop)))
        for index in story.indices(in_batches(given, 3), slots, far, length)
        for at in range(index.start, index.stop, 7)
    ]
    found = {
        (i, j): value
        for piece in pieces
        for i, j, value in zip(*(column.tolist() for column in piece), strict=True)
    }
    assert len(found) == sum(len(piece.left) for piece in pieces)
    return found


def cosines(given: story.Profiles) -> np.ndarray:
    dense = np.zeros((len(given.least), 41))
    dense[given.terms.owners(), given.terms.values] = given.weights
    return dense @ dense.T


def some_hours(rng: np.random.Generator, n: int) -> np.ndarray:
    """By place, the last ones unknown."""
    hours = np.sort(rng.integers(0, 20, n)).astype(np.float64)
    hours[n - n // 5 :] = np.nan
    return hours


def leveled(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Levels and rarities of frequencies, as `heaviest` takes them."""
    frequencies, levels = np.unique(shares, return_inverse=True)
    return levels.astype(np.uint16), story.rarities(frequencies)


def test_the_heaviest_words_are_rare_ones_that_come_often() -> None:
    """Against a plain sort; of equal ones the first, of each text at most so many."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    lengths = [story.LONGEST - 1, 0, story.LONGEST, 3 * story.LONGEST, 2 * story.LONGEST]
    words = ragged([[*range(length)] for length in lengths])
    # Few values, so that many weigh alike; what half of all texts have weighs nothing.
    counts = rng.choice([1, 2, 90], len(words.values)).astype(np.uint8)
    shares = rng.choice([1e-7, 1e-5, 1e-4, 0.01], len(words.values))
    found = story.heaviest(words.offsets, counts, *leveled(shares))
    for text, length in enumerate(lengths):
        mine = slice(words.offsets[text], words.offsets[text + 1])
        weights = []
        for count, share in zip(counts[mine].tolist(), shares[mine].tolist(), strict=True):
            of_texts = 1 - math.exp(-story.TYPICAL_TOKENS * share)
            idf = math.log(max(1 / of_texts - 1, 1))
            weights.append((1 + math.log(min(count, 63))) * idf**2)
        order = sorted(range(length), key=lambda at: (-round(weights[at], 3), at))
        expected = sorted(at for at in order[: story.LONGEST] if weights[at] > 0)
        places = found.values[found.offsets[text] : found.offsets[text + 1]]
        assert (places - mine.start).tolist() == expected


def test_which_are_heaviest_does_not_depend_on_other_texts() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    words = ragged([[*range(n)] for n in (300, 40, 200)])
    counts = rng.integers(1, 9, len(words.values)).astype(np.uint8)
    levels, rarities = leveled(10 ** rng.uniform(-7, -1, len(words.values)))
    whole = story.heaviest(words.offsets, counts, levels, rarities)
    for text in range(3):
        mine = slice(words.offsets[text], words.offsets[text + 1])
        offsets = words.offsets[text : text + 2] - mine.start
        alone = story.heaviest(offsets, counts[mine], levels[mine], rarities)
        together = whole.values[whole.offsets[text] : whole.offsets[text + 1]]
        assert alone.values.tolist() == (together - mine.start).tolist()


def test_weights() -> None:
    """Common words weigh nothing, rare ones much, repeated ones more; the corpus takes part."""
    texts = [{1: 1, 2: 1, 3: 1, 4: 70}, {1: 1, 2: 5, 4: 1}, {1: 1, 3: 1}, {5: 2, 6: 1, 1: 1, 3: 1}]
    shares = {1: 0.05, 2: 1e-5, 6: 0.003}
    found = profiled(texts, [0, 1, 2, 3, 4], shares)
    for text, given in enumerate(texts):
        expected = weighed(given, texts, shares)
        shared = {word for word in expected if sum(word in other for other in texts) > 1}
        # What no other has takes part in the length.
        assert found[text] == pytest.approx({w: expected[w] for w in shared}, rel=1e-5)
    assert 1 not in found[0]
    assert 0 < found[0][2] < found[0][3] < found[0][4]
    # A word that most of a large corpus has weighs nothing, whatever the lists say.
    everywhere = profiled([{1: 1}] * 1_000, [*range(1_001)], {})
    assert everywhere == [{}] * 1_000


def test_profile_of_a_cluster_is_the_mean_of_its_texts() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)

    def text() -> dict[int, int]:
        words = rng.choice(300, rng.integers(0, story.LONGEST + 1), replace=False)
        return dict(zip(words.tolist(), rng.integers(1, 9, len(words)).tolist(), strict=True))

    texts = [text() for _ in range(60)]
    shares = {word: float(10 ** rng.uniform(-7, -3)) for word in range(300)}
    bounds = [0, 1, 3, 3, 6, 10, 11, 30, 59, 60]
    found = profiled(texts, bounds, shares)
    for cluster, (start, stop) in enumerate(pairwise(bounds)):
        sums: Counter[int] = Counter()
        for each in texts[start:stop]:
            sums.update(weighed(each, texts, shares))
        heaviest = dict(sums.most_common(story.LONGEST))
        elsewhere = {*chain(*texts[:start], *texts[stop:])}
        expected = {word: weight for word, weight in scaled(heaviest).items() if word in elsewhere}
        assert found[cluster] == pytest.approx(expected, abs=1e-6)
    assert max(map(len, found)) == story.LONGEST


def test_a_word_that_only_copies_have_is_no_word_of_the_cluster() -> None:
    texts = [{1: 1, 2: 1}, {1: 1, 2: 1}, {2: 1, 3: 1}]
    assert [{*cluster} for cluster in profiled(texts, [0, 2, 3], {})] == [{2}, {2}]
    assert [{*cluster} for cluster in profiled(texts, [0, 1, 3], {})] == [{1, 2}, {1, 2}]


def test_the_order_of_words_decides_nothing() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    texts = [
        {int(word): int(word) % 7 + 1 for word in rng.choice(900, 100, replace=False)}
        for _ in range(12)
    ]
    bounds = [0, 1, 2, 5, 12]
    shuffled = [dict(sorted(text.items(), key=lambda _: rng.random())) for text in texts]
    assert profiled(texts, bounds, {}) == profiled(shuffled, bounds, {})


@pytest.mark.parametrize("length", [1, 10, 1_000])
@pytest.mark.parametrize("window", [2.0, 10.0, np.inf])
def test_pairs_are_those_of_all_with_all(window: float, length: int) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    for n in (1, 2, 30, 90):
        given, hours = random_profiles(rng, n), some_hours(rng, n)
        matrix = cosines(given)
        expected = {
            (i, j): matrix[i, j]
            for i, j in combinations(range(n), 2)
            # Without a date there is no window.
            if matrix[i, j] >= story.LEAST and not abs(hours[i] - hours[j]) > window
        }
        assert pairs(given, hours, window, length) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("length", [1, 10, 1_000])
def test_no_pair_is_further_apart_than_the_reach(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    given, hours = random_profiles(rng, 90), some_hours(rng, 90)
    everything = pairs(given, hours, 10)
    monkeypatch.setattr(story, "REACH", 12)
    near = {pair: cosine for pair, cosine in everything.items() if pair[1] - pair[0] <= 12}
    assert pairs(given, hours, 10, length) == near
    assert 0 < len(near) < len(everything)


@pytest.mark.parametrize("length", [1, 50, 1_000])
def test_a_word_of_many_proposes_the_latest(length: int) -> None:
    n = 3 * story.POSTINGS
    terms = Ragged(np.zeros(n, np.int32), np.arange(n + 1))
    given = story.Profiles(terms, np.ones(n, np.float32), np.zeros(n, np.float32))
    found = {*pairs(given, np.arange(n) * 1.0, np.inf, length)}
    assert found == {(i, j) for i, j in combinations(range(n), 2) if j - i <= story.POSTINGS}


def test_the_heaviest_words_propose() -> None:
    """Two that share many light words are alike, but nothing tells."""
    light, heavy = [*range(8)], [*range(100, 100 + story.PROPOSING)]
    texts = [
        dict.fromkeys([*light, *range(200, 232)], 1),
        dict.fromkeys(light, 1) | dict.fromkeys(heavy, 3),
        dict.fromkeys(light, 1) | dict.fromkeys([*heavy[:-1], 500], 3),
    ]
    # That each word is in two texts at least.
    texts += [dict.fromkeys(chain(*texts), 1)]
    words = [[*text] for text in texts]
    profiles = story.profiles(
        ragged(words),
        np.array([*chain(*(text.values() for text in texts))], np.uint32),
        np.full(sum(map(len, words)), RARE, np.float32),
        np.arange(len(texts) + 1),
        vocabulary(words, {}),
    )
    heavy_enough = profiles.weights >= np.repeat(profiles.least, profiles.terms.lengths)
    proposing = np.bincount(profiles.terms.owners(), heavy_enough)
    assert proposing.tolist()[1:3] == [story.PROPOSING, story.PROPOSING]
    found = pairs(profiles, np.zeros(len(texts)), np.inf)
    dots = {}
    for i, j in combinations(range(3), 2):
        one, other = (profiles.terms.part(slice(at, at + 1)).values for at in (i, j))
        weights = [profiles.weights[slice(*profiles.terms.offsets[at : at + 2])] for at in (i, j)]
        _, a, b = np.intersect1d(one, other, return_indices=True)
        dots[i, j] = float(weights[0][a] @ weights[1][b])
    assert min(dots.values()) > story.LEAST
    assert found[1, 2] == pytest.approx(dots[1, 2])
    assert (0, 1) not in found
    assert (0, 2) not in found


def test_what_is_held_does_not_grow_with_the_corpus() -> None:
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    n, length = 4_000, 100
    far = story.reach(np.arange(n) / 10, 5.0)
    built = [*story.indices(in_batches(random_profiles(rng, n), 10), 40, far, length)]
    assert [index.start for index in built] == [*range(0, n, length)]
    for index in built[1:]:
        assert index.start - index.low == 50  # five hours
        assert len(index.postings) <= (50 + length) * 8


def test_of_what_is_held_each_term_keeps_the_latest_postings() -> None:
    n, length = 4 * story.POSTINGS, story.POSTINGS // 4
    terms = Ragged(np.zeros(n, np.int32), np.arange(n + 1))
    given = story.Profiles(terms, np.ones(n, np.float32), np.zeros(n, np.float32))
    far = story.reach(np.zeros(n), np.inf)
    for index in story.indices(in_batches(given, length), 1, far, length):
        assert len(index.profiles.least) == index.stop
        kept = min(index.start, story.POSTINGS)
        places = index.postings.view(np.uint32)[::2].tolist()
        assert places == [*range(index.start - kept, index.stop)]
    found = pairs(given, np.zeros(n), np.inf, length)
    assert len(found) == sum(min(place, story.POSTINGS) for place in range(n))
