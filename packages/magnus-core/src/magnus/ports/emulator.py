"""The port for what runs, on this machine, a file that an executor has rendered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

from magnus.domain.nothing import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ContainerCommand(NamedTuple):
    """What a rendered file has done in one container.

    Attributes:
        arguments: The argument vector, as the container gets it: nothing stands for anything else any more.
        name: What the file calls it, for people.
        image: The image; empty if the file does not name one.
        environment: What the file sets.
        timeout_seconds: After which the target ends the container; None for never.
    """

    arguments: tuple[str, ...]
    name: str
    image: str = ""
    environment: Mapping[str, str] = NOTHING
    timeout_seconds: float | None = None


class CommandEnd(NamedTuple):
    """How a command ended.

    Attributes:
        exit_code: Of the process; 128 and the signal's number if one killed it.
        timed_out: Whether it was ended because its time was over.
    """

    exit_code: int
    timed_out: bool = False


class EmulatedCompute(Protocol):
    """Runs commands in place of the target's own compute. May be used from any thread."""

    @property
    def folder(self) -> Path:
        """An empty folder, at the same path for commands, which is removed at the end: for what they hand to the target."""

    def run(self, command: ContainerCommand) -> CommandEnd:
        """Run a command to its end.

        Raises:
            ServiceError: It cannot be started.
            InterruptedRunError: This process was told to stop; what ran has ended.
        """

    def now(self) -> float:
        """Return the time in seconds, from any beginning."""

    def sleep(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            InterruptedRunError: This process was told to stop.
        """

    def report(self, line: str) -> None:
        """Tell the people who watch what the target does, such as `retry 2 of 'train' in 10 s`."""


class Emulator(ABC):
    """Interprets what the executor of the same name renders: that subset of the target's language, and nothing more.

    It reads the rendered file alone: what is not in it, the target does not know either.
    """

    @classmethod
    @abstractmethod
    def recognises(cls, text: str) -> bool:
        """Whether *text* is written in the target's language; says nothing of its being right. Cheap, and raises nothing."""

    @abstractmethod
    def __init__(self, text: str, path: str) -> None:
        """Read *text*, the content of the file *path*, and check all of it.

        Raises:
            ConfigurationError: It is not right, or holds what is not interpreted: names that, and where it stands.
        """

    @abstractmethod
    def run(self, run_id: str, compute: EmulatedCompute) -> bool:
        """Run the file from its beginning to its end, and do what the target does.

        Args:
            run_id: What the target gives the run as its own name.
            compute: Runs the commands.

        Returns:
            Whether the target would show that as a success.

        Raises:
            ConfigurationError: Something in the file can be seen to be wrong only now.
            InterruptedRunError: This process was told to stop.
            ServiceError: Something that the target needs cannot be used.
        """
