"""Sizes of memory as people write them."""

from __future__ import annotations

import math
import re

UNITS: dict[str, int] = {
    "B": 1,
    **{f"{letter}{end}": 1024 ** (power + 1) for power, letter in enumerate("KMGT") for end in ("i", "iB")},
    **{f"{letter}B": 1000 ** (power + 1) for power, letter in enumerate("KMGT")},
    "kB": 1000,
}
"""Bytes in each unit."""

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]+)")
_MIB = 1024**2


def in_mib(size: str | int) -> int:
    """Return *size* in MiB, rounded up: a whole number of them, or text with a unit (`512MiB`, `2GiB`, `1.5GB`).

    Raises:
        ValueError: It is no size above 0; the message says what is expected.
    """
    if isinstance(size, int):
        if size > 0:
            return size
        match = None
    else:
        match = _SIZE.fullmatch(size.strip())
    if match is None or match[2] not in UNITS or float(match[1]) == 0:
        message = f"is {size!r}; expected a number above 0 with one of the units {', '.join(UNITS)}"
        raise ValueError(message)
    return math.ceil(float(match[1]) * UNITS[match[2]] / _MIB)
