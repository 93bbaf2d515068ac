"""Which job runs next: a few at a time in real containers, the others wait as RUNNABLE."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

from fake_batch.containers import environment_of, timeout_seconds
from fake_batch.jobs import BEFORE_STARTING
from fake_batch.lifecycle import (
    NO_LOG_GROUP,
    NOT_STARTED,
    Outcome,
    check_dependencies,
    end_attempt,
    run_attempt,
    start_attempt,
    stop_waiting,
)

from aws.batch_corrections.compute_environments import place_for
from aws.batch_corrections.container_run import ContainerRun
from aws.batch_corrections.log_streams import LogStream

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from docker import DockerClient
    from fake_batch.jobs import Attempt, Job

LABEL = "magnus.tests.batch"
"""The label of every container of a job; its value tells the emulators on one engine apart."""


class Scheduler:
    """Holds all jobs, and runs each attempt in a thread of its own.

    Nothing is polled: whatever changes a job lets the others go on.
    """

    def __init__(
        self,
        engine: DockerClient,
        *,
        platform_environment: Mapping[str, str],
        slots: int,
        kill_after_seconds: float,
    ) -> None:
        """Run jobs on *engine*, at most *slots* at a time.

        Args:
            engine: Where the containers run.
            platform_environment: Variables that every container gets where its job says nothing else.
            slots: How many jobs may be starting or running.
            kill_after_seconds: How long a container may go on after SIGTERM; 30 in the service.
        """
        self.slots = slots
        self.kill_after_seconds = kill_after_seconds
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.forgotten: set[str] = set()
        self._held_queues: set[str] = set()
        self._are_all_held = False
        self._stuck: set[str] = set()
        self._engine = engine
        self._platform_environment = dict(platform_environment)
        self._labels = {LABEL: uuid.uuid4().hex}
        self._runs: dict[str, tuple[ContainerRun, threading.Thread]] = {}
        self._is_open = True

    def add(self, jobs: Iterable[Job]) -> None:
        """Take new jobs, and start what can be started."""
        with self.lock:
            self.jobs.update({job.job_id: job for job in jobs})
        self.advance()

    def advance(self) -> None:
        """Move on every job that can move on."""
        with self.lock:
            now = milliseconds()
            has_changed = True
            while has_changed:
                has_changed = False
                for job in self.jobs.values():
                    has_changed |= check_dependencies(job, self.jobs.get, now)
            for job in self.jobs.values():
                if not self._is_open or len(self._runs) >= self.slots:
                    break
                if job.status == "RUNNABLE" and (environment := self._place(job)):
                    self._start(job, environment)

    def stop(self, job: Job, reason: str, *, is_terminated: bool) -> None:
        """Terminate or cancel a job, and its children if it is an array."""
        with self.lock:
            for one in (job, *job.children):
                if one.has_ended:
                    continue
                if one.status in BEFORE_STARTING:
                    stop_waiting(one, reason, milliseconds(), is_terminated=is_terminated)
                elif is_terminated:
                    one.is_terminated = True
                    self._runs[one.job_id][0].stop(Outcome(reason, is_final=True))
        self.advance()

    def reclaim(self, job: Job, status_reason: str) -> None:
        """Take the host away under a starting or running job, whose attempt ends with *status_reason*."""
        with self.lock:
            run, _ = self._runs[job.job_id]
        run.stop(Outcome(status_reason), at_once=True)

    def hold(self, queues: Collection[str]) -> None:
        """Start no job of *queues*, or none at all if there are none."""
        with self.lock:
            self._held_queues.update(queues)
            self._are_all_held = self._are_all_held or not queues

    def release(self) -> None:
        """Start jobs again."""
        with self.lock:
            for job in map(self.jobs.__getitem__, self._stuck):
                if job.status == "RUNNABLE":
                    job.status_reason = None
            self._held_queues.clear()
            self._stuck.clear()
            self._are_all_held = False
        self.advance()

    def get_stuck(self, job_id: str, reason: str) -> None:
        """Leave a runnable job where it is, with *reason* as its status reason."""
        with self.lock:
            job = self.jobs[job_id]
            assert job.status == "RUNNABLE", (
                f"{job.name} is {job.status}; hold jobs before one is to get stuck"
            )
            self._stuck.add(job_id)
            job.status_reason = reason

    def clear(self) -> None:
        """End what runs, wait for that, and know no job any more."""
        with self.lock:
            self._is_open = False
            runs = list(self._runs.values())
        for run, _ in runs:
            run.stop(Outcome("The emulator was reset", is_final=True), at_once=True)
        for _, thread in runs:
            thread.join()
        with self.lock:
            for known in (self.jobs, self.forgotten, self._held_queues, self._stuck):
                known.clear()
            self._are_all_held = False
            self._is_open = True

    def close(self) -> None:
        """End everything for good, and remove whatever container is left."""
        self.clear()
        self._is_open = False
        (label,) = self._labels.items()
        mine = {"label": "=".join(label)}
        for container in self._engine.containers.list(all=True, filters=mine, ignore_removed=True):
            container.remove(force=True, v=True)

    def _place(self, job: Job) -> str:
        """Return the compute environment in which a job runs now, or nothing if it has to wait."""
        if self._are_all_held or job.queue_name in self._held_queues or job.job_id in self._stuck:
            return ""
        place = place_for(job)
        if not place.compute_environment:
            job.status_reason = place.problem
        return place.compute_environment

    def _start(self, job: Job, compute_environment: str) -> None:
        attempt = start_attempt(job, uuid.uuid4().hex)
        run = ContainerRun(
            self._engine,
            job,
            attempt,
            environment=self._platform_environment | environment_of(job, attempt, compute_environment),
            labels=self._labels,
            kill_after_seconds=self.kill_after_seconds,
        )
        thread = threading.Thread(
            target=self._attend, args=(run, job, attempt), name=f"batch-{job.job_id}", daemon=True
        )
        self._runs[job.job_id] = (run, thread)
        thread.start()

    def _attend(self, run: ContainerRun, job: Job, attempt: Attempt) -> None:
        outcome = Outcome("The emulator failed; the test run shows how", is_final=True)
        try:
            outcome = self._run(run, job, attempt)
        finally:
            with self.lock:
                del self._runs[job.job_id]
                end_attempt(job, outcome, milliseconds())
            self.advance()

    def _run(self, run: ContainerRun, job: Job, attempt: Attempt) -> Outcome:
        stream = LogStream(job, attempt)
        if not stream.can_be_made:
            return Outcome(NOT_STARTED, reason=NO_LOG_GROUP.format(group=stream.group))

        def has_started() -> None:
            stream.create()
            with self.lock:
                run_attempt(job, stream.name, milliseconds())

        return run.run(has_started, stream.put, timeout_seconds(job))


def milliseconds() -> int:
    """Return the time as the service gives it."""
    return time.time_ns() // 1_000_000
