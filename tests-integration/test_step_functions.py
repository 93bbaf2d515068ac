"""State machines that `aws-step-functions` has rendered, interpreted on this machine: what they survive, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws.server import Server
from harness import Project, chain, shell, steps_of
from test_demo_renderer import AWKWARD, ITEMS, parallel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}


class OnS3:
    """A project whose pipelines are rendered as state machines, with an account of AWS that has S3 alone."""

    def __init__(self, project: Project, endpoint: str, quick: Path) -> None:
        """Begin with an empty bucket."""
        self.project = project
        self.variables = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.bucket = f"magnus-{uuid.uuid4().hex}"
        self.client.create_bucket(Bucket=self.bucket)
        self._quick = quick

    @property
    def services(self) -> dict[str, Any]:
        """The blocks of the stores."""
        return {
            "run_log_store": {"type": "s3", "config": {"bucket": self.bucket, "prefix": "runs"}},
            "catalog": {"type": "s3", "config": {"bucket": self.bucket, "prefix": "catalog"}},
        }

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
        path = f"{self._quick}{os.pathsep}{os.environ['PATH']}"
        environment = self.project.environment(**self.variables) | {"PATH": path}
        return subprocess.run(
            [shutil.which("magnus", path=path) or "magnus", *arguments],
            cwd=self.project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

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


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Serve S3 in this process."""
    server = Server(lambda application: application)
    yield f"http://127.0.0.1:{server.port}"
    server.close()


@pytest.fixture
def on_s3(project: Project, s3_endpoint: str, quick: Path) -> OnS3:
    """Return a project with an empty bucket."""
    return OnS3(project, s3_endpoint, quick)


def each(branch: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a map over the parameter `items`."""
    return {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch} | more


class TestNames:
    """Whatever people call things, it comes back as they call it."""

    @pytest.mark.parametrize("together", [3, None], ids=["inline", "distributed"])
    def test_steps_branches_and_items_keep_their_names(self, on_s3: OnS3, together: int | None) -> None:
        """In the run log, which is that of the `local` run."""
        steps = {name: {"type": "as-is"} for name in AWKWARD[:6]}
        inner = chain({"one ü": shell('test -n "$MAGNUS_PRM_MAP_VARIABLE"')})
        most = {} if together is None else {"max_concurrency": together}
        graph = chain(
            steps
            | {
                "split": parallel(**{name: {name: {"type": "as-is"}} for name in AWKWARD[6:]}),
                "each 'x'": each(inner, iterate_as="the item", **most),
            }
        )
        on_s3.project.write("the 'p'.yaml", {"items": ITEMS})
        on_s3.render(graph, "-p", "the 'p'.yaml", "--tag", "{} $(exit 9) 'x'\\")
        on_s3.emulate("one")
        log = on_s3.run_log("one")
        assert log["tag"] == "{} $(exit 9) 'x'\\"
        assert set(AWKWARD[:6]) < set(steps_of(log))
        assert len(log["steps"]["each 'x'"]["branches"]) == len(ITEMS)
        on_s3.compare_with_local("one", "-p", "the 'p'.yaml")
