"""Names that are the same whenever they are made of the same things, so that nothing is submitted or registered twice. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.jobs import Job

_PREFIX = "magnus"
_READABLE_CHARACTERS = 80
"""Of the 128 that the name of a job may have."""

_DIGEST_CHARACTERS = 20
_LONGEST_TAG = 256
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+\-@]", re.UNICODE)


def job_name(jobs: Sequence[Job], shown_as: str, generation: int) -> str:
    """Return the name of the Batch job for *jobs*.

    Args:
        jobs: One, or all the children of an array, in order.
        shown_as: What a person calls them.
        generation: How often they were submitted before, because no fault of theirs had ended them.
    """
    digest = _digest([*(job.identity for job in jobs), generation])
    readable = _NOT_IN_NAMES.sub("-", shown_as).strip("-")[:_READABLE_CHARACTERS]
    return "-".join(part for part in (_PREFIX, readable, digest) if part)


def definition_name(content: Mapping[str, Any]) -> str:
    """Return the name of the job definition with *content*."""
    return f"{_PREFIX}-{_digest(content)}"


def run_folder(run_id: str) -> str:
    """Return the part of keys that the handover of a run lies below."""
    return f"{quote(run_id, safe='')}/"


def tag_value(text: str) -> str:
    """Return *text* as far as the value of a tag may hold it."""
    return _NOT_IN_TAGS.sub("_", text)[:_LONGEST_TAG]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGEST_CHARACTERS]
