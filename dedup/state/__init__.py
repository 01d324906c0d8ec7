"""What is remembered between runs.

Law: the state of an output is the files that its latest run names, and no other. They are written
before that run is published and never changed, so output and state become current in one step.
"""
