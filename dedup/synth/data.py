"""The word lists beside the code.

Law: what news is made of stands in TOML files, and how it is made in Python.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """What the TOML file of that name holds; not to be changed by the caller."""
    return tomllib.loads(files("dedup.synth").joinpath(f"{name}.toml").read_text("utf-8"))
