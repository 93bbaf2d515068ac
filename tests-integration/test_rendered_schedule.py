"""When attempts are made by what is rendered: at the same moments as by `local`, on a clock that nobody waits for.

Emulators wait on the virtual clock as their targets would, and the commands that they call, which run in this process, wait on
it for what is left of a pause. So a target that waits too long shows, and one that waits less than it may does not: magnus
waits then.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from harness import Project, chain, python

from magnus.cli.app import main
from magnus.engine.clock import Clock
from magnus.engine.recorder import read_run_log
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.emulator import CommandEnd
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws.stores import Stores

    from magnus.ports.emulator import ContainerCommand, Emulator

BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)

WORK = """
from pathlib import Path

from magnus.engine.clock import Clock

DURATIONS = {durations}


def work():
    calls = Path("calls")
    number = len(calls.read_text()) if calls.exists() else 0
    calls.write_text("x" * (number + 1))
    Clock().sleep(DURATIONS[number])
    if number + 1 < len(DURATIONS):
        raise ConnectionError(f"attempt {{number + 1}}")
"""
"""Fails in every attempt but the last; each takes its time."""


class Target(NamedTuple):
    """An executor that renders.

    Attributes:
        name: What configurations call it.
        options: Its options.
        later: How much longer than ours one of its pauses may be, in seconds.
    """

    name: str
    options: Mapping[str, Any]
    later: float = 0.0


TARGETS = (
    Target("argo", {"docker_image": "image:1"}),
    Target("argo", {"docker_image": "image:1", "infrastructure_retries": 0}),
    # Its pauses are whole seconds, and at least one.
    Target(
        "aws-step-functions",
        {"job_queue": "queue", "job_definition": "definition", "items": "s3://bucket/items"},
        later=1.0,
    ),
)
EXACT = 0.005
"""Seconds: what is lost where moments are written down in milliseconds."""

RETRIES: dict[str, tuple[Any, list[float], int]] = {
    "no pause": (3, [5, 5, 5], 3),
    "growing": ({"max_attempts": 4, "backoff": {"initial": 10, "factor": 2}}, [3, 0, 7, 1], 4),
    "to a maximum": ({"max_attempts": 5, "backoff": {"initial": 4, "factor": 2.5, "max": 20}}, [1] * 5, 5),
    "by chance": ({"max_attempts": 4, "backoff": {"initial": 100, "factor": 3, "jitter": 0.6}}, [2] * 4, 4),
    "fractions": ({"max_attempts": 3, "backoff": {"initial": 0.75, "factor": 1}}, [0.5] * 3, 3),
    "exhausted": ({"max_attempts": 2, "backoff": {"initial": 30}}, [1] * 3, 2),
    "another failure": ({"max_attempts": 3, "backoff": {"initial": 30}, "retry_on": ["timeout"]}, [1] * 3, 1),
}
"""What the step says, how long its attempts take, and how many are made."""


class VirtualTime:
    """The time of everything in this process; goes on when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the machine's clock."""
        self.seconds = 0.0
        monkeypatch.setattr(Clock, "monotonic", lambda _: self.seconds)
        monkeypatch.setattr(Clock, "sleep", lambda _, seconds: self.sleep(seconds))
        monkeypatch.setattr(Clock, "timestamp", lambda _: self._now().isoformat(timespec="milliseconds"))
        monkeypatch.setattr(Clock, "seconds_since", lambda _, text: self._since(text))

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.seconds += seconds

    def _now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds)

    def _since(self, timestamp: str) -> float:
        return max(0.0, (self._now() - datetime.fromisoformat(timestamp)).total_seconds())


class InThisProcess:
    """Runs the commands of an emulated target in this process and in virtual time; an `EmulatedCompute`."""

    def __init__(self, folder: Path, time: VirtualTime) -> None:
        """Give what commands hand over a place in *folder*."""
        self.folder = folder
        self.time = time
        self.waited = 0.0
        """What the target itself has waited."""

    def run(self, command: ContainerCommand) -> CommandEnd:
        """Call magnus."""
        return CommandEnd(main(list(command.arguments[1:])))

    def now(self) -> float:
        """Return the virtual seconds."""
        return self.time.seconds

    def sleep(self, seconds: float) -> None:
        """Let them pass."""
        self.waited += seconds
        self.time.sleep(seconds)

    def report(self, line: str) -> None:
        """Nobody watches."""


