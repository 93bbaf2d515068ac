"""The verdicts on services for the executors whose steps run in jobs and pods that others start.

All follow from what services and executors say of themselves. That the services run which are not refused is shown by the dags
that are run on them (`test_same_meaning.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import Project

EXECUTORS = ("argo", "aws-step-functions", "kubeflow")

VERDICTS = {
    ("run_log_store", "buffered"): "error",
    ("run_log_store", "chunked-fs"): "error",
    ("run_log_store", "file-system"): "error",
    ("run_log_store", "s3"): "unknown",
    ("run_log_store", "sql"): "error",
    ("catalog", "do-nothing"): "ok",
    ("catalog", "file-system"): "error",
    ("catalog", "s3"): "unknown",
    ("secrets", "aws-secrets-manager"): "unknown",
    ("secrets", "do-nothing"): "ok",
    ("secrets", "dotenv"): "error",
    ("secrets", "env-secrets-manager"): "unknown",
    ("experiment_tracker", "do-nothing"): "ok",
    ("experiment_tracker", "mlflow"): "ok",
}
"""By kind and service, with default options; `unknown` where credentials must be there that nobody here can see."""

PAIRS = {(executor, kind, service) for executor in EXECUTORS for kind, service in VERDICTS}


def test_what_reaches_no_further_than_this_machine_is_refused() -> None:
    """And where credentials are needed there, that is said."""
    done = Project(Path.cwd()).magnus("integrations", "--json")
    shown = {
        (each["executor"], each["subject"], each["name"]): each["verdict"]
        for each in json.loads(done.stdout)["integrations"]
        if each["executor"] in EXECUTORS
    }
    expected = {(executor, *pair): verdict for executor in EXECUTORS for pair, verdict in VERDICTS.items()}
    assert shown == expected


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_server_for_run_logs_is_reached(executor: str, project: Project) -> None:
    """By its URL; nothing is asked."""
    options = {"docker_image": "image:1"}
    if executor == "aws-step-functions":
        options = {"job_queue": "queue", "job_definition": "definition"}
    project.write(
        "config.yaml",
        {
            "executor": {"type": executor, "config": options},
            "run_log_store": {"type": "sql", "config": {"url": "postgresql+psycopg://user@host/runs"}},
            "catalog": {"type": "do-nothing"},
        },
    )
    project.write(
        "pipeline.yaml",
        {
            "dag": {
                "start_at": "one",
                "steps": {
                    "one": {"type": "as-is", "next": "done"},
                    "done": {"type": "success"},
                    "failed": {"type": "fail"},
                },
            }
        },
    )
    assert project.magnus("check", "-c", "config.yaml", "--strict").returncode == 0
