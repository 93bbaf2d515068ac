"""`aws-step-functions` keeps the contract of executors that render."""

from __future__ import annotations

from magnus.testing.renderer import RendererContract


class TestStepFunctions(RendererContract):
    """With a place for the items of its map."""

    executor = {  # noqa: RUF012
        "type": "aws-step-functions",
        "config": {"job_queue": "queue", "job_definition": "definition", "items": "s3://bucket/items"},
    }
