"""Reads a compiled pipeline: what magnus renders, and nothing more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from magnus.errors import ConfigurationError
from magnus_executor_kubeflow.strict import Strict

if TYPE_CHECKING:
    from collections.abc import Mapping

JOB_ID = "{{$.pipeline_job_uuid}}"
"""What Kubeflow replaces by its own name of the run; where a value is just that."""

PLACEHOLDER = re.compile(
    r"\{\{\$\.(?:inputs\.parameters\['(?P<input>[^']+)'\]|outputs\.parameters\['(?P<output>[^']+)'\]\.output_file)\}\}"
)
"""What is replaced anywhere in the arguments of a container: the value of an input, the file for an output."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")
_TYPES = ("STRING", "LIST")
_SCHEMA = "2.1.0"
_NEVER = (False,)
_AT_ANY_END = "ALL_UPSTREAM_TASKS_COMPLETED"


class FromInput(NamedTuple):
    """The value of an input of the graph around a task."""

    name: str


class FromOutput(NamedTuple):
    """The value that another task has handed on."""

    task: str
    output: str


class Constant(NamedTuple):
    """A text."""

    text: str


Source = FromInput | FromOutput | Constant


class Retry(NamedTuple):
    """How a task is tried again.

    Attributes:
        times: After the first attempt.
        pause_seconds: Before the second.
        factor: By which each pause is longer than the one before.
        try_for_seconds: Argo tries no more when that time has passed since the first attempt began.
    """

    times: int = 0
    pause_seconds: float = 0.0
    factor: float = 2.0
    try_for_seconds: float = 3600.0


class Loop(NamedTuple):
    """A task is run for each item of a list.

    Attributes:
        items: The input that holds the list.
        item: The input that gets the item.
        at_once: How many may run at the same time; None for any number.
    """

    items: str
    item: str
    at_once: int | None


class Task(NamedTuple):
    """A task of a graph.

    Attributes:
        name: Its name in the graph.
        component: What it runs.
        after: The tasks that must have ended.
        inputs: Where its inputs come from.
        retry: How it is tried again.
        loop: Over what it is repeated; None for a single one.
        at_any_end: Whether it also runs if those before it failed.
    """

    name: str
    component: str
    after: tuple[str, ...]
    inputs: Mapping[str, Source]
    retry: Retry
    loop: Loop | None
    at_any_end: bool


class Container(NamedTuple):
    """What runs in a container.

    Attributes:
        image: The image.
        arguments: The argument vector, with placeholders.
        environment: The variables.
    """

    image: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


class Component(NamedTuple):
    """What a task runs: a container, or a graph.

    Attributes:
        inputs: The names of the inputs.
        outputs: The names of the outputs, each a list.
        container: The container; None for a graph.
        tasks: The tasks of a graph.
    """

    inputs: frozenset[str]
    outputs: frozenset[str]
    container: Container | None
    tasks: Mapping[str, Task]


class Pipeline(NamedTuple):
    """A whole pipeline.

    Attributes:
        root: The outermost graph.
        components: By name.
    """

    root: Component
    components: Mapping[str, Component]


def read_pipeline(text: str, file: str) -> Pipeline:
    """Return the pipeline that *text* is.

    Raises:
        ConfigurationError: It is none, or holds what magnus does not render.
    """
    try:
        document = Strict(yaml.safe_load(text), "", file).mapping()
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}: no YAML: {error}") from error
    information = document.take("pipelineInfo").mapping()
    information.text("name")
    if information.has("description"):
        information.text("description")
    information.end()
    document.expect("schemaVersion", _SCHEMA)
    document.text("sdkVersion")
    deployment = document.take("deploymentSpec").mapping()
    executors = {
        name: _container(each.mapping()) for name, each in deployment.take("executors").mapping().items()
    }
    deployment.end()
    components = {
        name: _component(each.mapping(), executors)
        for name, each in document.take("components").mapping().items()
    }
    root = _component(document.take("root").mapping(), executors)
    document.end()
    pipeline = Pipeline(root, components)
    _check_references(pipeline, file)
    return pipeline


