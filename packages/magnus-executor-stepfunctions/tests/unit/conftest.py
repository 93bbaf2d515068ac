from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rendering_kit import Renderer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Renderer:
    """Return what renders in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Renderer(tmp_path, lambda: capsys.readouterr().err)
