"""What growth is measured on, what measures it, and how it is carried on to larger corpora."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import corpus
import growth
import numpy as np
import processes
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import scaling
from corpus import Corpus
from growth import Size
from hypothesis import given
from hypothesis import strategies as st
from press.plan import BLOCK, CLUSTERED, DAYS, KINDS, LARGEST_CLUSTER, plan

SEED = 11
ARTICLES = 1_200
WANTED = Corpus(ARTICLES, SEED, 800)
MIB = 1 << 20


# The corpus


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of short articles."""
    print(f"seed {SEED}")
    return corpus.make(WANTED, tmp_path_factory.mktemp("corpora"))


@pytest.fixture(scope="module")
def articles(made: Path) -> pa.Table:
    """Its articles with what is true of them."""
    return with_truth(made)


def with_truth(made: Path) -> pa.Table:
    """Articles of a corpus, with the columns `cluster` and `kind`."""
    articles, truth = pq.read_table(made / "articles"), pq.read_table(made / "truth.parquet")
    assert articles["id"].equals(truth["id"])
    return articles.append_column("cluster", truth["cluster"]).append_column("kind", truth["kind"])


def content(folder: Path) -> dict[str, bytes]:
    """Bytes of every file below a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_the_arguments_alone_decide_every_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {SEED}")
    # Several files of several blocks each, so that threads have something to take turns at.
    monkeypatch.setattr(corpus, "BLOCK", 40)
    monkeypatch.setattr(corpus, "FILE_BLOCKS", 2)
    wanted = Corpus(330, SEED, 500)
    found = [
        content(corpus.make(wanted, tmp_path / str(threads), threads)) for threads in (1, 2, 5)
    ]
    assert len(found[0]) == 5 + 1
    assert found[0] == found[1] == found[2]
    other = content(corpus.make(wanted._replace(seed=SEED + 1), tmp_path / "other"))
    assert other.keys() == found[0].keys()
    assert all(other[name] != found[0][name] for name in other)


def test_a_large_corpus_begins_as_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "BLOCK", 40)
    small, large = (corpus.make(Corpus(n, SEED, 500), tmp_path) for n in (80, 200))
    for name in ("articles", "truth.parquet"):
        first = pq.read_table(large / name).slice(0, 80)
        assert first.equals(pq.read_table(small / name))


def test_a_corpus_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    wanted = Corpus(20, SEED, 500)
    made = corpus.make(wanted, tmp_path)
    (made / "truth.parquet").unlink()
    assert corpus.make(wanted, tmp_path) == made
    assert not (made / "truth.parquet").exists()


def test_what_was_left_half_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Corpus(20, SEED, 500)
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "_truths", lambda corpus: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            corpus.make(wanted, tmp_path)
    assert not (tmp_path / wanted.name).exists()
    assert pq.read_table(corpus.make(wanted, tmp_path) / "truth.parquet").num_rows == 20


def test_clusters_are_as_planned(articles: pa.Table) -> None:
    sizes = articles["cluster"].value_counts().field("counts").to_numpy()
    copies = sizes[sizes > 1]
    assert copies.sum() / ARTICLES == pytest.approx(CLUSTERED, abs=0.03)
    assert copies.min() >= 2 and copies.max() <= LARGEST_CLUSTER
    named = articles.filter(pc.equal(articles["id"], articles["cluster"]))
    assert named.num_rows == len(sizes)
    assert set(named["kind"].to_pylist()) == {"original"}
    assert set(articles["kind"].to_pylist()) == set(KINDS)


def test_copies_follow_within_two_days_each_in_another_outlet(articles: pa.Table) -> None:
    grouped = articles.group_by("cluster").aggregate(
        [("published_at", "min_max"), ("source", "count_distinct"), ("id", "count")]
    )
    spans = grouped["published_at_min_max"].combine_chunks()
    days = pc.subtract(spans.field("max"), spans.field("min")).cast(pa.int64()).to_numpy() / 8.64e10
    assert 0 < days.max() <= DAYS
    assert grouped["source_count_distinct"].equals(grouped["id_count"])


@given(st.integers(0, 300), st.integers(0, 2**32))
def test_as_many_articles_come_every_day(number: int, seed: int) -> None:
    block = plan(number, 2_000, seed, 3_000)
    original = block.clusters == np.arange(2_000)
    days = block.published / 8.64e10 - 16_436
    assert (days[original] // DAYS == number).all()
    assert (days >= number * DAYS).all()
    assert (days < (number + 2) * DAYS).all()
    assert BLOCK / DAYS == 5_000


def test_articles_are_of_the_length_asked_for(tmp_path: Path) -> None:
    wanted = Corpus(3_000, SEED, 2_000)
    articles = pq.read_table(corpus.make(wanted, tmp_path) / "articles")
    block = wanted.block(0)
    bare = (block.clusters == np.arange(3_000)) & ~block.furnished
    bare = bare[np.argsort(block.published, kind="stable")]
    lengths = pc.binary_length(articles["text"]).to_numpy()
    assert lengths[bare].mean() == pytest.approx(2_000, rel=0.1)


def five_grams(text: str) -> set[tuple[str, ...]]:
    """Of the words of a text, marks and all."""
    words = text.split()
    return set(zip(*(words[at:] for at in range(5)), strict=False))


def test_a_copy_holds_of_its_original_what_its_edit_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("press.plan._FURNISHED", 0.0)
    articles = with_truth(corpus.make(WANTED, tmp_path))
    texts = dict(zip(articles["id"].to_pylist(), articles["text"].to_pylist(), strict=True))
    held: dict[str, list[float]] = {}
    for row in articles.to_pylist():
        if row["kind"] != "original":
            theirs = five_grams(texts[row["cluster"]])
            share = len(five_grams(row["text"]) & theirs) / len(theirs)
            held.setdefault(row["kind"], []).append(share)
    means = {kind: np.mean(shares) for kind, shares in held.items()}
    print(means)
    assert means["headline"] == 1
    assert 0.9 < means["local"] < 1
    assert 0.5 < means["tail_cut"] < 0.75
    assert 0.85**5 < means["substitution"] < 0.95**5 + 0.1
    assert 0.5 < means["dropped"] < 0.95
    assert 0.3 < means["several"] < means["dropped"]


def test_articles_that_are_no_copies_share_next_to_nothing(articles: pa.Table) -> None:
    originals = articles.filter(pc.equal(articles["kind"], "original"))["text"].to_pylist()
    grams = [five_grams(text) for text in originals[:60]]
    shares = [len(a & b) / len(a) for a in grams for b in grams if a is not b]
    assert np.mean(shares) < 0.005


def test_texts_are_whole(articles: pa.Table) -> None:
    articles.validate(full=True)
    for text in articles["text"].to_pylist():
        assert text == text.strip() and text[-1] in ".”"
        assert text.count("“") == text.count("”")
        assert "  " not in text
        for paragraph in text.split("\n\n"):
            first = paragraph.lstrip("“")[0]
            assert not first.islower()
    assert len(set(articles["title"].to_pylist())) > ARTICLES * 0.99


# What a command costs


def run(code: str, **options) -> processes.Cost:
    return processes.measured([sys.executable, "-c", code], **options)


HOLD = "import time; held = bytearray({mib} << 20); time.sleep({seconds})"


def test_memory_is_that_of_all_processes_alive_at_one_time() -> None:
    alone = run(HOLD.format(mib=1, seconds=0.3)).peak_rss
    child = HOLD.format(mib=60, seconds=0.4)
    both = f"import subprocess, sys; {{}}; subprocess.run([sys.executable, '-c', {child!r}])"
    together = run(both.format("held = bytearray(40 << 20)")).peak_rss
    assert together - 2 * alone == pytest.approx(100 * MIB, abs=15 * MIB)
    after = run(both.format("held = bytearray(40 << 20); del held")).peak_rss
    assert after < together - 25 * MIB


def test_cpu_of_what_outlives_its_parent_counts() -> None:
    burn = "import time\nwhile time.process_time() < {}: pass"
    orphan = burn.format(0.6)
    left = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan!r}])"
    cost = run(left)
    assert cost.status == 0
    assert 0.6 <= cost.cpu_seconds < 2
    assert run(burn.format(0.3)).cpu_seconds >= 0.3


def test_nothing_is_left_of_what_took_too_long(tmp_path: Path) -> None:
    child = f"import os, pathlib, time; pathlib.Path({str(tmp_path / 'pid')!r})"
    child += ".write_text(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(subprocess.TimeoutExpired):
        run(code, timeout=2.0)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_a_folder_is_watched_while_it_is_full(tmp_path: Path) -> None:
    code = f"""
