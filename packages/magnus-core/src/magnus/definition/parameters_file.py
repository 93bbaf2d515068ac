"""Reads the file with the parameters that a run starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.definition.checks import plain
from magnus.definition.findings import Findings, Spot, in_order
from magnus.definition.source import read_document
from magnus.definition.words import found
from magnus.errors import ParametersError

if TYPE_CHECKING:
    import os


def load_parameters_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the parameters in the YAML or JSON file *path*, as plain JSON values; `${NAME}` is left alone in it.

    Raises:
        ParametersError: Holds every mistake.
    """
    document = read_document(path, error=ParametersError)
    value = document.value
    if not isinstance(value, dict):
        message = (
            f"the file holds {found(value)}; expected a mapping of the parameters' names to their values"
        )
        raise ParametersError(document.problem(message))
    findings = Findings(document.path)
    parameters = {name: plain(each, Spot(f"'{name}'", findings, value, name)) for name, each in value.items()}
    for name in value:
        if not name or "\0" in name or "=" in name:
            findings.add_key(
                f"{name!r} cannot be the name of a parameter; leave out '=' and zero bytes", value, name
            )
    if findings.problems:
        raise ParametersError(in_order(findings.problems))
    return parameters
