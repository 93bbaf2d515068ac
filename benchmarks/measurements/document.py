"""A parameter of 1 MB, passed on and changed by 20 steps, beside a script that writes it to disk 20 times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from figure import Figure
from pipelines import write_chain
from processes import Contender, alternate, remove, seconds

if TYPE_CHECKING:
    from bench import Bench

_STEPS = 20
_BYTES = 1_000_000


def measure(bench: Bench) -> list[Figure]:
    """Measure it beside a script that uses `json.dump`, and beside one that uses the quicker `json.dumps`."""
    with bench.project() as folder:
        pipeline = write_chain(folder / "pipeline.yaml", _STEPS, "tasks.revise")
        parameters = folder / "parameters.json"
        parameters.write_text(json.dumps({"document": _document()}))
        bare = (bench.installation.python, folder / "bare_document.py", parameters, str(_STEPS))

        def clean() -> None:
            remove(folder / ".run_log_store", *folder.glob("bare-*.json"))

        results = alternate(
            {
                "magnus": Contender(bench.execute(pipeline, "-p", parameters), folder, clean),
                "dump": Contender((*bare, "dump"), folder, clean),
                "dumps": Contender((*bare, "dumps"), folder, clean),
            },
            bench.rounds,
        )
        size = parameters.stat().st_size
    magnus, dump, dumps = (seconds(results[name]) for name in ("magnus", "dump", "dumps"))
    return [
        Figure(
            f"{_STEPS} steps change 1 MB of JSON, beside a script with `json.dump`",
            magnus / dump,
            "x",
            2.2,
            note=f"{magnus:.3f} s to {dump:.3f} s, {size} bytes",
        ),
        Figure(
            "the same, beside a script with `write(json.dumps())`", magnus / dumps, "x", note=f"{dumps:.3f} s"
        ),
    ]


def _document() -> dict[str, Any]:
    records: list[dict[str, Any]] = []
    document = {"revision": 0, "records": records}
    record_bytes = len(json.dumps(_record(0))) + 2
    records += [_record(number) for number in range(_BYTES // record_bytes)]
    return document


def _record(number: int) -> dict[str, Any]:
    return {
        "id": 100_000 + number,
        "name": f"record number {100_000 + number}",
        "value": 0.125 + number,
        "tags": ["alpha", "béta"],
        "parent": None,
    }
