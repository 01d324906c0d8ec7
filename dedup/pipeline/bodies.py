"""Distinct texts as they lie in the workspace, to be compared.

Law: of all texts only those that are compared are looked at, some at a time, so it decides nothing
how many there are. Most candidates share next to nothing, which the prefixes of their shingles
tell; texts are read of the others alone, and words of those whose shingles are shared. What is read
of a text is read once for all pairs at hand.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from dedup.lookup import slots as slots_of
from dedup.lookup import spread
from dedup.numbering import inverse, rising
from dedup.pipeline import evidence, language
from dedup.ragged import Ragged, Stored
from dedup.schemas import PREFIXES, QUOTED, SKETCHED, TOKENS
from dedup.settings import Settings
from dedup.stages import shingle, verify
from dedup.threads import in_order, spans
from dedup.workspace import Workspace

_PAIRS = 50_000
"""Pairs that are at hand at a time, at most: more would take fresh memory, which costs time."""

_TOKEN_BYTES = 20
"""Bytes that a token of their texts takes, about."""

_TEXTS, _COMPARED = 500, 10_000
"""Texts that one thread reads at a time, and pairs that it compares."""

_READ = 20 * _TEXTS
"""Texts that are read before what was read is let go of."""


class Bodies:
    """All distinct texts of a run.

    Parameters
    ----------
    work : Workspace
        After the candidates were collected.
    settings : Settings
    """

    def __init__(self, work: Workspace, settings: Settings) -> None:
        self._settings = settings
        self._work = work
        tokens, quoted = work.read_all("tokens-", TOKENS), work.read_all("quoted-", QUOTED)
        sketched = work.read_all("sketched-", SKETCHED)
        prefixes = work.read_all("prefixes-", PREFIXES)
        work.here_and_there()  # some pairs lie far apart
        self._texts = work.read("texts")
        self._rows = inverse(sketched["text"].to_numpy())
        self._places = self._texts["place"].to_numpy()
        self._tokens, self._quoted = Stored(tokens["tokens"]), Stored(quoted["quoted"])
        self._template = Stored(sketched["template"])
        self._prefixes = Stored(prefixes["prefixes"])
        self._rarity = _rarity(work) if settings.rarity == "corpus" else language.rarity

    def may_be_related(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Which pairs of texts by number may be related; the others have no similarity.

        Returns
        -------
        ndarray of bool, shape (n_pairs,)
            Quickest where left ones rise.
        """
        least = self._settings.shared_floor

        def told(part: slice) -> np.ndarray:
            texts, ends = self._as_they_lie(left[part], right[part])
            prefixes = self._gathered(self._prefixes, self._rows[texts])
            self._ease(part)
            return verify.may_be_related(prefixes, *ends, least)

        pieces = in_order(told, spans(len(left), _COMPARED), self._settings.threads)
        return np.concatenate([np.empty(0, bool), *pieces])

    def score(self, left: np.ndarray, right: np.ndarray) -> verify.Scores:
        """Scores of pairs of texts by number; quickest where left ones rise."""
        pieces = [_NO_SCORES]
        for part in spans(len(left), self._at_hand()):
            pieces += self._score(left[part], right[part])
            self._work.release()
        return verify.Scores(*(np.concatenate(column) for column in zip(*pieces, strict=True)))

    def _at_hand(self) -> int:
        """Pairs whose texts fit into a quarter of the memory, though none were in two of them."""
        mean = self._tokens.size / max(1, len(self._places))
        fit = self._settings.memory_bytes / (4 * 2 * _TOKEN_BYTES * max(1.0, mean))
        return max(1, min(_PAIRS, int(fit)))

    def _score(self, left: np.ndarray, right: np.ndarray) -> list[verify.Scores]:
        texts, (left, right) = self._as_they_lie(left, right)
        rest, pairs = self._rest(texts), spans(len(left), _COMPARED)
        sizes, settings = self._prefixes.located(self._rows[texts]).lengths, self._settings

        def overlap(part: slice) -> verify.Overlap:
            ends = left[part], right[part]
            return verify.overlap(rest.shingles, sizes, *ends, settings.shared_floor)

        found = list(in_order(overlap, pairs, settings.threads))
        given = verify.Evidence(
            shingles=rest.shingles,
            sizes=sizes,
            own=self._own(texts, rest.body, _related(found, left, right, len(texts))),
            hours=self._texts["hours"].to_numpy()[texts],
            outlets=self._texts["outlet"].to_numpy()[texts],
            late_weight=settings.representation.late_weight,
            size=settings.shingle_size,
        )

        def compare(task: tuple[verify.Overlap, slice]) -> verify.Scores:
            shared, part = task
            return verify.compare(shared, given, left[part], right[part])

        return list(in_order(compare, zip(found, pairs, strict=True), settings.threads))

    def _as_they_lie(
        self, left: np.ndarray, right: np.ndarray
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The distinct texts of pairs, in the order in which they lie, and the pairs in these."""
        texts = rising(np.concatenate([left, right]))
        order = np.argsort(self._places[texts])
        at = inverse(order)
        left, right = (at[np.searchsorted(texts, end)] for end in (left, right))
        return texts[order], (left, right)

    def _rest(self, texts: np.ndarray) -> shingle.Rest:
        """What template leaves of the texts."""
        tokens, size = self._tokens.located(self._places[texts]), self._settings.shingle_size
        rest = shingle.room(tokens.lengths, size)
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(tokens.lengths)])

        def fill(part: slice) -> None:
            self._work.ahead(*tokens.part(part).addresses)
            template = self._gathered(self._template, self._rows[texts[part]])
            body = rest.body[bounds[part.start] : bounds[part.stop]]
            mine = shingle.Rest(rest.shingles.part(part), body)
            shingle.lay_out(tokens.part(part), template, size, mine)
            self._ease(part)

        deque(in_order(fill, spans(len(texts), _TEXTS), self._settings.threads), maxlen=0)
        return rest

    def _own(self, texts: np.ndarray, body: np.ndarray, wanted: np.ndarray) -> verify.Own:
        """Own words of the texts at the wanted positions.

        Parameters
        ----------
        body : ndarray of bool
            Of all the texts.
        """
        places = self._places[texts]
        lengths = self._tokens.located(places).lengths
        bodies = Ragged(body, np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]))

        def of(part: slice) -> verify.Own:
            some = wanted[part]
            tokens = self._gathered(self._tokens, places[some])
            quoted = self._gathered(self._quoted, places[some])
            self._ease(part)
            return evidence.own(tokens, quoted, bodies.take(some).values, self._rarity)

        parts = in_order(of, spans(len(wanted), _TEXTS), self._settings.threads)
        return verify.placed(parts, wanted, lengths[wanted], len(texts))

    def _gathered(self, lists: Stored, rows: np.ndarray) -> Ragged:
        """The lists of the rows, of which all that is not in memory is read at the same time."""
        located = lists.located(rows)
        self._work.ahead(*located.addresses)
        return located.gathered()

    def _ease(self, part: slice) -> None:
        """Let go of what was read, once in a while."""
        if not part.stop % _READ:
            self._work.release()


def _related(
    found: list[verify.Overlap], left: np.ndarray, right: np.ndarray, n_texts: int
) -> np.ndarray:
    """Positions of the texts of related pairs, rising."""
    related = np.concatenate([overlap.related for overlap in found])
    mask = np.zeros(n_texts, bool)
    mask[left[related]] = mask[right[related]] = True
    return np.flatnonzero(mask)


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
