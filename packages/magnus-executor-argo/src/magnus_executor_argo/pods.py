"""Templates that run a command of magnus in a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.nodes import Resources
from magnus.domain.render_plan import Token
from magnus.domain.role import Role
from magnus.domain.sizes import in_mib
from magnus_executor_argo.attempts import deadline, retry_strategy
from magnus_executor_argo.items import ITEMS_FILE, SCHEME
from magnus_executor_argo.yaml_text import Commented, OneLine

if TYPE_CHECKING:
    from magnus.domain.render_plan import Command, RenderedGraph, RenderedNode
    from magnus_executor_argo.config import ArgoOptions, Toleration

MAP_VARIABLE = "map-variable"
"""What templates inside maps call their input."""

_SHM = "shm"


class Tag(str):
    """Text of ours, in which `{{...}}` is meant for Argo; in any other text it would be by chance."""

    __slots__ = ()


TOKENS = {
    Token.RUN_ID: Tag("{{workflow.name}}"),
    Token.MAP_VARIABLE: Tag("{{inputs.parameters.map-variable}}"),
    Token.REASON: Tag("the workflow of Argo ended as {{workflow.status}}"),
}


def inputs(graph: RenderedGraph) -> dict[str, Any]:
    """Return the `inputs` of a template in *graph*, as an entry of it."""
    return {"inputs": {"parameters": [OneLine(name=MAP_VARIABLE)]}} if graph.items else {}


def work_template(node: RenderedNode, graph: RenderedGraph, *, guarded: bool) -> Commented:
    """Return the template that runs an attempt of *node*, or closes its graph.

    Args:
        node: The node.
        graph: What it stands in.
        guarded: Whether a failure may lead there, which Argo cannot tell from a step that could not be run.
    """
    command = (*node.command, "--if-reached") if guarded else node.command
    return _template(node, graph, node.key, command, is_work=node.role is Role.WORK)


def open_template(node: RenderedNode, graph: RenderedGraph, name: str, *, guarded: bool) -> Commented:
    """Return the template that opens the branches of *node*; that of a map leaves its items as an output."""
    command = (*node.fan_out, "--if-reached") if guarded else node.fan_out
    if node.node.map is None:
        return _template(node, graph, name, command)
    template = _template(node, graph, name, (*command, "--items-to", f"{SCHEME}{ITEMS_FILE}"))
    output = {"name": "items", "valueFrom": OneLine(path=ITEMS_FILE)}
    template["outputs"] = {"parameters": [output]}
    return template


def join_template(node: RenderedNode, graph: RenderedGraph, name: str) -> Commented:
    """Return the template that joins the branches of *node*."""
    return _template(node, graph, name, node.fan_in)


def close_template(command: Command, name: str, options: ArgoOptions) -> Commented:
    """Return the template that closes a run which the workflow did not bring to its end."""
    retries = retry_strategy(None, options.infrastructure_retries)
    entries = {"name": name} | retries | _container(command, options, _Wanted.by_others(options))
    return Commented("closes the run, if it is still open", entries)


def _template(
    node: RenderedNode, graph: RenderedGraph, name: str, command: Command, *, is_work: bool = False
) -> Commented:
    options: ArgoOptions = node.options
    who = ".".join((*graph.path, node.node.name))
    annotations = {"magnus/step": harmless(who)} | (
        {"magnus/place": harmless(node.place)} if node.place else {}
    )
    wanted = _Wanted.by_task(options, node.node.resources) if is_work else _Wanted.by_others(options)
    template = {
        "name": name,
        "metadata": {"annotations": annotations},
        **inputs(graph),
        **retry_strategy(node.node.retry if is_work else None, options.infrastructure_retries),
        **deadline(node),
        **_container(command, options, wanted),
    }
    return Commented(comment_of(node, who), template)


def comment_of(node: RenderedNode, who: str) -> str:
    """Return what leads back from a template to the dag."""
    return f"{node.place}: {who}, {node.node.type}" if node.place else f"{who}, {node.node.type}"


def harmless(text: str) -> str:
    """Return *text*, which people read, so that Argo takes nothing in it for a variable."""
    while "{{" in text:
        text = text.replace("{{", "{ {")
    return text


class _Wanted(NamedTuple):
    """What a pod asks of its machine; None, or no GPU, for what the cluster gives."""

    cpu: float | None
    memory_mib: int | None
    gpu: int = 0
    shm_mib: int | None = None

    @classmethod
    def by_others(cls, options: ArgoOptions) -> _Wanted:
        """Return what a pod asks that runs no task."""
        return cls(options.cpu, _mib(options.memory))

    @classmethod
    def by_task(cls, options: ArgoOptions, resources: Resources | None) -> _Wanted:
        """Return what the pod of a step asks: *resources* of its own, or else what *options* give to all."""
        own = resources or Resources()
        return cls(
            options.cpu if own.cpu is None else own.cpu,
            _mib(options.memory) if own.memory_mib is None else own.memory_mib,
            own.gpu or options.gpu,
            _mib(options.shm) if own.shm_mib is None else own.shm_mib,
        )


def _mib(size: int | str | None) -> int | None:
    return None if size is None else in_mib(size)


def _container(command: Command, options: ArgoOptions, wanted: _Wanted) -> dict[str, Any]:
    """Return the entries of a template that say what runs, and on what machine."""
    mounts = [
        OneLine(name=f"claim-{number}", mountPath=path)
        for number, path in enumerate(options.persistent_volumes.values())
    ]
    volumes: list[dict[str, Any]] = [
        {"name": f"claim-{number}", "persistentVolumeClaim": OneLine(claimName=claim)}
        for number, claim in enumerate(options.persistent_volumes)
    ]
    if wanted.shm_mib is not None:
        mounts.append(OneLine(name=_SHM, mountPath="/dev/shm"))  # noqa: S108 - of the pod
        volumes.append({"name": _SHM, "emptyDir": OneLine(medium="Memory", sizeLimit=f"{wanted.shm_mib}Mi")})
    words = [TOKENS[part] if isinstance(part, Token) else part for part in command]
    container: dict[str, Any] = {"image": options.docker_image}
    if options.image_pull_policy:
        container["imagePullPolicy"] = options.image_pull_policy
    container |= {"command": words[:1], "args": words[1:]}
    container |= {"env": variables} if (variables := _variables(options)) else {}
    container |= {"resources": asked} if (asked := _resources(options, wanted)) else {}
    container |= {"volumeMounts": mounts} if mounts else {}
    entries: dict[str, Any] = {}
    if options.node_selector:
        entries["nodeSelector"] = dict(options.node_selector)
    if options.tolerations:
        entries["tolerations"] = [_toleration(each) for each in options.tolerations]
    entries["container"] = container
    if volumes:
        entries["volumes"] = volumes
    return entries


def _variables(options: ArgoOptions) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [
        OneLine(name=name, value=value) for name, value in options.environment.items()
    ]
    secret = [
        {"name": each.variable, "valueFrom": {"secretKeyRef": OneLine(name=each.name, key=each.key)}}
        for each in options.secrets
    ]
    return plain + secret


def _toleration(toleration: Toleration) -> OneLine:
    names = {"toleration_seconds": "tolerationSeconds"}
    fields = ("key", "operator", "value", "effect", "toleration_seconds")
    values = {names.get(name, name): getattr(toleration, name) for name in fields}
    return OneLine({name: value for name, value in values.items() if value not in ("", None)})


def _resources(options: ArgoOptions, wanted: _Wanted) -> dict[str, Any]:
    """Return requests, and the same as limits: what a step asks for it gets, and no more."""
    asked = OneLine()
    if wanted.cpu is not None:
        asked["cpu"] = f"{max(1, round(wanted.cpu * 1000))}m"
    if wanted.memory_mib is not None:
        asked["memory"] = f"{wanted.memory_mib}Mi"
    if wanted.gpu:
        asked[options.gpu_resource] = str(wanted.gpu)
    return {"requests": asked, "limits": OneLine(asked)} if asked else {}
