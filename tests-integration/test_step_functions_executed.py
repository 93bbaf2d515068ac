"""State machines as moto's interpreter executes them, with jobs of Batch in real containers.

The status of an execution proves little there: what is looked at are the jobs, and the run log.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from aws.account import KEPT
from harness import chain, shell
from test_aws_batch import read_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws.account import Account
    from harness import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Machines:
    """Renders, creates and executes state machines in an account."""

    def __init__(self, account: Account, project: Project) -> None:
        """Use the account's bucket for everything."""
        self.account = account
        self.project = project
        self._client: Any = account.aws.client("stepfunctions")

    def configure(self, **options: Any) -> None:
        """Write the configuration, and register a definition whose image holds the project's files as they are now."""
        config = {
            "job_queue": self.account.aws.queue(),
            "job_definition": "steps",
            "items": f"s3://{self.account.bucket}/items",
            **self.account.place,
            **options,
        }
        services = self.account.services()
        self.project.write(
            "config.yaml", {"executor": {"type": "aws-step-functions", "config": config}, **services}
        )
        self.project.write("local.yaml", {"executor": {"type": "local"}, **services})
        folder = self.project.folder
        self.account.aws.job_definition(
            self.account.image(folder),
            name="steps",
            volumes=[{"name": "kept", "host": {"sourcePath": str(folder)}}],
            mountPoints=[{"sourceVolume": "kept", "containerPath": KEPT, "readOnly": False}],
            environment=[{"name": "KEPT_FOLDER", "value": KEPT}],
            linuxParameters={"initProcessEnabled": True},
            resourceRequirements=[{"type": "MEMORY", "value": "1024"}, {"type": "VCPU", "value": "1"}],
        )

    def execute(self, run_id: str, *options: str, **executor: Any) -> str:
        """Render the project's pipeline, execute it under the name *run_id*, and return the status."""
        self.configure(**executor)
        done = self.project.magnus("execute", "-c", "config.yaml", "-o", "machine.json", *options)
        assert done.returncode == 0, done.stderr
        machine = self._client.create_state_machine(
            name=f"machine-{run_id}",
            definition=(self.project.folder / "machine.json").read_text(encoding="utf-8"),
            roleArn=self.account.aws.role(),
        )["stateMachineArn"]
        execution = self._client.start_execution(stateMachineArn=machine, name=run_id, input="{}")[
            "executionArn"
        ]
        while (status := self._client.describe_execution(executionArn=execution)["status"]) == "RUNNING":
            time.sleep(0.2)
        return str(status)


@pytest.fixture
def machines(account: Account, project: Project, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Return what executes state machines, corrected where moto differs from the service."""
    from aws.step_functions_corrections import install

    install(monkeypatch)
    return Machines(account, project)


def run(machines: Machines, graph: Mapping[str, Any], *options: str, **executor: Any) -> str:
    """Execute *graph* as the run `r`."""
    machines.project.write("pipeline.yaml", {"dag": graph})
    return machines.execute("r", *options, **executor)


def test_a_chain_with_a_retry_and_a_failure(machines: Machines) -> None:
    """Attempts, exit codes and the way after a failure are in the run log."""
    first = shell('test -e "$KEPT_FOLDER/tried" || { touch "$KEPT_FOLDER/tried"; exit 3; }', retry=3)
    graph = chain({"first": first, "second": shell("exit 4", on_failure="mend"), "never": shell("true")})
    graph["steps"]["mend"] = shell("true") | {"type": "task", "next": "done"}
    machines.project.write("pipeline.yaml", {"dag": graph})
    assert machines.execute("r") == "SUCCEEDED"
    steps = read_log(machines.project, "config.yaml", "r").steps
    assert [attempt.exit_code for attempt in steps["first"].attempts] == [3, None]
    assert {name: step.status for name, step in steps.items()} == {
        "first": "SUCCESS",
        "second": "FAIL",
        "mend": "SUCCESS",
        "done": "SUCCESS",
    }
