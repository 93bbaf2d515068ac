"""What is known of a run: the schema of the run log, the same whatever store holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMA_VERSION = 1


class Status(StrEnum):
    """How far a run, branch, step or attempt got."""

    PROCESSING = "PROCESSING"
    TRIGGERED = "TRIGGERED"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in _ENDED


_ENDED = frozenset({Status.SUCCESS, Status.FAIL})


class CodeIdentity(NamedTuple):
    """Which code ran.

    Attributes:
        code_identifier: A commit, an image digest, or a version.
        code_identifier_type: `git`, `docker` or `python`.
        code_identifier_dependable: Whether the identifier alone gives the same code again.
        code_identifier_url: Where the code can be found; empty if unknown.
        code_identifier_message: Why it is not dependable.
    """

    code_identifier: str
    code_identifier_type: str
    code_identifier_dependable: bool
    code_identifier_url: str = ""
    code_identifier_message: str = ""


class DataCatalog(NamedTuple):
    """A file that a step took from the catalog or left there.

    Attributes:
        name: Its path in the compute data folder, with `/` between the parts.
        data_hash: SHA-256 of its content, in hexadecimal.
        size: Bytes.
        stage: `get`, `put`, or `log` for what the step printed.
        catalog_relative_path: Where it lies in the catalog.
    """

    name: str
    data_hash: str
    size: int
    stage: str
    catalog_relative_path: str


@dataclass(slots=True)
class StepAttempt:
    """One try at a step.

    Attributes:
        attempt_number: Counted from 1.
        start_time: UTC, ISO 8601.
        end_time: The same; empty while it runs.
        duration: Seconds.
        status: How it ended.
        message: Why it failed; empty after success.
        exit_code: Of the process or `sys.exit`; None where there was none.
        failure: The names that `retry_on` may know the failure by: exception classes, `timeout`, `exit:<code>`.
        parameters: What the attempt started from.
    """

    attempt_number: int
    start_time: str
    end_time: str = ""
    duration: float = 0.0
    status: Status = Status.PROCESSING
    message: str = ""
    exit_code: int | None = None
    failure: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class StepLog:
    """What happened to one node.

    Attributes:
        name: As in the definition.
        internal_name: The dotted path from the outermost graph.
        status: `SUCCESS` or `FAIL` once it ended.
        step_type: The node's type.
        message: What a reader should know: why it failed, why it was skipped, what a join overwrote.
        mock: Whether it counts as done without having run.
        code_identities: Which code ran.
        attempts: Every try, in order.
        user_defined_metrics: What the task tracked, by name: a value, or values by step number.
        output_parameters: What the step put into the parameters of its branch.
        branches: The branches of a composite node by internal name.
        data_catalog: The files it took and left.
        work_hash: `Node.work_hash` when it ran.
    """

    name: str
    internal_name: str
    status: Status = Status.PROCESSING
    step_type: str = "task"
    message: str = ""
    mock: bool = False
    code_identities: list[CodeIdentity] = field(default_factory=list)
    attempts: list[StepAttempt] = field(default_factory=list)
    user_defined_metrics: dict[str, Any] = field(default_factory=dict)
    output_parameters: dict[str, Any] = field(default_factory=dict)
    branches: dict[str, BranchLog] = field(default_factory=dict)
    data_catalog: list[DataCatalog] = field(default_factory=list)
    work_hash: str = ""


@dataclass(slots=True)
class BranchLog:
    """What happened to one branch of a composite node.

    Attributes:
        internal_name: The dotted path from the outermost graph.
        status: `FAIL` when its fail node was reached.
        steps: By internal name, in the order in which they began.
    """

    internal_name: str
    status: Status = Status.PROCESSING
    steps: dict[str, StepLog] = field(default_factory=dict)


@dataclass(slots=True)
class RunLog:
    """What happened in one run.

    Attributes:
        run_id: Unique in its store.
        schema_version: Of this schema.
        dag_hash: `Graph.hash` of the pipeline that ran.
        tag: The user's own mark.
        status: Of the outermost graph.
        message: Why it failed or was stopped.
        use_cached: Whether it continued another run.
        original_run_id: The run that it continued.
        start_time: UTC, ISO 8601.
        end_time: The same; empty while it runs.
        input_parameters: What the run started from.
        parameters: What they had become at its end.
        run_config: The configuration of every service and the pipeline, credentials masked.
        owner: The process that traverses the run, as `host/pid/start`; empty where none does, as for a run that was rendered,
            or whose jobs outlive their traversal.
        parent_run_id: The run in a step of which this one was begun; empty for none.
        parent_step: That step, by its internal name.
        steps: By internal name, in the order in which they began.
    """

    run_id: str
    schema_version: int = SCHEMA_VERSION
    dag_hash: str = ""
    tag: str = ""
    status: Status = Status.PROCESSING
    message: str = ""
    use_cached: bool = False
    original_run_id: str = ""
    start_time: str = ""
    end_time: str = ""
    input_parameters: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    run_config: dict[str, Any] = field(default_factory=dict)
    owner: str = ""
    parent_run_id: str = ""
    parent_step: str = ""
    steps: dict[str, StepLog] = field(default_factory=dict)

    def walk(self) -> Iterator[StepLog]:
        """Yield every step of the run, those of branches too."""
        pending = [self.steps]
        while pending:
            for step in pending.pop().values():
                yield step
                pending.extend(branch.steps for branch in step.branches.values())


# Written out by hand: this runs twice a step, where `dataclasses.asdict` would cost more than the journal's write.
def attempt_to_dict(attempt: StepAttempt) -> dict[str, Any]:
    """Return the JSON form of an attempt."""
    return {
        "attempt_number": attempt.attempt_number,
        "start_time": attempt.start_time,
        "end_time": attempt.end_time,
        "duration": attempt.duration,
        "status": attempt.status,
        "message": attempt.message,
        "exit_code": attempt.exit_code,
        "failure": attempt.failure,
        "parameters": attempt.parameters,
    }


def identity_to_dict(identity: CodeIdentity) -> dict[str, Any]:
    """Return the JSON form of a code identity."""
    return identity._asdict()


def entry_to_dict(entry: DataCatalog) -> dict[str, Any]:
    """Return the JSON form of a catalog entry."""
    return entry._asdict()


def step_to_dict(step: StepLog) -> dict[str, Any]:
    """Return the JSON form of a step, without its branches: they are records of their own."""
    return {
        "name": step.name,
        "internal_name": step.internal_name,
        "status": step.status,
        "step_type": step.step_type,
        "message": step.message,
        "mock": step.mock,
        "code_identities": [identity_to_dict(identity) for identity in step.code_identities],
        "attempts": [attempt_to_dict(attempt) for attempt in step.attempts],
        "user_defined_metrics": step.user_defined_metrics,
        "output_parameters": step.output_parameters,
        "data_catalog": [entry_to_dict(entry) for entry in step.data_catalog],
        "work_hash": step.work_hash,
    }


def branch_to_dict(branch: BranchLog) -> dict[str, Any]:
    """Return the JSON form of a branch, without its steps: they are records of their own."""
    return {"internal_name": branch.internal_name, "status": branch.status}


def run_to_dict(run: RunLog) -> dict[str, Any]:
    """Return the JSON form of a run, without its steps: they are records of their own."""
    return {name: getattr(run, name) for name in RunLog.__slots__ if name != "steps"}


def step_from_dict(data: dict[str, Any]) -> StepLog:
    """Rebuild a step from `step_to_dict`; keys of a newer schema are ignored."""
    known = _only(data, StepLog.__slots__)
    known.pop("branches", None)
    known["status"] = Status(known["status"])
    known["code_identities"] = [
        CodeIdentity(**_only(item, CodeIdentity._fields)) for item in data.get("code_identities", ())
    ]
    known["data_catalog"] = [
        DataCatalog(**_only(item, DataCatalog._fields)) for item in data.get("data_catalog", ())
    ]
    known["attempts"] = [
        StepAttempt(**{**_only(item, StepAttempt.__slots__), "status": Status(item["status"])})
        for item in data.get("attempts", ())
    ]
    return StepLog(**known)


def branch_from_dict(data: dict[str, Any]) -> BranchLog:
    """Rebuild a branch from `branch_to_dict`."""
    return BranchLog(data["internal_name"], Status(data["status"]))


def run_from_dict(data: dict[str, Any]) -> RunLog:
    """Rebuild a run from `run_to_dict`; keys of a newer schema are ignored."""
    known = _only(data, RunLog.__slots__)
    known.pop("steps", None)
    known["status"] = Status(known["status"])
    return RunLog(**known)


def _only(data: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Leave out what a newer schema has added."""
    return {name: data[name] for name in names if name in data}


def full_dict(run: RunLog) -> dict[str, Any]:
    """Return the JSON form of a run with all its steps and branches, as `magnus runs show --json` prints it."""
    result = run_to_dict(run)
    result["steps"] = {}
    # Explicit stack: pipelines nest without limit.
    pending = [(run.steps, result["steps"])]
    while pending:
        steps, target = pending.pop()
        for name, step in steps.items():
            target[name] = step_to_dict(step)
            target[name]["branches"] = branches = {}
            for branch_name, branch in step.branches.items():
                branches[branch_name] = {**branch_to_dict(branch), "steps": {}}
                pending.append((branch.steps, branches[branch_name]["steps"]))
    return result


def full_step_dict(step: StepLog) -> dict[str, Any]:
    """Return the JSON form of a step with all its branches."""
    steps: dict[str, dict[str, Any]] = full_dict(RunLog("", steps={step.internal_name: step}))["steps"]
    return steps[step.internal_name]
