"""A compute for emulators in time that only tests move: nothing runs, and what was asked for is written down."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from magnus.errors import InterruptedRunError
from magnus.ports.emulator import CommandEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from magnus.ports.emulator import ContainerCommand


class Call(NamedTuple):
    """A command that was run.

    Attributes:
        at: When it began, in seconds.
        command: What it was.
    """

    at: float
    command: ContainerCommand

    @property
    def step(self) -> str:
        """What `--step-name` says, with the mode of `magnus fan` before it: `train`, `out each`."""
        return step_of(self.command)


class ScriptedCompute:
    """Ends commands as a script says; an `EmulatedCompute`.

    Time passes by `sleep` alone, so it is of use where one thing happens after another.
    """

    def __init__(
        self,
        folder: Path,
        ends: Mapping[str, Sequence[int]] | None = None,
        effects: Mapping[str, Callable[[ContainerCommand], None]] | None = None,
        takes_seconds: float = 0.0,
    ) -> None:
        """Follow a script.

        Args:
            folder: An empty folder.
            ends: The exit codes of the calls of a step one after another, by `Call.step`; the last counts for all further
                ones. A step without any succeeds.
            effects: What else the calls of a step do, such as writing items to a file.
            takes_seconds: How long each command takes.
        """
        self.folder = folder
        self.calls: list[Call] = []
        self.lines: list[str] = []
        self._ends = {step: list(codes) for step, codes in (ends or {}).items()}
        self._effects = effects or {}
        self._takes = takes_seconds
        self._now = 0.0
        self._lock = threading.Lock()
        self.is_stopped = False
        """Set by a test: the next thing that is asked for is interrupted."""

    @property
    def steps(self) -> list[str]:
        """The steps in the order of their calls."""
        return [call.step for call in self.calls]

    def run(self, command: ContainerCommand) -> CommandEnd:
        """See the port."""
        self._check()
        step = step_of(command)
        with self._lock:
            self.calls.append(Call(self._now, command))
            codes = self._ends.get(step, [0])
            code = codes.pop(0) if len(codes) > 1 else codes[0]
        if step in self._effects:
            self._effects[step](command)
        if command.timeout_seconds is not None and self._takes > command.timeout_seconds:
            self.sleep(command.timeout_seconds)
            return CommandEnd(137, timed_out=True)
        self.sleep(self._takes)
        return CommandEnd(code)

    def now(self) -> float:
        """See the port."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """See the port."""
        self._check()
        with self._lock:
            self._now += seconds

    def report(self, line: str) -> None:
        """See the port."""
        self.lines.append(line)

    def _check(self) -> None:
        if self.is_stopped:
            raise InterruptedRunError("the emulation was interrupted by a test")


def step_of(command: ContainerCommand) -> str:
    """Return what a command of magnus is called for; the mode of `magnus fan` stands before it."""
    arguments = list(command.arguments)
    step = arguments[arguments.index("--step-name") + 1] if "--step-name" in arguments else command.name
    return f"{arguments[arguments.index('--mode') + 1]} {step}" if "--mode" in arguments else step
