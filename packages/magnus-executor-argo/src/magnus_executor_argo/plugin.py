"""Offers the adapters of this package; named as text, so that offering them imports none."""

from __future__ import annotations

from magnus.plugins import AdapterSpec, hookimpl

_PACKAGE = "magnus_executor_argo"


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer the executor that renders."""
    return [AdapterSpec("argo", f"{_PACKAGE}.executor:ArgoExecutor", port_api=1)]


@hookimpl
def magnus_emulators() -> list[AdapterSpec]:
    """Offer what runs the files that the executor renders."""
    return [AdapterSpec("argo", f"{_PACKAGE}.emulator:Emulator", port_api=1)]
