"""The types of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.definition.keys import GRAPH, GRAPHS, NAME, TASK_KEYS
from magnus.domain.names import encode_map_value
from magnus.domain.parameters import collect_map, merge_branches
from magnus.errors import ExecutionError
from magnus.ports.node_type import NodeType, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.parameters import Values


class TaskNode(NodeType):
    """Does the work."""

    role = Role.WORK
    keys = TASK_KEYS
    required = ("command",)


class SuccessNode(NodeType):
    """Closes its graph with success."""

    role = Role.TERMINAL


class FailNode(NodeType):
    """Closes its graph with failure."""

    role = Role.TERMINAL


class AsIsNode(NodeType):
    """Runs nothing and succeeds; whatever else is written is kept, for the executors that render."""

    role = Role.PASS
    takes_other_keys = True


class _Branches(NodeType):
    """Walks the graphs that were written in the node, or in a file that it names."""

    role = Role.COMPOSITE

    def fan_out(self, node: Node, parameters: Values) -> Sequence[tuple[str, Graph, tuple[str, Any] | None]]:
        """Return the branches as they were declared."""
        return [(name, graph, None) for name, graph in node.branches.items()]

    def fan_in(self, node: Node, outputs: Sequence[tuple[str, Values]]) -> tuple[Values, list[str]]:
        """Lay what the branches set over each other in declared order; tell of keys that got different values."""
        return merge_branches(outputs)


class ParallelNode(_Branches):
    """Walks several graphs, at the same time where the executor can."""

    keys = {  # noqa: RUF012 - declared as immutable in the port
        "branches": {**GRAPHS, "description": "The graphs by the names of the branches."}
    }
    required = ("branches",)


class DagNode(_Branches):
    """Walks one graph, which stands in another file."""

    branches_share_scope = True
    keys = {  # noqa: RUF012 - declared as immutable in the port
        "dag_definition": {**NAME, "description": "A pipeline file, relative to the file that names it."},
        "dag": {**GRAPH, "description": "Instead of 'dag_definition': the graph itself."},
    }


class MapNode(NodeType):
    """Walks one graph for every item of a list."""

    role = Role.COMPOSITE
    keys = {  # noqa: RUF012 - declared as immutable in the port
        "iterate_on": {**NAME, "description": "The parameter that holds the list."},
        "iterate_as": {**NAME, "description": "The name under which a branch finds its item."},
        "branch": {**GRAPH, "description": "What is done for every item."},
        "max_concurrency": {
            "type": "integer",
            "minimum": 1,
            "description": "The most items that may be in work at the same time.",
        },
    }
    required = ("iterate_on", "iterate_as", "branch")

    def fan_out(self, node: Node, parameters: Values) -> Sequence[tuple[str, Graph, tuple[str, Any] | None]]:
        """Return one branch per item of the list; none for an empty one.

        Raises:
            ExecutionError: The parameter is not there or holds no list, or two items would share a name.
        """
        settings = node.map
        if settings is None:
            message = f"the map step '{node.name}' was built without what it iterates over; load it from a definition"
            raise ExecutionError(message)
        (graph,) = node.branches.values()
        branches: dict[str, tuple[str, Graph, tuple[str, Any] | None]] = {}
        for index, item in enumerate(_items(node.name, settings.iterate_on, parameters)):
            name = encode_map_value(item)
            if name in branches:
                message = (
                    f"the map step '{node.name}' finds the item {_shown(item)} twice in the parameter "
                    f"'{settings.iterate_on}', the second time at position {index + 1}; each item names a branch, so "
                    "remove one, or make them differ"
                )
                raise ExecutionError(message)
            branches[name] = (name, graph, (settings.iterate_as, item))
        return list(branches.values())

    def fan_in(self, node: Node, outputs: Sequence[tuple[str, Values]]) -> tuple[Values, list[str]]:
        """Make a list, in item order, of each key that a branch set."""
        return collect_map([values for _, values in outputs]), []


def _items(step: str, parameter: str, parameters: Values) -> list[Any]:
    value = parameters.get(parameter)
    if value is None:
        from magnus.definition.words import hint, one_of

        message = (
            f"the map step '{step}' iterates over the parameter '{parameter}', which no one has set; "
            f"there are: {one_of(parameters) or 'none'}{hint(parameter, parameters)}"
        )
        raise ExecutionError(message)
    items = value.decode()
    if not isinstance(items, list):
        from magnus.definition.words import KINDS, kind_of

        message = (
            f"the map step '{step}' iterates over the parameter '{parameter}', which holds {KINDS[kind_of(items)]}; "
            "expected a list"
        )
        raise ExecutionError(message)
    return items


def _shown(item: Any) -> str:
    shown = repr(item)
    return shown if len(shown) <= 60 else shown[:57] + "..."  # noqa: PLR2004 - enough to recognise an item
