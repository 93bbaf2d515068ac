"""The engine, through the docker SDK: nothing else of this package imports that."""

from __future__ import annotations

import os
from collections import deque
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import docker
from docker.errors import APIError, DockerException

from magnus.errors import ConfigurationError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO

    from magnus.ports.image_builder import ImageRequest

_LINES_IN_MESSAGE = 10
_CLIENT_ERRORS = range(400, 500)


def build_image(request: ImageRequest, report: Callable[[str], None]) -> str:
    """Build an image and name it; see `magnus.ports.image_builder.ImageBuilder.build`."""
    log = _BuildLog(report)
    with _engine() as engine:
        try:
            _build(engine, request, log)
        except APIError as error:
            if error.status_code in _CLIENT_ERRORS:  # the Dockerfile cannot be parsed
                raise ConfigurationError(log.failure(_explanation(error))) from error
            raise ServiceError(f"the engine could not build the image: {_explanation(error)}") from error
        if log.error:
            raise ConfigurationError(log.failure(log.error))
        if not log.image_id:
            raise ServiceError("the engine ended the build without saying which image it made; build again")
        for reference in request.references:
            _name(engine, log.image_id, reference)
    return log.image_id


def _build(engine: docker.DockerClient, request: ImageRequest, log: _BuildLog) -> None:
    messages = engine.api.build(
        # Whatever yields bytes is sent as it comes; the annotation knows of files only.
        fileobj=cast("IO[bytes]", request.context),
        custom_context=True,
        dockerfile=request.dockerfile,
        buildargs=dict(request.build_arguments),
        rm=True,
        forcerm=True,
        decode=True,
    )
    for message in messages:
        log.add(message)


def _name(engine: docker.DockerClient, image_id: str, reference: str) -> None:
    repository, _, tag = reference.rpartition(":")
    try:
        engine.api.tag(image_id, repository, tag)
    except APIError as error:
        raise ServiceError(
            f"the image {image_id} was built, but not named '{reference}': {_explanation(error)}"
        ) from error


class _BuildLog:
    """What the engine says while it builds, one JSON object after another."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self.image_id = ""
        self.error = ""
        self._report = report
        self._instruction = ""
        self._last: deque[str] = deque(maxlen=_LINES_IN_MESSAGE)
        self._rest = ""

    def add(self, message: Mapping[str, Any]) -> None:
        """Take what the engine says next; a line may come in pieces."""
        if "error" in message:
            self._end_line()
            self.error = str(message["error"]).strip()
        elif "aux" in message:
            self.image_id = message["aux"].get("ID", self.image_id)
        elif "stream" in message:
            *lines, self._rest = (self._rest + message["stream"]).split("\n")
            for line in lines:
                self._line(line)
        elif "status" in message and "progressDetail" not in message:  # not the bars of a download
            self._line(" ".join(filter(None, (message.get("id"), message["status"]))))

    def failure(self, reason: str) -> str:
        """Return the message for a Dockerfile that failed for *reason*."""
        place = f" at '{self._instruction}'" if self._instruction else ""
        said = "".join(f"\n  {line}" for line in self._last)
        return f"the Dockerfile fails{place}: {reason}; mend it and build again" + (
            f"; the last lines were:{said}" if said else ""
        )

    def _end_line(self) -> None:
        if self._rest:
            self._line(self._rest)
        self._rest = ""

    def _line(self, line: str) -> None:
        line = line.rstrip("\r")
        if not line.strip():
            return
        self._report(line)
        if line.startswith("Step "):
            self._instruction = line
            self._last.clear()
        elif not line.startswith((" ---> ", "Removing intermediate container ")):
            self._last.append(line)


@contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    """Connect to the engine, and say where it was looked for if that or a later call fails on the way."""
    where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        with closing(docker.from_env()) as engine:
            yield engine
    except APIError as error:
        raise ServiceError(f"the engine at {where} answered: {_explanation(error)}") from error
    except (DockerException, OSError) as error:  # the errors of requests are OSErrors
        raise ServiceError(
            f"no container engine answers at {where} ({_cause(error)}); start it, see that this user may use it, "
            "or set DOCKER_HOST to where one listens",
            retriable=True,
        ) from error


def _explanation(error: APIError) -> str:
    return str(error.explanation or error).strip()


def _cause(error: BaseException) -> str:
    """Return what the operating system said: the vendor's message has the errors of four libraries around it."""
    reason = error
    while not (isinstance(reason, OSError) and reason.strerror):
        deeper = reason.__cause__ or reason.__context__
        if deeper is None:
            return str(error)
        reason = deeper
    return str(reason.strerror)
