"""The executor `local-aws-batch` against an emulated account, whose jobs are real containers."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
from aws.set_up import ON_DEMAND, SPOT
from harness import chain, python, shell, steps_of, wait_for

from magnus.engine.recorder import read_run_log
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from aws.account import Account
    from harness import Project

    from magnus.domain.run_log import RunLog

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HOUR = "sleep 3600"
ON_BATCH = ("-c", "config.yaml")


def read_log(project: Project, config: str, run_id: str) -> RunLog:
    """Return the log of a run from the store that a configuration names."""
    with open_run_log_store(load_setup(str(project.folder / config), {})) as store:
        return read_run_log(store, run_id)


def execute(
    project: Project, *options: str, expect: int = 0, config: str = "config.yaml"
) -> subprocess.CompletedProcess[str]:
    """Run the project's pipeline and insist on the exit code."""
    done = project.magnus("execute", "-c", config, *options)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def names_submitted(account: Account) -> list[str]:
    """Return the names of all jobs that were ever submitted; children of arrays are not counted."""
    return [job.name for job in account.jobs() if job.index is None]


def running(account: Account) -> list[str]:
    """Return the ids of the jobs that have not ended."""
    return [job.job_id for job in account.jobs() if job.status not in ("SUCCEEDED", "FAILED")]


def handed_over(account: Account) -> list[str]:
    """Return the keys of what lies in the bucket for jobs."""
    pages = account.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=account.bucket)
    return [item["Key"] for page in pages for item in page.get("Contents", ()) if "/handover/" in item["Key"]]


def wait_for_job(account: Account, status: str = "RUNNING", count: int = 1) -> list[Any]:
    """Wait until *count* jobs have *status*, and return them."""

    def found() -> list[Any]:
        return [job for job in account.jobs() if job.status == status]

    wait_for(lambda: len(found()) >= count, 60, f"{count} jobs to be {status}")
    return found()


def test_the_items_of_a_map_are_one_array_and_a_failed_one_is_tried_alone(
    account: Account, project: Project
) -> None:
    """Each child has its own attempts, log and place in the run log."""
    project.write(
        "tasks.py",
        """
        import os
        from pathlib import Path

        def work(item: int):
            print("item", item)
            kept = Path(os.environ["KEPT_FOLDER"], str(item))
            if item == 2 and not kept.exists():
                kept.touch()
                raise ConnectionError("the first time")
            return {"square": item * item}
        """,
    )
    branch = chain({"work": python("tasks.work", retry=2)})
    each = {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch}
    project.write("pipeline.yaml", {"dag": chain({"each": each})})
    project.write("parameters.yaml", {"items": [1, 2, 3]})
    definition = account.definition_that_keeps(account.image(project.folder), project.folder)
    account.configure(project, job_definition=definition)
    execute(project, "-p", "parameters.yaml", "--run-id", "r")
    log = read_log(project, "config.yaml", "r")
    assert log.parameters["square"] == [1, 4, 9]
    submitted = [(job.size, job.status) for job in account.jobs() if job.index is None]
    assert submitted == [(3, "FAILED"), (0, "SUCCEEDED")]
    logs = project.magnus("runs", "logs", "r", "each.%=2.work", *ON_BATCH)
    assert logs.stdout.startswith("item 2\n")


