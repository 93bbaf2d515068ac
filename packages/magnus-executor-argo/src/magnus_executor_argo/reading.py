"""Reads a workflow strictly: what magnus does not render is refused by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from magnus_executor_argo.depends import read_depends
from magnus_executor_argo.retry_expression import read_retry_expression
from magnus_executor_argo.strict import load
from magnus_executor_argo.workflow import Retry, Task, Template, Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_executor_argo.strict import Value

API_VERSION = "argoproj.io/v1alpha1"

_POD_FIELDS = ("outputs", "retryStrategy", "activeDeadlineSeconds", "nodeSelector", "tolerations", "volumes")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def read_workflow(text: str, path: str) -> Workflow:
    """Return the workflow that the file *path* with *text* holds.

    Raises:
        ConfigurationError: It is not right, or holds what is not interpreted.
    """
    document = load(text, path).fields(required=("apiVersion", "kind", "metadata", "spec"))
    document["apiVersion"].one_of(API_VERSION)
    kind = document["kind"].one_of("Workflow", "WorkflowTemplate", "CronWorkflow")
    metadata = document["metadata"].fields("generateName", "name", "namespace", "labels", "annotations")
    for name, value in metadata.items():
        value.texts() if name in ("labels", "annotations") else value.text()
    spec = document["spec"]
    if kind == "CronWorkflow":
        cron = spec.fields(
            *("timezone", "concurrencyPolicy", "workflowMetadata"), required=("schedules", "workflowSpec")
        )
        for schedule in cron["schedules"].items():
            schedule.text()
        spec = cron["workflowSpec"]
    return _spec(spec)


def _spec(value: Value) -> Workflow:
    fields = value.fields(
        *("onExit", "activeDeadlineSeconds", "parallelism", "serviceAccountName", "imagePullSecrets"),
        *("podMetadata", "workflowMetadata"),
        required=("entrypoint", "templates"),
    )
    for secret in fields["imagePullSecrets"].items() if "imagePullSecrets" in fields else []:
        secret.fields(required=("name",))["name"].text()
    templates: dict[str, Template] = {}
    for each in fields["templates"].items():
        template = _template(each)
        if template.name in templates:
            each.refuse("another template has this name")
        templates[template.name] = template
    return Workflow(
        entrypoint=fields["entrypoint"].text(),
        on_exit=fields["onExit"].text() if "onExit" in fields else "",
        deadline_seconds=fields["activeDeadlineSeconds"].number(1)
        if "activeDeadlineSeconds" in fields
        else None,
        parallelism=fields["parallelism"].number(1) if "parallelism" in fields else None,
        templates=templates,
    )


def _template(value: Value) -> Template:
    is_dag = isinstance(value.value, dict) and "dag" in value.value
    own = ("parallelism", "dag") if is_dag else ("container", *_POD_FIELDS)
    fields = value.fields("inputs", "metadata", *own, required=("name", "dag" if is_dag else "container"))
    if "metadata" in fields:
        fields["metadata"].fields("annotations").get("annotations", value)
    template = Template(
        name=fields["name"].text(),
        where=value.where,
        inputs=_inputs(fields),
        tasks={},
        parallelism=fields["parallelism"].number(1) if "parallelism" in fields else None,
        retry=_retry(fields["retryStrategy"]) if "retryStrategy" in fields else None,
        deadline_seconds=fields["activeDeadlineSeconds"].number(1)
        if "activeDeadlineSeconds" in fields
        else None,
        image="",
        command=(),
        environment={},
        secrets=(),
        outputs=_outputs(fields),
    )
    return template._replace(tasks=_tasks(fields["dag"])) if is_dag else _container(fields, template)


def _inputs(fields: Mapping[str, Value]) -> tuple[str, ...]:
    if "inputs" not in fields:
        return ()
    parameters = fields["inputs"].fields(required=("parameters",))["parameters"].items()
    return tuple(each.fields(required=("name",))["name"].text() for each in parameters)


def _outputs(fields: Mapping[str, Value]) -> dict[str, str]:
    if "outputs" not in fields:
        return {}
    outputs = {}
    for each in fields["outputs"].fields(required=("parameters",))["parameters"].items():
        output = each.fields(required=("name", "valueFrom"))
        outputs[output["name"].text()] = output["valueFrom"].fields(required=("path",))["path"].text()
    return outputs


def _tasks(value: Value) -> dict[str, Task]:
    fields = value.fields(required=("failFast", "tasks"))
    if fields["failFast"].value is not False:
        fields["failFast"].refuse("only false is interpreted")
    tasks: dict[str, Task] = {}
    for each in fields["tasks"].items():
        task = _task(each)
        if task.name in tasks:
            each.refuse("another task has this name")
        tasks[task.name] = task
    if not tasks:
        value.refuse("a dag without tasks is not interpreted")
    return tasks


def _task(value: Value) -> Task:
    fields = value.fields("depends", "when", "arguments", "withParam", required=("name", "template"))
    arguments = {}
    if "arguments" in fields:
        for each in fields["arguments"].fields(required=("parameters",))["parameters"].items():
            argument = each.fields(required=("name", "value"))
            arguments[argument["name"].text()] = argument["value"].text()
    return Task(
        name=fields["name"].text(),
        template=fields["template"].text(),
        depends=fields["depends"].read_by(read_depends) if "depends" in fields else None,
        when=fields["when"].text() if "when" in fields else "",
        arguments=arguments,
        with_param=fields["withParam"].text() if "withParam" in fields else "",
    )


def _retry(value: Value) -> Retry:
    fields = value.fields("backoff", required=("limit", "retryPolicy", "expression"))
    fields["retryPolicy"].one_of("Always")
    seconds, factor = 0.0, 1
    if "backoff" in fields:
        backoff = fields["backoff"].fields(required=("duration", "factor"))
        seconds, factor = backoff["duration"].read_by(_seconds), backoff["factor"].number(1)
    expression = fields["expression"].read_by(read_retry_expression)
    return Retry(fields["limit"].number(), expression, seconds, factor)


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        message = f"{text!r} is not interpreted; known are seconds, like '2.5s'"
        raise ValueError(message)
    return float(match[1])


def _container(fields: Mapping[str, Value], template: Template) -> Template:
    container = fields["container"].fields(
        *("imagePullPolicy", "env", "resources", "volumeMounts"), required=("image", "command", "args")
    )
    if "resources" in container:
        for each in container["resources"].fields("requests", "limits").values():
            each.texts()
    environment, secrets = {}, []
    for each in container["env"].items() if "env" in container else []:
        variable = each.fields("value", "valueFrom", required=("name",))
        if "valueFrom" in variable:
            source = variable["valueFrom"].fields(required=("secretKeyRef",))
            source["secretKeyRef"].fields(required=("name", "key"))
            secrets.append(variable["name"].text())
        else:
            environment[variable["name"].text()] = each.fields("name", required=("value",))["value"].text()
    words = [*container["command"].items(), *container["args"].items()]
    return template._replace(
        image=container["image"].text(),
        command=tuple(word.text() for word in words),
        environment=environment,
        secrets=tuple(secrets),
    )
