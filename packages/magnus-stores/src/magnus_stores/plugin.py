"""Offers the stores to magnus; named as text, so that offering them imports none."""

from __future__ import annotations

from magnus.plugins import AdapterSpec, hookimpl

_S3 = "magnus-stores[s3]"


@hookimpl
def magnus_run_log_stores() -> list[AdapterSpec]:
    """Offer the run log stores."""
    return [
        AdapterSpec("file-system", "magnus_stores.run_log.file_system:FileSystemRunLogStore", port_api=1),
        AdapterSpec(
            "chunked-fs", "magnus_stores.run_log.chunked_fs:ChunkedFileSystemRunLogStore", port_api=1
        ),
        AdapterSpec(
            "sql", "magnus_stores.run_log.sql:SqlRunLogStore", port_api=1, extra="magnus-stores[sql]"
        ),
        AdapterSpec("s3", "magnus_stores.run_log.s3:S3RunLogStore", port_api=1, extra=_S3),
    ]


@hookimpl
def magnus_catalogs() -> list[AdapterSpec]:
    """Offer the catalogs."""
    return [
        AdapterSpec("file-system", "magnus_stores.catalog.file_system:FileSystemCatalog", port_api=1),
        AdapterSpec("s3", "magnus_stores.catalog.s3:S3Catalog", port_api=1, extra=_S3),
    ]


@hookimpl
def magnus_secrets() -> list[AdapterSpec]:
    """Offer the secrets managers."""
    return [
        AdapterSpec("dotenv", "magnus_stores.secrets.dotenv:DotenvSecrets", port_api=1),
        AdapterSpec(
            "env-secrets-manager", "magnus_stores.secrets.environment:EnvironmentSecrets", port_api=1
        ),
        AdapterSpec(
            "aws-secrets-manager",
            "magnus_stores.secrets.aws_secrets_manager:AwsSecretsManager",
            port_api=1,
            extra=_S3,
        ),
    ]


@hookimpl
def magnus_experiment_trackers() -> list[AdapterSpec]:
    """Offer the experiment trackers."""
    return [
        AdapterSpec(
            "mlflow", "magnus_stores.tracker.mlflow:MlflowTracker", port_api=1, extra="magnus-stores[mlflow]"
        ),
    ]
