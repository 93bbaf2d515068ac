"""What jobs of AWS Batch need for each service, and what they cannot use, where the declarations of both do not tell enough.

The options of services belong to another package, so they are known here by their names only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from magnus.domain.verdict import Judgement, Verdict
from magnus.ports.executor import ComputeNeeds
from magnus.ports.integration import Integration
from magnus_executor_awsbatch.iam import s3_statements, statement

if TYPE_CHECKING:
    from magnus_executor_awsbatch.config import AwsBatchOptions

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - an address to look for, not to listen on
_HANDOVER = "handover"


class _OnThisMachine(Integration):
    """A service that lives on the machine of the traversal, where no job of AWS gets to."""

    reason: ClassVar[str]
    remedy: ClassVar[str]

    def validate(self, executor_options: AwsBatchOptions, service_options: Any) -> Verdict:
        """It cannot be used."""
        return Verdict(Judgement.ERROR, self.reason, self.remedy)


class RunLogOnThisMachine(_OnThisMachine):
    """`file-system`, `chunked-fs` and `buffered`."""

    reason = "the run log is kept on this machine, and a job of AWS Batch can neither read nor write it"
    remedy = "choose the run_log_store 's3', or 'sql' with a server that jobs can reach"


class CatalogOnThisMachine(_OnThisMachine):
    """`file-system`."""

    reason = "the catalog is a folder of this machine, and a job of AWS Batch does not see it"
    remedy = "choose the catalog 's3'"


class SecretsOnThisMachine(_OnThisMachine):
    """`dotenv` and `env-secrets-manager`."""

    reason = (
        "the secrets are on this machine, and would have to be written down in AWS for a job to have them"
    )
    remedy = "choose the secrets 'aws-secrets-manager', which jobs fetch themselves"


class S3Objects(Integration):
    """The run log and the catalog `s3`: reached over the network, with the job role's permission."""

    name: ClassVar[str]
    actions: ClassVar[tuple[str, ...]]

    def validate(self, executor_options: AwsBatchOptions, service_options: Any) -> Verdict:
        """See whether a job can mean the same address."""
        return _judge_address(
            executor_options,
            service_options.endpoint_url or "",
            f"jobs reach the bucket '{service_options.bucket}' over the network, as the job role allows "
            "(`magnus check --iam` prints the policy)",
        )

    def configure_for_traversal(
        self, executor_options: AwsBatchOptions, service_options: Any
    ) -> ComputeNeeds:
        """Ask for what the role must allow, and lend a place for what jobs are told."""
        bucket, prefix = service_options.bucket, service_options.prefix.strip("/")
        statements = s3_statements(self.name, bucket, prefix, self.actions)
        # The handover is read by the executor, at the address and in the region that it knows.
        same_place = (service_options.endpoint_url or "") == executor_options.endpoint_url
        address = "/".join(part for part in (f"s3://{bucket}", prefix, _HANDOVER) if part)
        # That of an access point cannot be told from a folder in such an address.
        is_lent = same_place and not bucket.startswith("arn:")
        return ComputeNeeds(
            permissions=tuple(json.dumps(each) for each in statements),
            handover=address if is_lent else "",
        )


class S3RunLog(S3Objects):
    """The run log `s3`."""

    name = "MagnusRunLog"
    actions = ("s3:GetObject", "s3:PutObject")


class S3Catalog(S3Objects):
    """The catalog `s3`."""

    name = "MagnusCatalog"
    actions = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


class AwsSecrets(Integration):
    """`aws-secrets-manager`: fetched by the job."""

    def validate(self, executor_options: AwsBatchOptions, service_options: Any) -> Verdict:
        """See whether a job can mean the same address."""
        return _judge_address(
            executor_options,
            service_options.endpoint_url or "",
            "jobs fetch secrets themselves, as the job role allows (`magnus check --iam` prints the policy)",
        )

    def configure_for_traversal(
        self, executor_options: AwsBatchOptions, service_options: Any
    ) -> ComputeNeeds:
        """Ask for what the role must allow."""
        name = service_options.secret_name or f"{service_options.prefix}*"
        # Secrets Manager adds a hyphen and six characters of its own to the name in an ARN.
        ending = "" if name.endswith("*") else "-??????"
        resource = name if name.startswith("arn:") else f"arn:aws:secretsmanager:*:*:secret:{name}{ending}"
        allowed = [statement("MagnusSecrets", ["secretsmanager:GetSecretValue"], [resource])]
        return ComputeNeeds(permissions=tuple(json.dumps(each) for each in allowed))


class SqlRunLog(Integration):
    """`sql`: a server that jobs can reach."""

    def validate(self, executor_options: AwsBatchOptions, service_options: Any) -> Verdict:
        """See what the URL names."""
        if service_options.url.startswith("sqlite"):
            return Verdict(
                Judgement.ERROR,
                "a SQLite database is a file of this machine, and a job of AWS Batch does not see it",
                "name a database server that jobs can reach, or choose the run_log_store 's3'",
            )
        return _judge_address(
            executor_options,
            service_options.url,
            "jobs reach the database over the network, if the security group of their compute environment lets them",
        )


class MlflowServer(Integration):
    """`mlflow`: a server that jobs can reach."""

    def validate(self, executor_options: AwsBatchOptions, service_options: Any) -> Verdict:
        """See what the address names."""
        if urlsplit(service_options.server_url).scheme not in ("http", "https"):
            return Verdict(
                Judgement.ERROR,
                "the tracker's address is on this machine's disk, which a job of AWS Batch does not see",
                "start a tracking server that jobs can reach, and name its http address",
            )
        return _judge_address(
            executor_options,
            service_options.server_url,
            "jobs reach the tracking server over the network, if the security group of their compute environment lets them",
        )


def _judge_address(options: AwsBatchOptions, url: str, reason: str) -> Verdict:
    """Judge the address of a server by what it means in a job."""
    host = urlsplit(url).hostname or ""
    if host in _LOOPBACK and not _is_emulated_here(options):
        return Verdict(
            Judgement.ERROR,
            f"'{host}' in a job of AWS Batch is the job itself, not this machine",
            "name an address that jobs can reach",
        )
    return Verdict(Judgement.OK, reason)


def _is_emulated_here(options: AwsBatchOptions) -> bool:
    """Whether jobs run on this machine, in an emulator that shares its network with them."""
    return (urlsplit(options.endpoint_url).hostname or "") in _LOOPBACK
