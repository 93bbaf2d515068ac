"""The executor `local-aws-batch` against an emulated account, whose jobs are real containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aws.account import Account
    from harness import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_pipeline_runs_in_jobs(account: Account, project: Project) -> None:
    """One for each step."""
    project.write("tasks.py", "def add(n: int = 0):\n    print('adding')\n    return {'n': n + 1}\n")
    project.write(
        "pipeline.yaml",
        """
        dag:
          start_at: one
          steps:
            one: {type: task, command: tasks.add, next: two}
            two: {type: task, command: tasks.add, next: done}
            done: {type: success}
            failed: {type: fail}
        """,
    )
    account.configure(project)
    done = project.magnus("execute", "-c", "config.yaml", "--run-id", "r")
    assert done.returncode == 0, done.stderr
