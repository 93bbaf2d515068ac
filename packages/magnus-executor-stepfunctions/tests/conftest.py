"""Lets tests import what lies in `support`."""

from __future__ import annotations

import sys
from pathlib import Path

# In importlib's mode of importing, tests could not share a module otherwise.
sys.path.insert(0, str(Path(__file__).parent / "support"))
