"""Writes a result to a file that the user named."""

from __future__ import annotations

from pathlib import Path

from magnus.errors import ConfigurationError


def write_text(path: str, text: str) -> None:
    """Write *text* to *path*, whole or not at all.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.new")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        raise ConfigurationError(
            f"'{path}' cannot be written: {error.strerror}; name another file"
        ) from error
