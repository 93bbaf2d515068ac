"""What Step Functions and Batch allow, as their documentation says."""

from __future__ import annotations

LARGEST_DEFINITION = 1_048_576
"""Bytes of a state machine."""

LONGEST_STATE_NAME = 80

LARGEST_DATA = 262_144
"""Bytes of what goes into a state or comes out of it."""

MOST_EVENTS = 25_000
"""Events in the history of one execution; the execution fails after that."""

LONGEST_EXECUTION_SECONDS = 31_536_000
"""A year."""

MOST_INLINE_BRANCHES = 40
"""Items of an inline map that run at the same time."""

MOST_DISTRIBUTED_BRANCHES = 10_000
"""Items of a distributed map that run at the same time."""

LARGEST_OVERRIDES = 8192
"""Characters of what a job is given besides its definition."""

LONGEST_EXECUTION_NAME = 80
"""Characters; it is the run's id."""

LARGEST_INTERVAL_SECONDS = 99_999_999
LARGEST_MAX_DELAY_SECONDS = 31_622_399

SHORTEST_JOB_TIMEOUT_SECONDS = 60
MOST_JOB_ATTEMPTS = 10
"""Attempts of Batch itself."""

MOST_NESTED_GRAPHS = 50
"""Our own limit: what reads JSON gives up on text that is nested deeply, and each graph nests it four levels deeper."""
