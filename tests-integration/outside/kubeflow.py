"""Pipelines of Kubeflow: the message that Kubeflow itself reads them as, which knows every field, and kfp's own loader."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path


def missing() -> str:
    """Return why nobody can be asked; empty if somebody can. Both come with the package."""
    return ""


def problems(file: Path) -> list[str]:
    """Return what they mind."""
    from google.protobuf import json_format

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kfp's own
        from kfp import components
        from kfp.pipeline_spec import pipeline_spec_pb2

        try:
            json_format.ParseDict(
                yaml.safe_load(file.read_text(encoding="utf-8")), pipeline_spec_pb2.PipelineSpec()
            )
            components.load_component_from_file(str(file))
        except (json_format.ParseError, ValueError, TypeError, KeyError) as error:
            return [f"{type(error).__name__}: {error}"]
    return []
