"""Which cut makes the best clusters of the same scored pairs, on every labelled set there is.

    python tests/benchmarks/cuts.py DATA_DIR [--profile SET=ocr] [--docs]

Scores the pairs of each set once, as a run does but down to LEAST of the floor, then partitions
them by components, by linkage, by density, around leads and by Leiden's method, and prints one
table: a row for each cut, a column for each truth of copies (see `gate/sets.py` for what that is).
Made sets have more columns. Three made graphs, of which it is known what should become of them,
have columns of their own.

Linkage and CPM look at all pairs and are refined by the components of the pairs at the floor, as in
the library; the other cuts look at the pairs at the floor only. Leiden's method wants igraph, which
is in the extra `bench`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from gate import show, steps
from gate.sets import Gold, LabelledSet, find, make, read_labels
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN, HDBSCAN

from dedup import Settings, pipeline
from dedup.errors import DedupError, InputError
from dedup.evaluate import Evaluation, evaluate
from dedup.pipeline.bodies import Bodies
from dedup.schemas import SCORED
from dedup.settings import PROFILES
from dedup.stages import candidates, cluster
from dedup.truth import PairTruth
from dedup.workspace import Workspace

HERE = Path(__file__).parent

SEEDS = (1, 2)
"""Of the made sets."""

COHESIONS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares of the floor at which groups must cohere; below 1, pairs below the floor count too."""

LEAST = min(COHESIONS)

LIBRARY = "the library"

INSTALL = "python -m pip install --constraint constraints.txt --editable '.[bench]'"


class Graph(NamedTuple):
    """Scored pairs of distinct texts.

    Attributes
    ----------
    copies : ndarray of int64, shape (n,)
        Articles that have each text.
    left, right : ndarray of int64, shape (n_pairs,)
        Texts of each pair, ``left < right``. Every pair within a component at LEAST of the floor,
        and no pair at the floor is elsewhere; a pair that is not there has a similarity of 0.
    similarity : ndarray of float32, shape (n_pairs,)
        Above 0.
    floor : float
        Similarity of a kept pair.
    """

    copies: np.ndarray
    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray
    floor: float

    def above(self, share: float) -> Graph:
        """The pairs whose similarity is at least this share of the floor."""
        kept = self.similarity >= np.float32(share * self.floor)
        return self._replace(
            left=self.left[kept], right=self.right[kept], similarity=self.similarity[kept]
        )


Cut = Callable[[Graph], np.ndarray]
"""Gives the smallest member's position of each text's cluster: int64, shape (n,)."""


class Scored(NamedTuple):
    """A set whose pairs are scored.

    Attributes
    ----------
    clusters : Table
        The run's own result, as `schemas.CLUSTERS`.
    article_ids : ChunkedArray of string
    texts : ndarray of int64
        Text of each article.
    graph : Graph
    cohesion : float
        The profile's.
    """

    clusters: pa.Table
    article_ids: pa.ChunkedArray
    texts: np.ndarray
    graph: Graph
    cohesion: float

    def table(self, labels: np.ndarray) -> pa.Table:
        """A partition of the texts, as `evaluate` takes it."""
        return pa.table({"article_id": self.article_ids, "cluster_id": labels[self.texts]})


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, cut, measure, and print."""
    given = _arguments(arguments)
    cuts = all_cuts()
    if not _has_igraph():
        show.loud(f"igraph is not installed, so Leiden's method is left out. To have it: {INSTALL}")
        if given.docs:
            print("documents have all cuts: no --docs without igraph", file=sys.stderr)
            return 2
    columns: list[Column] = []
    try:
        with tempfile.TemporaryDirectory(prefix="cuts-") as scratch:
            for chosen, profile in _sets(given, Path(scratch)):
                columns += _measured(chosen, profile, cuts, Path(scratch))
    except DedupError as error:
        print(error, file=sys.stderr)
        return 2
    rows = _rows([_mean(columns), *columns, *case_columns(cuts)], [LIBRARY, *cuts])
    show.table(rows)
    if given.docs:
        show.rewrite(given.docs, "cuts", show.markdown(rows))
    return 0


# Cuts


def all_cuts() -> dict[str, Cut]:
    """Every cut by name, without Leiden's method where igraph is missing."""
    cuts: dict[str, Cut] = {}
    for share in (*COHESIONS, 1.5):
        cuts[f"components at {share:g} × floor"] = partial(components, share=share)
    for method in ("complete", "average"):
        for share in COHESIONS:
            cuts[f"{method} linkage at {share:g} × floor"] = partial(
                linked, method=method, share=share
            )
    for share in COHESIONS:
        cuts[f"average linkage at {share:g} × floor, no pair asked for"] = partial(
            loosely_linked, method="average", share=share
        )
    cuts["density, 2 articles (DBSCAN)"] = partial(dense, articles=2)
    cuts["density, 3 articles (DBSCAN)"] = partial(dense, articles=3)
    cuts["density by hierarchy (HDBSCAN)"] = hierarchically_dense
    cuts["lead-centred"] = lead_centred
    if _has_igraph():
        cuts["Leiden, modularity"] = modular
        for share in COHESIONS:
            cuts[f"Leiden, CPM at {share:g} × floor"] = partial(potts, share=share)
    return cuts


