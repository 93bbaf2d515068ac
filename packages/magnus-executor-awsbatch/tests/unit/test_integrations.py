from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import pytest

from magnus.definition.options import build_options
from magnus.domain.verdict import Judgement, Verdict
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus_executor_awsbatch.config import AwsBatchOptions
from magnus_executor_awsbatch.integrations import (
    AwsSecrets,
    CatalogOnThisMachine,
    MlflowServer,
    RunLogOnThisMachine,
    S3Catalog,
    S3RunLog,
    SecretsOnThisMachine,
    SqlRunLog,
)

HERE = "http://localhost:5000"


def service(kind: str, name: str, **written: Any) -> Any:
    """Return the options of a service, as a configuration makes them."""
    needed = {"sql": "sqlalchemy", "mlflow": "mlflow"}.get(name)
    if needed and find_spec(needed) is None:
        pytest.skip(f"needs {needed}, an extra of the package of the stores")
    adapter = AdapterManager(find_plugins()).load(kind, name)
    return build_options(adapter.Options, written, kind)


def options(**written: Any) -> AwsBatchOptions:
    """Return options of the executor."""
    return AwsBatchOptions(job_queue="q", docker_image="i", **written)


EMULATED = options(endpoint_url="http://127.0.0.1:5000")


@pytest.mark.parametrize(
    ("rule", "kind", "name", "reason", "remedy"),
    [
        (
            RunLogOnThisMachine(),
            "run_log_store",
            "file-system",
            "the run log is kept on this machine, and a job of AWS Batch can neither read nor write it",
            "choose the run_log_store 's3', or 'sql' with a server that jobs can reach",
        ),
        (
            CatalogOnThisMachine(),
            "catalog",
            "file-system",
            "the catalog is a folder of this machine, and a job of AWS Batch does not see it",
            "choose the catalog 's3'",
        ),
        (
            SecretsOnThisMachine(),
            "secrets",
            "dotenv",
            "the secrets are on this machine, and would have to be written down in AWS for a job to have them",
            "choose the secrets 'aws-secrets-manager', which jobs fetch themselves",
        ),
    ],
)
def test_what_lies_on_this_machine_is_refused(
    rule: Any, kind: str, name: str, reason: str, remedy: str
) -> None:
    """With what would do; in an emulator too, which behaves as AWS does."""
    for executor in (options(), EMULATED):
        assert rule.validate(executor, service(kind, name)) == Verdict(Judgement.ERROR, reason, remedy)


class TestS3:
    """Run logs and catalogs in a bucket."""

    @pytest.mark.parametrize(("rule", "kind"), [(S3RunLog(), "run_log_store"), (S3Catalog(), "catalog")])
    def test_they_are_reached_and_lend_a_place(self, rule: Any, kind: str) -> None:
        """Below their own prefix, so that one permission is for both."""
        store = service(kind, "s3", bucket="bucket", prefix="a/b")
        assert rule.validate(options(), store).judgement is Judgement.OK
        needs = rule.configure_for_traversal(options(), store)
        assert needs.handover == "s3://bucket/a/b/handover"
        objects, listing = (json.loads(text) for text in needs.permissions)
        assert objects["Resource"] == ["arn:aws:s3:::bucket/a/b/*"]
        assert listing["Action"] == ["s3:ListBucket"]
        assert objects["Sid"].startswith(rule.name)

    def test_no_place_is_lent_where_the_executor_would_not_find_it(self) -> None:
        """At another address, or behind an access point."""
        other = service("catalog", "s3", bucket="bucket", endpoint_url="http://minio:9000")
        assert S3Catalog().configure_for_traversal(options(), other).handover == ""
        same = options(endpoint_url="http://minio:9000")
        assert S3Catalog().configure_for_traversal(same, other).handover == "s3://bucket/handover"
        arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"
        behind = service("catalog", "s3", bucket=arn)
        assert S3Catalog().configure_for_traversal(options(), behind).handover == ""

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
    def test_an_address_of_this_machine_is_another_in_a_job(self, host: str) -> None:
        """Unless an emulator runs jobs on this machine."""
        store = service("catalog", "s3", bucket="bucket", endpoint_url=f"http://{host}:5000")
        verdict = S3Catalog().validate(options(), store)
        assert (verdict.judgement, verdict.reason) == (
            Judgement.ERROR,
            f"'{host.strip('[]')}' in a job of AWS Batch is the job itself, not this machine",
        )
        assert S3Catalog().validate(EMULATED, store).judgement is Judgement.OK


class TestSecretsManager:
    """Secrets that jobs fetch themselves."""

    @pytest.mark.parametrize(
        ("written", "resource"),
        [
            ({"secret_name": "app"}, "arn:aws:secretsmanager:*:*:secret:app-??????"),
            (
                {"secret_name": "arn:aws:secretsmanager:eu-west-1:1:secret:app-abcdef"},
                "arn:aws:secretsmanager:eu-west-1:1:secret:app-abcdef",
            ),
            ({"prefix": "app/"}, "arn:aws:secretsmanager:*:*:secret:app/*"),
            ({}, "arn:aws:secretsmanager:*:*:secret:*"),
        ],
    )
    def test_the_role_must_be_allowed_to(self, written: dict[str, str], resource: str) -> None:
        """No more than what the options name."""
        secrets = service("secrets", "aws-secrets-manager", **written)
        needs = AwsSecrets().configure_for_traversal(options(), secrets)
        statements = [json.loads(text) for text in needs.permissions]
        assert [(item["Action"], item["Resource"]) for item in statements] == [
            (["secretsmanager:GetSecretValue"], [resource])
        ]

    def test_an_address_of_this_machine_is_another_in_a_job(self) -> None:
        """Unless an emulator runs jobs on this machine."""
        secrets = service("secrets", "aws-secrets-manager", endpoint_url=HERE)
        assert AwsSecrets().validate(options(), secrets).judgement is Judgement.ERROR
        assert AwsSecrets().validate(EMULATED, secrets).judgement is Judgement.OK


class TestServers:
    """What jobs reach over the network."""

    @pytest.mark.parametrize(
        ("url", "judgement", "begins"),
        [
            ("postgresql://db.example.com/x", Judgement.OK, "jobs reach the database over the network"),
            (
                "postgresql://localhost/x",
                Judgement.ERROR,
                "'localhost' in a job of AWS Batch is the job itself",
            ),
            ("sqlite:///runs.db", Judgement.ERROR, "a SQLite database is a file of this machine"),
        ],
    )
    def test_databases(self, url: str, judgement: Judgement, begins: str) -> None:
        """A file is none."""
        verdict = SqlRunLog().validate(options(), service("run_log_store", "sql", url=url))
        assert verdict.judgement is judgement
        assert verdict.reason.startswith(begins)

    @pytest.mark.parametrize(
        ("url", "judgement", "begins"),
        [
            ("http://mlflow.example.com", Judgement.OK, "jobs reach the tracking server over the network"),
            (HERE, Judgement.ERROR, "'localhost' in a job of AWS Batch is the job itself"),
            ("file:///runs", Judgement.ERROR, "the tracker's address is on this machine's disk"),
        ],
    )
    def test_trackers(self, url: str, judgement: Judgement, begins: str) -> None:
        """A folder is none."""
        verdict = MlflowServer().validate(options(), service("experiment_tracker", "mlflow", server_url=url))
        assert verdict.judgement is judgement
        assert verdict.reason.startswith(begins)
