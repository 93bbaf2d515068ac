"""magnus from Python: pipelines as objects, and the functions that a step calls."""
