"""A server that stands in for AWS, in a process of its own: `python moto_server.py`; prints its port, ends with its input."""

from __future__ import annotations

import sys
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Services:
    """Answers one request after the other, each by the service that it is signed for.

    AWS keeps its conditions among requests at the same time. moto looks, and then writes; being bound to one core, it
    loses nothing by taking them in turn. It would also look through its folders with each request for the right service.
    """

    def __init__(self) -> None:
        self._applications = {name: create_backend_app(name) for name in ("s3", "secretsmanager")}
        self._lock = Lock()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        name = "secretsmanager" if "/secretsmanager/" in environ.get("HTTP_AUTHORIZATION", "") else "s3"
        with self._lock:
            answer: Iterable[bytes] = self._applications[name](environ, start_response)
            return answer


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # or every request would need a connection of its own

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - as the base calls it
        """Say nothing."""


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, _Services(), threaded=True, request_handler=_Quiet)
    print(server.server_port, flush=True)  # noqa: T201 - for whoever started it
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
