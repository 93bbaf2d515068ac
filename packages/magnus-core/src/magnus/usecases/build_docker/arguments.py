"""What the environment of this process gives the build: the indexes and proxies that pip and uv are to use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_INSTALLERS = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX_STRATEGY",
    "UV_INSECURE_HOST",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_CREDENTIALS = re.compile(r"://[^/?#\s@]*@")
_DECLARED = re.compile(r"^\s*ARG\s+(\w+)", re.MULTILINE | re.IGNORECASE)


def installer_arguments(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is set of the indexes of pip and uv.

    Raises:
        ConfigurationError: One holds credentials, which every user of the image could read in its history. Going on without
            it could bring other packages from a public index in place of the private ones.
    """
    found = {name: environ[name] for name in _OF_INSTALLERS if environ.get(name)}
    for name, value in found.items():
        if _CREDENTIALS.search(value):
            raise ConfigurationError(
                f"{name} holds a user name or password, which anyone who has the image could read in its history; "
                "name an index that needs none, or build with it unset and --magnus-wheels"
            )
    return found


def proxy_arguments(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies that are set: Docker keeps them out of the history of images, also where they hold passwords."""
    names = [*_PROXIES, *(name.lower() for name in _PROXIES)]
    return {name: environ[name] for name in names if environ.get(name)}


def declared_arguments(dockerfile: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """Return those of *arguments* that *dockerfile* declares: engines complain about the others."""
    declared = set(_DECLARED.findall(dockerfile))
    return {name: value for name, value in arguments.items() if name in declared}
