"""An engine that runs nothing, and what the core lends: both under a test's control."""

from __future__ import annotations

import itertools
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from magnus.domain.jobs import Job, JobEnd
from magnus.domain.nodes import Node, Resources, TaskSettings
from magnus.domain.run_log import Status
from magnus.testing.fakes import FakeStepRunner
from magnus_executor_container.client import ContainerEnd, Found, Image
from magnus_executor_container.config import LocalContainerOptions
from magnus_executor_container.errors import ImageMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from magnus.ports.executor import ComputeNeeds
    from magnus_executor_container.container_spec import ContainerSpec

BEGIN = b"<begin>"
REFUSE = b"<refuse>"
PATIENCE_SECONDS = 30.0


class FakeRemote:
    """One step for elsewhere: `<begin>` says that the attempt begins, `<refuse>` and a text that it will not."""

    def __init__(self, run_id: str, command: tuple[str, ...], stdin: bytes) -> None:
        """Nothing was written."""
        self.run_id = run_id
        self.command = command
        self.message = stdin
        self.mark = "mark"
        self.is_hurried = self.has_told_all = self.has_answer = False
        self.has_begun = False
        self.refusal = ""
        self.last_words = ""
        self.is_closed = False

    def write(self, data: bytes, stream: int) -> bool:
        """Keep it; several words may come in one piece."""
        self.has_begun |= BEGIN in data
        said, marked, refusal = data.replace(BEGIN, b"").partition(REFUSE)
        if marked:
            self.refusal = refusal.decode()
        self.last_words += said.decode()
        return self.has_begun

    def take_answer(self, data: bytes) -> None:
        """Take nothing."""

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class Lent(FakeStepRunner):
    """What the core lends.

    Attributes:
        command: What its remote steps start.
        stdin: What they read.
        remotes: What was lent, each with whether it was for the inside of the compute.
        here: The jobs that were begun on this machine.
        begun: Those of them that have not ended.
    """

    def __init__(self) -> None:
        """Nothing was lent."""
        self.command: tuple[str, ...] = ("magnus", "execute_single_node")
        self.stdin = b"told"
        self.remotes: list[tuple[FakeRemote, bool]] = []
        self.here: list[str] = []
        self.begun: list[Job] = []

    def start(self, job: Job) -> Status:
        """Note the job."""
        self.here.append(job.step_name)
        self.begun.append(job)
        return Status.TRIGGERED

    def wait(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Let what has begun end."""
        begun, self.begun = self.begun, []
        return [JobEnd(job, Status.SUCCESS) for job in begun]

    def stop(self) -> None:
        """End what has begun."""
        self.begun.clear()

    def remote(
        self,
        job: Job | None,
        needs: Sequence[ComputeNeeds] = (),
        *,
        inside_compute: bool,
        address: str = "",
        shown_as: str = "",
        mark: str = "",
    ) -> FakeRemote:
        """Lend a step."""
        remote = FakeRemote("run", self.command, self.stdin)
        self.remotes.append((remote, inside_compute))
        return remote


class FakeContainer:
    """A container that does what the test's script says.

    Attributes:
        signals: What it was sent.
        killed: Set once it was sent SIGKILL, or removed.
    """

    def __init__(self, engine: FakeEngine, container_id: str, spec: ContainerSpec | None) -> None:
        """It is not started."""
        self._engine = engine
        self.id = container_id
        self.spec = spec
        self.signals: list[int] = []
        self.killed = threading.Event()

    def run(self, stdin: bytes, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
        """Do it."""
        self._engine.told.append(stdin)
        return self._engine.script(self, on_output)

    def signal(self, number: int) -> None:
        """Note it."""
        self.signals.append(number)
        if number == signal.SIGKILL:
            self.killed.set()

    def remove(self) -> None:
        """Be gone."""
        self._engine.removed.append(self.id)
        self.killed.set()


def succeed(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
    """Begin and end well."""
    on_output(BEGIN, 1)
    return ContainerEnd(0, out_of_memory=False)


def run_until_killed(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
    """Begin, and go on until somebody ends it."""
    on_output(BEGIN, 1)
    assert container.killed.wait(PATIENCE_SECONDS)
    return ContainerEnd(137, out_of_memory=False)


class FakeEngine:
    """Stands for `magnus_executor_container.client.Engine`.

    Attributes:
        images: What it has, by name.
        registry: What it could fetch.
        script: What every container does.
        refuses: Raised instead of a container being created.
        created: The containers, in order.
        removed: The ids of those that were removed.
        pulled: The names that were fetched.
        told: What containers found on their stdin.
        left: The containers that are found by their labels.
    """

    def __init__(self) -> None:
        """Have one image."""
        self.architecture = "amd64"
        self.images: dict[str, Image] = {"image": Image("sha256:1", "", "amd64", ())}
        self.registry: dict[str, Image] = {}
        self.script: Callable[[FakeContainer, Callable[[bytes, int], object]], ContainerEnd] = succeed
        self.refuses: Exception | None = None
        self.created: list[FakeContainer] = []
        self.removed: list[str] = []
        self.pulled: list[str] = []
        self.told: list[bytes] = []
        self.left: list[Found] = []
        self.is_closed = False
        self._numbers = itertools.count(1)

    def find_image(self, name: str) -> Image | None:
        """Return it."""
        return self.images.get(name)

    def pull(self, name: str) -> None:
        """Fetch it."""
        self.pulled.append(name)
        if name not in self.registry:
            message = f"the image '{name}' could not be fetched: not found"
            raise ImageMissingError(message, "not found")
        self.images[name] = self.registry[name]

    def create(self, spec: ContainerSpec) -> FakeContainer:
        """Create a container."""
        if self.refuses is not None:
            raise self.refuses
        container = FakeContainer(self, f"c{next(self._numbers):012}", spec)
        self.created.append(container)
        return container

    def find(self, labels: Mapping[str, str | None]) -> list[Found]:
        """Return what has all of *labels*."""
        return [
            found
            for found in self.left
            if all(
                name in found.labels and value in (None, found.labels[name]) for name, value in labels.items()
            )
        ]

    def container(self, container_id: str) -> FakeContainer:
        """Return it."""
        return FakeContainer(self, container_id, None)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class Kit:
    """What tests of jobs and of the executor are made from; test modules cannot import from each other."""

    begin = BEGIN
    refuse = REFUSE
    patience_seconds = PATIENCE_SECONDS
    run_until_killed = staticmethod(run_until_killed)
    succeed = staticmethod(succeed)

    def __init__(self, engine: FakeEngine) -> None:
        """Use *engine*."""
        self.engine = engine
        self.lent = Lent()

    @staticmethod
    def job(
        name: str = "step",
        options: LocalContainerOptions | None = None,
        *,
        timeout: float | None = None,
        resources: Resources | None = None,
        command_type: str = "shell",
    ) -> Job:
        """Return a job in a container of the image `image`, unless *options* say something else."""
        node = Node(
            name,
            "task",
            {},
            next="done",
            task=TaskSettings("true", command_type),
            timeout_seconds=timeout,
            resources=resources,
        )
        return Job("run", name, node, 1, options=options or LocalContainerOptions(docker_image="image"))

    @staticmethod
    def remote(command: tuple[str, ...] = ("magnus",), stdin: bytes = b"told") -> FakeRemote:
        """Return a step for elsewhere."""
        return FakeRemote("run", command, stdin)


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch) -> Kit:
    """Return it; `client.Engine` is its engine."""
    engine = FakeEngine()
    monkeypatch.setattr("magnus_executor_container.client.Engine", lambda: engine)
    return Kit(engine)
