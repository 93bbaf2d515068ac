"""A map over items of which each gets one file and puts one, all under the same names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from figure import Figure
from pipelines import map_over, task, write_dag
from processes import Contender, alternate, remove, resident_mib, seconds

if TYPE_CHECKING:
    from bench import Bench


def measure(bench: Bench) -> list[Figure]:
    """Measure what an item costs, among few and among many."""
    short, middle, long = (100, 300, 1_000) if bench.is_quick else (100, 1_000, 10_000)
    with bench.project() as folder:
        begin = task("tasks.write_input", catalog={"put": ["input"]})
        one = task("tasks.write_result", catalog={"get": ["input"], "put": ["result"]})
        steps = {"begin": begin, "all": map_over("items", "item", {"one": one})}
        pipeline = write_dag(folder / "map.yaml", steps)

        def clean() -> None:
            for name in (".run_log_store", ".catalog", "data"):
                remove(folder / name)

        contenders = {}
        for length in (short, middle, long):
            parameters = folder / f"parameters-{length}.json"
            parameters.write_text(json.dumps({"items": list(range(length))}))
            contenders[str(length)] = Contender(bench.execute(pipeline, "-p", parameters), folder, clean)
        results = alternate(contenders, bench.rounds)
    taken = {int(name): seconds(runs) for name, runs in results.items()}
    early = (taken[middle] - taken[short]) / (middle - short) * 1000
    late = (taken[long] - taken[middle]) / (long - middle) * 1000
    times = ", ".join(f"{length}: {time:.3f} s" for length, time in taken.items())
    memory = resident_mib(results[str(long)])
    return [
        Figure(
            f"map with files: the whole run of {long} items, per item",
            taken[long] / long * 1000,
            "ms",
            2,
            note=times,
        ),
        Figure(
            f"map with files: per item at {long}, beside that at {middle}",
            late / early,
            "x",
            1.2,
            note=f"{late:.3f} ms",
        ),
        Figure(f"map with files: most memory at {long} items", memory, "MiB"),
    ]
