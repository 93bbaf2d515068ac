"""What an image is called: pure text, without an engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_TAG = "latest"

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_PART}(?:/{_PART})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def image_references(image: str, tag: str | None, commit_tag: Callable[[], str] | None) -> tuple[str, ...]:
    """Return everything that the image is to be called, each with its tag.

    Args:
        image: A name, which may have a tag.
        tag: Another way to give that tag; None where the user gave none.
        commit_tag: Where the commit is to be a tag as well, what finds it. It stands beside a tag that the user gave, and
            in the place of the default.

    Raises:
        ConfigurationError: The name or a tag cannot be used, or two tags were given.
    """
    name, own_tag = _split(image)
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"'{image}' cannot be the name of an image: it takes small letters, digits and '.', '_', '-' between them, "
            "in parts joined by '/', and then perhaps ':' and a tag; such as 'registry.example/team/project:1'"
        )
    if own_tag and tag and own_tag != tag:
        raise ConfigurationError(
            f"the image has the tag '{own_tag}' in its name and '{tag}' by --tag; give one"
        )
    given = tag if tag is not None else own_tag
    tags = [given] if given is not None else []
    if commit_tag is not None:
        tags.append(commit_tag())
    for each in tags:
        if not _TAG.fullmatch(each):
            raise ConfigurationError(
                f"'{each}' cannot be the tag of an image: it takes 1 to 128 letters, digits, '_', '.' and '-', "
                "and does not begin with '.' or '-'"
            )
    return tuple(f"{name}:{each}" for each in dict.fromkeys(tags or [DEFAULT_TAG]))


def _split(image: str) -> tuple[str, str | None]:
    """Return name and tag; a colon before the last slash is that of a registry's port."""
    colon = image.find(":", image.rfind("/") + 1)
    return (image, None) if colon < 0 else (image[:colon], image[colon + 1 :])
