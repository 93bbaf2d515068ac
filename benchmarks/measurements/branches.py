"""Branches that keep a core busy, on two workers: how much of what two processes could gain is gained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from figure import Figure
from pipelines import parallel, task, write_dag
from processes import Contender, alternate, remove, run, seconds

if TYPE_CHECKING:
    from pathlib import Path

    from bench import Bench

_BRANCHES = 4


def measure(bench: Bench) -> list[Figure]:
    """Measure both speed-ups, each relative to its own sequential run."""
    with bench.project() as folder:
        python = bench.installation.python
        work = _rounds_that_take(0.5 if bench.is_quick else 4.5, python, folder)
        parameters = folder / "parameters.json"
        parameters.write_text(json.dumps({"rounds": work}))
        parallel_config = folder / "parallel.yaml"
        parallel_config.write_text(
            "executor: {type: local, config: {enable_parallel: true, max_workers: 2}}\n"
        )
        branches = {f"branch {number}": {"burn": task("tasks.burn")} for number in range(_BRANCHES)}
        pipeline = write_dag(folder / "pipeline.yaml", {"all": parallel(branches)})

        def clean() -> None:
            remove(folder / ".run_log_store")

        bare = (python, folder / "bare_branches.py", str(work))
        magnus = bench.execute(pipeline, "-p", parameters)
        results = alternate(
            {
                "bare, one": Contender((*bare, "1"), folder),
                "magnus, one": Contender(magnus, folder, clean),
                "bare, two": Contender((*bare, "2"), folder),
                "magnus, two": Contender([*magnus, "-c", parallel_config], folder, clean),
            },
            bench.rounds,
            warm_up=False,
        )
    taken = {name: seconds(runs) for name, runs in results.items()}
    bare_gain = taken["bare, one"] / taken["bare, two"]
    magnus_gain = taken["magnus, one"] / taken["magnus, two"]
    note = f"{magnus_gain:.3f} of {bare_gain:.3f}; " + ", ".join(
        f"{name}: {time:.2f} s" for name, time in taken.items()
    )
    return [
        Figure(
            "four busy branches on two workers: share of the speed-up of two processes",
            magnus_gain / bare_gain * 100,
            "%",
            97,
            at_least=True,
            note=note,
        )
    ]


def _rounds_that_take(wanted_seconds: float, python: Path, folder: Path) -> int:
    """Return how much work one branch has to have on this machine."""
    trial = 10_000_000  # enough for the start of Python not to count
    measured = run([python, folder / "bare_branches.py", str(trial), "1"], folder)
    return int(trial * wanted_seconds * _BRANCHES / measured.seconds)
