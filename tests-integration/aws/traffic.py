"""Counts the requests that reach the server, and spoils those that a test wants spoilt."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from aws.operations import operation_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class _Fault(NamedTuple):
    status: str = ""
    code: str = ""
    """The error that is answered; if empty the call takes effect, and its answer is lost."""


class Traffic:
    """Stands before the server's application."""

    def __init__(self) -> None:
        """Start with nothing counted and nothing spoilt."""
        self.calls: Counter[str] = Counter()
        """How often each operation was called, by its name; calls that were spoilt are counted too."""
        self._faults: dict[str, deque[_Fault]] = {}
        self._lock = threading.Lock()

    def throttle(self, operation: str, times: int, *, code: str = "TooManyRequestsException") -> None:
        """Answer the next calls of an operation with an error that says there are too many.

        Batch says `TooManyRequestsException`, CloudWatch Logs and Secrets Manager `ThrottlingException`. The real client
        repeats such a call by itself, so *times* has to be more than its attempts if the caller is to see the error.
        """
        status = "429 Too Many Requests" if code == "TooManyRequestsException" else "400 Bad Request"
        self._spoil(operation, times, _Fault(status, code))

    def fail(self, operation: str, times: int, *, status: str, code: str) -> None:
        """Answer the next calls of an operation with the error *code* and the HTTP *status*, such as `403 Forbidden`."""
        self._spoil(operation, times, _Fault(status, code))

    def lose_answer(self, operation: str, times: int = 1) -> None:
        """Let the next calls of an operation take effect, and close the connection instead of answering."""
        self._spoil(operation, times, _Fault())

    def reset(self) -> None:
        """Count from zero again, and spoil nothing."""
        with self._lock:
            self.calls.clear()
            self._faults.clear()

    def wrap(self, application: WSGIApplication) -> WSGIApplication:
        """Return *application* with this before it."""

        def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            fault = self._count(operation_of(environ))
            if fault is None:
                return application(environ, start_response)
            if fault.code:
                return _refuse(fault, environ, start_response)
            for _ in application(environ, start_response):
                pass
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("The answer is lost on purpose")

        return wrapped

    def _spoil(self, operation: str, times: int, fault: _Fault) -> None:
        with self._lock:
            self._faults.setdefault(operation, deque()).extend([fault] * times)

    def _count(self, operation: str) -> _Fault | None:
        with self._lock:
            if operation:
                self.calls[operation] += 1
            waiting = self._faults.get(operation)
            return waiting.popleft() if waiting else None


def _refuse(fault: _Fault, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    content = json.dumps({"__type": fault.code, "message": "Asked for by a test"}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
        ("x-amzn-ErrorType", fault.code),
    ]
    start_response(fault.status, headers)
    return [content]
