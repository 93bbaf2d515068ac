"""Compiles the pipeline with kfp. The only module that imports it, which takes more than a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from kfp import dsl

from magnus.domain.render_plan import Token
from magnus_executor_kubeflow.layout import (
    REASON,
    BranchTask,
    ContainerTask,
    EachTask,
    Layout,
    SubPipeline,
    Task,
    items_place,
)

# Annotations are not put off here: kfp reads those of functions.

RUN_ID = "run_id"
MAP_VARIABLE = "map_variable"
ITEMS = "items"
"""What inputs and outputs are called."""

_TRY_FOR = f"{10 * 365 * 24 * 3600}s"
"""How long Argo may go on to try a task again: as long as it takes."""


def compile_pipeline(layout: Layout) -> dict[str, Any]:
    """Return the pipeline as Kubeflow reads it."""
    compiler = _Compiler()
    for branch in layout.branches:
        compiler.add_branch(branch)
    pipeline = compiler.whole(layout)
    compiled: dict[str, Any] = json_format.MessageToDict(pipeline.pipeline_spec)
    return compiled


class _Compiler:
    """Makes of each graph a pipeline, which those around it use as a component."""

    def __init__(self) -> None:
        self._branches: dict[str, Callable[..., Any]] = {}

    def add_branch(self, branch: SubPipeline) -> None:
        """Compile a graph; those that it holds have been added before."""
        self._add_loops(branch)

        def with_item(run_id: str, map_variable: str) -> None:
            self._fill(branch.tasks, {RUN_ID: run_id, MAP_VARIABLE: map_variable})

        def without_item(run_id: str) -> None:
            self._fill(branch.tasks, {RUN_ID: run_id})

        body = with_item if branch.has_item else without_item
        self._branches[branch.name] = dsl.pipeline(name=branch.name)(body)

    def whole(self, layout: Layout) -> Any:
        """Compile the outermost graph, with what closes the run after it."""
        self._add_loops(layout.root)

        def body(run_id: str) -> None:
            given = {RUN_ID: run_id}
            closing = _container(layout.closing, given)
            with dsl.ExitHandler(closing):
                self._fill(layout.root.tasks, given)

        def with_job() -> None:
            body(dsl.PIPELINE_JOB_ID_PLACEHOLDER)

        return dsl.pipeline(name=layout.name, description="\n".join(layout.description))(
            body if layout.run_id_is_parameter else with_job
        )

    def _fill(self, tasks: tuple[Task, ...], given: Mapping[str, Any]) -> None:
        """Make the tasks of the pipeline that is being compiled."""
        made: dict[str, Any] = {}
        for task in tasks:
            if isinstance(task, ContainerTask):
                made[task.name] = _container(task, given)
            elif isinstance(task, BranchTask):
                names = [RUN_ID, MAP_VARIABLE] if task.has_item else [RUN_ID]
                made[task.name] = self._branches[task.name](**{name: given[name] for name in names})
            else:
                items = made[task.items_from].outputs[ITEMS]
                made[task.name] = self._branches[task.name](run_id=given[RUN_ID], items=items)
            made[task.name].set_caching_options(enable_caching=False)
            made[task.name].after(*(made[name] for name in task.after))

    def _add_loops(self, graph: SubPipeline) -> None:
        """Compile the loops of a graph; in pipelines of their own, because nothing can wait for a loop as such."""
        for task in graph.tasks:
            if isinstance(task, EachTask):
                self._branches[task.name] = self._loop(task)

    def _loop(self, task: EachTask) -> Callable[..., Any]:
        def loop(run_id: str, items: list) -> None:  # type: ignore[type-arg]  # kfp reads the annotation
            with dsl.ParallelFor(items=items, parallelism=task.at_once) as item:
                branch = self._branches[task.branch](run_id=run_id, map_variable=item)
                branch.set_caching_options(enable_caching=False)

        made: Callable[..., Any] = dsl.pipeline(name=task.name)(loop)
        return made


def _container(task: ContainerTask, given: Mapping[str, Any]) -> Any:
    """Make a task that calls magnus."""

    def plain(run_id: str) -> dsl.ContainerSpec:
        return _spec(task, {Token.RUN_ID: run_id})

    def in_map(run_id: str, map_variable: str) -> dsl.ContainerSpec:
        return _spec(task, {Token.RUN_ID: run_id, Token.MAP_VARIABLE: map_variable})

    def giving(run_id: str, items: dsl.OutputPath(list)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        return _spec(task, {Token.RUN_ID: run_id}, items)

    def giving_in_map(run_id: str, map_variable: str, items: dsl.OutputPath(list)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        return _spec(task, {Token.RUN_ID: run_id, Token.MAP_VARIABLE: map_variable}, items)

    if task.gives_items:
        function: Any = giving_in_map if task.has_item else giving
    else:
        function = in_map if task.has_item else plain
    function.__name__ = task.name
    names = [RUN_ID, MAP_VARIABLE] if task.has_item else [RUN_ID]
    made = dsl.container_component(function)(**{name: given[name] for name in names})
    made.set_caching_options(enable_caching=False)
    for name, value in task.environment.items():
        made.set_env_variable(name, value)
    _limit(made, task)
    if task.retry is not None:
        made.set_retry(
            task.retry.times,
            backoff_duration=f"{task.retry.pause_seconds}s",
            backoff_factor=float(task.retry.factor),
            backoff_max_duration=_TRY_FOR,
        )
    return made


def _spec(task: ContainerTask, placeholders: Mapping[Token, Any], items: Any = None) -> dsl.ContainerSpec:
    known = {**placeholders, Token.REASON: REASON}
    words = [known[part] if isinstance(part, Token) else part for part in task.command]
    if items is not None:
        words += ["--items-to", items_place(str(items))]
    return dsl.ContainerSpec(image=task.image, command=words[:2], args=words[2:])


def _limit(made: Any, task: ContainerTask) -> None:
    limits = task.limits
    if limits.cpu is not None:
        made.set_cpu_limit(f"{limits.cpu:.3f}".rstrip("0").rstrip("."))
    if limits.memory_mib is not None:
        made.set_memory_limit(f"{limits.memory_mib}Mi")
    if limits.gpu:
        made.set_accelerator_type(task.accelerator_type).set_accelerator_limit(limits.gpu)
