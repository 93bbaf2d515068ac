"""The pytest plugin of `magnus.testing`: load it by `pytest_plugins = ["magnus.testing.plugin"]` in your `conftest.py`."""

from __future__ import annotations

import pkgutil
import sys

import pytest

import magnus.testing

# The suites are modules that a test imports: without this a failed promise would only say `AssertionError`.
for _module in pkgutil.iter_modules(magnus.testing.__path__, "magnus.testing."):
    if _module.name not in sys.modules:
        pytest.register_assert_rewrite(_module.name)
