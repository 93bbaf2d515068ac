from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from magnus.domain.jobs import Job, JobEnd
from magnus.domain.nodes import Node
from magnus.domain.run_log import Status
from magnus.errors import JobSubmissionError
from magnus_executor_local.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from magnus.ports.executor import ComputeNeeds, RemoteStep

# Speaks the protocol of `StepRunner.worker_command`, and does what the name of the step says.
WORKER = """
import os, signal, sys, time
from multiprocessing.connection import Connection
from magnus.domain.run_log import Status

connection = Connection(int(sys.argv[-1]))
assert connection.recv_bytes() == b"told first"
while True:
    try:
        secrets, job = connection.recv()
    except EOFError:
        break
    what = job.step_name
    if what == "slow to begin":
        time.sleep(0.6)
    connection.send(((), Status.PROCESSING))
    if what.startswith("exit "):
        os._exit(int(what[5:]))
    elif what.startswith("signal "):
        os.kill(0 if what.endswith("group") else os.getpid(), int(what.split()[1]))
    elif what == "sleep":
        time.sleep(300)
    elif what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        connection.send((("stubborn now",), Status.PROCESSING))
        time.sleep(300)
    connection.send(((*secrets, f"pid {os.getpid()}"), Status.FAIL if what == "fail" else Status.SUCCESS))
"""


