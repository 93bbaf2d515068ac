"""Offers the adapters of this package; named as text, so that offering them imports none."""

from __future__ import annotations

from magnus.plugins import AdapterSpec, IntegrationSpec, hookimpl

_PACKAGE = "magnus_executor_container"
_RULES = {
    ("run_log_store", "file-system"): "RunLogFolder",
    ("run_log_store", "chunked-fs"): "RunLogFolder",
    ("run_log_store", "sql"): "SqlRunLog",
    ("run_log_store", "s3"): "AwsService",
    ("catalog", "s3"): "AwsService",
    ("secrets", "aws-secrets-manager"): "AwsService",
    ("catalog", "file-system"): "CatalogFolder",
    ("secrets", "dotenv"): "DotenvFile",
    ("secrets", "env-secrets-manager"): "EnvironmentVariables",
    ("experiment_tracker", "mlflow"): "MlflowServer",
}


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer the executor whose steps run in containers."""
    return [AdapterSpec("local-container", f"{_PACKAGE}.executor:LocalContainerExecutor", port_api=1)]


@hookimpl
def magnus_task_types() -> list[AdapterSpec]:
    """Offer tasks that are commands in an image of their own."""
    return [AdapterSpec("container", f"{_PACKAGE}.container_task:ContainerTask", port_api=1)]


@hookimpl
def magnus_image_builders() -> list[AdapterSpec]:
    """Offer the Docker engine as what builds images."""
    return [AdapterSpec("docker", f"{_PACKAGE}.image_builder:DockerImageBuilder", port_api=1)]


@hookimpl
def magnus_integrations() -> list[IntegrationSpec]:
    """Say what a container needs for each service that is not simply reached over the network."""
    return [
        IntegrationSpec("local-container", kind, service, f"{_PACKAGE}.integrations:{rule}", port_api=1)
        for (kind, service), rule in _RULES.items()
    ]
