from __future__ import annotations

from typing import Any, ClassVar

from magnus.testing.renderer import RendererContract


class TestKubeflow(RendererContract):
    """Pipelines for Kubeflow."""

    executor: ClassVar[dict[str, Any]] = {"type": "kubeflow", "config": {"docker_image": "image:1"}}
