"""Which globs a step may give to the catalog."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"[A-Za-z]:")


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with *pattern* as a glob of the catalog, or None.

    A pattern is relative to the compute data folder, has `/` between its parts on every system and does not lead out of
    the folder. `*`, `?`, `[...]` and, as a whole part, `**` are wild.
    """
    parts = pattern.split("/")
    rules = (
        (not pattern.strip(), "is empty; '**' takes everything"),
        ("\0" in pattern or "\n" in pattern, "holds a character that no file name has; leave it out"),
        ("\\" in pattern, "holds a backslash; write '/' between folders"),
        (
            pattern.startswith(("/", "~")) or _DRIVE.match(pattern) is not None,
            "is not relative to the compute data folder; write it without its beginning",
        ),
        (".." in parts, "leads out of the compute data folder; leave out '..'"),
        (
            any("**" in part and part != "**" for part in parts),
            "has '**' inside a part; '**' stands alone between slashes, '*' within a name",
        ),
        (
            any(_has_open_bracket(part) for part in parts),
            "has a '[' that no ']' closes; close it, or write '[[]' for the character",
        ),
    )
    return next((f"the pattern {pattern!r} {what}" for is_broken, what in rules if is_broken), None)


def _has_open_bracket(part: str) -> bool:
    """Look for a set without an end; a `]` right behind `[` or `[!` belongs to the set."""
    index = part.find("[")
    while index >= 0:
        start = index + 2 if part[index + 1 : index + 2] == "!" else index + 1
        end = part.find("]", start + 1)
        if end < 0:
            return True
        index = part.find("[", end + 1)
    return False
