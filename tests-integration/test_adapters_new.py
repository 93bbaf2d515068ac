"""A package that `magnus adapters new` wrote is green at once, installed from wheels in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PORTS = ("catalog", "run_log_store", "secrets", "experiment_tracker", "executor")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("uv") is None, reason="uv builds the wheels and makes the environment"),
]


@pytest.fixture(scope="module")
def core_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of the core."""
    return _build(ROOT / "packages" / "magnus-core", tmp_path_factory.mktemp("core-wheel"))


@pytest.fixture(scope="module")
def environment(core_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that holds the core and what its suites need, and nothing else of ours."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    _run("uv", "venv", "--python", sys.executable, str(folder))
    python = folder / "bin" / "python"
    _run("uv", "pip", "install", "--python", str(python), f"magnus-core[testing] @ {core_wheel.as_uri()}")
    return python


@pytest.mark.parametrize("port", PORTS)
def test_a_generated_package_passes_its_tests_when_installed_from_its_wheel(
    environment: Path, tmp_path: Path, port: str
) -> None:
    """The installed core writes it; its wheel is built and installed; its own tests keep every promise of the port."""
    _run(
        str(environment),
        "-m",
        "magnus",
        "adapters",
        "new",
        "my-thing",
        "--port",
        port,
        "--directory",
        "made",
        cwd=tmp_path,
    )
    wheel = _build(tmp_path / "made", tmp_path / "wheel")
    _run("uv", "pip", "install", "--python", str(environment), "--no-deps", "--reinstall", str(wheel))
    shutil.rmtree(tmp_path / "made" / "src")  # what is tested is what was installed
    said = _run(str(environment), "-m", "pytest", "-q", "-W", "error", cwd=tmp_path / "made")
    assert "passed" in said
    assert "skipped" not in said
    listed = [
        line.split() for line in _run(str(environment), "-m", "magnus", "adapters", cwd=tmp_path).splitlines()
    ]
    assert [port, "my-thing", f"magnus-{port.replace('_', '-')}-my-thing", "0.1.0", "1", "ok"] in listed


def _build(project: Path, folder: Path) -> Path:
    _run("uv", "build", "--wheel", "--out-dir", str(folder), str(project))
    (wheel,) = folder.glob("*.whl")
    return wheel


def _run(*command: str, cwd: Path | None = None) -> str:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAGNUS_", "PYTEST_")) and name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    done = subprocess.run(command, cwd=cwd, env=inherited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
