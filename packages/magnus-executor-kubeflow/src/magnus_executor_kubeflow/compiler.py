"""Compiles the pipeline with kfp. The only module that imports it, which takes more than a second."""

from __future__ import annotations

from functools import partial
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from kfp import dsl  # type: ignore[import-untyped]

from magnus.domain.render_plan import Token
from magnus_executor_kubeflow.items import SCHEME
from magnus_executor_kubeflow.layout import REASON, BranchTask, ContainerTask, EachTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus_executor_kubeflow.layout import Layout, SubPipeline, Task

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

        def body(given: Mapping[str, Any]) -> None:
            self._fill(branch.tasks, given)

        inputs = dict.fromkeys(_names(has_item=branch.has_item), str)
        self._branches[branch.name] = dsl.pipeline(name=branch.name)(_function(branch.name, inputs, body))

    def whole(self, layout: Layout) -> Any:
        """Compile the outermost graph, with what closes the run after it."""
        self._add_loops(layout.root)

        def body(given: Mapping[str, Any]) -> None:
            values = {RUN_ID: given.get(RUN_ID, dsl.PIPELINE_JOB_ID_PLACEHOLDER)}
            with dsl.ExitHandler(_container(layout.closing, values)):
                self._fill(layout.root.tasks, values)

        inputs = {RUN_ID: str} if layout.run_id_is_parameter else {}
        made = dsl.pipeline(name=layout.name, description="\n".join(layout.description))
        return made(_function(layout.name, inputs, body))

    def _fill(self, tasks: tuple[Task, ...], given: Mapping[str, Any]) -> None:
        """Make the tasks of the pipeline that is being compiled."""
        made: dict[str, Any] = {}
        for task in tasks:
            if isinstance(task, ContainerTask):
                made[task.name] = _container(task, given)
            elif isinstance(task, BranchTask):
                inputs = {name: given[name] for name in _names(has_item=task.has_item)}
                made[task.name] = self._branches[task.name](**inputs)
            else:
                items = made[task.items_from].outputs[ITEMS]
                made[task.name] = self._branches[task.name](run_id=given[RUN_ID], items=items)
            made[task.name].set_caching_options(enable_caching=False)
            made[task.name].after(*(made[name] for name in task.after))

    def _add_loops(self, graph: SubPipeline) -> None:
        """Compile the loops of a graph; in pipelines of their own, because nothing can wait for a loop as such."""
        for task in graph.tasks:
            if isinstance(task, EachTask):
                inputs = {RUN_ID: str, ITEMS: list}
                loop = _function(task.name, inputs, partial(self._loop, task))
                self._branches[task.name] = dsl.pipeline(name=task.name)(loop)

    def _loop(self, task: EachTask, given: Mapping[str, Any]) -> None:
        with dsl.ParallelFor(items=given[ITEMS], parallelism=task.at_once) as item:
            branch = self._branches[task.branch](run_id=given[RUN_ID], map_variable=item)
            branch.set_caching_options(enable_caching=False)


def _names(*, has_item: bool) -> list[str]:
    return [RUN_ID, MAP_VARIABLE] if has_item else [RUN_ID]


def _function(name: str, parameters: Mapping[str, Any], body: Callable[[dict[str, Any]], Any]) -> Any:
    """Return a function as kfp wants to be given one: it reads its name, and the types of its parameters."""

    def function(*values: Any, **given: Any) -> Any:
        return body(dict(zip(parameters, values, strict=False)) | given)

    function.__name__ = name
    kind = Parameter.POSITIONAL_OR_KEYWORD
    signature = Signature([Parameter(key, kind, annotation=of) for key, of in parameters.items()])
    function.__signature__ = signature  # type: ignore[attr-defined]  # where `inspect` looks for it
    return function


def _container(task: ContainerTask, given: Mapping[str, Any]) -> Any:
    """Make a task that calls magnus."""
    names = _names(has_item=task.has_item)
    parameters: dict[str, Any] = dict.fromkeys(names, str)
    if task.gives_items:
        parameters[ITEMS] = dsl.OutputPath(list)
    component = dsl.container_component(_function(task.name, parameters, partial(_spec, task)))
    made = component(**{name: given[name] for name in names})
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


def _spec(task: ContainerTask, given: Mapping[str, Any]) -> dsl.ContainerSpec:
    known = {
        Token.RUN_ID: given[RUN_ID],
        Token.MAP_VARIABLE: given.get(MAP_VARIABLE),
        Token.REASON: REASON,
    }
    words = [known[part] if isinstance(part, Token) else part for part in task.command]
    if task.gives_items:
        words += ["--items-to", f"{SCHEME}{given[ITEMS]}"]
    return dsl.ContainerSpec(image=task.image, command=words[:2], args=words[2:])


def _limit(made: Any, task: ContainerTask) -> None:
    limits = task.limits
    if limits.cpu is not None:
        made.set_cpu_limit(f"{limits.cpu:.3f}".rstrip("0").rstrip("."))
    if limits.memory_mib is not None:
        made.set_memory_limit(f"{limits.memory_mib}Mi")
    if limits.gpu:
        made.set_accelerator_type(task.accelerator_type).set_accelerator_limit(limits.gpu)
