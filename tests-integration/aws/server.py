"""A server of moto in this process, on a free port of the loopback address."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication


class _QuietRequestHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: a test that fails shows more useful things."""


class Server:
    """Serves all of moto in threads of this process."""

    def __init__(self, wrap: Callable[[WSGIApplication], WSGIApplication]) -> None:
        """Start to serve; *wrap* may put something before the application."""
        application = wrap(DomainDispatcherApplication(create_backend_app))
        self._server = make_server(
            "127.0.0.1", 0, application, threaded=True, request_handler=_QuietRequestHandler
        )
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="moto", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving, and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
