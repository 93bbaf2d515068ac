"""The step as a child process of its task sees it, such as a notebook's kernel or a script that a shell task calls."""

from __future__ import annotations

import json
import os
import sys
from contextlib import chdir
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnus.domain.parameters import encode_all
from magnus.engine.child import (
    STEP_CONTEXT,
    append_catalog_entry,
    append_metric,
    append_parameters,
    append_secret_name,
    parse_outputs,
)
from magnus.engine.step_files import StepFiles
from magnus.errors import OutsideRunError, ParameterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import CatalogSettings
    from magnus.domain.run_log import DataCatalog
    from magnus.engine.context import Services
    from magnus.ports.experiment_tracker import Metric


class ChildSession:
    """Does what a `StepSession` does, through the files that the parent process has made for this one.

    The services are opened here when they are first needed: files go to the catalog straight away, and the name of a
    secret is left for the parent, which then hides it in what this process prints.
    """

    def __init__(self, context_file: Path, open_services: Callable[[Mapping[str, Any]], Services]) -> None:
        """Read the file that the parent has made.

        Raises:
            OutsideRunError: It is gone, because the step has ended.
        """
        try:
            context = json.loads(context_file.read_text(encoding="utf-8"))
        except OSError as error:
            message = (
                f"the step that started this process has ended: {STEP_CONTEXT} names a file that is gone"
            )
            raise OutsideRunError(message) from error
        self.run_id: str = context["run_id"]
        self.tag: str = context["tag"]
        self.step_name: str = context["step_name"]
        self.scopes: tuple[str, ...] = tuple(context["scopes"])
        self.staging_token: str = context["staging"]
        self.map_variable: MapVariable = tuple((name, value) for name, value in context["map_variable"])
        self.compute_data_folder = Path(context["compute_data_folder"])
        self._working_directory = context["working_directory"]
        self._parameters_file = Path(context["parameters_file"])
        self._outputs_file = Path(context["outputs_file"])
        self._configuration: Mapping[str, Any] = context["configuration"]
        self._open_services = open_services

    @cached_property
    def _services(self) -> Services:
        # What the configuration names is relative to where the run was started, wherever this process has gone since.
        with chdir(self._working_directory):
            return self._open_services(self._configuration)

    def get_parameter(self, name: str | None = None) -> Any:
        """See `StepSession`; what other children of the same task have set is seen too."""
        text = self._parameters_file.read_text(encoding="utf-8", errors="surrogatepass")
        parameters = json.loads(text) | parse_outputs(self._outputs_file.read_bytes()).parameters
        if name is None:
            return parameters
        if name not in parameters:
            message = f"no parameter '{name}'; there are: {', '.join(sorted(parameters)) or 'none'}"
            raise ParameterNotFoundError(message)
        return parameters[name]

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """See `StepSession`."""
        encode_all(values, f"step '{self.step_name}'")
        append_parameters(self._outputs_file, values)

    def get_secret(self, name: str | None = None) -> Any:
        """See `StepSession`."""
        secrets = self._services.secrets
        found = secrets.get_all() if name is None else {name: secrets.get(name)}
        for found_name in found:  # before anything here can print a value
            append_secret_name(self._outputs_file, found_name)
        return found if name is None else found[name]

    def track(self, metrics: Iterable[Metric]) -> None:
        """See `StepSession`."""
        for metric in metrics:
            append_metric(self._outputs_file, metric)

    def get_from_catalog(self, settings: CatalogSettings, folder: Path | None = None) -> list[DataCatalog]:
        """See `StepSession`."""
        return self._record(self._files.get(folder or self.compute_data_folder, settings))

    def put_in_catalog(self, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
        """See `StepSession`."""
        return self._record(self._files.put(folder, patterns, staged=True))

    @cached_property
    def _files(self) -> StepFiles:
        return StepFiles(
            self._services.catalog,
            self.run_id,
            self.step_name,
            0,
            self.scopes,
            token=self.staging_token,
            warn=_warn,
        )

    def _record(self, entries: list[DataCatalog]) -> list[DataCatalog]:
        for entry in entries:
            append_catalog_entry(self._outputs_file, entry)
        return entries

    def tracker_context(self) -> AbstractContextManager[Any]:
        """See `StepSession`."""
        return self._services.experiment_tracker.client_context(self.run_id, self.tag)


def _warn(message: str) -> None:
    sys.stderr.write(f"magnus: {message}\n")


def context_file_of_parent() -> Path | None:
    """Return the file that the parent process has made for this one; None where no step started it."""
    name = os.environ.get(STEP_CONTEXT)
    return Path(name) if name else None
