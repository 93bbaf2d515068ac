"""Which globs a step may give to the catalog."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"[A-Za-z]:")


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with *pattern* as a glob of the catalog, or None.

    A pattern is relative to the compute data folder, has `/` between its parts on every system and does not lead out of
    the folder. `*`, `?`, `[...]` and, as a whole part, `**` are wild.
    """
    if not pattern.strip():
        return "a pattern must not be empty; '**' takes everything"
    if "\0" in pattern or "\n" in pattern:
        return f"the pattern {pattern!r} holds a character that no file name has; leave it out"
    if "\\" in pattern:
        return f"the pattern {pattern!r} holds a backslash; write '/' between folders"
    if pattern.startswith(("/", "~")) or _DRIVE.match(pattern):
        return f"the pattern {pattern!r} is not relative to the compute data folder; write it without its beginning"
    parts = pattern.split("/")
    if ".." in parts:
        return f"the pattern {pattern!r} leads out of the compute data folder; leave out '..'"
    if any("**" in part and part != "**" for part in parts):
        return f"the pattern {pattern!r} has '**' inside a part; '**' stands alone between slashes, '*' within a name"
    if any(_has_open_bracket(part) for part in parts):
        return f"the pattern {pattern!r} has a '[' that no ']' closes; close it, or write '[[]' for the character"
    return None


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
