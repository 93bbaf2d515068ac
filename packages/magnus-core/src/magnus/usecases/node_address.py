"""Finds a node, or a branch, of a graph by the dotted path that the run log calls it by."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote

from magnus.domain.names import (
    ITEM,
    ROOT_BRANCH,
    branch_name,
    decode_map_value,
    encode_map_value,
    is_shortened,
    shortened,
    split,
    step_name,
)
from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import Node
    from magnus.engine.context import Types

T = TypeVar("T")


class Branch(NamedTuple):
    """A graph in a run.

    Attributes:
        name: The internal name; `""` for the outermost graph.
        graph: The graph.
        map_variable: The items of the maps around it, outermost first.
        owners: For each branch from the outermost graph to this one, its internal name and the type of its composite node.
    """

    name: str
    graph: Graph
    map_variable: MapVariable
    owners: tuple[tuple[str, str], ...] = ()

    def scopes(self, types: Types) -> tuple[str, ...]:
        """Return the isolating branches around the steps of this one, outermost first; itself, if it isolates, is the last."""
        return tuple(name for name, owner in self.owners if not types.node_type(owner).branches_share_scope)


class Address(NamedTuple):
    """A node in a run.

    Attributes:
        name: The step's internal name.
        node: The node.
        branch: What it stands in.
    """

    name: str
    node: Node
    branch: Branch


def find_node(graph: Graph, path: str, map_variable: Mapping[str, Any] | None = None) -> Address:
    """Return the node at *path*, the internal name of its step.

    In the names of nodes and branches any character may be percent-encoded (`my%20step`), for callers that cannot have
    blanks in arguments; `%` alone stands for an item that *map_variable* gives.

    Args:
        graph: The outermost graph.
        path: The dotted path; an odd number of parts.
        map_variable: The items of the maps around the node, outermost first; None to take them from *path*.

    Raises:
        ConfigurationError: There is no such node, or *map_variable* does not go with *path*.
    """
    parts = split(path)
    if len(parts) % 2 == 0:
        raise ConfigurationError(
            f"'{path}' is no path of a step: it has an odd number of parts, step.branch.step"
        )
    branch = _descend(graph, parts[:-1], path, map_variable)
    node = _member(branch.graph.nodes, parts[-1], f"'{path}': no step", branch.name)
    return Address(step_name(branch.name, node.name), node, branch)


def find_branch(graph: Graph, path: str, map_variable: Mapping[str, Any] | None = None) -> Branch:
    """Return the branch at *path*, its internal name; otherwise like `find_node`.

    Raises:
        ConfigurationError: There is no such branch, or *map_variable* does not go with *path*.
    """
    parts = split(path)
    if not parts or len(parts) % 2 == 1:
        raise ConfigurationError(
            f"'{path}' is no path of a branch: it has an even number of parts, step.branch"
        )
    return _descend(graph, parts, path, map_variable)


def read_map_variable(text: str | None) -> dict[str, Any] | None:
    """Return what `--map-variable` says: a JSON object, outermost item first; None where it is not given.

    Raises:
        ConfigurationError: It is no JSON object.
    """
    if not text:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--map-variable is no JSON ({error}): {text}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f'--map-variable is {text}; expected a JSON object such as {{"item": 1}}')
    return value


def _descend(graph: Graph, parts: tuple[str, ...], path: str, given: Mapping[str, Any] | None) -> Branch:
    name = ROOT_BRANCH
    items: list[tuple[str, Any]] = []
    owners: list[tuple[str, str]] = []
    for owner, part in zip(parts[::2], parts[1::2], strict=True):
        node = _member(graph.nodes, owner, f"'{path}': no step", name)
        if not node.is_composite:
            raise ConfigurationError(
                f"'{path}': the step '{node.name}' is of type '{node.type}' and has no branches"
            )
        if node.map is None:
            graph = _member(node.branches, part, f"'{path}': no branch", node.name)
            inner = next(known for known, each in node.branches.items() if each is graph)
        else:
            item = _item(node.map.iterate_as, part, path, given)
            items.append((node.map.iterate_as, item))
            (graph,) = node.branches.values()
            inner = encode_map_value(item)
            _check_branch(part, inner, path)
        name = branch_name(step_name(name, node.name), inner)
        owners.append((name, node.type))
    _check_given(items, path, given)
    return Branch(name, graph, tuple(items), tuple(owners))


def _item(name: str, part: str, path: str, given: Mapping[str, Any] | None) -> Any:
    if is_shortened(part) and given is not None and name in given:
        return given[name]  # `_check_given` compares their names
    if part != ITEM:
        try:
            return decode_map_value(part)
        except ValueError as error:
            raise ConfigurationError(f"'{path}': '{part}' stands for no item of a map: {error}") from error
    if given is None or name not in given:
        raise ConfigurationError(
            f"'{path}': '{ITEM}' stands for the item '{name}', which --map-variable has to give"
        )
    return given[name]


def _check_branch(part: str, name: str, path: str) -> None:
    """Refuse an item that does not go with the shortened name of its branch."""
    if is_shortened(part) and part != name:
        raise ConfigurationError(f"'{path}': '{part}' stands for another item than --map-variable gives")


def _check_given(items: list[tuple[str, Any]], path: str, given: Mapping[str, Any] | None) -> None:
    if given is not None and [(name, encode_map_value(value)) for name, value in given.items()] != [
        (name, encode_map_value(value)) for name, value in items
    ]:
        expected = json.dumps(dict(items), ensure_ascii=False)
        raise ConfigurationError(
            f"--map-variable is {json.dumps(dict(given), ensure_ascii=False)}, but '{path}' stands for {expected}"
        )


def _member(members: Mapping[str, T], part: str, problem: str, place: str) -> T:
    name = unquote(part)
    if name in members:
        return members[name]
    for member, value in members.items():
        if shortened(member) == name:
            return value
    where = f" in '{place}'" if place else ""
    raise ConfigurationError(f"{problem} '{name}'{where}{_hint(name, members)}")


def _hint(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    known = list(names)
    close = get_close_matches(name, known, n=1)
    return f". Did you mean '{close[0]}'?" if close else f"; there are {', '.join(known[:8])}"
