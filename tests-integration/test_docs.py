"""What can be written in files and typed is in the documents: they are held to the schemas of what is installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from magnus.cli.app import COMMANDS
from magnus.engine.masking import names_credential
from magnus_executor_awsbatch.failures import DEFAULT_BUDGETS

ROOT = Path(__file__).parents[1]
HOMES = {
    "argo": "magnus-executor-argo",
    "aws-step-functions": "magnus-executor-stepfunctions",
    "demo-renderer": "magnus-executor-local",
    "kubeflow": "magnus-executor-kubeflow",
    "local": "magnus-executor-local",
    "local-aws-batch": "magnus-executor-awsbatch",
    "local-container": "magnus-executor-container",
    "mocked": "magnus-executor-local",
    "buffered": "magnus-core",
    "do-nothing": "magnus-core",
}


@cache
def magnus(*arguments: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "magnus", *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def schema(document: str) -> dict[str, Any]:
    """Return the schema of *document* with what is installed."""
    printed: dict[str, Any] = json.loads(magnus("schema", document))
    return printed


def words(document: str) -> set[str]:
    """Return what stands between backticks outside code blocks in *document*."""
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL)
    return {
        word for span in re.findall(r"`([^`\n]+)`", text) for word in (span, *re.findall(r"[\w-]+", span))
    }


def keys_of(part: Any) -> set[str]:
    """Return the names of all properties in a part of a schema."""
    if isinstance(part, list):
        return {key for item in part for key in keys_of(item)}
    if not isinstance(part, dict):
        return set()
    own = set(part.get("properties", {}))
    return own | {key for item in part.values() for key in keys_of(item)}


def options() -> list[tuple[str, str]]:
    """Return every option of every installed adapter with the document that is to tell of it."""
    definitions = schema("config")["$defs"]
    found = []
    for port in ("executor", "run_log_store", "catalog", "secrets", "experiment_tracker"):
        for rule in definitions[port]["allOf"]:
            name = rule["if"]["properties"]["type"]["const"]
            taken = rule["then"]["properties"]["config"].get("properties", {})
            home = f"packages/{HOMES.get(name, 'magnus-stores')}/README.md"
            found += [(home, name), *((home, option) for option in taken)]
    return sorted(set(found))


def test_every_key_of_a_pipeline_is_explained() -> None:
    """A key that nobody explains is a key that nobody uses."""
    definitions = schema("pipeline")["$defs"]
    keys = keys_of(definitions["graph"]) | keys_of(definitions["step"])
    assert len(keys) > 30
    assert keys - words("docs/pipeline-reference.md") == set()


def test_every_field_of_a_run_log_is_explained() -> None:
    """Its readers have nothing else to go by."""
    assert keys_of(schema("run-log")) - words("docs/run-log.md") == set()


@pytest.mark.parametrize(("document", "option"), options())
def test_every_option_of_every_adapter_is_explained(document: str, option: str) -> None:
    """The README of its package names it."""
    assert option in words(document)


def test_no_option_of_an_adapter_is_called_what_a_credential_is_called() -> None:
    """Its value would be hidden wherever it occurs, in notebooks and parameters too; none of ours is a credential."""
    assert [option for _, option in options() if names_credential(option)] == []


def test_every_budget_for_failures_of_batch_is_explained() -> None:
    """With how often a job is tried again where nobody says otherwise."""
    text = (ROOT / "packages" / "magnus-executor-awsbatch" / "README.md").read_text(encoding="utf-8")
    assert [name for name, count in DEFAULT_BUDGETS.items() if f"| `{name}`, {count}" not in text] == []


def test_every_command_is_explained() -> None:
    """Those that orchestrators call, too."""
    assert set(COMMANDS) - words("docs/command-line.md") == set()


@pytest.mark.parametrize("command", ["execute", "execute-step", "emulate", "build-docker", "check", "plan"])
def test_every_option_of_the_great_commands_is_explained(command: str) -> None:
    """What `--help` lists is in the document."""
    listed = set(re.findall(r"(?<!\w)(--[a-z-]+)", magnus(command, "--help"))) - {"--help"}
    assert {option for option in listed if option not in words("docs/command-line.md")} == set()


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    """It passes the check."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "config.yaml").write_text(example, encoding="utf-8")
    end = {
        "start_at": "a",
        "steps": {"a": {"type": "as-is", "next": "b"}, "b": {"type": "success"}, "c": {"type": "fail"}},
    }
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump({"dag": end}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "magnus", "check", "-c", "config.yaml"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_decision_is_in_the_index() -> None:
    """By its number, and with its title."""
    index = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    for decision in sorted((ROOT / "docs" / "adr").glob("*.md")):
        number, _, title = (
            decision.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(": ")
        )
        assert f"| [{number}](adr/{decision.name}) | {title} |" in index
