"""State machines as moto's interpreter executes them, with jobs of Batch in real containers.

The status of an execution proves little there: what is looked at are the jobs, and the run log.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from aws.account import KEPT
from harness import chain, copy_example, python, shell
from test_aws_batch import read_log

from magnus.domain.canonical import first_difference

if TYPE_CHECKING:
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
        return self.execute_as_configured(run_id, *options)

    def execute_as_configured(self, run_id: str, *options: str) -> str:
        """Do the same with jobs of the image that there is."""
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

    def compare_with_local(self, run_id: str, *options: str) -> None:
        """Run the pipeline on `local`, with other stores, and insist on the same canonical log."""
        here = {"type": "file-system", "config": {"log_folder": str(self.project.folder / ".run_log_store")}}
        self.project.write("here.yaml", {"executor": {"type": "local"}, "run_log_store": here})
        done = self.project.magnus("execute", "-c", "here.yaml", "--run-id", "on-local", *options)
        assert done.returncode == 0, done.stderr
        logs = read_log(self.project, "here.yaml", "on-local"), read_log(self.project, "config.yaml", run_id)
        difference = first_difference(*logs)
        assert difference is None, difference


@pytest.fixture
def machines(account: Account, project: Project, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Return what executes state machines, corrected where moto differs from the service."""
    from aws.step_functions_corrections import install

    install(monkeypatch)
    return Machines(account, project)


def names_submitted(account: Account) -> list[str]:
    """Return the names of all jobs that were ever submitted, in order."""
    return [job.name.removeprefix("magnus-") for job in account.jobs()]


def test_attempts_and_the_way_after_a_failure(machines: Machines) -> None:
    """Are those of the run log; nothing is submitted besides."""
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
    assert names_submitted(machines.account) == ["first", "first", "second", "mend", "done"]


def test_branches_and_items_of_every_kind(machines: Machines) -> None:
    """A map in a map, one of each mode, beside a branch that fails; the log is that of `local`."""
    pair = python("tasks.pair")
    inner = {"type": "map", "iterate_on": "ys", "iterate_as": "y", "branch": chain({"pair": pair})}
    outer = {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": chain({"inner": inner})}
    bad = chain({"fail": shell("exit 1"), "never": shell("true")})
    both = {
        "type": "parallel",
        "branches": {"maps": chain({"outer": outer | {"max_concurrency": 2}}), "bad": bad},
    }
    graph = chain({"both": both | {"on_failure": "mend"}, "never": shell("true"), "mend": {"type": "as-is"}})
    machines.project.write("pipeline.yaml", {"dag": graph})
    machines.project.write("tasks.py", "def pair(x, y):\n    return {'pair': [x, y]}\n")
    machines.project.write("parameters.yaml", {"xs": [1, "a {'}"], "ys": [1.5, None]})
    assert machines.execute("r", "-p", "parameters.yaml") == "SUCCEEDED"
    machines.compare_with_local("r", "-p", "parameters.yaml")
    assert "never" not in " ".join(names_submitted(machines.account))


def test_a_run_that_fails_is_continued_on_local(machines: Machines) -> None:
    """The execution fails, the run log is closed, and what had succeeded is not run again."""
    steps = {"first": python("tasks.first"), "second": python("tasks.second")}
    machines.project.write("pipeline.yaml", {"dag": chain(steps)})
    machines.project.write(
        "tasks.py",
        """
        def first():
            return {"n": 1}

        def second(n: int, fixed: bool = False):
            if not fixed:
                raise RuntimeError("not fixed yet")
            return {"n": n + 1}
        """,
    )
    assert machines.execute("r") == "FAILED"
    assert names_submitted(machines.account) == ["first", "second", "failed"]
    assert read_log(machines.project, "config.yaml", "r").status == "FAIL"
    machines.project.write("fixed.yaml", {"fixed": True})
    options = ("-c", "local.yaml", "-p", "fixed.yaml", "--run-id", "two", "--use-cached", "r")
    done = machines.project.magnus("execute", *options)
    assert done.returncode == 0, done.stderr
    log = read_log(machines.project, "config.yaml", "two")
    assert (log.steps["first"].mock, log.parameters["n"]) == (True, 2)


def test_a_step_that_cannot_be_run_closes_the_run(machines: Machines) -> None:
    """Its way after a failure is not gone: the image does not hold what was rendered."""
    graph = chain({"one": shell("true"), "two": shell("true", on_failure="mend"), "mend": shell("true")})
    machines.project.write("pipeline.yaml", {"dag": graph})
    machines.configure()
    graph["steps"]["new"] = graph["steps"].pop("two")
    graph["steps"]["one"]["next"] = "new"
    machines.project.write("pipeline.yaml", {"dag": graph})
    assert machines.execute_as_configured("r") == "FAILED"
    log = read_log(machines.project, "config.yaml", "r")
    assert log.status == "FAIL"
    assert log.message.startswith("Step Functions could not run a step")
    assert "mend" not in log.steps
    submitted = [name.partition("-")[0] for name in names_submitted(machines.account)]
    assert submitted == ["one", "new", "mend", "failed", "stop"]


def test_digits_gives_the_log_of_local(machines: Machines) -> None:
    """The machine-learning example, unchanged, with every step in a job of its own."""
    copy_example("digits", machines.project.folder)
    assert machines.execute("r", "-p", "parameters.yaml") == "SUCCEEDED"
    machines.compare_with_local("r", "-p", "parameters.yaml")
