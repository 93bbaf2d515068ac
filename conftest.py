"""Loads what the contract suites need, for every package of the workspace."""

from __future__ import annotations

import signal

pytest_plugins = ["magnus.testing.plugin"]

# A shell that starts the tests in the background has them ignore interrupts, and every child of theirs too.
signal.signal(signal.SIGINT, signal.default_int_handler)
