"""Writes the package of a new adapter: the function behind `magnus adapters new`."""

from __future__ import annotations

from magnus.usecases.new_adapter.writing import write_adapter

__all__ = ["write_adapter"]
