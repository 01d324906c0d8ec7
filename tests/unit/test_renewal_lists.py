"""Lists of hashes without those of other lists: what Python's sets do."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ragged

values = st.sets(st.sampled_from([0, 1, 2, 3, 2**63, 2**64 - 1]))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.tuples(values, values), max_size=6))
def test_minus(lists: list[tuple[set[int], set[int]]]) -> None:
    found = ragged(mine for mine, _ in lists).minus(ragged(others for _, others in lists))
    expected = ragged(mine - others for mine, others in lists)
    assert found.values.tolist() == expected.values.tolist()
    assert found.offsets.tolist() == expected.offsets.tolist()
