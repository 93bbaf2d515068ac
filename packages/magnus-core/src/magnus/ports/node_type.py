"""The port for types of nodes."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar

from magnus.domain.role import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.parameters import Values


__all__ = ["NodeType", "Role"]


class NodeType(ABC):
    """How nodes of one type are written and what they mean. Stateless."""

    role: ClassVar[Role]

    keys: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """The keys a node of this type takes besides the common ones, each with the JSON Schema of its value."""

    required: ClassVar[Sequence[str]] = ()
    """Those of them that must be there."""

    takes_other_keys: ClassVar[bool] = False
    """Whether any further key is kept as it is."""

    branches_share_scope: ClassVar[bool] = False
    """True if the branches of a composite node use the files and names of the graph around them, instead of their own."""

    def fan_out(self, node: Node, parameters: Values) -> Sequence[tuple[str, Graph, tuple[str, Any] | None]]:
        """Return the branches of a composite node, in declared order: name, graph, and the map item if there is one.

        Raises:
            ExecutionError: The branches cannot be told from *parameters*; the step fails with the message.
        """
        raise NotImplementedError

    def fan_in(self, node: Node, outputs: Sequence[tuple[str, Values]]) -> tuple[Values, list[str]]:
        """Join what the branches put into the parameters, in declared order; return also what a reader should know."""
        raise NotImplementedError
