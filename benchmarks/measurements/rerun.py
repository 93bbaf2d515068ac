"""Running a finished pipeline again, when there is nothing left to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from figure import Figure
from pipelines import write_chain
from processes import Contender, alternate, remove, run, seconds

if TYPE_CHECKING:
    from bench import Bench

_STEPS = 100


def measure(bench: Bench) -> list[Figure]:
    """Measure 100 steps that are skipped beside one that runs."""
    with bench.project() as folder:
        one = write_chain(folder / "one.yaml", 1)
        chain = write_chain(folder / "chain.yaml", _STEPS)
        log = folder / ".run_log_store"
        run(bench.execute(chain, "--run-id", "first"), folder)

        def clean() -> None:
            remove(*(path for path in log.iterdir() if not path.name.startswith("first")))

        results = alternate(
            {
                "one step": Contender(bench.execute(one), folder, clean),
                "again": Contender(bench.execute(chain, "--use-cached", "first"), folder, clean),
            },
            bench.many_rounds,
        )
    one_step, again = seconds(results["one step"]), seconds(results["again"])
    return [
        Figure(
            f"{_STEPS} finished steps again, beside a pipeline of one step",
            again / one_step,
            "x",
            1.3,
            note=f"{again * 1000:.0f} ms to {one_step * 1000:.0f} ms",
        )
    ]
