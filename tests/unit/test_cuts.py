"""The comparison of cuts: each partition on graphs small enough to see, and the whole script."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from pathlib import Path

import cuts
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cuts import Graph, graph_of
from gate.sets import find
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dedup import Settings, cluster_articles, pipeline, synth
from dedup.evaluate import evaluate
from dedup.schemas import SCORED
from dedup.settings import PROFILES
from dedup.truth import read_truth
from dedup.workspace import Workspace

FLOOR = 0.3


def graph(n: int, pairs: dict[tuple[int, int], float]) -> Graph:
    matrix = np.zeros((n, n), np.float32)
    for (i, j), similarity in pairs.items():
        matrix[i, j] = matrix[j, i] = similarity
    return graph_of(matrix, FLOOR)


def clique(members: range, similarity: float) -> dict[tuple[int, int], float]:
    return dict.fromkeys(combinations(members, 2), similarity)


PATH = graph(4, {(0, 1): 0.5, (1, 2): 0.4, (2, 3): 0.5})
"""Four texts in a row, the middle two less alike."""

LOLLIPOP = graph(8, clique(range(4), 0.9) | {(3, 4): 0.4} | {(5, 6): 0.9})
"""Four copies with a fifth that is like one of them, two copies, and one text alone."""

TRIANGLES = graph(6, clique(range(3), 0.9) | clique(range(3, 6), 0.9) | {(2, 3): 0.4})


def test_components_at_a_share_of_the_floor() -> None:
    assert cuts.components(PATH).tolist() == [0, 0, 0, 0]
    assert cuts.components(PATH, 0.45 / FLOOR).tolist() == [0, 0, 2, 2]
    assert cuts.components(PATH, 0.51 / FLOOR).tolist() == [0, 1, 2, 3]


def test_linkages_of_a_path() -> None:
    """Between both halves the mean similarity is 0.4 / 4, the least 0."""
    average = partial(cuts.linked, PATH, "average")
    assert average(share=0.09 / FLOOR).tolist() == [0, 0, 0, 0]
    assert average(share=0.11 / FLOOR).tolist() == [0, 0, 2, 2]
    assert cuts.linked(PATH, "complete", 0.09 / FLOOR).tolist() == [0, 0, 2, 2]


def test_linkage_is_connected_by_pairs_at_the_floor() -> None:
    """A clique below the floor coheres, and nothing but the floor keeps it apart."""
    faint = graph(3, clique(range(3), 0.8 * FLOOR))
    assert cuts.loosely_linked(faint, "average", 0.7).tolist() == [0, 0, 0]
    assert cuts.linked(faint, "average", 0.7).tolist() == [0, 1, 2]


def test_density() -> None:
    assert cuts.dense(LOLLIPOP, 3).tolist() == [0, 0, 0, 0, 0, 5, 6, 7]
    # A text that a third article has is at home among three.
    copied = LOLLIPOP._replace(copies=np.array([1, 1, 1, 1, 1, 2, 1, 1]))
    assert cuts.dense(copied, 3).tolist() == [0, 0, 0, 0, 0, 5, 5, 7]


def test_density_by_hierarchy() -> None:
    assert cuts.hierarchically_dense(TRIANGLES).tolist() == [0, 0, 0, 3, 3, 3]
    assert cuts.hierarchically_dense(LOLLIPOP).tolist()[5:] == [5, 5, 7]


def test_leads_take_their_neighbours() -> None:
    """The fourth text has most pairs; of a path, the second is the first with two."""
    assert cuts.lead_centred(LOLLIPOP).tolist() == [0, 0, 0, 0, 0, 5, 5, 7]
    assert cuts.lead_centred(PATH).tolist() == [0, 0, 0, 3]


def test_leiden() -> None:
    pytest.importorskip("igraph")
    assert cuts.modular(TRIANGLES).tolist() == [0, 0, 0, 3, 3, 3]
    # Between the triangles the mean similarity is 0.4 / 9.
    assert cuts.potts(TRIANGLES, 0.04 / FLOOR).tolist() == [0, 0, 0, 0, 0, 0]
    assert cuts.potts(TRIANGLES, 0.05 / FLOOR).tolist() == [0, 0, 0, 3, 3, 3]


MATRICES = st.integers(0, 9).flatmap(
    lambda n: arrays.arrays(np.float32, (n, n), elements=st.floats(0, 1, width=32))
)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(MATRICES)
def test_every_cut_of_any_graph(matrix: np.ndarray) -> None:
    """Clusters are named by their smallest member; where pairs are asked for, pairs connect them.

    Two articles being at home with one another is what a pair at the floor means, so density among
    two is components.
    """
    some = graph_of(matrix, FLOOR)
    whole = cuts.components(some)
    for name, cut in cuts.all_cuts().items():
        found = cut(some)
        assert np.array_equal(found[found], found) and (found <= np.arange(len(found))).all()
        if "components" not in name and "no pair" not in name:
            assert np.array_equal(whole[found], whole), name
    assert np.array_equal(cuts.dense(some, 2), whole)


def test_cases_know_right_from_wrong() -> None:
    chain, hub, bridge = cuts.chain(), cuts.hub(0.5), cuts.bridge(0.5)
    assert chain.matrix[0, 1] > 0 and chain.matrix[0, cuts.REACH] == chain.matrix[0, -1] == 0
    assert chain.is_right(np.arange(cuts.CHAIN) // 4)
    assert not chain.is_right(np.zeros(cuts.CHAIN, int))
    assert not chain.is_right(np.arange(cuts.CHAIN))
    # The fourth of seven shares something with each, of eight none does.
    assert chain.is_right(np.minimum(np.arange(cuts.CHAIN) // 7, 1))
    assert not chain.is_right(np.minimum(np.arange(cuts.CHAIN) // 8, 1))
    stories = np.repeat(np.arange(cuts.STORIES), cuts.COPIES)
    assert hub.is_right(np.append(stories, 0)) and hub.is_right(np.append(stories, -1))
    assert not hub.is_right(np.append(np.maximum(stories, 1), -1))
    assert bridge.is_right(np.arange(2 * cuts.COPIES) // cuts.COPIES)
    assert not bridge.is_right(np.zeros(2 * cuts.COPIES, int))
    assert not bridge.is_right(np.arange(2 * cuts.COPIES))


def test_cases_reach_the_floor() -> None:
    """A case that falls apart without being cut would tell nothing."""
    floor = Settings().similarity_floor
    for case in cuts.cases(floor).values():
        assert set(cuts.components(graph_of(case.matrix, floor)).tolist()) == {0}
        assert case.matrix.max() <= 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set `news` of 300 made articles and, as pairs, of the copies and singles among them."""
    folder = tmp_path_factory.mktemp("data")
    synth.write(300, 5, folder / "news")
    truth = pq.read_table(folder / "news/truth.parquet").to_pylist()
    pairs = [(x, y) for x, y in combinations(truth[:120], 2)]
    same = [x["cluster"] == y["cluster"] for x, y in pairs]
    gold = {
        "a": [x["id"] for x, _ in pairs],
        "b": [y["id"] for _, y in pairs],
        "positive": pa.array(same),
        "label": ["C" if one else "N" for one in same],
    }
    pq.write_table(pa.table(gold), folder / "news/gold_pairs.parquet")
    return folder


