"""A large file through the catalog `s3`, beside boto3's own transfers, to a server that stands in for S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from figure import Figure
from moto import BUCKET, running_moto
from pipelines import task, write_dag
from processes import Contender, alternate, processor_seconds, remove, seconds, write_random

if TYPE_CHECKING:
    from bench import Bench

_MIB = 1 << 20
_ROUNDS = 2
"""The server looks through a whole object for each part of it that is asked for: it takes a minute to hand out 1 GiB."""


def measure(bench: Bench) -> list[Figure]:
    """Measure one large file, up and down and up again."""
    size_mib = 128 if bench.is_quick else 1024
    with bench.project() as folder, running_moto() as moto:
        data, copy = folder / "large", folder / "copy"
        write_random(data / "file.bin", size_mib * _MIB)
        config = folder / "config.yaml"
        options = {"bucket": BUCKET}
        config.write_text(json.dumps({"catalog": {"type": "s3", "config": options}}))
        put = task(catalog={"compute_data_folder": data.name, "put": ["*"]})
        get = task(catalog={"compute_data_folder": "brought", "get": ["*"]})
        through = bench.execute(write_dag(folder / "through.yaml", {"put": put, "get": get}), "-c", config)
        again = bench.execute(write_dag(folder / "again.yaml", {"put": put}), "-c", config)

        def clear() -> None:
            remove(folder / ".run_log_store", folder / "brought", copy)

        def clear_all() -> None:
            clear()
            moto.empty()

        bare = [bench.installation.python, folder / "bare_s3.py", BUCKET, data / "file.bin", copy]
        results = alternate(
            {
                "boto3": Contender(moto.client(*bare), folder, clear_all),
                "magnus": Contender(moto.client(*through), folder, clear_all),
                "unchanged": Contender(moto.client(*again), folder, clear),
            },
            _ROUNDS,
            warm_up=False,
        )
    boto3, magnus, unchanged = (seconds(results[name]) for name in ("boto3", "magnus", "unchanged"))
    work = {name: processor_seconds(results[name]) for name in ("boto3", "magnus")}
    return [
        Figure(
            f"{size_mib} MiB through the catalog `s3`, beside boto3's own transfers",
            magnus / boto3,
            "x",
            1.5,
            note=f"{magnus:.2f} s to {boto3:.2f} s",
        ),
        Figure(
            "the same, in processor time without that of the server",
            work["magnus"] / work["boto3"],
            "x",
            note=f"{work['magnus']:.2f} s to {work['boto3']:.2f} s",
        ),
        Figure("the same file put again", unchanged / boto3, "x", note=f"{unchanged:.2f} s"),
    ]
