"""Refuses to start a run from within a worker that is only importing the user's module.

A script that runs a pipeline without a guard would be run again by every worker that imports it, and each of these would start
the pipeline anew.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magnus.errors import ReentryError

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMPORTING = "MAGNUS_IMPORTING"
"""Holds the name of the module that is being imported; in the environment, so that the command line sees it, too."""


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Mark a stretch in which a worker imports *module*."""
    os.environ[_IMPORTING] = module
    try:
        yield
    finally:
        os.environ.pop(_IMPORTING, None)


def refuse_reentry(caller: str) -> None:
    """Refuse to begin a run while a worker imports.

    Args:
        caller: The function or command that was called, for the message.

    Raises:
        ReentryError: A worker imports.
    """
    module = os.environ.get(_IMPORTING)
    if module is None:
        return
    message = (
        f"{caller} was called while the module '{module}' was being imported to run one of its functions as a step; "
        "a step's module is imported in another process, which must not start the pipeline again. Guard the call:\n\n"
        '    if __name__ == "__main__":\n'
        "        pipeline.execute(...)\n"
    )
    raise ReentryError(message)
