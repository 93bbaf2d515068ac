"""The Docker engine: the only module that imports its library."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import docker
import docker.errors
import docker.types
import requests
from docker.utils import kwargs_from_env, parse_repository_tag
from docker.utils.socket import frames_iter

from magnus_executor_container.errors import EngineRefusedError, EngineUnreachableError, ImageMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO

    from magnus_executor_container.container_spec import ContainerSpec

_MIB = 1024**2
_SECONDS_FOR_AN_ANSWER = 60
_PAUSES_SECONDS = (0.1, 0.5, 2.0)
"""Between tries to read the state of a container."""

_NOT_FOUND = 404
_CLIENT_ERRORS = range(400, 500)


class Image(NamedTuple):
    """An image that the engine has.

    Attributes:
        id: `sha256:...`, of its content.
        digest: The digest under which a registry knows it; empty for one that was built here.
        architecture: `amd64`, `arm64`, ...
        entrypoint: Its own entry point.
    """

    id: str
    digest: str
    architecture: str
    entrypoint: tuple[str, ...]


class ContainerEnd(NamedTuple):
    """How a container ended.

    Attributes:
        exit_code: Of its first process.
        out_of_memory: Whether the kernel killed something in it for using too much memory.
    """

    exit_code: int
    out_of_memory: bool


class Found(NamedTuple):
    """A container that was found by its labels."""

    id: str
    labels: Mapping[str, str]
    is_running: bool


class Container:
    """One container, from the moment it was created until it is removed."""

    def __init__(self, api: docker.APIClient, container_id: str, *, reads_stdin: bool) -> None:
        """Take over a container that was created and not started."""
        self._api = api
        self.id = container_id
        self._reads_stdin = reads_stdin

    def run(self, stdin: bytes, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
        """Start it, send *stdin* and keep that open, and hand on its output until it has ended.

        Args:
            stdin: What it reads first.
            on_output: Called with each piece and 1 for stdout or 2 for stderr.

        Raises:
            EngineRefusedError: It could not be started.
            EngineUnreachableError: The engine went away, so that nobody can tell how the container ended.
        """
        with _talking(f"run the container {self.id[:12]}"):
            params = {"stdout": 1, "stderr": 1, "stream": 1, "stdin": int(self._reads_stdin)}
            with _hung_up(self._api.attach_socket(self.id, params)) as connection:
                self._api.start(self.id)
                _converse(connection, stdin if self._reads_stdin else b"", on_output)
        return self._end()

    def _end(self) -> ContainerEnd:
        """Read how it ended; a state that cannot be read is not `running`."""
        last: Exception | None = None
        for pause in (*_PAUSES_SECONDS, None):
            try:
                state = self._api.inspect_container(self.id)["State"]
                if not state["Running"]:
                    return ContainerEnd(state["ExitCode"], bool(state["OOMKilled"]))
                self._api.wait(self.id, timeout=_SECONDS_FOR_AN_ANSWER)
            except (docker.errors.APIError, requests.RequestException) as error:
                last = error
            if pause is not None:
                time.sleep(pause)
        message = f"the state of the container {self.id[:12]} could not be read: {last or 'it goes on without output'}"
        raise EngineUnreachableError(message) from last

    def signal(self, number: int) -> None:
        """Send a signal to its first process, which hands it on; nothing happens if it has ended."""
        with _talking(f"stop the container {self.id[:12]}", accepts=(_NOT_FOUND, 409)):
            self._api.kill(self.id, number)

    def remove(self) -> None:
        """Remove it, running or not; nothing happens if it is gone."""
        with _talking(f"remove the container {self.id[:12]}", accepts=(_NOT_FOUND, 409)):
            self._api.remove_container(self.id, force=True, v=True)


class Engine:
    """The engine of this machine, or the one that `DOCKER_HOST` names; may be used from several threads."""

    def __init__(self) -> None:
        """Find out how to speak to it.

        Raises:
            EngineUnreachableError: It does not answer.
        """
        with _talking("speak to the engine"):
            _knock()
            settings = kwargs_from_env()
            self._api = docker.APIClient(version="auto", timeout=_SECONDS_FOR_AN_ANSWER, **settings)
            self.architecture: str = self._api.version()["Arch"]

    def close(self) -> None:
        """Let go of its connections."""
        self._api.close()

    def find_image(self, name: str) -> Image | None:
        """Return what the engine has under *name*."""
        with _talking(f"look at the image '{name}'"):
            try:
                found = self._api.inspect_image(name)  # type: ignore[no-untyped-call]
            except docker.errors.ImageNotFound:
                return None
        digests = found.get("RepoDigests") or [""]
        return Image(
            found["Id"],
            digests[0].rpartition("@")[2],
            found["Architecture"],
            tuple(found["Config"].get("Entrypoint") or ()),
        )

    def pull(self, name: str) -> None:
        """Fetch an image from its registry.

        Raises:
            ImageMissingError: The registry does not have it, or does not answer.
        """
        repository, tag = parse_repository_tag(name)
        try:
            with _talking(f"fetch the image '{name}'"):
                self._api.pull(repository, tag=tag or "latest")
        except EngineRefusedError as error:
            message = f"the image '{name}' could not be fetched: {error.reason}"
            raise ImageMissingError(message, error.reason) from error

    def create(self, spec: ContainerSpec) -> Container:
        """Create a container; it is not started.

        Raises:
            ImageMissingError: There is no such image.
            EngineRefusedError: The engine refuses something else in *spec*.
        """
        with _talking(f"create a container of '{spec.image}'"):
            try:
                created = self._api.create_container(
                    spec.image,
                    command=list(spec.command),
                    entrypoint=_entrypoint(spec),
                    environment=dict(spec.environment),
                    labels=dict(spec.labels),
                    working_dir=spec.working_dir,
                    user=spec.user,
                    stdin_open=spec.reads_stdin,
                    host_config=self._host_config(spec),
                )
            except docker.errors.ImageNotFound as error:
                message = f"there is no image '{spec.image}'"
                raise ImageMissingError(message, str(error.explanation or error)) from error
        return Container(self._api, created["Id"], reads_stdin=spec.reads_stdin)

    def build(
        self, context: Iterator[bytes], dockerfile: str, arguments: Mapping[str, str]
    ) -> Iterator[Mapping[str, Any]]:
        """Build an image from a tar archive, and yield what the engine says on the way.

        Raises:
            EngineRefusedError: It would not begin, or broke off.
        """
        with _talking("build the image"):
            yield from self._api.build(
                # Whatever yields bytes is sent as it comes; the annotation knows of files only.
                fileobj=cast("IO[bytes]", context),
                custom_context=True,
                dockerfile=dockerfile,
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
            )

    def tag(self, image_id: str, reference: str) -> None:
        """Give an image the name `name:tag`.

        Raises:
            EngineRefusedError: It is no name.
        """
        repository, _, tag = reference.rpartition(":")
        with _talking(f"call the image {image_id} '{reference}', though it was built"):
            self._api.tag(image_id, repository, tag)

    def find(self, labels: Mapping[str, str | None]) -> list[Found]:
        """Return the containers, running or not, that have all of *labels*; None stands for any value."""
        wanted = [name if value is None else f"{name}={value}" for name, value in labels.items()]
        with _talking("list containers"):
            found = self._api.containers(all=True, filters={"label": wanted})
        return [Found(each["Id"], each["Labels"], each["State"] == "running") for each in found]

    def container(self, container_id: str) -> Container:
        """Return a container that was found."""
        return Container(self._api, container_id, reads_stdin=False)

    def _host_config(self, spec: ContainerSpec) -> dict[str, Any]:
        limits = spec.limits
        memory = None if limits.memory_mib is None else limits.memory_mib * _MIB
        uid, _, gid = spec.user.partition(":")
        owned = f"mode=0700,uid={uid},gid={gid}" if spec.user else "mode=0700"
        gpus = docker.types.DeviceRequest(count=limits.gpu, capabilities=[["gpu"]])
        config: dict[str, Any] = self._api.create_host_config(
            mounts=[
                docker.types.Mount(inside, outside, type="bind", read_only=is_read_only)
                for outside, (inside, is_read_only) in spec.mounts.items()
            ],
            tmpfs=dict.fromkeys(spec.memory_folders, owned),
            network_mode=spec.network,
            group_add=list(spec.groups) or None,
            nano_cpus=None if limits.cpu is None else int(limits.cpu * 1e9),
            mem_limit=memory,
            memswap_limit=memory,
            shm_size=None if limits.shm_mib is None else limits.shm_mib * _MIB,
            device_requests=[gpus] if limits.gpu else None,
            # What it prints is kept by magnus, masked; the engine would keep it as it is.
            log_config=docker.types.LogConfig(type=docker.types.LogConfig.types.NONE),
            # A first process that hands on signals, and waits for what others leave behind.
            init=True,
        )
        return config


def _entrypoint(spec: ContainerSpec) -> list[str] | None:
    """Return the entry point in the engine's words, to whom an empty list says nothing and an empty text `none`."""
    return None if spec.entrypoint is None else list(spec.entrypoint) or [""]


