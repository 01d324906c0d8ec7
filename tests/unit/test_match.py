"""Whose text it is and since when: what a text's outlets and dates become when it is matched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dedup import Result, Settings, cluster_articles
from dedup.stages import verify

SEED = 20250109
DAY = datetime(2024, 5, 1, tzinfo=UTC)
# So low that pairs are kept however little they count; a template needs more articles than there
# are here, unless a test says otherwise.
KEPT = Settings(similarity_floor=0.05)
LATE_WEIGHT = KEPT.representation.late_weight

OPENING = (
    "Engineers closed the harbour bridge on Tuesday after divers found cracks in two of its piers, "
    "cutting the only road between the old port and the northern suburbs."
)
LONG = (
    f"{OPENING} Ferries that usually run only in summer will sail from Wednesday morning. The "
    "closure comes years after a report warned that salt water had reached the steel inside."
)
OTHER = f"{OPENING} A school in the old town won the prize for its garden of herbs and fruit trees."


def run(*rows: tuple[str, str, str | None, float | None], settings: Settings = KEPT) -> Result:
    """Rows of id, text, source and days after the first of May; and one of another outlet."""
    rows = (*rows, ("other", "Nothing to do with it.", "Elsewhere Gazette", 0))
    ids, texts, sources, days = zip(*rows, strict=True)
    times = [None if day is None else DAY + timedelta(days=day) for day in days]
    columns: dict[str, Any] = {
        "id": ids,
        "text": texts,
        "source": pa.array(sources, pa.string()),
        "published_at": pa.array(times, pa.timestamp("us", "UTC")),
    }
    return cluster_articles(pa.table(columns), settings=settings)


def similarity(found: Result, left: str, right: str) -> float:
    (pair,) = (
        row for row in found.pairs.to_pylist() if {row["left_id"], row["right_id"]} == {left, right}
    )
    return float(pair["similarity"])


def of_two(
    sources: tuple[str | None, str | None], days: tuple[float | None, float | None]
) -> float:
    return similarity(
        run(("a", LONG, sources[0], days[0]), ("b", OTHER, sources[1], days[1])), "a", "b"
    )


@pytest.fixture(scope="module")
def plain() -> float:
    """Similarity where neither outlets nor days are known."""
    found = of_two((None, None), (None, None))
    assert 0.1 < found < 0.9
    return found


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Harbour Post", "Harbour Post"),
        ("Harbour Post", "The Harbour Post"),
        ("HARBOUR POST", "https://www.harbourpost.example/a"),
    ],
)
def test_an_outlet_s_own_articles_count_less(plain: float, left: str, right: str) -> None:
    found = of_two((left, right), (0, 0))
    assert found == pytest.approx(verify.OUTLET_WEIGHT * plain, rel=1e-5)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Harbour Post", "Quay Times"),
        ("Harbour Post", None),
        (None, None),
        ("Reuters", "Reuters"),
        ("AFP", "Agence France-Presse"),
    ],
)
def test_other_outlets_unknown_ones_and_agencies_are_spared(
    plain: float, left: str | None, right: str | None
) -> None:
    assert of_two((left, right), (0, 0)) == pytest.approx(plain, rel=1e-5)


def test_in_a_corpus_of_one_outlet_it_means_nothing() -> None:
    columns = {"id": ["a", "b"], "text": [LONG, OTHER]}
    unknown = cluster_articles(pa.table(columns), settings=KEPT)
    named = cluster_articles(pa.table(columns | {"source": ["Post", "The Post"]}), settings=KEPT)
    assert similarity(named, "a", "b") == similarity(unknown, "a", "b")


@pytest.mark.parametrize(
    ("others", "weight"),
    [
        ([], verify.OUTLET_WEIGHT),
        (["The Harbour Post"], verify.OUTLET_WEIGHT),
        (["Quay Times"], 1),
        (["Reuters"], 1),
        ([None], 1),
    ],
)
def test_a_text_that_several_carry_is_nobody_s_own(
    plain: float, others: list[str | None], weight: float
) -> None:
    """Whichever of them comes first by its id."""
    for names in (["a", "c", "d"], ["d", "c", "a"]):
        sources = ["Harbour Post", *others]
        carried = [(name, LONG, source, 0.0) for name, source in zip(names, sources, strict=False)]
        found = run(*carried, ("b", OTHER, "Harbour Post", 0))
        first = min(name for name, *_ in carried)
        assert similarity(found, first, "b") == pytest.approx(weight * plain, rel=1e-5)


def test_all_tables_name_a_text_by_one_article() -> None:
    """The one of the smallest id, whichever came first."""
    rows = [("c", LONG, None, 0.0), ("a", LONG, None, 1.0), ("d", LONG, None, None)]
    found = run(*rows, ("b", OTHER, None, 0.5))
    proposed = {(row["left_id"], row["right_id"]) for row in found.candidates.to_pylist()}
    kept = [row for row in found.pairs.to_pylist() if row["relation"] != "identical"]
    assert [(row["left_id"], row["right_id"]) for row in kept] == [("a", "b")]
    assert proposed == {("a", "b")}
    again = [row for row in found.pairs.to_pylist() if row["relation"] == "identical"]
    assert [(row["left_id"], row["right_id"]) for row in again] == [("a", "c"), ("a", "d")]
    # The shorter is held by the longer, on whichever side it stands and whichever came first.
    (pair,) = kept
    assert pair["containment_left"] != pair["containment_right"]
    for days in ((0, 1), (1, 0)):
        (other,) = run(("a", LONG, None, days[0]), ("b", OTHER, None, days[1])).pairs.to_pylist()
        same = pair.keys() - {"cluster_id", "hours_apart"}
        assert {name: other[name] for name in same} == {name: pair[name] for name in same}


def test_the_bucket_s_earliest_are_paired_with_all() -> None:
    """Of thirty copies each with a line of its own, two come first, whatever their ids."""
    print(f"seed {SEED}")
    draws = np.random.default_rng(SEED)
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    lines = [" ".join("".join(draws.choice(letters, 8)) for _ in range(3)) for _ in range(30)]
    days = draws.permutation(30) / 10
    rows = [(f"{n:02}", f"{LONG} {line}", None, days[n]) for n, line in enumerate(lines)]
    found = run(*rows, settings=Settings(bucket_cap=2, template_stories=250, common_stories=250))
    pairs = {(row["left_id"], row["right_id"]) for row in found.candidates.to_pylist()}
    early = [f"{n:02}" for n in np.argsort(days)[:2]]
    others = {f"{n:02}" for n in range(30)}
    expected = {(min(a, b), max(a, b)) for a in early for b in others - {a}}
    assert expected <= pairs
    assert found.info["counts"]["capped_buckets"] > 0
    assert set(found.clusters["cluster_size"].to_pylist()) == {30, 1}


HOURS = verify.HOURS_OF_COPY / 24


@pytest.mark.parametrize(
    ("days", "later", "weight"),
    [
        ([0], HOURS, 1),
        ([0], HOURS + 1, LATE_WEIGHT),
        ([HOURS + 1], 0, LATE_WEIGHT),
        # What counts is when a text came first, printed again or not.
        ([0, HOURS + 1], HOURS + 1, LATE_WEIGHT),
        ([HOURS + 1, 0], HOURS, 1),
        ([None, 0], HOURS, 1),
        ([None, 0], HOURS + 1, LATE_WEIGHT),
        ([None, None], HOURS + 1, 1),
        ([0], None, 1),
    ],
)
def test_the_earliest_date_of_a_text_counts(
    plain: float, days: list[float | None], later: float | None, weight: float
) -> None:
    copies = [(name, LONG, None, day) for name, day in zip("ac", days, strict=False)]
    found = similarity(run(*copies, ("b", OTHER, None, later)), "a", "b")
    assert found == pytest.approx(weight * plain, rel=1e-5)


def furnished(sources: list[str | None], settings: Settings) -> list[int]:
    """Template shingles of articles of these sources that share nothing but 20 words."""
    print(f"seed {SEED}")
    words = np.random.default_rng(SEED).integers(10**9, size=(len(sources), 60)).astype(str)
    furniture = " ".join(f"line{n}" for n in range(20))
    rows = [
        (f"{n}", " ".join([*(f"w{word}" for word in row), furniture]), source, None)
        for n, (row, source) in enumerate(zip(words, sources, strict=True))
    ]
    found = run(*rows, settings=settings).clusters.sort_by("article_id")
    counts: list[int] = found["template_shingles"].to_pylist()
    return counts[: len(sources)]


def test_an_outlet_spelt_unevenly_has_one_template() -> None:
    spelt = ["Harbour Post", "The Harbour Post", "harbourpost.example", "Harbour Post (Web)"]
    settings = Settings(template_stories=len(spelt))
    assert furnished([*spelt], settings) == [16] * len(spelt)
    others = ["Harbour Post", "The Harbour Post", "Harbour Post (Web)", "Quay Times"]
    assert furnished([*others], settings) == [0] * len(others)
    unknown: list[str | None] = [None] * len(spelt)
    assert furnished(unknown, settings) == [0] * len(spelt)


def test_template_is_told_by_source_as_it_is_spelt_by_the_first() -> None:
    """The table names one of the spellings that came."""
    spelt = ["The Harbour Post", "Harbour Post", "harbourpost.example"]
    rows = [(f"{n}", f"w{n} " * 9 + LONG, source, None) for n, source in enumerate(spelt)]
    found = run(*rows, settings=Settings(template_stories=2, version_floor=1)).template
    assert set(found["source"].to_pylist()) <= set(spelt)
    assert found.num_rows > 0


def test_quotations_are_nobody_s_own() -> None:
    """Two reports that cite one statement at length, and the same without its marks."""
    said = f"“{OPENING}”"
    left = f"{said} So the chief engineer told residents who had asked about the noise at night."
    right = f"A school in the old town is to move for a year. {said} it learned from the council."
    quoted = run(("a", left, None, None), ("b", right, None, None))
    bare = [text.replace("“", "").replace("”", "") for text in (left, right)]
    plainly = run(("a", bare[0], None, None), ("b", bare[1], None, None))
    found = [row["held"] for row in quoted.pairs.to_pylist()] or [0]
    (expected,) = (row["held"] for row in plainly.pairs.to_pylist())
    assert found[0] < expected / 2


FORM = (
    "The harbour office counted {} ships on Monday, {} of them under sail. Cranes moved {} tonnes "
    "of grain and {} tonnes of timber before dusk. The tide stood at {} centimetres, and the lock "
    "keeper let {} barges through on their way to the northern canal."
)


def test_two_fillings_of_one_form_are_neither_copies_nor_one_story() -> None:
    days = [FORM.format(*range(start, start + 60, 10)) for start in (101, 205)]
    told_again = days[0].replace("before dusk", "until the evening")
    found = run(
        ("a", days[0], "Post", 0), ("b", days[1], "Mail", 0), ("c", told_again, "Echo", 0)
    ).clusters
    story = dict(zip(found["article_id"].to_pylist(), found["story_id"].to_pylist(), strict=True))
    copy = dict(zip(found["article_id"].to_pylist(), found["cluster_id"].to_pylist(), strict=True))
    assert copy["a"] == copy["c"] != copy["b"]
    assert story["a"] != story["b"]


def test_forms_alone_would_be_one_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps them apart is that they are known for forms, not that they are unlike."""
    monkeypatch.setattr(verify, "forms", lambda scores, floor: np.zeros(len(scores.shared), bool))
    days = [FORM.format(*range(start, start + 60, 10)) for start in (101, 205)]
    found = run(("a", days[0], "Post", 0), ("b", days[1], "Mail", 0)).clusters
    story = dict(zip(found["article_id"].to_pylist(), found["story_id"].to_pylist(), strict=True))
    assert story["a"] == story["b"]
