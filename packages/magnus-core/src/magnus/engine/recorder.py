"""Writes the run log: domain objects to records, large values once, secrets never."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from magnus.domain.parameters import REFERENCE, Value
from magnus.domain.records import Record, RecordKind
from magnus.domain.run_log import (
    branch_from_dict,
    branch_to_dict,
    run_from_dict,
    run_to_dict,
    step_from_dict,
    step_to_dict,
)
from magnus.errors import RunLogNotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from magnus.domain.parameters import Values
    from magnus.domain.run_log import BranchLog, RunLog, StepLog
    from magnus.engine.masking import Masker
    from magnus.ports.run_log_store import RunLogStore


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Made once: `json.dumps` with any option makes an encoder for every call."""


_OF_THE_USER_IN_RUN = frozenset({"message", "tag", "run_config"})
_OF_THE_USER_IN_STEP = frozenset({"message", "user_defined_metrics"})
"""Fields in which a secret may stand. Parameters and the messages of attempts are masked before they get here."""


class RunRecorder:
    """The run log of one run, as the engine reads and writes it."""

    def __init__(self, store: RunLogStore, run_id: str, masker: Masker) -> None:
        """Work on the run *run_id* of *store*, hiding what *masker* knows."""
        self._store = store
        self.run_id = run_id
        self._masker = masker
        self._written_values: set[str] = set()
        self._held: dict[tuple[RecordKind, str], Record] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is not durable at the end of the block, or before anything durable, as one.

        For what is many times the same, such as opening the branches of a map. Nobody may count on it before: a job that
        reads it is started after `flush`.
        """
        if self._held is not None:
            yield
            return
        self._held = {}
        try:
            yield
        finally:
            self.flush()
            self._held = None

    def flush(self) -> None:
        """Write what is held back now."""
        if not self._held:
            return
        records = list(self._held.values())
        self._held.clear()
        # Whatever refers to a value comes after it.
        for group in (
            [record for record in records if record.kind == RecordKind.VALUE],
            [record for record in records if record.kind != RecordKind.VALUE],
        ):
            if group:
                self._store.put_in_any_order(self.run_id, group)

    def _put(self, records: Sequence[Record], *, durable: bool) -> None:
        if self._held is None:
            self._store.put(self.run_id, records, durable=durable)
        elif durable:
            self.flush()
            self._store.put(self.run_id, records, durable=True)
        else:
            self._held.update({(record.kind, record.name): record for record in records})

    def create_run_log(self, run: RunLog, parameters: Values) -> None:
        """Begin the run log with its head and the input parameters.

        Raises:
            RunLogExistsError: The run id is taken.
        """
        records = self._values(parameters.values())
        run.input_parameters = {name: value.in_record() for name, value in parameters.items()}
        records += [self._run(run), self._parameters("", run.input_parameters)]
        self._store.create_run(self.run_id, records)

    def set_run_log(self, run: RunLog, parameters: Values | None = None) -> None:
        """Replace the head of the run log, durably."""
        records = self._values(parameters.values()) if parameters else []
        if parameters is not None:
            run.parameters = {name: value.in_record() for name, value in parameters.items()}
        self._put([*records, self._run(run)], durable=True)

    def add_step_log(
        self,
        step: StepLog,
        *,
        new_values: Iterable[Value] = (),
        parameters: tuple[str, Mapping[str, Any]] | None = None,
        durable: bool = False,
    ) -> None:
        """Write a step, with the large values it set and the parameters its branch has now.

        All goes into one write, values first: a step that is marked as done has everything it refers to.
        """
        records = self._values(new_values)
        records.append(
            Record(RecordKind.STEP, step.internal_name, self._body(step_to_dict(step), _OF_THE_USER_IN_STEP))
        )
        if parameters is not None:
            records.append(self._parameters(*parameters))
        self._put(records, durable=durable)

    def add_branch_log(
        self, branch: BranchLog, parameters: Mapping[str, Any] | None = None, new_values: Iterable[Value] = ()
    ) -> None:
        """Write a branch, and the parameters it starts from when it opens."""
        records = self._values(new_values)
        if parameters is not None:
            records.append(self._parameters(branch.internal_name, parameters))
        records.append(Record(RecordKind.BRANCH, branch.internal_name, _encode(branch_to_dict(branch))))
        self._put(records, durable=False)

    def get_step_log(self, internal_name: str) -> StepLog | None:
        """Read one step; None if it has not begun."""
        body = self._store.get(self.run_id, RecordKind.STEP, internal_name)
        return step_from_dict(json.loads(body)) if body else None

    def get_step_logs(self, internal_names: Sequence[str]) -> dict[str, StepLog]:
        """Read several steps, by internal name; those that have not begun are left out."""
        bodies = self._store.get_many(self.run_id, RecordKind.STEP, internal_names)
        return {name: step_from_dict(json.loads(body)) for name, body in bodies.items()}

    def get_run_log(self) -> RunLog:
        """Read the head of the run log.

        Raises:
            RunLogNotFoundError: There is no such run.
        """
        return read_head(self._store, self.run_id)

    def get_parameters(self, branch: str) -> Values:
        """Read what the parameters of a branch are now."""
        body = self._store.get(self.run_id, RecordKind.PARAMETERS, branch)
        return self.resolve(json.loads(body)) if body else {}

    def resolve(self, in_record: Mapping[str, Any]) -> Values:
        """Turn what stands for parameters in a record back into values."""
        return {name: self._resolve(value) for name, value in in_record.items()}

    def _resolve(self, value: Any) -> Value:
        if not (isinstance(value, dict) and REFERENCE in value):
            return Value.of(value)
        return Value(read_value(self._store, self.run_id, value[REFERENCE]))

    def adopt(self, values: Iterable[Value]) -> None:
        """Note that *values* are in the store already, because another process wrote them."""
        self._written_values.update(value.digest for value in values if value.is_reference)

    def mask_value(self, value: Value) -> Value:
        """Return *value* without secrets; the same object when it holds none."""
        if self._masker.mask(value.text) is value.text:
            return value
        return Value.of(self._masked(value.decode()))

    def _run(self, run: RunLog) -> Record:
        return Record(RecordKind.RUN, "", self._body(run_to_dict(run), _OF_THE_USER_IN_RUN))

    def _parameters(self, branch: str, in_record: Mapping[str, Any]) -> Record:
        return Record(RecordKind.PARAMETERS, branch, _encode(in_record))

    def _values(self, values: Iterable[Value]) -> list[Record]:
        records = []
        for value in values:
            if value.is_reference and value.digest not in self._written_values:
                self._written_values.add(value.digest)
                records.append(Record(RecordKind.VALUE, value.digest, value.text))
        return records

    def _body(self, data: dict[str, Any], of_the_user: Collection[str]) -> str:
        """Encode a record; secrets are looked for only in what the user's code has written.

        A status or the name of a step may happen to look like a secret, and the log must stay readable.
        """
        text = _encode(data)
        if self._masker.mask(text) is text:
            return text
        return _encode(
            {key: self._masked(value) if key in of_the_user else value for key, value in data.items()}
        )

    def _masked(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._masker.mask(key): self._masked(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._masked(item) for item in value]
        if isinstance(value, str):
            return self._masker.mask(value)
        text = json.dumps(value)
        masked = self._masker.mask(text)
        return value if masked == text else masked


def read_head(store: RunLogStore, run_id: str) -> RunLog:
    """Read the head of a run log.

    Raises:
        RunLogNotFoundError: There is no such run.
    """
    body = store.get(run_id, RecordKind.RUN, "")
    if body is None:
        message = f"no run '{run_id}' in the run log store; `magnus runs list` shows the runs there are"
        raise RunLogNotFoundError(message)
    return run_from_dict(json.loads(body))


def read_value(store: RunLogStore, run_id: str, digest: str) -> str:
    """Read the JSON text of a large value."""
    text = store.get(run_id, RecordKind.VALUE, digest)
    if text is None:
        message = f"the run log of '{run_id}' lacks the value {digest}"
        raise RunLogNotFoundError(message)
    return text


def read_steps(store: RunLogStore, run_id: str) -> dict[str, StepLog]:
    """Read every step of a run, without its branches, by internal name."""
    return {
        record.name: step_from_dict(json.loads(record.body))
        for record in store.scan(run_id, frozenset({RecordKind.STEP}))
    }


def read_run_log(store: RunLogStore, run_id: str) -> RunLog:
    """Assemble the whole run log, steps in the order in which they began; large values inside them stay references.

    Raises:
        RunLogNotFoundError: There is no such run.
    """
    from magnus.domain.names import parent
    from magnus.domain.step_order import beginnings, sort_by_beginning

    run = read_head(store, run_id)
    steps: dict[str, StepLog] = {}
    branches: dict[str, BranchLog] = {}
    for record in store.scan(run_id, frozenset({RecordKind.STEP, RecordKind.BRANCH})):
        if record.kind == RecordKind.STEP:
            steps[record.name] = step_from_dict(json.loads(record.body))
        else:
            branches[record.name] = branch_from_dict(json.loads(record.body))
    for name, branch in branches.items():
        if (owner := steps.get(parent(name))) is not None:
            owner.branches[name] = branch
    for name, step in steps.items():
        holder = branches.get(parent(name))
        target = holder.steps if holder is not None else run.steps
        if holder is not None or not parent(name):
            target[name] = step
    began = beginnings(steps)
    for together in (run.steps, *(branch.steps for branch in branches.values())):
        sort_by_beginning(together, began)
    if not run.end_time:  # killed: what its parameters were when it last wrote them
        body = store.get(run_id, RecordKind.PARAMETERS, "")
        run.parameters = json.loads(body) if body else {}
    run.input_parameters = _resolved(store, run_id, run.input_parameters)
    run.parameters = _resolved(store, run_id, run.parameters)
    return run


def _resolved(store: RunLogStore, run_id: str, in_record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: json.loads(read_value(store, run_id, value[REFERENCE]))
        if isinstance(value, dict) and REFERENCE in value
        else value
        for name, value in in_record.items()
    }
