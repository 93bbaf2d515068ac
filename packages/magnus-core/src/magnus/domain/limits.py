"""What the container of a step may use: what the step asks for, else what the executor's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.sizes import in_mib

if TYPE_CHECKING:
    from magnus.domain.nodes import Node


class Limits(NamedTuple):
    """What the compute enforces.

    Attributes:
        cpu: Processors; None for no limit.
        memory_mib: Memory in MiB, without swap; None for no limit.
        gpu: Graphics processors.
        shm_mib: `/dev/shm` in MiB; None for the compute's default.
    """

    cpu: float | None = None
    memory_mib: int | None = None
    gpu: int = 0
    shm_mib: int | None = None


def limits_of(node: Node, executor: str, options: Any, in_general: Any) -> Limits:
    """Return the limits of a step.

    The node's own `executor_config` comes first, because it is meant for this executor; then its `resources`, which are
    meant for any; then the configuration.

    Args:
        node: The step's node.
        executor: What configurations call the executor.
        options: Resolved for the node; `cpu`, `memory`, `gpu` and `shm` are among them.
        in_general: As configured for all nodes.
    """
    asked = node.resources
    written = node.executor_config.get(executor, node.executor_config)

    def chosen(name: str, from_resources: Any) -> Any:
        own = getattr(options, name)
        is_own = name in written or own != getattr(
            in_general, name
        )  # a placeholder may set it under another name
        return own if is_own or not from_resources else from_resources

    memory = chosen("memory", asked and asked.memory_mib)
    shm = chosen("shm", asked and asked.shm_mib)
    return Limits(
        chosen("cpu", asked and asked.cpu),
        None if memory is None else in_mib(memory),
        chosen("gpu", asked and asked.gpu) or 0,
        None if shm is None else in_mib(shm),
    )
