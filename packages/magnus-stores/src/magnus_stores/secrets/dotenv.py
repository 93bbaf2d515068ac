"""Secrets in a file of `NAME=value` lines."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.errors import SecretNotFoundError, ServiceError
from magnus.ports.secrets import Secrets


@dataclass(frozen=True, slots=True)
class DotenvSecretsOptions:
    """Where the file is.

    Attributes:
        location: The file; a relative one is taken from the working directory of the process.
    """

    location: str = ".env"


class DotenvSecrets(Secrets):
    """Hands out what a dotenv file says; read when the first secret is asked for.

    Quotes, `export`, comments and values of several lines follow the rules of python-dotenv. `$` and `${...}` mean
    nothing: a secret is handed out as it was written. Of two lines with the same name the last one counts.
    """

    Options = DotenvSecretsOptions

    def __init__(self, options: Any = None) -> None:
        """Remember where the file is."""
        super().__init__(options)
        self._path = Path(self.options.location).absolute()  # tasks may change the working directory
        self._lock = threading.Lock()
        self._values: dict[str, str] | None = None

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach as far as the file system."""
        return ServiceCapabilities(reach=Reach.HOST)

    def get(self, name: str) -> str:
        """Return what the file says of *name*.

        Raises:
            SecretNotFoundError: It says nothing.
            ServiceError: The file cannot be read.
        """
        values = self._read_once()
        if name not in values:
            raise SecretNotFoundError(f"no secret {name!r} in {self._path}; add a line {name}=<value>")
        return values[name]

    def get_all(self) -> dict[str, str]:
        """Return all that the file says.

        Raises:
            ServiceError: The file cannot be read.
        """
        return dict(self._read_once())

    def _read_once(self) -> dict[str, str]:
        with self._lock:
            if self._values is None:
                self._values = _parse(self._read_text(), self._path)
            return self._values

    def _read_text(self) -> str:
        try:
            # Line ends stay as they are: they may be part of a secret. Windows editors begin files with a mark.
            return self._path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            raise ServiceError(
                f"the dotenv file {self._path} does not exist; create it, or set 'location' of the secrets manager"
            ) from None
        except OSError as error:
            raise ServiceError(f"the dotenv file {self._path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            # Not chained: the error of the decoder holds the content of the file.
            raise ServiceError(f"{self._path}:{line}: not UTF-8; save the file as UTF-8") from None


def _parse(text: str, path: Path) -> dict[str, str]:
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text, newline="")):
        if binding.error:
            first_line = binding.original.line
            raise ServiceError(f"{path}:{first_line}: not a line NAME=value; check the quotes of this line")
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values
