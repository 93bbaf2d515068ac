"""One module for each group of figures; each has a function `measure`."""

from __future__ import annotations
