"""Nothing here is collected: scripts import what only their own environments have."""

collect_ignore_glob = ["*.py"]
