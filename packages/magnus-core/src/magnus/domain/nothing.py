"""The default of fields that hold a mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING: Mapping[Any, Any] = {}
"""Shared by all values that were given nothing; typed so that nobody puts anything in. A dict, because values are pickled."""
