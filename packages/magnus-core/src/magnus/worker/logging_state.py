"""The state of `logging` in a worker: levels, handlers and switches."""

from __future__ import annotations

import logging
from typing import Any


class LoggingState:
    """Levels, handlers and switches of `logging`."""

    def __init__(self) -> None:
        self._take()

    def _take(self) -> None:
        root = logging.root
        self._root = (root.level, list(root.handlers), list(root.filters), root.disabled)
        self._disable = root.manager.disable
        self._raise = logging.raiseExceptions
        self._loggers = dict(self._described())

    def restore(self, *, keep_new: bool) -> bool:
        """Put everything back; return False if that is not possible."""
        root = logging.root
        level, handlers, filters, disabled = self._root
        if (root.level, root.handlers, root.filters, root.disabled) != self._root:
            root.setLevel(level)
            root.handlers[:] = handlers
            root.filters[:] = filters
            root.disabled = disabled
        if root.manager.disable != self._disable:
            logging.disable(self._disable)
        if logging.raiseExceptions != self._raise:
            logging.raiseExceptions = self._raise
        now = dict(self._described())
        if now == self._loggers:
            return True
        if not keep_new:
            return False
        changed = any(now.get(name) != known for name, known in self._loggers.items())
        self._loggers = now
        return not changed

    def _described(self) -> list[tuple[str, tuple[Any, ...]]]:
        return [
            (name, (each.level, tuple(each.handlers), each.disabled, each.propagate))
            for name, each in list(logging.root.manager.loggerDict.items())
            if isinstance(each, logging.Logger)
            and (each.level or each.handlers or each.disabled or not each.propagate)
        ]
