"""Real clients of the vendor's library whose requests never leave the process."""

from __future__ import annotations

import json
import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.validate import ParamValidator

from .errors import ServiceRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.awsrequest import AWSPreparedRequest

REGION = "us-east-1"


def connect(service: str, answer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]) -> Any:
    """Return a client whose requests are answered by *answer*.

    The library checks requests and parses answers as ever, and raises its own errors; it repeats no call.

    Args:
        service: Its name, such as `batch`.
        answer: Gets the name of the operation and the request; may raise a `ServiceRefusal`, or what breaks a connection.
    """
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    client = _session().create_client(service, region_name=REGION, config=config)
    model = _session().get_service_model(service)

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        try:
            body: Any = request.body or b"{}"  # never a stream, in the protocol of these services
            content = answer(operation, json.loads(body))
        except ServiceRefusal as refusal:
            error = {"__type": refusal.code, "message": refusal.message}
            return _response(request, refusal.status, error, {"x-amzn-ErrorType": refusal.code})
        _check(model.operation_model(operation).output_shape, content)
        return _response(request, 200, content, {})

    events: Any = (
        client.meta.events
    )  # what a handler returns here is taken for the answer, which its type denies
    events.register_first(f"before-send.{service}", send)
    return client


@cache
def _session() -> botocore.session.Session:
    """Return one session for all clients: it reads the descriptions of the services once."""
    return botocore.session.get_session()


def _check(shape: Any, content: Mapping[str, Any]) -> None:
    """Refuse an answer that the service could not give."""
    if "jobs" in content:
        # Required by the description, and absent until a job runs in the service's own examples.
        content = {**content, "jobs": [{"startedAt": 0, **job} for job in content["jobs"]]}
    report = ParamValidator().validate(content, shape)
    assert not report.has_errors(), report.generate_report()


def _response(
    request: AWSPreparedRequest, status: int, content: Mapping[str, Any], headers: Mapping[str, str]
) -> AWSResponse:
    own: Any = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4()), **headers}
    return AWSResponse(request.url, status, own, _Body(json.dumps(content).encode()))


class _Body:
    """The content of an answer, as the library reads it from a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Return the content in parts."""
        yield self._content
