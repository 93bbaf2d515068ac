"""The hooks a plugin may implement: one for each kind of adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.plugins.markers import hookspec

if TYPE_CHECKING:
    from magnus.plugins.spec import AdapterSpec, IntegrationSpec


@hookspec
def magnus_executors() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer executors: classes of `magnus.ports.executor`."""


@hookspec
def magnus_run_log_stores() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer run log stores: classes of `magnus.ports.run_log_store`."""


@hookspec
def magnus_catalogs() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer catalogs: classes of `magnus.ports.catalog`."""


@hookspec
def magnus_secrets() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer secrets managers: classes of `magnus.ports.secrets`."""


@hookspec
def magnus_experiment_trackers() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer experiment trackers: classes of `magnus.ports.experiment_tracker`."""


@hookspec
def magnus_node_types() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer types of nodes: classes of `magnus.ports.node_type`."""


@hookspec
def magnus_task_types() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer types of tasks: classes of `magnus.ports.task_type`."""


@hookspec
def magnus_integrations() -> list[IntegrationSpec]:  # type: ignore[empty-body]
    """Offer rules for an executor together with a service: classes of `magnus.ports.integration`."""


@hookspec
def magnus_image_builders() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer what builds container images: classes of `magnus.ports.image_builder`."""


@hookspec
def magnus_emulators() -> list[AdapterSpec]:  # type: ignore[empty-body]
    """Offer what runs the files of an executor that renders, under its name: classes of `magnus.ports.emulator`."""
