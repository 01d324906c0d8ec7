"""Shingles without page furniture and common phrases.

Law: what an outlet repeats in stories that have nothing else in common is template, however the
outlet's name is spelt; what comes back because the story comes back is copy.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from dedup.ragged import Ragged
from dedup.schemas import TEMPLATE
from dedup.settings import Settings
from dedup.stages import candidates, template
from dedup.threads import together


def without_template(
    shingles: Ragged, names: pa.StringArray, settings: Settings
) -> tuple[Ragged, pa.Table]:
    """Shingles without page furniture and common phrases, and the table of what was left out.

    Articles are versions of one story as far as they are close copies, template included.
    """
    # Counted up from 0 for the known, -1 for the unknown.
    _, sources = np.unique(np.append(outlets(names), -1), return_inverse=True)
    sources = sources[:-1] - 1
    profile, everywhere = settings.representation, np.zeros_like(sources)
    least = np.array([settings.template_stories, settings.template_articles]) * profile.repeats
    versions, by_source, by_all = together(
        settings.threads,
        lambda: _versions(shingles, settings),
        lambda: template.repeats(shingles, sources, min(least)),
        lambda: template.repeats(shingles, everywhere, settings.common_stories),
    )
    by_stories, by_articles = (
        template.floors(by_source, sources, floor, profile.share) for floor in least
    )
    held = template.members(by_source)
    repeated = held.lengths >= by_articles
    repeated |= template.stories(held, versions, by_stories) >= by_stories
    floors = template.floors(by_all, everywhere, settings.common_stories, profile.share)
    common = template.stories(template.members(by_all), versions, floors) >= floors
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


def _versions(shingles: Ragged, settings: Settings) -> Ragged:
    """Articles that each is a version of one story with, as `template.neighbours`."""
    sketches = candidates.sketch(shingles, settings.representation.scale * settings.sketch_scale)
    pairs = candidates.close_pairs(sketches, settings.version_floor, settings.bucket_cap)
    return template.neighbours(*pairs, len(shingles.lengths))


def outlets(sources: pa.StringArray) -> np.ndarray:
    """A number (int64) per outlet, the same in every run; -1 where it is unknown."""
    spelt = sources.dictionary_encode()
    keys = [template.outlet(name).encode() for name in spelt.dictionary.to_pylist()]
    digests = [hashlib.blake2b(key, digest_size=8).digest() for key in keys]
    numbers = np.array([int.from_bytes(digest, "little") >> 1 for digest in digests] + [-1])
    return numbers[spelt.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
