"""Turns pipeline and configuration files into values of the domain, and every mistake in them into a message."""

from __future__ import annotations
