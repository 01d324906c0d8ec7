"""The simulated month: what it feeds, what it checks, and that it catches what is wrong."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import month
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from simulation import feed, laws, runs
from simulation.laws import Lineage, translate

from dedup import Settings, cluster_articles, pipeline, read, synth
from dedup.schemas import OUTPUT_TABLES, table_name
from dedup.store import Result

SEED, BATCHES, ARTICLES = 7, 30, 40
HOUR = 3_600_000_000


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feed of 30 hours."""
    print(f"seed {SEED}")
    folder = tmp_path_factory.mktemp("laid") / "feed"
    feed.lay_out(folder, BATCHES, ARTICLES, SEED)
    return folder


@pytest.fixture(scope="module")
def rows(laid: Path) -> list[dict]:
    """Every row of the feed in the order of files' times, names and rows, with its hour."""
    files = sorted(laid.glob("*/*.parquet"), key=lambda file: (file.stat().st_mtime, file.name))
    return [
        row | {"hour": int(file.parent.name)}
        for file in files
        for row in pq.read_table(file).to_pylist()
    ]


# What is fed


def test_the_seed_alone_decides_what_is_fed(laid: Path, tmp_path: Path) -> None:
    def content(folder: Path) -> dict[str, tuple[float, bytes]]:
        return {
            str(file.relative_to(folder)): (file.stat().st_mtime, file.read_bytes())
            for file in folder.glob("*/*")
        }

    feed.lay_out(tmp_path / "again", BATCHES, ARTICLES, SEED)
    feed.lay_out(tmp_path / "other", BATCHES, ARTICLES, SEED + 1)
    assert content(tmp_path / "again") == content(laid)
    assert content(tmp_path / "other") != content(laid)


def test_every_made_article_comes_first_as_it_was_made(rows: list[dict]) -> None:
    made, _ = synth.synthesise(BATCHES * ARTICLES, SEED)
    first = {row["id"]: row["text"] for row in reversed(rows) if row["id"] and row["text"]}
    assert first == dict(zip(made["id"].to_pylist(), made["text"].to_pylist(), strict=True))


def test_no_article_comes_before_its_hour_and_few_come_after(rows: list[dict]) -> None:
    late = []
    for row in {row["id"]: row for row in reversed(rows)}.values():
        hour = (row["published_at"] - feed.START).total_seconds() // 3600
        assert 0 <= hour <= row["hour"] < BATCHES
        late.append(row["hour"] - hour)
    # Some more than LATE: a half-written file makes a whole hour late, by one.
    assert 0.01 < np.mean(np.array(late) > 1) < 0.06


def test_rows_that_come_again_are_updates_or_repetitions(rows: list[dict]) -> None:
    texts: dict[str, list[str]] = {}
    for row in rows:
        if row["id"] and row["text"]:
            texts.setdefault(row["id"], []).append(row["text"])
    again = [found for found in texts.values() if len(found) > 1]
    updated = sum(len(set(found)) > 1 for found in again)
    repeated = sum(len(set(found)) < len(found) for found in again)
    assert 0.01 < updated / len(texts) < 0.03
    assert 0.001 < repeated / len(texts) < 0.01
    assert all(len(set(found)) <= 2 for found in again)


def test_some_rows_are_bad() -> None:
    article = {name: ["x", "y"] for name in ("id", "text")}
    bad = feed._bad(pa.table(article))
    assert bad.to_pylist() == [{"id": None, "text": "x"}, {"id": "empty-y", "text": ""}]


