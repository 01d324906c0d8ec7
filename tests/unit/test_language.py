"""Words of the language at large: frequencies, rarity, and what a text is about by itself.

Besides, how what was read of the word lists is kept between processes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pytest

from dedup import lookup
from dedup.pipeline import language
from dedup.ragged import Ragged
from dedup.settings import Settings
from dedup.stages import background, story
from dedup.stages import text as tokeniser
from dedup.stages.shingle import unpacked
from dedup.stages.text import tokenise, whole

SEED = 20250501


def tokens(*texts: str) -> Ragged:
    array = pa.array(texts, pa.large_string())
    found = tokenise(array, whole(array))
    return Ragged(found.hashes, found.offsets)


def frequencies(*words: str) -> np.ndarray:
    return language.frequencies(unpacked(tokens(*words).values))


def test_frequencies() -> None:
    common, rare, other = frequencies("the", "bridge", "qwxzvk")
    assert common > 0.01 > 1e-4 > rare > other == background.UNKNOWN
    # Any language, any script: common words of Russian, German, Hindi and Arabic.
    assert frequencies("что", "nicht", "और", "من").min() > 1e-3
    # Chinese by pairs of characters, as articles have them.
    assert frequencies("我们")[0] > 1e-3


def test_looking_up_finds_what_a_search_does() -> None:
    print(f"seed {SEED}")
    known = background.background(language._tokens)
    hashes, first = np.unique(known.known.keys, return_index=True)
    hashes, first = hashes[:-1], lookup.slots(known.known, hashes[:-1])  # without the end
    listed = known.frequencies[known.levels[first]]
    assert len(hashes) > 1_000_000
    assert listed.min() > background.UNKNOWN
    drawn = np.random.default_rng(SEED).integers(0, 2**64, 100_000, np.uint64)
    ends = np.array([0, 1, 2**63, 2**64 - 2, 2**64 - 1], np.uint64)
    asked = np.concatenate([hashes, hashes + np.uint64(2), drawn, ends])
    at = np.minimum(np.searchsorted(hashes, asked), len(hashes) - 1)
    expected = np.where(hashes[at] == asked, listed[at], background.UNKNOWN)
    assert np.array_equal(known.frequencies[background.levels(known, asked)], expected)


def test_rarity_is_that_of_a_corpus_of_typical_texts() -> None:
    words = unpacked(tokens("the", "bridge", "qwxzvk").values)
    share = 1 - (1 - language.frequencies(words)) ** story.TYPICAL_TOKENS
    found = language.rarity(words)
    assert found == pytest.approx(np.log(1 + 1 / share), rel=1e-3)
    assert found.dtype == np.float32


def test_what_a_text_is_about_is_its_own() -> None:
    """Whatever others came with it, and however many; what half of all texts have is nothing."""
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    rare = ["".join(rng.choice(letters, 9)) for _ in range(story.LONGEST)]
    texts = ["the bridge, the bridge and the river", " ".join(["bridge", "the", *rare]), ""]
    together = language.terms(tokens(*texts * 700), Settings(threads=2))
    words, counts, shares = together
    for text, given in enumerate(texts):
        alone = language.terms(tokens(given), Settings())
        mine = slice(words.offsets[text + 3 * 600], words.offsets[text + 3 * 600 + 1])
        assert words.values[mine].tolist() == alone.words.values.tolist()
        assert counts[mine].tolist() == alone.counts.tolist()
        assert shares[mine].tolist() == alone.frequencies.tolist()
    first = dict(zip(words.values[:2].tolist(), counts[:2].tolist(), strict=True))
    assert sorted(first.values()) == [1, 2]
    assert words.lengths[:3].tolist() == [2, story.LONGEST, 0]
    # Of more words than count the commonest go.
    assert not first.keys() & {*words.values[words.offsets[1] : words.offsets[2]].tolist()}


Lists = dict[str, list[list[str]]]
LISTS: Lists = {
    "la": [[], ["navis"], ["arma"]],
    "xx": [["arma"], ["pons", "navis"], [], ["pons"]],
}


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Two short lists in place of wordfreq's; the languages of those that were read."""
    read: list[str] = []

    def listed(name: str, kind: str) -> list[list[str]]:
        read.append(name)
        return LISTS[name]

    monkeypatch.setattr("wordfreq.available_languages", lambda kind: [*LISTS])
    monkeypatch.setattr("wordfreq.get_frequency_list", listed)
    background.background.cache_clear()
    yield read
    background.background.cache_clear()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, not there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def check(read: list[str]) -> None:
    """As in a process of its own: the frequencies, and which lists were read for them."""
    background.background.cache_clear()
    lists_read = len(read)
    shares = frequencies("arma", "navis", "pons", "via").tolist()
    assert shares == [1.0, 10**-0.01, min(10**-0.01 + 10**-0.03, 1), background.UNKNOWN]
    assert read[lists_read:] in ([], [*LISTS])


