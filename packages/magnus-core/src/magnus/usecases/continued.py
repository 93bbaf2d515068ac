"""The run that a re-run continues, in the same stores or in others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from magnus.bootstrap import Setup
from magnus.definition.config import load_config
from magnus.domain.file_scopes import is_staged
from magnus.domain.names import ROOT_BRANCH, parent
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder, read_steps
from magnus.engine.rerun import Rerun
from magnus.engine.step_files import forget_all_staged
from magnus.errors import ConfigurationError, RunLogNotFoundError
from magnus.usecases.dag_changes import describe_changes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from magnus.domain.graph import Graph
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import StepLog
    from magnus.engine.context import Services
    from magnus.engine.reporting import Reporter
    from magnus.plugins.manager import AdapterManager
    from magnus.ports.catalog import Catalog
    from magnus.ports.run_log_store import RunLogStore
    from magnus.usecases.outcome import Request


class Continued(NamedTuple):
    """A run and what is taken over from it.

    Attributes:
        rerun: What may be skipped.
        parameters: What the run had started from.
        changes: How the dag differs from that run's; empty if it does not.
        other_catalog: Where its files are, if not in the catalog of the re-run.
    """

    rerun: Rerun
    parameters: Values
    changes: str
    other_catalog: Catalog | None = None

    def bring_files(self, catalog: Catalog, run_id: str) -> None:
        """Give the re-run the entries of the run that it continues; copies bytes only from another catalog.

        Raises:
            CatalogError: They could not be brought.
        """
        original = self.rerun.original_run_id
        if self.other_catalog is None:
            catalog.sync_between_runs(original, run_id)
            forget_all_staged(catalog, run_id)
            return
        entries = [entry for entry in self.other_catalog.list_entries(original) if not is_staged(entry.name)]
        if entries:
            with tempfile.TemporaryDirectory(prefix="magnus-") as folder:
                self.other_catalog.get(original, Path(folder), entries)
                catalog.put(run_id, Path(folder), [entry.name for entry in entries])


def open_continued(
    request: Request,
    graph: Graph,
    services: Services,
    values: Values,
    environ: Mapping[str, str],
    adapters: AdapterManager,
    stack: ExitStack,
) -> Continued | None:
    """Find the run that *request* continues; None if it continues none.

    Args:
        request: Names the run, and the configuration of its stores where they are others.
        graph: The pipeline as it is now.
        services: Of the re-run.
        values: What the user gave for the re-run; a skipped step never replaces those.
        environ: Where variables of that configuration are looked up.
        adapters: What is installed.
        stack: Closes the other stores.

    Raises:
        RunLogNotFoundError: There is no such run; nothing has been recorded.
    """
    if request.use_cached is None:
        return None
    store, catalog = services.run_log_store, None
    if request.cached_config is not None:
        config = load_config(request.cached_config, environ=environ, adapters=adapters)
        others = Setup(config, adapters).build_services()
        stack.callback(others.close)
        store, catalog = others.run_log_store, others.catalog
    continued = load_continued(store, request.use_cached, graph, frozenset(values))
    return continued._replace(other_catalog=catalog)


def tell_changes(continued: Continued, reporter: Reporter, *, strict: bool) -> None:
    """Warn where the dag is not the one of the run that is continued.

    Raises:
        ConfigurationError: It is not, and *strict* is set.
    """
    if not continued.changes:
        return
    message = f"the dag is not that of run '{continued.rerun.original_run_id}': {continued.changes}"
    if strict:
        raise ConfigurationError(message)
    reporter.warning(message)


def load_continued(store: RunLogStore, run_id: str, graph: Graph, explicit: frozenset[str]) -> Continued:
    """Read the run *run_id*, which is to be continued with *graph*.

    Args:
        store: Where its log is.
        run_id: The run.
        graph: The pipeline as it is now.
        explicit: The names of parameters that the user gave for the re-run.

    Raises:
        RunLogNotFoundError: There is no such run.
    """
    recorder = RunRecorder(store, run_id, Masker())
    try:
        head = recorder.get_run_log()
    except RunLogNotFoundError as error:
        message = f"--use-cached: {error}"
        raise RunLogNotFoundError(message) from error

    def outputs(step: StepLog) -> Values:
        return recorder.resolve(step.output_parameters)

    changes = ""
    if head.dag_hash != graph.hash():
        changes = describe_changes(head.run_config.get("dag", {}), graph.definition())
    steps = read_steps(store, run_id)
    branches: dict[str, set[str]] = {}
    for branch in {parent(name) for name in steps} - {ROOT_BRANCH}:
        branches.setdefault(parent(branch), set()).add(branch)
    rerun = Rerun(run_id, steps, branches, outputs, explicit)
    return Continued(rerun, recorder.resolve(head.input_parameters), changes)
