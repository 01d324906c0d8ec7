"""Stories, told day by day.

Law: texts are told in the order of the day they were first published; those of a day join one
another and the stories of the days before, which they never change. What a text is about, template
included, depends on it alone. So what a day tells depends on its texts and on those of as many days
before as a story may span, and is told anew only when one of these came, went or changed its time.

A cluster is in the story of its lead, so that stories hold whole clusters. An article without a
date counts as published when its file was last modified.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.pipeline.language import Terms
from dedup.pipeline.renewal.furniture import order
from dedup.pipeline.renewal.memory import Memory
from dedup.pipeline.stories import Clusters, alike, vocabulary
from dedup.schemas import TEXTS, TOLD
from dedup.settings import Settings
from dedup.stages import linkage, story

_MICROSECONDS = 3.6e9  # of an hour


class _Texts(NamedTuple):
    """Texts that are alive, in the order of publication.

    Attributes
    ----------
    numbers : ndarray of int64
    hours : ndarray of float64
        First publication.
    days : ndarray of int64
    """

    numbers: np.ndarray
    hours: np.ndarray
    days: np.ndarray


def retell(
    memory: Memory, before: pa.Table, touched: np.ndarray, leads: pa.Table, settings: Settings
) -> pa.Table:
    """Bring the stories in memory up to date; rows as `schemas.TOLD` of what is told otherwise.

    Parameters
    ----------
    memory : Memory
        With the articles' clusters as they are now.
    before : pa.Table
        The texts before the run.
    touched : ndarray of int64
        Texts that came, went or changed.
    leads : pa.Table
        Columns ``cluster_id`` and ``lead_id`` of the clusters that were made anew.
    settings : Settings
    """
    texts = _in_order(memory)
    old = touched[touched < before.num_rows]
    old = old[before["alive"].to_numpy(zero_copy_only=False)[old]]
    alive = memory.tables["texts"]["alive"].to_numpy(zero_copy_only=False)
    new = touched[alive[touched]]
    changed = {*before["day"].to_numpy()[old].tolist(), *memory.texts("day")[new].tolist()}
    span = int(np.ceil(settings.story_hours / 24))
    stories = memory.texts("story").copy()
    stories[new] = -1
    for day in np.unique(texts.days).tolist():
        if changed.intersection(range(day - span, day + 1)):
            today = texts.numbers[texts.days == day]
            was = stories[today].copy()
            _tell(memory, texts, stories, day, settings)
            if not np.array_equal(was, stories[today]):
                changed.add(day)
    place = TEXTS.get_field_index("story")
    table = memory.tables["texts"]
    memory.tables["texts"] = table.set_column(place, TEXTS.field(place), pa.array(stories))
    return _renewed(memory, leads)


def _in_order(memory: Memory) -> _Texts:
    table = memory.tables["texts"]
    placed = order(table, table.num_rows)
    numbers = np.flatnonzero(placed.alive)
    numbers = numbers[np.argsort(placed.ranks[numbers])]
    hours = memory.texts("seen")[numbers] / _MICROSECONDS
    return _Texts(numbers, hours, memory.texts("day")[numbers])


def _tell(memory: Memory, texts: _Texts, stories: np.ndarray, day: int, settings: Settings) -> None:
    """Write the stories of a day's texts into `stories`: by number, the first text of each."""
    span = int(np.ceil(settings.story_hours / 24))
    inside = np.flatnonzero((texts.days >= day - span) & (texts.days <= day))
    # Those of the day last, whatever order undated ones are in.
    inside = inside[np.argsort(texts.days[inside] == day, kind="stable")]
    numbers, today = texts.numbers[inside], texts.days[inside] == day
    earlier = int(np.count_nonzero(~today))
    terms = Terms(
        memory.gather("bodies", "terms", numbers),
        memory.gather("bodies", "term_counts", numbers).values,
        memory.gather("bodies", "term_frequencies", numbers).values,
    )
    clusters = [Clusters(terms, np.arange(len(numbers) + 1))]  # each text alone
    # Positions follow the time of publication, places the time that is known of undated ones too.
    hours = texts.hours[inside]
    positions = np.argsort(hours, kind="stable")
    far = story.reach(hours[positions], settings.story_hours)

    def found() -> Iterator[linkage.Found]:
        for _, pairs in alike(clusters, vocabulary(terms), far, earlier, settings):
            left, right = np.sort([positions[pairs.left], positions[pairs.right]], axis=0)
            yield linkage.Found(left, right, pairs.cosine, complete=0)

    settled = np.full(len(inside), -1)
    settled[:earlier] = _first_alike(stories[numbers[:earlier]])
    first = np.full(len(stories), np.nan)
    first[texts.numbers] = texts.hours
    hours[:earlier] = first[stories[numbers[:earlier]]]
    limits = linkage.Limits(hours, settings.story_hours, settings.story_floor)
    joined = linkage.join(found(), limits, settled)
    # A story's smallest position is that of its first text here.
    known = np.full(len(inside), -1)
    known[joined[:earlier]] = stories[numbers[:earlier]]
    stories[numbers[earlier:]] = np.where(known >= 0, known, numbers)[joined[earlier:]]


def _first_alike(labels: np.ndarray) -> np.ndarray:
    """Position of the first that has the same label, of each."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


def _renewed(memory: Memory, anew: pa.Table) -> pa.Table:
    """Put the story of every cluster into memory; rows of those that have another than before."""
    known, articles = memory.tables["stories"], memory.tables["articles"]
    gone = pc.is_in(known["cluster_id"], value_set=anew["cluster_id"].combine_chunks())
    current = articles["cluster_id"].combine_chunks().unique()
    stays = pc.and_(pc.is_in(known["cluster_id"], value_set=current), pc.invert(gone))
    names = ("cluster_id", "lead_id")
    clusters = pa.concat_tables(
        [known.filter(stays).select(names), anew.select(names).cast(known.select(names).schema)]
    ).sort_by("lead_id")
    at = pc.index_in(clusters["lead_id"], value_set=articles["article_id"].combine_chunks())
    of_leads = articles["text"].to_numpy()[at.to_numpy()]
    labels = memory.texts("story")[of_leads]
    first = _first_hours(articles, clusters)
    by_story = np.lexsort((np.arange(len(labels)), first, labels))
    told, starts = np.unique(labels[by_story], return_index=True)
    ids = clusters["cluster_id"].combine_chunks()
    names_of = ids.take(pa.array(by_story[starts][np.searchsorted(told, labels)]))
    columns = [ids, clusters["lead_id"].combine_chunks(), names_of, pa.array(first)]
    memory.tables["stories"] = pa.Table.from_arrays(columns, schema=TOLD)
    at = pc.index_in(ids, value_set=known["cluster_id"].combine_chunks())
    before = known["story_id"].combine_chunks().take(at)
    same = pc.equal(before, names_of).fill_null(False)
    return memory.tables["stories"].filter(pc.invert(same))


def _first_hours(articles: pa.Table, clusters: pa.Table) -> np.ndarray:
    """First publication of each cluster, in hours."""
    ids = clusters["cluster_id"].combine_chunks()
    of_articles = pc.index_in(articles["cluster_id"], value_set=ids).to_numpy()
    times = pc.coalesce(articles["published_at"], articles["modified"]).cast(pa.int64())
    first = np.full(len(ids), np.inf)
    np.minimum.at(first, of_articles, times.to_numpy() / _MICROSECONDS)
    return first
