"""The marks that connect hook specifications with their implementations."""

from __future__ import annotations

from pluggy import HookimplMarker, HookspecMarker

PROJECT = "magnus"

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)
"""Marks a function of a plugin module as the implementation of a hook."""
