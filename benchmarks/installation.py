"""The packages as a user has them: built as wheels and installed in an environment of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_WORKSPACE = Path(__file__).parents[1]


class Installation(NamedTuple):
    """An environment outside the workspace.

    Attributes:
        python: Its interpreter.
        magnus: The command.
    """

    python: Path
    magnus: Path


def install(folder: Path) -> Installation:
    """Build the wheels and install them, compiled, with the interpreter that runs this program.

    Raises:
        subprocess.CalledProcessError: uv could not; it has said why.
    """
    wheels = folder / "wheels"
    target = folder / "environment"
    _uv("build", "--wheel", "--all-packages", "--out-dir", wheels)
    _uv("venv", "--python", sys.executable, target)
    _uv("pip", "install", "--compile-bytecode", "--python", target, *sorted(wheels.glob("*.whl")))
    # What the measured catalog `s3` needs; nothing else imports it.
    (stores,) = wheels.glob("magnus_stores-*.whl")
    _uv("pip", "install", "--compile-bytecode", "--python", target, f"{stores}[s3]")
    return Installation(target / "bin" / "python", target / "bin" / "magnus")


def _uv(*arguments: str | Path) -> None:
    # The environment of the workspace, in which this program runs, is not to be taken for the one to install into.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(["uv", "--quiet", *arguments], cwd=_WORKSPACE, env=environment, check=True)
