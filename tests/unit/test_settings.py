"""Settings: one door, clear errors, and a fingerprint of what changes the result."""

from __future__ import annotations

from pathlib import Path

import pytest

from dedup import machine
from dedup.errors import SettingsError
from dedup.settings import PROFILES, Settings

WITHOUT_EFFECT = {"batch_rows", "shard_rows", "threads", "memory", "scratch", "keep_runs"}


def other(name: str) -> object:
    """A value that fits and is not the default."""
    default = Settings.model_fields[name].default
    named = {"profile": "ocr", "rarity": "language", "memory": "4GB"}
    if name in named:
        return named[name]
    if isinstance(default, str):
        return default + "_"
    return default / 2 if isinstance(default, float) else default + 1


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_fingerprint_knows_what_changes_the_result(name: str) -> None:
    changed = Settings.checked({name: other(name)})
    same = changed.fingerprint() == Settings().fingerprint()
    assert same == (name in WITHOUT_EFFECT)


def test_the_fingerprint_is_short_and_stays() -> None:
    assert Settings().fingerprint() == Settings(threads=7).fingerprint()
    assert len(Settings().fingerprint()) == 16
    int(Settings().fingerprint(), 16)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is(name: str) -> None:
    assert len(Settings.model_fields[name].description or "") > 20


def test_a_file_is_read_and_words_win_over_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('similarity_floor = 0.3\nid_column = "key"\nseed = 3\n')
    loaded = Settings.load(file, ["seed=4", " num_perm = 64 ", "title_column=a=b"])
    assert loaded == Settings(
        similarity_floor=0.3, id_column="key", seed=4, num_perm=64, title_column="a=b"
    )
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    ("change", "subject", "expected", "got"),
    [
        ("similarity_floor", "setting 'similarity_floor'", "name=value", "no '='"),
        ("similarity_flor=1", "setting 'similarity_flor'", "similarity_floor", "unknown"),
        ("similarity_floor=1.5", "setting 'similarity_floor'", "less than or equal to 1", "'1.5'"),
        ("similarity_floor=0", "setting 'similarity_floor'", "greater than 0", "'0'"),
        ("seed=x", "setting 'seed'", "integer", "'x'"),
        ("seed=4294967296", "setting 'seed'", "less than 4294967296", "'4294967296'"),
        ("recall_at_floor=1", "setting 'recall_at_floor'", "less than 1", "'1'"),
        ("memory=4G", "setting 'memory'", "0, or a number and one of kB, MB, GB", "'4G'"),
        ("memory=-1GB", "setting 'memory'", "0, or a number", "'-1GB'"),
        ("memory=", "setting 'memory'", "0, or a number", "''"),
        ("scratch=s3://bucket/x", "setting 'scratch'", "a local disk", "'s3://bucket/x'"),
    ],
)
def test_what_does_not_fit_is_a_clear_error(
    change: str, subject: str, expected: str, got: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(None, [change])
    error = caught.value
    assert error.subject == subject
    assert expected in error.expected
    assert got in error.got
    assert error.exit_status == 2
    assert "\n" not in str(error)


@pytest.mark.parametrize("content", [b"seed = ", b"\xff\xfe", b"[nested]\nseed = 1", None])
def test_a_bad_file_is_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Settings.load(file)
    assert caught.value.subject in (str(file), "setting 'nested'")
    assert "\n" not in str(caught.value)


def test_every_profile_has_a_representation() -> None:
    profiles = Settings.model_json_schema()["properties"]["profile"]["enum"]
    assert list(PROFILES) == profiles
    assert {Settings(profile=name).representation for name in profiles} == {*PROFILES.values()}


def test_a_profile_that_is_none_is_a_clear_error() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(None, ["profile=scan"])
    assert caught.value.expected == "'words' or 'ocr'"


@pytest.mark.parametrize(
    ("memory", "size"),
    [
        ("4GB", 4_000_000_000),
        ("4 GB", 4_000_000_000),
        ("512MiB", 536_870_912),
        ("1.5kB", 1500),
        ("1KiB", 1024),
        ("2TB", 2_000_000_000_000),
    ],
)
def test_memory_is_told_with_its_unit(memory: str, size: int) -> None:
    assert Settings.checked({"memory": memory}).memory_bytes == size


def test_memory_is_half_of_what_there_is_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "memory", lambda: 7_000)
    file = tmp_path / "settings.toml"
    file.write_text("memory = 0\n")
    assert Settings().memory_bytes == Settings.load(file).memory_bytes == 3_500


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 2  # type: ignore[misc]
