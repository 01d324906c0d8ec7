"""Who keeps an id, who gets a new one, and what is written down of it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.pipeline.renewal.identity import Gone, Identities, identify
from dedup.schemas import LINEAGE

_IDS = pa.schema([LINEAGE.field(name) for name in ("article_id", "cluster_id")])
Row = tuple[str, str | None, str, str | None, int]


def gone(*articles: tuple[str, str, bool]) -> Gone:
    names, clusters, corrected = ([article[at] for article in articles] for at in range(3))
    table = pa.table({"article_id": names, "cluster_id": clusters}, schema=_IDS)
    return Gone(table, np.array(corrected, bool))


def ask(leads: str, former: str = "", left: Gone | None = None, taken: str = "") -> Identities:
    """Pairs as ``"a:b c:b"``: the lead, or the former cluster, of each article."""
    pairs = [dict(word.split(":") for word in words.split()) for words in (leads, former)]
    return identify(pairs[0], pairs[1], left or gone(), taken.split(), "r1")


def rows(found: Identities) -> list[Row]:
    assert found.lineage.schema.equals(LINEAGE)
    assert set(found.lineage["run_id"].to_pylist()) <= {"r1"}
    names = ("cluster_id", "became", "reason", "article_id", "articles")
    return [tuple(row[name] for name in names) for row in found.lineage.to_pylist()]


def test_a_new_cluster_has_the_id_of_its_lead() -> None:
    found = ask("a:a b:a c:c")
    assert (found.ids, rows(found), found.retired) == ({"a": "a", "c": "c"}, [], [])


def test_an_id_stays_whatever_joins_or_leads() -> None:
    found = ask("a:n b:n n:n", "a:x b:x")
    assert (found.ids, rows(found), found.retired) == ({"n": "x"}, [], [])


def test_of_those_that_merge_the_one_that_brings_most_stays() -> None:
    found = ask("a:a b:a c:a d:a e:a", "a:x b:y c:y d:z e:z")
    assert found.ids == {"a": "y"}  # of equals the smaller id
    assert rows(found) == [("x", "y", "merge", None, 1), ("z", "y", "merge", None, 2)]
    assert found.retired == ["x", "z"]


def test_of_parts_the_largest_keeps_the_id() -> None:
    found = ask("a:a b:b c:b d:d e:d f:d", "a:x b:x c:x d:x e:x f:x")
    assert found.ids == {"a": "a", "b": "b", "d": "x"}
    assert rows(found) == [("x", "a", "split", None, 1), ("x", "b", "split", None, 2)]
    assert ask("a:a b:b", "a:x b:x").ids == {"a": "x", "b": "b"}  # of equals the smaller lead


def test_one_whose_largest_part_goes_to_another_is_gone() -> None:
    found = ask("a:a b:a c:a d:a e:a f:f", "a:x b:x c:x d:y e:y f:y")
    assert found.ids == {"a": "x", "f": "f"}
    assert rows(found) == [("y", "x", "merge", None, 2), ("y", "f", "merge", None, 1)]
    assert found.retired == ["y"]


def test_an_id_that_is_or_was_anothers_gets_a_number() -> None:
    assert ask("a:a", taken="a").ids == {"a": "a~2"}
    assert ask("a:a", taken="a a~2").ids == {"a": "a~3"}
    assert ask("a:a", left=gone(("b", "a", False))).ids == {"a": "a~2"}
    assert ask("a:a b:b c:b d:b", "a:a b:a c:a d:a").ids == {"a": "a~2", "b": "a"}


def test_take_downs_and_corrections_name_the_article() -> None:
    left = gone(("q", "y", False), ("b", "x", True), ("p", "z", False), ("a", "x", False))
    found = ask("a:a b:b c:c", "a:x c:x b:x", left)
    assert found.ids == {"a": "x", "b": "b", "c": "c"}
    assert rows(found)[2:] == [
        ("x", "b", "correction", "b", 1),  # and of `a`, which has the text it had, nothing
        ("y", None, "retraction", "q", 1),
        ("z", None, "retraction", "p", 1),
    ]
    assert found.retired == ["y", "z"]


articles = st.sampled_from("abcdefgh")
ids = st.sampled_from([*"abcdwxyz", "a~2"])


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.dictionaries(articles, st.integers(0, 3)), st.dictionaries(articles, ids), st.sets(ids))
def test_ids_are_new_or_their_own_and_moves_add_up(
    drawn: dict[str, int], before: dict[str, str], others: set[str]
) -> None:
    groups: dict[int, list[str]] = {}
    for article in sorted(drawn):
        groups.setdefault(drawn[article], []).append(article)
    leads = {article: group[-1] for group in groups.values() for article in group}
    former = {article: old for article, old in before.items() if article in leads}
    left = gone(*((a, old, False) for a, old in before.items() if a not in leads))
    taken = others - set(before.values())
    found = identify(leads, former, left, taken, "r1")
    assert found.ids.keys() == set(leads.values())
    assert len(set(found.ids.values())) == len(found.ids)
    held = set(before.values())
    for lead, name in found.ids.items():
        assert name not in taken
        mine = {former.get(article) for article in leads if leads[article] == lead}
        assert name in mine or name not in held
    assert found.retired == sorted(held - set(found.ids.values()))
    moves = Counter((old, found.ids[leads[a]]) for a, old in former.items())
    moves = Counter({move: n for move, n in moves.items() if move[0] != move[1]})
    told = {(row[0], row[1]): row[4] for row in rows(found) if row[2] in ("merge", "split")}
    assert told == moves
    retracted = [row[3] for row in rows(found) if row[2] == "retraction"]
    assert sorted(map(str, retracted)) == sorted(before.keys() - leads.keys())
