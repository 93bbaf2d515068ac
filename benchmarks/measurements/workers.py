"""The cost of worker processes: the first one, a further one, and one that is retired and replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from figure import Figure
from pipelines import parallel, task, write_chain, write_dag
from processes import Contender, alternate, remove, seconds

if TYPE_CHECKING:
    from bench import Bench

_BRANCHES = 8


def measure(bench: Bench) -> list[Figure]:
    """Measure runs that differ in the number of workers that they start."""
    steps = 20 if bench.is_quick else 100
    with bench.project() as folder:
        config = folder / "parallel.yaml"
        config.write_text(
            f"executor: {{type: local, config: {{enable_parallel: true, max_workers: {_BRANCHES}}}}}\n"
        )
        pause = {"pause": task("tasks.pause")}
        pipelines = {
            "none": (write_dag(folder / "none.yaml", {"only": {"type": "as-is"}}),),
            "first": (write_chain(folder / "first.yaml", 1),),
            "kept": (write_chain(folder / "kept.yaml", steps),),
            "retired": (write_chain(folder / "retired.yaml", steps, "tasks.leave_thread"),),
            "one branch": (write_dag(folder / "one.yaml", {"all": parallel({"b0": pause})}), "-c", config),
            "branches": (
                write_dag(
                    folder / "many.yaml",
                    {"all": parallel({f"b{number}": pause for number in range(_BRANCHES)})},
                ),
                "-c",
                config,
            ),
        }
        results = alternate(
            {
                name: Contender(bench.execute(*arguments), folder, lambda: remove(folder / ".run_log_store"))
                for name, arguments in pipelines.items()
            },
            bench.many_rounds,
        )
    taken = {name: seconds(runs) * 1000 for name, runs in results.items()}
    return [
        Figure(
            "a worker: start of the first one, with one task",
            taken["first"] - taken["none"],
            "ms",
            note=f"{taken['none']:.0f} ms without a worker",
        ),
        Figure(
            "a worker: start of a further one, with its branch",
            (taken["branches"] - taken["one branch"]) / (_BRANCHES - 1),
            "ms",
            note=f"{_BRANCHES} branches that pause for 0.5 s",
        ),
        Figure(
            "a worker: retirement, and start of the next one",
            (taken["retired"] - taken["kept"]) / steps,
            "ms",
            note=f"{steps} steps, of which each leaves a thread",
        ),
    ]
