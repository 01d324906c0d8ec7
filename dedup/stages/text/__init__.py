"""Text to tokens.

Law: two texts that differ only in case, accents and other combining marks, typography, width,
HTML escapes or line-end hyphens give the same tokens, in every script; and a token always says
which bytes it came from.

Apostrophes and ignorable code points are dropped inside words, and so are `.` and `,` between
digits.

Scripts with spaces give words. Scripts without (Han, kana, Thai, Lao, Khmer, Burmese) give
overlapping character n-grams, a shorter run of them one token. Mixed text is told apart code point
by code point.

Where recognition has broken the words, every script can be read in n-grams. It breaks spaces and
lines no less, so then nothing but letters and digits counts, and n-grams run on across words. A
figure misread is another figure, so none is marked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dedup.stages.text.kernel import tokenise_all
from dedup.stages.text.tables import escape_table, fold_table


class Tokens(NamedTuple):
    """Tokens of a batch of articles.

    Attributes
    ----------
    hashes : ndarray of uint32, shape (n_tokens,)
        Token hashes; the lowest bit says whether the token is a word that holds a digit.
    starts, ends : ndarray of int32, shape (n_tokens,)
        The bytes of the article's UTF-8 text that the token came from.
    offsets : ndarray of int64, shape (n_articles + 1,)
        Article `i` has the tokens `offsets[i]:offsets[i + 1]`.
    """

    hashes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    offsets: np.ndarray


def tokenise(texts: pa.LargeStringArray, spans: np.ndarray, gram: int = 0) -> Tokens:
    """Tokens of the given part of each text.

    Parameters
    ----------
    texts : LargeStringArray of length n, without nulls
    spans : ndarray of int64, shape (n, 2)
        First byte and byte past the last to read of each text.
    gram : int
        Characters per token in scripts with spaces, 2 to 8; 0 leaves their words whole.
    """
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    buffer = np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
    # Made by NumPy, which asks for huge pages.
    room = 64 + (starts[-1] - starts[0]) // 4
    tokens = np.empty(room, np.uint32), np.empty(room, np.int32), np.empty(room, np.int32)
    return Tokens(*tokenise_all(buffer, starts, spans, fold_table(gram), escape_table(), *tokens))


def whole(texts: pa.LargeStringArray) -> np.ndarray:
    """Spans that cover each text whole: ndarray of int64, shape (n, 2)."""
    _, offsets, _ = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.stack([np.zeros(len(texts), np.int64), np.diff(starts)], axis=1)
