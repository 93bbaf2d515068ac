"""Runs a compiled pipeline on this machine, as Kubeflow Pipelines does."""

from __future__ import annotations

import json
import re
import threading
from itertools import count
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from magnus.errors import ConfigurationError, MagnusError
from magnus.ports import emulator as port
from magnus.ports.emulator import ContainerCommand
from magnus_executor_kubeflow.pipeline_file import (
    JOB_ID,
    PLACEHOLDER,
    Constant,
    FromInput,
    Pipeline,
    read_pipeline,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from magnus.ports.emulator import EmulatedCompute
    from magnus_executor_kubeflow.pipeline_file import Component, Container, Source, Task

    Values = Mapping[str, Any]

RUN_ID = "run_id"
"""The one parameter that a pipeline may have."""

_MOST_PODS = 32
"""How many containers run at the same time: what does not fit on a cluster waits as well."""


class Emulator(port.Emulator):
    """Interprets the subset of pipelines that magnus renders."""

    @classmethod
    def recognises(cls, text: str) -> bool:
        """Whether *text* has the outermost keys of a pipeline."""
        return all(
            re.search(rf"^{key}:", text, re.MULTILINE) for key in ("pipelineInfo", "deploymentSpec", "root")
        )

    def __init__(self, text: str, path: str) -> None:
        """See the port."""
        self._path = path
        self._pipeline = read_pipeline(text, path)
        if unknown := self._pipeline.root.inputs - {RUN_ID}:
            message = (
                f"{path}: the pipeline has the parameter '{min(unknown)}'; magnus renders none but '{RUN_ID}'"
            )
            raise ConfigurationError(message)

    def run(self, run_id: str, compute: EmulatedCompute) -> bool:
        """See the port."""
        root = self._pipeline.root
        return _Run(self._pipeline, run_id, compute, self._path).graph(
            root, dict.fromkeys(root.inputs, run_id)
        )


class _Failed(Exception):  # noqa: N818 - no error: what the target shows as a failure
    """A task has failed."""


class _Run:
    """One run of a pipeline. Each task that is under way has a thread."""

    def __init__(self, pipeline: Pipeline, run_id: str, compute: EmulatedCompute, path: str) -> None:
        self._pipeline = pipeline
        self._run_id = run_id
        self._compute = compute
        self._path = path
        self._pods = threading.Semaphore(_MOST_PODS)
        self._numbers = count(1)

    def graph(self, graph: Component, inputs: Values) -> bool:
        """Run the tasks of a graph, each when those before it have ended; return whether all succeeded.

        What waits for a failed task does not run, and counts as failed. The others run to their end.
        """
        waiting = dict(graph.tasks)
        failed: set[str] = set()
        outputs: dict[str, Values] = {}
        ended: SimpleQueue[tuple[str, Values | BaseException]] = SimpleQueue()
        running = 0
        broken: BaseException | None = None
        while waiting or running:
            for task in [
                task for task in waiting.values() if not broken and not _waits(task, failed, outputs)
            ]:
                del waiting[task.name]
                if not task.at_any_end and failed.intersection(task.after):
                    failed.add(task.name)
                    break  # which others may wait for
                values = {name: self._value(source, inputs, outputs) for name, source in task.inputs.items()}
                self._start(task, values, ended)
                running += 1
            else:
                if not running:
                    break
                name, end = ended.get()
                running -= 1
                if isinstance(end, _Failed):
                    failed.add(name)
                elif isinstance(end, BaseException):
                    broken = broken or end
                else:
                    outputs[name] = end
        if broken:
            raise broken
        return not failed

    def _start(self, task: Task, values: Values, ended: SimpleQueue[Any]) -> None:
        def work() -> None:
            try:
                end: Values | BaseException = self._task(task, values)
            except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
                end = error
            ended.put((task.name, end))

        threading.Thread(target=work, name=task.name).start()

    def _value(self, source: Source, inputs: Values, outputs: Mapping[str, Values]) -> Any:
        if isinstance(source, FromInput):
            return inputs[source.name]
        if isinstance(source, Constant):
            return self._run_id if source.text == JOB_ID else source.text
        return outputs[source.task][source.output]

    def _task(self, task: Task, values: Values) -> Values:
        """Run a task to its end, and return what it hands on."""
        component = self._pipeline.components[task.component]
        if task.loop is None:
            return self._component(task, component, values)
        items = values[task.loop.items]
        turns = threading.Semaphore(task.loop.at_once or max(1, len(items)))

        def each(item: str) -> None:
            with turns:
                self._component(task, component, {**values, task.loop.item: item})  # type: ignore[union-attr]

        _all_at_once([lambda item=item: each(item) for item in items])  # type: ignore[misc]
        return {}

    def _component(self, task: Task, component: Component, values: Values) -> Values:
        if component.container is not None:
            return self._container(task, component, component.container, values)
        if not self.graph(component, values):
            raise _Failed
        return {}

    def _container(self, task: Task, component: Component, container: Container, values: Values) -> Values:
        began = self._compute.now()
        for attempt in range(task.retry.times + 1):
            files = {
                name: self._compute.folder / f"{next(self._numbers)}" / name for name in component.outputs
            }
            for file in files.values():
                file.parent.mkdir()
            arguments = tuple(_filled(argument, values, files) for argument in container.arguments)
            command = ContainerCommand(arguments, task.name, container.image, container.environment)
            with self._pods:
                end = self._compute.run(command)
            if end.exit_code == 0:
                return {name: self._items(task, file) for name, file in files.items()}
            self._compute.report(f"'{task.name}' has failed with exit code {end.exit_code}")
            if attempt < task.retry.times and not self._pause(task, attempt, began):
                break
        raise _Failed

    def _pause(self, task: Task, attempt: int, began: float) -> bool:
        """Wait before the next attempt; return whether there is one."""
        pause = task.retry.pause_seconds * task.retry.factor**attempt
        if self._compute.now() + pause > began + task.retry.try_for_seconds:
            self._compute.report(f"'{task.name}' is not tried again: the time for that is over")
            return False
        self._compute.report(f"retry {attempt + 1} of '{task.name}' in {pause:g} s")
        self._compute.sleep(pause)
        return True

    def _items(self, task: Task, file: Path) -> list[str]:
        """Return the list that a task has handed on."""
        try:
            items = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self._compute.report(f"'{task.name}' has handed nothing on: {error}")
            raise _Failed from error
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ConfigurationError(f"{self._path}: '{task.name}' handed on what is no list of texts")
        return items


def _waits(task: Task, failed: set[str], outputs: Mapping[str, Values]) -> bool:
    return any(name not in failed and name not in outputs for name in task.after)


def _filled(argument: str, values: Values, files: Mapping[str, Path]) -> str:
    return PLACEHOLDER.sub(
        lambda match: str(values[match["input"]] if match["input"] else files[match["output"]]), argument
    )


def _all_at_once(works: Iterable[Callable[[], object]]) -> None:
    """Do everything in threads, and raise what went wrong when all have ended; what broke before what failed."""
    problems: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            problems.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise next((problem for problem in problems if isinstance(problem, MagnusError)), problems[0])