@pytest.mark.parametrize("profile", PROFILES)
def test_the_library_is_average_linkage(
    data: Path, tmp_path: Path, monkeypatch, profile: str
) -> None:
    """Exactly so where pairs are scored as far down as in a run."""
    monkeypatch.setattr(cuts, "LEAST", PROFILES[profile].cohesion)
    [news] = find(data, {})
    found = cuts.scored(news, profile, tmp_path)
    run = cluster_articles(news.articles, settings=Settings(profile=profile)).clusters
    assert cuts.differing(found.clusters, run) == 0
    average = found.table(cuts.linked(found.graph, "average", found.cohesion))
    assert cuts.differing(average, run) == 0
    singles = pa.table({"article_id": run["article_id"], "cluster_id": run["article_id"]})
    assert cuts.differing(singles, run) == (run["cluster_size"].to_numpy() > 1).sum() > 0


@pytest.mark.parametrize("profile", PROFILES)
def test_cuts_look_further_down_than_the_run(
    data: Path, tmp_path: Path, monkeypatch, profile: str
) -> None:
    cohesion, floor = PROFILES[profile].cohesion, Settings().similarity_floor
    least_of_run = []

    def perform(verb: str, run: pipeline.Run, number: int, settings: Settings) -> None:
        if verb == "group":
            found = Workspace(Path(run.folder)).read_all("scored-", SCORED)
            least_of_run.append(found["similarity"].to_numpy().min())
        real_perform(verb, run, number, settings)

    real_perform = pipeline.perform
    monkeypatch.setattr(cuts.pipeline, "perform", perform)
    [news] = find(data, {})
    graph = cuts.scored(news, profile, tmp_path).graph
    assert graph.similarity.min() < np.float32(cohesion * floor) <= least_of_run[0]
    assert (graph.left < graph.right).all()
    assert PROFILES[profile].cohesion == cohesion


