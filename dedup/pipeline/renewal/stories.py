"""Stories, told day by day.

Law: clusters are told in the order of the day they began; those of a day join one another and the
stories of the days before, which they never change. So what a day tells depends on that day and as
many before as a story may span, and is told anew only when something in these changed.

An article without a date counts as published when its file was last modified.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.numbering import among
from dedup.pipeline.language import Terms
from dedup.pipeline.renewal.furniture import orders
from dedup.pipeline.renewal.memory import Memory
from dedup.pipeline.stories import packed, profiles
from dedup.schemas import TOLD
from dedup.settings import Settings
from dedup.stages import story
from dedup.threads import ARTICLES, in_order, spans

_MICROSECONDS = 3.6e9  # of an hour


class _Clusters(NamedTuple):
    """Clusters in the order of their leads' ids.

    Attributes
    ----------
    ids, leads : pa.Array
    first : ndarray of float64
        First publication, in hours.
    days : ndarray of int64
    stories : ndarray of int64
        Number of the story's first cluster; -1 where it is not told, or that one is gone.
    texts : ndarray of int64
        Cluster of each text, by the text's number; -1 for those that are not alive.
    """

    ids: pa.Array
    leads: pa.Array
    first: np.ndarray
    days: np.ndarray
    stories: np.ndarray
    texts: np.ndarray


def retell(memory: Memory, anew: pa.Table, settings: Settings) -> pa.Table:
    """Bring the stories in memory up to date; rows as `schemas.TOLD` of what is told otherwise.

    Parameters
    ----------
    memory : Memory
        With the articles' clusters as they are now.
    anew : pa.Table
        Columns ``cluster_id`` and ``lead_id`` of the clusters that were made anew.
    settings : Settings
    """
    known = memory.tables["stories"]
    clusters, dirty = _clusters(memory, known, anew)
    span = int(np.ceil(settings.story_hours / 24))
    told = clusters.stories.copy()
    changed = set(dirty)

    for day in np.unique(clusters.days).tolist():
        near = range(day - span, day + 1)
        if changed.intersection(near):
            today = clusters.days == day
            _tell(memory, clusters._replace(stories=told), day - span, settings)
            if not np.array_equal(told[today], clusters.stories[today]):
                changed.add(day)
    names = clusters.ids.take(pa.array(told))
    columns = [clusters.ids, clusters.leads, names, pa.array(clusters.first)]
    memory.tables["stories"] = pa.Table.from_arrays(columns, schema=TOLD)
    at = pc.index_in(clusters.ids, value_set=known["cluster_id"].combine_chunks())
    before = known["story_id"].combine_chunks().take(at)
    same = pc.equal(before, names).fill_null(False)
    return memory.tables["stories"].filter(pc.invert(same))


def _clusters(memory: Memory, known: pa.Table, anew: pa.Table) -> tuple[_Clusters, list[int]]:
    """The clusters of now, and the days on which one came, went or changed."""
    articles = memory.tables["articles"]
    known_ids, new_ids = known["cluster_id"].combine_chunks(), anew["cluster_id"].combine_chunks()
    current = articles["cluster_id"].combine_chunks().unique()
    stays = pc.and_(
        pc.is_in(known_ids, value_set=current), pc.invert(pc.is_in(known_ids, value_set=new_ids))
    )
    kept = known.filter(stays)
    ids = pa.concat_arrays([kept["cluster_id"].combine_chunks(), new_ids])
    leads = pa.concat_arrays(
        [kept["lead_id"].combine_chunks(), anew["lead_id"].combine_chunks()]
    )
    order = pc.sort_indices(leads)
    ids, leads = ids.take(order), leads.take(order)
    of_articles = pc.index_in(articles["cluster_id"], value_set=ids).to_numpy()
    hours = pc.coalesce(articles["published_at"], articles["modified"]).cast(pa.int64())
    first = np.full(len(ids), np.inf)
    np.minimum.at(first, of_articles, hours.to_numpy() / _MICROSECONDS)
    texts = np.full(memory.tables["texts"].num_rows, -1)
    texts[articles["text"].to_numpy()] = of_articles
    days = (first // 24).astype(np.int64)
    stories = pc.index_in(
        kept["story_id"].combine_chunks(), value_set=ids
    ).fill_null(-1).to_numpy(zero_copy_only=False)
    stories = np.append(stories, np.full(len(new_ids), -1))[order.to_numpy()]
    gone = known.filter(pc.invert(stays))["first"].to_numpy() // 24
    came = days[pc.is_in(ids, value_set=new_ids).to_numpy(zero_copy_only=False)]
    dirty = np.unique(np.concatenate([gone.astype(np.int64), came])).tolist()
    return _Clusters(ids, leads, first, days, stories, texts), dirty


def _tell(memory: Memory, clusters: _Clusters, since: int, settings: Settings) -> None:
    """Tell the clusters of a day, `since` being the first of those it looks back to."""
    day = since + int(np.ceil(settings.story_hours / 24))
    inside = np.flatnonzero((clusters.days >= since) & (clusters.days <= day))
    today = clusters.days[inside] == day
    local = np.full(len(clusters.ids) + 1, -1)
    local[inside] = np.arange(len(inside))
    about, of_texts = _about(memory, clusters.texts, local)
    first = clusters.first[inside]
    means = story.of_clusters(about, of_texts, len(inside))
    index = story.index(means, first, settings.story_hours)
    forms = (
        local[clusters.texts[memory.tables["forms"][end].to_numpy()]] for end in ("left", "right")
    )
    unlike = np.sort(packed(*forms))

    def alike(part: slice) -> story.Pairs:
        found = story.pairs(index, slice(part.start + earlier, part.stop + earlier))
        kept = ~among(packed(found.left, found.right), unlike)
        return story.Pairs(*(column[kept] for column in found))

    earlier = int(np.count_nonzero(~today))
    found = list(in_order(alike, spans(int(today.sum()), ARTICLES), settings.threads))
    settled, before = np.full(len(inside), -1), np.flatnonzero(~today)
    settled[before] = before[_smallest(clusters.stories[inside[before]])]
    hours = np.where(today, first, clusters.first[clusters.stories[inside]])
    joined = story.join(found, hours, settings.story_hours, settings.story_floor, settled)
    # A story is named after its first cluster, which an earlier day has if any has it.
    order = np.lexsort((np.arange(len(inside)), first, joined))
    _, starts = np.unique(joined[order], return_index=True)
    named = np.empty(len(inside), np.int64)
    named[joined[order[starts]]] = inside[order[starts]]
    had = np.full(len(inside), -1)
    had[joined[~today]] = clusters.stories[inside][~today]
    stories = np.where(had[joined] >= 0, had[joined], named[joined])
    clusters.stories[inside[today]] = stories[today]


def _about(
    memory: Memory, of_texts: np.ndarray, local: np.ndarray
) -> tuple[story.Profiles, np.ndarray]:
    """Profiles of the texts of chosen clusters, by how rare their words are among them."""
    texts = np.flatnonzero(local[of_texts] >= 0)
    table = memory.tables["texts"]
    texts = texts[np.argsort(orders(table, table)[1].ranks[texts])]
    terms = Terms(
        memory.gather("bodies", "terms", texts),
        memory.gather("bodies", "term_counts", texts).values,
        memory.gather("bodies", "term_frequencies", texts).values,
    )
    return profiles(terms), local[of_texts[texts]]


def _smallest(labels: np.ndarray) -> np.ndarray:
    """Position of the first that has the same label, of each."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]
