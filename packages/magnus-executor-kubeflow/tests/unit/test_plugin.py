from __future__ import annotations

import subprocess
import sys

import pytest

from magnus.domain.capabilities import Placement
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.usecases.integrations import judge_installed
from magnus_executor_kubeflow.config import KubeflowOptions
from magnus_executor_kubeflow.emulator import Emulator
from magnus_executor_kubeflow.executor import KubeflowExecutor


def test_the_entry_point_leads_to_the_adapters() -> None:
    """The manager checks that they are what their ports ask for."""
    manager = AdapterManager([source for source in find_plugins() if source.name == "executor-kubeflow"])
    assert manager.broken == []
    assert manager.load("executor", "kubeflow") is KubeflowExecutor
    assert manager.load("emulator", "kubeflow") is Emulator


def test_the_executor_is_judged_though_it_needs_an_image() -> None:
    """`magnus integrations` has no configuration that could name one."""
    table = judge_installed(AdapterManager(find_plugins()))
    assert "kubeflow" not in {each.name for each in table.unusable}
    assert "kubeflow" in {finding.executor for finding in table.findings}


@pytest.mark.parametrize("parallel", [True, False])
def test_it_says_what_it_can_do(*, parallel: bool) -> None:
    """As data, from its options."""
    options = KubeflowOptions(docker_image="image:1", enable_parallel=parallel)
    told = KubeflowExecutor.capabilities(options)
    assert (told.placement, told.concurrent_branches, told.refused_features) == (
        Placement.REMOTE,
        parallel,
        {},
    )


@pytest.mark.parametrize("module", ["plugin", "config", "executor", "emulator"])
def test_what_check_and_steps_need_loads_no_vendor(module: str) -> None:
    """Kfp takes longer to import than all of magnus, and a pod runs one step."""
    code = f"import sys, magnus_executor_kubeflow.{module}; sys.exit('kfp' in sys.modules or 'google' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
