"""An explanation on the screen.

Law: what is shown of the articles is shown as text; nothing in it is markup, and nothing in it can
move the cursor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dedup.explain.answer import Explanation, Pair, Passage
from dedup.stages import verify

_SHOWN_PASSAGES, _SHOWN_LENGTH = 5, 400


def render(found: Explanation) -> RenderableType:
    """The explanation for the screen."""
    parts: list[RenderableType] = [Text(_plain(found.verdict), "bold"), "", _articles(found)]
    if found.pair or found.alone:
        parts += ["", _scores(found)]
    parts += [Text(f"\nCounts {each.weight:.2f}: {_plain(each.why)}") for each in found.lowered]
    if len(found.path) > 1:
        parts += ["", "Path", *(Text(f"  {_step(pair)}") for pair in found.path)]
    own = [passage for passage in found.passages if passage.own]
    others = [passage for passage in found.passages if not passage.own]
    parts += _listed("Shared passages", own, found.unit)
    parts += _listed("Shared but not own, as quotation or beside template", others, found.unit)
    for article in (found.left, found.right):
        heading = f"Left out of {article.article_id} as"
        parts += _listed(f"{heading} template", article.template, found.unit)
        parts += _listed(f"{heading} gallery or list", article.lists, found.unit)
        parts += [Text(f"\n{_plain(f'{heading} credit: {credit}')}") for credit in article.credits]
    return Group(*parts, *(Text(f"\nNote: {_plain(note)}") for note in found.notes))


def _articles(found: Explanation) -> Table:
    table = Table("")
    for side in (found.left, found.right):
        table.add_column(Text(_plain(side.article_id)))
    for name in (
        "title",
        "source",
        "published_at",
        "agency",
        "cluster_id",
        "story_id",
        "shingles",
        "template_shingles",
    ):
        values = (getattr(side, name) for side in (found.left, found.right))
        cells = ("-" if value is None else _plain(str(value)) for value in values)
        table.add_row(name.replace("_", " "), *map(Text, cells))
    return table


def _scores(found: Explanation) -> Table:
    table = Table("", "value", "threshold")
    for row in (*_weighed(found), *_counted(found)):
        table.add_row(*row)
    return table


def _weighed(found: Explanation) -> Iterator[tuple[str, str, str]]:
    """Rows of what takes the rarity of words, or would."""
    pair, alone = found.pair, found.alone
    if pair:
        yield "similarity", f"{pair.similarity:.3f}", f"{found.similarity_floor:g}"
        yield "score (probability)", f"{pair.score:.3f}", ""
        yield "own words held", f"{pair.held:.3f}", ""
        yield "cosine of own words", f"{pair.cosine:.3f}", ""
    elif alone and alone.exact:
        yield "similarity", f"{alone.similarity:.3f}", f"{found.similarity_floor:g}"
        yield "own words held", f"{alone.held:.3f}", ""
    elif alone:
        yield "own words held", f"{alone.held:.3f}, were all equally rare", ""
    if pair and alone:
        asked = f"lowered below {alone.agreement_asked:.2f}"
        yield "agreement of figures", f"{pair.agreement:.3f}", asked
    elif pair:
        yield "agreement of figures", f"{pair.agreement:.3f}", ""
    if alone and alone.longest:
        yield "longest own passage", f"{alone.longest:,} {found.unit}", ""


def _counted(found: Explanation) -> Iterator[tuple[str, str, str]]:
    """Rows of what can be counted in the two texts."""
    counts = found.pair or found.alone
    assert counts
    contained = f"{verify.LEAST_CONTAINMENT:g}, of an excerpt {verify.EXCERPT_CONTAINMENT:g}"
    yield "Jaccard", f"{counts.jaccard:.3f}", f"of a copy {verify.COPY_JACCARD:g}"
    yield "share of left in right", f"{counts.containment_left:.3f}", contained
    yield "share of right in left", f"{counts.containment_right:.3f}", contained
    yield "shared shingles", f"{counts.shared_shingles:,}", f"{found.shared_floor}"
    if found.alone and found.alone.figures:
        yield "figures in common", "{} of {}".format(*found.alone.figures), ""
    if found.hours_apart is not None:
        yield "hours apart", f"{found.hours_apart:.1f}", f"lowered above {verify.HOURS_OF_COPY}"


def _step(pair: Pair) -> str:
    return _plain(
        f"{pair.left_id} - {pair.right_id}: {pair.relation}, similarity {pair.similarity:.3f}"
    )


def _listed(heading: str, passages: Sequence[Passage], unit: str) -> list[RenderableType]:
    """The first passages under a heading; nothing when there are none."""
    if not passages:
        return []
    words = sum(passage.words for passage in passages)
    lines = [Text(f"\n{_plain(heading)} ({words:,} {unit} in {len(passages):,})")]
    for passage in passages[:_SHOWN_PASSAGES]:
        text = _plain(passage.text)
        shown = text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + " …"
        own = f", {passage.own:,} of them own" if 0 < passage.own < passage.words else ""
        lines.append(Text(f"  {passage.words:,} {unit}{own}: “{shown}”"))
    return [*lines]


def _plain(text: str) -> str:
    """One line, without what would move a terminal's cursor."""
    return "".join(filter(str.isprintable, " ".join(text.split())))