def _container(executor: Strict) -> Container:
    container = executor.take("container").mapping()
    executor.end()
    arguments = (*container.texts("command"), *container.texts("args"))
    for argument in arguments:
        if "{{" in PLACEHOLDER.sub("", argument):
            container.refuse(f"{argument!r} holds a placeholder that is not interpreted")
    environment = {}
    for variable in container.list("env"):
        environment[variable.mapping().text("name")] = variable.text("value")
        variable.end()
    if container.has("resources"):
        _check_resources(container.take("resources").mapping())
    image = container.text("image")
    container.end()
    return Container(image, arguments, environment)


def _check_resources(resources: Strict) -> None:
    """Read what the cluster enforces, and nobody here."""
    for key in ("cpuLimit", "memoryLimit"):
        resources.number(key, 0)
    for key in ("resourceCpuLimit", "resourceMemoryLimit"):
        if resources.has(key):
            resources.text(key)
    if resources.has("accelerator"):
        accelerator = resources.take("accelerator").mapping()
        for key in ("count", "resourceCount", "type", "resourceType"):
            accelerator.text(key)
        accelerator.end()
    resources.end()


def _component(component: Strict, executors: Mapping[str, Container]) -> Component:
    inputs = _definitions(component.take_mapping("inputDefinitions"))
    outputs = _definitions(component.take_mapping("outputDefinitions"))
    container, tasks = None, {}
    if component.has("executorLabel"):
        label = component.text("executorLabel")
        if label not in executors:
            component.refuse(f"there is no executor '{label}'")
        container = executors[label]
        _check_placeholders(component, container, inputs, outputs)
    else:
        dag = component.take("dag").mapping()
        tasks = {name: _task(name, task.mapping()) for name, task in dag.take("tasks").mapping().items()}
        dag.end()
    component.end()
    return Component(frozenset(inputs), frozenset(outputs), container, tasks)


def _definitions(definitions: Strict) -> set[str]:
    names = set()
    for name, parameter in definitions.take_mapping("parameters").items():
        parameter.mapping().expect("parameterType", *_TYPES)
        parameter.end()
        names.add(name)
    definitions.end()
    return names


def _check_placeholders(component: Strict, container: Container, inputs: set[str], outputs: set[str]) -> None:
    for argument in container.arguments:
        for match in PLACEHOLDER.finditer(argument):
            if (match["input"] or match["output"]) not in (inputs if match["input"] else outputs):
                component.refuse(f"{match[0]} names what the component does not have")


def _task(name: str, task: Strict) -> Task:
    information = task.take("taskInfo").mapping()
    information.text("name")
    information.end()
    if task.has("cachingOptions"):
        caching = task.take("cachingOptions").mapping()
        if caching.has("enableCache"):
            caching.expect("enableCache", *_NEVER)
        caching.end()
    reference = task.take("componentRef").mapping()
    component = reference.text("name")
    reference.end()
    inputs = task.take_mapping("inputs")
    sources = {key: _source(source.mapping()) for key, source in inputs.take_mapping("parameters").items()}
    inputs.end()
    at_any_end = task.has("triggerPolicy")
    if at_any_end:
        policy = task.take("triggerPolicy").mapping()
        policy.expect("strategy", _AT_ANY_END)
        policy.end()
    after = tuple(task.texts("dependentTasks"))
    read = Task(name, component, after, sources, _retry(task), _loop(task), at_any_end)
    task.end()
    return read


def _source(source: Strict) -> Source:
    read: Source
    if source.has("componentInputParameter"):
        read = FromInput(source.text("componentInputParameter"))
    elif source.has("taskOutputParameter"):
        output = source.take("taskOutputParameter").mapping()
        read = FromOutput(output.text("producerTask"), output.text("outputParameterKey"))
        output.end()
    else:
        value = source.take("runtimeValue").mapping()
        read = Constant(value.text("constant"))
        if "{{" in read.text and read.text != JOB_ID:
            value.refuse(f"{read.text!r} holds a placeholder that is not interpreted")
        value.end()
    source.end()
    return read


