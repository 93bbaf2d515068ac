"""Turns checked values of a task's keys into values of the domain, and into their canonical form.

Each function returns both. Canonical means: defaults left out, and two spellings of one meaning written alike, so that
they give equal hashes. What is wholly default has no canonical form, which is None.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus.domain.nodes import Backoff, CatalogSettings, Resources, RetryPolicy
from magnus.domain.patterns import pattern_problem
from magnus.domain.sizes import in_mib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.findings import Spot

_FAILURE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*|exit:-?\d{1,10}")


def number(value: float) -> float:
    """Write a whole number of either type in one way: 600 and 600.0 mean the same."""
    return int(value) if float(value).is_integer() else value


def retry(value: Any, spot: Spot) -> tuple[RetryPolicy, Any]:
    """Read `retry`: attempts in all, or a mapping."""
    if isinstance(value, int):
        return (RetryPolicy(value), value) if value > 1 else (RetryPolicy(), None)
    retry_on = value.get("retry_on", [])
    for index, name in enumerate(retry_on):
        if not _FAILURE.fullmatch(name):
            text = (
                f"{spot.what}: 'retry_on' holds {name!r}, which names no failure; expected the name of an exception "
                "class, 'timeout', or 'exit:' with a code"
            )
            spot.findings.add(text, retry_on, index)
    written = {key: number(item) for key, item in value.get("backoff", {}).items()}
    backoff = Backoff(**{_BACKOFF_FIELDS[key]: item for key, item in written.items()})
    attempts = value["max_attempts"]
    if attempts == 1:
        return RetryPolicy(), None
    default = Backoff()
    pauses = {key: item for key, item in written.items() if item != getattr(default, _BACKOFF_FIELDS[key])}
    policy = RetryPolicy(attempts, backoff, tuple(retry_on))
    if not pauses and not retry_on:
        return policy, attempts
    canonical = {"max_attempts": attempts, "backoff": pauses, "retry_on": list(retry_on)}
    return policy, {key: item for key, item in canonical.items() if item}


_BACKOFF_FIELDS = {"initial": "initial", "factor": "factor", "max": "maximum", "jitter": "jitter"}


def resources(value: Mapping[str, Any], spot: Spot) -> tuple[Resources | None, Any]:
    """Read `resources`; memory is rounded up to whole MiB."""
    memory, shm = (_size_mib(value, key, spot) for key in ("memory", "shm"))
    cpu = number(value["cpu"]) if "cpu" in value else None
    asked = Resources(cpu, memory, value.get("gpu", 0), shm)
    canonical = {"cpu": cpu, "memory": memory, "gpu": asked.gpu or None, "shm": shm}
    left = {key: item for key, item in canonical.items() if item is not None}
    return (asked, left) if left else (None, None)


def _size_mib(value: Mapping[str, Any], key: str, spot: Spot) -> int | None:
    size = value.get(key)
    if size is None:
        return None
    try:
        return in_mib(size)
    except ValueError as error:
        spot.findings.add(f"{spot.what}: '{key}' {error}", value, key)
        return None


def catalog(value: Mapping[str, Any], spot: Spot) -> tuple[CatalogSettings | None, Any]:
    """Read `catalog`; every glob is checked."""
    for key in ("get", "put", "optional"):
        patterns = value.get(key, [])
        for index, pattern in enumerate(patterns):
            problem = pattern_problem(pattern)
            if problem:
                spot.findings.add(f"{spot.what}: '{key}': {problem}", patterns, index)
    canonical = {
        key: list(item) if not isinstance(item, str) else item for key, item in value.items() if item
    }
    if not canonical:
        return None, None
    settings = CatalogSettings(
        tuple(value.get("get", ())),
        tuple(value.get("put", ())),
        tuple(value.get("optional", ())),
        value.get("compute_data_folder"),
    )
    return settings, canonical
