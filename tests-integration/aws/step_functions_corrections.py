"""Where moto's Step Functions differ from the service, and how they are corrected. Undoing the patch takes it out again.

moto interprets state machines by itself, and calls the services of its own server. Each function below closes one gap, and says
what the service does instead, as its developer guide has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
from botocore import xform_name
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import iteration_worker
from moto.stepfunctions.parser.asl.component.state.exec.state_parallel import branches_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_callback,
)

if TYPE_CHECKING:
    import pytest

_SERVICE = state_task_service.StateTaskService
_CALLBACK = state_task_service_callback.StateTaskServiceCallback


def install(patch: pytest.MonkeyPatch) -> None:
    """Have moto execute state machines, and do as the service documents."""
    execute_machines(patch)
    name_parameters_as_the_service(patch)
    call_again(patch)
    let_errors_out_of_branches(patch)


def execute_machines(patch: pytest.MonkeyPatch) -> None:
    """Execute at all.

    Gap: moto answers `StartExecution` with a made-up success unless it is told to execute.
    Service: executes.
    """
    settings: Any = default_user_config
    patch.setitem(settings, "stepfunctions", {"execute_state_machine": True})


def name_parameters_as_the_service(patch: pytest.MonkeyPatch) -> None:
    """Take parameters, and give results, under the names of the States Language.

    Gap: `JobName` is handed to boto3 as it is, which asks for `jobName`; so each call of `batch:submitJob` fails, and a `Catch`
    makes that look like a job that failed. What comes back keeps boto3's names.
    Service: parameters and results are in Pascal case for every service.
    """

    def operation(self: Any, service: str | None, action: str | None) -> Any:
        model = botocore.session.get_session().get_service_model(self._get_boto_service_name(service))
        wanted = self._get_boto_service_action(action)
        return model.operation_model(
            next(name for name in model.operation_names if xform_name(name) == wanted)
        )

    def to_boto(
        self: Any, parameters: Any, boto_service_name: Any = None, service_action_name: Any = None
    ) -> None:
        shape = operation(self, boto_service_name, service_action_name).input_shape
        if shape is not None:
            self._to_boto_request(parameters, shape)

    def from_boto(
        self: Any, response: Any, boto_service_name: Any = None, service_action_name: Any = None
    ) -> None:
        shape = operation(self, boto_service_name, service_action_name).output_shape
        if shape is not None:
            self._from_boto_response(response, shape)

    patch.setattr(_SERVICE, "_normalise_parameters", to_boto)
    patch.setattr(_SERVICE, "_normalise_response", from_boto)


def call_again(patch: pytest.MonkeyPatch) -> None:
    """Wait for a job anew when its state is retried.

    Gap: what the first call waited on stays notified, so that each further one times out at once.
    Service: each call is waited for alike.
    """
    wait: Any = _CALLBACK._eval_integration_pattern  # noqa: SLF001 - moto has no other door

    def wait_anew(self: Any, env: Any, *rest: Any, **more: Any) -> Any:
        token = env.states.context_object.context_object_data["Task"]["Token"]
        endpoint = env.callback_pool_manager.get(token)
        if endpoint is not None:
            endpoint._notify_event.clear()  # noqa: SLF001 - as above
        return wait(self, env, *rest, **more)

    patch.setattr(_CALLBACK, "_eval_integration_pattern", wait_anew)


def let_errors_out_of_branches(patch: pytest.MonkeyPatch) -> None:
    """Let a parallel or map state fail with the error of its branch.

    Gap: an error whose name begins with `States.` ends the whole execution, since it may not be one of the user's own.
    Service: the state fails with it, and its `Catch` is looked at.
    """

    def name(error_name: str | None) -> Any:
        if error_name and error_name.startswith("States."):
            return StatesErrorName.from_name(error_name)
        return CustomErrorName(error_name=error_name)

    for module in (branches_decl, iteration_worker):
        patch.setattr(module, "CustomErrorName", name)
