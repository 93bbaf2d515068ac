"""State machines that `aws-step-functions` has rendered, interpreted on this machine: what they survive, and how they end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws.set_up import REGION
from harness import chain, shell, steps_of, wait_for
from outside import step_functions
from readme_blocks import File, read_blocks
from test_demo_renderer import AWKWARD, ITEMS, parallel
from test_readme import type_in

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

    from aws.stores import Stores
    from harness import Project


README = Path(__file__).parents[1] / "packages" / "magnus-executor-stepfunctions" / "README.md"


class OnS3:
    """A project whose pipelines are rendered as state machines, with an account of AWS that has stores and no jobs."""

    def __init__(self, project: Project, stores: Stores, quick: Path) -> None:
        """Begin with an empty bucket."""
        self.project = project
        self.services = stores.blocks()
        self.bucket = self.services["run_log_store"]["config"]["bucket"]
        self.variables = stores.environment
        self._stores = stores
        self._quick = quick

    def configure(self, **options: Any) -> None:
        """Write the configuration."""
        config = {"job_queue": "queue", "job_definition": "definition", "items": f"s3://{self.bucket}/items"}
        executor = {"type": "aws-step-functions", "config": config | options}
        self.project.write("config.yaml", {"executor": executor} | self.services)
        self.project.write("local.yaml", {"executor": {"type": "local"}} | self.services)

    def render(self, graph: Mapping[str, Any], *options: str, expect: int = 0, **executor: Any) -> str:
        """Render *graph*; return the machine, or why there is none."""
        self.project.write("pipeline.yaml", {"dag": graph})
        self.configure(**executor)
        done = self.call("execute", "-o", "machine.json", "-c", "config.yaml", *options)
        assert done.returncode == expect, done.stderr
        return (self.project.folder / "machine.json").read_text() if expect == 0 else done.stderr

    def emulate(self, run_id: str, *options: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the machine."""
        done = self.call("emulate", "machine.json", "--run-id", run_id, *options)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call magnus, which starts quickly."""
        return self.project.call("magnus", *arguments, quick=self._quick, **self.variables)

    def secret(self, value: str) -> str:
        """Return the name of a new secret that holds *value* as `CANARY`."""
        return self._stores.secret(json.dumps({"CANARY": value}))

    def objects(self, prefix: str) -> list[str]:
        """Return the texts of the objects below *prefix*, of which there is at least one."""
        client: Any = boto3.client("s3")
        keys = [each["Key"] for each in client.list_objects_v2(Bucket=self.bucket, Prefix=prefix)["Contents"]]
        return [client.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode() for key in keys]

    def run_log(self, run_id: str) -> dict[str, Any]:
        """Return the log of a run."""
        done = self.call("runs", "show", run_id, "--json", "-c", "config.yaml")
        assert done.returncode == 0, done.stderr
        log: dict[str, Any] = json.loads(done.stdout)
        return log

    def compare_with_local(self, run_id: str, *options: str, expect: int = 0) -> None:
        """Run the pipeline on `local`, and insist on the same canonical log."""
        done = self.call("execute", "-c", "local.yaml", "--run-id", "on-local", *options)
        assert done.returncode == expect, done.stderr
        done = self.call("runs", "compare", "on-local", run_id, "-c", "config.yaml")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def on_s3(project: Project, stores: Stores, quick: Path) -> OnS3:
    """Return a project with an empty bucket."""
    return OnS3(project, stores, quick)


def each(branch: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a map over the parameter `items`."""
    return {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch} | more


def test_names_and_items_come_back_as_they_are(on_s3: OnS3) -> None:
    """In the run log, which is that of the `local` run; in maps of both kinds."""
    odd = [name for name in AWKWARD if name not in ("A-B", "a-b", "esac", "~")]
    inner = {
        "one ü": shell('test -n "$MAGNUS_PRM_MAP_VARIABLE"'),
    }
    graph = chain(
        {
            **{name: {"type": "as-is"} for name in odd[:3]},
            "split": parallel(**{name: {name: {"type": "as-is"}} for name in odd[3:5]}),
            "each 'x'": each(chain(inner), iterate_as="the item", max_concurrency=4),
            odd[-1]: each(chain({odd[-1]: {"type": "as-is"}}), iterate_on="few"),
        }
    )
    items = [item for item in ITEMS if item not in ("a b", "-n", 1.5)]
    on_s3.project.write("the 'p'.yaml", {"items": items, "few": items[-2:]})
    options = ("-p", "the 'p'.yaml", "--tag", "{} $(exit 9) 'x'\\")
    on_s3.render(graph, *options)
    on_s3.emulate("one")
    log = on_s3.run_log("one")
    assert log["tag"] == options[-1]
    assert {*odd[:3], f"split.{odd[3]}.{odd[3]}"} < set(steps_of(log))
    assert len(log["steps"]["each 'x'"]["branches"]) == len(items)
    on_s3.compare_with_local("one", *options)


