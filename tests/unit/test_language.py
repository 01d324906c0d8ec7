"""Words of the language at large: frequencies, rarity, and what a text is about by itself."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dedup.pipeline import language
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import background, story, verify
from dedup.stages.text import tokenise, whole

SEED = 20250501


def tokens(*texts: str) -> Ragged:
    array = pa.array(texts, pa.large_string())
    found = tokenise(array, whole(array))
    return Ragged(found.hashes, found.offsets)


def frequencies(*words: str) -> np.ndarray:
    return language.frequencies(tokens(*words).values)


def test_frequencies() -> None:
    common, rare, other = frequencies("the", "bridge", "qwxzvk")
    assert common > 0.01 > 1e-4 > rare > other == background.UNKNOWN
    # Any language, any script: common words of Russian, German, Hindi and Arabic.
    assert frequencies("что", "nicht", "और", "من").min() > 1e-3
    # Chinese by pairs of characters, as articles have them.
    assert frequencies("我们")[0] > 1e-3


def test_looking_up_finds_what_a_search_does() -> None:
    print(f"seed {SEED}")
    known = background.background(language._tokens)
    assert np.all(known.hashes[1:] > known.hashes[:-1])
    drawn = np.random.default_rng(SEED).integers(0, 2**64, 100_000, np.uint64)
    ends = np.array([0, 1, 2**63, 2**64 - 2, 2**64 - 1], np.uint64)
    asked = np.concatenate([known.hashes, known.hashes + np.uint64(2), drawn, ends])
    at = np.minimum(np.searchsorted(known.hashes, asked), len(known.hashes) - 1)
    listed = known.hashes[at] == asked
    assert listed.sum() >= len(known.hashes)
    expected = np.where(listed, known.frequencies[at], background.UNKNOWN)
    assert np.array_equal(background.frequencies(known, asked), expected)


def test_rarity_is_that_of_a_corpus_of_typical_texts() -> None:
    words = tokens("the", "bridge", "qwxzvk")
    share = 1 - (1 - language.frequencies(words.values)) ** story.TYPICAL_TOKENS
    found = language.rarity(words)
    assert found == pytest.approx(np.log(1 + 1 / share), rel=1e-3)
    assert found.dtype == verify.rarity(words).dtype == np.float32


def test_what_a_text_is_about_is_its_own() -> None:
    """Whatever others came with it, and however many; what half of all texts have is nothing."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    rare = ["".join(rng.choice(letters, 9)) for _ in range(story.LONGEST)]
    texts = ["the bridge, the bridge and the river", " ".join(["bridge", "the", *rare]), ""]
    together = language.terms(tokens(*texts * 700), Settings(threads=2))
    words, counts, shares = together
    for text, given in enumerate(texts):
        alone = language.terms(tokens(given), Settings())
        mine = slice(words.offsets[text + 3 * 600], words.offsets[text + 3 * 600 + 1])
        assert words.values[mine].tolist() == alone.words.values.tolist()
        assert counts[mine].tolist() == alone.counts.tolist()
        assert shares[mine].tolist() == alone.frequencies.tolist()
    first = dict(zip(words.values[:2].tolist(), counts[:2].tolist(), strict=True))
    assert sorted(first.values()) == [1, 2]
    assert words.lengths[:3].tolist() == [2, story.LONGEST, 0]
    # Of more words than count the commonest go.
    assert not first.keys() & {*words.values[words.offsets[1] : words.offsets[2]].tolist()}
