"""Runs a workflow by the rules of Argo: dags, phases, pods that are made again, deadlines."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from magnus.errors import ConfigurationError
from magnus.ports.emulator import ContainerCommand
from magnus_executor_argo.checking import RUN_ID, STATUS, in_order, last_task
from magnus_executor_argo.items import LARGEST_ITEMS
from magnus_executor_argo.variables import filled_in
from magnus_executor_argo.workflow import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.ports.emulator import EmulatedCompute
    from magnus_executor_argo.workflow import Task, Template, Workflow

MOST_PODS = 16
"""As many run at the same time on this machine, however many a cluster would run."""


class Ended(NamedTuple):
    """How a template that was called has ended.

    Attributes:
        phase: Its phase.
        outputs: The values of its output parameters.
    """

    phase: Phase
    outputs: Mapping[str, str] = {}


class WorkflowRun:
    """One run of a workflow."""

    def __init__(self, workflow: Workflow, run_id: str, compute: EmulatedCompute) -> None:
        """Call the run *run_id*."""
        self.compute = compute
        self._workflow = workflow
        self._values = {RUN_ID: run_id}
        self._until: float | None = None
        self._pods = threading.BoundedSemaphore(min(workflow.parallelism or MOST_PODS, MOST_PODS))
        self._numbers = itertools.count()

    def run(self) -> Phase:
        """Run it to its end, and what is to be run afterwards; return how Argo would show it."""
        if self._workflow.deadline_seconds is not None:
            self._until = self.compute.now() + self._workflow.deadline_seconds
        phase = self.call(self._workflow.entrypoint, {}, self._workflow.entrypoint).phase
        self.compute.report(f"the workflow has ended as {phase}")
        if self._workflow.on_exit:
            self._until = None
            self._values[STATUS] = phase
            after = self.call(self._workflow.on_exit, {}, "onExit").phase
            if phase is Phase.SUCCEEDED and after.is_bad:
                return after
        return phase

    def call(self, name: str, arguments: Mapping[str, str], who: str) -> Ended:
        """Call the template *name*; *who* is what messages call that."""
        template = self._workflow.templates[name]
        values = self._values | {f"inputs.parameters.{key}": value for key, value in arguments.items()}
        if not template.is_dag:
            return _PodRun(self, template, values, who).run()
        return Ended(DagRun(self, template, values, who).run())

    def is_pod(self, name: str) -> bool:
        """Whether the template *name* is a pod."""
        return not self._workflow.templates[name].is_dag

    def seconds_left(self) -> float | None:
        """Return for how long the workflow may go on; None for any time."""
        return None if self._until is None else self._until - self.compute.now()

    def make_pod(self, template: Template, values: Mapping[str, str], who: str) -> tuple[int, Ended]:
        """Make a pod, and return its exit code and its end."""
        folder = Path(self.compute.folder) / str(next(self._numbers))
        # The file systems of containers are their own, and processes share one: each gets its files at another place.
        files = {path: str(folder / Path(path).name) for path in template.outputs.values()}
        words = [filled_in(word, values) for word in template.command]
        for path, own in files.items():
            words = [word.replace(path, own) for word in words]
        limits = [limit for limit in (template.deadline_seconds, self.seconds_left()) if limit is not None]
        command = ContainerCommand(
            tuple(words),
            who,
            template.image,
            {name: filled_in(value, values) for name, value in template.environment.items()},
            min(limits, default=None),
        )
        with self._pods:
            end = self.compute.run(command)
        if end.timed_out:
            self.compute.report(f"'{who}' was ended: its deadline was exceeded")
        if end.exit_code != 0 or end.timed_out:
            return end.exit_code, Ended(Phase.FAILED)
        try:
            outputs = {
                name: Path(files[path]).read_text(encoding="utf-8") for name, path in template.outputs.items()
            }
        except OSError as error:
            self.compute.report(f"'{who}': its output cannot be read: {error.strerror}")
            return end.exit_code, Ended(Phase.ERROR)
        return end.exit_code, Ended(Phase.SUCCEEDED, outputs)


class _PodRun:
    """A pod that is made as often as its template says."""

    def __init__(
        self, workflow: WorkflowRun, template: Template, values: Mapping[str, str], who: str
    ) -> None:
        self._workflow, self._template, self._values, self._who = workflow, template, values, who

    def run(self) -> Ended:
        """Run it to its last end."""
        compute, retry = self._workflow.compute, self._template.retry
        for made in itertools.count(1):
            left = self._workflow.seconds_left()
            if left is not None and left <= 0:
                compute.report(f"'{self._who}' is not run: the deadline of the workflow was exceeded")
                return Ended(Phase.FAILED)
            code, end = self._workflow.make_pod(self._template, self._values, self._who)
            if retry is None or not end.phase.is_bad:
                return end
            if made > retry.limit or not retry.expression.holds(code, end.phase):
                return end
            pause = retry.seconds * float(retry.factor) ** (made - 1)
            compute.report(f"retry {made} of '{self._who}' in {pause:g} s: it ended with {code}")
            left = self._workflow.seconds_left()
            compute.sleep(pause if left is None else min(pause, max(left, 0.0)))
        raise AssertionError  # it counts without an end


class _Call(NamedTuple):
    """A task that may be called, for one item where it has some."""

    task: Task
    number: int
    arguments: Mapping[str, str]
    who: str


class _Answer(NamedTuple):
    """What came of a call."""

    call: _Call
    ended: Ended
    error: BaseException | None


class DagRun:
    """One call of a dag template. Its tasks run at the same time, each in a thread of its own."""

    def __init__(
        self, workflow: WorkflowRun, template: Template, values: Mapping[str, str], who: str
    ) -> None:
        """Prepare the call."""
        self._workflow = workflow
        self._template = template
        self._values = values
        self._who = who
        self._phases: dict[str, Phase] = {}
        self._outputs: dict[str, Mapping[str, str]] = {}
        self._open: dict[str, list[Phase | None]] = {}
        self._waiting: list[_Call] = []
        self._running = 0
        self._answers: SimpleQueue[_Answer] = SimpleQueue()
        self._followers: dict[str, list[Task]] = {}
        self._missing: dict[str, int] = {}
        for task in template.tasks.values():
            needed = task.depends.tasks() if task.depends else frozenset()
            self._missing[task.name] = len(needed)
            for name in needed:
                self._followers.setdefault(name, []).append(task)

    def run(self) -> Phase:
        """Run it to its end."""
        error: BaseException | None = None
        self._consider([task for task in self._template.tasks.values() if task.depends is None])
        while self._waiting or self._running:
            if error is None:
                self._start()
            answer = self._answers.get()
            self._running -= 1
            error = error or answer.error
            if error is not None:
                self._waiting.clear()
                continue
            self._take(answer)
        if error is not None:
            raise error
        return self._phase()

    def _consider(self, tasks: list[Task]) -> None:
        """Decide about *tasks*, of which all is known that they depend on, and about what follows from that alone."""
        while tasks:
            task = tasks.pop(0)
            if task.depends is not None and not task.depends.holds(self._phases):
                tasks += self._end(task, Phase.OMITTED)
            elif task.when and not _is_true(filled_in(task.when, self._values)):
                tasks += self._end(task, Phase.SKIPPED)
            else:
                tasks += self._expand(task)

    def _expand(self, task: Task) -> list[Task]:
        """Let the calls of *task* wait for their turn; return the tasks to consider if there is none."""
        who = f"{self._who}.{task.name}"
        if not task.with_param:
            arguments = {name: filled_in(value, self._values) for name, value in task.arguments.items()}
            self._open[task.name] = [None]
            self._waiting.append(_Call(task, 0, arguments, who))
            return []
        items = self._items(task, who)
        if items is None:
            return self._end(task, Phase.ERROR)
        if not items:
            return self._end(task, Phase.SKIPPED)
        self._open[task.name] = [None] * len(items)
        for number, item in enumerate(items):
            values = {**self._values, "item": item}
            arguments = {name: filled_in(value, values) for name, value in task.arguments.items()}
            self._waiting.append(_Call(task, number, arguments, f"{who}({number})"))
        return []

    def _items(self, task: Task, who: str) -> list[str] | None:
        _, name, _, _, output = task.with_param.strip("{}").split(".")
        text = self._outputs[name][output]
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            self._workflow.compute.report(f"'{who}': withParam is no JSON list of texts")
            return None
        if len(text.encode()) > LARGEST_ITEMS:
            self._workflow.compute.report(f"'{who}': withParam is longer than {LARGEST_ITEMS:,} bytes")
            return None
        for item in items:
            if "{{" in item:
                message = (
                    f"'{who}': Argo would take '{{{{' in the item {item!r} for the beginning of a variable"
                )
                raise ConfigurationError(message)
        return items

    def _start(self) -> None:
        """Call what waits, as far as that is allowed; a single pod needs no thread."""
        limit = self._template.parallelism
        while self._waiting and (limit is None or self._running < limit):
            call = self._waiting.pop(0)
            self._running += 1
            is_alone = self._running == 1 and (not self._waiting or limit == 1)
            if is_alone and self._workflow.is_pod(call.task.template):
                self._work(call)
                return
            threading.Thread(target=self._work, args=(call,), daemon=True).start()

    def _work(self, call: _Call) -> None:
        ended, error = Ended(Phase.ERROR), None
        try:
            ended = self._workflow.call(call.task.template, call.arguments, call.who)
        except BaseException as raised:  # noqa: BLE001 - it is raised again where the dag was called
            error = raised
        self._answers.put(_Answer(call, ended, error))

    def _take(self, answer: _Answer) -> None:
        task, number = answer.call.task, answer.call.number
        phases = self._open[task.name]
        phases[number] = answer.ended.phase
        if any(phase is None for phase in phases):
            return
        self._outputs[task.name] = answer.ended.outputs
        bad = [phase for phase in phases if phase is not None and phase.is_bad]
        self._consider(self._end(task, bad[-1] if bad else Phase.SUCCEEDED))

    def _end(self, task: Task, phase: Phase) -> list[Task]:
        """Note how *task* has ended; return the tasks that waited for nothing else."""
        self._phases[task.name] = phase
        ready = []
        for follower in self._followers.get(task.name, ()):
            self._missing[follower.name] -= 1
            if self._missing[follower.name] == 0:
                ready.append(follower)
        return ready

    def _phase(self) -> Phase:
        """Return the phase of the whole: that of the last task, or of what led to it if that was not called."""
        came: dict[str, set[Phase]] = {}
        for task in in_order(self._template):
            phase = self._phases[task.name]
            before = [came[name] for name in (task.depends.tasks() if task.depends else ())]
            came[task.name] = {phase} if phase.is_completed else set().union(*before) or {Phase.SUCCEEDED}
        last = came[last_task(self._template).name]
        return next((phase for phase in (Phase.ERROR, Phase.FAILED) if phase in last), Phase.SUCCEEDED)


def _is_true(when: str) -> bool:
    left, operator, right = when.split(" ")
    return (left == right) is (operator == "==")
