"""What a person waits for at the shell, beside `python -c pass`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from figure import Figure
from pipelines import write_chain
from processes import Contender, alternate, remove, run, seconds

if TYPE_CHECKING:
    from pathlib import Path

    from bench import Bench
    from processes import Command

_NOT_CONFIGURED = (
    "boto3",
    "botocore",
    "docker",
    "magnus_stores.run_log.chunked_fs",
    "magnus_stores.run_log.sql",
    "magnus_stores.secrets",
    "magnus_stores.tracker",
    "magnus_executor_local.mocked",
    "mlflow",
    "nbclient",
    "nbformat",
    "psycopg",
    "pydantic",
    "sqlalchemy",
)


def measure(bench: Bench) -> list[Figure]:
    """Measure a pipeline of one step and the help, and look at what they import."""
    with bench.project() as folder:
        pipeline = write_chain(folder / "one.yaml", 1)
        execute: Command = bench.execute(pipeline)
        show_help: Command = [bench.installation.magnus, "--help"]
        results = alternate(
            {
                "python": Contender((bench.installation.python, "-c", "pass"), folder),
                "one step": Contender(execute, folder, lambda: remove(folder / ".run_log_store")),
                "help": Contender(show_help, folder),
            },
            bench.many_rounds,
        )
        unneeded = {
            module
            for command in (execute, show_help)
            for module in _imported(bench.installation.python, command[1:], folder)
            if any(f"{module}.".startswith(f"{name}.") for name in _NOT_CONFIGURED)
        }
    python, one_step, helped = (seconds(results[name]) for name in ("python", "one step", "help"))
    note = f"{python * 1000:.1f} ms for `python -c pass`"
    return [
        Figure("a pipeline of one step, beside `python -c pass`", one_step / python, "x", 14, note=note),
        Figure("`magnus --help`, beside `python -c pass`", helped / python, "x", 10),
        Figure(
            "modules of adapters that are not configured",
            len(unneeded),
            "modules",
            0,
            note=", ".join(sorted(unneeded)),
        ),
    ]


def _imported(python: Path, arguments: Command, folder: Path) -> set[str]:
    """Return the modules that the command line has loaded at the end of what *arguments* ask for."""
    names = folder / "modules.txt"
    run([python, folder / "list_modules.py", names, *arguments], folder)
    return set(names.read_text().split())
