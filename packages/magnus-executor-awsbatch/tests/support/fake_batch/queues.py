"""The fake's queues, compute environments and job definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .containers import requirement
from .errors import ServiceRefusal
from .lifecycle import TOO_MANY_VCPUS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .jobs import Job

PREFIX = "arn:aws:batch:us-east-1:123456789012"


class Registry:
    """What jobs are submitted to, and from."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._queues: dict[str, dict[str, Any]] = {}
        self._environments: dict[str, dict[str, Any]] = {}
        self._definitions: list[dict[str, Any]] = []

    def add_queue(self, name: str, most_vcpus: int) -> None:
        """Add a queue with a compute environment of its own."""
        environment = f"{name}-environment"
        self._environments[environment] = {
            "computeEnvironmentName": environment,
            "computeEnvironmentArn": f"{PREFIX}:compute-environment/{environment}",
            "type": "MANAGED",
            "state": "ENABLED",
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "computeResources": {
                "type": "SPOT",
                "minvCpus": 0,
                "maxvCpus": most_vcpus,
                "instanceTypes": ["optimal"],
                "subnets": ["subnet-0"],
                "securityGroupIds": ["sg-0"],
            },
            "containerOrchestrationType": "ECS",
        }
        self._queues[name] = {
            "jobQueueName": name,
            "jobQueueArn": f"{PREFIX}:job-queue/{name}",
            "state": "ENABLED",
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": 1,
            "computeEnvironmentOrder": [
                {"order": 1, "computeEnvironment": f"{PREFIX}:compute-environment/{environment}"}
            ],
        }

    def change_queue(self, name: str, **changes: Any) -> None:
        """Change what is said of a queue, such as its `state` or `status`."""
        self._queues[name].update(changes)

    def remove_queue(self, name: str) -> None:
        """Remove a queue, though not its environment."""
        del self._queues[name]

    def change_environment(self, name: str, **changes: Any) -> None:
        """Change what is said of the compute environment of the queue *name*, such as its `state`."""
        self._environments[f"{name}-environment"].update(changes)

    def queue(self, name: str) -> dict[str, Any]:
        """Return a queue by name or ARN.

        Raises:
            ServiceRefusal: There is none.
        """
        found = self._queues.get(_name(name))
        if found is None:
            raise ServiceRefusal("ClientException", f"JobQueue {name} not found")
        return found

    def problem(self, job: Job) -> str | None:
        """Return why a job cannot be placed: empty if nothing is said about it, None if it can be."""
        environment = self._environments[f"{job.queue_name}-environment"]
        if environment["state"] != "ENABLED":
            return ""
        is_too_large = (requirement(job, "VCPU") or 0) > environment["computeResources"]["maxvCpus"]
        return TOO_MANY_VCPUS if is_too_large else None

    def describe_queues(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `DescribeJobQueues`."""
        return {"jobQueues": _chosen(self._queues, request.get("jobQueues"))}

    def describe_environments(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `DescribeComputeEnvironments`."""
        return {"computeEnvironments": _chosen(self._environments, request.get("computeEnvironments"))}

    def register(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `RegisterJobDefinition`."""
        name = request["jobDefinitionName"]
        revision = 1 + sum(item["jobDefinitionName"] == name for item in self._definitions)
        arn = f"{PREFIX}:job-definition/{name}:{revision}"
        container = {
            key: list(request["containerProperties"].get(key) or [])
            for key in (
                "command",
                "environment",
                "mountPoints",
                "resourceRequirements",
                "secrets",
                "ulimits",
                "volumes",
            )
        }
        definition = {"parameters": {}, "tags": {}, "platformCapabilities": ["EC2"], **request}
        definition |= {"jobDefinitionArn": arn, "revision": revision, "status": "ACTIVE"}
        definition["containerProperties"] = {**request["containerProperties"], **container}
        self._definitions.append(definition)
        return {"jobDefinitionName": name, "jobDefinitionArn": arn, "revision": revision}

    def deregister(self, arn: str) -> None:
        """Turn a definition to INACTIVE."""
        for definition in self._definitions:
            if definition["jobDefinitionArn"] == arn:
                definition["status"] = "INACTIVE"

    def definitions(self) -> list[dict[str, Any]]:
        """Return all job definitions."""
        return self._definitions

    def describe_definitions(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `DescribeJobDefinitions`."""
        wanted, name, status = (request.get(key) for key in ("jobDefinitions", "jobDefinitionName", "status"))
        found = [
            item
            for item in reversed(self._definitions)
            if (not wanted or {item["jobDefinitionArn"], _name(item["jobDefinitionArn"])} & set(wanted))
            and (not name or item["jobDefinitionName"] == name)
            and (not status or item["status"] == status)
        ]
        return {"jobDefinitions": found}


def _chosen(known: Mapping[str, dict[str, Any]], wanted: list[str] | None) -> list[dict[str, Any]]:
    if wanted is None:
        return list(known.values())
    return [known[name] for name in map(_name, wanted) if name in known]


def _name(name_or_arn: str) -> str:
    return name_or_arn.rpartition("/")[2]
