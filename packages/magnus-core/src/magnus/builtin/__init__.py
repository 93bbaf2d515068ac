"""What comes with the core: node types, task types and services that need nothing else."""

from __future__ import annotations
