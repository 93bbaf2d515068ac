"""Keeps what a task does to the process from reaching the next one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProcessState:
    """The working directory, `sys.path` and the environment as they are when a run begins."""

    def __init__(self) -> None:
        """Remember them."""
        self._directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._name = os.getcwd()
        self._path = list(sys.path)
        self._environment = dict(os.environ)
        self._raw_environment = dict(_raw_environment())

    def restore(self) -> None:
        """Undo every change; costs next to nothing when there was none."""
        try:
            moved = os.getcwd() != self._name
        except OSError:
            moved = True
        if moved:
            os.fchdir(self._directory)
        if sys.path != self._path:
            sys.path[:] = self._path
        if _raw_environment() != self._raw_environment:
            for name in os.environ.keys() - self._environment.keys():
                del os.environ[name]
            os.environ.update(self._environment)

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self._directory)


def _raw_environment() -> Mapping[Any, Any]:
    # The encoded dict behind os.environ: comparing it takes a microsecond, decoding every variable first a hundred.
    return getattr(os.environ, "_data", os.environ)
