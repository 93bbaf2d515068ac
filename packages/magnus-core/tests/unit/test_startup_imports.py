from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NEVER = {
    "boto3",
    "botocore",
    "docker",
    "dotenv",
    "magnus_executor_local.mocked",
    "magnus_stores.run_log.chunked_fs",
    "magnus_stores.run_log.sql",
    "magnus_stores.secrets",
    "magnus_stores.tracker",
    "mlflow",
    "nbclient",
    "nbformat",
    "psycopg",
    "pydantic",
    "sqlalchemy",
}
SLOW = {"asyncio", "importlib.metadata", "rich", "typer.rich_utils"}
ADAPTERS = {"magnus_executor_local", "magnus_stores"}
ONE_STEP = """
dag:
  start_at: only
  steps:
    only: {type: task, command: tasks.nothing, next: done}
    done: {type: success}
    failed: {type: fail}
"""


# Not `-X importtime`, which does not see what `importlib.import_module` loads: adapters are loaded by that.
LIST_MODULES = "open('modules.txt', 'w').write('\\n'.join(sys.modules))"
COMMAND_LINE = "from magnus.cli.app import main; code = main(sys.argv[1:])"


def imported_by(folder: Path, program: str, *arguments: str) -> set[str]:
    """Return the modules that a new interpreter has loaded at the end of *program*, and fail if that fails."""
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; code = 0; {program}; {LIST_MODULES}; sys.exit(code)",
            *arguments,
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return set(folder.joinpath("modules.txt").read_text().split())


def among(modules: set[str], unwanted: set[str]) -> set[str]:
    """Return those of *modules* that are, or are part of, one of the *unwanted*."""
    return {module for module in modules if any(f"{module}.".startswith(f"{name}.") for name in unwanted)}


def test_the_package_alone_imports_next_to_nothing(tmp_path: Path) -> None:
    """`import magnus` loads neither an adapter nor the command line, and nothing that is slow."""
    modules = imported_by(tmp_path, "import magnus")
    assert "magnus" in modules
    assert not among(modules, NEVER | SLOW | ADAPTERS | {"magnus.cli", "typer", "yaml", "pluggy"})


def test_the_help_imports_no_adapter(tmp_path: Path) -> None:
    """`magnus --help` shows the commands without looking at what is installed for them."""
    modules = imported_by(tmp_path, COMMAND_LINE, "--help")
    assert "magnus.cli.app" in modules
    assert not among(modules, NEVER | ADAPTERS)


def test_a_run_imports_the_configured_adapters_only(default_adapters: None, tmp_path: Path) -> None:
    """A run on the defaults loads the local executor, the run log and the catalog, and nothing of the others."""
    tmp_path.joinpath("pipeline.yaml").write_text(ONE_STEP)
    tmp_path.joinpath("tasks.py").write_text("def nothing():\n    pass\n")
    modules = imported_by(tmp_path, COMMAND_LINE, "execute", "-f", "pipeline.yaml")
    assert {"magnus_executor_local.local", "magnus_stores.run_log.file_system"} <= modules
    assert not among(modules, NEVER | SLOW)