def kept(folder: Path) -> Path:
    (file,) = (folder / "dedup").iterdir()
    return file


def test_lists_are_read_once(lists: list[str], cache: Path) -> None:
    check(lists)
    check(lists)
    assert lists == [*LISTS]
    assert kept(cache).name.startswith(f"wordfreq-{version('wordfreq')}-")


def test_other_lists_are_read_anew(
    lists: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another release, another Unicode or another tokeniser; what was kept before goes."""
    check(lists)
    files = [kept(cache)]
    monkeypatch.setattr(background, "version", lambda name: "9.9")
    check(lists)
    files.append(kept(cache))
    monkeypatch.setattr(background.unicodedata, "unidata_version", "99.0")
    check(lists)
    files.append(kept(cache))
    copied = shutil.copytree(Path(tokeniser.__file__).parent, cache / "text")
    with max(copied.glob("*.py")).open("a") as source:
        source.write("# another tokeniser")
    monkeypatch.setattr(tokeniser, "__file__", str(copied / "__init__.py"))
    check(lists)
    files.append(kept(cache))
    assert len({*files}) == 4
    assert lists == [*LISTS] * 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"no archive at all",
        lambda content: content.replace(b"homes.npy", b"hives.npy"),
        # One bit of the first key.
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        # One bit of the last frequency.
        lambda content: content.replace(
            np.float64(background.UNKNOWN).tobytes(), np.float64(0.5).tobytes()
        ),
    ],
)
def test_a_damaged_file_is_made_anew(
    damage: Callable[[bytes], bytes], lists: list[str], cache: Path
) -> None:
    check(lists)
    whole_file = kept(cache).read_bytes()
    damaged = damage(whole_file)
    assert damaged != whole_file
    kept(cache).write_bytes(damaged)
    check(lists)
    assert lists == [*LISTS] * 2
    check(lists)
    assert lists == [*LISTS] * 2


def test_where_nothing_can_be_kept_the_lists_are_read(
    lists: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("in the way of the folder")
    check(lists)
    check(lists)
    assert cache.read_text() == "in the way of the folder"
    cache.unlink()
    # No room on the disk: nothing half-written is left.
    with monkeypatch.context() as patch:
        patch.setattr(background.np, "savez", full_disk)
        check(lists)
    assert not [*(cache / "dedup").iterdir()]
    # No home.
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    check(lists)
    assert lists == [*LISTS] * 4


def full_disk(sink: IO[bytes], **arrays: np.ndarray) -> None:
    sink.write(b"half")
    raise OSError(28, "No space left on device")


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(lists: list[str], cache: Path) -> None:
    cache.mkdir(mode=0o500)
    check(lists)
    check(lists)
    assert lists == [*LISTS] * 2


def test_a_relative_cache_folder_is_none(
    tmp_path: Path, lists: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    check(lists)
    assert kept(tmp_path / "home" / ".cache").exists()
    assert not (tmp_path / "here").exists()


AT_ONCE = """
import sys, time
from pathlib import Path
import numpy as np
import wordfreq
from dedup.pipeline import language
from dedup.stages import background

words = ["w" + str(number) for number in range(20_000)]
wordfreq.available_languages = lambda kind: ["xx"]

def listed(name, kind):
    # Both are here before either has kept anything.
    Path(sys.argv[1]).touch()
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    return [[]] * 300 + [words]

wordfreq.get_frequency_list = listed
known = background.background(language._tokens)
assert sorted({*known.frequencies.tolist()}) == [background.UNKNOWN, 10**-3.0]
assert background._kept(language._tokens) is not None
"""


def test_two_processes_at_once(tmp_path: Path, cache: Path) -> None:
    ends = [str(tmp_path / "one"), str(tmp_path / "other")]
    running = [
        subprocess.Popen([sys.executable, "-c", AT_ONCE, *names], env={**os.environ})
        for names in (ends, ends[::-1])
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert kept(cache).suffix == ".npz"
