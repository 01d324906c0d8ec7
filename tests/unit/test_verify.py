"""Scores: plain arithmetic on tokens, and what quotations, figures, days and outlets say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain, combinations, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.pipeline.evidence import Texts, gathered, scored
from dedup.ragged import Ragged
from dedup.schemas import RELATIONS
from dedup.settings import Settings
from dedup.stages import quote, shingle, verify
from dedup.stages.text import tokenise, whole

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=300)

# Scores and weights are in single precision (6e-8), of a few dozen terms each; the figures' part is
# divided by the width of their ramp.
SINGLE = 1e-5 / verify.AGREEMENT_WIDTH
SIZE = 3
FLOOR, LATE_WEIGHT = Settings().similarity_floor, Settings().representation.late_weight

Counts = dict[int, int]
Weights = dict[int, float]


class Article(NamedTuple):
    """What the kernels are given of an article, as Python has it.

    Attributes
    ----------
    tokens : list of int
    masses : list of int
        Of each token; whole, so that sums of them are exact.
    template : set of int
        Tokens that make a shingle template where they are its first.
    words : dict
        How often each word, 1 or more, stands in it; odd words are figures.
    spoken : bool
    hours : float
    outlet : int
    """

    tokens: list[int]
    masses: list[int]
    template: set[int]
    words: Counts
    spoken: bool
    hours: float
    outlet: int

    def shingles(self) -> dict[tuple[int, ...], int]:
        """Those that count, and where each first begins."""
        found: dict[tuple[int, ...], int] = {}
        for at in range(len(self.tokens) - SIZE + 1):
            run = tuple(self.tokens[at : at + SIZE])
            if run[0] not in self.template:
                found.setdefault(run, at)
        return found


# Pieces of one long text, so that articles share passages as long as those that figures go by.
passages = st.builds(
    lambda start, length: list(range(100 + start, 100 + start + length)),
    st.integers(0, 60),
    st.integers(1, verify.COPY_PASSAGE + 40),
)
pieces = st.one_of(st.lists(st.integers(0, 5), max_size=12), passages)


@st.composite
def articles(draw: st.DrawFn) -> Article:
    tokens = [token for piece in draw(st.lists(pieces, max_size=4)) for token in piece]
    # A few masses that come again, because drawing each alone takes long.
    masses = draw(st.lists(st.sampled_from([0, 0, 1, 1, 2, 5]), min_size=1, max_size=12))
    return Article(
        tokens=tokens,
        masses=[masses[at % len(masses)] for at in range(len(tokens))],
        template=draw(st.sets(st.integers(0, 5), max_size=2)),
        words=draw(st.dictionaries(st.integers(1, 16), st.integers(1, 4), max_size=12)),
        spoken=draw(st.booleans()),
        hours=draw(
            st.sampled_from([0.0, verify.HOURS_OF_COPY, verify.HOURS_OF_COPY + 1.0, np.nan])
        ),
        outlet=draw(st.integers(-1, 1)),
    )


def lists(each: Iterable[Iterable[int]]) -> Ragged:
    """Whole numbers as hashes, which are spread; 0 stays 0, odd ones stay odd."""
    hashes = [np.array([*values], np.uint64) * np.uint64(0x9E3779B97F4A7C15) for values in each]
    offsets = np.cumsum([0, *(len(values) for values in hashes)])
    return Ragged(np.concatenate([np.empty(0, np.uint64), *hashes]), offsets)


def rarity(n: int) -> verify.Rarity:
    """Rarity of the words of n articles among themselves, given all distinct words of each."""

    def of(words: np.ndarray) -> np.ndarray:
        _, numbers, holders = np.unique(words, return_inverse=True, return_counts=True)
        return np.log1p(n / holders[numbers]).astype(np.float32)

    return of


def evidence(given_articles: Sequence[Article]) -> verify.Evidence:
    every = [article.shingles() for article in given_articles]
    numbers = {run: n for n, run in enumerate(sorted({*chain(*every)}), 1)}
    shingles = [[0] * max(0, len(article.tokens) - SIZE + 1) for article in given_articles]
    for held, laid_out in zip(every, shingles, strict=True):
        for run, at in held.items():
            laid_out[at] = numbers[run]
    offsets = np.cumsum([0] + [len(article.tokens) for article in given_articles])
    masses = Ragged(
        np.array([mass for article in given_articles for mass in article.masses], np.float32),
        offsets.astype(np.int64),
    )
    words = lists(article.words for article in given_articles)
    counts = [times for article in given_articles for times in article.words.values()]
    weights = verify.weigh(rarity(len(given_articles))(words.values), np.array(counts, np.uint32))
    own = verify.Own(
        masses=masses,
        words=words,
        weights=weights,
        spoken=np.array([article.spoken for article in given_articles], bool),
        sums=verify.summed(masses, words, weights),
    )
    return verify.Evidence(
        shingles=lists(shingles),
        sizes=np.array([len(held) for held in every], np.int64),
        own=own,
        hours=np.array([article.hours for article in given_articles], np.float64),
        outlets=np.array([article.outlet for article in given_articles], np.int64),
        size=SIZE,
        late_weight=LATE_WEIGHT,
    )


def plain(tokens: Sequence[int]) -> Article:
    """An article of nothing but own words, all alike."""
    return Article(list(tokens), [1] * len(tokens), set(), {2: 1}, False, 0, -1)


def every_pair(n: int) -> tuple[np.ndarray, np.ndarray]:
    left, right = np.triu_indices(n, 1)
    return left.astype(np.int64), right.astype(np.int64)


# --- the reference ----------------------------------------------------------------------------


def plain_weights(bags: Sequence[Counts]) -> list[Weights]:
    held = [word for bag in bags for word in bag]
    return [
        {
            word: (1 + math.log(count)) * math.log1p(len(bags) / held.count(word))
            for word, count in bag.items()
        }
        for bag in bags
    ]


def plain_cosine(a: Weights, b: Weights) -> float:
    norms = [math.sqrt(sum(w * w for w in bag.values())) for bag in (a, b)]
    dot = sum(weight * b.get(word, 0) for word, weight in a.items())
    return dot / (norms[0] * norms[1]) if all(norms) else 0


def plain_agreement(a: Weights, b: Weights) -> float | None:
    """None where either has too few figures for them to speak."""
    left, right = ({word: w for word, w in bag.items() if word & 1} for bag in (a, b))
    if min(len(left), len(right)) < verify.FEWEST_FIGURES:
        return None
    shared = sum(math.sqrt(left[word] * right[word]) for word in left.keys() & right.keys())
    # The other may have them more often, so that they weigh more than those of the one.
    return min(shared / min(sum(left.values()), sum(right.values())), 1)


def plain_held(mine: Article, other: Article) -> tuple[float, int]:
    """Share of the mass in shared passages times that of tenths, and the longest passage."""
    starts = [at for run, at in mine.shingles().items() if run in other.shingles()]
    covered = {at + step for at in starts for step in range(SIZE)}
    total, held, longest, run = sum(mine.masses), 0, 0, 0
    tenths = set()
    for at, mass in enumerate(mine.masses):
        if at not in covered:
            run = 0
        elif mass:
            held, run = held + mass, run + 1
            longest = max(longest, run)
            tenths.add(10 * sum(mine.masses[:at]) // total)
    return (held / total * len(tenths) / 10 if total else 0), longest


def plain_needed(longest: int) -> float:
    """Share of the figures that has to agree: falls with the logarithm of the passage."""
    form, copy = (math.log1p(tokens) for tokens in (verify.FORM_PASSAGE, verify.COPY_PASSAGE))
    along = min(max((math.log1p(longest) - form) / (copy - form), 0), 1)
    return verify.FORM_AGREEMENT + along * (verify.COPY_AGREEMENT - verify.FORM_AGREEMENT)


def plain_similarity(
    a: Article, b: Article, held: float, longest: int, cosine: float, agreement: float | None
) -> float:
    best = held**verify.HELD_EXPONENT * cosine**verify.COSINE_EXPONENT
    if agreement is not None:
        if agreement >= verify.REWRITE_AGREEMENT:
            best = max(best, verify.REWRITE_WEIGHT * cosine)
        enough = (agreement - plain_needed(longest)) / verify.AGREEMENT_WIDTH + 0.5
        best *= min(max(enough, 0), 1)
    if abs(a.hours - b.hours) > verify.HOURS_OF_COPY:
        best *= LATE_WEIGHT
    if a.outlet == b.outlet != -1:
        best *= verify.OUTLET_WEIGHT
    return best


@brief
@given(st.lists(articles(), min_size=2, max_size=4), st.integers(1, 4))
def test_scores_are_plain_arithmetic(some: list[Article], shared_floor: int) -> None:
    left, right = every_pair(len(some))
    found = verify.score(evidence(some), left, right, shared_floor)
    weights = plain_weights([article.words for article in some])
    for at, (i, j) in enumerate(combinations(range(len(some)), 2)):
        a, b = some[i].shingles().keys(), some[j].shingles().keys()
        shared = len(a & b)
        in_left, in_right = shared / max(1, len(a)), shared / max(1, len(b))
        assert found.shared[at] == shared
        assert found.jaccard[at] == pytest.approx(shared / max(1, len(a | b)), abs=SINGLE)
        assert found.containment_left[at] == pytest.approx(in_left, abs=SINGLE)
        assert found.containment_right[at] == pytest.approx(in_right, abs=SINGLE)
        if shared < shared_floor or max(in_left, in_right) < verify.LEAST_CONTAINMENT:
            assert [column[at] for column in found[4:]] == [0] * 5
            continue
        (in_j, run_j), (in_i, run_i) = plain_held(some[i], some[j]), plain_held(some[j], some[i])
        # What is all quotation is held by nothing but its like.
        in_j *= some[j].spoken or not some[i].spoken
        in_i *= some[i].spoken or not some[j].spoken
        held, longest = max(in_i, in_j), max(run_i, run_j)
        cosine = plain_cosine(weights[i], weights[j])
        agreement = plain_agreement(weights[i], weights[j])
        assert found.held[at] == pytest.approx(held, abs=SINGLE)
        assert found.longest[at] == longest
        assert found.cosine[at] == pytest.approx(cosine, abs=SINGLE)
        told = 1 if agreement is None else agreement
        assert found.agreement[at] == pytest.approx(told, abs=SINGLE)
        if abs(told - verify.REWRITE_AGREEMENT) < SINGLE:
            continue  # too near to the bound to tell in single precision
        similarity = plain_similarity(some[i], some[j], held, longest, cosine, agreement)
        assert found.similarity[at] == pytest.approx(similarity, abs=SINGLE)


@brief
@given(st.lists(articles(), min_size=2, max_size=4))
def test_left_and_right_are_alike(some: list[Article]) -> None:
    known, (left, right) = evidence(some), every_pair(len(some))
    found, swapped = verify.score(known, left, right, 1), verify.score(known, right, left, 1)
    turned = {"containment_left": "containment_right", "containment_right": "containment_left"}
    for name in verify.Scores._fields:
        expected = getattr(found, turned.get(name, name))
        # Products of the two weights may be rounded one way or the other.
        np.testing.assert_allclose(getattr(swapped, name), expected, rtol=1e-6)


@brief
@given(st.lists(articles(), min_size=2, max_size=5), st.data())
def test_other_pairs_and_threads_do_not_matter(some: list[Article], data: st.DataObject) -> None:
    known, pairs = evidence(some), np.array(every_pair(len(some)))
    # Those of one left article need not follow one another.
    order = data.draw(st.permutations(range(pairs.shape[1])))
    left, right = pairs[:, order]
    together = scored(known, left, right, Settings(shared_floor=1, threads=2))
    for at in range(len(left)):
        alone = verify.score(known, left[at : at + 1], right[at : at + 1], 1)
        assert [column[0] for column in alone] == [column[at] for column in together]


def test_pairs_are_scored_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [plain(range(n, n + 20)) for n in range(9)]
    known, (left, right) = evidence(some), every_pair(9)
    expected = verify.score(known, left, right, 1)
    monkeypatch.setattr("dedup.pipeline.evidence._PAIRS", 5)
    found = scored(known, left, right, Settings(shared_floor=1, threads=2))
    for name in verify.Scores._fields:
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    assert expected.similarity.any()


def part(own: verify.Own, article: int) -> verify.Own:
    """Own words of one of the articles."""
    one = slice(article, article + 1)
    masses, words = own.masses.part(one), own.words.part(one)
    weights = own.words._replace(values=own.weights).part(one).values
    return verify.Own(
        masses=masses,
        words=words,
        weights=weights,
        spoken=own.spoken[one],
        sums=verify.summed(masses, words, weights),
    )


# Some that differ have one prefix.
HASHES = [(n % 23 << 48) + n for n in range(1, 70)]


@brief
@given(
    st.lists(st.sets(st.sampled_from(HASHES), max_size=60), min_size=2, max_size=5),
    st.integers(1, 4),
)
def test_pairs_with_too_few_prefixes_are_not_related(
    some: list[set[int]], shared_floor: int
) -> None:
    values = np.array([value for each in some for value in each], np.uint64)
    shingles = Ragged(values, np.cumsum([0, *map(len, some)]))
    left, right = every_pair(len(some))
    related = verify.overlap(shingles, shingles.lengths, left, right, shared_floor).related
    found = verify.may_be_related(shingles.map(verify.prefixes), left, right, shared_floor)
    assert not np.any(related & ~found)
    for may_be, i, j in zip(found, left, right, strict=True):
        mine = {value >> 48 for value in some[i]}
        common = sum(value >> 48 in mine for value in some[j])
        smaller = max(1, min(len(some[i]), len(some[j])))
        assert may_be == (common >= max(shared_floor, verify.LEAST_CONTAINMENT * smaller))


@brief
@given(st.lists(articles(), min_size=2, max_size=5), st.integers(1, 4))
def test_only_those_in_related_pairs_are_looked_at(some: list[Article], shared_floor: int) -> None:
    known, (left, right) = evidence(some), every_pair(len(some))
    expected = verify.score(known, left, right, shared_floor)
    found = verify.overlap(known.shingles, known.sizes, left, right, shared_floor)
    looked_at = np.unique([left[found.related], right[found.related]])
    parts = [part(known.own, article) for article in looked_at]
    lengths = known.own.masses.lengths[looked_at]
    own = verify.placed(parts, looked_at, lengths, len(some))
    assert own.words.lengths.sum() == known.own.words.lengths[looked_at].sum()
    compared = verify.compare(found, known._replace(own=own), left, right)
    for name in verify.Scores._fields:
        assert getattr(compared, name).tolist() == getattr(expected, name).tolist()
    assert not np.any([column[~found.related] for column in expected[4:]])


@brief
@given(st.lists(st.dictionaries(st.integers(1, 10), st.integers(1, 9), max_size=8), min_size=1))
def test_weights_are_tf_idf(bags: list[Counts]) -> None:
    words = lists(bags)
    counts = np.array([times for bag in bags for times in bag.values()], np.uint32)
    found = verify.weigh(rarity(len(bags))(words.values), counts)
    expected = [weight for bag in plain_weights(bags) for weight in bag.values()]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# --- texts ------------------------------------------------------------------------------------

# Nothing that the cases share: what others write, so that words are as rare as in a corpus.
OTHERS = [
    "Rain is expected along the coast until Friday, and ferries may be late again.",
    "The museum opens a new wing in May; tickets go on sale at the end of the month.",
    "Shares fell for a third day as traders waited for the bank to decide on rates.",
    "A school in the old town won the prize for its garden of herbs and fruit trees.",
]


class Report(NamedTuple):
    """A text, its first publication in hours, and the number of its outlet."""

    text: str
    hours: float = math.nan
    outlet: int = -1


def similarity(left: Report | str, right: Report | str) -> float:
    """Of two reports among the others."""
    return float(compared(left, right).similarity[0])


def compared(left: Report | str, right: Report | str) -> verify.Scores:
    given_reports = [Report(r) if isinstance(r, str) else r for r in (left, right, *OTHERS)]
    return verify.score(read(given_reports), np.array([0]), np.array([1]), 1)


def read(reports: Sequence[Report]) -> verify.Evidence:
    """What reports are compared by, where nothing is template."""
    texts = pa.array([report.text for report in reports], pa.large_string())
    found = tokenise(texts, whole(texts))
    tokens = Ragged(found.hashes, found.offsets)
    nothing = Ragged(np.empty(0, np.uint64), np.zeros(len(reports) + 1, np.int64))
    given_texts = Texts(
        tokens=tokens,
        quoted=tokens._replace(values=quote.quoted(texts, found.starts, found.offsets)),
        rest=shingle.laid_out(tokens, nothing, Settings().shingle_size),
        hours=np.array([report.hours for report in reports]),
        outlets=np.array([report.outlet for report in reports]),
    )
    return gathered(given_texts, rarity(len(reports)), Settings())


BRIEF = (
    "Engineers closed the harbour bridge on Tuesday after divers found cracks in two of its piers, "
    "cutting the only road between the old port and the northern suburbs."
)
REST = (
    "Ferries that usually run only in summer will sail from Wednesday morning. Commuters may use "
    "them free of charge, the transport office said. The closure comes years after a report warned "
    "that salt water had reached the steel inside the concrete. The council voted at the time to "
    "postpone the work until a new tunnel was finished. Shopkeepers on the northern side fear for "
    "their Christmas trade, and the police will direct traffic at the next crossing inland."
)
SAID = (
    "“We found a crack you could put your arm into, and we were not going to wait for a second "
    "opinion before anybody else drove over that pier this winter,” chief engineer Brandt said."
)


def test_the_same_words_are_all_held() -> None:
    found = compared(BRIEF, BRIEF)
    assert found.held[0] == found.similarity[0] == pytest.approx(1, abs=SINGLE)


def test_a_quotation_is_not_held() -> None:
    left = f"Residents asked on Monday why the bridge had been open for so long. {SAID}"
    right = f"{SAID} Her team had gone down with lamps at dawn, in heavy seas and strong wind."
    found = compared(left, right)
    assert found.shared[0] > 20
    # The few words around it that both have too.
    assert found.held[0] < 0.1
    assert found.similarity[0] < FLOOR
    bare = [text.replace("“", "").replace("”", "") for text in (left, right)]
    assert compared(*bare).held[0] > 3 * found.held[0]


def test_a_speech_is_held_by_its_like_only() -> None:
    """What is quotation from end to end is compared by it, and not with those that cite it."""
    speech = f"“{BRIEF} {REST}”"
    assert similarity(speech, speech) == pytest.approx(1, abs=SINGLE)
    citing = f"{OTHERS[0]} {OTHERS[1]} The mayor said: “{BRIEF}” {OTHERS[2]}"
    found = compared(speech, citing)
    assert found.shared[0] > 20
    assert found.held[0] == 0
    assert found.similarity[0] < FLOOR


def test_one_brief_in_a_long_story_is_held() -> None:
    for left, right in ((BRIEF, f"{REST} {BRIEF} {OTHERS[0]}"), (f"{BRIEF} {REST}", BRIEF)):
        found = compared(left, right)
        assert found.held[0] == pytest.approx(1, abs=SINGLE)
        assert found.similarity[0] >= FLOOR


def test_what_is_held_in_one_place_counts_less_than_here_and_there() -> None:
    """Thirty of a hundred words each time: in three tenths of the article, and in six."""

    def held(starts: Sequence[int], length: int) -> float:
        mine = list(range(100))
        parts = [mine[start : start + length] for start in starts]
        other = [token for n, part in enumerate(parts) for token in [*part, 900 + n]]
        other += range(1000, 2000)
        some = [plain(mine), plain(other)]
        return float(verify.score(evidence(some), *every_pair(2), 1).held[0])

    assert held([10], 30) == pytest.approx(0.3 * 0.3, abs=SINGLE)
    assert held([5, 35, 75], 10) == pytest.approx(0.3 * 0.6, abs=SINGLE)


def filled(place: str, low: int, high: int, wind: int, rain: int, tide: str) -> str:
    """A bulletin: one form, filled in."""
    return (
        f"Weather for {place}. The low tonight will be {low} degrees and the high tomorrow {high} "
        f"degrees. Winds from the west at {wind} knots, and a chance of rain of {rain} percent. "
        f"High water in the harbour is at {tide}, and small boats should stay in port until then."
    )


def test_a_form_filled_twice_is_no_copy() -> None:
    once = filled("Port Sallow", 3, 11, 25, 40, "4.15")
    again = filled("Hemsley", 7, 15, 12, 80, "9.30")
    copy = filled("Port Sallow", 3, 11, 25, 40, "4.15").replace("small boats", "little boats")
    assert compared(once, again).containment_left[0] >= verify.LEAST_CONTAINMENT
    assert similarity(once, again) < FLOOR
    assert similarity(once, copy) >= FLOOR


def test_too_few_figures_do_not_speak() -> None:
    few = " ".join(f"{n}" for n in range(verify.FEWEST_FIGURES - 1))
    other = " ".join(f"{n}" for n in range(70, 70 + verify.FEWEST_FIGURES - 1))
    found = compared(f"{BRIEF} {few}", f"{BRIEF} {other}")
    assert (found.agreement[0], found.similarity[0] >= FLOOR) == (1, True)
    enough = compared(f"{BRIEF} {few} 8", f"{BRIEF} {other} 9")
    assert enough.agreement[0] == 0
    assert enough.similarity[0] < found.similarity[0]


def test_the_longer_the_passage_the_fewer_figures_have_to_agree() -> None:
    agreement = np.full(300, (verify.FORM_AGREEMENT + verify.COPY_AGREEMENT) / 2)
    left = verify._trust(agreement, np.arange(300))
    assert all(shorter <= longer for shorter, longer in pairwise(left.tolist()))
    assert left[0] == left[verify.FORM_PASSAGE] < left[verify.COPY_PASSAGE] == left[-1]
    for needed, passage in (
        (verify.FORM_AGREEMENT, verify.FORM_PASSAGE),
        (verify.COPY_AGREEMENT, verify.COPY_PASSAGE),
    ):
        half = verify._trust(np.array([needed]), np.array([passage]))
        assert half == pytest.approx(0.5)


def test_a_rewrite_needs_its_figures() -> None:
    """Few shared shingles, the same words: what is alike counts where the figures are the same."""
    shared = [1000, 1001, 1002]
    words = dict.fromkeys(range(2, 62, 2), 2)
    figures = dict.fromkeys(range(1, 2 * verify.FEWEST_FIGURES, 2), 1)

    def scored(known: Counts, other: Counts) -> verify.Scores:
        mine = plain([*shared, *range(15)])._replace(words=known)
        yours = plain([*range(30, 45), *shared])._replace(words=other)
        return verify.score(evidence([mine, yours]), *every_pair(2), 1)

    told, untold = scored(words | figures, words | figures), scored(words, words)
    assert told.cosine[0] == untold.cosine[0] == pytest.approx(1, abs=SINGLE)
    assert told.similarity[0] == pytest.approx(verify.REWRITE_WEIGHT, abs=SINGLE)
    assert untold.similarity[0] < FLOOR

    # Figures that agree by half are enough for a copy, and not for a rewrite.
    many, others = (dict.fromkeys(range(n, n + 14, 2), 1) for n in (1, 5))
    half = scored(words | many, words | others)
    left = verify._trust(half.agreement, half.longest)
    assert 0 < left[0] < 1
    assert half.agreement[0] < verify.REWRITE_AGREEMENT
    assert 0 < half.similarity[0] < left[0] * verify.REWRITE_WEIGHT * half.cosine[0] - SINGLE


PARTLY = f"{BRIEF} {OTHERS[3]}"


@pytest.mark.parametrize("order", [1, -1])
def test_late_comers_count_less(order: int) -> None:
    def at(hours: float) -> float:
        reports = [Report(f"{BRIEF} {REST}", 1000), Report(PARTLY, 1000 + hours)][::order]
        return similarity(*reports)

    soon = at(0)
    assert at(verify.HOURS_OF_COPY) == at(-verify.HOURS_OF_COPY) == at(math.nan) == soon > 0
    for hours in (verify.HOURS_OF_COPY + 0.1, -verify.HOURS_OF_COPY - 0.1, 10_000):
        assert at(hours) == pytest.approx(LATE_WEIGHT * soon, abs=SINGLE)


def test_an_outlet_s_own_count_less() -> None:
    def of(left: int, right: int) -> float:
        return similarity(Report(f"{BRIEF} {REST}", outlet=left), Report(PARTLY, outlet=right))

    others = of(3, 4)
    assert others == of(-1, -1) == of(3, -1) > 0
    assert of(3, 3) == pytest.approx(verify.OUTLET_WEIGHT * others, abs=SINGLE)


def test_next_to_nothing_shared_is_no_relation() -> None:
    """One shingle more than the share of them that is looked at, and one fewer."""
    most = math.floor(1 / verify.LEAST_CONTAINMENT)
    for shingles, related in ((most, True), (most + 1, False)):
        left = list(range(shingles + SIZE - 1))
        right = left[:SIZE] + list(range(1000, 1000 + shingles - 1))
        found = verify.score(evidence([plain(left), plain(right)]), *every_pair(2), 1)
        assert found.shared.tolist() == [1]
        assert (found.similarity[0] > 0) == related


def test_relations_follow_from_what_reaches_the_floor() -> None:
    copy, excerpt = verify.COPY_JACCARD, verify.EXCERPT_CONTAINMENT
    table = {
        # jaccard, containments, similarity
        (copy, 0.3, 0.4, 0.2): "copy",
        (copy - 0.01, excerpt, 0.1, 0.3): "excerpt",
        (copy - 0.01, 0.1, excerpt, 0.3): "excerpt",
        (copy - 0.01, excerpt - 0.01, excerpt - 0.01, 0.3): "rewrite",
        (0.9, 0.9, 0.9, 0.19): "indirect",
    }
    columns = np.array(list(table), np.float32).T
    names = ["jaccard", "containment_left", "containment_right", "similarity"]
    nothing = dict.fromkeys(verify.Scores._fields, np.zeros(len(table), np.float32))
    scores = verify.Scores(**(nothing | dict(zip(names, columns, strict=True))))
    names = list(RELATIONS)
    assert [names[place] for place in verify.relations(scores, 0.2)] == list(table.values())


def test_articles_without_tokens_or_words_have_nothing_in_common() -> None:
    nothing = Article([], [], set(), {}, False, 0, -1)
    quoted = Article([1, 2, 3, 4], [0] * 4, set(), {}, False, 0, -1)
    found = verify.score(evidence([nothing, nothing, quoted, quoted]), *every_pair(4), 1)
    assert found.shared.tolist() == [0, 0, 0, 0, 0, 2]
    assert not found.held.any()
    assert not found.similarity.any()


def test_no_pairs() -> None:
    nothing = np.empty(0, np.int64)
    known = evidence([plain([1, 2, 3])])
    assert all(len(column) == 0 for column in verify.score(known, nothing, nothing, 1))
    assert all(len(column) == 0 for column in scored(known, nothing, nothing, Settings()))


@brief
@given(st.lists(articles(), min_size=2, max_size=4), st.lists(st.booleans(), max_size=16))
def test_turned_scores_are_those_of_the_turned_pair(
    given_articles: list[Article], drawn: list[bool]
) -> None:
    held = evidence(given_articles)
    left, right = np.array([*combinations(range(len(given_articles)), 2)], np.int64).T
    which = np.resize(np.array([*drawn, True], bool), len(left))
    ends = np.where(which, right, left), np.where(which, left, right)
    found = verify.turned(verify.score(held, left, right, 1), which)
    expected = verify.score(held, *ends, 1)
    for name in verify.Scores._fields:
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
