from __future__ import annotations

import re

import pytest

from magnus.domain.sizes import UNITS, in_mib


@pytest.mark.parametrize(
    ("size", "mib"),
    [
        (1, 1),
        (2048, 2048),
        ("512MiB", 512),
        ("512Mi", 512),
        (" 2 GiB ", 2048),
        ("1.5Gi", 1536),
        ("1TiB", 1024**2),
        ("1B", 1),
        ("1048577B", 2),
        ("1kB", 1),
        ("1.5GB", 1431),
        ("0.000001TiB", 2),
    ],
)
def test_a_size_is_rounded_up_to_whole_mib(size: str | int, mib: int) -> None:
    """Nobody gets less than was asked for; a number is one of MiB."""
    assert in_mib(size) == mib


@pytest.mark.parametrize(
    "size", [0, -1, "0MiB", "0.0GiB", "", "512", "MiB", "1 mib", "1e3MiB", "-1MiB", "1MiB x", "٣MiB x"]
)
def test_what_is_no_size_is_refused_with_what_would_do(size: str | int) -> None:
    """The caller puts the name before it."""
    expected = f"is {size!r}; expected a number above 0 with one of the units {', '.join(UNITS)}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        in_mib(size)
