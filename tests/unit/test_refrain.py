"""Galleries go, prose stays."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup import Settings
from dedup.pipeline.sign import read_body
from dedup.ragged import Ragged
from dedup.stages import refrain
from dedup.stages.text import tokenise, whole

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=200)

SIZE = Settings().shingle_size
TIMES, GAP, BYTES, MOST = (
    refrain._LEAST_TIMES,
    refrain._LONGEST_GAP,
    refrain._LEAST_BYTES,
    refrain._MOST,
)

Article = list[tuple[int, int]]
"""Each token, and its width in bytes; a space lies between any two."""

LINE = [1, 2, 3, 4, 5]


@st.composite
def articles(draw: st.DrawFn) -> Article:
    """Lines that come back about as often, as far apart and as long as refrains do."""
    width = draw(st.sampled_from([1, BYTES // SIZE - 1, BYTES // SIZE, 9]))
    line = LINE[: draw(st.integers(1, 5))] * draw(st.integers(1, 2))
    fresh = iter(range(100, 10_000))
    tokens: list[int] = []
    for _ in range(draw(st.integers(0, TIMES + 2))):
        tokens += line
        gap = draw(st.sampled_from([0, 1, 7, GAP - len(line), GAP - len(line) + 1]))
        tokens += [next(fresh) for _ in range(gap)]
    # So much else that the share of the article is now below, now above the most.
    tokens += [next(fresh) for _ in range(draw(st.integers(0, 4)) * len(tokens) // 8)]
    return [(token, width + token % 2) for token in tokens]


def inside(given_articles: list[Article], size: int = SIZE) -> list[list[bool]]:
    lengths = [len(article) for article in given_articles]
    offsets = np.cumsum([0, *lengths]).astype(np.int64)
    values = np.array([token for article in given_articles for token, _ in article], np.uint32)
    ends = [end for article in given_articles for end in ends_of(article)]
    widths = [width for article in given_articles for _, width in article]
    starts = np.array(ends, np.int32) - np.array(widths, np.int32)
    found = refrain.inside(Ragged(values, offsets), starts, np.array(ends, np.int32), size)
    return [found[a:b].tolist() for a, b in pairwise(offsets)]


def ends_of(article: Article) -> list[int]:
    return [int(end) - 1 for end in np.cumsum([width + 1 for _, width in article])]


def plain(article: Article, size: int = SIZE) -> list[bool]:
    """A refrain reaches from its first occurrence to the last that is long enough."""
    tokens, ends = [token for token, _ in article], ends_of(article)
    size = min(size, len(tokens))
    places = defaultdict(list)
    for at in range(len(tokens) - size + 1):
        places[tuple(tokens[at : at + size])].append(at)
    result = [False] * len(tokens)
    for found in places.values():
        run: list[int] = []
        for at in found:
            run = [*run, at] if run and at - run[-1] <= GAP else [at]
            length = ends[at + size - 1] - (ends[at] - article[at][1])
            if len(run) >= TIMES and length >= BYTES:
                result[run[0] : at + size] = [True] * (at + size - run[0])
    return result if sum(result) <= MOST * len(result) else [False] * len(result)


@brief
@given(st.lists(articles(), min_size=1, max_size=3), st.integers(1, 6))
def test_refrains_are_those_of_plain_python(some: list[Article], size: int) -> None:
    # Only where tokens were given: a text without any has no shingle.
    assert inside(some, size) == [plain(article, size) if article else [] for article in some]


def test_the_reference_meets_both() -> None:
    """What it is compared with by chance above: one more, and one fewer, of everything."""

    def marked(times: int, gap: int, length: int) -> int:
        """Tokens in a refrain of so many bytes, begun every so many tokens."""
        # One byte for each word but the first, and a space between any two.
        line = [(token, 1) for token in LINE]
        line[0] = (LINE[0], length - 2 * (len(LINE) - 1))
        fresh = iter(range(100, 10_000))
        article = []
        for _ in range(times):
            article += line + [(next(fresh), 1) for _ in range(gap - len(line))]
        article += [(next(fresh), 1) for _ in range(len(article))]
        found = plain(article)
        assert inside([article]) == [found]
        return sum(found)

    assert marked(TIMES, GAP, BYTES) == (TIMES - 1) * GAP + len(LINE)
    assert marked(TIMES - 1, GAP, BYTES) == 0
    assert marked(TIMES, GAP + 1, BYTES) == 0
    assert marked(TIMES, GAP, BYTES - 1) == 0


@brief
@given(st.lists(articles(), min_size=2, max_size=5))
def test_other_articles_of_the_batch_do_not_matter(some: list[Article]) -> None:
    assert inside(some) == [found for article in some for found in inside([article])]


# --- texts ------------------------------------------------------------------------------------

PROSE = [
    "Engineers closed the harbour bridge on Tuesday after divers found cracks in two of its piers.",
    "Ferries that usually run only in summer will sail from Wednesday morning until nightfall.",
    "The closure comes years after a report warned that salt water had reached the steel inside.",
    "Shopkeepers on the northern side fear for their Christmas trade and ask for a lower rent.",
]
SUBJECTS = ["wolf", "heron", "otter", "lynx", "stork", "badger", "eagle", "bat", "moose", "seal"]


def left(*texts: str) -> list[str]:
    """What remains of each text."""
    array = pa.array(texts, pa.large_string())
    tokens = tokenise(array, whole(array))
    everything = Ragged(tokens.hashes, tokens.offsets)
    gone = refrain.inside(everything, tokens.starts, tokens.ends, SIZE)
    pieces = []
    for n, text in enumerate(texts):
        part, raw = slice(tokens.offsets[n], tokens.offsets[n + 1]), text.encode()
        spans = zip(tokens.starts[part], tokens.ends[part], gone[part], strict=True)
        pieces.append(" ".join(raw[start:end].decode() for start, end, out in spans if not out))
    return pieces


def bare(text: str) -> str:
    return text.replace(".", "").replace(",", "").replace(":", "")


def gallery(pictures: int) -> str:
    lines = [
        f"A {SUBJECTS[n]} at the river\nHide caption {n + 1} of {pictures} Photos: Wildlife today"
        for n in range(pictures)
    ]
    return "\n".join(lines)


def test_a_gallery_goes() -> None:
    before, after = (" ".join(part) for part in (PROSE[:2], PROSE[2:]))
    (found,) = left(f"{before}\n{gallery(8)}\n{after}")
    for kept in (before, after):
        assert bare(kept) in found
    # Of its lines, what stands before the first refrain and behind the last stays.
    assert not any(subject in found.split() for subject in SUBJECTS[2:7])
    assert found.split().count("caption") <= 1


def test_a_short_gallery_stays() -> None:
    text = f"{PROSE[0]}\n{gallery(TIMES - 1)}\n{PROSE[1]}"
    assert left(text) == [" ".join(bare(text).split())]


def test_prose_with_a_figure_of_speech_stays() -> None:
    """Said a few times, and said often but far between."""
    speech = "I have a dream that one day this bridge will stand."
    few = " ".join(f"{speech} {sentence}" for sentence in PROSE)
    # Forty sentences lie between, each with words of its own.
    far = " ".join(
        speech + "".join(f" Word{n} and word{n + 1} meet." for n in range(m, m + 40))
        for m in range(0, 40 * (TIMES + 4), 40)
    )
    assert left(few, far) == [bare(few), bare(far)]


def test_names_that_come_back_stay() -> None:
    """So short that they are no line."""
    names = " ".join(f"{n} a b c d e {subject}" for n, subject in enumerate(SUBJECTS))
    text = " ".join([*PROSE, names])
    assert left(text) == [bare(text)]


def test_a_table_that_is_nearly_all_refrain_stays() -> None:
    rows = [
        f"{name} closed on Tuesday at a price of {n}7 crowns" for n, name in enumerate(SUBJECTS)
    ]
    table = "\n".join(rows)
    assert left(table) == [" ".join(table.split())]
    # Among as much prose again it is a list that the page carries: but for the first name and the
    # last figure all of it goes.
    before, after = (" ".join(part) for part in (PROSE, PROSE[::-1]))
    expected = f"{before} {SUBJECTS[0]} {len(SUBJECTS) - 1}7 crowns {after}"
    assert left("\n".join([before, table, after])) == [bare(expected)]


def test_a_body_is_read_without_galleries() -> None:
    """Its text is still another one than that of the prose alone."""
    prose = " ".join(PROSE * 3)
    texts = [f"{prose}\n{gallery(8)}", prose]
    found = read_body(pa.array(texts, pa.large_string()), Settings())
    raw, part = texts[0].encode(), slice(0, found.tokens.offsets[1])
    spans = zip(found.tokens.starts[part], found.tokens.ends[part], strict=True)
    words = {raw[start:end].decode() for start, end in spans}
    assert set(bare(prose).split()) <= words
    assert not words & set(SUBJECTS[2:7])
    assert len(found.quoted) == len(found.tokens.hashes) == found.tokens.offsets[-1]
    assert found.hashes[0] != found.hashes[1]
