"""Every error that magnus raises on purpose.

A `MagnusError` is complete as text: what was wanted, what was found, where, and the next thing to try. The command line
prints it without a traceback and exits with its *exit_code*. Anything else that reaches the top is a bug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from magnus.sdk.running import RunResult


class Problem(NamedTuple):
    """One mistake in a user's file.

    Attributes:
        message: What is wrong and what would do.
        path: The file as the user named it; None where there is no file (a pipeline written in Python).
        line: Counted from 1; None when the mistake concerns the file as a whole.
        column: Counted from 1.
    """

    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Render as `file:line:col: message`."""
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        return f"{place}: {self.message}" if place else self.message


class MagnusError(Exception):
    """The root of the hierarchy."""

    exit_code: ClassVar[int] = 2


class InputError(MagnusError):
    """What the user gave cannot be used; holds every mistake found, not only the first."""

    def __init__(self, problems: str | Problem | Iterable[Problem]) -> None:
        """Take one message, or all the problems of one file."""
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: Sequence[Problem] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[Sequence[Problem]]]:
        """Survive the way back from a worker process."""
        return type(self), (self.problems,)


class DefinitionError(InputError):
    """The pipeline file, or the pipeline written in Python, is wrong."""


class ConfigurationError(InputError):
    """The configuration, an adapter, a refused combination, or an argument of the command line is wrong."""


class ParametersError(InputError):
    """The parameters given at the start cannot be used."""


class ReentryError(ConfigurationError):
    """A run was to begin while a worker imports the module of a step: the script lacks its guard."""


class RunLogNotFoundError(ConfigurationError):
    """No run of that id is in the run log store."""


class RunLogExistsError(ConfigurationError):
    """A run of that id is already in the run log store."""


class ExecutionError(MagnusError):
    """A step failed."""

    exit_code = 1


class RunFailedError(ExecutionError):
    """A run that `Pipeline.execute` was to raise for has failed.

    Attributes:
        result: The `RunResult`: id, status and log of the run.
    """

    def __init__(self, message: str, result: RunResult | None = None) -> None:
        """Take the message and the result."""
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[type[RunFailedError], tuple[str, RunResult | None]]:
        """Survive the way to another process."""
        return type(self), (str(self), self.result)


class ParameterNotFoundError(ExecutionError):
    """A task asked for a parameter that no one has set."""


class SecretNotFoundError(ExecutionError):
    """A task asked for a secret that the secrets manager does not hold."""


class OutsideRunError(MagnusError):
    """A function that needs a running step was called outside one."""


class ServiceError(MagnusError):
    """An adapter or the service behind it failed.

    Attributes:
        retriable: Whether the same call may succeed later.
    """

    exit_code = 3

    def __init__(self, message: str, *, retriable: bool = False) -> None:
        """Say what was asked of which service, and what came back."""
        super().__init__(message)
        self.retriable = retriable


class CatalogError(ServiceError):
    """The catalog could not store or bring a file."""


class JobSubmissionError(ServiceError):
    """The compute refused the job and nothing was started."""


class InterruptedRunError(MagnusError):
    """The run was stopped by a signal."""

    exit_code = 130
