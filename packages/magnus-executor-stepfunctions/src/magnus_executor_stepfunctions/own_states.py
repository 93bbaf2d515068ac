"""What an `as-is` node gives to be rendered: a state of the States Language, as JSON text. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnus.domain.nodes import Node
    from magnus.domain.render_plan import RenderedNode

_MAY_FAIL = ("Task", "Parallel", "Map")
_TYPES = ("Pass", "Wait", *_MAY_FAIL)
_OURS = ("Next", "End", "Catch", "ResultPath", "OutputPath")


def own_state(node: RenderedNode) -> dict[str, Any] | None:
    """Return the state that the node's `render_string` is, which goes on to the node itself however it ends; None for none."""
    text = node.node.definition.get("render_string")
    if node.node.type not in ("as-is", "stub") or not isinstance(text, str):
        return None
    state: dict[str, Any] = json.loads(text)
    # The data go on as they came.
    own: dict[str, Any] = {} if state["Type"] == "Wait" else {"ResultPath": None}
    if state["Type"] in _MAY_FAIL:
        own["Catch"] = [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": node.key}]
    return {**state, **own, "Next": node.key}


def own_state_problem(node: Node) -> str:
    """Return why the `render_string` of *node* is no state; empty if it is one, or there is none."""
    text = node.definition.get("render_string")
    if node.type not in ("as-is", "stub") or not isinstance(text, str):
        return ""
    try:
        state = json.loads(text)
    except ValueError:
        state = None
    if not isinstance(state, dict) or state.get("Type") not in _TYPES:
        types = ", ".join(_TYPES)
        return f"its `render_string` is put into the state machine, and is no state as JSON of one of the types {types}"
    if wrong := [name for name in _OURS if name in state]:
        return f"its `render_string` goes on to the node itself, whatever comes of it; take {', '.join(wrong)} out of it"
    return ""
