"""Files through the catalog: put by one step, brought by the next to another folder."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from figure import Figure
from pipelines import task, write_dag
from processes import Contender, alternate, remove, resident_mib, seconds, set_aside, write_random

if TYPE_CHECKING:
    from pathlib import Path

    from bench import Bench

_MIB = 1 << 20


def measure(bench: Bench) -> list[Figure]:
    """Measure one large file, and many small ones."""
    return [*_large_file(bench), *_small_files(bench)]


def _large_file(bench: Bench) -> list[Figure]:
    size_mib = 128 if bench.is_quick else 1024
    with bench.project() as folder:
        large, small, copy = folder / "large", folder / "small", folder / "copy"
        write_random(large / "file.bin", size_mib * _MIB)
        write_random(small / "file.bin", 1024)

        def clean() -> None:
            remove(folder / ".run_log_store", folder / ".catalog", folder / "brought", copy)
            _make_memory_ready(large / "file.bin")

        results = alternate(
            {
                "magnus": Contender(_through_the_catalog(bench, folder, large), folder, clean),
                "cp": Contender(["cp", large / "file.bin", copy], folder, clean),
                "hash": Contender(
                    [bench.installation.python, folder / "hash_file.py", large / "file.bin"], folder, clean
                ),
                "magnus, 1 KiB": Contender(_through_the_catalog(bench, folder, small), folder, clean),
            },
            bench.rounds,
        )
    magnus, copied, hashed = (seconds(results[name]) for name in ("magnus", "cp", "hash"))
    more_memory = resident_mib(results["magnus"]) - resident_mib(results["magnus, 1 KiB"])
    return [
        Figure(
            f"{size_mib} MiB through the catalog, beside `cp` and hashing",
            magnus / (copied + hashed),
            "x",
            2.5,
            note=f"{magnus:.2f} s to {copied:.2f} + {hashed:.2f} s",
        ),
        Figure(f"{size_mib} MiB: more memory than with 1 KiB", more_memory, "MiB", 64),
    ]


def _small_files(bench: Bench) -> list[Figure]:
    number = 1_000 if bench.is_quick else 10_000
    with bench.project() as folder:
        files, copy = folder / "files", folder / "copy"
        for index in range(number):
            write_random(files / f"{index:05}.bin", 1024)

        def clean() -> None:
            set_aside(folder / ".run_log_store", folder / ".catalog", folder / "brought", copy)

        results = alternate(
            {
                "magnus": Contender(_through_the_catalog(bench, folder, files), folder, clean),
                "cp": Contender(["cp", "-r", files, copy], folder, clean),
                "put": Contender(_only_put(bench, folder, files), folder, clean),
                "in place": Contender(_through_the_catalog(bench, folder, files, files.name), folder, clean),
            },
            bench.rounds,
        )
    magnus, copied, put, in_place = (seconds(results[name]) for name in ("magnus", "cp", "put", "in place"))
    return [
        Figure(
            f"{number} files of 1 KiB through the catalog, beside `cp -r`",
            magnus / copied,
            "x",
            2,
            note=f"{magnus:.3f} s to {copied:.3f} s",
        ),
        Figure("the same, got where they are already", in_place / copied, "x", note=f"{in_place:.3f} s"),
        Figure("the same, put only", put / copied, "x", note=f"{put:.3f} s"),
    ]


def _through_the_catalog(
    bench: Bench, folder: Path, source: Path, target: str = "brought"
) -> list[str | Path]:
    """Return the command that puts what *source* holds, and brings it to the folder *target*."""
    put = task(catalog={"compute_data_folder": source.name, "put": ["*"]})
    get = task(catalog={"compute_data_folder": target, "get": ["*"]})
    return bench.execute(write_dag(folder / f"{source.name}-to-{target}.yaml", {"put": put, "get": get}))


def _only_put(bench: Bench, folder: Path, source: Path) -> list[str | Path]:
    put = task(catalog={"compute_data_folder": source.name, "put": ["*"]})
    return bench.execute(write_dag(folder / "put.yaml", {"put": put}))


def _make_memory_ready(file: Path) -> None:
    """Have as much free memory at hand as two copies of *file* take up in the page cache.

    A virtual machine may give free memory back to its host after some seconds. Getting it again takes several times as
    long as copying into it, and would be counted against whoever comes first.
    """
    copies = [file.with_name(f"copy-{number}") for number in range(2)]
    for copy in copies:
        subprocess.run(["cp", file, copy], check=True)
    remove(*copies)
