"""magnus: a pipeline, written once, runs anywhere.

Everything public is imported on first use, so that importing one port loads neither the command line nor an adapter.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes milliseconds to load, in which Ctrl-C would end in a traceback
if TYPE_CHECKING:
    from typing import Any

    from magnus.errors import (
        ConfigurationError,
        DefinitionError,
        ExecutionError,
        MagnusError,
        OutsideRunError,
        RunFailedError,
        ServiceError,
    )
    from magnus.sdk.interaction import (
        get_experiment_tracker_context,
        get_from_catalog,
        get_object,
        get_parameter,
        get_run_id,
        get_secret,
        get_tag,
        put_in_catalog,
        put_object,
        set_parameter,
        store_parameter,
        track_this,
    )
    from magnus.sdk.interactive import end_interactive_session, start_interactive_session
    from magnus.sdk.nodes import AsIs, Dag, Fail, Map, Parallel, Stub, Success, Task
    from magnus.sdk.pipeline import Pipeline

_HOMES = {
    "errors": (
        "ConfigurationError",
        "DefinitionError",
        "ExecutionError",
        "MagnusError",
        "OutsideRunError",
        "RunFailedError",
        "ServiceError",
    ),
    "sdk.interaction": (
        "get_experiment_tracker_context",
        "get_from_catalog",
        "get_object",
        "get_parameter",
        "get_run_id",
        "get_secret",
        "get_tag",
        "put_in_catalog",
        "put_object",
        "set_parameter",
        "store_parameter",
        "track_this",
    ),
    "sdk.interactive": ("end_interactive_session", "start_interactive_session"),
    "sdk.nodes": ("AsIs", "Dag", "Fail", "Map", "Parallel", "Stub", "Success", "Task"),
    "sdk.pipeline": ("Pipeline",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AsIs",
    "ConfigurationError",
    "Dag",
    "DefinitionError",
    "ExecutionError",
    "Fail",
    "MagnusError",
    "Map",
    "OutsideRunError",
    "Parallel",
    "Pipeline",
    "RunFailedError",
    "ServiceError",
    "Stub",
    "Success",
    "Task",
    "end_interactive_session",
    "get_experiment_tracker_context",
    "get_from_catalog",
    "get_object",
    "get_parameter",
    "get_run_id",
    "get_secret",
    "get_tag",
    "put_in_catalog",
    "put_object",
    "set_parameter",
    "start_interactive_session",
    "store_parameter",
    "track_this",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name not in _HOME_OF:
        message = f"module 'magnus' has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    value = getattr(importlib.import_module(f"magnus.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
