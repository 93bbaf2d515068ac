"""Offers the adapters of this package; named as text, so that offering them imports none."""

from __future__ import annotations

from magnus.plugins import AdapterSpec, hookimpl


@hookimpl
def magnus_image_builders() -> list[AdapterSpec]:
    """Offer the Docker engine as what builds images."""
    return [
        AdapterSpec("docker", "magnus_executor_container.image_builder:DockerImageBuilder", port_api=1),
    ]