class TestResume:
    """What failed on one executor is finished on another, and only that runs again."""

    @pytest.fixture
    def started(self, account: Account, project: Project, magnus_image: str) -> Project:
        """Return a project whose second step fails until a parameter says otherwise, and its configurations."""
        project.write(
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
        project.write(
            "pipeline.yaml",
            {"dag": chain({"first": python("tasks.first"), "second": python("tasks.second")})},
        )
        project.write("fixed.yaml", {"fixed": True})
        account.configure(project, "batch.yaml")
        project.write("local.yaml", {"executor": {"type": "local"}, **account.services()})
        container = {"docker_image": magnus_image, "network": "host", "environment": account.aws.environment}
        project.write(
            "container.yaml",
            {"executor": {"type": "local-container", "config": container}, **account.services()},
        )
        return project

    @pytest.mark.parametrize(
        ("here", "there"),
        [("batch", "local"), ("batch", "container"), ("local", "batch"), ("container", "batch")],
    )
    def test_a_run_is_finished_elsewhere(self, started: Project, here: str, there: str) -> None:
        """The step that had succeeded is not run again."""
        execute(started, "--run-id", "one", expect=1, config=f"{here}.yaml")
        execute(started, "--run-id", "two", "--use-cached", "one", "-p", "fixed.yaml", config=f"{there}.yaml")
        log = read_log(started, f"{there}.yaml", "two")
        assert log.steps["first"].mock
        assert not log.steps["second"].mock
        assert log.parameters["n"] == 2


class TestInterrupt:
    """Ctrl-C, SIGTERM, `kill -9`, and what comes after."""

    @pytest.fixture
    def long(self, account: Account, project: Project) -> Project:
        """Return a project with a quick step, a map and a step that wait for a file, and a last one."""
        wait = 'echo waiting; until [ -e "$KEPT_FOLDER/go" ]; do sleep 0.1; done'
        each = {
            "type": "map",
            "iterate_on": "items",
            "iterate_as": "item",
            "branch": chain({"wait": shell(wait)}),
        }
        project.write(
            "pipeline.yaml",
            {"dag": chain({"quick": shell("true"), "each": each, "last": shell("true")})},
        )
        project.write("parameters.yaml", {"items": [1, 2]})
        self.configure(account, project)
        return project

    def configure(self, account: Account, project: Project, **options: Any) -> None:
        """Write the configuration, with jobs that see the project's folder."""
        definition = account.definition_that_keeps(account.image(project.folder), project.folder)
        account.configure(project, job_definition=definition, **options)

    def start(self, project: Project) -> subprocess.Popen[bytes]:
        """Begin the run `r`."""
        return project.start("execute", *ON_BATCH, "-p", "parameters.yaml", "--run-id", "r")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_its_jobs_are_terminated(self, account: Account, long: Project, number: signal.Signals) -> None:
        """None is left, and the run log says why it ended."""
        process = self.start(long)
        wait_for_job(account, count=2)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130, said.decode()
        wait_for(lambda: not running(account), 10, "the jobs to end")
        log = read_log(long, "config.yaml", "r")
        assert (log.status, log.message) == ("FAIL", f"interrupted by {number.name}")
        steps = steps_of(json.loads(long.magnus("runs", "show", "r", "--json", *ON_BATCH).stdout))
        assert [len(steps[f"each.%={item}.wait"]["attempts"]) for item in (1, 2)] == [1, 1]
        assert handed_over(account) == []

    def test_detached_jobs_go_on_and_are_attached_to(self, account: Account, long: Project) -> None:
        """Also if they end while nobody looks; nothing is submitted twice."""
        self.configure(account, long, on_interrupt="detach")
        process = self.start(long)
        wait_for_job(account, count=2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert b"attach: magnus runs attach -c config.yaml r\n" in said
        assert len(running(account)) == 3  # the array and its children
        (long.folder / "go").touch()
        wait_for(lambda: not running(account), 30, "the jobs to end by themselves")
        self.attach_to_the_end(account, long)

    def test_after_kill_9_nothing_is_submitted_twice(self, account: Account, long: Project) -> None:
        """Attaching finds the jobs by their names."""
        process = self.start(long)
        wait_for_job(account, count=2)
        process.kill()
        process.communicate()
        (long.folder / "go").touch()
        self.attach_to_the_end(account, long)

    def attach_to_the_end(self, account: Account, project: Project) -> None:
        """Attach to the run and insist that it ends as if nothing had happened."""
        done = project.magnus("runs", "attach", "r", *ON_BATCH)
        assert done.returncode == 0, done.stderr
        assert "found the job" in done.stderr
        log = read_log(project, "config.yaml", "r")
        assert log.status == "SUCCESS"
        names = names_submitted(account)
        assert len(names) == 3  # the quick step, the array, the last step
        assert len(set(names)) == 3
        assert handed_over(account) == []
        again = project.magnus("runs", "attach", "r", *ON_BATCH)
        assert again.returncode == 2
        assert "has ended with SUCCESS" in again.stderr

    def test_an_answer_that_is_lost_submits_nothing_twice(self, account: Account, long: Project) -> None:
        """The job is looked for by its name before it is submitted again."""
        (long.folder / "go").touch()
        account.aws.traffic.lose_answer("SubmitJob")
        execute(long, "-p", "parameters.yaml", "--run-id", "r")
        assert len(names_submitted(account)) == len(set(names_submitted(account))) == 3

    def test_a_killed_run_is_reaped(self, account: Account, long: Project) -> None:
        """Its jobs are terminated, and what they were told is removed."""
        process = self.start(long)
        wait_for_job(account, count=2)
        process.kill()
        process.communicate()
        done = long.magnus("runs", "reap", "r", *ON_BATCH)
        assert done.returncode == 0
        assert "terminated the job" in done.stderr
        wait_for(lambda: not running(account), 10, "the jobs to end")
        assert handed_over(account) == []


class TestFailures:
    """What a person sees when a job does not do its work, and which budget is spent."""

    def run(
        self, account: Account, project: Project, step: Mapping[str, Any], **options: Any
    ) -> Callable[[], tuple[RunLog, str]]:
        """Begin a run of one step; return what waits for its end and gives its log and what was said."""
        project.write("pipeline.yaml", {"dag": chain({"step": step})})
        account.configure(project, **options)
        process = project.start("execute", *ON_BATCH, "--run-id", "r")

        def end() -> tuple[RunLog, str]:
            _, said = process.communicate(timeout=120)
            return read_log(project, "config.yaml", "r"), said.decode()

        return end

    def message(self, log: RunLog) -> str:
        """Return why the one attempt at the step failed: the user's `retry` of 3 was not spent."""
        (attempt,) = log.steps["step"].attempts
        return attempt.message

    def test_a_reclaimed_host_is_no_failure_of_the_step(self, account: Account, project: Project) -> None:
        """Batch tries again on the same queue, and after that magnus goes on to the next one."""
        queues = list(account.aws.queues())
        wait = 'echo try; [ "$AWS_BATCH_JQ_NAME" != spot ] || sleep 3600'
        budgets = {"host-reclaimed": 1}
        end = self.run(account, project, shell(wait, retry=3), job_queue=queues, budgets=budgets)
        for _ in range(2):
            (job,) = wait_for_job(account)
            account.aws.batch.reclaim(job.job_id)
            wait_for(
                lambda job=job: account.aws.batch.job(job.job_id).status != "RUNNING", 20, "it to be gone"
            )
        log, said = end()
        assert log.status == "SUCCESS", said
        assert len(log.steps["step"].attempts) == 1
        assert [job.queue for job in account.jobs()] == [SPOT, ON_DEMAND]
        assert "the host of the job was reclaimed" in said
        assert "submitted again to the queue 'on-demand'" in said

    def test_an_image_that_cannot_be_had(self, account: Account, project: Project) -> None:
        """It is tried once more, as the budget says, and costs none of the user's attempts."""
        end = self.run(account, project, shell("true", retry=3), docker_image="no-such-image:1")
        log, _ = end()
        assert self.message(log).startswith("the container could not be started: CannotPullContainerError")
        assert "not-started: tried again once" in self.message(log)
        assert len(names_submitted(account)) == 2

    def test_a_step_that_needs_too_much_memory_fails_by_its_own_fault(
        self, account: Account, project: Project
    ) -> None:
        """It spends the user's retry, and says what to do."""
        step = python("tasks.grow", retry=2) | {"resources": {"cpu": 1, "memory": "150MiB"}}
        project.write("tasks.py", "def grow():\n    bytearray(400_000_000)\n")
        log, _ = self.run(account, project, step)()
        assert [attempt.exit_code for attempt in log.steps["step"].attempts] == [137, 137]
        assert "it needed more than its memory" in log.steps["step"].message

    def test_a_job_that_can_never_start(self, account: Account, project: Project) -> None:
        """It ends with the reason that Batch gives, and is not left in the queue."""
        account.aws.queue()
        account.aws.batch.hold()
        end = self.run(account, project, shell("true", retry=3))
        (job,) = wait_for_job(account, "RUNNABLE")
        account.aws.batch.get_stuck(job.job_id, "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none left")
        reason = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - no environment is large enough"
        wait_for(lambda: account.aws.calls["DescribeJobs"] > 10, 20, "it to be looked at")
        account.aws.batch.get_stuck(job.job_id, reason)
        log, said = end()
        assert said.count("step: waits: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none left") == 1
        assert self.message(log).startswith(f"Batch can never start the job: {reason}")
        assert running(account) == []

    def test_a_queue_that_is_disabled_meanwhile(self, account: Account, project: Project) -> None:
        """Nobody waits for ever."""
        queue = account.aws.queue()
        account.aws.batch.hold()
        end = self.run(account, project, shell("true"))
        wait_for_job(account, "RUNNABLE")
        account.aws.client("batch").update_job_queue(jobQueue=queue, state="DISABLED")
        log, _ = end()
        assert f"the queue '{queue}' is disabled" in self.message(log)

    def test_a_job_that_batch_has_forgotten(self, account: Account, project: Project) -> None:
        """It is lost, and its step failed."""
        end = self.run(account, project, shell(HOUR, retry=3))
        (job,) = wait_for_job(account)
        account.aws.batch.forget(job.job_id)
        log, _ = end()
        assert self.message(log).startswith("the job is lost: Batch does not know it any more")

    def test_a_busy_service_is_waited_for(self, account: Account, project: Project) -> None:
        """Neither submitting nor describing fails a step by being throttled for a while."""
        account.aws.queue()
        account.aws.traffic.throttle("SubmitJob", 1)
        account.aws.traffic.throttle("DescribeJobs", 2)
        log, said = self.run(account, project, shell("true"))()
        assert log.status == "SUCCESS", said

    def test_a_queue_that_starts_nothing_is_refused_before_the_run(
        self, account: Account, project: Project
    ) -> None:
        """And one that there is not, and a definition; exit code 2, and no run log."""
        project.write("pipeline.yaml", {"dag": chain({"step": shell("true")})})
        queue = account.aws.queue()
        account.aws.client("batch").update_job_queue(jobQueue=queue, state="DISABLED")
        account.configure(project, job_queue=[queue, "nowhere"])
        done = execute(project, "--run-id", "r", expect=2)
        assert "there is no job queue 'nowhere'" in done.stderr
        assert f"the queue '{queue}' is disabled" in done.stderr
        account.configure(project, job_queue=ON_DEMAND, job_definition="nothing")
        account.aws.queue(ON_DEMAND)
        done = execute(project, "--run-id", "r", expect=2)
        assert "there is no active job definition 'nothing'" in done.stderr
        assert project.magnus("runs", "list", *ON_BATCH).stdout.count("r\n") == 0


def test_lines_are_shown_while_the_job_runs(account: Account, project: Project) -> None:
    """With the step's name before them, and the last one too."""
    project.write(
        "pipeline.yaml",
        {
            "dag": chain(
                {"talk": shell('echo early; until [ -e "$KEPT_FOLDER/go" ]; do sleep 0.1; done; printf late')}
            )
        },
    )
    definition = account.definition_that_keeps(account.image(project.folder), project.folder)
    account.configure(project, job_definition=definition)
    process = project.start("execute", *ON_BATCH, "--run-id", "r")
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 1000) == b"talk | early\n"
    (project.folder / "go").touch()
    out, _ = process.communicate(timeout=60)
    assert out == b"talk | late\n"
    assert project.magnus("runs", "logs", "r", *ON_BATCH).stdout == "early\nlate"


def test_no_secret_is_where_others_may_look(account: Account, project: Project) -> None:
    """Not in a definition, a job, a log line, the run log, and after the run not in the handover either."""
    secret = "canary-in-a-coal-mine"
    project.write(
        "tasks.py",
        """
        from magnus import get_secret
        def tell():
            print("it is", get_secret("CANARY"))
            return {"token": get_secret("CANARY")}
        """,
    )
    project.write("pipeline.yaml", {"dag": chain({"one": python("tasks.tell"), "two": python("tasks.tell")})})
    name = account.aws.secret(json.dumps({"CANARY": secret}))
    account.configure(project, services=account.services(secret_name=name))
    done = execute(project, "--run-id", "r")
    batch, logs = account.aws.client("batch"), account.aws.client("logs")
    jobs = batch.describe_jobs(jobs=[job.job_id for job in account.jobs()])["jobs"]
    seen = [done.stdout, done.stderr, json.dumps(jobs, default=str)]
    seen.append(json.dumps(batch.describe_job_definitions(), default=str))
    seen += [event["message"] for event in logs.filter_log_events(logGroupName="/aws/batch/job")["events"]]
    objects = account.aws.client("s3")
    for page in objects.get_paginator("list_objects_v2").paginate(Bucket=account.bucket):
        for item in page["Contents"]:
            body = objects.get_object(Bucket=account.bucket, Key=item["Key"])["Body"].read()
            seen.append(body.decode(errors="replace"))
    assert "it is ***" in done.stdout
    assert [text for text in seen if secret in text] == []
