"""The evaluation as a flow: the figures of `dedup evaluate`, and a failure when they are low."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from records import artifacts

from dedup import pipeline, read
from dedup.evaluate import evaluate as measured
from dedup.synth import synthesise
from dedup.truth import read_truth
from flows.evaluate import evaluate


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An output and its truth."""
    seed = 5
    print("seed", seed)
    folder = tmp_path_factory.mktemp("nightly")
    articles, truth = synthesise(200, seed)
    pq.write_table(truth, folder / "truth.parquet")
    pipeline.cluster_articles(articles, folder / "out")
    return str(folder / "out"), str(folder / "truth.parquet")


@pytest.mark.parametrize("level", ["cluster", "story"])
def test_it_tells_the_figures(api: str, places: tuple[str, str], level: str) -> None:
    output, truth = places
    state = evaluate(output, truth, level, least_f1=0, return_state=True)  # type: ignore[call-overload]
    expected = measured(read(output).clusters, read_truth(truth), f"{level}_id")
    assert state.result()["pairs"] == expected.to_dict()["pairs"]
    said = artifacts(state)["evaluation"]
    assert said.startswith(f"# F1 {expected.pairs.f1:.3f}\n")
    pairs = expected.pairs
    assert f"| pairs | {pairs.precision:.3f} | {pairs.recall:.3f} | {pairs.f1:.3f} |" in said
    assert all(f"| kind {kind.replace('_', ' ')} | " in said for kind in expected.by_kind)


def test_it_fails_when_they_are_low(api: str, places: tuple[str, str], tmp_path: Path) -> None:
    output, _ = places
    truth = tmp_path / "truth.csv"
    names = read(output).summary["lead_id"].to_pylist()[:2]
    truth.write_text(f"id,cluster\n{names[0]},a\n{names[1]},a\n")
    state = evaluate(output, str(truth), least_f1=0.1, return_state=True)
    assert state.is_failed()
    assert state.message is not None
    assert f"an F1 of 0.1 or more against {truth}" in state.message
    assert artifacts(state)["evaluation"]
    assert evaluate(output, str(truth), least_f1=0)


def test_nothing_measured_is_too_little(api: str, places: tuple[str, str], tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("id,cluster\nelsewhere-1,a\nelsewhere-2,b\n")
    state = evaluate(places[0], str(truth), least_f1=1e-9, return_state=True)
    assert state.is_failed()
    assert state.message is not None
    assert state.message.endswith("run before")