import pathlib, time
file = pathlib.Path({str(tmp_path)!r}, "sub", "file")
file.parent.mkdir()
file.write_bytes(bytes(3_000_000))
time.sleep(0.6)
file.unlink()
"""
    cost = run(code, folder=tmp_path)
    assert cost.peak_folder == pytest.approx(3_000_000, rel=0.01)
    assert cost.written == pytest.approx(3_000_000, rel=0.01)
    assert processes.size(tmp_path) == 0


def test_the_status_is_the_commands_own() -> None:
    assert run("raise SystemExit(3)").status == 3
    assert run("import os; os.abort()", stderr=subprocess.DEVNULL).status == -6


# How it grows


SIZE = Size(
    articles=10_000,
    mean_bytes=3_000,
    memory="4GB",
    machine="2 cores",
    versions="dedup 1",
    seconds=10.0,
    cpu_seconds=15.0,
    peak_rss=10**9,
    peak_pss=10**9,
    peak_anonymous=10**9,
    written=2 * 10**8,
    scratch=10**8,
    input=10**7,
    output=10**6,
    candidates=20_000,
    stages={"sign": 6.0, "group": 3.0},
    precision=1.0,
    recall=0.9,
    f1=0.95,
)


def larger(by: int, power: float = 1.0, **changed) -> Size:
    """A size `by` times as large, whose times grow by a power and everything else evenly."""
    even = ("written", "scratch", "input", "output", "candidates")
    return dataclasses.replace(
        SIZE,
        articles=SIZE.articles * by,
        seconds=SIZE.seconds * by**power,
        cpu_seconds=SIZE.cpu_seconds * by**power,
        stages={name: seconds * by**power for name, seconds in SIZE.stages.items()},
        **{name: getattr(SIZE, name) * by for name in even} | changed,
    )


@given(st.floats(0.1, 3), st.floats(1e-3, 1e3))
def test_the_exponent_of_a_power_law_is_found(power: float, scale: float) -> None:
    articles = [10**4, 10**5, 10**6]
    found = growth.exponent(articles, [scale * n**power for n in articles])
    assert found == pytest.approx(power)


def test_the_exponent_is_that_of_least_squares() -> None:
    articles, seconds = [1, 10, 100, 1_000], [1.0, 20.0, 90.0, 2_000.0]
    expected = np.polyfit(np.log(articles), np.log(seconds), 1)[0]
    assert growth.exponent(articles, seconds) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("articles", "values"), [([10], [1.0]), ([10, 10], [1, 2]), ([1, 2], [0, 1])]
)
def test_where_there_is_no_growth_there_is_no_exponent(articles: list, values: list) -> None:
    assert math.isnan(growth.exponent(articles, values))


def test_what_is_spent_once_does_not_hide_how_stages_grow() -> None:
    measured = [larger(by, 1.2) for by in (10, 100, 1000)]
    assert measured[0].articles == growth.STEADY
    expected = growth.stages(measured)
    slow = dataclasses.replace(SIZE, seconds=900.0, stages=dict.fromkeys(SIZE.stages, 400.0))
    found = growth.stages([slow, *measured])
    assert [row[-2:] for row in found] == [row[-2:] for row in expected]
    assert found[-1][-2:] == ["1.20", "1.20"]
    assert growth.stages([SIZE])[-1][-2:] == ["", ""]


def test_figures_come_back_as_they_were_written(tmp_path: Path) -> None:
    measured = [SIZE, larger(10)]
    growth.write_figures(tmp_path / "figures.json", measured)
    assert growth.read_figures(tmp_path / "figures.json") == measured


def test_a_new_size_takes_the_place_of_its_equal_and_of_what_cannot_be_compared() -> None:
    again = dataclasses.replace(SIZE, seconds=11.0)
    assert growth.together([SIZE, larger(10)], again) == [again, larger(10)]
    assert growth.together([larger(10)], SIZE) == [SIZE, larger(10)]
    shorter = dataclasses.replace(larger(10), mean_bytes=2_000)
    assert growth.together([SIZE], shorter) == [shorter]


def test_a_size_is_measured_from_outside(tmp_path: Path) -> None:
    size = growth.measure(Corpus(300, SEED, 800), tmp_path / "corpora", "2GB", tmp_path)
    assert size.articles == 300 and size.memory == "2GB"
    assert size.f1 > 0.8
    assert size.candidates > 0 and size.scratch > 0
    assert 0 < sum(size.stages.values()) < size.seconds
    assert size.input < size.written < 10**8


# What larger corpora need


def test_what_grows_evenly_is_carried_on_evenly() -> None:
    known = scaling.needs([SIZE, larger(10), larger(100)])
    assert known.cpu(10**8) == pytest.approx(15 * 10**4)
    assert known.scratch(10**8) == pytest.approx(10**8 * 10**4)
    assert known.exchanged(10**4) == pytest.approx(SIZE.input + 2 * SIZE.written)
    assert known.seconds(10**4, 1) == pytest.approx(10.0)


def test_the_exponent_of_the_two_largest_is_carried_on_unless_it_is_below_one() -> None:
    steep = scaling.needs([SIZE, larger(10, 0.5), larger(100, 1.2)])
    assert steep.cpu.exponent == pytest.approx(2 * 1.2 - 0.5)
    assert scaling.needs([SIZE, larger(10, 0.5)]).cpu.exponent == 1


def test_memory_that_stays_is_carried_on_as_it_is() -> None:
    level = scaling.needs([SIZE, larger(10)])
    assert level.memory(10**9) == 10**9
    rising = scaling.needs([SIZE, larger(10, peak_rss=10**9 + 90_000 * 100)])
    assert rising.memory(10**9) == pytest.approx(10**9 + 100 * 10**9, rel=1e-3)


def test_memory_is_carried_on_from_sizes_told_the_same_where_there_are_two() -> None:
    first, last = (larger(each, memory="8GB") for each in (1, 100))
    between = larger(10, memory="4GB", peak_rss=5 * 10**8)
    assert scaling.needs([first, between, last]).memory(10**9) == 10**9
    alone = larger(10, memory="8GB", peak_rss=10**9 + 90_000 * 100)
    assert scaling.needs([SIZE, alone]).memory(10**9) == pytest.approx(101 * 10**9, rel=1e-3)


def test_only_what_can_be_shared_out_becomes_faster() -> None:
    known = scaling.needs([SIZE, larger(10)])
    exchanged = (SIZE.input + 2 * SIZE.written) / scaling.LINK
    assert known.alone(10**4) == pytest.approx(4.0)
    assert known.seconds(10**4, 4) == pytest.approx(4.0 + (6.0 + exchanged) / 4)
    assert known.seconds(10**4, 10**6) == pytest.approx(4.0, abs=1e-3)


@given(st.floats(1, 1e12), st.floats(1, 2), st.floats(1, 1e6))
def test_a_limit_is_reached_where_the_need_equals_it(
    limit: float, power: float, value: float
) -> None:
    law = scaling.Power(1.0, value, power)
    at = scaling.reached(law, limit)
    assert at == pytest.approx(max(1.0, (limit / value) ** (1 / power)), rel=2e-3)


def test_what_does_not_grow_never_reaches_its_limit() -> None:
    assert math.isinf(scaling.reached(scaling.Line(1.0, 5.0, 0.0), 6.0))


def test_limits_come_in_the_order_in_which_they_are_reached() -> None:
    rows = scaling.limits(scaling.needs([SIZE, larger(10)]))[1:]
    reached = [math.inf if at == "never" else float(at.replace(",", "")) for _, at in rows]
    assert reached == sorted(reached)
    assert "memory" in rows[-1][0] and rows[-1][1] == "never"
    disk = next(at for name, at in rows if "disk" in name)
    assert disk == "100,000,000"  # 10 kB an article


def test_the_page_is_as_the_command_writes_it() -> None:
    page = scaling.DOCUMENT.read_text(encoding="utf-8")
    for name, content in scaling.blocks(growth.read_figures(growth.FIGURES)).items():
        assert f"<!-- {name}: begin -->\n{content}<!-- end -->" in page, (
            "run python tests/benchmarks/scaling.py --docs"
        )
