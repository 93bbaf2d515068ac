"""usage: uv run python benchmarks/run.py [--quick] [--only NAME] [--json FILE]. See benchmarks/README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path

from bench import Bench
from figure import Figure, table
from installation import install
from measurements import (
    branches,
    catalog,
    chain,
    check,
    document,
    item_files,
    items,
    rerun,
    s3,
    startup,
    workers,
)

_MEASUREMENTS = {
    "chain": chain.measure,
    "startup": startup.measure,
    "rerun": rerun.measure,
    "check": check.measure,
    "document": document.measure,
    "map": items.measure,
    "map-files": item_files.measure,
    "catalog": catalog.measure,
    "branches": branches.measure,
    "workers": workers.measure,
    "s3": s3.measure,
}


def main() -> int:
    """Measure, print the table, and return 1 if a target was missed."""
    arguments = _arguments()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="magnus-benchmarks-") as folder:
        print("building and installing the packages", file=sys.stderr)
        bench = Bench(install(Path(folder)), Path(folder), arguments.quick)
        for name in arguments.only or _MEASUREMENTS:
            print(f"measuring: {name}", file=sys.stderr)
            figures += _MEASUREMENTS[name](bench)
    print(_machine(), end="\n\n")
    print(table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps([_plain(figure) for figure in figures], indent=2) + "\n")
    return 1 if any(figure.is_reached is False for figure in figures) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure the speed and the memory of magnus as ratios on this machine."
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller and fewer runs, to see that everything works"
    )
    parser.add_argument(
        "--only", action="append", choices=_MEASUREMENTS, help="measure this alone; may be given again"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    return parser.parse_args()


def _machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = os.getloadavg()[1]
    return (
        f"{platform.system()} {platform.release()}, {len(os.sched_getaffinity(0))} cores, {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}; load over the last 5 minutes {load:.1f}"
    )


def _plain(figure: Figure) -> dict[str, object]:
    return {**figure._asdict(), "is_reached": figure.is_reached}


if __name__ == "__main__":
    sys.exit(main())
