"""What a glob of the catalog means, for files on disk as for names in the catalog.

A pattern has no problem that `magnus.domain.patterns.pattern_problem` would find. In a part, `*` stands for any
characters, `?` for one and `[abc]` or `[!abc]` for one of a set; the part `**` stands for any number of folders, at the
end for everything below. A pattern whose last part has no wildcard may name a folder and then means all that is below.

A wildcard at the top of the folder does not match a leading dot: the folder may be the working directory, where `.git`,
`.venv` and the catalog itself lie. Further down it does, because data formats keep files there whose names begin with a
dot. Logs of steps, below `_logs/`, are meant only by patterns that begin with `_logs/`.
"""

from __future__ import annotations

import re
from posixpath import normpath

LOG_FOLDER = "_logs"
"""Where the catalog holds what steps printed."""

NOTES_FOLDER = "_magnus"
"""The folder of the core's own entries in the catalog; a catalog that shows people the files of a run leaves it out."""

_WILDCARDS = frozenset("*?[")
_ANY_FOLDERS = "**"


class FilePattern:
    """A pattern, compiled.

    Attributes:
        text: As written, without empty and `.` parts; `**` if nothing is left.
        is_literal: Whether no part has a wildcard, so that it names one file or folder.
    """

    __slots__ = ("_any_folders", "_fullmatch", "_leading", "_means_tree", "_parts", "is_literal", "text")

    @classmethod
    def exactly(cls, name: str) -> FilePattern:
        """Return the pattern that means the file or folder *name*, whatever characters the name holds."""
        return cls(name, is_name=True)

    def __init__(self, text: str, *, is_name: bool = False) -> None:
        """Compile *text*, in which nothing is wild if it *is_name*."""
        parts = [part for part in text.split("/") if part not in {"", "."}] or [_ANY_FOLDERS]
        self.text = "/".join(parts)
        self.is_literal = is_name or _WILDCARDS.isdisjoint(self.text)
        self._parts = parts
        if self.is_literal:
            self._any_folders = False
            self._means_tree = True
            self._leading = [re.compile(re.escape(part)) for part in parts]
            self._fullmatch = re.compile(rf"{re.escape(self.text)}(?:/.+)?", re.DOTALL).fullmatch
            return
        self._any_folders = _ANY_FOLDERS in parts
        self._means_tree = _WILDCARDS.isdisjoint(parts[-1])
        leading = parts[: parts.index(_ANY_FOLDERS)] if self._any_folders else parts
        self._leading = [
            re.compile(_part_regex(part, at_top=not depth)) for depth, part in enumerate(leading)
        ]
        self._fullmatch = re.compile(_path_regex(parts), re.DOTALL).fullmatch

    def matches(self, name: str) -> bool:
        """Whether the file *name*, a path with `/` between its parts, is meant."""
        if self.is_literal:
            return name == self.text or name.startswith(f"{self.text}/")
        if name.startswith(f"{LOG_FOLDER}/") and self._parts[0] != LOG_FOLDER:
            return False
        return self._fullmatch(name) is not None

    @property
    def is_single_part(self) -> bool:
        """Whether the pattern has one part and means no folder with its contents, so that no path with `/` matches."""
        return len(self._parts) == 1 and not self._means_tree and not self._any_folders

    def may_begin_with(self, part: str) -> bool:
        """Whether a name whose first part is *part* can match."""
        if part == LOG_FOLDER and self._parts[0] != LOG_FOLDER:
            return False
        return not self._leading or self._leading[0].fullmatch(part) is not None

    def may_enter(self, folder_name: str, depth: int) -> bool:
        """Whether there can be a match in a folder called *folder_name* that lies below *depth* other folders."""
        if depth < len(self._leading):
            is_inside = depth < len(self._parts) - 1 or self._means_tree
            return is_inside and self._leading[depth].fullmatch(folder_name) is not None
        if depth == 0 and folder_name[0] == ".":
            return self._parts[1:2] != [] and self._parts[1][0] == "."
        return self._any_folders or self._means_tree

    def names_part(self, depth: int) -> bool:
        """Whether a part of its own stands for what lies below *depth* folders, and not a `**` or a named folder."""
        return depth < len(self._leading)


def _path_regex(parts: list[str]) -> str:
    regex = ""
    at_top = True
    for part in parts[:-1]:
        if part == _ANY_FOLDERS:
            regex += rf"(?:{_no_dot(at_top=at_top)}[^/]+/(?:[^/]+/)*)?"
        else:
            regex += f"{_part_regex(part, at_top=at_top)}/"
            at_top = False
    last = parts[-1]
    if last == _ANY_FOLDERS:
        return f"{regex}{_no_dot(at_top=at_top)}.+"
    tree = "(?:/.+)?" if _WILDCARDS.isdisjoint(last) else ""
    return f"{regex}{_part_regex(last, at_top=at_top)}{tree}"


def leads_out(folder: str) -> bool:
    """Return True if *folder*, relative to the project as a rule, is outside of the project."""
    path = normpath(folder)
    return path.startswith(("/", "../")) or path == ".."


def _part_regex(part: str, *, at_top: bool) -> str:
    regex = _no_dot(at_top=at_top) if part[0] in _WILDCARDS else ""
    index = 0
    while index < len(part):
        character = part[index]
        index += 1
        if character == "*":
            regex += "[^/]*"
        elif character == "?":
            regex += "[^/]"
        elif character == "[":
            # A `]` right behind `[` or `[!` belongs to the set.
            end = part.index("]", index + 2 if part[index] == "!" else index + 1)
            regex += _set_regex(part[index:end])
            index = end + 1
        else:
            regex += re.escape(character)
    return regex


def _no_dot(*, at_top: bool) -> str:
    return r"(?!\.)" if at_top else ""


def _set_regex(members: str) -> str:
    is_negated = members[0] == "!"
    rest = members[1:] if is_negated else members
    regex = ""
    while rest:
        if len(rest) > 2 and rest[1] == "-":  # noqa: PLR2004 - a range: its two ends and the sign
            # A range that runs backwards holds nothing.
            if rest[0] <= rest[2]:
                regex += f"{re.escape(rest[0])}-{re.escape(rest[2])}"
            rest = rest[3:]
        else:
            regex += re.escape(rest[0])
            rest = rest[1:]
    if is_negated:
        return f"[^/{regex}]"
    return f"[{regex}]" if regex else r"(?!)"
