"""The other process in the tests of run log stores: `python -m magnus.testing.run_log_worker TASK`.

It reads a pickled function that makes a store, and arguments, from its standard input; says `ready`; and begins when a line
comes in. What it has done it says in one line each, after it is done.
"""

from __future__ import annotations

import json
import pickle
import sys
from itertools import count
from typing import TYPE_CHECKING

from magnus.domain.records import Record, RecordKind
from magnus.errors import RunLogExistsError

if TYPE_CHECKING:
    from magnus.ports.run_log_store import RunLogStore

SIZES = (10, 200, 5_000, 300_000)
"""Characters in the bodies of numbered records, in turn."""

RECORDS_IN_RUN = 6
"""How many numbered records a run is created with."""

REPLACED = "replaced"
REPLACED_CHARACTERS = 2_000_000


def numbered(number: int, worker: int = 0) -> Record:
    """Return a record that is recognised by its body."""
    text = chr(ord("a") + number % 26) * SIZES[number % len(SIZES)]
    return Record(RecordKind.STEP, f"{worker}.{number}", json.dumps([worker, number, text]))


def first_records(worker: int = 0) -> list[Record]:
    """Return the records that a run is created with."""
    return [
        Record(RecordKind.RUN, "", str(worker)),
        *(numbered(number, worker) for number in range(RECORDS_IN_RUN)),
    ]


def create(store: RunLogStore, worker: int, runs: int) -> None:
    """Create *runs* runs; say for each whether it was this worker who did."""
    for number in range(runs):
        try:
            store.create_run(f"run-{number}", first_records(worker))
        except RunLogExistsError:
            _say("exists")
        else:
            _say("created")


def create_forever(store: RunLogStore, prefix: str) -> None:
    """Create run after run."""
    for number in count():
        store.create_run(f"{prefix}-{number}", first_records())
        _say(str(number))


def delete_forever(store: RunLogStore, run_id: str) -> None:
    """Create a run and delete it, over and over."""
    for number in count():
        store.create_run(run_id, first_records())
        store.delete_run(run_id)
        _say(str(number))


def put(store: RunLogStore, run_id: str, worker: int, records: int) -> None:
    """Put *records* records, one by one."""
    for number in range(records):
        store.put(run_id, [numbered(number, worker)], durable=False)


def put_forever(store: RunLogStore, run_id: str, worker: int) -> None:
    """Put record after record, synced or not."""
    for number in count():
        store.put(run_id, [numbered(number, worker)], durable=number % 3 == 0)
        _say(str(number))


def replace_forever(store: RunLogStore, run_id: str) -> None:
    """Put a large record of the same name again and again."""
    for number in count():
        body = json.dumps("ab"[number % 2] * REPLACED_CHARACTERS)
        store.put(run_id, [Record(RecordKind.STEP, REPLACED, body)], durable=False)
        _say(str(number))


_TASKS = {
    task.__name__: task
    for task in (create, create_forever, delete_forever, put, put_forever, replace_forever)
}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _main() -> None:
    make, arguments = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the test that started this process
    store = make()
    _say("ready")
    sys.stdin.buffer.readline()
    _TASKS[sys.argv[1]](store, *arguments)
    store.close()


if __name__ == "__main__":
    _main()
