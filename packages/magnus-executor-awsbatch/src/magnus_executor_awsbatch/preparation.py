"""What has to be there before the first job: queues that start jobs, and job definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError
from magnus_executor_awsbatch.answers import JobDefinition
from magnus_executor_awsbatch.config import BATCH_LOG_GROUP
from magnus_executor_awsbatch.requests import definition_request, resources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus_executor_awsbatch.answers import Queue
    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.config import AwsBatchOptions
    from magnus_executor_awsbatch.requests import Resources


class Definitions:
    """Job definitions: found by their names, or registered once for their content."""

    def __init__(self, batch: Batch) -> None:
        """Know none yet."""
        self._batch = batch
        self._known: dict[object, JobDefinition] = {}

    def of(self, options: AwsBatchOptions, resources: Resources) -> JobDefinition:
        """Return the definition for a node with these options.

        Raises:
            ConfigurationError: The one that is named does not exist.
            ServiceError: Batch cannot be asked, or refuses to register it.
        """
        key = _key(options, resources)
        if key not in self._known:
            self._known[key] = self._find(options, resources)
        return self._known[key]

    def log_group(self, options: AwsBatchOptions, resources: Resources) -> str:
        """Return the log group that jobs of that definition write to."""
        found = self.of(options, resources).log_group
        return found or (options.log_group if options.docker_image else BATCH_LOG_GROUP)

    def _find(self, options: AwsBatchOptions, resources: Resources) -> JobDefinition:
        if options.job_definition:
            found = self._batch.job_definition(options.job_definition)
            if found is None:
                message = (
                    f"there is no active job definition '{options.job_definition}'; register it, or name `docker_image` in "
                    "its place"
                )
                raise ConfigurationError(message)
            return found
        request = definition_request(options, resources)
        found = self._batch.job_definition(request["jobDefinitionName"])
        if found is not None:
            return found
        return JobDefinition(self._batch.register(request), options.docker_image, options.log_group)


def _key(options: AwsBatchOptions, resources: Resources) -> object:
    if options.job_definition:
        return options.job_definition
    return (
        options.docker_image,
        options.job_role,
        options.execution_role,
        options.platform,
        options.assign_public_ip,
        options.log_group,
        resources,
    )


def refuse_queues(
    batch: Batch, graph: Graph, options_of: Callable[[Node], AwsBatchOptions], in_general: AwsBatchOptions
) -> None:
    """Make sure that every queue is there, starts jobs, and can be large enough for what is sent to it.

    Raises:
        ConfigurationError: Holds everything that is wrong.
    """
    nodes = [node for _, node in graph.walk() if node.task is not None]
    names = list(dict.fromkeys(queue for node in nodes for queue in options_of(node).queues))
    if not names:
        return
    queues = _by_name(names, batch)
    problems = [f"there is no job queue '{name}'" for name in names if name not in queues]
    problems += [queue.problem for queue in queues.values() if queue.problem]
    for node in nodes:
        options = options_of(node)
        vcpus = resources_of(node, options, in_general).vcpus
        for name in options.queues:
            most = queues[name].most_vcpus if name in queues else None
            if most is not None and vcpus > most:
                problems.append(
                    f"step '{node.name}': it asks for {vcpus:g} processors, and the queue '{name}' never has more than {most}"
                )
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))


def _by_name(names: list[str], batch: Batch) -> Mapping[str, Queue]:
    found = {queue.name: queue for queue in batch.queues(names)}
    return {name: found[short] for name in names if (short := name.rpartition("/")[2]) in found}
