"""Scripts: bash's own reader, and shellcheck."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def missing() -> str:
    """Return why nobody can be asked; empty if somebody can. Both come with the tests."""
    return ""


def problems(file: Path) -> list[str]:
    """Return what they mind."""
    found = []
    for command in (["bash", "-n"], ["shellcheck"]):
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        if done.returncode or done.stdout or done.stderr:
            found.append(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return found
