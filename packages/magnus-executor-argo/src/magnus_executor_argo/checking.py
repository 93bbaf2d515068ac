"""Checks what no schema can: that everything a workflow refers to is there, and that every variable has a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from magnus.errors import ConfigurationError
from magnus_executor_argo.variables import variables_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus_executor_argo.workflow import Task, Template, Workflow

_OUTPUT = re.compile(r"\{\{tasks\.([A-Za-z0-9-]+)\.outputs\.parameters\.([A-Za-z0-9-]+)\}\}")
_WHEN = re.compile(r"\S+ (==|!=) \S+")

RUN_ID, STATUS = "workflow.name", "workflow.status"


def check_workflow(workflow: Workflow, path: str) -> None:
    """Refuse a workflow in which something is missing.

    Raises:
        ConfigurationError: Says what, and where.
    """
    for what, name in (("entrypoint", workflow.entrypoint), ("onExit", workflow.on_exit)):
        if name and name not in workflow.templates:
            _refuse(f"{path}.spec.{what}", f"there is no template '{name}'")
        if name and workflow.templates[name].inputs:
            _refuse(f"{path}.spec.{what}", f"nobody gives the template '{name}' its inputs")
    for template in workflow.templates.values():
        for task in template.tasks.values():
            _check_task(workflow, template, task)
        if template.is_dag:
            _check_order(template)
    during = _called(workflow, workflow.entrypoint)
    after = _called(workflow, workflow.on_exit) if workflow.on_exit else []
    for template in workflow.templates.values():
        if template.name not in during and template.name not in after:
            _refuse(template.where, "no task calls the template")
        known = {RUN_ID} | ({STATUS} if template.name not in during else set())
        _check_variables(template, known)


def _refuse(where: str, message: str) -> NoReturn:
    raise ConfigurationError(f"{where}: {message}")


def _check_task(workflow: Workflow, template: Template, task: Task) -> None:
    where = f"{template.where}, task '{task.name}'"
    called = workflow.templates.get(task.template)
    if called is None:
        _refuse(where, f"there is no template '{task.template}'")
    if set(task.arguments) != set(called.inputs):
        given, wanted = ", ".join(sorted(task.arguments)) or "none", ", ".join(called.inputs) or "none"
        _refuse(where, f"the template '{task.template}' takes the parameters {wanted}, and is given {given}")
    for name in sorted(task.depends.tasks() if task.depends else []):
        if name not in template.tasks:
            _refuse(where, f"it depends on '{name}', and there is no such task beside it")
    if task.when and not _WHEN.fullmatch(task.when):
        _refuse(where, f"when: {task.when!r} is not interpreted; known are 'A == B' and 'A != B'")
    if not task.with_param:
        return
    output = _OUTPUT.fullmatch(task.with_param)
    if output is None:
        _refuse(where, f"withParam: {task.with_param!r} is not interpreted; known is an output of a task")
    if output[1] not in (task.depends.tasks() if task.depends else ()):
        _refuse(where, f"withParam: it takes an output of '{output[1]}', and does not depend on that")
    if output[2] not in workflow.templates[template.tasks[output[1]].template].outputs:
        _refuse(where, f"withParam: '{output[1]}' has no output '{output[2]}'")


def in_order(template: Template) -> list[Task]:
    """Return the tasks of a dag, each after those that it depends on; those in a circle are left out."""
    after: dict[str, list[str]] = {name: [] for name in template.tasks}
    missing = {}
    for task in template.tasks.values():
        needed = task.depends.tasks() if task.depends else frozenset()
        missing[task.name] = len(needed)
        for name in needed:
            after[name].append(task.name)
    ready = [name for name, count in missing.items() if count == 0]
    found = []
    for name in ready:
        found.append(template.tasks[name])
        for following in after[name]:
            missing[following] -= 1
            if missing[following] == 0:
                ready.append(following)
    return found


def last_task(template: Template) -> Task:
    """Return the one task of a dag that no other depends on."""
    needed = {name for task in template.tasks.values() if task.depends for name in task.depends.tasks()}
    last = [task for name, task in template.tasks.items() if name not in needed]
    if len(last) != 1:
        names = ", ".join(f"'{task.name}'" for task in last)
        _refuse(
            template.where,
            f"only dags with one last task are interpreted, for the phase of the whole; here: {names}",
        )
    return last[0]


def _check_order(template: Template) -> None:
    if len(in_order(template)) < len(template.tasks):
        _refuse(template.where, "tasks depend on each other in a circle")
    last_task(template)


def _called(workflow: Workflow, name: str) -> set[str]:
    """Return the templates that *name* calls in the end, itself included; refuses one that calls itself."""
    found: set[str] = set()
    above: list[tuple[str, Iterator[str]]] = [(name, _calls(workflow, name))]
    within = {name}
    while above:
        current, calls = above[-1]
        following = next(calls, None)
        if following is None:
            above.pop()
            within.discard(current)
            found.add(current)
        elif following in within:
            _refuse(workflow.templates[following].where, "the template calls itself in the end")
        elif following not in found:
            within.add(following)
            above.append((following, _calls(workflow, following)))
    return found


def _calls(workflow: Workflow, name: str) -> Iterator[str]:
    return iter([task.template for task in workflow.templates[name].tasks.values()])


def _check_variables(template: Template, known: set[str]) -> None:
    inputs = {f"inputs.parameters.{name}" for name in template.inputs}
    _check_texts(template.where, [*template.command, *template.environment.values()], known | inputs)
    _check_texts(template.where, [*template.outputs.values()], set())
    for task in template.tasks.values():
        where = f"{template.where}, task '{task.name}'"
        item = {"item"} if task.with_param else set()
        _check_texts(where, task.arguments.values(), known | inputs | item)
        _check_texts(where, [task.when], known)


def _check_texts(where: str, texts: Iterable[str], known: set[str]) -> None:
    for text in texts:
        try:
            names = variables_in(text)
        except ValueError as error:
            _refuse(where, str(error))
        for name in names:
            if name not in known:
                listed = ", ".join(sorted(known)) or "none"
                _refuse(where, f"there is no variable '{name}' here; known are {listed}")
