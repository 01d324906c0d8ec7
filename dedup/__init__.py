"""Find the news stories that are syndications or rewrites of the same wire copy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dedup.machine import place_for_kernels, uncollected

if TYPE_CHECKING:
    from dedup.pipeline import cluster_articles, cluster_new
    from dedup.settings import Limits, Settings
    from dedup.store import Result, read

__all__ = ["Limits", "Result", "Settings", "cluster_articles", "cluster_new", "read"]

# The compiled kernels take a second to import, so each name is fetched when it is first used
# (PEP 562); a command that needs none of them starts at once.
_HOMES = {
    "Limits": "dedup.settings",
    "Result": "dedup.store",
    "Settings": "dedup.settings",
    "cluster_articles": "dedup.pipeline",
    "cluster_new": "dedup.pipeline",
    "read": "dedup.store",
}

place_for_kernels()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with uncollected():
        globals()[name] = getattr(import_module(_HOMES[name]), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(globals() | _HOMES)
