"""Offers the adapters of this package; named as text, so that offering them imports none."""

from __future__ import annotations

from magnus.plugins import AdapterSpec, IntegrationSpec, hookimpl

_PACKAGE = "magnus_executor_awsbatch"
_RULES = {
    ("run_log_store", "buffered"): "RunLogOnThisMachine",
    ("run_log_store", "file-system"): "RunLogOnThisMachine",
    ("run_log_store", "chunked-fs"): "RunLogOnThisMachine",
    ("run_log_store", "sql"): "SqlRunLog",
    ("run_log_store", "s3"): "S3RunLog",
    ("catalog", "file-system"): "CatalogOnThisMachine",
    ("catalog", "s3"): "S3Catalog",
    ("secrets", "dotenv"): "SecretsOnThisMachine",
    ("secrets", "env-secrets-manager"): "SecretsOnThisMachine",
    ("secrets", "aws-secrets-manager"): "AwsSecrets",
    ("experiment_tracker", "mlflow"): "MlflowServer",
}


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer the executor whose steps are jobs of AWS Batch."""
    return [AdapterSpec("local-aws-batch", f"{_PACKAGE}.executor:AwsBatchExecutor", port_api=1)]


@hookimpl
def magnus_integrations() -> list[IntegrationSpec]:
    """Say what jobs need for each service, and which services they cannot use."""
    return [
        IntegrationSpec("local-aws-batch", kind, service, f"{_PACKAGE}.integrations:{rule}", port_api=1)
        for (kind, service), rule in _RULES.items()
    ]
