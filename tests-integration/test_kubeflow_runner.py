"""What is rendered for Kubeflow, run by kfp's own runner in real containers: a reader of pipelines that is none of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from containers.images import build
from harness import chain, copy_example, python, shell, steps_of
from kubeflow_kit import FILE, Kubeflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws.account import Account
    from containers.base_image import BaseImage
    from docker import DockerClient
    from harness import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUNNER = Path(__file__).parent / "kubeflow_runner.py"

TASKS = """
    def add(n: int):
        return {"n": n + 1}

    def square(x: int):
        return {"square": x * x}
"""


@pytest.fixture
def kubeflow(account: Account, project: Project, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Kubeflow:
    """Return a project with its stores in S3."""
    return Kubeflow(project, account.services(), quick, monkeypatch)


def run(kubeflow: Kubeflow, account: Account, graph: Mapping[str, Any], *options: str) -> int:
    """Run a pipeline as `one` by kfp and as `two` by `local`, and return kfp's exit code; the logs are to be the same."""
    kubeflow.write(graph)  # the image holds it, with another name of the image itself
    kubeflow.write(graph, docker_image=account.image(kubeflow.project.folder), run_id_from="parameter")
    kubeflow.render(*options)
    code = run_by_kfp(kubeflow, account, "one")
    kubeflow.project.magnus("execute", "-c", "local.yaml", "--run-id", "two", *options)
    kubeflow.assert_same("two", "one")
    return code


def run_by_kfp(kubeflow: Kubeflow, account: Account, run_id: str) -> int:
    """Run what was rendered."""
    root = kubeflow.project.folder / "root"
    arguments = [FILE, str(root), json.dumps({"run_id": run_id}), json.dumps(account.aws.environment)]
    done = subprocess.run(
        [sys.executable, str(RUNNER), *arguments],
        cwd=kubeflow.project.folder,
        env=kubeflow.project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    print(done.stdout, done.stderr)  # noqa: T201 - seen if the test fails
    return done.returncode


def each(on: str) -> dict[str, Any]:
    """Return a map."""
    branch = chain({"square": python("tasks.square")})
    return {"type": "map", "iterate_on": on, "iterate_as": "x", "branch": branch}


def test_steps_attempts_and_failures(kubeflow: Kubeflow, account: Account) -> None:
    """A step that is tried three times, `on_failure`, and what comes after it: a map without items."""
    kubeflow.project.write("tasks.py", TASKS)
    steps = {
        "add": python("tasks.add"),
        "bad": shell("exit 5", retry={"max_attempts": 3, "backoff": {"initial": 0.1}}, on_failure="mend"),
        "skipped": shell("false"),
        "mend": python("tasks.add"),
        "none": each("nothing"),
    }
    kubeflow.project.write("parameters.yaml", {"n": 1, "nothing": []})
    assert run(kubeflow, account, chain(steps), "-p", "parameters.yaml") == 0
    log = kubeflow.log("one")
    assert log["parameters"]["n"] == 3
    assert len(steps_of(log)["bad"]["attempts"]) == 3
    assert "skipped" not in steps_of(log)


def test_it_is_emulated_in_containers(kubeflow: Kubeflow, account: Account) -> None:
    """Of the image that the file names; what the orchestrator is told goes through a folder that both see."""
    kubeflow.project.write("tasks.py", TASKS)
    kubeflow.project.write("parameters.yaml", {"xs": [3]})
    kubeflow.write(chain({"each": each("xs")}))
    kubeflow.write(
        chain({"each": each("xs")}),
        docker_image=account.image(kubeflow.project.folder),
        run_id_from="parameter",
    )
    kubeflow.render("-p", "parameters.yaml")
    variables = [f"--environment={name}" for name in account.aws.environment]
    emulated = kubeflow.emulate("one", "--containers", *variables)
    assert emulated.returncode == 0, emulated.stderr
    assert set(steps_of(kubeflow.log("one"))) == {"each", "each.%=3.square", "each.%=3.done", "done"}


def test_a_step_that_cannot_be_run(
    kubeflow: Kubeflow, account: Account, engine: DockerClient, base_image: BaseImage, tmp_path: Path
) -> None:
    """The magnus in its image is broken: nothing comes after it, and the run is closed with the reason."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        f"FROM {base_image.tag}\nRUN printf '#!/bin/sh\\nexit 9\\n' >/usr/bin/magnus && chmod +x /usr/bin/magnus\n"
    )
    broken = f"magnus-tests-broken:{os.getpid()}"
    build(engine, broken, folder)
    steps = {
        "first": shell("true"),
        "break": shell("true", executor_config={"docker_image": broken}),
        "never": shell("true"),
    }
    kubeflow.write(chain(steps))
    kubeflow.write(chain(steps), docker_image=account.image(kubeflow.project.folder), run_id_from="parameter")
    kubeflow.render()
    try:
        assert run_by_kfp(kubeflow, account, "one") == 1
    finally:
        engine.images.remove(broken)
    log = kubeflow.log("one")
    assert (log["status"], log["message"]) == ("FAIL", "Kubeflow ended the pipeline before the run had ended")
    assert "never" not in steps_of(log)


def test_the_example_of_machine_learning(kubeflow: Kubeflow, account: Account) -> None:
    """Digits, unchanged: the log is that of `local`."""
    folder = kubeflow.project.folder
    copy_example("digits", folder)
    kubeflow.configure()
    kubeflow.configure(docker_image=account.image(folder), run_id_from="parameter")
    kubeflow.render("-p", "parameters.yaml")
    assert run_by_kfp(kubeflow, account, "one") == 0
    local = kubeflow.project.magnus("execute", "-c", "local.yaml", "-p", "parameters.yaml", "--run-id", "two")
    assert local.returncode == 0, local.stderr
    kubeflow.assert_same("two", "one")
