"""The executor `mocked`: walks the dag without running it, but for the steps that are patched."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.nodes import TaskSettings
from magnus.errors import ConfigurationError
from magnus.ports.executor import CommonOptions, InteractiveExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import Job
    from magnus.domain.nodes import Node
    from magnus.domain.run_log import Status
    from magnus.ports.executor import ComputeNeeds, StepRunner

_PATCH_KEYS = frozenset({"command", "command_type", "command_config"})


@dataclass(frozen=True, slots=True)
class MockedOptions(CommonOptions):
    """Options of `mocked`.

    Attributes:
        patches: What runs instead of a step, by its internal name, or by its own name for all steps called so:
            `command`, and where they differ from the step's own `command_type` and `command_config`. Steps
            without a patch run nothing and succeed.
    """

    patches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class MockedExecutor(InteractiveExecutor):
    """Lets a dag be tested: its edges, its parameters, its failure paths."""

    Options = MockedOptions

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(placement=Placement.SAME_PROCESS, runs_tasks=False)

    def prepare_for_graph_execution(
        self,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Sequence[ComputeNeeds],
        run_here: StepRunner,
    ) -> None:
        """Refuse patches that would silently patch nothing."""
        known: set[str] = set()
        for path, node in graph.walk():
            if node.task is not None:
                known |= {node.name, ".".join((*path, node.name))}
        for name, patch in self.options.patches.items():
            if name not in known and not _matches_map_item(name, known):
                message = f"executor mocked: the patch '{name}' names no task; the tasks are {', '.join(sorted(known))}"
                raise ConfigurationError(message)
            if unknown := sorted(patch.keys() - _PATCH_KEYS):
                message = (
                    f"executor mocked: the patch '{name}' has unknown keys {', '.join(unknown)}; "
                    "it takes command, command_type and command_config"
                )
                raise ConfigurationError(message)

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Run the patch of the step, or nothing."""
        patch = self.options.patches.get(job.step_name, self.options.patches.get(job.node.name))
        return run_here(job._replace(node=_patched(job.node, patch)))


def _matches_map_item(name: str, known: set[str]) -> bool:
    """Whether *name* is a step inside a map, whose branches have names only when it runs."""
    parts = name.split(".")
    return any(len(parts) == len(path := other.split(".")) and parts[::2] == path[::2] for other in known)


def _patched(node: Node, patch: Any) -> Node:
    if patch is None:
        return node._replace(task=None, catalog=None)
    if node.task is None:
        return node
    task = TaskSettings(
        command=patch.get("command", node.task.command),
        command_type=patch.get("command_type", node.task.command_type),
        command_config=patch.get("command_config", {} if "command" in patch else node.task.command_config),
    )
    return node._replace(task=task)
