"""`examples/aws`: what its template makes is what its configuration needs, and no more."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from readme_blocks import Commands, read_blocks
from test_examples import Project

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = Path(__file__).parents[1] / "examples" / "aws"
REFERENCES = {
    "Bucket": "a-bucket",
    "Bucket.Arn": "arn:aws:s3:::a-bucket",
    "AWS::AccountId": "*",
    "AWS::Partition": "aws",
    "AWS::Region": "*",
}
"""What references stand for; an account and a region for those that `magnus check --iam`, which asks nobody, leaves open."""

VALUES = {
    "Region": "eu-central-1",
    "Bucket": "a-bucket",
    "SpotQueue": "arn:aws:batch:eu-central-1:123456789012:job-queue/spot",
    "OnDemandQueue": "arn:aws:batch:eu-central-1:123456789012:job-queue/on-demand",
    "JobRole": "arn:aws:iam::123456789012:role/job",
    "ExecutionRole": "arn:aws:iam::123456789012:role/execution",
    "LogGroup": "/magnus/magnus",
    "Repository": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/magnus",
}
"""Outputs as a stack could have them."""

VARIABLES = {f"MAGNUS_VAR_{name}": value for name, value in VALUES.items()} | {"MAGNUS_VAR_Tag": "1"}


class _Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions; what they refer to is in `REFERENCES`, else it stands in braces."""


def _reference(name: str) -> str:
    return REFERENCES.get(name, f"{{{name}}}")


def _substituted(text: str) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda found: _reference(found[1]), text)


_Loader.add_constructor("!Ref", lambda _, node: _reference(node.value))
_Loader.add_constructor("!GetAtt", lambda _, node: _reference(node.value))
_Loader.add_constructor("!Sub", lambda _, node: _substituted(node.value))


@cache
def template() -> dict[str, Any]:
    """Return the template."""
    text = (EXAMPLE / "template.yaml").read_text(encoding="utf-8")
    read: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 - a safe loader, with three more tags
    return read


def statements(policies: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of the only inline policy in the properties of a role."""
    (policy,) = policies["Policies"]
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return the pipeline of the example with its configuration."""
    project = Project("digits", tmp_path)
    shutil.copytree(EXAMPLE, project.folder.parent / "aws")
    return project


def check(project: Project, *options: str) -> str:
    """Return what `magnus check` prints, with outputs of a stack as variables."""
    files = ("-f", "pipeline.yaml", "-c", "../aws/config.yaml", "-p", "parameters.yaml")
    done = project.type("magnus", "check", *files, *options, **VARIABLES)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_linter_finds_nothing() -> None:
    """Not even what it is not sure of."""
    linter = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run(
        [linter, "--include-checks", "I", "--", EXAMPLE / "template.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_configuration_and_the_pipeline_go_together(project: Project) -> None:
    """Every verdict is `ok`."""
    report = json.loads(check(project, "--json"))
    assert report["findings"]
    assert {finding["verdict"] for finding in report["findings"]} == {"ok"}


def test_the_role_of_jobs_may_do_what_magnus_says_and_nothing_else(project: Project) -> None:
    """Neither can change without the other."""
    printed = json.loads(check(project, "--iam"))
    role = template()["Resources"]["JobRole"]["Properties"]
    assert statements(role) == printed["Statement"]


def test_each_output_is_a_variable_of_the_configuration() -> None:
    """But for the policy, which is nothing that magnus reads, and the tag, which the user chooses."""
    variables = set(re.findall(r"\$\{(\w+)\}", (EXAMPLE / "config.yaml").read_text(encoding="utf-8")))
    assert set(template()["Outputs"]) - {"UserPolicy"} == variables - {"Tag"}


def test_both_queues_can_hold_what_the_configuration_sends() -> None:
    """The compute environments are of the platform that the configuration names, Spot in the first queue."""
    executor = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))["executor"]["config"]
    resources = template()["Resources"]
    kinds = []
    for variable in executor["job_queue"]:
        (order,) = resources[variable.strip("${}")]["Properties"]["ComputeEnvironmentOrder"]
        environment = resources[order["ComputeEnvironment"].strip("{}")]["Properties"]
        kinds.append(environment["ComputeResources"]["Type"])
    assert kinds == [f"{executor['platform']}_SPOT", executor["platform"]]


def test_the_handover_expires_where_the_configuration_puts_it() -> None:
    """Killed runs may leave credentials there."""
    executor = yaml.safe_load((EXAMPLE / "config.yaml").read_text(encoding="utf-8"))["executor"]["config"]
    rules = template()["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (prefix,) = [rule["Prefix"] for rule in rules if "ExpirationInDays" in rule]
    assert executor["handover"] == f"s3://${{Bucket}}/{prefix.rstrip('/')}"


BLOCKS = [block for block in read_blocks(EXAMPLE / "README.md") if isinstance(block, Commands)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_a_shell_can_read_the_commands_of_the_readme(block: Commands) -> None:
    """Most of them need an account, and are not run here."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_checks_of_the_readme_need_no_account(project: Project) -> None:
    """They are typed in the folder of the pipeline, with the outputs of a stack as variables."""
    (block,) = [block for block in BLOCKS if block.text.startswith("magnus check")]
    done = project.type("bash", "-e", "-c", block.text, **VARIABLES)
    assert done.returncode == 0, done.stderr


def test_the_outputs_of_a_stack_become_variables(project: Project) -> None:
    """By the command of the README, with the answer of `aws` in its place."""
    (text,) = [block.text for block in BLOCKS if "describe-stacks" in block.text]
    answer = "".join(f"{name}\t{value}\n" for name, value in VALUES.items())
    aws = project.folder / "aws"
    aws.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}END\n", encoding="utf-8")
    aws.chmod(0o755)
    done = project.type("bash", "-e", "-c", f"PATH=$PWD:$PATH\n{text}\nenv")
    assert done.returncode == 0, done.stderr
    assert {f"MAGNUS_VAR_{name}={value}" for name, value in VALUES.items()} <= set(done.stdout.splitlines())