class Lent:
    """What the core lends, as far as workers use it."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-c", WORKER)) -> None:
        """Start workers with *command*."""
        self.worker_command = command
        self.worker_preamble = b"told first"
        self.secrets: tuple[str, ...] = ("known",)
        self.output_descriptors = (1, 2)
        self.learnt: list[str] = []

    def __call__(self, job: Job) -> Status:
        """Never run anything here."""
        raise AssertionError(job)

    def learn_secrets(self, secrets: Iterable[str]) -> None:
        """Note them."""
        self.learnt += secrets

    def is_recorded(self, job: Job) -> bool:
        """Never be asked."""
        raise AssertionError(job)

    def tell(self, message: str) -> None:
        """Never be asked."""
        raise AssertionError(message)

    def remote(
        self,
        job: Job | None,
        needs: Sequence[ComputeNeeds] = (),
        *,
        inside_compute: bool,
        address: str = "",
        shown_as: str = "",
        mark: str = "",
    ) -> RemoteStep:
        """Never be asked: these executors hand no step to a process that speaks the other protocol."""
        raise AssertionError(job)

    @property
    def pids(self) -> list[int]:
        """The processes that have done a job, in order."""
        return [int(text.removeprefix("pid ")) for text in self.learnt if text.startswith("pid ")]


@pytest.fixture
def lent() -> Lent:
    """Return it."""
    return Lent()


@pytest.fixture
def pool(lent: Lent) -> Iterator[WorkerPool]:
    """Return a pool without workers."""
    made = WorkerPool(lent)
    yield made
    made.stop()


def job(name: str, timeout: float | None = None) -> Job:
    """Return a job that the worker understands."""
    return Job("run", name, Node(name, "task", {}, next="done", timeout_seconds=timeout), 1)


def done(pool: WorkerPool, *jobs: Job) -> dict[str, JobEnd]:
    """Submit *jobs* and return how they ended."""
    for item in jobs:
        assert pool.submit(item) is Status.TRIGGERED
    ends: list[JobEnd] = []
    while len(ends) < len(jobs):
        ends += pool.wait(None)
    return {end.job.step_name: end for end in ends}


def test_a_job_is_handed_on_and_its_status_comes_back(pool: WorkerPool, lent: Lent) -> None:
    """With the secrets that the worker was handed out; it is told before each job what is known here."""
    assert done(pool, job("fine"))["fine"] == JobEnd(job("fine"), Status.SUCCESS)
    lent.secrets = ("known", "new")
    assert done(pool, job("fail"))["fail"].status is Status.FAIL
    assert [text for text in lent.learnt if not text.startswith("pid ")] == ["known", "known", "new"]


def test_a_worker_serves_one_job_after_another(pool: WorkerPool, lent: Lent) -> None:
    """There are as many processes as there were jobs at a time."""
    for number in range(3):
        done(pool, job(f"one {number}"))
    assert len(set(lent.pids)) == 1
    done(pool, job("two"), job("three"))
    assert len(set(lent.pids)) == 2
    assert os.getpid() not in lent.pids


@pytest.mark.parametrize(
    ("what", "message", "code"),
    [
        ("exit 7", "the process of the step ended by itself with exit code 7", 7),
        ("exit 0", "the process of the step ended by itself with exit code 0", 0),
        (
            "signal 9",
            "the process of the step was killed by SIGKILL; the system does that when memory runs out",
            137,
        ),
        ("signal 11", "the process of the step was killed by SIGSEGV", 139),
        ("signal 15 group", "the process of the step was killed by SIGTERM", 143),
    ],
)
def test_a_worker_that_dies_is_told_with_the_cause(
    pool: WorkerPool, what: str, message: str, code: int
) -> None:
    """Exit codes are those a shell would report; the next job has another worker."""
    end = done(pool, job(what))[what]
    assert end == JobEnd(job(what), Status.FAIL, message, code, f"exit:{code}")
    assert done(pool, job("fine"))["fine"].status is Status.SUCCESS


def test_the_death_of_one_worker_leaves_the_others_alone(pool: WorkerPool) -> None:
    """Each has a process group of its own."""
    ends = done(pool, job("slow to begin"), job("signal 9 group"))
    assert {name: end.status for name, end in ends.items()} == {
        "slow to begin": Status.SUCCESS,
        "signal 9 group": Status.FAIL,
    }


def test_a_worker_that_dies_while_it_has_nothing_to_do_costs_no_job(pool: WorkerPool, lent: Lent) -> None:
    """Another one takes it."""
    done(pool, job("one"))
    os.kill(lent.pids[0], signal.SIGKILL)
    os.waitid(os.P_PID, lent.pids[0], os.WEXITED | os.WNOWAIT)
    assert done(pool, job("two"))["two"].status is Status.SUCCESS
    assert lent.pids[1] != lent.pids[0]


def test_a_job_that_takes_too_long_is_ended(pool: WorkerPool, lent: Lent) -> None:
    """It is known as `timeout`; jobs beside it and after it run through."""
    ends = done(pool, job("sleep", timeout=0.1), job("fine"))
    expected = JobEnd(job("sleep", 0.1), Status.FAIL, "timed out after 0.1 s", failure="timeout")
    assert ends["sleep"] == expected
    assert ends["fine"].status is Status.SUCCESS
    assert len(set(lent.pids)) == 1


def test_starting_a_worker_does_not_count_against_the_job(pool: WorkerPool) -> None:
    """Time is counted from the moment at which the worker says that it begins."""
    assert done(pool, job("slow to begin", timeout=0.5))["slow to begin"].status is Status.SUCCESS


def test_waiting_ends_with_the_time_that_was_given(pool: WorkerPool) -> None:
    """Or at once where nothing runs."""
    assert pool.wait(None) == []
    pool.submit(job("sleep"))
    before = time.monotonic()
    assert pool.wait(0.05) == []
    assert 0.05 <= time.monotonic() - before < 30


def test_stopping_ends_idle_and_busy_workers_at_once(pool: WorkerPool, lent: Lent) -> None:
    """One that has nothing to do is not waited for."""
    done(pool, job("one"), job("two"))
    pool.submit(job("sleep"))
    before = time.monotonic()
    pool.stop()
    assert time.monotonic() - before < 4
    for pid in lent.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_that_will_not_stop_is_killed(
    pool: WorkerPool, lent: Lent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it had the time to record what it was doing."""
    monkeypatch.setattr("magnus_executor_local.workers._SECONDS_TO_STOP", 0.1)
    pool.submit(job("stubborn"))
    while "stubborn now" not in lent.learnt:
        pool.wait(0.1)
    before = time.monotonic()
    pool.stop()
    assert 0.1 <= time.monotonic() - before < 30


def test_closing_lets_workers_end_by_themselves(lent: Lent) -> None:
    """Their connection ends, and they are waited for."""
    pool = WorkerPool(lent)
    done(pool, job("one"))
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(lent.pids[0], 0)


def test_a_process_that_cannot_be_started_is_a_refused_job() -> None:
    """The traversal records it as a failed attempt."""
    pool = WorkerPool(Lent(("/no/such/program",)))
    with pytest.raises(JobSubmissionError, match="no worker process could be started"):
        pool.submit(job("one"))
    assert pool.wait(None) == []
