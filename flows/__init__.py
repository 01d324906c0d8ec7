"""Prefect flows over the library: parameters, retries, concurrency and artifacts, nothing else.

Law: a task is one library call; what a flow knows about news, the library knows.
"""

import os

# Prefect reads `[tool.prefect]` of pyproject.toml only when started in the project's folder. These
# are the same and a little more, for a start from anywhere; what the user has set stays.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dedup",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}.items():
    os.environ.setdefault(_name, _value)
