"""A run that is begun inside a step of another run: it is a fresh one, and knows its parent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.left_processes import RUN_VARIABLE
from magnus.engine.child import (
    SET_VARIABLES,
    STEP_CONTEXT,
    STEP_VARIABLE,
    digests_of_parameters,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Surroundings(NamedTuple):
    """The place in which a run begins.

    Attributes:
        environ: The environment without the parameters of the run around.
        parent_run_id: The run around; empty for none.
        parent_step: Its step.
    """

    environ: Mapping[str, str]
    parent_run_id: str = ""
    parent_step: str = ""


def find_surroundings(environ: Mapping[str, str]) -> Surroundings:
    """Return the run around, and *environ* without what its step has put there.

    Parameters that are as the step has left them are dropped; those that the caller of the inner run has set since count.
    """
    parent = environ.get(RUN_VARIABLE, "")
    if not parent:
        return Surroundings(environ)
    parent_step = environ.get(STEP_VARIABLE, "")
    if (
        STEP_CONTEXT not in environ
    ):  # the process of a python task: its environment holds no parameters of ours
        return Surroundings(environ, parent, parent_step)
    set_by_step = _set_by_step(environ[STEP_CONTEXT])
    now = digests_of_parameters(environ)
    fresh = {
        name: value
        for name, value in environ.items()
        if name not in now or (set_by_step is not None and set_by_step.get(name) != now[name])
    }
    return Surroundings(fresh, parent, parent_step)


def _set_by_step(context_file: str) -> Mapping[str, str] | None:
    """Return the digests of the parameters of the step; None if it has ended and they are not known any more."""
    try:
        with open(context_file, encoding="utf-8", errors="surrogatepass") as file:
            found = json.load(file).get(SET_VARIABLES)
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, dict) else None
