"""Distinct texts as they lie in the workspace, to be compared.

Law: of all texts only those that are compared are looked at, some at a time, so it decides nothing
how many there are. Most candidates share next to nothing, which their shingles tell; the words are
read of the others alone.
"""

from __future__ import annotations

import numpy as np

from dedup.lookup import slots as slots_of
from dedup.lookup import spread
from dedup.numbering import rising
from dedup.pipeline import evidence, language
from dedup.ragged import Stored
from dedup.schemas import SIGNED, SKETCHED
from dedup.settings import Settings
from dedup.stages import shingle, verify
from dedup.threads import in_order, spans
from dedup.workspace import Workspace

_PAIRS = 50_000
"""Pairs that are compared at a time by one thread; their texts take some twenty kB each."""


class Bodies:
    """All distinct texts of a run.

    Parameters
    ----------
    work : Workspace
        After the candidates were collected.
    settings : Settings
    """

    def __init__(self, work: Workspace, settings: Settings) -> None:
        # Blocks of pairs are spread over threads, so what is done for one of them is not.
        self._settings = settings.model_copy(update={"threads": 1})
        self._threads = settings.threads
        self._work = work
        signed, sketched = work.read_all("signed-", SIGNED), work.read_all("sketched-", SKETCHED)
        self._texts = work.read("texts")
        texts = sketched["text"].to_numpy()
        self._rows = np.empty(len(texts), np.int64)
        self._rows[texts] = np.arange(len(texts))
        self._places = self._texts["place"].to_numpy()
        self._tokens, self._quoted = Stored(signed["tokens"]), Stored(signed["quoted"])
        self._template = Stored(sketched["template"])
        self._rarity = _rarity(work) if settings.rarity == "corpus" else language.rarity

    def score(self, left: np.ndarray, right: np.ndarray) -> verify.Scores:
        """Scores of pairs of texts by number; quickest where left ones rise."""
        parts = spans(len(left), _PAIRS)
        pieces = in_order(lambda part: self._score(left[part], right[part]), parts, self._threads)
        return verify.Scores(
            *(np.concatenate(column) for column in zip(_NO_SCORES, *pieces, strict=True))
        )

    def _score(self, left: np.ndarray, right: np.ndarray) -> verify.Scores:
        texts = rising(np.concatenate([left, right]))
        tokens = self._tokens.gather(self._places[texts]).map(shingle.unpacked)
        template = self._template.gather(self._rows[texts])
        shingles, body = evidence.rest(tokens, template, self._settings)
        left, right = np.searchsorted(texts, left), np.searchsorted(texts, right)
        found = verify.overlap(shingles, left, right, self._settings.shared_floor)
        left, right = left[found.related], right[found.related]
        looked_at = rising(np.concatenate([left, right]))
        given = evidence.gathered(
            evidence.Texts(
                tokens.take(looked_at),
                self._quoted.gather(self._places[texts[looked_at]]),
                shingle.Rest(
                    shingles.take(looked_at), tokens._replace(values=body).take(looked_at).values
                ),
                self._texts["hours"].to_numpy()[texts[looked_at]],
                self._texts["outlet"].to_numpy()[texts[looked_at]],
            ),
            self._rarity,
            self._settings,
        )
        left, right = np.searchsorted(looked_at, left), np.searchsorted(looked_at, right)
        self._work.release()
        return verify.compare(found, given, left, right)


def _rarity(work: Workspace) -> verify.Rarity:
    """Inverse document frequency in the corpus, ln(1 + texts / texts with the word)."""
    table, texts = work.read("rarity"), work.read("texts").num_rows
    known, slots = spread(table["word"].to_numpy())
    # A word that is not known is in one text; its slot is -1, the last.
    values = np.full(len(known.keys) + 1, np.log1p(texts), np.float32)
    values[slots] = np.log1p(texts / table["texts"].to_numpy())
    return lambda words: values[slots_of(known, words)]


_NO_SCORES = verify.Scores(
    np.empty(0, np.int32), *(np.empty(0, np.float32) for _ in verify.Scores._fields[1:])
)