def _address() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def _knock() -> None:
    """Connect and hang up: where nobody listens, the vendor's library would leave its own socket open."""
    scheme, _, path = _address().partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.connect(path)


@contextmanager
def _hung_up(connection: Any) -> Iterator[Any]:
    """Close *connection* in the end, and the socket below it, which the vendor's library leaves to the garbage collector."""
    below = getattr(connection, "_sock", None)
    try:
        yield connection
    finally:
        connection.close()
        if below is not None:
            below.close()


def _converse(connection: Any, stdin: bytes, on_output: Callable[[bytes, int], object]) -> None:
    """Send what the container reads first, and hand on what it writes until it writes no more."""
    raw = getattr(connection, "_sock", connection)
    with suppress(OSError):  # it has ended without reading: its output says why
        raw.sendall(stdin)
    for stream, data in frames_iter(connection, tty=False):  # type: ignore[no-untyped-call]
        on_output(data, stream)


@contextmanager
def _talking(what: str, accepts: tuple[int, ...] = ()) -> Iterator[None]:
    """Turn the vendor's errors into ours; answers with a status of *accepts* count as done."""
    where = _address()
    try:
        yield
    except docker.errors.APIError as error:
        if error.status_code in accepts:
            return
        reason = " ".join(str(error.explanation or error).split())
        message = f"the engine at {where} would not {what}: {reason}"
        raise EngineRefusedError(
            message, reason, blames_request=error.status_code in _CLIENT_ERRORS
        ) from error
    except (docker.errors.DockerException, OSError) as error:  # the errors of requests are OSErrors
        message = (
            f"no container engine answers at {where} ({_cause(error)}); start it, see that this user may use it, "
            "or set DOCKER_HOST to where one listens"
        )
        raise EngineUnreachableError(message, retriable=True) from error


def _cause(error: BaseException) -> str:
    """Return what the operating system said: the vendor's message has the errors of four libraries around it."""
    reason = error
    while not (isinstance(reason, OSError) and reason.strerror):
        deeper = reason.__cause__ or reason.__context__
        if deeper is None:
            return str(error)
        reason = deeper
    return str(reason.strerror)
