"""A chain of tasks that do nothing, on the default run log store, which writes each step durably."""

from __future__ import annotations

from typing import TYPE_CHECKING

from figure import Figure
from pipelines import write_chain
from processes import Contender, alternate, remove, resident_mib, run, seconds

if TYPE_CHECKING:
    from bench import Bench


def measure(bench: Bench) -> list[Figure]:
    """Measure what a step costs, early and late, and whether 20,000 of them run."""
    short, middle, long = (100, 300, 1_000) if bench.is_quick else (100, 1_000, 10_000)
    longest = 2 * long
    with bench.project() as folder:
        contenders = {
            str(length): Contender(
                bench.execute(write_chain(folder / f"chain-{length}.yaml", length)),
                folder,
                lambda: remove(folder / ".run_log_store"),
            )
            for length in (short, middle, long)
        }
        results = alternate(contenders, bench.rounds)
        run_longest = run(bench.execute(write_chain(folder / "longest.yaml", longest)), folder)
    taken = {int(name): seconds(runs) for name, runs in results.items()}
    early = (taken[middle] - taken[short]) / (middle - short) * 1000
    late = (taken[long] - taken[middle]) / (long - middle) * 1000
    times = ", ".join(f"{length}: {time:.3f} s" for length, time in taken.items())
    return [
        Figure(f"chain: per step, {short} to {middle} steps", early, "ms", 0.6, note=times),
        Figure(
            f"chain: per step at {long}, beside that at {middle}",
            late / early,
            "x",
            1.2,
            note=f"{late:.3f} ms",
        ),
        Figure(f"chain: most memory at {long} steps", resident_mib(results[str(long)]), "MiB", 80),
        Figure(
            f"chain: {longest} steps load and run",
            run_longest.seconds,
            "s",
            note=f"one run, {run_longest.resident_mib:.0f} MiB",
        ),
    ]
