"""Ids of clusters: born once, never given again, and every change of them is in the lineage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from batches import Feed, Row, Step, messy, survivors, take, told
from simulation.laws import Lineage, translate

from dedup import Result, Settings
from dedup.errors import SettingsError

SEED = 20251134
FILES = 8
STEPS = [Step([5], [0]), Step([3]), Step([6, 1]), Step([], [1]), Step([4, 7]), Step([0, 2], [2])]


class Story(NamedTuple):
    """Runs of one output, the folder of which is as the last of them left it."""

    feed: Feed
    runs: list[Result]
    folder: Path


@pytest.fixture(scope="module")
def told_in_runs(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("runs")
    feed = messy(800, SEED, FILES)
    runs = [take(feed, step, folder) for step in STEPS]
    reasons = Counter(runs[-1].lineage["reason"].to_pylist())
    print(reasons)
    assert all(reasons[name] >= 3 for name in ("merge", "split", "correction", "retraction"))
    return Story(feed, runs, folder)


def clusters_of(found: Result) -> dict[str, str]:
    """Cluster of each article."""
    columns = (found.clusters[name].to_pylist() for name in ("article_id", "cluster_id"))
    return dict(zip(*columns, strict=True))


def members_of(found: Result) -> dict[str, set[str]]:
    """Articles of each cluster."""
    members: dict[str, set[str]] = {}
    for article, cluster in clusters_of(found).items():
        members.setdefault(cluster, set()).add(article)
    return members


def changes_of(found: Result) -> list[Row]:
    """What the run itself added to the lineage."""
    rows: list[Row] = found.lineage.to_pylist()
    return [row for row in rows if row["run_id"] == found.info["run_id"]]


def test_an_id_of_any_run_leads_to_its_articles(told_in_runs: Story) -> None:
    last = told_in_runs.runs[-1]
    lineage, homes = Lineage.of(last.lineage, last.clusters), clusters_of(last)
    for found in told_in_runs.runs:
        for cluster, articles in members_of(found).items():
            translated = translate(lineage, cluster)
            assert {homes.get(article) for article in articles} <= translated
            assert translated <= {*homes.values(), None}


def test_lineage_grows_and_says_who_moved_where(told_in_runs: Story) -> None:
    assert told_in_runs.runs[0].lineage.num_rows == 0
    for before, after in zip(told_in_runs.runs, told_in_runs.runs[1:], strict=False):
        known = before.lineage.num_rows
        assert after.lineage.slice(0, known).equals(before.lineage)
        assert changes_of(after) == after.lineage.slice(known).to_pylist()
        assert_accounts(changes_of(after), clusters_of(before), clusters_of(after))


def assert_accounts(changes: list[Row], old: dict[str, str], new: dict[str, str]) -> None:
    """The rows are the moves between two runs, no more and no fewer."""
    moves = Counter((old[a], new[a]) for a in old.keys() & new.keys() if old[a] != new[a])
    moved = [row for row in changes if row["reason"] in ("merge", "split")]
    assert Counter({(row["cluster_id"], row["became"]): row["articles"] for row in moved}) == moves
    assert len(moved) == len(moves)
    current = set(new.values())
    for row in moved:
        assert (row["reason"] == "split") == (row["cluster_id"] in current)
        assert row["article_id"] is None
    single = [row for row in changes if row["reason"] in ("correction", "retraction")]
    for row in single:
        article = row["article_id"]
        assert (row["cluster_id"], row["became"]) == (old[article], new.get(article))
        assert (row["reason"] == "retraction") == (article not in new)
        assert row["articles"] == 1
    assert len({row["article_id"] for row in single}) == len(single)
    gone = {row["article_id"] for row in single if row["reason"] == "retraction"}
    assert gone == old.keys() - new.keys()


def test_a_new_text_is_a_correction_and_the_same_one_is_none(
    told_in_runs: Story, tmp_path: Path
) -> None:
    feed = told_in_runs.feed
    count = len(feed.files[0])
    rows = {row["id"]: row for row in feed.files[0] if row["id"] and row["text"].strip()}
    chosen = list(rows.values())
    again = [{**chosen[0], "text": chosen[1]["text"]}, dict(chosen[2]), chosen[3] | {"title": "x"}]
    times = [feed.times[0], feed.times[-1]]
    found = [
        take(Feed([feed.files[0], again], times, []), Step([number]), tmp_path) for number in (0, 1)
    ]
    corrected = [row for row in changes_of(found[1]) if row["reason"] == "correction"]
    assert [row["article_id"] for row in corrected] == [chosen[0]["id"]]
    assert found[1].info["counts"]["rows"] == count + len(again)
    clusters = {row["article_id"]: row for row in found[1].clusters.to_pylist()}
    assert clusters[chosen[3]["id"]]["title"] == "x"


def test_untouched_clusters_keep_their_id(told_in_runs: Story) -> None:
    kept = 0
    for before, after in zip(told_in_runs.runs, told_in_runs.runs[1:], strict=False):
        old, new = members_of(before), members_of(after)
        by_members = {frozenset(articles): name for name, articles in new.items()}
        for name, articles in old.items():
            if frozenset(articles) in by_members:
                assert by_members[frozenset(articles)] == name
                kept += len(articles) > 1
    assert kept > 50


def test_most_of_a_cluster_keeps_its_id(told_in_runs: Story) -> None:
    """The largest part of a cluster has its id, or that of one of which more came with it."""
    for before, after in zip(told_in_runs.runs, told_in_runs.runs[1:], strict=False):
        old, new = members_of(before), clusters_of(after)
        shares = {
            name: Counter(new[article] for article in articles if article in new)
            for name, articles in old.items()
        }
        for name, share in shares.items():
            if not share:
                continue
            heir = [home for home, number in share.items() if number == max(share.values())]
            rivals = [shares[home][home] for home in heir if home in shares]
            assert name in heir or all(rival >= max(share.values()) for rival in rivals)
            assert name in heir or rivals


def test_an_id_is_never_given_again(told_in_runs: Story) -> None:
    gone: set[str] = set()
    for before, after in zip(told_in_runs.runs, told_in_runs.runs[1:], strict=False):
        current = set(members_of(after))
        gone |= members_of(before).keys() - current
        assert not gone & current
    assert len(gone) > 5


def test_rebuilding_keeps_the_ids_of_those_that_stay_together(told_in_runs: Story) -> None:
    before = told_in_runs.runs[-1]
    after = take(told_in_runs.feed, Step([]), told_in_runs.folder, rebuild=True)
    assert after.info["run_id"] != before.info["run_id"]
    assert clusters_of(after) == clusters_of(before)
    assert after.lineage.equals(before.lineage)
    for name, rows in told(after).items():
        assert rows == told(before)[name], name


def test_rebuilding_with_other_settings_is_accounted_for(
    told_in_runs: Story, tmp_path: Path
) -> None:
    strict, everything = Settings(similarity_floor=0.6), Step(range(FILES), (0, 1, 2))
    before = take(told_in_runs.feed, everything, tmp_path, strict)
    with pytest.raises(SettingsError, match=f"--inbox {tmp_path}/in --output {tmp_path}/out --reb"):
        take(told_in_runs.feed, everything, tmp_path)
    loose = take(told_in_runs.feed, Step([]), tmp_path, rebuild=True)
    assert_accounts(changes_of(loose), clusters_of(before), clusters_of(loose))
    again = take(told_in_runs.feed, Step([]), tmp_path, strict, rebuild=True)
    assert_accounts(changes_of(again), clusters_of(loose), clusters_of(again))
    assert told(again)["clusters"] == told(before)["clusters"]
    retired = members_of(before).keys() - members_of(loose).keys()
    assert len(retired) > 5 and not retired & members_of(again).keys()
    # What was taken down is not forgotten.
    assert {row["id"] for row in survivors(told_in_runs.feed)} == set(clusters_of(again))
