"""Writes a graph as a pipeline file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from magnus.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from magnus.domain.graph import Graph

_SIMPLE = re.compile(r"[A-Za-z_][\w ./()-]*", re.ASCII)
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*\}", re.ASCII)


def render(graph: Graph) -> str:
    """Return a pipeline file whose dag has the hash of *graph*; pipelines of other files stand in it.

    Raises:
        DefinitionError: A text holds `${NAME}`, which a file cannot say: there it is a variable.
    """
    definition = graph.definition()
    problems = [
        Problem(
            f"step '{name}': the text {text!r} would be a variable in a file; name the step's values by parameters"
        )
        for name, step in definition["steps"].items()
        for text in _texts_with_variables(step)
    ]
    if problems:
        raise DefinitionError(problems)
    about = {"name": graph.name, "description": graph.description}
    dag = {key: value for key, value in about.items() if value is not None} | definition
    text: str = yaml.dump({"dag": dag}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def _texts_with_variables(value: Any) -> list[str]:
    """Return the texts in *value* that a file could not hold."""
    if isinstance(value, str):
        return [value] if _VARIABLE.search(value) else []
    if isinstance(value, list):
        return [text for item in value for text in _texts_with_variables(item)]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts_with_variables(item)]
    return []


class _Dumper(yaml.SafeDumper):
    """Writes no anchors, and quotes every text that some version of YAML might read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write what occurs twice twice."""
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if _SIMPLE.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
