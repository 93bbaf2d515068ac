"""How two definitions of a dag differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.nodes import work_hash

if TYPE_CHECKING:
    from collections.abc import Mapping


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say how the `dag` block *new* differs from *old*, both in canonical form; names the nodes whose work changed."""
    before, after = _work(old), _work(new)
    parts = [
        f"{verb} {', '.join(names)}"
        for verb, names in (
            ("changed", sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
            ("added", sorted(after.keys() - before.keys())),
            ("removed", sorted(before.keys() - after.keys())),
        )
        if names
    ]
    return "; ".join(parts) or "its order, retries, timeouts or resources changed, but no node's own work"


def _work(dag: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of the work of every node by the path that leads to it."""
    found: dict[str, str] = {}
    pending = [("", dag)]
    while pending:
        prefix, graph = pending.pop()
        for name, definition in graph.get("steps", {}).items():
            found[f"{prefix}{name}"] = work_hash(definition)
            if "branch" in definition:
                pending.append((f"{prefix}{name}.*.", definition["branch"]))
            if "dag" in definition:
                pending.append((f"{prefix}{name}.dag.", definition["dag"]))
            pending.extend(
                (f"{prefix}{name}.{key}.", inner) for key, inner in definition.get("branches", {}).items()
            )
    return found
