"""What Kubeflow, Argo and Kubernetes below it do not take, found before anything is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.domain.render_plan import Command, RenderPlan

LARGEST_PIPELINE = 1024 * 1024
"""Bytes. Kubeflow makes of a pipeline one object of Kubernetes, larger than the pipeline, and etcd takes no larger ones."""

LARGEST_ARGUMENT = 128 * 1024
"""Bytes of one argument of a command, as Linux takes it."""

_REPLACED = {
    "{{": "Kubeflow and Argo replace what stands between double braces",
    "$(": "Kubernetes replaces $(NAME) by a variable",
    "$$": "Kubernetes makes one $ of two",
}


def check_texts(plan: RenderPlan) -> None:
    """Refuse text that would not reach magnus as it is.

    Raises:
        ConfigurationError: Names the node, the text and the reason.
    """
    for where, text in _texts(plan):
        for mark, reason in _REPLACED.items():
            if mark in text:
                message = f"executor kubeflow: {where}: {text!r} holds '{mark}', and {reason}; write it without that"
                raise ConfigurationError(message)
        if len(text.encode()) >= LARGEST_ARGUMENT:
            message = (
                f"executor kubeflow: {where}: {text[:40]!r}... has {len(text.encode())} bytes, and an argument of a container "
                f"takes {LARGEST_ARGUMENT}; shorten it"
            )
            raise ConfigurationError(message)


def check_document(compiled: Mapping[str, Any]) -> None:
    """Refuse a pipeline that is too large.

    Raises:
        ConfigurationError: It is.
    """
    size = len(json.dumps(compiled, separators=(",", ":")).encode())
    if size > LARGEST_PIPELINE:
        message = (
            f"executor kubeflow: the pipeline has {size} bytes, and Kubernetes keeps no object above {LARGEST_PIPELINE}, which "
            "Kubeflow makes of it; put several steps into one, or split the dag into pipelines that run one after another"
        )
        raise ConfigurationError(message)


def _texts(plan: RenderPlan) -> Iterator[tuple[str, str]]:
    """Yield whatever Kubeflow hands on, and where it comes from."""
    for graph in plan.graphs:
        for node in graph.nodes:
            where = f"step '{'.'.join((*graph.path, node.node.name))}'"
            for command in (node.command, node.fan_out, node.fan_in):
                yield from ((f"{where}, what magnus is called with", text) for text in _words(command))
            yield f"{where}, docker_image", node.options.docker_image
            for name, value in node.options.environment.items():
                yield f"{where}, environment {name}", value
    yield from (("what magnus is called with", text) for text in _words(plan.stop))


def _words(command: Command) -> Iterator[str]:
    yield from (part for part in command if isinstance(part, str))