def components(graph: Graph, share: float = 1.0) -> np.ndarray:
    """Connected components at a share of the floor, which is single linkage."""
    graph = graph.above(share)
    return cluster.components(len(graph.copies), graph.left, graph.right)


def linked(graph: Graph, method: str, share: float) -> np.ndarray:
    """Linkage at a share of the floor, connected by pairs at the floor."""
    return cluster.common(loosely_linked(graph, method, share), components(graph))


def loosely_linked(graph: Graph, method: str, share: float) -> np.ndarray:
    """Linkage at a share of the floor: ``average`` or ``complete``."""
    height = 1 - float(np.float32(share * graph.floor))

    def cut(distances: np.ndarray) -> np.ndarray:
        condensed = distances[np.triu_indices(len(distances), 1)]
        return fcluster(linkage(condensed, method), height, "distance")

    return _within_components(graph, components(graph, share), cut)


def dense(graph: Graph, articles: int) -> np.ndarray:
    """DBSCAN: a text is at home among so many articles, its own included, at the floor.

    What it takes for noise stands alone.
    """
    near = graph.above(1)
    n = len(near.copies)
    # A distance of 0 would be no entry.
    distances = np.maximum(1 - near.similarity.astype(np.float64), 1e-9)
    matrix = csr_matrix((distances, (near.left, near.right)), shape=(n, n))
    if not n:
        return np.empty(0, np.int64)
    found = DBSCAN(eps=1.0, min_samples=articles, metric="precomputed").fit(
        matrix + matrix.T, sample_weight=near.copies
    )
    return _named(found.labels_)


def hierarchically_dense(graph: Graph) -> np.ndarray:
    """HDBSCAN of each component at the floor; what it takes for noise stands alone."""
    model = HDBSCAN(min_cluster_size=2, allow_single_cluster=True, metric="precomputed", copy=True)
    return _within_components(graph, components(graph), model.fit_predict)


def lead_centred(graph: Graph) -> np.ndarray:
    """The text with most pairs takes all it has a pair with, then the next of those left."""
    near = graph.above(1)
    return _named(cluster.stars(components(near), near.left, near.right, 1))


def modular(graph: Graph) -> np.ndarray:
    """Leiden's method, modularity of the pairs at the floor."""
    return _leiden(graph.above(1), objective_function="modularity")


def potts(graph: Graph, share: float) -> np.ndarray:
    """Leiden's method, constant Potts model of all pairs, connected by pairs at the floor.

    Two clusters are better as one where their mean similarity is above a share of the floor: what
    average linkage does one step after another, sought for all clusters at once.
    """
    found = _leiden(graph, objective_function="CPM", resolution=share * graph.floor)
    return cluster.common(found, components(graph))


def _leiden(graph: Graph, **options: Any) -> np.ndarray:
    import igraph

    pairs = np.stack([graph.left, graph.right], axis=1)
    network = igraph.Graph(len(graph.copies), pairs)
    igraph.set_random_number_generator(random.Random(1))
    found = network.community_leiden(
        weights=graph.similarity.astype(np.float64).tolist(), n_iterations=-1, **options
    )
    return _named(np.array(found.membership, np.int64))


def _has_igraph() -> bool:
    try:
        import igraph  # noqa: F401
    except ImportError:
        return False
    return True


