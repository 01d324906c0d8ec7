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

    Articles are versions of one story as far as they are close copies, template included. Of an
    article of unknown source no furniture can be told, so phrases common to all stand in for it.
    """
    # Counted up from 0 for the known, -1 for the unknown.
    _, sources = np.unique(np.append(outlets(names), -1), return_inverse=True)
    sources = sources[:-1] - 1
    versions = _versions(shingles, settings)
    of_sources, of_all = together(
        settings.threads,
        lambda: _of_sources(shingles, sources, versions, settings),
        lambda: _of_all(shingles, sources < 0, versions, settings),
    )
    unnamed = pa.nulls(len(sources), pa.string())
    positions = [template.places(*found) for found in (of_sources, of_all)]
    left_out = np.concatenate(positions)
    *tables, kept = together(
        settings.threads,
        lambda: _template_table(shingles, of_sources, names),
        lambda: _template_table(shingles, of_all, unnamed),
        lambda: shingles.without(left_out),
    )
    return kept, pa.concat_tables(tables)


def _of_sources(
    shingles: Ragged, sources: np.ndarray, versions: Ragged, settings: Settings
) -> tuple[template.Repeats, np.ndarray]:
    """What repeats within sources, and which of it is template."""
    profile = settings.representation
    least = np.array([settings.template_stories, settings.template_articles]) * profile.repeats
    found = template.repeats(shingles, sources, min(least))
    in_stories, in_articles = (
        template.floors(found, sources, floor, profile.share) for floor in least
    )
    held = template.members(found)
    told = template.stories(held, versions, in_stories)
    return found, (held.lengths >= in_articles) | (told >= in_stories)


def _of_all(
    shingles: Ragged, unknown: np.ndarray, versions: Ragged, settings: Settings
) -> tuple[template.Repeats, np.ndarray]:
    """What articles of unknown source hold that repeats everywhere, and which of it is common."""
    everywhere = np.where(unknown.any(), np.zeros(len(unknown), np.int64), -1)
    found = template.repeats(shingles, everywhere, settings.common_stories)
    share = settings.representation.share
    floors = template.floors(found, everywhere, settings.common_stories, share)
    common = template.stories(template.members(found), versions, floors) >= floors
    return template.of_articles(found, unknown), common


def _template_table(
    shingles: Ragged, repeated: tuple[template.Repeats, np.ndarray], names: pa.StringArray
) -> pa.Table:
    found, chosen = repeated
    counts = np.bincount(found.keys, minlength=found.n_keys)
    chosen = chosen & (counts > 0)
    counts = counts[chosen]
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