class Schedules:
    """The moments at which the attempts at one step are made, by different executors."""

    def __init__(
        self, project: Project, stores: Stores, time: VirtualTime, durations: list[float], retry: Any
    ) -> None:
        """Write the pipeline."""
        self._project, self._stores, self._time = project, stores, time
        # Of its own name: a module that was imported for another schedule is not imported again.
        module = f"work_{project.folder.parent.name.replace('-', '_')}"
        project.write(f"{module}.py", WORK.format(durations=durations))
        project.write("pipeline.yaml", {"dag": chain({"one": python(f"{module}.work", retry=retry)})})
        self.waited = 0.0

    def of_local(self) -> list[float]:
        """Return those of the traversal."""
        self._configure({"type": "local"})
        main(["execute", "-f", "pipeline.yaml", "-c", "config.yaml", "--run-id", "run"])
        return self._moments()

    def of(self, target: Target) -> list[float]:
        """Return those of an emulated target, and note what it has waited itself."""
        self._configure({"type": target.name, "config": dict(target.options)})
        assert main(["execute", "-f", "pipeline.yaml", "-c", "config.yaml", "-o", "rendered"]) == 0
        emulator: type[Emulator] = AdapterManager(find_plugins()).load("emulator", target.name)
        text = (self._project.folder / "rendered").read_text(encoding="utf-8")
        compute = InThisProcess(Path(tempfile.mkdtemp(dir=self._project.folder)), self._time)
        emulator(text, "rendered").run("run", compute)
        self.waited = compute.waited
        return self._moments()

    def _configure(self, executor: Mapping[str, Any]) -> None:
        """Begin anew: the same run id, by which pauses are told, in another store."""
        (self._project.folder / "calls").unlink(missing_ok=True)
        self._project.write("config.yaml", {"executor": executor} | self._stores.blocks())

    def _moments(self) -> list[float]:
        with open_run_log_store(load_setup("config.yaml", {})) as store:
            log = read_run_log(store, "run")
        begun = [datetime.fromisoformat(attempt.start_time) for attempt in log.steps["one"].attempts]
        return [round((moment - begun[0]).total_seconds(), 3) for moment in begun]


@pytest.fixture
def schedules(
    project: Project, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[float], Any], Schedules]:
    """Return a function that makes schedules for what a step says and does."""
    monkeypatch.chdir(project.folder)
    for name in ("MAGNUS_CONFIG_FILE", "MAGNUS_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return lambda durations, retry: Schedules(project, stores, VirtualTime(monkeypatch), durations, retry)


@pytest.mark.parametrize("name", RETRIES)
def test_attempts_are_made_when_local_makes_them(
    name: str, schedules: Callable[[list[float], Any], Schedules]
) -> None:
    """Backoff, its maximum and its chance included, on every target; no attempt more, and none less."""
    retry, durations, attempts = RETRIES[name]
    made = schedules(durations, retry)
    expected = made.of_local()
    assert len(expected) == attempts
    for target in TARGETS:
        moments = made.of(target)
        assert len(moments) == attempts, target
        for number, (moment, ours) in enumerate(zip(moments, expected, strict=True)):
            assert -number * EXACT <= moment - ours <= number * (target.later + EXACT), (
                target,
                moments,
                expected,
            )


def test_argo_waits_itself_as_long_as_it_can(schedules: Callable[[list[float], Any], Schedules]) -> None:
    """So that no pod does: all of the pauses if they grow by a whole factor, and no pod is made again for other reasons."""
    retry, durations, _ = RETRIES["growing"]
    made = schedules(durations, retry)
    made.of(TARGETS[1])
    assert made.waited == 70
