"""State machines: statelint, asl-validator, and botocore's model of the jobs that they submit."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_NOT_KNOWN_TO_STATELINT = re.compile(r'Field "InputType" not allowed in .*\.ItemReader\.ReaderConfig')
"""The service insists on it: statelint follows the specification of the language, which leaves it to services."""

_ESCAPED_BACKSLASH = r"\\"
"""In a text of an intrinsic function; the specification has it, and asl-validator takes no text with one."""


def missing() -> str:
    """Return why nobody can be asked; empty if somebody can. `.ci/asl-validator` installs what is no Python."""
    found = shutil.which("asl-validator", path=_path())
    return "" if found else "asl-validator is not on the PATH; `.ci/asl-validator FOLDER` gets it"


def _path() -> str:
    return os.pathsep.join([os.environ["PATH"], os.environ.get("ASL_VALIDATOR_FOLDER", "")])


def problems(file: Path) -> list[str]:
    """Return what they mind."""
    machine = json.loads(file.read_text(encoding="utf-8"))
    found = [f"botocore: {problem}" for problem in jobs_problems(machine)] + statelint_problems(file)
    return found + asl_validator_problems(file)


def statelint_problems(file: Path) -> list[str]:
    """Return what statelint minds."""
    said = _said("statelint", str(file))
    lines = [line.strip() for line in said.splitlines()]
    heading = re.compile(r"(\d+|One) errors?:")
    return [
        f"statelint: {line}"
        for line in lines
        if line and not heading.fullmatch(line) and not _NOT_KNOWN_TO_STATELINT.fullmatch(line)
    ]


def asl_validator_problems(file: Path) -> list[str]:
    """Return what asl-validator minds; what it cannot read it is not asked about."""
    machine = json.loads(file.read_text(encoding="utf-8"))
    commands = (
        state["Parameters"].get("ContainerOverrides", {}).get("Command.$", "")
        for _, state in states_of(machine)
        if state["Type"] == "Task"
    )
    if missing() or any(_ESCAPED_BACKSLASH in command for command in commands):
        return []
    done = subprocess.run(
        [shutil.which("asl-validator", path=_path()) or "asl-validator", "--json-path", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if done.returncode == 0 else [f"asl-validator: {done.stdout}{done.stderr}"]


def jobs_problems(machine: Mapping[str, Any]) -> list[str]:
    """Return what botocore minds in the parameters of `submitJob`, under the names that Batch has for them."""
    shape = botocore.session.get_session().get_service_model("batch").operation_model("SubmitJob").input_shape
    found = []
    for name, state in states_of(machine):
        if state.get("Resource") == "arn:aws:states:::batch:submitJob.sync":
            report = ParamValidator().validate(in_batch(shape, state["Parameters"]), shape)
            found += [f"{name}: {report.generate_report()}"] if report.has_errors() else []
    return found


def in_batch(shape: Any, value: Any) -> Any:
    """Return parameters as boto3 takes them, those that are computed as an example; names that Batch does not know stay."""
    if shape is not None and shape.type_name == "structure" and isinstance(value, dict):
        members = {name.lower(): name for name in shape.members}
        filled = {}
        for key, each in value.items():
            plain = key.removesuffix(".$")
            name = members.get(plain.lower()) if plain[:1].isupper() else None
            example = ["an", "example"] if key.endswith(".$") else each
            filled[name or key] = in_batch(shape.members.get(name), example) if name else each
        return filled
    if shape is not None and shape.type_name == "list" and isinstance(value, list):
        return [in_batch(shape.member, each) for each in value]
    return value


def states_of(machine: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every state with its name, those inside others too."""
    waiting = [machine]
    while waiting:
        for name, state in waiting.pop()["States"].items():
            yield name, state
            waiting += [
                *state.get("Branches", ()),
                *([state["ItemProcessor"]] if "ItemProcessor" in state else []),
            ]


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
