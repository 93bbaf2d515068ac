from __future__ import annotations

import subprocess
import sys

import pytest

from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.usecases.integrations import judge_installed
from magnus_executor_stepfunctions.emulator import Emulator
from magnus_executor_stepfunctions.executor import StepFunctionsExecutor


def test_the_entry_point_leads_to_executor_and_emulator() -> None:
    """They are what their ports ask for: the manager checks that."""
    manager = AdapterManager([source for source in find_plugins() if source.name == "executor-stepfunctions"])
    assert manager.broken == []
    assert manager.load("executor", "aws-step-functions") is StepFunctionsExecutor
    assert manager.load("emulator", "aws-step-functions") is Emulator


def test_the_executor_is_judged_though_it_needs_a_queue() -> None:
    """`magnus integrations` has no configuration that could name one."""
    table = judge_installed(AdapterManager(find_plugins()))
    found = {
        finding.name: finding.verdict.judgement
        for finding in table.findings
        if finding.executor == "aws-step-functions"
    }
    assert (found["s3"], found["file-system"]) == ("unknown", "error")


@pytest.mark.parametrize("module", ["plugin", "config", "executor", "machine", "reading"])
def test_rendering_loads_no_vendor(module: str) -> None:
    """boto3 takes longer to import than all of magnus."""
    code = f"import sys, magnus_executor_stepfunctions.{module}; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
