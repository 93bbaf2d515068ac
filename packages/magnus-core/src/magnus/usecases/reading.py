"""Reads what a person has written: the pipeline, the configuration, and every mistake in both at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.definition.config import load_config
from magnus.definition.pipeline import load_pipeline
from magnus.errors import ConfigurationError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.config import Config
    from magnus.definition.pipeline import Pipeline
    from magnus.plugins.manager import AdapterManager


def read_definition(
    pipeline_file: str, config_file: str | None, environ: Mapping[str, str], adapters: AdapterManager
) -> tuple[Pipeline, Config]:
    """Load the pipeline file and the configuration that goes with it.

    Args:
        pipeline_file: The definition.
        config_file: The configuration; None for the usual places.
        environ: Where variables are looked up.
        adapters: What is installed.

    Raises:
        DefinitionError, ConfigurationError: Hold every mistake of both.
        ServiceError: A chosen adapter is installed but cannot be imported.
    """
    try:
        pipeline = load_pipeline(pipeline_file, environ=environ, adapters=adapters)
    except DefinitionError as error:
        try:
            load_config(config_file, environ=environ, adapters=adapters)
        except ConfigurationError as second:
            raise DefinitionError([*error.problems, *second.problems]) from error
        raise
    return pipeline, load_config(
        config_file, environ=environ, adapters=adapters, pipeline_blocks=pipeline.blocks
    )
