"""Why two articles are together, or not.

Law: an explanation says only what the run published and what the two texts show, and the same for
both orders of the two. What can no longer be had, because an input is gone, is said and not
guessed; what is only likely is called so.

Scores of a pair that the run kept are the run's own. Those of any other pair are had again where
the language says how rare words are. Where the corpus does, they took what the run does not
publish: of these is said what the two texts show by themselves, and what would have kept them apart
were all words equally rare.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dedup.errors import InputError
from dedup.explain.answer import (
    REASONS,
    Alone,
    Article,
    Explanation,
    Lowered,
    Pair,
    Passage,
    Window,
)
from dedup.explain.published import (
    Row,
    Versions,
    cluster_row,
    kept_pair,
    path,
    versions,
    was_proposed,
)
from dedup.explain.reading import Reading, read_again
from dedup.explain.remembered import memory_of, remembered
from dedup.settings import Settings
from dedup.stages import verify
from dedup.store import Result, read

__all__ = [
    "REASONS",
    "Alone",
    "Article",
    "Explanation",
    "Lowered",
    "Pair",
    "Passage",
    "Window",
    "explain",
]


def explain(output: str | Path, left_id: str, right_id: str) -> Explanation:
    """Explain two articles of the latest run under an output folder.

    Parameters
    ----------
    output : str or Path
        The output folder, local or a URL.
    left_id, right_id : str
        Ids of two articles, in either order.

    Raises
    ------
    InputError
        When an id is not among the run's articles, or both are the same.
    OutputError
        When there is no run.
    RunError
        When the run is damaged.
    """
    if left_id == right_id:
        raise InputError(f"article {left_id!r}", "two articles", "one twice", "name another")
    run = read(output)
    settings = Settings.checked(run.info["settings"])
    left, right = (cluster_row(run, name) for name in sorted((left_id, right_id)))
    texts = _versions(output, run, (left, right), settings)
    memory = texts.remembered
    reading, notes = read_again(run, (left, right), texts, settings)
    pair, alone = kept_pair(run, (left, right), texts.rows), reading and reading.alone(settings)
    together = left["cluster_id"] == right["cluster_id"]
    proposed = _proposed(run, texts)
    lowered = _lowered(pair, alone, texts, settings.representation.late_weight)
    reason = "kept" if together else "cut"
    if pair is None and memory and memory.out_of_window:
        reason = "out_of_window"
    elif pair is None:
        reason = _likely(reading, lowered, bool(proposed) or together, settings)
    gram = settings.representation.gram
    return Explanation(
        run_id=run.info["run_id"],
        left=_article(left, reading, 0),
        right=_article(right, reading, 1),
        reason=reason,
        proposed=proposed,
        pair=pair,
        alone=alone,
        lowered=lowered,
        hours_apart=_hours_apart(left["published_at"], right["published_at"]),
        window=memory.window if memory else None,
        similarity_floor=settings.similarity_floor,
        shared_floor=settings.shared_floor,
        passages=reading.shared_passages() if reading else (),
        path=path(run, left, right) if together else (),
        unit=f"{gram}-grams" if gram else "words",
        notes=tuple(notes),
    )


def _versions(
    output: str | Path, run: Result, rows: tuple[Row, Row], settings: Settings
) -> Versions:
    """The two texts as the run compared them, by what it remembers where it does."""
    texts = versions(run, rows, settings)
    memory = memory_of(output, run)
    if memory is None:
        return texts
    ids = rows[0]["article_id"], rows[1]["article_id"]
    found = remembered(memory, ids, texts.hours, settings)
    templates = found.origins.templates if found.origins else texts.templates
    return texts._replace(templates=templates, remembered=found)


def _proposed(run: Result, texts: Versions) -> bool | None:
    if was_proposed(run, texts.rows):
        return True
    memory = texts.remembered
    # An earlier run may have proposed them.
    return None if memory and not memory.out_of_window else False


def _lowered(
    pair: Pair | None, alone: Alone | None, texts: Versions, late_weight: float
) -> tuple[Lowered, ...]:
    if pair and pair.relation == "identical":
        return ()
    found = []
    agreement = pair.agreement if pair else alone.agreement if alone and alone.longest else None
    if alone and agreement is not None and agreement < alone.agreement_asked:
        short = (alone.agreement_asked - agreement) / verify.AGREEMENT_WIDTH
        about = "" if pair or alone.exact else "about "
        why = (
            f"their figures disagree: {about}{agreement:.0%} in common, and "
            f"{alone.agreement_asked:.0%} are asked for at a longest passage of {alone.longest}"
        )
        found.append(Lowered("figures_disagree", max(1 - short, 0.0), why))
    apart = abs(texts.hours[0] - texts.hours[1])
    if apart > verify.HOURS_OF_COPY:
        why = f"{apart:.1f} hours lie between them, more than {verify.HOURS_OF_COPY}"
        found.append(Lowered("days_apart", late_weight, why))
    if texts.outlets[0] == texts.outlets[1] >= 0:
        why = f"one outlet has both ({texts.rows[0]['source']}), and repeats its own background"
        found.append(Lowered("same_outlet", verify.OUTLET_WEIGHT, why))
    return tuple(sorted(found, key=lambda each: each.weight))


def _likely(
    reading: Reading | None, lowered: tuple[Lowered, ...], compared: bool, settings: Settings
) -> str:
    """Why the run kept no scores of two texts."""
    if reading is None:
        return "unknown"
    scores, floor = reading.scores, np.float32(settings.similarity_floor)
    containment = max(scores.containment_left[0], scores.containment_right[0])
    if scores.shared[0] < settings.shared_floor or containment < verify.LEAST_CONTAINMENT:
        return "little_shared"
    if scores.similarity[0] >= floor:
        # What the run compared with these very weights, it kept.
        return "rare_words" if compared and not reading.exact else "not_compared"
    if not lowered or reading.unlowered() < floor:
        return "little_held"
    return lowered[0].cause


def _article(row: Any, reading: Reading | None, i: int) -> Article:
    facts = {name: row[name] for name in Article.__dataclass_fields__.keys() & row.keys()}
    return Article(**facts, **(reading.left_out(i) if reading else {}))


def _hours_apart(left: datetime | None, right: datetime | None) -> float | None:
    if left is None or right is None:
        return None
    return abs((left - right).total_seconds()) / 3600
