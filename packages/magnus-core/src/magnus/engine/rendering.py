"""Makes the plan of a pipeline that executors which render are given: keys, paths, edges and commands."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.names import ITEM, in_command
from magnus.domain.nodes import canonical_json
from magnus.domain.render_plan import Command, RenderedGraph, RenderedNode, RenderPlan, Token
from magnus.domain.role import Role

if TYPE_CHECKING:
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.engine.context import Types

_ROOT_KEY = "main"
_LONGEST_SLUG = 30


class Given(NamedTuple):
    """What the user gave, as every node is to be given it.

    Attributes:
        pipeline_file: The pipeline file.
        config_file: The configuration file; None for the usual places.
        parameters_file: The parameters file; None for none.
        tag: The user's mark.
        magnus_version: The version that renders.
        use_cached: The run that is continued; empty for none.
        cached_config: The configuration whose stores hold that run; None if they are the same.
        finished: The nodes of the outermost graph that need not be called again.
    """

    pipeline_file: str
    config_file: str | None = None
    parameters_file: str | None = None
    tag: str = ""
    magnus_version: str = ""
    use_cached: str = ""
    cached_config: str | None = None
    finished: frozenset[str] = frozenset()


class _Waiting(NamedTuple):
    """A graph that is still to be rendered: its key, the way to it as names and as nodes are addressed, the maps around it."""

    key: str
    graph: Graph
    path: tuple[str, ...]
    address: tuple[str, ...]
    items: tuple[str, ...]


def build_plan(graph: Graph, types: Types, given: Given) -> RenderPlan:
    """Return the plan of *graph*; equal input gives an equal plan."""
    keys = _Keys()
    graphs = []
    waiting = [_Waiting(_ROOT_KEY, graph, (), (), ())]
    while waiting:
        each = waiting.pop()
        rendered, inside = _render(each, keys, types, given)
        graphs.append(rendered)
        waiting.extend(reversed(inside))
    return RenderPlan(
        graphs=tuple(graphs),
        dag_hash=graph.hash(),
        magnus_version=given.magnus_version,
        pipeline_file=given.pipeline_file,
        config_file=given.config_file,
        parameters_file=given.parameters_file,
        tag=given.tag,
        stop=_stop(graph, given),
        original_run_id=given.use_cached,
    )


def _render(
    waiting: _Waiting, keys: _Keys, types: Types, given: Given
) -> tuple[RenderedGraph, list[_Waiting]]:
    """Return the graph, and those that its nodes hold."""
    graph = waiting.graph
    of = {name: keys.take((*waiting.path, name)) for name in graph.nodes}
    inside: list[_Waiting] = []
    nodes = []
    for node in graph.nodes.values():
        branches = [_branch(waiting, node, name, inner, keys) for name, inner in node.branches.items()]
        inside += branches
        nodes.append(_node(waiting, node, of, branches, types, given))
    rendered = RenderedGraph(
        waiting.key, graph, waiting.path, of[graph.start_at], tuple(nodes), waiting.items
    )
    return rendered, inside


def _branch(outer: _Waiting, node: Node, name: str, graph: Graph, keys: _Keys) -> _Waiting:
    path = (*outer.path, node.name, name)
    is_map = node.map is not None
    return _Waiting(
        keys.take(path),
        graph,
        path,
        (*outer.address, node.name, ITEM if is_map else name),
        (*outer.items, name) if is_map else outer.items,
    )


def _node(
    outer: _Waiting, node: Node, keys: dict[str, str], branches: list[_Waiting], types: Types, given: Given
) -> RenderedNode:
    role = types.node_type(node.type).role
    path = in_command((*outer.address, node.name))
    ends = role is Role.TERMINAL
    is_composite = role is Role.COMPOSITE
    arguments = _arguments(path, given, in_map=bool(outer.items))
    return RenderedNode(
        key=keys[node.name],
        node=node,
        role=role,
        path=path,
        options=types.executor_options(node),
        next="" if ends or node.next is None else keys[node.next],
        on_failure="" if ends else keys[node.on_failure or outer.graph.get_fail_node().name],
        branches={name: branch.key for name, branch in zip(node.branches, branches, strict=True)},
        command=() if is_composite else ("magnus", "execute_single_node", *arguments),
        fan_out=("magnus", "fan", "--mode", "out", *arguments) if is_composite else (),
        fan_in=("magnus", "fan", "--mode", "in", *arguments) if is_composite else (),
        is_finished=not outer.path and node.name in given.finished,
    )


def _arguments(path: str, given: Given, *, in_map: bool) -> Command:
    """Return what every command of a node is told."""
    arguments: list[str | Token] = ["--step-name", path, "--run-id", Token.RUN_ID]
    if in_map:
        arguments += ["--map-variable", Token.MAP_VARIABLE]
    arguments += ["--file", given.pipeline_file]
    for option, value in (
        ("--config-file", given.config_file),
        ("--parameters-file", given.parameters_file),
        ("--tag", given.tag),
        ("--use-cached", given.use_cached),
        ("--cached-config", given.cached_config),
    ):
        arguments += [option, value] if value else []
    return tuple(arguments)


def _stop(graph: Graph, given: Given) -> Command:
    arguments = _arguments(in_command((graph.get_fail_node().name,)), given, in_map=False)
    return ("magnus", "execute_single_node", *arguments, "--stopped-because", Token.REASON)


class _Keys:
    """Gives out keys.

    A name that is a key itself is kept as long as nobody has it. Any other gets what is left of it, and a piece of a hash
    of its path: so a key does not change when another step comes or goes.
    """

    def __init__(self) -> None:
        self._taken = {_ROOT_KEY}

    def take(self, path: tuple[str, ...]) -> str:
        slug = _slug("-".join(path))
        digest = sha256(canonical_json(path).encode(errors="surrogatepass")).hexdigest()
        candidates = [f"{slug}-{digest[:length]}" for length in range(6, len(digest) + 1)]
        if path == (slug,):
            candidates.insert(0, slug)
        key = next(each for each in candidates if each not in self._taken)
        self._taken.add(key)
        return key


def _slug(text: str) -> str:
    """Return what a key can keep of *text*."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:_LONGEST_SLUG].rstrip("-")
    return slug if slug[:1].isalpha() else f"n{slug}"
