"""Loads what the contract suites need, for every package of the workspace."""

from __future__ import annotations

pytest_plugins = ["magnus.testing.plugin"]
