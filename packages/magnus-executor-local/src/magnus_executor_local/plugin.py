"""Offers the executors of this package; named as text, so that offering them imports none."""

from __future__ import annotations

from magnus.plugins import AdapterSpec, hookimpl


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer the executors of this machine."""
    return [
        AdapterSpec("local", "magnus_executor_local.local:LocalExecutor", port_api=1),
        AdapterSpec("demo-renderer", "magnus_executor_local.demo_renderer:DemoRenderer", port_api=1),
        AdapterSpec("mocked", "magnus_executor_local.mocked:MockedExecutor", port_api=1),
    ]


@hookimpl
def magnus_emulators() -> list[AdapterSpec]:
    """Offer what runs scripts that were rendered."""
    return [AdapterSpec("demo-renderer", "magnus_executor_local.demo_emulator:DemoEmulator", port_api=1)]
