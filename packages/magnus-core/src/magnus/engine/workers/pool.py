"""The workers of a run: one loop in the engine's thread that gives them tasks, reads them, limits them and ends them.

The loop never waits for a worker alone: signals, limits, output and files of all attempts go on meanwhile.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from socket import SHUT_WR
from typing import TYPE_CHECKING, Any

from magnus.domain.jobs import JobEnd
from magnus.domain.processes import memory_kills
from magnus.engine.failure import Failure
from magnus.engine.workers.background import Background
from magnus.engine.workers.keeper import Keeper
from magnus.engine.workers.messages import KILL, TERMINATE
from magnus.engine.workers.questions import answer, is_quick
from magnus.engine.workers.running import Running, result_of
from magnus.engine.workers.worker import BrokenChannelError, Worker, WorkerState
from magnus.errors import ConfigurationError, JobSubmissionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.engine.attempt import Attempt
    from magnus.engine.context import RunContext
    from magnus.engine.interrupt import StopRun
    from magnus.engine.workers.messages import WorkerSetup

_LONGEST_POLL_SECONDS = 1.0
_CLOSE_SECONDS = 2.0
_HURRIED_GRACE_SECONDS = 0.5
_KILL_SECONDS = 10.0


class WorkerPool:
    """As many workers as there are attempts at the same time; a worker that has ended is replaced."""

    def __init__(
        self,
        context: RunContext,
        setup: Callable[[], WorkerSetup],
        keeper: Keeper | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            context: The run.
            setup: Gives the facts that a new worker needs first.
            keeper: A keeper that was started before; None for a new one.
        """
        self._context = context
        self._setup = setup
        self._keeper = keeper or Keeper()
        self._workers: list[Worker] = []
        self._by_descriptor: dict[int, Worker] = {}
        self._waiting: list[Running] = []
        self._running: dict[str, Running] = {}
        self._ended: list[Running] = []
        self._background = Background(1)
        self._poll = select.poll()
        self._poll.register(self._background.wake_descriptor, select.POLLIN)
        self._interrupt_descriptor = -1
        self._failure_of_import: str | None = None
        self._memory_kills = memory_kills()

    # For the step runner

    def warm_up(self) -> None:
        """Start the process from which workers are forked, without waiting for it."""
        with suppress(JobSubmissionError):  # said when it is needed
            self._keeper.start()

    def begin(self, attempt: Attempt) -> None:
        """Begin *attempt*; `wait` returns it once it is recorded."""
        running = Running(self._context, attempt)
        self._running[attempt.job.step_name] = running
        self._background.allow(len(self._running))
        try:
            attempt.begin()
        except Exception as error:  # noqa: BLE001 - an executor's own, too
            self._fail(running, error)
            return
        if attempt.is_mocked:
            attempt.succeed()
            self._recorded(running)
        elif attempt.has_files:
            self._background.submit(attempt.get_files, lambda _, error: self._got_files(running, error))
        else:
            self._waiting.append(running)
            self._assign()

    def wait(self, timeout_seconds: float | None) -> list[Attempt]:
        """Return the attempts that have ended by now, or within *timeout_seconds*; none at once where nothing runs.

        Raises:
            StopRun: The run has to end; `stop` is to be called.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while self._running or self._ended:
            if self._ended:
                ended, self._ended = self._ended, []
                return [running.attempt for running in ended]
            self._context.interrupts.check()
            if until is not None and time.monotonic() >= until:
                break
            self._turn(until)
        return []

    def run(self, attempt: Attempt) -> None:
        """Take *attempt* to its end.

        Raises:
            StopRun: The run has to end; the attempt is recorded as failed for this reason.
        """
        self.begin(attempt)
        interrupts = self._context.interrupts
        while not self._ended:
            if (stop := interrupts.pending) is not None:
                self.stop(stop)
                raise stop
            self._turn(None)
        self._ended.clear()

    def import_main(self) -> None:
        """Import the running script in a worker, so that what is wrong with that is known before the run begins.

        Raises:
            ConfigurationError: It cannot be imported.
        """
        worker = self._ready_worker()
        self._failure_of_import = "the process that imports the running script has ended"
        worker.send(None)
        worker.state = WorkerState.BUSY
        while worker.state is WorkerState.BUSY:
            self._context.interrupts.check()
            self._turn(None)
        if self._failure_of_import is not None:
            raise ConfigurationError(self._context.masker.mask(self._failure_of_import))

    def stop(self, stop: StopRun) -> None:
        """End all attempts: politely, after the grace by force; each is recorded as failed for the reason of *stop*."""
        for running in self._waiting:
            running.stop = stop
            running.attempt.fail_by_stop(stop)
            self._finish(running)
        self._waiting.clear()
        for worker in self._workers:
            if worker.running is not None and worker.running.stop is None:
                worker.running.stop = stop
                self._terminate(worker)
        until = time.monotonic() + self._context.stop_grace_seconds + _KILL_SECONDS
        while self._running and time.monotonic() < until:
            if self._context.interrupts.is_hurried:
                hurried = time.monotonic() + _HURRIED_GRACE_SECONDS
                for worker in self._workers:
                    if worker.kill_at is not None:
                        worker.kill_at = min(worker.kill_at, hurried)
            self._ended.clear()  # else a turn would not wait
            self._turn(until)
        for running in list(self._running.values()):  # files that are still on their way
            running.stop = stop
            running.attempt.fail_by_stop(stop)
            self._recorded(running)
        self._ended.clear()

    def close(self) -> None:
        """End all workers, which have nothing left to do, and everything that they have left."""
        for worker in self._workers:
            with suppress(OSError):
                worker.ends.channel.shutdown(SHUT_WR)
        self._let_workers_end(_CLOSE_SECONDS)
        for worker in self._workers:
            worker.command(KILL)
        self._let_workers_end(_KILL_SECONDS)
        for worker in list(self._workers):
            self._forget(worker)
        self._background.close()
        self._keeper.close()

    def _let_workers_end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._workers and time.monotonic() < until:
            self._turn(until)

    # One turn of the loop

    def _turn(self, until: float | None) -> None:
        """Give tasks to workers, wait for the next event, and take it."""
        self._assign()
        timeout = self._seconds_to_next(until)
        if self._ended and not self._background.is_busy:
            timeout = 0.0
        self._register_interrupts()
        self._background.check()
        events = self._poll.poll(None if timeout is None else timeout * 1000)
        for descriptor, event in events:
            if descriptor == self._background.wake_descriptor:
                self._background.deliver()
            elif descriptor == self._interrupt_descriptor:
                self._context.interrupts.drain()
            elif (worker := self._by_descriptor.get(descriptor)) is not None:
                self._take(worker, descriptor, event)
        self._keep_limits()

    def _seconds_to_next(self, until: float | None) -> float | None:
        moments = [] if until is None else [until]
        for worker in self._workers:
            if worker.kill_at:
                moments.append(worker.kill_at)
            elif worker.running is not None and worker.running.deadline is not None:
                moments.append(worker.running.deadline)
        left = self._context.interrupts.seconds_left()
        if left is not None:
            moments.append(time.monotonic() + left)
        longest = _LONGEST_POLL_SECONDS if self._background.is_busy else None
        if not moments:
            return longest
        seconds = max(0.0, min(moments) - time.monotonic())
        return seconds if longest is None else min(seconds, longest)

    def _register_interrupts(self) -> None:
        descriptor = self._context.interrupts.wake_descriptor
        if descriptor == self._interrupt_descriptor:
            return
        if self._interrupt_descriptor >= 0:
            self._poll.unregister(self._interrupt_descriptor)
        if descriptor >= 0:
            self._poll.register(descriptor, select.POLLIN)
        self._interrupt_descriptor = descriptor

    def _assign(self) -> None:
        # The processes that a step has left are ended before another one begins.
        while self._waiting and all(worker.is_cleaned for worker in self._workers):
            running = self._waiting[0]
            try:
                worker = self._ready_worker()
            except JobSubmissionError as error:
                self._waiting.pop(0)
                running.attempt.fail(Failure(str(error), names=["submission"]))
                self._finish(running)
                continue
            self._waiting.pop(0)
            try:
                message = running.message()
            except Exception as error:  # noqa: BLE001 - options or a function that cannot be sent
                self._fail(running, error)
                continue
            worker.state = WorkerState.BUSY
            worker.running = running
            if worker.has_started:
                self._begin_to_count(running)
            worker.send(message)
            self._watch(worker)

    def _begin_to_count(self, running: Running) -> None:
        limit = running.attempt.job.timeout_seconds
        running.deadline = None if limit is None else time.monotonic() + limit

    def _ready_worker(self) -> Worker:
        """Return a worker that has no task: started for this if all others have one.

        Raises:
            JobSubmissionError: No process can be started.
        """
        for worker in self._workers:
            if worker.state is WorkerState.READY:
                if not worker.is_gone:
                    return worker
                worker.state = WorkerState.LEAVING  # killed while it had nothing to do: no step's failure
        worker = Worker(self._keeper.fork_worker())
        worker.send(self._setup())
        self._workers.append(worker)
        ends = worker.ends
        for descriptor in (ends.channel.fileno(), ends.lifeline.fileno(), ends.stdout, ends.stderr):
            self._by_descriptor[descriptor] = worker
            self._poll.register(descriptor, select.POLLIN)
        self._watch(worker)
        return worker

    def _watch(self, worker: Worker) -> None:
        """Ask for the moment at which a message can go on."""
        channel = worker.ends.channel.fileno()
        if channel in self._by_descriptor:
            self._poll.modify(channel, select.POLLIN | (select.POLLOUT if worker.has_to_send else 0))

    def _unregister(self, descriptor: int) -> None:
        if self._by_descriptor.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    # Events

    def _take(self, worker: Worker, descriptor: int, event: int) -> None:
        if descriptor == worker.ends.lifeline.fileno():
            self._take_reports(worker)
        elif descriptor == worker.ends.channel.fileno():
            if event & select.POLLOUT:
                worker.flush()
                self._watch(worker)
            if event & ~select.POLLOUT:
                self._take_messages(worker)
        else:
            self._take_output(worker, descriptor)

    def _take_output(self, worker: Worker, descriptor: int) -> bool:
        """Take a part of the output; return False if there was none."""
        got_any = False
        for data, stream in worker.read_output(descriptor):
            got_any = True
            if worker.running is not None:
                worker.running.take_output(data, stream)
            else:  # a process that a step has left behind, before it is ended
                text = self._context.masker.mask(data.decode(errors="replace"))
                self._context.terminal.write_task_output(text.encode(), stream)
        if not worker.is_open(descriptor):
            self._unregister(descriptor)
        return got_any

    def _drain(self, worker: Worker) -> None:
        """Take all that the worker has printed by now."""
        for descriptor in (worker.ends.stdout, worker.ends.stderr):
            while descriptor in self._by_descriptor and self._take_output(worker, descriptor):
                pass

    def _take_messages(self, worker: Worker) -> None:
        try:
            for message in worker.messages():
                self._take_message(worker, message)
        except EOFError:  # its guard tells how it ended
            self._unregister(worker.ends.channel.fileno())
            worker.state = WorkerState.LEAVING
        except (
            BrokenChannelError
        ):  # nothing else: an error of magnus has to end the run, or the attempt never ends
            self._unregister(worker.ends.channel.fileno())
            worker.state = WorkerState.LEAVING
            running = worker.running
            if running is not None and running.end is None:
                text = "the task wrote into the connection between its process and magnus"
                running.end = JobEnd.of_broken_channel(running.attempt.job, text)
            worker.command(KILL)

    def _take_message(self, worker: Worker, message: dict[str, Any]) -> None:
        running = worker.running
        if "ask" in message:
            self._answer(worker, message)
        elif "ready" in message:
            worker.has_started = True
            if running is not None:  # starting does not count against the step
                self._begin_to_count(running)
        elif "retire" in message:
            self._retire(worker, message)
        elif running is not None:
            self._result(worker, running, message)
        else:
            worker.state = WorkerState.READY
            _, failed = result_of(message)
            self._failure_of_import = None if failed is None else str(failed.get("message", ""))

    def _answer(self, worker: Worker, question: dict[str, Any]) -> None:
        running = worker.running
        if running is None:
            return
        session = running.attempt.session
        if is_quick(question):
            worker.answer(answer(session, question))
            self._watch(worker)
            return

        def reply(found: dict[str, Any] | None, error: BaseException | None) -> None:
            if error is not None:
                found = {"error": f"{type(error).__name__}: {error}", "kind": type(error).__name__}
            worker.answer(found or {})
            self._watch(worker)

        self._background.submit(lambda: answer(session, question), reply)

    def _result(self, worker: Worker, running: Running, message: dict[str, Any]) -> None:
        """The task has ended by itself."""
        done, failed = result_of(message)
        self._drain(worker)
        worker.running = None
        worker.state = WorkerState.READY
        worker.last_step = running.attempt.step.internal_name
        if worker.kill_at is not None:  # it has used its grace; nobody knows what it has left undone
            worker.state = WorkerState.LEAVING
            worker.command(KILL)
        attempt = running.attempt
        if running.stop is not None:
            attempt.fail_by_stop(running.stop)
        elif running.timed_out:
            self._fail_by_end(running, JobEnd.of_timeout(attempt.job))
        elif failed is not None:
            attempt.fail_by_worker(failed)
        else:
            try:
                attempt.take_results(done or {})
                if warning := attempt.judge_opened_files(done or {}):
                    running.warn(warning)
                attempt.succeed()
            except Exception as error:  # noqa: BLE001 - an adapter's own, too
                running.say(attempt.fail_by(error))
        self._finish(running)

    def _retire(self, worker: Worker, message: dict[str, Any]) -> None:
        """The worker serves no further task: the last one has left something in its process."""
        worker.state = WorkerState.LEAVING
        if message.get("left"):
            worker.is_cleaned = False
            self._warn_of(worker, message["left"])
        if worker.running is not None:  # it was sent a moment ago, and the worker has not read it
            self._waiting.insert(0, worker.running)
            worker.running = None

    def _warn_of(self, worker: Worker, left: Any) -> None:
        names = ", ".join(str(each) for each in left)
        self._context.reporter.warning(
            self._context.masker.mask(
                f"step '{worker.last_step}' left processes running, which were ended: {names}; "
                "wait for them in the step, or start them outside of the run"
            )
        )

    def _take_reports(self, worker: Worker) -> None:
        try:
            for report in worker.reports():
                if "exit_code" in report:
                    code = report["exit_code"]
                    worker.exit_code = code if isinstance(code, int) else None
                    if report.get("left") and worker.kill_at is None and worker.running is not None:
                        worker.last_step = worker.running.attempt.step.internal_name
                        self._warn_of(worker, report["left"])
        except EOFError:
            self._exited(worker)
        except BrokenChannelError:
            worker.command(KILL)

    def _exited(self, worker: Worker) -> None:
        """The guard has gone, so nothing is left of the worker."""
        if worker.ends.channel.fileno() in self._by_descriptor:  # a result may have been its last word
            self._take_messages(worker)
        self._drain(worker)
        self._forget(worker)
        running, worker.running = worker.running, None
        if running is None:
            return
        job = running.attempt.job
        # A signal to a whole group of processes may have reached the task as well.
        running.stop = running.stop or self._context.interrupts.pending
        if running.stop is not None:
            running.attempt.fail_by_stop(running.stop)
        elif running.timed_out:
            self._fail_by_end(running, JobEnd.of_timeout(job))
        elif running.end is not None:
            self._fail_by_end(running, running.end)
        elif worker.exit_code is None:
            self._fail_by_end(
                running, JobEnd.of_broken_channel(job, "the process that guards the step was killed")
            )
        else:
            kills, self._memory_kills = self._memory_kills, memory_kills()
            end = JobEnd.of_process(job, worker.exit_code, out_of_memory=self._memory_kills > kills)
            self._fail_by_end(running, end)
        self._finish(running)

    def _fail_by_end(self, running: Running, end: JobEnd) -> None:
        names = [end.failure] if end.failure else []
        running.attempt.fail(Failure(end.message, end.exit_code, names))

    def _forget(self, worker: Worker) -> None:
        ends = worker.ends
        for descriptor in (ends.channel.fileno(), ends.lifeline.fileno(), ends.stdout, ends.stderr):
            self._unregister(descriptor)
        if worker in self._workers:
            self._workers.remove(worker)
            worker.close()

    # Stages of an attempt

    def _got_files(self, running: Running, error: BaseException | None) -> None:
        if running.has_ended:
            return
        if error is not None:
            self._fail(running, error)
        else:
            self._waiting.append(running)

    def _fail(self, running: Running, error: BaseException) -> None:
        """End an attempt of which one of the engine's own parts has failed."""
        running.say(running.attempt.fail_by(error))
        self._finish(running)

    def _finish(self, running: Running) -> None:
        """Store the files and the log, and record the attempt."""
        attempt = running.attempt
        if running.has_had_children:  # they may have stored files
            attempt.session.files.may_have_staged = True
        if attempt.has_files_at_end:
            self._background.submit(attempt.end_files, lambda _, error: self._ended_files(running, error))
        else:
            self._ended_files(running, None)

    def _ended_files(self, running: Running, error: BaseException | None) -> None:
        if running.has_ended:
            return
        attempt = running.attempt
        if error is None and attempt.is_successful:
            try:
                attempt.hand_over_metrics()
            except Exception as caught:  # noqa: BLE001 - an adapter's own, too
                error = caught
        if error is not None:
            running.say(attempt.fail_by(error))
        log = running.output.close()
        if log is None:
            self._recorded(running)
            return
        self._background.submit(lambda: attempt.keep_log(log), lambda *_: self._recorded(running))

    def _recorded(self, running: Running) -> None:
        if running.has_ended:
            return
        running.has_ended = True
        self._running.pop(running.attempt.job.step_name, None)
        if running.stop is None or self._context.records_stops:
            running.attempt.record(is_final=running.stop is not None)
        running.close()
        self._ended.append(running)

    # Limits

    def _keep_limits(self) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            running = worker.running
            if worker.kill_at:
                if worker.kill_at <= now:
                    worker.kill_at = 0.0
                    worker.command(KILL)
            elif (
                running is not None
                and running.deadline is not None
                and running.deadline <= now
                and worker.kill_at is None
            ):
                running.timed_out = True
                self._terminate(worker)

    def _terminate(self, worker: Worker) -> None:
        """Ask a worker and all its processes to end, and give them the grace."""
        if worker.kill_at is None:
            worker.kill_at = time.monotonic() + self._context.stop_grace_seconds
        worker.command(TERMINATE)
