"""From a promise to bands and rows.

Law: the user states what shall be found; the plan follows from it and is never guessed. Two texts
of Jaccard similarity s agree in all rows of at least one band with probability
1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dedup.errors import SettingsError


class Plan(NamedTuple):
    """Bands and rows of MinHash LSH.

    Attributes
    ----------
    bands, rows : int
        More bands find more, more rows propose fewer false pairs.
    """

    bands: int
    rows: int

    def recall(self, jaccard: float) -> float:
        """Probability that two texts of this Jaccard similarity become a candidate pair."""
        return 1 - (1 - jaccard**self.rows) ** self.bands


def plan(floor: float, recall: float, num_perm: int) -> Plan:
    """The most selective plan that keeps the promise: most rows, then fewest bands.

    Parameters
    ----------
    floor : float in (0, 1]
        Jaccard similarity the promise is about.
    recall : float in (0, 1)
        Share of pairs at the floor that shall become candidates.
    num_perm : int
        Signature values there are.

    Raises
    ------
    SettingsError
        When no plan within `num_perm` values keeps the promise.
    """
    for rows in range(num_perm, 0, -1):
        bands = _bands(floor**rows, recall)
        if bands <= num_perm // rows:
            return Plan(int(bands), rows)
    raise SettingsError(
        "recall_at_floor",
        f"at most {1 - (1 - floor) ** num_perm:.3f} with {num_perm} permutations at {floor}",
        str(recall),
        "raise num_perm or similarity_floor, or lower recall_at_floor",
    )


def _bands(agreement: float, recall: float) -> float:
    """Fewest bands so that one of them agrees with probability `recall`."""
    if agreement == 1:
        return 1
    # So many rows that they never agree: no number of bands will do.
    if agreement < 1e-300:
        return math.inf
    return math.ceil(math.log1p(-recall) / math.log1p(-agreement))
