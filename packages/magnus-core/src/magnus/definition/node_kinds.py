"""The installed node and task types, loaded once per pipeline and ready for checking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.keys import GRAPH, NODE_ALIASES, ROLE_KEYS, TYPE_ALIASES
from magnus.errors import MagnusError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.plugins.manager import AdapterManager
    from magnus.ports.node_type import NodeType, Role
    from magnus.ports.task_type import TaskType


class NodeKind(NamedTuple):
    """A node type and the keys that its nodes take.

    Attributes:
        name: Without alias.
        role: What the traversal does with the node.
        keys: Every key besides `type`, with its schema; older spellings too.
        required: Keys that must be there.
        graph_keys: Keys that hold one graph.
        graphs_keys: Keys that hold graphs by name.
        left_out: Keys that the canonical definition has in another form: the graph itself instead of its file.
        takes_other_keys: Whether any further key is kept.
    """

    name: str
    role: Role
    keys: Mapping[str, Mapping[str, Any]]
    required: Sequence[str]
    graph_keys: tuple[str, ...]
    graphs_keys: tuple[str, ...]
    left_out: frozenset[str]
    takes_other_keys: bool


class Kinds:
    """Finds node and task types by name."""

    def __init__(self, adapters: AdapterManager) -> None:
        """Load nothing yet."""
        self._adapters = adapters
        self._nodes: dict[str, NodeKind] = {}
        self._tasks: dict[str, TaskType | str] = {}

    def node(self, name: str) -> NodeKind | str:
        """Return the node type *name*, or what is wrong with it."""
        kind = self._nodes.get(name)
        if kind is None:
            try:
                kind = _kind(TYPE_ALIASES.get(name, name), self._adapters.load("node type", name))
            except MagnusError as error:
                return str(error)
            self._nodes[name] = kind
        return kind

    def nearest_node(self, name: str) -> NodeKind | None:
        """Return the node type whose name is most like *name*, if any is."""
        from difflib import get_close_matches

        close = get_close_matches(name, self.node_names(), n=1)
        kind = self.node(close[0]) if close else None
        return kind if isinstance(kind, NodeKind) else None

    def node_names(self) -> list[str]:
        """Return the names of all node types."""
        return sorted(self._adapters.offers("node type"))

    def task(self, name: str) -> TaskType | str:
        """Return the task type *name*, or what is wrong with it.

        Of a type that is installed but cannot be imported that is told once, and is empty from then on: no place in the
        pipeline is to blame for it.
        """
        task = self._tasks.get(name)
        if task is None:
            try:
                task = self._adapters.load("task type", name)()
            except ServiceError as error:
                self._tasks[name] = ""
                return str(error)
            except MagnusError as error:
                task = str(error)
            self._tasks[name] = task
        return task


def _kind(name: str, node_type: type[NodeType]) -> NodeKind:
    own = node_type.keys
    common = ROLE_KEYS[node_type.role]
    aliases = {old: common[new] for old, new in NODE_ALIASES.items() if new in common}
    graph_keys = tuple(key for key, schema in own.items() if schema.get("$ref") == GRAPH["$ref"])
    graphs_keys = tuple(key for key, schema in own.items() if schema.get("additionalProperties") == GRAPH)
    return NodeKind(
        name=name,
        role=node_type.role,
        keys={**own, **common, **aliases},
        required=(*node_type.required, *(["next"] if "next" in common else [])),
        graph_keys=graph_keys,
        graphs_keys=graphs_keys,
        left_out=frozenset({*graph_keys, *graphs_keys, "dag_definition"} if graph_keys else graphs_keys),
        takes_other_keys=node_type.takes_other_keys,
    )
