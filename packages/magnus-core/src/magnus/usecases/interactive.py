"""A run whose one step is the caller's own code: a script, or the cells of a notebook."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup, open_run
from magnus.definition.pipeline import build_graph
from magnus.definition.variables import PREFIX
from magnus.domain.jobs import Job
from magnus.domain.names import ROOT_BRANCH, run_id_problem
from magnus.domain.owner import own_label
from magnus.domain.run_log import RunLog, Status, StepAttempt, StepLog
from magnus.engine.attempt import conclude
from magnus.engine.code_identity import CodeIdentities
from magnus.engine.current import running_step
from magnus.engine.masking import Masker, mask_config
from magnus.engine.nesting import find_surroundings
from magnus.engine.reentry import refuse_reentry
from magnus.engine.scope import Scope
from magnus.engine.session import Session
from magnus.errors import ConfigurationError
from magnus.ports.task_type import TaskResult
from magnus.usecases.closing import close_run
from magnus.usecases.request_check import read_parameters
from magnus.usecases.run_ids import new_run_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.config import Config
    from magnus.domain.parameters import Values
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.plugins.manager import AdapterManager
    from magnus.usecases.outcome import Request

STEP = "interactive"

_DAG = {
    "start_at": STEP,
    "steps": {
        STEP: {"type": "as-is", "next": "success"},
        "success": {"type": "success"},
        "fail": {"type": "fail"},
    },
}


class InteractiveRun:
    """An open run; until `close` the functions for use inside a step work in the caller's code.

    What is set and tracked is recorded when the run is closed, what is put in the catalog is there at once. What the
    code prints is neither captured nor masked.
    """

    def __init__(
        self,
        request: Request,
        config: Config,
        adapters: AdapterManager,
        environ: Mapping[str, str],
        terminal: Terminal,
        reporter: Reporter,
    ) -> None:
        """Check everything, and begin the run.

        Raises:
            ConfigurationError: The configuration or the run id cannot be used.
            ServiceError: A service failed.
        """
        refuse_reentry("start_interactive_session()")
        if request.run_id is not None and (problem := run_id_problem(request.run_id)):
            raise ConfigurationError(problem)
        surroundings = find_surroundings(environ)
        environ = surroundings.environ
        identities = CodeIdentities()
        self._graph = build_graph(_DAG, adapters=adapters)
        setup = Setup(config, adapters)
        values = read_parameters(request, environ)
        setup.refuse(self._graph, strict=request.strict)
        with ExitStack() as stack:
            services = setup.build_services()
            stack.callback(services.close)
            variables = {
                key.removeprefix(PREFIX): value for key, value in environ.items() if key.startswith(PREFIX)
            }
            described, credentials = mask_config(setup.described(), variables)
            run = open_run(
                setup,
                run_id=request.run_id or new_run_id(),
                tag=request.tag,
                terminal=terminal,
                reporter=reporter,
                masker=Masker(credentials),
                code_identities=identities.get(),
                services=services,
            )
            stack.callback(run.close)
            self._context = run.context
            self._head = RunLog(
                run.context.run_id,
                dag_hash=self._graph.hash(),
                tag=request.tag,
                start_time=run.context.clock.timestamp(),
                run_config={**described, "dag": self._graph.definition()},
                owner=own_label(),
                parent_run_id=surroundings.parent_run_id,
                parent_step=surroundings.parent_step,
            )
            self._begin(values)
            self._stack = stack.pop_all()

    @property
    def run_id(self) -> str:
        """The run."""
        return self._context.run_id

    def close(self, failure: str = "") -> RunLog:
        """Record what the code has left, and end the run; as failed if *failure* says why.

        Raises:
            ServiceError: A service failed; the run log says so, if it still can.
        """
        running_step.release(self._session)
        outputs: Values = {}
        error: BaseException | None = None
        if not failure:
            try:
                outputs = self._session.outputs(TaskResult())
                self._session.files.publish()
                self._session.hand_over_metrics()
            except BaseException as caught:  # noqa: BLE001 - raised again, once it is in the run log
                error, failure = caught, f"{type(caught).__name__}: {caught}"
        with self._stack:
            if failure:
                self._session.drop_files()
            self._record(outputs, failure)
        if error is not None:
            raise error
        return self._head

    def _begin(self, values: Values) -> None:
        context = self._context
        values = {name: context.recorder.mask_value(value) for name, value in values.items()}
        context.recorder.create_run_log(self._head, values)
        if values:
            plain = {name: value.decode() for name, value in values.items()}
            context.services.experiment_tracker.log_parameters(context.run_id, context.tag, plain)
        node = self._graph.nodes[STEP]
        self._step = StepLog(
            STEP,
            STEP,
            step_type=node.type,
            work_hash=node.work_hash(),
            code_identities=context.code_identities,
        )
        context.recorder.add_step_log(self._step)
        context.reporter.run_started(self._head)
        self._scope = Scope(values)
        self._job = Job(context.run_id, STEP, node, attempt_number=1)
        self._attempt = StepAttempt(1, context.clock.timestamp(), parameters=self._scope.in_record())
        self._started = context.clock.monotonic()
        self._session = Session(context, self._job, self._step, self._scope)
        running_step.hold(self._session)

    def _record(self, outputs: Values, failure: str) -> None:
        context, attempt = self._context, self._attempt
        attempt.status = Status.FAIL if failure else Status.SUCCESS
        attempt.message = context.masker.mask(failure)
        attempt.end_time = context.clock.timestamp()
        attempt.duration = round(context.clock.monotonic() - self._started, 6)
        self._step.attempts.append(attempt)
        conclude(context, self._job, self._step, self._scope, attempt, outputs, is_final=True)
        context.reporter.step_ended(self._step)
        last = self._graph.get_fail_node() if failure else self._graph.get_success_node()
        end = StepLog(last.name, last.name, Status.SUCCESS, step_type=last.type, work_hash=last.work_hash())
        end.code_identities = context.code_identities
        context.recorder.add_step_log(end)
        self._head.message = attempt.message
        close_run(context, self._head, attempt.status, context.recorder.get_parameters(ROOT_BRANCH))
