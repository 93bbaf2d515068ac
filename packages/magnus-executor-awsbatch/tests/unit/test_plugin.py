from __future__ import annotations

import subprocess
import sys

import pytest

from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.integration import Integration
from magnus.usecases.integrations import judge_installed
from magnus_executor_awsbatch import integrations
from magnus_executor_awsbatch.executor import AwsBatchExecutor

RULES = {
    ("run_log_store", "buffered"): integrations.RunLogOnThisMachine,
    ("run_log_store", "file-system"): integrations.RunLogOnThisMachine,
    ("run_log_store", "chunked-fs"): integrations.RunLogOnThisMachine,
    ("run_log_store", "sql"): integrations.SqlRunLog,
    ("run_log_store", "s3"): integrations.S3RunLog,
    ("catalog", "file-system"): integrations.CatalogOnThisMachine,
    ("catalog", "s3"): integrations.S3Catalog,
    ("secrets", "dotenv"): integrations.SecretsOnThisMachine,
    ("secrets", "env-secrets-manager"): integrations.SecretsOnThisMachine,
    ("secrets", "aws-secrets-manager"): integrations.AwsSecrets,
    ("experiment_tracker", "mlflow"): integrations.MlflowServer,
}


@pytest.fixture
def manager() -> AdapterManager:
    """Return a manager that knows this package as an installed one offers it, and nothing else."""
    return AdapterManager([source for source in find_plugins() if source.name == "executor-awsbatch"])


def test_the_entry_point_leads_to_the_executor(manager: AdapterManager) -> None:
    """It is what its port asks for: the manager checks that."""
    assert manager.broken == []
    assert manager.load("executor", "local-aws-batch") is AwsBatchExecutor


def test_the_entry_point_leads_to_every_rule(manager: AdapterManager) -> None:
    """Each is the one that is meant for the service."""
    offers = manager.integrations()
    loaded = {pair[1:]: manager.load_integration(offer) for pair, offer in offers.items()}
    assert loaded == RULES
    assert all(issubclass(rule, Integration) for rule in loaded.values())


def test_the_executor_is_judged_though_it_needs_a_queue() -> None:
    """`magnus integrations` has no configuration that could name one."""
    table = judge_installed(AdapterManager(find_plugins()))
    assert "local-aws-batch" not in {each.name for each in table.unusable}
    assert "local-aws-batch" in {finding.executor for finding in table.findings}


@pytest.mark.parametrize("module", ["plugin", "config", "executor", "integrations"])
def test_what_check_needs_loads_no_vendor(module: str) -> None:
    """boto3 takes longer to import than all of magnus."""
    code = f"import sys, magnus_executor_awsbatch.{module}; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
