"""Made-up news: what is planted is what the truth says."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dedup import synth
from dedup.errors import OutputError, SettingsError
from dedup.synth.draws import Draws
from dedup.synth.edits import EDITS
from dedup.synth.english import English
from dedup.synth.invented import CODES, Invented
from dedup.synth.language import Desk, Draft, Language
from dedup.synth.newsroom import CHAIN_FLOOR, CHAIN_LENGTH, CLUSTERED, LARGEST_CLUSTER
from dedup.synth.stories import telling

SEED = 20240301
ALONE = {"single", "bulletin", "shared_quote", "independent"}
KINDS = ALONE | set(EDITS) | {"original", "chain"}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def news() -> list[Row]:
    print(f"seed {SEED}")
    articles, truth = synth.synthesise(5_000, SEED)
    return [a | t for a, t in zip(articles.to_pylist(), truth.to_pylist(), strict=True)]


@cache
def language(code: str) -> Language:
    return English() if code == "en" else Invented(code)


def tell(code: str, seed: int, tokens: int = 450) -> tuple[Draft, Desk]:
    print(f"seed {seed}")
    draws = Draws(seed)
    cast = language(code).cast(draws)
    desk = Desk(language(code), cast, draws, cast.place)
    return telling(desk, tokens), desk


def words(draft: Draft) -> list[str]:
    return [token for paragraph in draft.paragraphs for s in paragraph for token in s.tokens]


def grams(tokens: list[str]) -> set[tuple[str, ...]]:
    return set(zip(*(tokens[start:] for start in range(5)), strict=False))


@cache
def grams_of_text(text: str) -> set[tuple[str, ...]]:
    return grams(text.lower().split())


def jaccard(a: str, b: str) -> float:
    left, right = grams_of_text(a), grams_of_text(b)
    return len(left & right) / max(1, len(left | right))


def of_kind(news: list[Row], *kinds: str, lang: str = "en") -> list[Row]:
    return [row for row in news if row["kind"] in kinds and row["lang"] == lang]


def outlet(row: Row) -> str:
    return str(row["url"]).split("/")[2]


def origins(news: list[Row], kind: str) -> list[tuple[Row, Row]]:
    by_id = {row["id"]: row for row in news}
    return [(row, by_id[row["origin"]]) for row in news if row["kind"] == kind]


# The tables


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name, hash_seed in (("a", "1"), ("b", "2")):
        call = f"import pathlib, dedup.synth as s; s.write(120, 7, pathlib.Path('{name}'))"
        env = os.environ | {
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": str(Path(synth.__file__).parents[2]),
        }
        subprocess.run([sys.executable, "-c", call], cwd=tmp_path, env=env, check=True)
    for file in ("articles.parquet", "truth.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    articles, truth = synth.synthesise(120, 7)
    assert pq.read_table(tmp_path / "a" / "articles.parquet").equals(articles)
    assert pq.read_table(tmp_path / "a" / "truth.parquet").equals(truth)
    assert not synth.synthesise(120, 8)[0]["text"].equals(articles["text"])


@pytest.mark.parametrize("articles", [1, 2, 3, 9, 10, 37, 200])
def test_as_many_articles_as_asked(articles: int) -> None:
    news, truth = synth.synthesise(articles, SEED)
    assert news.schema.equals(synth.ARTICLES) and truth.schema.equals(synth.TRUTH)
    assert news.num_rows == articles
    assert news["id"].to_pylist() == truth["id"].to_pylist()
    assert len(set(news["id"].to_pylist())) == articles


def test_blocks_share_outlets_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth, "BLOCK", 150)
    articles, truth = synth.synthesise(400, SEED)
    assert len(set(articles["id"].to_pylist())) == 400
    clusters, stories = truth["cluster"].to_pylist(), truth["story"].to_pylist()
    texts = articles["text"].to_pylist()
    outlets = [url.split("/")[2] for url in articles["url"].to_pylist()]
    for values in (clusters, stories, texts):
        assert not set(values[:150]) & set(values[150:300])
    assert set(outlets[:150]) & set(outlets[150:300])


@pytest.mark.parametrize(("articles", "seed", "subject"), [(0, 1, "articles"), (5, -1, "seed")])
def test_numbers_out_of_range(articles: int, seed: int, subject: str) -> None:
    with pytest.raises(SettingsError) as caught:
        synth.synthesise(articles, seed)
    assert caught.value.subject == subject


def test_output_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError):
        synth.write(5, 1, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_text_is_clean_unicode(news: list[Row]) -> None:
    for row in news:
        for column in ("title", "text", "source", "url"):
            value = row[column]
            assert value and json.loads(json.dumps(value)) == value
            value.encode("utf-8")
        assert not [c for c in row["text"] if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"]
        assert "{" not in row["text"] + row["title"]


def test_every_language_in_its_own_letters(news: list[Row]) -> None:
    script = {"ru": "CYRILLIC", "ar": "ARABIC", "hi": "DEVANAGARI", "zh": "CJK", "th": "THAI"}
    share = Counter(row["lang"] for row in news)
    assert 0.6 * len(news) <= share["en"] <= 0.72 * len(news)
    assert set(share) == {"en", *CODES}
    for lang, name in script.items():
        text = "".join(row["text"] for row in of_kind(news, "single", lang=lang))
        letters = [c for c in text if c.isalpha()]
        own = sum(name in unicodedata.name(c) for c in letters)
        # The rest are the Latin names of outlets' sections and addresses, of which there are few.
        assert own > 0.97 * len(letters), lang


def test_articles_are_as_long_as_news(news: list[Row]) -> None:
    lengths = [len(row["text"]) for row in of_kind(news, "single")]
    assert 2_300 < sum(lengths) / len(lengths) < 3_600
    assert min(lengths) >= 800
    # 6 kB of story and the longest furniture, 400 words.
    assert max(lengths) < 6_500 + 400 * 8


# The truth


def test_clusters_hold_their_share(news: list[Row]) -> None:
    size = Counter(row["cluster"] for row in news)
    sizes = [count for count in size.values() if count > 1]
    # Exact but for chains, whose last version may stand alone: 15 of them here.
    assert abs(sum(sizes) / len(news) - CLUSTERED) < 0.004
    assert max(sizes) <= LARGEST_CLUSTER and max(sizes) > 15
    assert sum(count <= 6 for count in sizes) > 0.7 * len(sizes)


def test_every_kind_is_there(news: list[Row]) -> None:
    assert {row["kind"] for row in news} == KINDS


def test_what_is_no_copy_is_alone_in_its_cluster(news: list[Row]) -> None:
    size = Counter(row["cluster"] for row in news)
    for row in news:
        assert (size[row["cluster"]] == 1 and row["origin"] is None) or row["kind"] not in ALONE


def test_clusters_nest_in_stories(news: list[Row]) -> None:
    stories = defaultdict(set)
    for row in news:
        stories[row["cluster"]].add(row["story"])
    assert all(len(found) == 1 for found in stories.values())


def test_copies_come_later_and_mostly_elsewhere(news: list[Row]) -> None:
    elsewhere = []
    for kind in [*EDITS, "chain"]:
        for copy, original in origins(news, kind):
            hours = (copy["published_at"] - original["published_at"]).total_seconds() / 3600
            assert 0 < hours <= 48
            assert copy["story"] == original["story"]
            elsewhere.append(outlet(copy) != outlet(original))
    assert 0.85 < sum(elsewhere) / len(elsewhere) < 1


def test_agencies_are_credited_and_copies_lose_it_in_part(news: list[Row]) -> None:
    dateline = re.compile(r"\A.{0,40}\((Reuters|AP|AFP|dpa|UPI|Xinhua|Kyodo|ANSA)\)")
    originals = of_kind(news, "original")
    credited = [row for row in originals if dateline.search(row["text"])]
    # 0.6 of about 180: four standard deviations of a share are 0.15.
    assert abs(len(credited) / len(originals) - 0.6) < 0.15
    marks = {row["id"]: dateline.search(row["text"]) for row in news}
    keep = [marks[copy["id"]] is not None for copy, o in origins(news, "update") if marks[o["id"]]]
    assert any(keep) and not all(keep)


def test_outlets_are_spelled_unevenly(news: list[Row]) -> None:
    spellings = defaultdict(set)
    for row in news:
        spellings[outlet(row)].add(row["source"])
        assert outlet(row).endswith(".example")
    assert max(len(found) for found in spellings.values()) == 3
    assert all(len({name.casefold() for name in found}) <= 2 for found in spellings.values())


# The edits


@pytest.mark.parametrize("code", ["en", "de", "zh"])
@pytest.mark.parametrize("percent", [80, 60, 40])
def test_tail_cut_keeps_the_beginning(code: str, percent: int) -> None:
    for seed in range(20):
        draft, desk = tell(code, seed)
        kept = words(EDITS[f"tail_cut_{percent}"](draft, desk))
        assert kept == words(draft)[: len(kept)]
        assert abs(len(kept) / draft.words() - percent / 100) <= 0.05


@pytest.mark.parametrize("code", ["en", "ru", "ja"])
@pytest.mark.parametrize("percent", [2, 5, 10, 15])
def test_substitution_changes_its_share(code: str, percent: int) -> None:
    draft, desk = tell(code, percent)
    changed = words(EDITS[f"substitution_{percent}"](draft, desk))
    pairs = list(zip(words(draft), changed, strict=True))
    # Rounding to whole words, and tokens that are punctuation only, move it by less than this.
    assert abs(sum(a != b for a, b in pairs) / len(pairs) - percent / 100) < 0.005


@pytest.mark.parametrize("code", ["en", "th"])
def test_excerpt_is_a_piece(code: str) -> None:
    starts = []
    for seed in range(20):
        draft, desk = tell(code, seed)
        whole, brief = words(draft), words(EDITS["excerpt"](draft, desk))
        start = next(at for at in range(len(whole)) if whole[at : at + len(brief)] == brief)
        starts.append(start)
        longest = max(len(s.tokens) for paragraph in draft.paragraphs for s in paragraph)
        assert max(60, 0.15 * len(whole)) <= len(brief) <= max(60, 0.25 * len(whole)) + longest
    assert 0 in starts and max(starts) > 50


def test_moved_paragraphs_are_the_same_paragraphs() -> None:
    draft, desk = tell("en", 1)
    moved = EDITS["moved_paragraphs"](draft, desk)
    assert moved.paragraphs != draft.paragraphs
    assert sorted(map(str, moved.paragraphs)) == sorted(map(str, draft.paragraphs))
    assert moved.paragraphs[0] == draft.paragraphs[0]


def test_local_paragraph_is_one_more() -> None:
    draft, desk = tell("en", 1)
    local = EDITS["local_paragraph"](draft, desk)
    (added,) = (p for p in local.paragraphs if p not in draft.paragraphs)
    assert len(local.paragraphs) == len(draft.paragraphs) + 1
    assert 2 <= len(added) <= 4


@pytest.mark.parametrize("code", ["en", "zh"])
def test_correction_changes_one_figure(code: str) -> None:
    draft, desk = tell(code, 1)
    first, *rest = EDITS["correction"](draft, desk).paragraphs
    line = " ".join(first[0].tokens)
    before = [token for p in draft.paragraphs for s in p for token in s.tokens]
    after = [token for p in rest for s in p for token in s.tokens]
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert changed
    figure = re.compile(r"\d[\d.,]*\d")
    swaps = {(figure.findall(old)[0], figure.findall(new)[0]) for old, new in changed}
    ((old, new),) = swaps
    assert old in line and new in line
    assert re.sub(r"\d", "0", old) == re.sub(r"\d", "0", new)


def test_update_keeps_most_of_the_story() -> None:
    for seed in range(10):
        draft, desk = tell("en", seed)
        updated = EDITS["update"](draft, desk)
        assert updated.paragraphs[0] != draft.paragraphs[0]
        old, new = grams(words(draft)), grams(words(updated))
        assert 0.55 < len(old & new) / len(old) < 0.97


@pytest.mark.parametrize("code", ["en", "es", "hi", "zh"])
def test_rewrite_keeps_quotations_and_figures_only(code: str) -> None:
    opening, closing = ("«", "»") if code == "es" else ("“", "”")
    for seed in range(10):
        draft, desk = tell(code, seed)
        rewritten = EDITS["rewrite"](draft, desk)
        old, new = (
            "\n".join(desk.language.joiner.join(s.tokens) for p in d.paragraphs for s in p)
            for d in (draft, rewritten)
        )
        quotations = re.findall(f"{opening}(.*?)[,.]?{closing}", old)
        assert 2 <= len(quotations) <= 4
        assert all(quotation in new for quotation in quotations)
        assert all(figure in new for figure in desk.cast.figures if figure in old)
        shared = len(grams(words(draft)) & grams(words(rewritten)))
        # At most four quotations of 25 words hold 4 * 21 5-grams; beside them, little is left.
        assert shared < 4 * 21 + 0.06 * draft.words()


@pytest.mark.parametrize("kind", ["identical", "headline"])
def test_kept_texts(news: list[Row], kind: str) -> None:
    for copy, original in origins(news, kind):
        assert copy["text"] == original["text"]
        assert (copy["title"] == original["title"]) == (kind == "identical")


def test_furniture_stands_around_the_story(news: list[Row]) -> None:
    for copy, original in origins(news, "furniture"):
        story = original["text"].split("\n\n")[2]
        assert story in copy["text"]
        assert not copy["text"].startswith(story)
        assert len(copy["text"]) > len(original["text"]) * 0.9


def test_chain_truth_follows_its_rule(news: list[Row]) -> None:
    chains = defaultdict(list)
    for copy, before in origins(news, "chain"):
        chains[copy["story"]].append((before, copy))
    assert chains
    for steps in chains.values():
        assert len(steps) == CHAIN_LENGTH - 1
        versions = [steps[0][0], *(copy for _, copy in steps)]
        founder = versions[0]
        for before, version in itertools.pairwise(versions):
            # The texts also hold datelines and credits, a dozen words: hence the margin.
            if version["lang"] in ("zh", "ja", "th"):
                continue  # words cannot be told apart in the text
            assert jaccard(before["text"], version["text"]) > 0.2
            mine = grams(version["text"].split())
            held = len(mine & grams(founder["text"].split())) / len(mine)
            if version["cluster"] == founder["cluster"]:
                assert held > CHAIN_FLOOR - 0.05
            else:
                assert held < CHAIN_FLOOR + 0.05
                founder = version


# What is alike and no copy


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_unrelated_stories_share_almost_nothing(news: list[Row]) -> None:
    singles = of_kind(news, "single")[:250]
    shared = [
        jaccard(a["text"], b["text"])
        for a, b in itertools.combinations(singles, 2)
        if outlet(a) != outlet(b)
    ]
    assert mean(shared) < 0.004
    assert sum(value > 0.05 for value in shared) / len(shared) < 0.001


def test_an_outlet_repeats_its_furniture(news: list[Row]) -> None:
    by_outlet = defaultdict(list)
    for row in of_kind(news, "single", "bulletin", "independent"):
        by_outlet[outlet(row)].append(row["text"])
    busiest = max(by_outlet.values(), key=len)
    lines = Counter(line for text in busiest for line in set(text.split("\n\n")))
    repeated = [line for line, count in lines.items() if count >= 3]
    assert sum(len(line.split()) for line in repeated) >= 50


def test_bulletins_are_alike(news: list[Row]) -> None:
    bulletins = of_kind(news, "bulletin")[:150]
    nearest = [
        max(jaccard(a["text"], b["text"]) for b in bulletins if b is not a) for a in bulletins
    ]
    # Half of them look as much like another as copy whose words were changed in 15 places of 100.
    assert sorted(nearest)[len(nearest) // 2] > 0.15


def test_shared_quotes_are_long_and_all_that_is_shared(news: list[Row]) -> None:
    found = 0
    for a, b in itertools.combinations(of_kind(news, "shared_quote"), 2):
        if outlet(a) == outlet(b) or a["text"].count("“") != 1:
            continue
        quotation = a["text"].split("“")[1].split("”")[0].rstrip(",.")
        if quotation in b["text"]:
            found += 1
            assert 40 <= len(quotation.split()) <= 80
            assert a["story"] != b["story"]
            assert jaccard(a["text"], b["text"]) < 0.2
    assert found >= 10


def test_independent_reports_share_names_and_no_passages(news: list[Row]) -> None:
    by_story = defaultdict(list)
    for row in of_kind(news, "independent"):
        by_story[row["story"]].append(row)
    assert {len(reports) for reports in by_story.values()} == {2, 3, 4}
    name: Callable[[str], list[str]] = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b").findall
    shared = []
    for first, second, *_ in by_story.values():
        assert first["cluster"] != second["cluster"]
        assert len(set(name(first["text"])) & set(name(second["text"]))) >= 2
        if outlet(first) != outlet(second):
            shared.append(jaccard(first["text"], second["text"]))
    assert mean(shared) < 0.03


def test_the_sample_is_made_by_its_command() -> None:
    sample = Path(__file__).parents[2] / "data" / "sample"
    for made, name in zip(synth.synthesise(400, 7), ("articles", "truth"), strict=True):
        assert pq.read_table(sample / f"{name}.parquet").equals(made)
