"""What an experiment changes: settings, constants of verification, fields of a profile.

Law: whatever was changed is as before when the experiment is over.

`similarity_floor=0.3` is a setting, `verify.OUTLET_WEIGHT=1` a constant of `stages.verify`, and
`words.cohesion=0.8` a field of the profile of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from dedup.errors import SettingsError
from dedup.settings import PROFILES, Settings
from dedup.stages import verify


def default(name: str) -> str:
    """The value that a name has without any experiment."""
    owner, _, field = name.rpartition(".")
    if owner in PROFILES and field in PROFILES[owner]._fields:
        return str(getattr(PROFILES[owner], field))
    if owner == "verify" and field.isupper() and hasattr(verify, field):
        return str(getattr(verify, field))
    if not owner and name in Settings.model_fields:
        return str(Settings.model_fields[name].default)
    known = f"a setting, verify.CONSTANT or {' or '.join(PROFILES)}.FIELD"
    raise SettingsError(f"change of {name!r}", known, "an unknown name", "correct the name")


@contextmanager
def applied(changes: Sequence[str]) -> Iterator[list[str]]:
    """Make the changes that are not of settings; the others, `name=value` each, are given back.

    Raises
    ------
    SettingsError
        When a name is unknown or a value is no number.
    """
    with ExitStack() as stack:
        rest = []
        for change in changes:
            name, _, value = change.partition("=")
            owner, _, field = name.rpartition(".")
            default(name)
            if not owner:
                rest.append(change)
            elif owner in PROFILES:
                replaced = PROFILES[owner]._replace(**{field: _number(name, value)})
                stack.enter_context(patch.dict(PROFILES, {owner: replaced}))
            else:
                stack.enter_context(patch.object(verify, field, _number(name, value)))
        yield rest


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise SettingsError(f"change of {name!r}", "a number", repr(value), "correct it") from None
