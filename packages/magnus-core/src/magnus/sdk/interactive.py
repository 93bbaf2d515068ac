"""A run around code that magnus does not call: a script, or the cells of a notebook."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.engine.current import running_step
from magnus.engine.terminal import Terminal
from magnus.errors import ConfigurationError, OutsideRunError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.sdk.reporter import LoggingReporter
from magnus.sdk.running import read_config
from magnus.usecases.interactive import InteractiveRun
from magnus.usecases.outcome import Request

if TYPE_CHECKING:
    from magnus.domain.run_log import Status


class _Session(NamedTuple):
    """The session of this process.

    Attributes:
        run: Its run.
        stack: Lets go of the terminal.
        process: Who began it: a process that was forked since does not end it.
    """

    run: InteractiveRun
    stack: ExitStack
    process: int


_open: list[_Session] = []


def start_interactive_session(
    run_id: str | None = None,
    config_file: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    parameters_file: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    tag: str = "",
    log_level: str = "WARNING",
) -> str:
    """Begin a run whose one step, `interactive`, is the code that follows, and return its id.

    Until `end_interactive_session`, functions such as `magnus.get_parameter` and `magnus.put_in_catalog` work in the code
    that calls them. What it sets and tracks is recorded at the end; what it prints is neither kept nor masked. A session
    that nobody ends is recorded as failed when the interpreter exits.

    Args:
        run_id: None to have one made.
        config_file: A configuration file, or its content; None for the usual places.
        parameters_file: A parameters file, or the parameters by name.
        tag: A mark of your own.
        log_level: How much is told where logging is not set up.

    Raises:
        ConfigurationError: A session is open already, or the configuration or the run id cannot be used.
        ServiceError: A service failed.
    """
    if running_step.get() is not None:
        what = f"the session of run '{_open[-1].run.run_id}' is open" if _open else "a step is running here"
        raise ConfigurationError(f"{what} already; end it before another session begins")
    request = Request(
        config_file=_file(config_file),
        parameters_file=_file(parameters_file),
        parameters=parameters_file if isinstance(parameters_file, Mapping) else {},
        run_id=run_id,
        tag=tag,
    )
    adapters = AdapterManager(find_plugins())
    config = read_config(config_file, adapters)
    with ExitStack() as stack:
        terminal = stack.enter_context(Terminal())
        reporter = LoggingReporter(terminal, log_level)
        run = InteractiveRun(request, config, adapters, os.environ, terminal, reporter)
        _open.append(_Session(run, stack.pop_all(), os.getpid()))
    atexit.register(_end_forgotten)
    return run.run_id


def end_interactive_session() -> Status:
    """End the session: record what was set and tracked, close the run as succeeded, and return its status.

    Raises:
        OutsideRunError: No session is open.
        ServiceError: A service failed; the run is recorded as failed, if it still can be.
    """
    if not _open:
        raise OutsideRunError("no interactive session is open; start_interactive_session() begins one")
    return _end("")


def _file(given: str | os.PathLike[str] | Mapping[str, Any] | None) -> str | None:
    """Return the path that was given; None for content, or nothing."""
    return None if given is None or isinstance(given, Mapping) else os.fspath(given)


def _end(failure: str) -> Status:
    atexit.unregister(_end_forgotten)
    session = _open.pop()
    with session.stack:
        return session.run.close(failure).status


def _end_forgotten() -> None:
    """Close a session that is open when the interpreter exits."""
    if not _open or _open[-1].process != os.getpid():
        return
    error = getattr(sys, "last_value", None)
    cause = f", after {type(error).__name__}: {error}" if error is not None else ""
    _end(f"the program ended before end_interactive_session() was called{cause}")
