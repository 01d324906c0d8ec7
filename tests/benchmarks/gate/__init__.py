"""What `accuracy.py` is made of: sets, measures, worst errors, floors, and how they are shown."""