def _retry(task: Strict) -> Retry:
    if not task.has("retryPolicy"):
        return Retry()
    policy = task.take("retryPolicy").mapping()
    usual = Retry()
    retry = Retry(
        int(policy.number("maxRetryCount", usual.times)),
        _seconds(policy, "backoffDuration"),
        policy.number("backoffFactor", usual.factor),
        _seconds(policy, "backoffMaxDuration"),
    )
    policy.end()
    return retry


def _seconds(policy: Strict, key: str) -> float:
    match = _DURATION.fullmatch(policy.text(key))
    if match is None:
        policy.refuse(f"{key} is {policy.value[key]!r}, and not a number of seconds like '5s'")
    return float(match[1])


def _loop(task: Strict) -> Loop | None:
    at_once = None
    if task.has("iteratorPolicy"):
        policy = task.take("iteratorPolicy").mapping()
        at_once = int(policy.number("parallelismLimit", 0)) or None
        policy.end()
    if not task.has("parameterIterator"):
        return None
    iterator = task.take("parameterIterator").mapping()
    items = iterator.take("items").mapping()
    loop = Loop(items.text("inputParameter"), iterator.text("itemInput"), at_once)
    items.end()
    iterator.end()
    return loop


def _check_references(pipeline: Pipeline, file: str) -> None:
    """Refuse what names something that is not there, or waits for itself.

    Raises:
        ConfigurationError: Names it.
    """
    graphs = {"root": pipeline.root, **pipeline.components}
    for graph_name, graph in graphs.items():
        for task in graph.tasks.values():
            problem = _problem(task, graph, pipeline)
            if problem:
                raise ConfigurationError(f"{file}: the task '{task.name}' of {graph_name} {problem}")
        waiting = dict(graph.tasks)
        while waiting:
            ready = [
                name for name, task in waiting.items() if not any(each in waiting for each in task.after)
            ]
            if not ready:
                raise ConfigurationError(
                    f"{file}: tasks of {graph_name} wait for each other: {', '.join(waiting)}"
                )
            for name in ready:
                del waiting[name]
    _refuse_nesting(pipeline, file)


def _problem(task: Task, graph: Component, pipeline: Pipeline) -> str:
    component = pipeline.components.get(task.component)
    if component is None:
        return f"names the component '{task.component}', which is not there"
    if missing := [name for name in task.after if name not in graph.tasks]:
        return f"waits for '{missing[0]}', which is not there"
    given = set(task.inputs) | ({task.loop.item} if task.loop else set())
    if given != component.inputs:
        return f"gives {sorted(given)}, and its component takes {sorted(component.inputs)}"
    if task.loop and task.loop.items not in task.inputs:
        return f"repeats over '{task.loop.items}', which it is not given"
    for source in task.inputs.values():
        if isinstance(source, FromInput) and source.name not in graph.inputs:
            return f"takes '{source.name}', which the graph around it does not have"
        if isinstance(source, FromOutput) and not _hands_on(source, task, graph, pipeline):
            return f"takes '{source.output}' of '{source.task}', which does not hand that on before"
    return ""


def _hands_on(source: FromOutput, task: Task, graph: Component, pipeline: Pipeline) -> bool:
    if source.task not in task.after:
        return False
    producer = graph.tasks.get(source.task)
    component = producer and pipeline.components.get(producer.component)
    return component is not None and source.output in component.outputs


def _refuse_nesting(pipeline: Pipeline, file: str) -> None:
    """Refuse components that hold themselves."""
    holds: dict[str, set[Any]] = {
        name: {task.component for task in component.tasks.values()}
        for name, component in pipeline.components.items()
    }
    while holds:
        innermost = [name for name, held in holds.items() if not held & holds.keys()]
        if not innermost:
            raise ConfigurationError(f"{file}: components hold each other: {', '.join(holds)}")
        for name in innermost:
            del holds[name]
