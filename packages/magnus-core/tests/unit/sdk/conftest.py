"""A directory to run pipelines in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

STEPS = """
def make():
    print("made")
    return {"made": 1}

def use(made):
    return {"used": made + 1}

def fail():
    raise ValueError("no")

def item(x):
    return {"square": x * x}
"""


@pytest.fixture
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a directory with a module `steps`, and with magnus as it is installed by default."""
    monkeypatch.chdir(tmp_path)
    for name in ("MAGNUS_CONFIG_FILE",):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "steps.py").write_text(STEPS)
    return tmp_path