class TestEnds:
    """How an emulated execution ends, and what the run log says then."""

    def test_a_failed_run_is_continued_on_local_and_by_a_machine(self, on_s3: OnS3) -> None:
        """What had succeeded is not run again; what is certain to have ended is not even called."""
        steps = {
            "good": {"one": shell("echo good >>$HERE/ran")},
            "bad": {"one": shell("cd $HERE; echo bad >>ran; test -e fixed")},
        }
        graph = chain(
            {"first": shell("echo first >>$HERE/ran"), "split": parallel(**steps), "last": shell("true")}
        )
        on_s3.render(graph)
        on_s3.emulate("one", expect=1)
        assert on_s3.run_log("one")["status"] == "FAIL"
        (on_s3.project.folder / "fixed").touch()
        done = on_s3.call("execute", "-c", "local.yaml", "--run-id", "two", "--use-cached", "one")
        assert done.returncode == 0, done.stderr
        states = json.loads(on_s3.render(graph, "--use-cached", "one"))["States"]
        assert states["first"]["Type"] == "Pass"
        on_s3.emulate("three")
        assert on_s3.project.lines("ran").count("first") == 1
        assert sorted(on_s3.project.lines("ran")[1:]) == ["bad", "bad", "bad", "good"]
        done = on_s3.call("runs", "compare", "two", "three", "-c", "config.yaml")
        assert done.returncode == 0, done.stdout + done.stderr

    def test_a_failure_on_local_is_continued_by_a_machine(self, on_s3: OnS3) -> None:
        """Items that had succeeded are not run again."""
        work = shell(
            'cd "$HERE"; echo "$MAGNUS_PRM_item" >>ran; test "$MAGNUS_PRM_item" = 1 || test -e fixed'
        )
        graph = chain({"each": each(chain({"work": work}))})
        on_s3.project.write("p.yaml", {"items": [1, 2]})
        on_s3.project.write("pipeline.yaml", {"dag": graph})
        on_s3.configure()
        done = on_s3.call("execute", "-c", "local.yaml", "-p", "p.yaml", "--run-id", "one")
        assert done.returncode == 1, done.stderr
        (on_s3.project.folder / "fixed").touch()
        on_s3.render(graph, "-p", "p.yaml", "--use-cached", "one")
        on_s3.emulate("two")
        assert on_s3.project.lines("ran") == ["1", "2", "2"]
        assert on_s3.run_log("two")["status"] == "SUCCESS"

    def test_a_step_that_cannot_be_run_ends_the_run(self, on_s3: OnS3) -> None:
        """In a branch, too: the way after its failure is not gone."""
        breaking = shell(
            "cd $HERE; mv config.yaml away.yaml; echo broken: >config.yaml; touch broke", on_failure="mend"
        )
        branches = parallel(
            bad={"break": breaking, "never": shell("touch $HERE/never"), "mend": shell("touch $HERE/never")}
        )
        on_s3.render(chain({"split": branches | {"on_failure": "last"}, "last": shell("touch $HERE/never")}))
        done = on_s3.emulate("one", expect=1)
        assert "broken" in done.stderr
        assert (on_s3.project.folder / "broke").exists()
        assert not (on_s3.project.folder / "never").exists()

    def test_the_time_of_the_whole_run_is_kept(self, on_s3: OnS3) -> None:
        """By magnus, long before the machine would end."""
        steps = {"one": shell("sleep 60", on_failure="two"), "two": shell("touch $HERE/two")}
        on_s3.render(chain(steps) | {"max_time": 2})
        on_s3.emulate("one", expect=1)
        log = on_s3.run_log("one")
        assert (log["status"], log["message"]) == ("FAIL", "the run took longer than its max_time of 2 s")
        assert not (on_s3.project.folder / "two").exists()

    def test_a_signal_ends_everything_that_runs(self, on_s3: OnS3) -> None:
        """In branches that run at the same time."""
        waiting = {name: {"work": shell(f"touch $HERE/{name}; sleep 60")} for name in ("left", "right")}
        on_s3.render(chain({"split": parallel(**waiting)}))
        process = on_s3.project.start("emulate", "machine.json", "--run-id", "one", **on_s3.variables)
        wait_for(lambda: all((on_s3.project.folder / name).exists() for name in waiting), 60, "both branches")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert (process.returncode, b"interrupted by SIGTERM" in said) == (130, True), said.decode()
        on_s3.project.wait_until_nothing_runs()


