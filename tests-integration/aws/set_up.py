"""What an account needs before a job can be submitted: a role, compute environments, queues; and buckets and secrets."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
SPOT, ON_DEMAND = "spot", "on-demand"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "batch.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


class SetUp:
    """Makes things in an account, and returns their names."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        """Make things by the clients that *client* returns for the name of a service."""
        self._client = client
        self._queues: set[str] = set()
        self._role = ""

    def forget(self) -> None:
        """Make everything anew when it is asked for: the account is empty again."""
        self._queues.clear()
        self._role = ""

    def queue(self, name: str = SPOT, *, most_vcpus: int | None = None) -> str:
        """Return the name of a queue, which is made at the first call, with a compute environment `<name>-environment`.

        Args:
            name: Of the queue.
            most_vcpus: What the environment has; by default it says nothing about that.
        """
        if name not in self._queues:
            environment = self._compute_environment(f"{name}-environment", most_vcpus)
            self._client("batch").create_job_queue(
                jobQueueName=name,
                state="ENABLED",
                priority=1,
                computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
            )
            self._queues.add(name)
        return name

    def _compute_environment(self, name: str, most_vcpus: int | None) -> str:
        kind: dict[str, Any] = {"type": "UNMANAGED"}
        if most_vcpus is not None:
            ec2 = self._client("ec2")
            resources = {
                "type": "FARGATE",
                "maxvCpus": most_vcpus,
                "subnets": [item["SubnetId"] for item in ec2.describe_subnets()["Subnets"]],
                "securityGroupIds": [
                    item["GroupId"] for item in ec2.describe_security_groups()["SecurityGroups"]
                ],
            }
            kind = {"type": "MANAGED", "computeResources": resources}
        answer = self._client("batch").create_compute_environment(
            computeEnvironmentName=name, state="ENABLED", serviceRole=self.role(), **kind
        )
        arn: str = answer["computeEnvironmentArn"]
        return arn

    def queues(self) -> tuple[str, str]:
        """Return the names of two queues, one for hosts that may be reclaimed and one for others."""
        return self.queue(SPOT), self.queue(ON_DEMAND)

    def role(self) -> str:
        """Return the ARN of a role for the service and for jobs."""
        if not self._role:
            iam = self._client("iam")
            answer = iam.create_role(RoleName="batch", AssumeRolePolicyDocument=json.dumps(_TRUST))
            self._role = answer["Role"]["Arn"]
        return self._role

    def bucket(self) -> str:
        """Return the name of a new, empty bucket."""
        name = f"magnus-{uuid.uuid4().hex}"
        self._client("s3").create_bucket(Bucket=name)
        return name

    def secret(self, value: str, name: str = "") -> str:
        """Return the name of a new secret."""
        name = name or f"magnus-{uuid.uuid4().hex}"
        self._client("secretsmanager").create_secret(Name=name, SecretString=value)
        return name

    def job_definition(self, image: str, name: str = "", **more: Any) -> str:
        """Return the ARN of a new job definition of a small container; *more* goes into `containerProperties`."""
        properties = {"image": image, "command": ["true"], **more}
        properties.setdefault(
            "resourceRequirements", [{"type": "MEMORY", "value": "256"}, {"type": "VCPU", "value": "1"}]
        )
        answer = self._client("batch").register_job_definition(
            jobDefinitionName=name or f"definition-{uuid.uuid4().hex[:8]}",
            type="container",
            containerProperties=properties,
        )
        arn: str = answer["jobDefinitionArn"]
        return arn
