"""What the documents show of AWS Batch happens, in an emulated account."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aws.emulator import REGION
from aws.set_up import ON_DEMAND, SPOT
from harness import copy_example
from readme_blocks import Commands, File, read_blocks
from test_aws_batch import handed_over, names_submitted
from test_aws_example import EXAMPLE, VALUES
from test_readme import type_in

from magnus.domain.canonical import first_difference
from magnus.engine.recorder import read_run_log
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    from aws.account import Account
    from harness import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[1]
README = ROOT / "packages" / "magnus-executor-awsbatch" / "README.md"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/my-project:1"


def test_each_block_of_the_package_does_what_it_shows(account: Account, project: Project) -> None:
    """With an image of the reader's folder, in the region that the emulator has."""
    account.aws.queues()
    account.aws.client("s3").create_bucket(Bucket="my-bucket")
    blocks = read_blocks(README)
    for block in blocks:
        if isinstance(block, File):
            project.write(block.name, block.text)
    image = account.image(project.folder)
    configuration = (project.folder / "config.yaml").read_text(encoding="utf-8")
    assert IMAGE in configuration
    project.write("config.yaml", configuration.replace(IMAGE, image).replace("eu-central-1", REGION))
    variables = project.environment(**account.aws.environment)
    typed = [block for block in blocks if isinstance(block, Commands)]
    assert any(block.needs_account for block in typed)
    for block in typed:
        type_in(block, project.folder, variables)


def test_the_example_runs_with_its_configuration(account: Account, project: Project) -> None:
    """Digits, with the outputs of a stack as variables: in jobs, with S3 and Secrets Manager, its log is that of `local`."""
    copy_example("digits", project.folder)
    shutil.copy(EXAMPLE / "config.yaml", project.folder / "batch.yaml")
    here = {"type": "file-system", "config": {"log_folder": str(project.folder / ".run_log_store")}}
    project.write("local.yaml", {"executor": {"type": "local"}, "run_log_store": here})
    repository, _, tag = account.image(project.folder).rpartition(":")
    values = VALUES | {
        "Region": REGION,
        "Bucket": account.bucket,
        "SpotQueue": account.aws.queue(SPOT, most_vcpus=64),
        "OnDemandQueue": account.aws.queue(ON_DEMAND, most_vcpus=64),
        "LogGroup": "/aws/batch/job",  # the only one that the emulator knows
        "Repository": repository,
        "Tag": tag,
    }
    variables = {f"MAGNUS_VAR_{name}": value for name, value in values.items()}
    logs = []
    for name in ("local", "batch"):
        options = ("-c", f"{name}.yaml", "-p", "parameters.yaml", "--run-id", name)
        done = project.magnus("execute", *options, **account.aws.environment, **variables)
        assert done.returncode == 0, done.stderr
        with open_run_log_store(load_setup(str(project.folder / f"{name}.yaml"), variables)) as store:
            logs.append(read_run_log(store, name))
    difference = first_difference(*logs)
    assert difference is None, difference
    assert len(names_submitted(account)) == len(set(names_submitted(account)))
    assert handed_over(account) == []
