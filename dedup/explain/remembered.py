"""What incremental runs remember of two articles.

Law: where runs remember, that says how the two were compared. Their tables alone would not: these
have one template for all days, and the candidates of the last run only. What runs have forgotten
is not made up for.
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


class Origins(NamedTuple):
    """The versions of two articles that count; index 0 is the left, 1 the right.

    Attributes
    ----------
    files : list of str
        File that each came in, below the inbox.
    rows : list of int
        Zero-based position in it.
    hashes : ndarray of uint64, shape (2,)
        Of the texts, as `sign.Body` has them.
    templates : list of ndarray of uint64
        Hashes of the shingles that were left out of each.
    """

    files: list[str]
    rows: list[int]
    hashes: np.ndarray
    templates: list[np.ndarray]


class Remembered(NamedTuple):
    """What is remembered of two articles.

    Attributes
    ----------
    origins : Origins or None
        None where one of the two is forgotten.
    window : Window or None
        None where it is not known when one was published.
    out_of_window : bool
        Whether the two were not compared because too much time lies between them: of texts that
        pairs connect all are compared, however far apart.
    """

    origins: Origins | None
    window: Window | None
    out_of_window: bool


def memory_of(output: str | Path, run: Result) -> Memory | None:
    """As much of a run's memory as is asked here; None of a run that remembers nothing.

    Behind a URL all that is had is fetched.

    Raises
    ------
    RunError
        When the state is damaged.
    """
    state = Store(output).state(run.info["run_id"])
    if state is None:
        return None
    files = StateFiles(output)
    return Memory(
        files,
        {name: files.read(state["tables"][name]) for name in ("articles", "texts", "scored")},
        {"editions": [files.read(name) for name in state["segments"]["editions"]]},
    )


def remembered(
    memory: Memory, ids: tuple[str, str], hours: np.ndarray, settings: Settings
) -> Remembered:
    """What memory holds of two articles.

    Parameters
    ----------
    memory : Memory
    ids : tuple of str
    hours : ndarray of float64, shape (2,)
        First publication of their texts, as `verify.Evidence` has it.
    settings : Settings
    """
    articles = memory.tables["articles"]
    found = pc.index_in(pa.array(ids), value_set=articles["article_id"].combine_chunks())
    if found.null_count:
        window = _window(np.floor(hours / 24), settings)
        # Texts that pairs connect are forgotten together.
        return Remembered(None, window, found.null_count == 1 and _is_past(window))
    both = articles.take(found)
    texts = both["text"].to_numpy()
    templates = memory.gather("editions", "template", memory.texts("edition")[texts])
    origins = Origins(
        both["path"].to_pylist(),
        both["row"].to_pylist(),
        memory.texts("hash")[texts],
        [templates.part(slice(i, i + 1)).values for i in range(2)],
    )
    window = _window(memory.texts("day")[texts], settings)
    return Remembered(origins, window, _is_past(window) and not _are_connected(memory, texts))


def _window(days: np.ndarray, settings: Settings) -> Window | None:
    apart = np.ptp(days)
    return None if np.isnan(apart) else Window(settings.window_days, int(apart))


def _is_past(window: Window | None) -> bool:
    return window is not None and window.apart > window.days


def _are_connected(memory: Memory, texts: np.ndarray) -> bool:
    ends = (memory.tables["scored"][end].to_numpy() for end in ("left", "right"))
    left, right = cluster.components(memory.tables["texts"].num_rows, *ends)[texts]
    return bool(left == right)
