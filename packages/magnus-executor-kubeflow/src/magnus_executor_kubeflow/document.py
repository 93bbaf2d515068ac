"""Writes what was compiled as YAML, with comments that lead back to the dag. Pure: equal input gives equal text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_executor_kubeflow.layout import Layout

_SECTIONS = ("pipelineInfo", "root", "components", "deploymentSpec", "schemaVersion", "sdkVersion")
_KEY = re.compile(r"( *)([a-z0-9-]+):$")


def write_document(compiled: Mapping[str, Any], layout: Layout) -> str:
    """Return the text of the file."""
    return "\n".join([*_header(compiled, layout), *_body(compiled, layout), ""])


def _header(compiled: Mapping[str, Any], layout: Layout) -> Iterator[str]:
    yield from (f"# {line}" for line in layout.description)
    yield f"# Compiled by {compiled['sdkVersion']}."
    yield "#"
    if layout.run_id_is_parameter:
        yield "# Its parameter run_id is the id of the run."
    else:
        yield "# The id of the run is that which Kubeflow gives each run of the pipeline."


def _body(compiled: Mapping[str, Any], layout: Layout) -> Iterator[str]:
    graphs = [*layout.branches, layout.root]
    places = {task.name: task.place for graph in graphs for task in graph.tasks}
    places[layout.closing.name] = layout.closing.place
    sections = [name for name in _SECTIONS if name in compiled]
    for section in [*sections, *sorted(set(compiled) - set(sections))]:
        text = yaml.safe_dump(
            {section: compiled[section]},
            sort_keys=True,
            default_flow_style=False,
            allow_unicode=True,
            width=float("inf"),
        )
        yield from (
            _annotated(text.splitlines(), places)
            if section
            in (
                "root",
                "components",
            )
            else text.splitlines()
        )


def _annotated(lines: list[str], places: Mapping[str, str]) -> Iterator[str]:
    """Yield *lines* with a comment above each task."""
    tasks_at: int | None = None  # the indentation of the `tasks:` that the line stands in
    for line in lines:
        match = _KEY.fullmatch(line)
        indentation = len(line) - len(line.lstrip(" "))
        if tasks_at is not None and indentation <= tasks_at:
            tasks_at = None
        if match and tasks_at is None and match[2] == "tasks" and indentation in (_IN_ROOT, _IN_COMPONENT):
            tasks_at = indentation
        elif match and tasks_at is not None and indentation == tasks_at + 2 and match[2] in places:
            yield f"{' ' * indentation}# {places[match[2]]}"
        yield line


_IN_ROOT = 4
_IN_COMPONENT = 6
"""How far `tasks:` is indented: below `dag:`, which stands below `root:` or below a component."""