def test_what_differs_is_counted_in_articles() -> None:
    def table(*labels: int) -> pa.Table:
        return pa.table({"article_id": list("abcde"[: len(labels)]), "cluster_id": labels})

    assert cuts.differing(table(0, 0, 2, 3), table(7, 7, 1, 5)) == 0
    assert cuts.differing(table(0, 0, 2, 3), table(0, 0, 2, 2)) == 2
    assert cuts.differing(table(0, 0, 0, 3), table(0, 0, 2, 3)) == 3


def cells(document: str) -> dict[str, dict[str, str]]:
    """Rows of the one table of a document by cut, by column."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in document.splitlines()
        if line.startswith("|")
    ]
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]}


def figures(data: Path, profile: str) -> list[str]:
    """What the set's columns have to say of a run."""
    articles = data / "news/articles.parquet"
    run = cluster_articles(articles, settings=Settings(profile=profile)).clusters
    found, pairs = (
        evaluate(run, read_truth(data / f"news/{name}.parquet")) for name in ("truth", "gold_pairs")
    )
    chains, bulletins = found.by_kind["chain"], found.by_kind["bulletin"]
    return [
        f"{pairs.weighted.f1:.3f}",
        f"{found.bcubed.f1:.3f} / {found.ari:.3f}",
        f"{found.pairs.f1:.3f}",
        f"{chains.precision:.3f} / {chains.recall:.3f}",
        f"{bulletins.predicted_pairs - bulletins.shared_pairs:,}",
    ]


def test_the_script_writes_its_table(data: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(cuts, "_has_igraph", lambda: True)
    monkeypatch.setattr(cuts, "all_cuts", lambda: {"components": cuts.components})
    document = tmp_path / "accuracy.md"
    document.write_text("# Before\n\n<!-- cuts: begin -->\noutdated\n<!-- end -->\n\nafter\n")
    given = [str(data), "--synth", "0", "--labels", str(tmp_path), "--docs", str(document)]
    assert cuts.main([*given, "--profile", "news=ocr"]) == 0
    text = document.read_text()
    assert text.startswith("# Before") and text.endswith("after\n") and "outdated" not in text
    rows = cells(text)
    assert list(rows) == [cuts.LIBRARY, "components"]
    own = rows[cuts.LIBRARY]
    assert list(own)[:7] == [
        "mean",
        "news/gold_pairs weighted pair F1",
        "news/truth B-cubed F1, ARI",
        "news/truth pair F1",
        "news/truth chain precision, recall",
        "news/truth wrong bulletin pairs",
        "news@ocr/gold_pairs weighted pair F1",
    ]
    assert list(own)[-len(cuts.cases(FLOOR)) :] == list(cuts.cases(FLOOR))
    assert list(own.values())[1:11] == [*figures(data, "words"), *figures(data, "ocr")]
    shown = [
        np.mean([float(figure) for figure in cell.split(" / ")])
        for name, cell in own.items()
        if name.endswith(("weighted pair F1", "ARI"))
    ]
    # Each figure, and their mean, is off by up to half of the last of three decimals.
    assert float(own["mean"]) == pytest.approx(np.mean(shown), abs=0.001 + 1e-9)
    assert rows["components"]["chain"] == f"wrong: {cuts.CHAIN}"
    assert "news@ocr: average linkage at" in capsys.readouterr().out


def test_without_igraph_it_says_how_to_have_it(
    data: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(cuts, "_has_igraph", lambda: False)
    assert not any("Leiden" in name for name in cuts.all_cuts())
    assert cuts.main([str(data), "--docs", str(tmp_path / "x.md")]) == 2
    assert cuts.INSTALL in capsys.readouterr().out
    assert not (tmp_path / "x.md").exists()


@pytest.mark.parametrize("word", ["news", "news=words2", "=ocr"])
def test_profiles_that_are_none(data: Path, word: str) -> None:
    with pytest.raises(SystemExit) as end:
        cuts.main([str(data), "--profile", word])
    assert end.value.code == 2


def test_a_profile_for_no_set(data: Path, tmp_path: Path, capsys) -> None:
    given = [str(data), "--synth", "0", "--labels", str(tmp_path), "--profile", "old=ocr"]
    assert cuts.main(given) == 2
    assert "expected one of news" in capsys.readouterr().err
