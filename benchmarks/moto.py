"""A server that stands in for S3, in a process of its own: that of moto, which is installed where this program runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "benchmarks"
_START_SECONDS = 30


class Moto:
    """A running server."""

    def __init__(self, address: str) -> None:
        """Take the address of a server that has been started."""
        self.address = address

    def empty(self) -> None:
        """Forget everything, and make the bucket."""
        self._ask("POST", "moto-api/reset")
        self._ask("PUT", BUCKET)

    def client(self, *command: object) -> list[str]:
        """Return *command* with the variables that lead boto3 to the server."""
        variables = {
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.address,
        }
        return ["env", *(f"{name}={value}" for name, value in variables.items()), *map(str, command)]

    def _ask(self, method: str, path: str) -> None:
        with urlopen(Request(f"{self.address}/{path}", method=method), timeout=60):  # noqa: S310 - of this machine
            pass


@contextmanager
def running_moto() -> Iterator[Moto]:
    """Run a server with an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    ) as server:
        try:
            moto = Moto(f"http://127.0.0.1:{port}")
            deadline = time.monotonic() + _START_SECONDS
            while True:
                try:
                    moto.empty()
                    break
                except (URLError, OSError):
                    if time.monotonic() > deadline or server.poll() is not None:
                        raise
                    time.sleep(0.1)
            yield moto
        finally:
            server.kill()
