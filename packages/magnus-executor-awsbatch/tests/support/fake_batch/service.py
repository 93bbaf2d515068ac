"""A fake of AWS Batch and of its logs, behind real clients, in virtual time."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from .batch_api import BatchApi
from .errors import ServiceRefusal, throttled
from .log_store import LogStore
from .queues import Registry
from .scripts import AnswerLost, Forgotten, Refused, Script, Succeeds, Throttled
from .simulation import Simulation
from .wire import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .jobs import Job

SPOT, ON_DEMAND = "spot", "on-demand"
_ENDPOINT = "https://fake"


class Call(NamedTuple):
    """A request that reached the fake."""

    operation: str
    request: Mapping[str, Any]
    at: float
    """When, in seconds."""


class FakeAws:
    """Give its clients to what is tested, and say beforehand what becomes of jobs."""

    def __init__(self, now: Callable[[], float], *, default: Script | None = None) -> None:
        """Start with the queues `spot` and `on-demand`, and no job definition.

        Args:
            now: Returns the time in seconds since 1970, as a `VirtualClock` does.
            default: What jobs do that no script is meant for; without it they succeed at once.
        """
        self.calls: Counter[str] = Counter()
        """How often each operation was called."""
        self.requests: list[Call] = []
        """All calls, in order."""
        self.logs = LogStore(now)
        self.registry = Registry()
        for name in (SPOT, ON_DEMAND):
            self.registry.add_queue(name, most_vcpus=256)
        self.simulation = Simulation(now, self.logs, self.registry.problem)
        self._now = now
        self._default = default or Succeeds()
        self._scripts: list[tuple[str, deque[Script]]] = []
        self._faults: dict[str, deque[BaseException | None]] = {}
        self._lost: Counter[str] = Counter()
        self._interrupts: dict[str, BaseException] = {}
        self.before_each: Callable[[], None] = lambda: None
        """Is called before each call; what it raises comes out of the call, as a signal would."""
        self._lock = threading.RLock()
        self._batch = BatchApi(now, self.simulation, self.registry)
        self._answers: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "SubmitJob": self._submit,
            "DescribeJobs": self._batch.describe,
            "ListJobs": self._batch.list,
            "TerminateJob": self._batch.terminate,
            "CancelJob": self._batch.cancel,
            "DescribeJobDefinitions": self.registry.describe_definitions,
            "RegisterJobDefinition": self.registry.register,
            "DescribeJobQueues": self.registry.describe_queues,
            "DescribeComputeEnvironments": self.registry.describe_environments,
            "FilterLogEvents": self.logs.filter,
        }

    def client(self, service: str, *_: Any, **__: Any) -> Any:
        """Return a client of `batch` or `logs`; further arguments, such as a region, change nothing."""
        return connect(service, self._answer)

    def script(self, name: str, *scripts: Script) -> None:
        """Say what becomes of the jobs whose names fit the pattern *name*: of the first, of the second, and so on.

        The last script holds for all further ones. What is said later wins over what was said before.
        """
        self._scripts.insert(0, (name, deque(scripts)))

    def in_order(self, *scripts: Script) -> None:
        """Say what becomes of the next jobs, whatever their names; later ones follow the default."""
        self.script("*", *scripts, self._default)

    def job_definition(self, image: str = "image:1", name: str = "definition", **more: Any) -> str:
        """Register a job definition and return its ARN; *more* goes into `containerProperties`."""
        needs = [{"type": "MEMORY", "value": "512"}, {"type": "VCPU", "value": "1"}]
        properties = {"image": image, "resourceRequirements": needs, **more}
        request = {"jobDefinitionName": name, "type": "container", "containerProperties": properties}
        arn: str = self.registry.register(request)["jobDefinitionArn"]
        return arn

    def jobs(self) -> list[Job]:
        """Return all jobs that were ever submitted, the children of arrays too, as they are now."""
        with self._lock:
            self.simulation.advance()
            return list(self.simulation.jobs.values())

    def forget(self, job_id: str) -> None:
        """Have the service know a job no more."""
        self._batch.forgotten[job_id] = self._now()

    def remember(self, job_id: str) -> None:
        """Have the service know a job again."""
        del self._batch.forgotten[job_id]

    def terminate_after(self, seconds: float) -> None:
        """Have jobs that are ended go on for so many seconds."""
        self._batch.ended_after = seconds

    def interrupt_after(self, operation: str, error: BaseException) -> None:
        """Let the next call of an operation take effect, and raise *error* in the caller, as a signal would."""
        self._interrupts[operation] = error

    def make_children_after(self, seconds: float) -> None:
        """Have the children of an array made only so many seconds after it was submitted."""
        self._batch.children_after = seconds

    def hide_from_lists(self, seconds: float) -> None:
        """Have `ListJobs` tell of a job only so many seconds after it was submitted; `DescribeJobs` always does."""
        self._batch.listed_after = seconds

    def throttle(self, operation: str, calls: int = 1) -> None:
        """Refuse the next calls of an operation for too many requests."""
        self.fail(operation, throttled("logs" if operation == "FilterLogEvents" else "batch"), calls)

    def throttle_after(self, operation: str, good: int, rounds: int) -> None:
        """Take *good* calls and refuse the next for too many requests, so many times in turn."""
        for _ in range(rounds):
            self._faults.setdefault(operation, deque()).extend([None] * good)
            self.throttle(operation)

    def refuse(self, operation: str, code: str, *, status: int = 400, calls: int = 1) -> None:
        """Answer the next calls of an operation with an error that clients know by *code*."""
        self.fail(operation, ServiceRefusal(code, "Asked for by a test", status), calls)

    def be_out_of_reach(self, operation: str, calls: int = 1) -> None:
        """Let the next calls of an operation find no server."""
        self.fail(operation, EndpointConnectionError(endpoint_url=_ENDPOINT), calls)

    def fail(self, operation: str, error: BaseException, calls: int = 1) -> None:
        """Let the next calls of an operation end with *error*, without effect."""
        self._faults.setdefault(operation, deque()).extend([error] * calls)

    def lose_answer(self, operation: str, calls: int = 1) -> None:
        """Let the next calls of an operation take effect, and break the connection before the answer."""
        self._lost[operation] += calls

    def _answer(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            self.before_each()
            self.calls[operation] += 1
            self.requests.append(Call(operation, request, self._now()))
            if operation not in self._answers:
                raise NotImplementedError(f"the fake has no answer to {operation}")
            faults = self._faults.get(operation)
            if faults and (fault := faults.popleft()) is not None:
                raise fault
            self.simulation.advance()
            answer = self._answers[operation](request)
            if operation in self._interrupts:
                raise self._interrupts.pop(operation)
            if self._lost[operation]:
                self._lost[operation] -= 1
                raise ConnectionClosedError(endpoint_url=_ENDPOINT)
            return answer

    def _submit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        script = self._script_for(request["jobName"])
        if isinstance(script, Refused):
            raise ServiceRefusal("ClientException", script.message)
        answer = self._batch.submit(request, script)
        if isinstance(script, Forgotten):
            self._batch.forgotten[answer["jobId"]] = self._now() + script.seconds
        if isinstance(script, AnswerLost):
            raise ConnectionClosedError(endpoint_url=_ENDPOINT)
        return answer

    def _script_for(self, name: str) -> Script:
        """Return the script of the next job of a name; the last of a row stays.

        Raises:
            ServiceRefusal: The script says so, and will not for ever.
        """
        row = next((scripts for pattern, scripts in self._scripts if fnmatchcase(name, pattern)), None)
        if not row:
            return self._default
        script = row[0]
        if isinstance(script, Throttled) and script.calls:
            row[0] = replace(script, calls=script.calls - 1)
            raise throttled()
        if len(row) > 1:
            row.popleft()
        return script
