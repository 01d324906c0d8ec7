"""A simulated month: what comes in, how it is run, and what must be true at the end."""
