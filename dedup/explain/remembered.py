"""What incremental runs remember of two articles.

Law: where runs remember, that says how the two were compared. Their tables alone would not: these
have one template for all days, and the candidates of the last run only.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.explain.answer import Window
from dedup.pipeline.renewal.memory import Memory
from dedup.settings import Settings
from dedup.stages import cluster
from dedup.state.files import StateFiles
from dedup.store import Result, Store


class Remembered(NamedTuple):
    """Two articles in memory; index 0 is the left, 1 the right.

    Attributes
    ----------
    files : list of str
        File that the row of each that counts came in, below the inbox.
    rows : list of int
        Zero-based position of that row.
    hashes : ndarray of uint64, shape (2,)
        Of the texts, as `sign.Body` has them.
    templates : list of ndarray of uint64
        Hashes of the shingles that were left out of each.
    window : Window
    connected : bool
        Whether pairs connect their texts, so that these were compared however far apart.
    """

    files: list[str]
    rows: list[int]
    hashes: np.ndarray
    templates: list[np.ndarray]
    window: Window
    connected: bool

    @property
    def out_of_window(self) -> bool:
        """Whether the two were not compared because too much time lies between them."""
        return self.window.apart > self.window.days and not self.connected


def remembered(
    output: str | Path, run: Result, ids: tuple[str, str], settings: Settings
) -> Remembered | None:
    """What the run remembers of two of its articles; None for one that remembers nothing.

    Raises
    ------
    RunError
        When the state is damaged.
    """
    memory = _memory(output, run.info["run_id"])
    if memory is None:
        return None
    articles, scored = memory.tables["articles"], memory.tables["scored"]
    found = pc.index_in(pa.array(ids), value_set=articles["article_id"].combine_chunks())
    both = articles.take(found)
    texts = both["text"].to_numpy()
    templates = memory.gather("editions", "template", memory.texts("edition")[texts])
    first, last = sorted(memory.texts("day")[texts].tolist())
    ends = scored["left"].to_numpy(), scored["right"].to_numpy()
    labels = cluster.components(memory.tables["texts"].num_rows, *ends)[texts]
    return Remembered(
        files=both["path"].to_pylist(),
        rows=both["row"].to_pylist(),
        hashes=memory.texts("hash")[texts],
        templates=[templates.part(slice(i, i + 1)).values for i in range(2)],
        window=Window(settings.window_days, last - first),
        connected=bool(labels[0] == labels[1]),
    )


def _memory(output: str | Path, run_id: str) -> Memory | None:
    """As much of a run's memory as is asked for here: behind a URL all that is had is fetched."""
    state = Store(output).state(run_id)
    if state is None:
        return None
    files = StateFiles(output)
    return Memory(
        files,
        {name: files.read(state["tables"][name]) for name in ("articles", "texts", "scored")},
        {"editions": [files.read(name) for name in state["segments"]["editions"]]},
    )