def test_distances_within_a_story_are_kept() -> None:
    rng = np.random.default_rng(SEED)
    stories = rng.integers(0, 60, 300).astype(str).astype(object)
    begins = {story: int(rng.integers(0, 75 * 24)) * HOUR for story in set(stories)}
    made = np.array(
        [begins[story] + int(rng.integers(0, 48 * 60)) * HOUR // 60 for story in stories]
    )
    length = 30 * 24 * HOUR
    times = feed.anchored(made, stories, length)
    assert times.min() >= 0
    assert times.max() < length
    for story in begins:
        mine = stories == story
        assert np.array_equal(times[mine] - times[mine].min(), made[mine] - made[mine].min())
    assert np.ptp(np.bincount(times // (length // 6), minlength=6)) < 0.5 * 300 / 6


def test_a_story_longer_than_the_month_is_squeezed_into_it() -> None:
    made = np.array([0, 10, 48]) * HOUR
    times = feed.anchored(made, np.array(["s"] * 3, object), 24 * HOUR)
    assert 0 == times[0] < times[1] < times[2] < 24 * HOUR


def test_a_half_written_file_is_whole_an_hour_later(laid: Path, tmp_path: Path) -> None:
    parts = sorted(laid.glob("*/*.part"))
    assert parts
    for part in parts:
        whole = laid / f"{int(part.parent.name) + 1:04d}" / part.name.removesuffix(".part")
        assert whole.read_bytes().startswith(part.read_bytes())
        assert whole.stat().st_mtime > part.stat().st_mtime


def test_delivery_leaves_whole_files_with_their_times(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    feed._put(tmp_path, 0, "a.parquet.part", b"ha")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": ["a", "b"]}), sink)
    feed._put(tmp_path, 1, "a.parquet", sink.getvalue().to_pybytes())
    feed._put(tmp_path, 1, "take-down.txt", b"a\n")
    time = (tmp_path / "0001/a.parquet").stat().st_mtime
    assert feed.deliver(tmp_path / "0000", inbox) == 0
    assert [file.name for file in inbox.iterdir()] == ["a.parquet.part"]
    assert feed.deliver(tmp_path / "0001", inbox) == 2
    assert [file.name for file in inbox.iterdir()] == ["a.parquet"]
    assert (inbox / "a.parquet").stat().st_mtime == time
    assert feed.take_downs(tmp_path, "0001") == feed.take_downs(tmp_path)


def test_lists_name_articles_that_came_and_some_that_have_not(tmp_path: Path) -> None:
    ids = np.array([f"a{number}" for number in range(20_000)], object)
    arrivals = np.arange(20_000) % BATCHES
    feed._write_lists(tmp_path, ids, arrivals, BATCHES, np.random.default_rng(SEED))
    named = [
        (int(path.parent.name), int(name[1:]) % BATCHES)
        for path in feed.take_downs(tmp_path)
        for name in path.read_text().split()
    ]
    assert 0.002 < len(named) / 20_000 < 0.004
    early = sum(hour < came for hour, came in named)
    assert 0.1 < early / len(named) < 0.3
    assert all(0 <= hour < BATCHES for hour, _ in named)


# What is checked


def clusters(**labels: str) -> pa.Table:
    """A table of clusters from each article's."""
    return pa.table({"article_id": list(labels), "cluster_id": list(labels.values())})


def lineage(*steps: tuple[str, str | None, str]) -> pa.Table:
    """A table of lineage from id, successor and run."""
    columns = zip(*steps, strict=True) if steps else ([], [], [])
    names = ("cluster_id", "became", "run_id")
    return pa.table({n: pa.array(v, pa.string()) for n, v in zip(names, columns, strict=True)})


def test_groups_are_the_same_whatever_their_names_and_order() -> None:
    ours = clusters(a="1", b="1", c="2")
    assert laws.same_groups(ours, clusters(c="x", b="y", a="y"), "cluster_id").holds


@pytest.mark.parametrize(
    "other",
    [clusters(a="x", b="y", c="z"), clusters(a="x", b="x", c="x"), clusters(a="x", b="y", c="y")],
)
def test_other_groups_are_found(other: pa.Table) -> None:
    verdict = laws.same_groups(clusters(a="1", b="1", c="2"), other, "cluster_id")
    assert not verdict.holds
    assert "a" in verdict.found


def test_articles_and_rejects_are_counted() -> None:
    assert laws.same_articles(clusters(a="1"), clusters(a="2")).holds
    assert not laws.same_articles(clusters(a="1"), clusters(a="1", b="1")).holds
    rejects = pa.table({"article_id": ["a", None, "a"], "reason": ["x", "y", "x"]})
    assert laws.same_rejects(rejects, rejects.take([2, 1, 0])).holds
    assert not laws.same_rejects(rejects, rejects.slice(1)).holds


def test_an_id_is_translated_through_later_changes_only() -> None:
    known = Lineage.of(
        lineage(
            ("c", "old", "r1"),
            ("a", "b", "r2"),
            ("b", "c", "r3"),
            ("c", "d", "r4"),
            ("g", None, "r5"),
        ),
        clusters(x="c", y="d", z="old"),
    )
    assert translate(known, "a") == {"c", "d"}
    assert translate(known, "c") == {"c", "d", "old"}
    assert translate(known, "g") == {None}
    assert translate(known, "d") == {"d"}
    assert translate(known, "nobody") == {"nobody"}


def test_changes_of_one_run_may_form_a_ring() -> None:
    known = Lineage.of(lineage(("a", "b", "r"), ("b", "a", "r")), clusters(x="a", y="b"))
    assert translate(known, "a") == {"a", "b"}


EVER = pa.table({"article_id": ["x", "x", "y", "z"], "cluster_id": ["a", "b", "b", "c"]})
STEPS = (("a", "b", "r1"), ("c", None, "r2"))


def test_lineage_accounts_for_every_id() -> None:
    verdict = laws.accounted(EVER, clusters(x="b", y="b"), lineage(*STEPS))
    assert verdict.holds, verdict.found


@pytest.mark.parametrize(
    "steps",
    [
        STEPS[:1],  # a retraction unsaid
        STEPS[1:],  # a merge unsaid
        (("a", "gone", "r1"), STEPS[1]),  # a trail that ends
        (("a", None, "r1"), STEPS[1]),  # a retraction of what is still there
        (*STEPS, ("b", "gone", "r3")),
    ],
)
def test_lineage_that_fails_to_account_for_an_id_is_found(steps: tuple) -> None:
    assert not laws.accounted(EVER, clusters(x="b", y="b"), lineage(*steps)).holds


def record(hour: int, seconds: float, rows: int = 1, killed: str = "") -> runs.Record:
    return runs.Record(hour, rows, killed, 0.0, seconds, 1, 1)


def test_speed_is_that_of_runs_like_one_another() -> None:
    even = [record(hour, 1.0) for hour in range(72)]
    assert runs.speed(even).holds
    assert runs.speed([*even[:60], *(record(hour, 9.0, rows=0) for hour in range(60, 72))]).holds
    killed = [record(hour, 9.0, killed="before") for hour in range(60, 72)]
    assert runs.speed([*even[:60], *killed]).holds
    assert not runs.speed([*even[:60], *(record(hour, 1.6) for hour in range(60, 72))]).holds


def test_a_kill_that_left_no_complete_run_is_found() -> None:
    assert runs.kills([record(0, 1.0, killed="before"), record(1, 1.0, killed="published")]).holds
    assert not runs.kills([record(0, 1.0, killed="unreadable: ...")]).holds


# Runs


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output with a run over two articles."""
    articles = pa.table({"id": ["a", "b"], "text": ["one two three", "four five six"]})
    cluster_articles(articles, tmp_path / "out")
    return tmp_path / "out"


def test_what_a_kill_left_is_told(output: Path) -> None:
    before = read(output).info
    assert runs.survived(output, before) == "before"
    cluster_articles(pa.table({"id": ["a"], "text": ["one two three"]}), output)
    assert runs.survived(output, before) == "published"
    next(output.glob("latest/clusters/*.parquet")).write_bytes(b"half of")
    assert runs.survived(output, before).startswith("unreadable")


def test_history_sees_what_moved(output: Path) -> None:
    history = runs.History(output)
    assert history.see() == (2, 2)
    assert history.see() == (2, 0)
    texts = ["one two three", "one two three", "four five six"]
    cluster_articles(pa.table({"id": ["a", "c", "d"], "text": texts}), output)
    articles, touched = history.see()
    assert articles == 3
    assert touched == len({*read(output).clusters["cluster_id"].to_pylist()} | {"of b"})
    assert sorted(set(history.ever()["article_id"].to_pylist())) == ["a", "b", "c", "d"]


def test_a_run_aside_is_killed_at_its_limit() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert runs.aside(sleep, 0.1) is None
    assert runs.aside([sys.executable, "-c", ""], 60) is not None
    with pytest.raises(RuntimeError, match="no such luck"):
        runs.aside([sys.executable, "-c", "raise SystemExit('no such luck')"], 60)


# The whole, with a stand-in for the library's call: an outlet's articles are a cluster


Tables = dict[str, pa.Table]


def stand_in(fault: Callable[[Tables], None]) -> Callable[..., Result]:
    """A library call whose runs of the month have a fault."""
    retracted: dict[str, set[str]] = defaultdict(set)

    def cluster_new(
        inbox: Path, output: Path, settings: Settings, retract: Sequence[Path] = ()
    ) -> Result:
        gone = retracted[str(output)]
        gone.update(name for path in retract for name in path.read_text().split())
        tables = grouped(inbox, gone, run_id=f"{len(list(inbox.iterdir())):06d}")
        if output.name == "month":
            fault(tables)
        for name, table in tables.items():
            (output / "latest" / name).mkdir(parents=True, exist_ok=True)
            pq.write_table(table, output / "latest" / name / "part.parquet")
        return published(output)

    return cluster_new


def published(output: Path) -> Result:
    """What the stand-in left, without the tables that it has nothing for."""
    tables = {table_name(schema): schema.empty_table() for schema in OUTPUT_TABLES}
    tables |= {path.name: pq.read_table(path) for path in (output / "latest").iterdir()}
    return Result(tables.__getitem__, info={"stages": [{"name": "all", "seconds": 0.1}]})


def grouped(inbox: Path, gone: set[str], run_id: str) -> Tables:
    """Clusters, lineage and rejects of everything in the inbox."""
    files = sorted(inbox.glob("*.parquet"), key=lambda file: (file.stat().st_mtime, file))
    columns = ["id", "text", "url"]
    rows = [row for file in files for row in pq.read_table(file, columns=columns).to_pylist()]
    outlets = {row["id"]: row["url"].split("/")[2] for row in rows if row["id"] and row["text"]}
    kept = clusters(**{name: outlet for name, outlet in outlets.items() if name not in gone})
    bad = [row["id"] for row in rows if not (row["id"] and row["text"])]
    return {
        "clusters": kept.append_column("story_id", kept["cluster_id"]),
        "lineage": lineage(*((outlets[name], None, run_id) for name in gone & outlets.keys())),
        "rejects": pa.table(
            {"article_id": pa.array(bad, pa.string()), "reason": ["bad"] * len(bad)}
        ),
    }


def changed(table: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Tables], None]:
    def fault(tables: Tables) -> None:
        tables[table] = change(tables[table])

    return fault


def one_cluster(found: pa.Table) -> pa.Table:
    return found.set_column(1, "cluster_id", pa.array(["c"] * len(found)))


def one_story(found: pa.Table) -> pa.Table:
    return found.set_column(2, "story_id", pa.array(["s"] * len(found)))


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Runs a small month with a stand-in; its seconds are no matter."""

    def run(fault: Callable[[Tables], None] = lambda tables: None, *more: str) -> int:
        monkeypatch.setattr(pipeline, "cluster_new", stand_in(fault), raising=False)
        monkeypatch.setattr(runs, "read", published)
        monkeypatch.setattr(month, "read", published)
        monkeypatch.setattr(month, "speed", lambda records: laws.Verdict("speed", "", True))
        monkeypatch.setattr(feed, "BAD", 0.02)
        monkeypatch.setattr(feed, "RETRACTED", 0.05)
        words = ["--batches", "24", "--articles", "15", "--kill", "0"]
        return month.main([*words, "--folder", str(tmp_path / "month"), *more])

    return run


def test_a_right_month_holds(
    simulated: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hours, document = tmp_path / "hours.csv", tmp_path / "document.md"
    document.write_text("# Kept\n")
    status = simulated(lambda tables: None, "--csv", str(hours), "--docs", str(document))
    out = capsys.readouterr().out
    assert status == 0, out
    written = list(csv.DictReader(hours.open()))
    assert [row["hour"] for row in written] == [str(hour) for hour in range(24)]
    assert all(row["seconds_all"] == "0.1" for row in written)
    assert sum(int(row["rows"]) for row in written) >= 24 * 15
    assert document.read_text().startswith("# Kept\n\n<!-- month: begin -->\n24 hours")


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        ("articles", changed("clusters", lambda found: found.slice(1))),
        ("groups by cluster_id", changed("clusters", one_cluster)),
        ("groups by story_id", changed("clusters", one_story)),
        ("rejects", changed("rejects", lambda found: found.slice(1))),
        ("lineage", changed("lineage", lambda found: found.slice(0, 0))),
    ],
)
def test_a_wrong_month_is_found(
    simulated: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    law: str,
    fault: Callable[[Tables], None],
) -> None:
    assert simulated(fault) == 1
    broken = [line for line in capsys.readouterr().out.splitlines() if line.endswith("NO")]
    assert any(line.startswith(law) for line in broken)


def test_every_so_many_hours_a_run_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pipeline, "cluster_new", stand_in(lambda tables: None), raising=False)
    monkeypatch.setattr(runs, "read", published)
    feed.lay_out(tmp_path / "feed", 24, 5, SEED)
    # The first time it ends at once, then it never would.
    flag = f"pathlib.Path({str(tmp_path / 'ran')!r})"
    script = f"import pathlib, time; {flag}.exists() and time.sleep(60); {flag}.touch()"
    words = [sys.executable, "-c", script]
    simulation = runs.Simulation(tmp_path, 10, SEED, lambda inbox, output, lists: words)
    killed = {hour: simulation.hour(hour).killed for hour in range(24)}
    assert {hour: word for hour, word in killed.items() if word} == {5: "measured", 15: "before"}
