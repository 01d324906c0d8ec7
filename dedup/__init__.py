"""Find the news stories that are syndications or rewrites of the same wire copy."""

from dedup.pipeline import cluster_articles
from dedup.settings import Settings
from dedup.store import Result, read

__all__ = ["Result", "Settings", "cluster_articles", "read"]
