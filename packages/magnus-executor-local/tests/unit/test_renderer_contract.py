"""`demo-renderer` keeps the contract of executors that render."""

from __future__ import annotations

from magnus.testing.renderer import RendererContract


class TestDemoRenderer(RendererContract):
    """Its scripts run on this machine, beside the default stores."""

    executor = {"type": "demo-renderer"}  # noqa: RUF012
    services = {}  # noqa: RUF012
    is_its_own_interpreter = True
