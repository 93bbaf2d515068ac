"""Names of steps, branches and runs: the one place that joins, splits and encodes them.

A step's internal name is a dotted path with an odd number of parts (`step`, `step.branch.child`), a branch's has an even
number (`step.branch`); the graph of the whole run is the branch named `""`. Node names therefore hold no dot, and no `%`,
which begins an encoded character in the name of a map branch.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT_BRANCH = ""
"""The internal name of the outermost graph."""

DAG_BRANCH = "dag"
"""The name of the only branch of a dag node."""

ITEM = "%"
"""Stands in a path for the item of a map, which the map variable then gives; no encoded value looks like it."""

LONGEST_PART = 80
"""Bytes; a longer part of a name is shortened, so that no name is too long for a file, a label or a column."""

LONGEST_FILE_NAME = 200
"""Bytes; file systems allow 255, and something may have to be added."""

_JSON_MARK = "%="
_HASH_MARK = "%~"
"""Stands between the beginning of a part that was shortened and the hash of the whole; no encoded character looks like it."""

_HASH_DIGITS = 16
_BROKEN_ESCAPE = re.compile(r"%[0-9A-F]?$")
_NEEDS_ENCODING = re.compile(r"[%./\\\x00-\x1f\x7f\ud800-\udfff]|^\s|\s$")
_RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def step_name(branch: str, name: str) -> str:
    """Return the internal name of the step *name* in the branch with the internal name *branch*."""
    part = shortened(name)
    return f"{branch}.{part}" if branch else part


def branch_name(step: str, name: str) -> str:
    """Return the internal name of the branch *name* of the composite step with the internal name *step*."""
    return f"{step}.{shortened(name)}"


def shortened(part: str, limit: int = LONGEST_PART) -> str:
    """Return *part* as it is, or of one with more than *limit* bytes its beginning and a hash of the whole."""
    if len(part) * 4 <= limit:  # the usual case, without encoding
        return part
    data = part.encode(errors="surrogatepass")
    if len(data) <= limit:
        return part
    room = limit - len(_HASH_MARK) - _HASH_DIGITS
    beginning = _BROKEN_ESCAPE.sub("", data[:room].decode(errors="ignore"))
    return f"{beginning}{_HASH_MARK}{sha256(data).hexdigest()[:_HASH_DIGITS]}"


def is_shortened(part: str) -> bool:
    """Return whether `shortened` has cut *part*, so that what it stood for cannot be told from it."""
    return _HASH_MARK in part


def split(internal_name: str) -> tuple[str, ...]:
    """Return the parts of an internal name, outermost first; none for the root branch."""
    return tuple(internal_name.split(".")) if internal_name else ()


def parent(internal_name: str) -> str:
    """Return what holds *internal_name*: the branch of a step, or the step of a branch."""
    return internal_name.rpartition(".")[0]


def short_name(internal_name: str) -> str:
    """Return the last part of an internal name."""
    return internal_name.rpartition(".")[2]


def node_name_problem(name: str) -> str | None:
    """Return what is wrong with *name* as the name of a node or branch, or None."""
    if not name.strip():
        return "a name must not be empty"
    if "." in name or "%" in name:
        return f"the name {name!r} holds '.' or '%', which separate and encode the parts of a step's name; leave them out"
    if not name.isprintable():
        return f"the name {name!r} holds a character that cannot be printed; leave it out"
    return None


def run_id_problem(run_id: str) -> str | None:
    """Return what is wrong with *run_id*, or None; a run id becomes part of paths and object keys."""
    if _RUN_ID.fullmatch(run_id):
        return None
    return (
        f"the run id {run_id!r} cannot be used: it takes 1 to 128 letters, digits, '_', '-' and '.', "
        "and does not begin with '-' or '.'"
    )


def encode_map_value(value: Any) -> str:
    """Return the branch name for a value that a map iterates over.

    `decode_map_value` gives the value back, unless its name had to be `shortened`. A plain string is its own name. In other
    strings the characters that have a meaning in names or paths are percent-encoded; any other JSON value, and the empty
    string, is its compact JSON text behind `%=`, encoded in the same way.
    """
    if isinstance(value, str) and value:
        return shortened(_percent(value))
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return shortened(_JSON_MARK + _percent(text))


def in_command(path: Sequence[str]) -> str:
    """Return the dotted *path* of a step as it can stand on any command line: ASCII that no shell takes apart.

    Args:
        path: Names of nodes and branches, outermost first; `ITEM` stands for the item of a map.
    """
    return ".".join(part if part == ITEM else quote(part, safe="").replace("~", "%7E") for part in path)


def decode_map_value(name: str) -> Any:
    """Return the value whose branch is called *name*.

    Raises:
        ValueError: It was shortened, or is no such name.
    """
    if is_shortened(name):
        message = "the name is shortened, so the item cannot be read from it; --map-variable gives it"
        raise ValueError(message)
    if name.startswith(_JSON_MARK):
        return json.loads(unquote(name[len(_JSON_MARK) :], errors="surrogatepass"))
    return unquote(name, errors="surrogatepass")


def _percent(text: str) -> str:
    def encode(match: re.Match[str]) -> str:
        # Half a character, which a text may hold, has three bytes of its own here.
        return "".join(f"%{byte:02X}" for byte in match.group().encode(errors="surrogatepass"))

    return _NEEDS_ENCODING.sub(encode, text)
