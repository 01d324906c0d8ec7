"""A run is stopped by its figures, each limit by itself, and told how it may pass."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dedup.errors import RunError
from dedup.pipeline.checks import broken, check, check_silence, silence
from dedup.settings import Limits
from dedup.workspace import Workspace

GOOD: dict[str, Any] = {
    "rows": 200,
    "articles_new": 190,
    "rejects": {"empty_text": 10},
    "largest_cluster_new": 20,
    "history": [200] * 30,
}

FALLEN = {"rows": 19, "rejects": {}, "articles_new": 19, "largest_cluster_new": 1}
REJECTED = {"rejects": {"empty_text": 30, "null_id": 11}}
SWALLOWED = {"largest_cluster_new": 96}


def names(counts: dict[str, Any], **limits: float) -> list[str]:
    given = Limits(**limits)  # type: ignore[arg-type]
    return [breach.limit for breach in broken(GOOD | counts, given)]


@pytest.mark.parametrize(
    ("counts", "limit"),
    [
        ({}, []),
        (FALLEN, ["input_share"]),
        (FALLEN | {"rows": 20}, []),  # at the limit is within it
        (FALLEN | {"history": [200] * 23}, []),  # too few runs to know what is usual
        (FALLEN | {"history": []}, []),
        (FALLEN | {"history": [200] * 20 + [0] * 19}, ["input_share"]),
        (FALLEN | {"history": [200] * 15 + [10**9] * 14}, ["input_share"]),
        (REJECTED, ["rejects_share"]),
        ({"rejects": {"empty_text": 40}}, []),
        ({"rejects": {"repeated_row": 80, "superseded": 60, "retracted": 60}}, []),
        (SWALLOWED, ["cluster_share"]),
        ({"largest_cluster_new": 95}, []),
        ({"articles_new": 49, "largest_cluster_new": 49}, []),
        ({"articles_new": 50, "largest_cluster_new": 50}, ["cluster_share"]),
        (REJECTED | SWALLOWED, ["rejects_share", "cluster_share"]),
        ({"rows": 0, "rejects": {}, "articles_new": 0, "largest_cluster_new": 0}, ["input_share"]),
    ],
)
def test_each_limit_stops_what_is_past_it(counts: dict[str, Any], limit: list[str]) -> None:
    assert names(counts) == limit


def test_stricter_limits_never_let_more_pass() -> None:
    seed = 7
    print("seed", seed)
    random = np.random.default_rng(seed)
    seen = set()
    for _ in range(500):
        rows = int(random.integers(1, 300))
        bad = int(random.integers(0, rows + 1))
        new = rows - bad
        counts = {
            "rows": rows,
            "articles_new": new,
            "rejects": {"wrong_type": bad},
            "largest_cluster_new": int(random.integers(0, new + 1)),
            "history": random.integers(0, 300, random.integers(0, 60)).tolist(),
        }
        low, high = sorted(random.random(2))
        loose = names(counts, input_share=low, rejects_share=high, cluster_share=high)
        strict = names(counts, input_share=high, rejects_share=low, cluster_share=low)
        assert set(loose) <= set(strict)
        assert names(counts, input_share=0, rejects_share=1, cluster_share=1) == []
        seen |= set(strict) - set(loose)
    assert seen == {"input_share", "rejects_share", "cluster_share"}


@pytest.mark.parametrize(
    ("hours", "limit", "stops"),
    [(5.9, 6, False), (6.1, 6, True), (6.1, 7, False), (10_000, 0, False), (-1, 6, False)],
)
def test_silence_is_a_failure_after_a_while(hours: float, limit: float, stops: bool) -> None:
    now = datetime(2024, 3, 1, 12, tzinfo=UTC)
    given = Limits(silence_hours=limit)
    assert bool(silence(now - timedelta(hours=hours), now, given)) is stops


# The verbs


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """A run as far as a check looks at it."""
    folder = tmp_path / "work"
    Workspace(folder).note("renewed", GOOD | REJECTED | SWALLOWED)
    return SimpleNamespace(run_id="r1", folder=str(folder), files=["a.jsonl"])


def test_the_error_says_the_figures_the_limits_and_the_way_past(run: Any) -> None:
    with pytest.raises(RunError) as caught:
        check(run, Limits())
    error = caught.value
    assert error.subject == "r1"
    for figure in ("0.2 of the rows", "0.5 of the new articles"):
        assert figure in error.expected
    for figure in ("41 of 200", "30 empty_text, 11 null_id", "96 of 190"):
        assert figure in error.got
    assert "\n" not in str(error)
    # Both ways that it names let the run pass, and nothing less does.
    words = re.findall(r"--limit (\S+?),? ", error.mend)
    values = json.loads(error.mend[error.mend.index("{") :])
    assert Limits.load(changes=words) == Limits(**values)
    check(run, Limits(**values))
    for name in values:
        with pytest.raises(RunError):
            check(run, Limits(**{name: values[name]}))


def test_a_run_that_only_takes_down_is_not_checked(run: Any) -> None:
    run.files = []
    check(run, Limits())


def publish(output: Path, finished: datetime) -> None:
    folder = output / "runs" / "r0"
    folder.mkdir(parents=True)
    said = {"run_id": "r0", "finished_at": finished.isoformat(timespec="seconds")}
    (folder / "run.json").write_text(json.dumps(said))
    (output / "latest").symlink_to(folder)


def test_nothing_new_is_measured_from_the_last_run(tmp_path: Path) -> None:
    publish(tmp_path, datetime.now(UTC) - timedelta(hours=8))
    check_silence(str(tmp_path), Limits(silence_hours=9))
    with pytest.raises(RunError, match=r"input since run r0: .* 6 hours, got nothing for 8\.0; "):
        check_silence(str(tmp_path), Limits())
    check_silence(str(tmp_path), Limits(silence_hours=0))


def test_without_a_run_there_is_nothing_to_measure_from(tmp_path: Path) -> None:
    check_silence(str(tmp_path), Limits(silence_hours=1e-9))
