"""Judging a pipeline before it runs, which should cost nobody a thought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from figure import Figure
from pipelines import write_chain
from processes import Contender, alternate, remove, seconds

if TYPE_CHECKING:
    from bench import Bench

_STEPS = 200


def measure(bench: Bench) -> list[Figure]:
    """Measure `magnus check` on 200 steps beside a run of one."""
    with bench.project() as folder:
        one = write_chain(folder / "one.yaml", 1)
        chain = write_chain(folder / "chain.yaml", _STEPS)
        results = alternate(
            {
                "one step": Contender(bench.execute(one), folder, lambda: remove(folder / ".run_log_store")),
                "check": Contender([bench.installation.magnus, "check", "-f", chain], folder),
            },
            bench.many_rounds,
        )
    one_step, check = seconds(results["one step"]), seconds(results["check"])
    return [
        Figure(
            f"`magnus check` of {_STEPS} steps, beside a pipeline of one step",
            check / one_step,
            "x",
            1.0,
            note=f"{check * 1000:.0f} ms to {one_step * 1000:.0f} ms",
        )
    ]
