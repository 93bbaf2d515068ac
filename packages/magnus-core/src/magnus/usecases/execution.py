"""One run, from its first record to its last."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.bootstrap import open_run
from magnus.definition.variables import PREFIX
from magnus.domain.capabilities import Isolation
from magnus.domain.owner import own_label
from magnus.domain.run_log import RunLog, Status
from magnus.engine.folder_lock import locked_folders
from magnus.engine.interrupt import StopRun
from magnus.engine.masking import Masker, mask_config
from magnus.engine.recorder import read_run_log
from magnus.engine.traversal import Traversal
from magnus.engine.workspaces import data_folders_of
from magnus.errors import InterruptedRunError, ServiceError
from magnus.usecases.outcome import Outcome
from magnus.usecases.run_ids import new_run_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.bootstrap import Run, Setup
    from magnus.domain.graph import Graph
    from magnus.domain.parameters import Values
    from magnus.engine.attached import Attached
    from magnus.engine.code_identity import CodeIdentities
    from magnus.engine.context import Services
    from magnus.engine.nesting import Surroundings
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.engine.workers.keeper import Keeper
    from magnus.ports.executor import ComputeNeeds, InteractiveExecutor
    from magnus.usecases.continued import Continued
    from magnus.usecases.outcome import Request


class Attachment(NamedTuple):
    """A run that another process began, and that is to be traversed to its end.

    Attributes:
        head: The head of its run log.
        attached: What was recorded of it.
    """

    head: RunLog
    attached: Attached


class Execution:
    """A checked pipeline that is about to run."""

    def __init__(  # noqa: PLR0913 - everything that was decided
        self,
        setup: Setup,
        graph: Graph,
        request: Request,
        executor: InteractiveExecutor,
        services: Services,
        needs: Sequence[ComputeNeeds],
        before: Continued | Attachment | None,
        surroundings: Surroundings,
        keeper: Keeper | None = None,
    ) -> None:
        """Take what was decided; nothing is made yet.

        *before* is another run, which this one continues, or what there is of this very run.
        """
        self._needs = needs
        self._keeper = keeper
        self._surroundings = surroundings
        self._setup = setup
        self._graph = graph
        self._request = request
        self._executor = executor
        self._services = services
        self._attachment = before if isinstance(before, Attachment) else None
        self._continued = None if isinstance(before, Attachment) else before
        self._described, credentials = mask_config(setup.described(), _variables(surroundings.environ))
        self._masker = Masker(credentials)
        self._run_id = request.run_id or new_run_id()

    def run(
        self, values: Values, identities: CodeIdentities, terminal: Terminal, reporter: Reporter
    ) -> Outcome:
        """Run the pipeline with the parameters that the user gave.

        Raises:
            RunLogExistsError: The run id is taken; nothing was changed.
            ServiceError: A service failed; the run log says so, if it still can.
            InterruptedRunError: A signal ended the run.
        """
        run = open_run(
            self._setup,
            run_id=self._run_id,
            tag=self._request.tag,
            terminal=terminal,
            reporter=reporter,
            masker=self._masker,
            code_identities=identities.get(),
            services=self._services,
            executor=self._executor,
            main_module=_main_module(self._graph),
            keeper=self._keeper,
            debugs=self._request.debugs,
            is_strict=self._request.strict,
            data_folders=data_folders_of(self._graph, self._services.catalog.compute_data_folder),
        )
        try:
            run.hold(locked_folders(self._shared_folders(), self._run_id, self._surroundings.parent_run_id))
            if self._continued is not None:
                values = {**self._continued.parameters, **values}
            values = {name: run.context.recorder.mask_value(value) for name, value in values.items()}
            head = self._begin(run, values) if self._attachment is None else self._attach(run, values)
            reporter.run_started(head)
            self._traverse(run, head, values)
            wanted = self._request.wants_run_log
            run_log = read_run_log(self._services.run_log_store, self._run_id) if wanted else None
        finally:
            run.close()
        return Outcome(self._run_id, head.status, run_log=run_log)

    def _shared_folders(self) -> set[str]:
        """Return the data folders of the project in which the outermost graph works."""
        capabilities = self._setup.executor_capabilities()
        if (
            capabilities.isolation is not Isolation.BRANCH
            or not capabilities.shares_working_folder
            or not capabilities.runs_tasks
        ):
            return set()
        default = self._services.catalog.compute_data_folder
        return {
            os.path.abspath(node.catalog.compute_data_folder or default)  # noqa: PTH100
            for path, node in self._graph.walk()
            if not path and node.task is not None and node.catalog is not None
        }

    def _begin(self, run: Run, values: Values) -> RunLog:
        """Get the compute ready and make the run log; if either cannot be, nothing is left."""
        self._executor.prepare_for_graph_execution(
            self._graph, run.context.types.executor_options, self._needs, run.step_runner
        )
        head = RunLog(
            self._run_id,
            dag_hash=self._graph.hash(),
            tag=self._request.tag,
            use_cached=self._continued is not None,
            original_run_id=self._continued.rerun.original_run_id if self._continued else "",
            start_time=run.context.clock.timestamp(),
            run_config=self._run_config(),
            owner=self._owner(),
            parent_run_id=self._surroundings.parent_run_id,
            parent_step=self._surroundings.parent_step,
        )
        run.context.recorder.create_run_log(head, values)
        try:
            if self._continued is not None:
                self._continued.bring_files(self._services.catalog, self._run_id)
            if values:
                plain = {name: value.decode() for name, value in values.items()}
                self._services.experiment_tracker.log_parameters(self._run_id, head.tag, plain)
        except BaseException as error:
            head.message = f"not started: {error}"
            self._close(run, head, values)
            raise
        return head

    def _owner(self) -> str:
        """Return the label of this process; empty where the jobs of the run outlive their traversal."""
        return "" if self._executor.leaves_jobs else own_label()

    def _run_config(self) -> dict[str, Any]:
        run_config = {**self._described, "dag": self._graph.definition()}
        if self._request.single_step is not None:  # whoever attaches must not run the others
            run_config["single_step"] = self._request.single_step
        return run_config

    def _attach(self, run: Run, values: Values) -> RunLog:
        """Get the compute ready and find what runs there; the run log stays as it is."""
        if self._attachment is None:
            message = "there is no run to attach to"
            raise TypeError(message)
        self._executor.prepare_for_graph_execution(
            self._graph, run.context.types.executor_options, self._needs, run.step_runner
        )
        for line in self._executor.adopt(self._run_id, self._needs, run.step_runner):
            run.context.reporter.notice(line)
        run.context.recorder.adopt(values.values())
        head = self._attachment.head
        if head.owner != self._owner():
            head.owner = self._owner()
            run.context.recorder.set_run_log(head)
        return head

    def _traverse(self, run: Run, head: RunLog, values: Values) -> None:
        """Walk the graph, and close the run log whatever happens."""
        traversal = Traversal(
            run.context,
            run.step_runner,
            dict(values),
            rerun=self._continued.rerun if self._continued else None,
            single_step=self._request.single_step,
            attached=self._attachment.attached if self._attachment else None,
        )
        stopped: StopRun | None = None
        elapsed = self._attachment.attached.elapsed_seconds if self._attachment else 0.0
        if not self._request.debugs:  # the debugger has Ctrl-C
            run.context.interrupts.install(self._graph.max_time_seconds, elapsed)
        try:
            head.status = traversal.execute_graph(self._graph)
        except StopRun as stop:
            if traversal.leaves_jobs(stop):
                message = (
                    f"this process was {stop.reason}, and left the jobs of run '{self._run_id}' running; "
                    f"`magnus runs attach {self._run_id}` goes on with it, `magnus runs reap {self._run_id}` ends them"
                )
                run.context.reporter.run_left(head, stop.reason)
                raise InterruptedRunError(message) from stop
            stopped = stop
            head.status, head.message = Status.FAIL, stop.reason
        except BaseException as error:
            head.message = f"{type(error).__name__}: {error}"
            self._close(run, head, traversal.parameters)
            raise
        finally:
            run.context.interrupts.uninstall()
        head.end_time = run.context.clock.timestamp()
        run.context.recorder.set_run_log(head, traversal.parameters)
        succeeded = head.status is Status.SUCCESS
        self._services.experiment_tracker.end_run(self._run_id, head.tag, succeeded=succeeded)
        run.context.reporter.run_ended(head)
        if stopped is not None and stopped.interrupted:
            message = (
                f"run '{self._run_id}' was {stopped.reason}; continue it with --use-cached {self._run_id}"
            )
            raise InterruptedRunError(message)

    def _close(self, run: Run, head: RunLog, values: Values) -> None:
        """Record that the run ended with an error that is on its way to the user."""
        head.status, head.end_time = Status.FAIL, run.context.clock.timestamp()
        with suppress(ServiceError):  # the store may be what failed; the first error is the one to tell
            run.context.recorder.set_run_log(head, values)


def _main_module(graph: Graph) -> str:
    """Return the name under which a worker imports the running script; empty if no step calls a function of it."""
    from magnus.builtin.task_types.importing import running_script

    name = running_script()
    if not name:
        return ""
    calls = any(
        node.task is not None
        and node.task.command_type == "python"
        and node.task.command.strip().startswith(f"{name}.")
        for _, node in graph.walk()
    )
    return name if calls else ""


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the files may have used, credentials among them."""
    return {name.removeprefix(PREFIX): value for name, value in environ.items() if name.startswith(PREFIX)}