def test_a_list_that_the_machine_cannot_take_is_refused(on_s3: OnS3) -> None:
    """Where it becomes known: the run ends as failed, and the sentence is in the output of the job."""
    graph = chain({"each": each(chain({"work": {"type": "as-is"}}), max_concurrency=2, on_failure="done")})
    on_s3.project.write("p.yaml", {"items": ["x" * 9000]})
    on_s3.render(graph, "-p", "p.yaml")
    done = on_s3.emulate("one", expect=1)
    assert "in the command of a job, and AWS Batch has" in done.stderr
    assert on_s3.run_log("one")["status"] == "FAIL"


def test_no_secret_is_in_the_machine_or_beside_the_items(on_s3: OnS3) -> None:
    """What the environment and the secrets hold is read where steps run."""
    on_s3.project.write("p.yaml", {"items": [1]})
    secret = on_s3.secret("canary-5b1e")
    on_s3.services["secrets"]["config"]["secret_name"] = secret
    tell = {"command_type": "python", "command": "tasks.tell"}
    on_s3.project.write(
        "tasks.py", "from magnus import get_secret\ndef tell():\n    print(get_secret('CANARY'))\n"
    )
    text = on_s3.render(chain({"one": tell, "each": each(chain({"x": tell}))}), "-p", "p.yaml")
    done = on_s3.emulate("one")
    seen = [text, done.stdout, done.stderr, *on_s3.objects("items/")]
    assert "***" in done.stdout
    assert [each for each in seen if "canary-5b1e" in each] == []


def test_each_block_of_the_readme_does_what_it_shows(on_s3: OnS3) -> None:
    """With an account, in the region that it has."""
    boto3.client("s3").create_bucket(Bucket="my-bucket")
    variables = on_s3.project.environment(**on_s3.variables)
    for block in read_blocks(README):
        if isinstance(block, File):
            on_s3.project.write(block.name, block.text.replace("eu-central-1", REGION))
        else:
            type_in(block, on_s3.project.folder, variables)


GOLDEN = README.parent / "tests" / "unit" / "golden" / "state-machine.json"


def jobs_of(machine: dict[str, Any]) -> list[Any]:
    """Return the parameters of the jobs of a machine's outermost graph."""
    return [
        each["Parameters"]
        for each in machine["States"].values()
        if each["Type"] == "Task" and "Retry" in each
    ]


@pytest.mark.parametrize(
    ("who", "change"),
    [
        ("botocore", lambda machine: jobs_of(machine)[0].update(JobQueues="x")),
        (
            "botocore",
            lambda machine: jobs_of(machine)[0]["ContainerOverrides"].update(Command=["x"], Cpu="1"),
        ),
        ("botocore", lambda machine: jobs_of(machine)[0].update(RetryStrategy={"Attempts": "1"})),
        ("statelint", lambda machine: machine["States"]["both"].update(Next="nowhere")),
        ("statelint", lambda machine: machine["States"]["done"].pop("End")),
        ("asl-validator", lambda machine: machine["States"].update({"x" * 81: {"Type": "Succeed"}})),
        ("asl-validator", lambda machine: machine.update(StartAt="nowhere")),
    ],
)
def test_what_others_are_asked_they_find(
    who: str, change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    """A mistake in a machine that was right."""
    if who == "asl-validator" and (reason := step_functions.missing()):
        assert not os.environ.get("MAGNUS_CI"), reason
        pytest.skip(reason)
    machine = json.loads(GOLDEN.read_text(encoding="utf-8"))
    file = tmp_path / "machine.json"
    for mistake in (None, change):
        if mistake is not None:
            mistake(machine)
        file.write_text(json.dumps(machine), encoding="utf-8")
        found = {problem.partition(":")[0] for problem in step_functions.problems(file)}
        assert (who in found) == (mistake is not None)
