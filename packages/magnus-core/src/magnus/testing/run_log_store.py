"""What every run log store promises, as tests: subclass `RunLogStoreContract` and give it `make_run_log_store`."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from magnus.domain.capabilities import Reach
from magnus.domain.records import Record, RecordKind
from magnus.errors import RunLogExistsError, RunLogNotFoundError
from magnus.testing.run_log_worker import REPLACED, REPLACED_CHARACTERS, first_records, numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magnus.ports.run_log_store import RunLogStore

RUN = "run-1"
OTHER_RUN = "run-1.x"
HEAD = Record(RecordKind.RUN, "", '{"status":"PROCESSING"}')
LARGE_CHARACTERS = 5_000_000
AWKWARD_NAMES = (
    "",
    ".",
    "..",
    "../../outside",
    "/absolute",
    "step",
    "step.branch",
    "step.branch.child",
    "step-",
    "Step",
    "STEP",
    "a b",
    "*[?]",
    "%2E~$HOME",
    "con",
    "trailing.",
    ".json",
    "new\nline",
    "tab\tnul\0",
    "\"quotes'\\",
    "'; drop table runs; --",
    "数据.é",
    "e\u0301",
    "\u00e9",
    "lone\ud800surrogate",
    "😀" * 1000,
    "😀" * 999 + "x",
    "n" * 1000,
    "n" * 999 + "N",
    "a/" * 500,
)
UNICODE_BODY = '{"é":"数据 😀 \u2028\u0085","lone":"\ud800","n":1e400}'
WORKERS = 8
RECORDS_PER_WORKER = 200
KILLS = 10


class RunLogStoreContract:
    """The promises of `magnus.ports.run_log_store.RunLogStore`.

    A subclass overrides `make_run_log_store`, and `work_done` if the store does its work in another process.
    """

    @pytest.fixture
    def make_run_log_store(self, tmp_path: Path) -> Callable[[], RunLogStore]:
        """Return a function of which every call makes another client of the same data, which is empty at first.

        Unless the store reaches no further than its process it must be possible to pickle the function, because other
        processes are given it: `functools.partial(MyStore, MyOptions(...))` is such a function, a lambda is not.
        """
        raise NotImplementedError

    @pytest.fixture
    def work_done(self) -> Callable[[], int]:
        """Return a function that says how much was read and written so far, in any unit that does not depend on time."""
        if not Path("/proc/self/io").exists():
            pytest.skip("the bytes that a process reads and writes are counted by Linux only")
        return _bytes_moved

    @pytest.fixture
    def open_store(
        self, make_run_log_store: Callable[[], RunLogStore]
    ) -> Iterator[Callable[[], RunLogStore]]:
        """Return a function that makes stores; they are closed when the test is over."""
        opened: dict[int, RunLogStore] = {}

        def make() -> RunLogStore:
            store = make_run_log_store()
            return opened.setdefault(id(store), store)

        yield make
        for store in opened.values():
            store.close()

    @pytest.fixture
    def start(self, make_run_log_store: Callable[[], RunLogStore]) -> Iterator[Callable[..., _Worker]]:
        """Return a function that starts a task of `run_log_worker` with a store in another process."""
        _need(make_run_log_store, Reach.HOST)
        started: list[_Worker] = []

        def begin(task: str, *arguments: object) -> _Worker:
            worker = _start(task, make_run_log_store, arguments)
            started.append(worker)
            return worker

        yield begin
        for worker in started:
            worker.kill()

    def test_a_store_that_was_never_written_to_has_no_runs(
        self, open_store: Callable[[], RunLogStore]
    ) -> None:
        """Listing finds nothing, and whatever is asked of a run is refused."""
        store = open_store()
        assert list(store.list_runs()) == []
        _assert_unknown(store, RUN)

    def test_a_created_run_has_its_first_records(self, open_store: Callable[[], RunLogStore]) -> None:
        """Another client sees all of them at once, in their order."""
        records = first_records()
        open_store().create_run(RUN, records)
        store = open_store()
        assert [store.get(RUN, record.kind, record.name) for record in records] == [
            record.body for record in records
        ]
        assert _by_kind(store) == _grouped(records)

    def test_a_run_may_begin_with_no_records(self, open_store: Callable[[], RunLogStore]) -> None:
        """It is there nevertheless."""
        open_store().create_run(RUN, [])
        assert list(open_store().list_runs()) == [RUN]
        assert list(open_store().scan(RUN)) == []
        with pytest.raises(RunLogExistsError):
            open_store().create_run(RUN, [HEAD])

    def test_an_existing_run_is_not_created_again(self, open_store: Callable[[], RunLogStore]) -> None:
        """The error names it, whichever client asks, and its records are as before."""
        store = open_store()
        store.create_run(RUN, [HEAD])
        for client in (store, open_store()):
            with pytest.raises(RunLogExistsError, match=RUN):
                client.create_run(RUN, [Record(RecordKind.RUN, "", "2"), Record(RecordKind.STEP, "new", "2")])
        assert list(open_store().scan(RUN)) == [HEAD]

    def test_of_two_creators_exactly_one_succeeds(
        self, open_store: Callable[[], RunLogStore], start: Callable[..., _Worker]
    ) -> None:
        """Two processes create the same 40 runs at the same time: each is made once, by one of them alone."""
        workers = [start("create", worker, 40) for worker in range(2)]
        for worker in workers:
            worker.go()
        said = [worker.finish() for worker in workers]
        store = open_store()
        for number in range(40):
            assert sorted(lines[number] for lines in said) == ["created", "exists"]
            winner = int(said[1][number] == "created")
            assert _by_kind(store, f"run-{number}") == _grouped(first_records(winner))

    def test_a_record_is_seen_by_others_once_it_is_put(self, open_store: Callable[[], RunLogStore]) -> None:
        """Also by those who had looked for it before, durable or not."""
        writer, reader = open_store(), open_store()
        writer.create_run(RUN, [HEAD])
        for number in range(10):
            record = numbered(number)
            assert reader.get(RUN, record.kind, record.name) is None
            writer.put(RUN, [record], durable=number % 2 == 0)
            assert reader.get(RUN, record.kind, record.name) == record.body
            assert record in list(reader.scan(RUN))

    def test_a_record_replaces_the_one_of_its_kind_and_name(
        self, open_store: Callable[[], RunLogStore]
    ) -> None:
        """Records of other kinds, names and runs stay; readers have the newest, also of several in one put."""
        reader = open_store()
        others = [Record(kind, "name", f'"{kind}"') for kind in (RecordKind.BRANCH, RecordKind.PARAMETERS)]
        open_store().create_run(RUN, [HEAD, *others])
        open_store().create_run(OTHER_RUN, [Record(RecordKind.STEP, "name", '"other"')])
        for bodies in (["1"], ["2", "30"], [""], ["4" * 100_000], ["5"]):
            open_store().put(RUN, [Record(RecordKind.STEP, "name", body) for body in bodies])
            assert reader.get(RUN, RecordKind.STEP, "name") == bodies[-1]
            assert list(reader.scan(RUN, {RecordKind.STEP})) == [Record(RecordKind.STEP, "name", bodies[-1])]
        assert [reader.get(RUN, kind, name) for kind, name, _ in others] == [body for *_, body in others]
        assert reader.get(OTHER_RUN, RecordKind.STEP, "name") == '"other"'

    def test_a_put_without_records_changes_nothing(self, open_store: Callable[[], RunLogStore]) -> None:
        """It is no error."""
        store = open_store()
        store.create_run(RUN, [HEAD])
        store.put(RUN, [])
        assert list(store.scan(RUN)) == [HEAD]

    def test_a_scan_is_ordered_by_first_writing(self, open_store: Callable[[], RunLogStore]) -> None:
        """A record that is replaced keeps its place; a store may order those of one kind by name instead."""
        names = ["c", "a", "d.x", "b"]
        open_store().create_run(RUN, [HEAD])
        for name in [*names, "a", "c"]:
            open_store().put(RUN, [Record(RecordKind.STEP, name, "1")])
        found = [record.name for record in open_store().scan(RUN, [RecordKind.STEP])]
        assert found in (names, sorted(names))

    def test_a_scan_may_be_limited_to_some_kinds(self, open_store: Callable[[], RunLogStore]) -> None:
        """Of no kind it yields nothing, of all kinds everything."""
        store = open_store()
        records = [Record(kind, "name", f'"{kind}"') for kind in RecordKind]
        store.create_run(RUN, records)
        assert set(store.scan(RUN)) == set(records)
        assert set(store.scan(RUN, set(RecordKind))) == set(records)
        assert list(store.scan(RUN, frozenset())) == []
        for record in records:
            assert list(store.scan(RUN, {record.kind})) == [record]

    def test_records_may_be_put_and_read_while_a_scan_goes_on(
        self, open_store: Callable[[], RunLogStore]
    ) -> None:
        """What was there when the scan began is found once, whatever the same client does meanwhile."""
        store = open_store()
        records = [Record(RecordKind.STEP, str(number), str(number)) for number in range(500)]
        store.create_run(RUN, records)
        found = []
        for record in store.scan(RUN):
            found.append(record)
            store.put(RUN, [Record(RecordKind.BRANCH, record.name, "new")], durable=False)
            assert store.get(RUN, RecordKind.STEP, record.name) == record.body
        assert sorted(record for record in found if record.kind == RecordKind.STEP) == sorted(records)

    def test_a_name_is_any_text(self, open_store: Callable[[], RunLogStore]) -> None:
        """Dots, slashes, glob characters, unicode, letters of either case and 1,000 characters make different names."""
        records = [
            Record(kind, name, f"{number}")
            for kind in (RecordKind.STEP, RecordKind.PARAMETERS)
            for number, name in enumerate(AWKWARD_NAMES)
        ]
        store = open_store()
        store.create_run(RUN, [])
        for record in records:
            store.put(RUN, [record], durable=False)
        reader = open_store()
        assert [reader.get(RUN, kind, name) for kind, name, _ in records] == [body for *_, body in records]
        assert sorted(reader.scan(RUN)) == sorted(records)
        assert list(reader.list_runs()) == [RUN]

    def test_a_body_comes_back_as_it_was(self, open_store: Callable[[], RunLogStore]) -> None:
        """Unicode of every kind is kept, character by character."""
        open_store().create_run(RUN, [Record(RecordKind.RUN, "", UNICODE_BODY)])
        assert open_store().get(RUN, RecordKind.RUN, "") == UNICODE_BODY
        assert list(open_store().scan(RUN)) == [Record(RecordKind.RUN, "", UNICODE_BODY)]

    def test_a_body_may_be_large(self, open_store: Callable[[], RunLogStore]) -> None:
        """Five million characters are kept beside small ones in the same put."""
        records = [
            Record(RecordKind.VALUE, "v", '"' + "é" * LARGE_CHARACTERS + '"'),
            Record(RecordKind.STEP, "before", "1"),
            Record(RecordKind.STEP, "large", '"' + "x" * LARGE_CHARACTERS + '"'),
            Record(RecordKind.STEP, "after", "2"),
        ]
        open_store().create_run(RUN, [HEAD])
        open_store().put(RUN, records)
        reader = open_store()
        assert all(reader.get(RUN, kind, name) == body for kind, name, body in records)
        assert set(reader.scan(RUN)) == {HEAD, *records}

    def test_a_value_may_be_put_again(self, open_store: Callable[[], RunLogStore]) -> None:
        """Two steps may set the same one; it is there once."""
        value = Record(RecordKind.VALUE, "digest", '"value"')
        open_store().create_run(RUN, [HEAD, value])
        for durable in (False, True):
            open_store().put(RUN, [value, Record(RecordKind.STEP, "step", "1")], durable=durable)
        assert list(open_store().scan(RUN, {RecordKind.VALUE})) == [value]

    def test_runs_are_listed_until_they_are_deleted(self, open_store: Callable[[], RunLogStore]) -> None:
        """A deleted run is unknown to every client, and those with similar ids are not touched."""
        runs = [RUN, OTHER_RUN, "run-10", "2024_x-y.z", "r" * 128]
        store = open_store()
        for run_id in runs:
            store.create_run(run_id, first_records())
        assert sorted(open_store().list_runs()) == sorted(runs)
        reader = open_store()
        assert len(list(reader.scan(RUN))) == len(first_records())
        open_store().delete_run(RUN)
        assert sorted(open_store().list_runs()) == sorted(runs[1:])
        for client in (store, reader, open_store()):
            _assert_unknown(client, RUN)
        assert _by_kind(store, OTHER_RUN) == _grouped(first_records())

    def test_a_deleted_run_begins_anew(self, open_store: Callable[[], RunLogStore]) -> None:
        """Clients that knew the old run write to the new one and see nothing of the old."""
        writer, reader = open_store(), open_store()
        writer.create_run(RUN, first_records())
        assert reader.get(RUN, RecordKind.RUN, "") is not None
        open_store().delete_run(RUN)
        open_store().create_run(RUN, [HEAD])
        assert list(reader.scan(RUN)) == [HEAD]
        step = Record(RecordKind.STEP, "step", "1")
        writer.put(RUN, [step])
        assert reader.get(RUN, RecordKind.STEP, "step") == "1"
        assert set(open_store().scan(RUN)) == {HEAD, step}

    def test_many_runs_may_be_read_by_one_client(self, open_store: Callable[[], RunLogStore]) -> None:
        """Three hundred of them, without a file or a connection left open for each."""
        store = open_store()
        for number in range(300):
            store.create_run(f"{number}", [HEAD])
        before = _open_files()
        assert all(store.get(run_id, RecordKind.RUN, "") == HEAD.body for run_id in store.list_runs())
        assert _open_files() - before < 50

    def test_processes_may_put_into_one_run_at_the_same_time(
        self, open_store: Callable[[], RunLogStore], start: Callable[..., _Worker]
    ) -> None:
        """Eight processes put 200 records each, one by one: none is lost, all are whole."""
        store = open_store()
        if not store.capabilities(store.options).concurrent_writers:
            pytest.skip("the store declares that it takes one writer at a time")
        store.create_run(RUN, [HEAD])
        workers = [start("put", RUN, number, RECORDS_PER_WORKER) for number in range(WORKERS)]
        for worker in workers:
            worker.go()
        for worker in workers:
            worker.finish()
        expected = {
            numbered(number, worker) for worker in range(WORKERS) for number in range(RECORDS_PER_WORKER)
        }
        assert set(open_store().scan(RUN)) == {HEAD, *expected}

    def test_a_reader_never_sees_a_part_of_a_record(
        self, open_store: Callable[[], RunLogStore], start: Callable[..., _Worker]
    ) -> None:
        """While a large one is replaced without pause, every reading finds one of the two whole."""
        reader = open_store()
        reader.create_run(RUN, [HEAD])
        writer = start("replace_forever", RUN)
        writer.go()
        writer.read_line()
        whole = {'"' + letter * REPLACED_CHARACTERS + '"' for letter in "ab"}
        seen = set()
        for _ in range(20):
            seen.add(reader.get(RUN, RecordKind.STEP, REPLACED))
            seen.update(record.body for record in reader.scan(RUN, {RecordKind.STEP}))
        assert seen <= whole

    def test_a_killed_writer_leaves_what_it_had_put(
        self, open_store: Callable[[], RunLogStore], start: Callable[..., _Worker]
    ) -> None:
        """After SIGKILL at any moment: all of it, whole; what was being put is whole or absent; writing goes on."""
        store = open_store()
        store.create_run(RUN, [HEAD])
        expected = {HEAD}
        for worker in range(KILLS):
            said = _killed(start("put_forever", RUN, worker), worker)
            done = {numbered(number, worker) for number in range(len(said))}
            found = set(store.scan(RUN))
            assert done <= found
            assert found - expected - done <= {numbered(len(said), worker)}
            mark = Record(RecordKind.BRANCH, str(worker), "1")
            store.put(RUN, [mark])
            expected = found | {mark}
            assert set(open_store().scan(RUN)) == expected

    def test_a_killed_creation_leaves_whole_runs(
        self, open_store: Callable[[], RunLogStore], start: Callable[..., _Worker]
    ) -> None:
        """After SIGKILL at any moment every run is there with all its first records or can be created."""
        for kill in range(KILLS):
            said = _killed(start("create_forever", f"r{kill}"), kill)
            runs = {run_id for run_id in open_store().list_runs() if run_id.startswith(f"r{kill}-")}
            assert {f"r{kill}-{number}" for number in range(len(said))} <= runs
            assert all(_by_kind(open_store(), run_id) == _grouped(first_records()) for run_id in runs)
            last = f"r{kill}-{len(said)}"
            if last not in runs:
                open_store().create_run(last, [HEAD])
                assert list(open_store().scan(last)) == [HEAD]

    def test_a_killed_deletion_can_be_asked_for_again(
        self, open_store: Callable[[], RunLogStore], start: Callable[..., _Worker]
    ) -> None:
        """After SIGKILL at any moment the run is gone or can be deleted; then its id is free."""
        for kill in range(KILLS):
            _killed(start("delete_forever", RUN), kill)
            store = open_store()
            if RUN in store.list_runs():
                store.delete_run(RUN)
            store.create_run(RUN, [HEAD])
            assert list(store.scan(RUN)) == [HEAD]
            store.delete_run(RUN)

    def test_the_ten_thousandth_record_costs_what_the_first_did(
        self, open_store: Callable[[], RunLogStore], work_done: Callable[[], int]
    ) -> None:
        """Counted in what is read and written for 300 puts at the beginning and behind 10,000 records."""
        store = open_store()
        store.create_run(RUN, [HEAD])
        costs = []
        for begin in (0, 10_000):
            before = work_done()
            for number in range(begin, begin + 300):
                store.put(RUN, [_small(number)], durable=False)
            costs.append(work_done() - before)
            for block in range(begin + 300, 10_000, 100):
                store.put(RUN, [_small(number) for number in range(block, block + 100)], durable=False)
        if not any(costs):
            pytest.skip("the store reads and writes nothing that can be counted")
        assert costs[1] <= 1.5 * costs[0]
        assert len(list(store.scan(RUN))) == 10_301

    def test_a_store_is_closed_after_use_or_without_any(
        self, make_run_log_store: Callable[[], RunLogStore]
    ) -> None:
        """Closing fails neither an unused store nor one that has read and written; what it put stays."""
        store = make_run_log_store()
        persistent = store.capabilities(store.options).persistent
        if persistent:
            store.close()
            store = make_run_log_store()
        store.create_run(RUN, [HEAD])
        assert store.get(RUN, RecordKind.RUN, "") == HEAD.body
        store.close()
        if persistent:
            other = make_run_log_store()
            assert list(other.scan(RUN)) == [HEAD]
            other.close()


class _Worker(NamedTuple):
    """Another process that works with a store."""

    process: subprocess.Popen[bytes]

    def go(self) -> None:
        """Let it begin, now that it has a store."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def read_line(self) -> str:
        """Wait for what it says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.endswith("\n"), "the other process ended before it had done anything"
        return line.rstrip("\n")

    def finish(self) -> list[str]:
        """Wait for its end; return the rest of what it said."""
        lines = self._rest()
        assert self.process.wait() == 0
        return lines

    def kill(self) -> list[str]:
        """Kill it, unless it has ended; return the rest of what it said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        lines = self._rest()
        self.process.wait()
        return lines

    def _rest(self) -> list[str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.process.stdout.closed:
            return []
        said = self.process.stdout.read().decode()
        self.process.stdout.close()
        self.process.stdin.close()
        return said.split("\n")[:-1]  # a line that is not ended was not said


def _start(task: str, make: Callable[[], RunLogStore], arguments: tuple[object, ...]) -> _Worker:
    # A new interpreter rather than a fork: stores may hold locks, threads and connections that do not survive one.
    process = subprocess.Popen(
        [sys.executable, "-m", "magnus.testing.run_log_worker", task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdin is not None
    process.stdin.write(pickle.dumps((make, arguments)))
    process.stdin.flush()
    worker = _Worker(process)
    assert worker.read_line() == "ready"
    return worker


def _killed(worker: _Worker, seed: int) -> list[str]:
    """Kill *worker* at a moment that *seed* decides, after it has done something; return what it said it had done."""
    worker.go()
    first = worker.read_line()
    time.sleep(random.Random(seed).random() * 0.1)  # noqa: S311 - any moment will do
    return [first, *worker.kill()]


def _need(make: Callable[[], RunLogStore], reach: Reach) -> None:
    store = make()
    found: Any = store.capabilities(store.options).reach
    store.close()
    if found == Reach.PROCESS != reach:
        pytest.skip("the store declares that no other process reaches it")


def _assert_unknown(store: RunLogStore, run_id: str) -> None:
    for ask in (
        lambda: store.get(run_id, RecordKind.RUN, ""),
        lambda: list(store.scan(run_id)),
        lambda: store.put(run_id, [HEAD]),
        lambda: store.delete_run(run_id),
    ):
        with pytest.raises(RunLogNotFoundError, match=run_id):
            ask()


def _grouped(records: list[Record]) -> dict[RecordKind, list[Record]]:
    kinds = dict.fromkeys(record.kind for record in records)
    return {kind: [record for record in records if record.kind == kind] for kind in kinds}


def _by_kind(store: RunLogStore, run_id: str = RUN) -> dict[RecordKind, list[Record]]:
    return _grouped(list(store.scan(run_id)))


def _small(number: int) -> Record:
    return Record(RecordKind.STEP, f"{number:05d}", '"' + "x" * 200 + '"')


def _bytes_moved() -> int:
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"]) + int(counts["wchar"])


def _open_files() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - only counted
