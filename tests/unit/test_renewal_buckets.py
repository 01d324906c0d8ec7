"""Buckets that grow: what sorting the living of each gives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ragged, shared_hashes

from dedup.numbering import counted
from dedup.ragged import Ragged
from dedup.stages.buckets import Order, displaced, proposals

# Derandomised: the examples follow from the test itself, so they are the same everywhere.
brief = settings(derandomize=True, deadline=None, max_examples=300)
ENTRIES = 9
Buckets = list[list[int]]
buckets = st.lists(st.lists(st.integers(0, ENTRIES - 1), unique=True, max_size=7), max_size=5)
flags = st.lists(st.booleans(), min_size=ENTRIES, max_size=ENTRIES).map(np.array)
ranks = st.permutations(range(ENTRIES)).map(np.array)
orders = st.builds(Order, flags, ranks)


def of(lists: Buckets) -> Ragged:
    found = ragged(lists)
    return Ragged(found.values.astype(np.uint32), found.offsets)


def living(bucket: list[int], order: Order) -> list[int]:
    return sorted((e for e in bucket if order.alive[e]), key=lambda entry: order.ranks[entry])


@brief
@given(buckets, orders, flags, st.integers(1, 4))
def test_first_members_are_paired_with_all(
    given_buckets: Buckets, order: Order, chosen: np.ndarray, cap: int
) -> None:
    expected = []
    for bucket in given_buckets:
        members = living(bucket, order)
        for place, first in enumerate(members[:cap]):
            others = [other for other in members[place + 1 :] if chosen[first] or chosen[other]]
            expected += [(first << 32) | other for other in others]
    found = proposals(of(given_buckets), order, chosen, cap)
    assert sorted(found.tolist()) == sorted(expected)


@brief
@given(buckets, orders, orders, st.integers(1, 4))
def test_who_loses_or_gains_a_place(
    given_buckets: Buckets, before: Order, after: Order, cap: int
) -> None:
    """Of those who live before and after; of the others it is no news that they changed."""
    expected = np.zeros(ENTRIES, bool)
    for bucket in given_buckets:
        firsts = ({*living(bucket, order)[:cap]} for order in (before, after))
        expected[list(set.symmetric_difference(*firsts))] = True
    found = displaced(of(given_buckets), before, after, cap)
    stays = before.alive & after.alive
    assert found[stays].tolist() == expected[stays].tolist()
    assert not np.any(found & ~expected)


@brief
@given(buckets, orders, orders, flags, st.integers(1, 4))
def test_pairs_change_only_by_those_chosen_and_displaced(
    given_buckets: Buckets, before: Order, after: Order, touched: np.ndarray, cap: int
) -> None:
    """The law: with the old pairs of nobody else they are all there are."""
    # Only those who are touched come, go or change their rank.
    after = Order(
        np.where(touched, after.alive, before.alive),
        np.where(touched, after.ranks + ENTRIES * (after.ranks % 2), before.ranks) * 2 + touched,
    )
    before = before._replace(ranks=before.ranks * 2)
    lists, everyone = of(given_buckets), np.ones(ENTRIES, bool)
    looked_at = touched | displaced(lists, before, after, cap)
    was, now = (set(proposals(lists, order, everyone, cap).tolist()) for order in (before, after))
    kept = {pair for pair in was if not looked_at[pair >> 32] | looked_at[pair & 0xFFFFFFFF]}
    assert kept | set(proposals(lists, after, looked_at, cap).tolist()) == now


@pytest.mark.parametrize("cap", [2, 300])
def test_pairs_are_those_of_candidate_search(cap: int) -> None:
    """With everybody chosen, in the order of their numbers; also more than there is room for."""
    rng = np.random.default_rng(cap)
    print(f"seed {cap}")
    holds = rng.random((5, 400)) < 0.9
    texts = ragged([np.flatnonzero(holds[:, text]).tolist() for text in range(400)])
    lists = of([np.flatnonzero(row).tolist() for row in holds])
    order = Order(np.ones(400, bool), np.arange(400))
    found, _ = counted(proposals(lists, order, np.ones(400, bool), cap))
    expected = shared_hashes(texts, cap).keys
    assert found.tolist() == expected.tolist()
    assert all(a < b for a, b in pairwise(found.tolist()))
    assert len(found) > (65_536 if cap == 300 else 400)
