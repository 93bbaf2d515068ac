"""The executor `local-container`: every step in a container of its own, the traversal outside."""

from __future__ import annotations

import os
import queue
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Feature, Isolation, Placement
from magnus.domain.limits import limits_of
from magnus.domain.machine import usable_cores
from magnus.domain.owner import is_alive
from magnus.domain.run_log import CodeIdentity, Status
from magnus.errors import ConfigurationError, ExecutionError, JobSubmissionError, Problem
from magnus.ports.executor import InteractiveExecutor
from magnus_executor_container.config import EXECUTOR, LocalContainerOptions
from magnus_executor_container.container_spec import (
    OWNER_LABEL,
    RUN_LABEL,
    STEP_LABEL,
    run_labels,
    step_container,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import Job, JobEnd, JobIdentity
    from magnus.domain.limits import Limits
    from magnus.domain.nodes import Node
    from magnus.ports.executor import ComputeNeeds, StepRunner
    from magnus_executor_container.client import Engine
    from magnus_executor_container.jobs import RunningJob

CONTAINER_TASK = "container"
"""A task that brings its own image, in which there is no magnus: it is run from here."""

_NO_LIMITS = "on this machine nobody limits processors and memory; remove `resources`, or let the step run in a container"
_JUDGED_AS_LOCAL = (
    "it has `run_in_local: false`, while the configuration says true, so that no service was judged for a container; leave "
    "`run_in_local` out of the configuration, and set it for the steps that stay on this machine"
)
_SECONDS_TO_STOP = 8.0  # a step has five to end by itself, and records its end then
_SECONDS_IN_A_HURRY = 0.5
_SECONDS_TO_REMOVE = 4.0
_SECONDS_TO_TIME_OUT = 20.0
"""What a job has on top of its `timeout`, which magnus keeps in the container, before the container is killed."""

_LOOK_SECONDS = 0.05
"""Time spent on the jobs of this machine while containers run as well."""
_AT_ONCE = 4
"""Rehearsals at the same time."""


class LocalContainerExecutor(InteractiveExecutor):
    """Runs each step in a container on this machine's engine; what the traversal needs stays in this process."""

    Options = LocalContainerOptions

    def __init__(self, options: LocalContainerOptions | None = None) -> None:
        """Speak to no engine yet."""
        super().__init__(options)
        self._engine_in_use: Engine | None = None
        self._needs: Sequence[ComputeNeeds] = ()
        self._identities: dict[str, list[CodeIdentity]] = {}
        self._known: dict[JobIdentity, Status] = {}
        self._running: dict[JobIdentity, RunningJob] = {}
        self._here: StepRunner | None = None
        self._staying: set[JobIdentity] = set()
        self._events: queue.SimpleQueue[tuple[RunningJob, JobEnd | None]] = queue.SimpleQueue()

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        shares_files = options.run_in_local or options.mount_project
        return ExecutorCapabilities(
            placement=Placement.SAME_HOST if options.run_in_local else Placement.CONTAINER,
            serves_from_traversal=options.run_in_local,
            isolation=Isolation(options.isolation) if shares_files else Isolation.NONE,
            concurrent_branches=options.enable_parallel,
            refused_features={Feature.RESOURCES: _NO_LIMITS} if options.run_in_local else {},
            mounts_working_folder=options.mount_project,
        )

    @property
    def max_concurrent_jobs(self) -> int:
        """One without *enable_parallel*, else *max_workers*."""
        if not self.options.enable_parallel:
            return 1
        return self.options.max_workers or usable_cores()

    @property
    def uses_workers(self) -> bool:
        """See the port."""
        return bool(self.options.run_in_local)

    @property
    def _engine(self) -> Engine:
        if self._engine_in_use is None:
            # The vendor's library takes as long to import as all of magnus; inside a container it is not needed.
            from magnus_executor_container.client import Engine

            self._engine_in_use = Engine()
        return self._engine_in_use

    # Before the first step

    def prepare_for_graph_execution(
        self,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Sequence[ComputeNeeds],
        run_here: StepRunner,
    ) -> None:
        """Make sure of every image: that it is there, that magnus begins in it, and reaches every service."""
        from magnus_executor_container.rehearsal import made_for_mounting, rehearse

        self._needs = needs
        self._refuse_own_places(graph, options_of)
        variants: dict[tuple[object, ...], tuple[LocalContainerOptions, Limits]] = {}
        for _, node in graph.walk():
            if node.task is not None and not _stays_here(node, options := options_of(node)):
                limits = limits_of(node, EXECUTOR, options, self.options)
                variants.setdefault(_variant(options, limits), (options, limits))
        if not variants:
            return
        engine = self._engine
        self._remove_lost_rehearsals()
        with made_for_mounting(needs), ThreadPoolExecutor(_AT_ONCE) as pool:
            problems = list(
                pool.map(lambda each: rehearse(engine, each[0], each[1], needs, run_here), variants.values())
            )
            found = list(dict.fromkeys(problem for problem in problems if problem))
            if found:
                raise ConfigurationError("\n".join(found))

    def _refuse_own_places(self, graph: Graph, options_of: Callable[[Node], Any]) -> None:
        """Refuse what only a node's own `run_in_local` makes wrong; for all nodes the capabilities say what is."""
        for _, node in graph.walk():
            if node.task is None or _is_container_task(node):
                continue
            stays = options_of(node).run_in_local
            if stays and node.resources is not None:
                raise _refusal(node, f"it asks for `resources` and has `run_in_local: true`: {_NO_LIMITS}")
            if self.options.run_in_local and not stays:
                raise _refusal(node, _JUDGED_AS_LOCAL)

    def _remove_lost_rehearsals(self) -> None:
        """Remove what a magnus left that was killed before its run began: nobody else would look for it."""
        for found in self._engine.find({RUN_LABEL: None, STEP_LABEL: ""}):
            if not is_alive(found.labels.get(OWNER_LABEL, "")):
                self._engine.container(found.id).remove()

    def add_code_identities(self, job: Job) -> list[CodeIdentity]:
        """Return the image, by its digest."""
        if _stays_here(job.node, job.options):
            return []
        name = job.options.docker_image
        if name not in self._identities:
            self._identities[name] = list(self._image_identity(name))
        return self._identities[name]

    def _image_identity(self, name: str) -> Iterator[CodeIdentity]:
        image = self._engine.find_image(name)
        if image is not None:
            yield CodeIdentity(
                image.digest or image.id, "docker", code_identifier_dependable=True, code_identifier_url=name
            )

    # One job

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Start *job*; one that was asked for before is not started again."""
        key = job.identity
        if key not in self._known:
            self._known[key] = self._start(job, run_here)
        return self._known[key]

    def _start(self, job: Job, run_here: StepRunner) -> Status:
        from magnus_executor_container.jobs import ContainerJob

        if _stays_here(job.node, job.options):
            self._here = run_here
            self._staying.add(job.identity)
            return run_here.start(job)
        remote = run_here.remote(job, self._needs, inside_compute=True)
        limits = limits_of(job.node, EXECUTOR, job.options, self.options)
        labels = run_labels(job.run_id, job.step_name, job.attempt_number)
        data = _data_folders(job, run_here)
        spec = step_container(job.options, remote.command, labels, self._needs, limits, data)
        running = ContainerJob(job, remote, self._begun, self._ended, self._engine, spec, job.options.pull)
        self._running[job.identity] = running
        running.start()
        return Status.TRIGGERED

    def _begun(self, running: RunningJob) -> None:
        if running.job.timeout_seconds is not None:
            running.deadline = time.monotonic() + running.job.timeout_seconds + _SECONDS_TO_TIME_OUT
            self._events.put((running, None))

    def _ended(self, running: RunningJob, end: JobEnd) -> None:
        self._events.put((running, end))

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port."""
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while self._running or self._staying:
            ends = self._collect_here(until) if self._staying else []
            if self._running:
                ends += self._collect(time.monotonic() if self._staying or ends else until)
            if ends or (until is not None and time.monotonic() >= until):
                return ends
        return []

    def _collect(self, until: float | None) -> list[JobEnd]:
        """Wait for the next event, or the next deadline, and return the jobs that ended with it."""
        deadlines = [job.deadline for job in self._running.values() if job.deadline is not None]
        moments = deadlines if until is None else [*deadlines, until]
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        ends: list[JobEnd] = []
        try:
            ends += self._took(*self._events.get(timeout=timeout))
            while True:
                ends += self._took(*self._events.get_nowait())
        except queue.Empty:
            pass
        now = time.monotonic()
        for running in self._running.values():
            if running.deadline is not None and running.deadline <= now:
                running.deadline = None
                running.time_out()
        return ends

    def _collect_here(self, until: float | None) -> list[JobEnd]:
        """Return the jobs on this machine that have ended; while containers run as well, after a short look."""
        if self._here is None:
            return []
        timeout = None if until is None else max(0.0, until - time.monotonic())
        if self._running:
            timeout = _LOOK_SECONDS if timeout is None else min(timeout, _LOOK_SECONDS)
        ends = self._here.wait(timeout)
        for end in ends:
            self._staying.discard(end.job.identity)
            self._known[end.job.identity] = end.status
        return ends

    def _took(self, running: RunningJob, end: JobEnd | None) -> list[JobEnd]:
        if end is None:
            return []
        key = running.job.identity
        self._running.pop(key, None)
        self._known[key] = end.status
        return [end]

    # The end

    def stop_jobs(self) -> None:
        """Ask every job to end, so that it can record what it was doing, and kill what is left."""
        running = list(self._running.values())
        for each in running:
            each.signal(signal.SIGTERM)
        if self._here is not None:
            self._here.stop()
            self._staying.clear()
        left = _left_of(running, time.monotonic() + _SECONDS_TO_STOP)
        for each in left:
            each.signal(signal.SIGKILL)
        until = time.monotonic() + _SECONDS_TO_REMOVE
        for each in left:
            each.join(max(0.0, until - time.monotonic()))
        self._running.clear()

    def close(self) -> None:
        """Let go of the engine."""
        if self._engine_in_use is not None:
            self._engine_in_use.close()

    def reap(self, run_id: str, needs: Callable[[], Sequence[ComputeNeeds]]) -> list[str]:
        """Remove the containers of a run whose magnus was killed."""
        told = []
        for found in self._engine.find({RUN_LABEL: run_id}):
            step = found.labels.get(STEP_LABEL)
            part = f"the step '{step}'" if step else "the rehearsal"
            what = f"the container {found.id[:12]} of {part} of run '{run_id}'"
            if is_alive(found.labels.get(OWNER_LABEL, "")):
                told.append(f"left alone: {what}; the magnus that started it still runs, or runs elsewhere")
                continue
            self._engine.container(found.id).remove()
            state = "still running" if found.is_running else "ended"
            told.append(f"removed {what} ({state}), which a killed magnus had left")
        return told


def _left_of(running: Sequence[RunningJob], until: float) -> list[RunningJob]:
    """Return the jobs that have not ended at *until*, or a moment after the user has asked a second time."""
    left = list(running)
    while left and (now := time.monotonic()) < until:
        if any(each.is_hurried for each in left):
            until = min(until, now + _SECONDS_IN_A_HURRY)
        left = [each for each in left if not each.join(_LOOK_SECONDS / len(left))]
    return left


def _data_folders(job: Job, run_here: StepRunner) -> dict[str, str]:
    """Return the data folder of the job's branch, by its path on this machine, and its name in the project.

    Raises:
        JobSubmissionError: The branch cannot have it to itself.
    """
    if not job.options.mount_project:
        return {}  # every container has files of its own
    try:
        place = run_here.workspace(job)
    except ExecutionError as error:
        raise JobSubmissionError(str(error)) from error
    project = os.getcwd()  # noqa: PTH109
    if place.folder == project:
        return {}
    name = os.path.relpath(place.data_folder, place.folder)
    if name == ".":
        message = (
            "the compute_data_folder of the step is the whole project folder, which a container cannot have to itself; "
            "name a folder in it"
        )
        raise JobSubmissionError(message)
    os.makedirs(f"{project}/{name}", exist_ok=True)  # noqa: PTH103 - the engine would make it as root
    return {place.data_folder: name}


def _refusal(node: Node, why: str) -> ConfigurationError:
    message = f"step '{node.name}': {why}"
    return ConfigurationError(Problem(message, *node.place) if node.place else message)


def _stays_here(node: Node, options: LocalContainerOptions) -> bool:
    return options.run_in_local or _is_container_task(node)


def _is_container_task(node: Node) -> bool:
    return node.task is not None and node.task.command_type == CONTAINER_TASK


def _variant(options: LocalContainerOptions, limits: Limits) -> tuple[object, ...]:
    """Return what decides whether magnus begins in a container."""
    return options.docker_image, options.entrypoint, options.network, options.mount_project, limits
