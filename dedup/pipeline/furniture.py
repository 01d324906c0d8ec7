"""Shingles without page furniture and common phrases.

Law: what an outlet repeats in stories that have nothing else in common is template, however the
outlet's name is spelt; what comes back because the story comes back is copy.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dedup.ragged import Ragged
from dedup.schemas import TEMPLATE
from dedup.settings import Settings
from dedup.stages import candidates, cluster, template
from dedup.threads import together


def without_template(
    shingles: Ragged, names: pa.StringArray, settings: Settings
) -> tuple[Ragged, pa.Table]:
    """Shingles without page furniture and common phrases, and the table of what was left out.

    Which articles are versions of one story has to be known to count stories, and what is template
    to tell versions: so first what an outlet repeats beyond any story goes, then versions are told
    by what is left, then stories are counted.
    """
    sources = outlets(names)
    profile, everywhere = settings.representation, np.zeros_like(sources)
    (by_source, beyond, stories), by_all = together(
        settings.threads,
        lambda: _stories(shingles, sources, settings),
        lambda: template.repeats(shingles, everywhere, settings.common_stories),
    )
    least = profile.repeats * settings.template_stories
    floors = template.floors(by_source, sources, least, profile.share)
    repeated = beyond | template.in_stories(by_source, stories, floors)
    floors = template.floors(by_all, everywhere, settings.common_stories, profile.share)
    common = template.in_stories(by_all, stories, floors)
    unnamed = pa.nulls(len(sources), pa.string())
    left_out = np.concatenate(
        [template.places(by_source, repeated), template.places(by_all, common)]
    )
    of_sources, of_all, kept = together(
        settings.threads,
        lambda: _template_table(shingles, by_source, repeated, names),
        lambda: _template_table(shingles, by_all, common, unnamed),
        lambda: shingles.without(left_out),
    )
    return kept, pa.concat_tables([of_sources, of_all])


def _template_table(
    shingles: Ragged, found: template.Repeats, chosen: np.ndarray, names: pa.StringArray
) -> pa.Table:
    counts = np.bincount(found.keys, minlength=found.n_keys)[chosen]
    first = np.empty(found.n_keys, np.int64)
    first[found.keys[::-1]] = found.positions[::-1]
    first = first[chosen]
    owners = np.searchsorted(shingles.offsets, first, side="right") - 1
    columns = [
        names.take(pa.array(owners)),
        pa.array(shingles.values[first]),
        pa.array(counts.astype(np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=TEMPLATE).sort_by(
        [("source", "ascending"), ("shingle", "ascending")]
    )


def _stories(
    shingles: Ragged, sources: np.ndarray, settings: Settings
) -> tuple[template.Repeats, np.ndarray, np.ndarray]:
    """What repeats within sources, which of it beyond any story, and the story of each article.

    Articles are of one story as far as they are close copies.
    """
    profile, each = settings.representation, np.arange(len(sources))
    by_source = template.repeats(shingles, sources, profile.repeats * settings.template_stories)
    least = profile.repeats * settings.template_articles
    floors = template.floors(by_source, sources, least, profile.share)
    beyond = template.in_stories(by_source, each, floors)
    furniture = template.places(by_source, beyond)
    rest = candidates.sketch(shingles, profile.scale * settings.sketch_scale, furniture)
    left, right = candidates.close_pairs(rest, settings.version_floor, settings.bucket_cap)
    return by_source, beyond, cluster.components(len(sources), left, right)


def outlets(sources: pa.StringArray) -> np.ndarray:
    """A number per outlet, -1 where it is unknown."""
    spelt = sources.dictionary_encode()
    outlets = pa.array(
        [template.outlet(name) for name in spelt.dictionary.to_pylist()], pa.string()
    )
    codes = outlets.dictionary_encode().indices.take(spelt.indices).fill_null(-1)
    return codes.to_numpy(zero_copy_only=False).astype(np.int64)