def _within_components(
    graph: Graph, labels: np.ndarray, cut: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Each component of three or more cut by its matrix of distances; codes below 0 are alone."""
    result = labels.copy()
    inside = labels[graph.left] == labels[graph.right]
    left, right, similarity = (
        column[inside] for column in (graph.left, graph.right, graph.similarity)
    )
    order = np.argsort(labels[left], kind="stable")
    bounds = np.searchsorted(labels[left][order], np.arange(len(labels) + 1))
    for component in np.flatnonzero(np.bincount(labels, minlength=len(labels)) > 2).tolist():
        pairs = order[bounds[component] : bounds[component + 1]]
        members = np.unique(np.concatenate([left[pairs], right[pairs]]))
        i, j = np.searchsorted(members, left[pairs]), np.searchsorted(members, right[pairs])
        distances = np.ones((len(members), len(members)))
        distances[i, j] = distances[j, i] = 1 - similarity[pairs].astype(np.float64)
        np.fill_diagonal(distances, 0)
        result[members] = members[_named(cut(distances))]
    return result


def _named(codes: np.ndarray) -> np.ndarray:
    """Any codes as the smallest position that has each; one below 0 is like no other."""
    alone = codes < 0
    codes = np.where(alone, codes.max(initial=0) + 1 + np.arange(len(codes)), codes)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


# Measures


class Column(NamedTuple):
    """A column of the table.

    Attributes
    ----------
    heading : str
    cells : dict of str to str
        By the name of the cut.
    merits : dict of str to float
        By the name of the cut, what the mean is taken of; empty where it has no part in that.
    """

    heading: str
    cells: dict[str, str]
    merits: dict[str, float]


def scored(chosen: LabelledSet, profile: str, scratch: Path) -> Scored:
    """Run a set by the pipeline's verbs, and score what the cuts have to know."""
    settings = Settings.load(None, [f"profile={profile}"])
    usual = settings.representation
    run = pipeline.begin([chosen.articles], scratch / profile / chosen.name, settings)
    steps.perform(pipeline.VERBS[: pipeline.VERBS.index("score")], run, settings)
    low = usual._replace(cohesion=min(LEAST, usual.cohesion))
    # Which pairs are scored down to what is the one thing that cohesion decides in this verb.
    with mock.patch.dict(PROFILES, {profile: low}):
        work = steps.perform(["score"], run, settings)
    found = work.read_all("scored-", SCORED)
    kept = np.float32(usual.cohesion * settings.similarity_floor)
    work.remove("scored-")
    work.write_table("scored-000000", found.filter(pc.greater_equal(found["similarity"], kept)))
    steps.perform(["group"], run, settings)
    articles = work.read("matched")
    texts = articles["distinct"].to_numpy()
    graph = _graph(work, found, np.bincount(texts), settings)
    return Scored(work.read("out-clusters"), articles["article_id"], texts, graph, usual.cohesion)


def _graph(work: Workspace, found: pa.Table, copies: np.ndarray, settings: Settings) -> Graph:
    """All pairs within components, as in a run, which makes good what candidates missed."""
    left, right = found["left"].to_numpy(), found["right"].to_numpy()
    parts = cluster.components(len(copies), left, right)
    inside = candidates.pack(*cluster.pairs_within(parts, settings.component_limit))
    left, right = candidates.ends(np.union1d(inside, candidates.pack(left, right)))
    similarity = Bodies(work, settings).score(left, right).similarity
    some = similarity > 0
    return Graph(copies, left[some], right[some], similarity[some], settings.similarity_floor)


def _measured(
    chosen: LabelledSet, profile: str, cuts: Mapping[str, Cut], scratch: Path
) -> list[Column]:
    """The columns of a set's truths of copies."""
    golds = [gold for gold in chosen.golds if gold.column == "cluster_id"]
    if not golds:
        return []
    name = chosen.name + (f"@{profile}" if profile != Settings().profile else "")
    found = scored(chosen, profile, scratch)
    tables = {LIBRARY: found.clusters}
    tables |= {cut: found.table(partition(found.graph)) for cut, partition in cuts.items()}
    own = found.table(linked(found.graph, "average", found.cohesion))
    show.line(f"{name}: average linkage at {found.cohesion:g} × floor {_compared(own, found)}")
    return [
        column
        for gold in golds
        for column in _columns(
            f"{name}/{gold.name}",
            {cut: evaluate(table, gold.truth) for cut, table in tables.items()},
            gold,
        )
    ]


def _compared(own: pa.Table, found: Scored) -> str:
    """How far the run's clusters are those of its cut here, where more pairs are scored.

    Pairs that candidate search missed are made good within components, which are larger here.
    """
    different = differing(own, found.clusters)
    if not different:
        return "gives the clusters of the run"
    return f"gives other clusters than the run to {different:,} of {own.num_rows:,} articles"


def differing(one: pa.Table, other: pa.Table) -> int:
    """Articles whose clusters in two results have not the same members."""
    joined = one.select(["article_id", "cluster_id"]).join(
        other.select(["article_id", "cluster_id"]), "article_id", right_suffix="_other"
    )
    first, second = (
        joined[name].combine_chunks().dictionary_encode().indices.to_numpy()
        for name in ("cluster_id", "cluster_id_other")
    )
    sizes = [
        np.bincount(labels)[labels] for labels in (first, second, cluster.common(first, second))
    ]
    return int(((sizes[0] != sizes[2]) | (sizes[1] != sizes[2])).sum())


def _columns(key: str, found: Mapping[str, Evaluation], gold: Gold) -> Iterator[Column]:
    def column(heading: str, cell: Callable[[Evaluation], str]) -> Column:
        return Column(f"{key} {heading}", {cut: cell(one) for cut, one in found.items()}, {})

    if isinstance(gold.truth, PairTruth):
        merits = {cut: _weighted(one) for cut, one in found.items()}
        yield column("weighted pair F1", lambda one: _cell(_weighted(one)))._replace(merits=merits)
        return
    merits = {cut: float(np.mean(_agreement(one))) for cut, one in found.items()}
    yield column("B-cubed F1, ARI", lambda one: _cell(*_agreement(one)))._replace(merits=merits)
    kinds = _kinds(gold)
    if kinds:
        yield column("pair F1", lambda one: _cell(one.pairs.f1))
    if "chain" in kinds:
        yield column("chain precision, recall", lambda one: _cell(*_of_chains(one)))
    if "bulletin" in kinds:
        yield column("wrong bulletin pairs", lambda one: f"{_wrong_bulletins(one):,.0f}")


def _kinds(gold: Gold) -> set[str]:
    """Kinds of edit that a truth of clusters tells."""
    kinds = getattr(gold.truth, "kinds", None)
    return set() if kinds is None else set(kinds.to_pylist())


def _weighted(found: Evaluation) -> float:
    assert found.weighted is not None
    return found.weighted.f1


def _agreement(found: Evaluation) -> tuple[float, float]:
    assert found.bcubed is not None and found.ari is not None
    return found.bcubed.f1, found.ari


def _of_chains(found: Evaluation) -> tuple[float, float]:
    return found.by_kind["chain"].precision, found.by_kind["chain"].recall


def _wrong_bulletins(found: Evaluation) -> float:
    bulletins = found.by_kind["bulletin"]
    return bulletins.predicted_pairs - bulletins.shared_pairs


def _cell(*figures: float) -> str:
    return " / ".join(show.figure("", value) for value in figures)


def _mean(columns: Iterable[Column]) -> Column:
    """Mean over truths, of B-cubed F1 and ARI in equal parts or of the weighted pair F1."""
    merits = [column.merits for column in columns if column.merits]
    cells = {cut: _cell(float(np.nanmean([one[cut] for one in merits]))) for cut in merits[0]}
    return Column("mean", cells, {})


def _rows(columns: Sequence[Column], names: Iterable[str]) -> list[list[str]]:
    return [
        ["cut", *(column.heading for column in columns)],
        *([name, *(column.cells[name] for column in columns)] for name in names),
    ]


# Made graphs

STORY = 0.85
"""Similarity of copies of one story."""

CHAIN, REACH = 12, 4
"""Updates of a chain; how many later two of them share nothing."""

STORIES, COPIES = 3, 4
"""Stories that a hub quotes; copies of each."""

PASSAGE = 1.3
"""Similarity, in floors, of a hub to the copies of each story that it has a passage of."""

BRIEF = 0.8
"""Similarity of a hub to the copies of each story where these are briefs that it has whole."""

BRIDGE = 0.5
"""Similarity of two articles of two stories with the same boilerplate."""


class Case(NamedTuple):
    """A graph of which it is known what should become of it.

    Attributes
    ----------
    matrix : ndarray of float32, shape (n, n)
        Similarities.
    is_right : callable
        Says of a partition whether that is so.
    """

    matrix: np.ndarray
    is_right: Callable[[np.ndarray], bool]


def cases(floor: float) -> dict[str, Case]:
    """The chain, the hubs and the bridge, by name."""
    return {
        "chain": chain(),
        "hub, a passage each": hub(PASSAGE * floor),
        "hub, whole briefs": hub(BRIEF),
        "bridge": bridge(BRIDGE),
    }


def chain() -> Case:
    """Updates, each made of the one before, which has lost all of the first after REACH of them.

    Right is what leaves none alone and gives each cluster a member that shares something with
    every other: one that can lead it.
    """
    places = np.arange(CHAIN)
    matrix = np.maximum(0, 1 - np.abs(places[:, None] - places) / REACH)

    def is_right(labels: np.ndarray) -> bool:
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        led = ((matrix[np.ix_(group, group)] > 0).all(axis=1).any() for group in groups)
        return all(led) and all(len(group) > 1 for group in groups)

    return Case(matrix.astype(np.float32), is_right)


def hub(similarity: float) -> Case:
    """A round-up, last of all, that holds something of each of some stories.

    Right is what leaves every story whole and no two together, wherever the round-up goes.
    """
    stories = np.append(np.repeat(np.arange(STORIES), COPIES), -1)
    matrix = np.where(stories[:, None] == stories, STORY, 0.0)
    matrix[-1, :-1] = matrix[:-1, -1] = similarity
    return Case(matrix.astype(np.float32), partial(_stories_stand, stories[:-1]))


def bridge(similarity: float) -> Case:
    """Two stories, and one article of each with the same boilerplate.

    Right is what leaves both whole and apart.
    """
    stories = np.repeat(np.arange(2), COPIES)
    matrix = np.where(stories[:, None] == stories, STORY, 0.0)
    matrix[COPIES - 1, COPIES] = matrix[COPIES, COPIES - 1] = similarity
    return Case(matrix.astype(np.float32), partial(_stories_stand, stories))


def _stories_stand(stories: np.ndarray, labels: np.ndarray) -> bool:
    labels = labels[: len(stories)]
    return bool(((labels[:, None] == labels) == (stories[:, None] == stories)).all())


def graph_of(matrix: np.ndarray, floor: float) -> Graph:
    """Similarities as a graph of texts that one article each has."""
    left, right = np.nonzero(np.triu(matrix, 1))
    return Graph(np.ones(len(matrix), np.int64), left, right, matrix[left, right], floor)


def case_columns(cuts: Mapping[str, Cut]) -> Iterator[Column]:
    """A column for each case: whether a cut is right, and how large its clusters are."""
    settings = Settings()
    own = partial(linked, method="average", share=settings.representation.cohesion)
    for name, case in cases(settings.similarity_floor).items():
        graph = graph_of(case.matrix, settings.similarity_floor)
        cells = {}
        for cut, partition in ({LIBRARY: own} | dict(cuts)).items():
            labels = partition(graph)
            sizes = sorted(np.unique(labels, return_counts=True)[1].tolist(), reverse=True)
            word = "right" if case.is_right(labels) else "wrong"
            cells[cut] = f"{word}: {'+'.join(map(str, sizes))}"
        yield Column(name, cells, {})


# Arguments


def _sets(given: argparse.Namespace, scratch: Path) -> Iterator[tuple[LabelledSet, str]]:
    """Each set with the profiles that it is to be run under."""
    found = find(given.data, read_labels(given.labels))
    if given.synth:
        found += make(given.synth, SEEDS, scratch)
    unknown = given.profiles.keys() - {chosen.name for chosen in found}
    if unknown:
        known = ", ".join(chosen.name for chosen in found)
        raise InputError("--profile", f"one of {known}", ", ".join(unknown), "correct the name")
    for chosen in found:
        for profile in dict.fromkeys([Settings().profile, *given.profiles.get(chosen.name, [])]):
            yield chosen, profile


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("data", type=Path, metavar="DATA_DIR", help="folder with labelled sets")
    add("--synth", type=int, default=20_000, help="articles of each made set; 0 makes none")
    add(
        "--profile",
        action="append",
        default=[],
        metavar="SET=PROFILE",
        help="run a set under this profile as well",
    )
    add("--docs", type=Path, nargs="?", metavar="FILE", const=HERE.parents[1] / "docs/accuracy.md")
    add("--labels", type=Path, default=HERE / "labels", metavar="DIR")
    given = parser.parse_args(arguments)
    given.profiles = {}
    for word in given.profile:
        name, _, profile = word.rpartition("=")
        if not name or profile not in PROFILES:
            parser.error(f"--profile wants SET=PROFILE, a profile of {', '.join(PROFILES)}")
        given.profiles.setdefault(name, []).append(profile)
    return given


if __name__ == "__main__":
    sys.exit(main())
