"""Writes a plan as a bash script. Pure: the same plan gives the same text.

Every graph is a function that goes from node to node; what differs between nodes is one arm of its `case`. Graphs call
each other, as they hold each other in the dag. Beside that there are only the helpers of `demo_prelude.bash`.
"""

from __future__ import annotations

from importlib import resources
from shlex import quote
from typing import TYPE_CHECKING

from magnus.domain.render_plan import Token
from magnus.domain.role import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.domain.render_plan import Command, RenderedGraph, RenderedNode, RenderPlan

_TOKENS = {Token.RUN_ID: '"$run_id"', Token.MAP_VARIABLE: '"$map_variable"', Token.REASON: '"$1"'}
_ARM = " " * 8
_BODY = " " * 12
_NEWLINE = f"\n{_BODY}    "


def render_script(plan: RenderPlan) -> str:
    """Return the script."""
    graphs = {graph.key: graph for graph in plan.graphs}
    parts = [_header(plan), _part("demo_prelude.bash")]
    # Innermost first, as functions are read best after what they call.
    parts += ["\n".join(_function(graph, graphs)) + "\n" for graph in reversed(plan.graphs)]
    parts.append(
        f"# Closes the run as failed, for the reason that is given.\nclose_run() {{\n    {as_shell_line(plan.stop)}\n}}\n"
    )
    parts.append(_part("demo_ending.bash"))
    return "\n".join(parts)


def _header(plan: RenderPlan) -> str:
    file = _comment(plan.pipeline_file)
    return f"""\
#!/usr/bin/env bash
# The dag of {file} as a script, rendered by magnus {plan.magnus_version} (demo-renderer).
# dag hash: {plan.dag_hash}
{_continues(plan)}#
# Usage: bash SCRIPT RUN_ID. It needs bash, and magnus on the PATH. Exits with 0 if the run succeeded, 1 if it failed, 2 or 3
# if magnus could not go on, 130 if it was interrupted. Called again with the same run id after it was killed, it goes on.
#
# Helpers that this dag does not need, functions that are called by name, and a $ that is meant as it stands:
# shellcheck disable=SC2317,SC2329,SC2016
"""


def _continues(plan: RenderPlan) -> str:
    if not plan.original_run_id:
        return ""
    return f"# It continues run {_comment(plan.original_run_id)}, and lets pass what had ended there.\n"


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _function(graph: RenderedGraph, graphs: Mapping[str, RenderedGraph]) -> Iterator[str]:
    where = f"the branch {'.'.join(graph.path)}" if graph.path else "the outermost graph"
    place = graph.graph.place
    yield f"# {_comment(f'{place.path}:{place.line}: {where}' if place else where)}"
    yield f"{_name(graph)}() {{"
    if graph.items:
        yield f"    local map_variable=$1 # the items: {_comment(', '.join(graph.items))}"
    if any(node.branches for node in graph.nodes):
        yield "    local opened='' running=0 broken=0"
    yield f"    local at='{graph.start_at}'"
    yield "    while true; do"
    yield f"{_ARM}case $at in"
    for node in graph.nodes:
        yield f"{_ARM}'{node.key}') # {_comment(f'{node.place}: {node.node.name}, {node.node.type}')}"
        yield from (f"{_BODY}{line}" for line in _arm(node, graph, graphs))
        yield f"{_BODY};;"
    yield f"{_ARM}esac"
    yield "    done"
    yield "}"


def _arm(node: RenderedNode, graph: RenderedGraph, graphs: Mapping[str, RenderedGraph]) -> Iterator[str]:
    """Yield what is done at *node*."""
    if node.role is Role.TERMINAL:
        yield f"call {as_shell_line(node.command)}"
        yield "return"
        return
    if node.is_finished:
        yield f"at='{node.next}' # it had ended in the run that is continued"
        return
    if isinstance(text := node.node.definition.get("render_string"), str):
        yield "( # as it stands in the dag; how it ends does not matter"
        yield f"    :\n{text}\n{_BODY}) </dev/null"
    yield f"if {f' &&{_NEWLINE}'.join(_condition(node, graph, graphs))}; then"
    yield f"    at='{node.next}'"
    yield "else"
    yield f"    at='{node.on_failure}'"
    yield "fi"


def _condition(
    node: RenderedNode, graph: RenderedGraph, graphs: Mapping[str, RenderedGraph]
) -> Iterator[str]:
    """Yield the commands that all succeed if *node* does."""
    if node.role is not Role.COMPOSITE:
        yield f"{'attempt' if node.role is Role.WORK else 'call'} {as_shell_line(node.command)}"
        return
    limit = _most_at_once(node)
    names = [_name(graphs[key]) for key in node.branches.values()]
    if node.node.map is not None:
        yield f"open_branches {as_shell_line(node.fan_out)} --lines"
        yield f"branch_for_each_item {limit} {names[0]}"
    else:
        yield f"open_branches {as_shell_line(node.fan_out)}"
        item = ' "$map_variable"' if graph.items else ""
        yield from (f"branch {limit} {name}{item}" for name in names)
        yield "await_branches"
    yield f"call {as_shell_line(node.fan_in)}"


def _most_at_once(node: RenderedNode) -> int:
    """Return how many branches of a composite node may be under way."""
    if not node.options.enable_parallel:
        return 1
    limit: int = node.options.max_workers
    settings = node.node.map
    if settings is not None and settings.max_concurrency is not None:
        limit = min(limit, settings.max_concurrency)
    return limit


def _name(graph: RenderedGraph) -> str:
    return f"graph_{graph.key.replace('-', '_')}"


def as_shell_line(command: Command) -> str:
    """Return *command* as the shell takes it: everything quoted, and what is known only then as a variable."""
    words = (_TOKENS[part] if isinstance(part, Token) else _word(part) for part in command[2:])
    return " ".join([*map(str, command[:2]), *words])


def _word(text: str) -> str:
    # Bare letters could be a word of the shell's own; readers, and shellcheck, would wonder.
    return f"'{text}'" if text.isalpha() and text.isascii() else quote(text)


def _comment(text: str) -> str:
    """Return *text* so that it cannot leave the line of a comment."""
    return " ".join(text.split())
