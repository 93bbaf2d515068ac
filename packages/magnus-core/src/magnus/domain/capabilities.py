"""What executors and services can do, as data, so that a verdict can be drawn for any pair of them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.nothing import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServiceKind(StrEnum):
    """The four services that an executor works with."""

    RUN_LOG_STORE = "run_log_store"
    CATALOG = "catalog"
    SECRETS = "secrets"
    EXPERIMENT_TRACKER = "experiment_tracker"


class Placement(StrEnum):
    """Where a step runs, seen from the process that traverses the graph."""

    SAME_PROCESS = "same-process"
    SAME_HOST = "same-host"
    """Another process of the same machine, with the same file system."""
    CONTAINER = "container"
    """The same machine, but another file system and network."""
    REMOTE = "remote"


class Reach(StrEnum):
    """How far away a service can be used from."""

    PROCESS = "process"
    HOST = "host"
    NETWORK = "network"


class Feature(StrEnum):
    """What a dag may ask of an executor."""

    PARALLEL = "parallel"
    MAP = "map"
    DAG = "dag"
    AS_IS = "as-is"
    ON_FAILURE = "on_failure"
    RETRY = "retry"
    BACKOFF = "backoff"
    RETRY_ON = "retry_on"
    TIMEOUT = "timeout"
    MAX_TIME = "max_time"
    MAX_CONCURRENCY = "max_concurrency"
    RESOURCES = "resources"
    CATALOG = "catalog"


class Isolation(StrEnum):
    """How far a step works in a folder of its own on the machine of magnus."""

    NONE = "none"
    """The compute itself keeps steps apart."""
    BRANCH = "branch"
    """Each branch and map item has its own."""
    RUN = "run"
    """The outermost graph has its own, too."""
    STEP = "step"
    """Each attempt begins in a fresh one."""


class ExecutorCapabilities(NamedTuple):
    """What an executor, with given options, can do.

    Attributes:
        placement: Where steps run.
        timeout_placement: Where steps with a `timeout` run, if that is another place.
        concurrent_branches: Whether branches can run at the same time.
        mounts_working_folder: Whether steps that run in another place find the working directory of the traversal there.
        refused_features: Features that would silently mean something else here, each with the reason and the remedy;
            every feature that is not named is supported.
        task_types: The task types that can run, None for all that are installed.
        runs_tasks: Whether tasks really run; False for one that only walks the dag.
        serves_from_traversal: Whether the process that traverses works with the services on behalf of the steps, wherever these
            run: then a service has to reach no further than that process, and only one process writes.
        isolation: How far the core gives steps folders of their own.
    """

    placement: Placement
    timeout_placement: Placement | None = None
    concurrent_branches: bool = False
    mounts_working_folder: bool = False
    refused_features: Mapping[Feature, str] = NOTHING
    task_types: frozenset[str] | None = None
    runs_tasks: bool = True
    serves_from_traversal: bool = False
    isolation: Isolation = Isolation.NONE

    @property
    def served_at(self) -> Placement:
        """The place from which the services are used."""
        return Placement.SAME_PROCESS if self.serves_from_traversal else self.placement

    @property
    def shares_working_folder(self) -> bool:
        """Whether the traversal sees the files that a step works on."""
        return self.placement in (Placement.SAME_PROCESS, Placement.SAME_HOST) or self.mounts_working_folder


class ServiceCapabilities(NamedTuple):
    """What a service, with given options, can do.

    Attributes:
        reach: From how far it can be used.
        concurrent_writers: Whether several processes may write to one run at once with nothing lost.
        persistent: Whether what it holds outlives the process.
        credentials: What must be present where steps run, in words a person can act on.
        inert: Whether it does nothing at all, so that reach and writers do not matter.
    """

    reach: Reach
    concurrent_writers: bool = True
    persistent: bool = True
    credentials: tuple[str, ...] = ()
    inert: bool = False
