"""What a node of a graph says: the definition of a step, before anything runs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.nothing import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus.domain.graph import Graph


class Place(NamedTuple):
    """Where in the user's files something was defined.

    Attributes:
        path: The file as the user named it.
        line: Counted from 1.
        column: Counted from 1.
    """

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        """Render as `file:line:col`."""
        return f"{self.path}:{self.line}:{self.column}"


class Backoff(NamedTuple):
    """How long to wait between attempts, in seconds.

    Attributes:
        initial: The pause after the first failed attempt.
        factor: Each pause is this many times the one before it; at least 1.
        maximum: No pause is longer.
        jitter: The share of a pause, 0 to 1, that is left to chance: a pause of *p* lasts between
            `p * (1 - jitter)` and *p*.
    """

    initial: float = 0.0
    factor: float = 2.0
    maximum: float = 3600.0
    jitter: float = 0.0

    def delay_seconds(self, failed_attempts: int, chance: float) -> float:
        """Return the pause after *failed_attempts* (from 1) attempts; *chance* is drawn from 0 up to 1."""
        try:
            pause = min(self.initial * float(self.factor) ** (failed_attempts - 1), self.maximum)
        except OverflowError:  # no float is that large, and no pause either
            pause = self.maximum if self.initial else 0.0
        return pause * (1 - self.jitter * chance)


class RetryPolicy(NamedTuple):
    """How often a step is tried, and after which failures.

    Attributes:
        max_attempts: Attempts in all, at least 1.
        backoff: The pauses between them.
        retry_on: Failures worth another attempt: names of exception classes (`ConnectionError`, or dotted), `timeout`,
            or `exit:<code>`; empty for all.
    """

    max_attempts: int = 1
    backoff: Backoff = Backoff()
    retry_on: tuple[str, ...] = ()

    def allows_another(self, attempt_number: int, failure_names: Iterable[str]) -> bool:
        """Whether an attempt may follow the failed one numbered *attempt_number*, which is known by *failure_names*."""
        if attempt_number >= self.max_attempts:
            return False
        return not self.retry_on or not frozenset(self.retry_on).isdisjoint(failure_names)


class Resources(NamedTuple):
    """What a step asks of its compute.

    Attributes:
        cpu: Processors, fractions allowed; None for what the compute gives.
        memory_mib: Memory in MiB; None for what the compute gives.
        gpu: Whole graphics processors.
        shm_mib: Shared memory (`/dev/shm`) in MiB; None for what the compute gives.
    """

    cpu: float | None = None
    memory_mib: int | None = None
    gpu: int = 0
    shm_mib: int | None = None


class CatalogSettings(NamedTuple):
    """Which files a step takes from the catalog and leaves there; all are globs relative to the compute data folder.

    Attributes:
        get: Brought before the task; each must match something.
        optional: Brought before the task where they match.
        put: Stored after the task succeeded.
        compute_data_folder: Overrides the catalog's own; None leaves it.
    """

    get: tuple[str, ...] = ()
    put: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    compute_data_folder: str | None = None


class TaskSettings(NamedTuple):
    """The work of a task node.

    Attributes:
        command: What runs, in the syntax of its type.
        command_type: The name of a task type: `python`, `shell`, ...
        command_config: Options of the task type, as written.
    """

    command: str
    command_type: str = "python"
    command_config: Mapping[str, Any] = NOTHING


class MapSettings(NamedTuple):
    """What a map node iterates over.

    Attributes:
        iterate_on: The name of a parameter that holds a list.
        iterate_as: The name under which a branch finds its item.
        max_concurrency: The most branches that may run at the same time; None for what the executor allows.
    """

    iterate_on: str
    iterate_as: str
    max_concurrency: int | None = None


class Node(NamedTuple):
    """One node of a graph.

    Attributes:
        name: Unique in its graph.
        type: The name of a node type: `task`, `success`, `fail`, `parallel`, `map`, `dag`, `as-is`.
        definition: What was written, in canonical form: defaults left out, aliases resolved, branches included.
        next: The node after this one succeeded; None for `success` and `fail`.
        on_failure: The node after this one failed; None for the graph's fail node.
        task: The work, for nodes that have some.
        branches: The graphs of a composite node by branch name, in declared order. A map's one graph is under
            `map`'s *iterate_as*; what branches there are is known when it runs.
        map: What a map iterates over; None for other types.
        executor_config: Overrides of the executor's options, as written (placeholders not resolved).
        place: Where it was defined; None for a pipeline written in Python.
    """

    name: str
    type: str
    definition: Mapping[str, Any]
    next: str | None = None
    on_failure: str | None = None
    task: TaskSettings | None = None
    catalog: CatalogSettings | None = None
    retry: RetryPolicy = RetryPolicy()
    timeout_seconds: float | None = None
    resources: Resources | None = None
    branches: Mapping[str, Graph] = NOTHING
    map: MapSettings | None = None
    executor_config: Mapping[str, Any] = NOTHING
    place: Place | None = None

    @property
    def is_composite(self) -> bool:
        """Whether the node holds graphs of its own."""
        return bool(self.branches)

    @property
    def is_terminal(self) -> bool:
        """Whether the node closes its graph."""
        return self.next is None

    def work_hash(self) -> str:
        """Return a hash of *what* the node does: a step may be skipped in a re-run while it stays the same."""
        return work_hash(self.definition)


_NOT_THE_WORK = frozenset(
    {
        "next",
        "on_failure",
        "retry",
        "timeout",
        "resources",
        "executor_config",
        "branches",
        "branch",
        "dag",
        "max_concurrency",
    }
)


def work_hash(definition: Mapping[str, Any]) -> str:
    """Return a hash of what a node with this canonical *definition* does.

    Where and how often it runs, what follows it, and the inside of its branches (whose nodes have hashes of their own)
    are left out.
    """
    work = {key: value for key, value in definition.items() if key not in _NOT_THE_WORK}
    return hashlib.sha256(canonical_json(work).encode(errors="surrogatepass")).hexdigest()[:16]


def canonical_json(value: Any) -> str:
    """Return the one JSON text that equal values share."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
