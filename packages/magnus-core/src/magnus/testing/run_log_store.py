"""What every run log store promises, as tests: subclass `RunLogStoreContract` and give it `make_run_log_store`."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.records import Record, RecordKind
from magnus.errors import RunLogExistsError, RunLogNotFoundError, ServiceError
from magnus.testing.processes import join, kill, start
from magnus.testing.work import count_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magnus.ports.run_log_store import RunLogStore

RUN = "run-1"
OTHER_RUN = "run-2"
HEAD = Record(RecordKind.RUN, "", '{"status":"PROCESSING"}')
RUN_IDS = ("a", "a.b", "a-b", "a.jsonl", "b.json", "_", "0", "x" * 128)
NAMES = (
    *("", " ", ".", "..", "...", "a", "a.b", "a.b.", "a.b.c", ".a", "a ", " a", "A", "a.B"),
    *("a/b", "a/", "/a", "../up", "../../up", "a//b", "a\\b", "C:\\a", "a:b", "-a", "--help"),
    *(
        "*",
        "**",
        "a*",
        "?",
        "[a]",
        "[]",
        "{a,b}",
        "%",
        "%2e",
        "%s",
        "%%",
        "_",
        "a_b",
        "~",
        "~a",
        "$a",
        "`a`",
        "a|b",
    ),
    *("'", '"', "';--", '","b', "],[", "a\nb", "a\rb", "a\tb", "a\x00b", "a\x7fb", "a\x85b", "a\u2028b"),
    *(
        "ä",
        "a\u0308",
        "ß",
        "ss",
        "İ",
        "数据",
        "🔑",
        "\ufeff",
        "\ue000",
        "\udc80",
        "a\udcffb",
        "con",
        "nul.json",
    ),
    *(
        "x" * 1000,
        "x" * 999,
        "x" * 999 + "y",
        "数" * 1000,
        "🔑" * 1000,
        "🔑" * 999 + "🔒",
        ".." * 500,
        "/" * 1000,
    ),
)
BODIES = (
    *("{}", "[]", '""', "null", "0", "1e400", "123456789012345678901234567890.10", ' { "a" :\t1 } '),
    *(
        '{"a":"ä 数据 🔑"}',
        '"\\u00e4\\ud83d\\udd11\\u0000\\n"',
        '"\x7f\x85\u2028\u2029\ufeff"',
        '"%s %(a)s :a $1 ?"',
    ),
    *(
        '"],\\"bodies\\":["',
        '["}\\n{",{"records":[["step","a",1]],"bodies":[1]}]',
        '"it\'s; -- \\\\"',
        '{"":{"":""}}',
    ),
)
HUGE_BYTES = 5 << 20
FULL_BYTES = 2 << 20
"""How large a file may become in the test of a full disk."""

WRITERS = 8
WRITTEN_BY_EACH = 200
MANY = 2250
MEASURED = 250
GROWTH = 4
"""How many times the work of the first puts that of the last may be: trees get deeper and files are tidied up at times."""


class RunLogStoreContract:
    """The promises of `magnus.ports.run_log_store.RunLogStore`.

    A subclass overrides `make_run_log_store`. What several processes do is left out for stores that reach no further than
    their process; those hand out one client again and again.
    """

    @pytest.fixture
    def make_run_log_store(self, tmp_path: Path) -> Callable[[], RunLogStore]:
        """Return a function of which every call makes another client of the same data."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, make_run_log_store: Callable[[], RunLogStore]) -> Iterable[RunLogStore]:
        """Lend a client, and close it afterwards."""
        with closing(make_run_log_store()) as store:
            yield store

    @pytest.fixture
    def other(self, make_run_log_store: Callable[[], RunLogStore]) -> Iterable[RunLogStore]:
        """Lend another client of the same data, and close it afterwards."""
        with closing(make_run_log_store()) as store:
            yield store

    def test_capabilities_are_said_without_an_instance(self, store: RunLogStore) -> None:
        """The verdicts of a check are drawn from the class and the options."""
        assert isinstance(type(store).capabilities(store.options), ServiceCapabilities)

    def test_a_store_that_was_never_written_to_has_no_runs(self, store: RunLogStore) -> None:
        """Listing is no failure, although nothing has been made yet."""
        assert list(store.list_runs()) == []

    def test_a_run_begins_with_its_first_records(self, store: RunLogStore, other: RunLogStore) -> None:
        """Another client finds the run and all of them at once."""
        first = [_step("a"), HEAD, _step("b")]
        store.create_run(RUN, first)
        assert list(other.list_runs()) == [RUN]
        assert sorted(other.scan(RUN)) == sorted(first)

    def test_a_run_may_begin_without_records(self, store: RunLogStore, other: RunLogStore) -> None:
        """It is a run all the same."""
        store.create_run(RUN, [])
        assert list(other.list_runs()) == [RUN]
        assert list(other.scan(RUN)) == []
        with pytest.raises(RunLogExistsError):
            other.create_run(RUN, [])

    def test_a_run_that_exists_is_not_begun_again(self, store: RunLogStore, other: RunLogStore) -> None:
        """The error names the run, whichever client asks, and nothing is changed."""
        store.create_run(RUN, [HEAD, _step("a", "1")])
        for client in (store, other):
            with pytest.raises(RunLogExistsError, match=RUN):
                client.create_run(RUN, [_step("a", "2"), _step("b")])
        assert sorted(other.scan(RUN)) == sorted([HEAD, _step("a", "1")])

    def test_runs_are_apart(self, store: RunLogStore) -> None:
        """Each id that may be given is a run of its own, with records of its own."""
        for run_id in RUN_IDS:
            store.create_run(run_id, [_step("a", json.dumps(run_id))])
        assert sorted(store.list_runs()) == sorted(RUN_IDS)
        assert [store.get(run_id, RecordKind.STEP, "a") for run_id in RUN_IDS] == [
            json.dumps(run_id) for run_id in RUN_IDS
        ]

    def test_what_was_put_is_visible_to_others_at_once(self, store: RunLogStore, other: RunLogStore) -> None:
        """Durable or not, by `get` and by `scan`, also to a client that has looked before."""
        store.create_run(RUN, [HEAD])
        for number in range(20):
            record = _step(f"s{number}", str(number))
            assert other.get(RUN, *record[:2]) is None
            store.put(RUN, [record], durable=number % 2 == 0)
            assert other.get(RUN, *record[:2]) == str(number)
            assert len(list(other.scan(RUN))) == number + 2

    def test_a_record_replaces_the_one_of_its_kind_and_name(
        self, store: RunLogStore, other: RunLogStore
    ) -> None:
        """Whoever wrote it, and whether the new one is longer or shorter."""
        store.create_run(RUN, [HEAD])
        for number, body in enumerate(['"first"', '"a longer second"', "3", '"fourth"']):
            (store, other)[number % 2].put(RUN, [_step("a", body)])
            assert store.get(RUN, RecordKind.STEP, "a") == body
            assert other.get(RUN, RecordKind.STEP, "a") == body
        assert [record.body for record in store.scan(RUN, [RecordKind.STEP])] == ['"fourth"']

    def test_the_last_of_a_batch_counts(self, store: RunLogStore) -> None:
        """Records are written in the order given."""
        store.create_run(RUN, [_step("a", "1"), _step("a", "2")])
        assert store.get(RUN, RecordKind.STEP, "a") == "2"
        store.put(RUN, [_step("a", "3"), _step("b", "1"), _step("a", "4")])
        assert store.get(RUN, RecordKind.STEP, "a") == "4"
        assert len(list(store.scan(RUN))) == 2

    def test_many_records_may_be_written_and_read_as_one(
        self, store: RunLogStore, other: RunLogStore
    ) -> None:
        """In any order, where their names differ; what is not there is left out of what is read."""
        store.create_run(RUN, [_step("first", "0")])
        store.put_in_any_order(RUN, [_step(f"s{number}", str(number)) for number in range(50)])
        names = ["s49", "nothing", "first", "s0"]
        assert other.get_many(RUN, RecordKind.STEP, names) == {"s49": "49", "first": "0", "s0": "0"}
        assert store.get_many(RUN, RecordKind.STEP, []) == {}
        assert len(list(other.scan(RUN))) == 51

    def test_an_empty_batch_changes_nothing(self, store: RunLogStore) -> None:
        """It is allowed."""
        store.create_run(RUN, [HEAD])
        store.put(RUN, [])
        assert list(store.scan(RUN)) == [HEAD]

    def test_kinds_are_apart(self, store: RunLogStore) -> None:
        """A name stands for one record in each kind; `scan` yields the kinds that it is asked for."""
        records = [Record(kind, "a", json.dumps(kind)) for kind in RecordKind]
        store.create_run(RUN, records)
        for record in records:
            assert store.get(RUN, record.kind, "a") == record.body
            assert list(store.scan(RUN, {record.kind})) == [record]
        assert sorted(store.scan(RUN)) == sorted(records)
        assert sorted(store.scan(RUN, (RecordKind.STEP, RecordKind.RUN))) == sorted([records[0], records[1]])
        assert list(store.scan(RUN, ())) == []

    def test_kinds_come_back_as_kinds(self, store: RunLogStore) -> None:
        """A record that was read equals the one that was written in type too."""
        store.create_run(RUN, [HEAD])
        (record,) = store.scan(RUN)
        assert isinstance(record, Record)
        assert isinstance(record.kind, RecordKind)

    def test_scan_keeps_the_order_of_the_first_writing(self, store: RunLogStore, other: RunLogStore) -> None:
        """Replacing a record leaves its place; a store without an order may order a kind by name instead."""
        names = ["c", "a", "d", "b", "10", "9"]
        store.create_run(RUN, [HEAD, _step(names[0])])
        for name in names[1:]:
            other.put(RUN, [Record(RecordKind.BRANCH, name, "{}"), _step(name)])
        store.put(RUN, [_step("b", "2"), _step("c", "2")])
        for kind, written in ((RecordKind.STEP, names), (RecordKind.BRANCH, names[1:])):
            found = [record.name for record in store.scan(RUN, [kind])]
            assert found in (written, sorted(written))

    def test_any_text_is_a_name(self, store: RunLogStore, other: RunLogStore) -> None:
        """Awkward, long and similar names, all in one run, in one batch and alone: none is taken for another."""
        store.create_run(RUN, [])
        half = len(NAMES) // 2
        store.put(RUN, [_step(name, json.dumps(name)) for name in NAMES[:half]])
        for name in NAMES[half:]:
            assert other.get(RUN, RecordKind.STEP, name) is None
            store.put(RUN, [_step(name, json.dumps(name))], durable=False)
        for name in NAMES:
            assert other.get(RUN, RecordKind.STEP, name) == json.dumps(name)
        assert sorted(other.scan(RUN)) == sorted(_step(name, json.dumps(name)) for name in NAMES)

    @pytest.mark.parametrize("body", BODIES)
    def test_a_body_comes_back_as_it_was(self, store: RunLogStore, other: RunLogStore, body: str) -> None:
        """Any JSON text, character by character: nothing is parsed, rounded or normalised."""
        store.create_run(RUN, [_step("a", body)])
        store.put(RUN, [_step("b", body), _step("c", "{}")])
        assert other.get(RUN, RecordKind.STEP, "a") == body
        assert [record.body for record in other.scan(RUN)] == [body, body, "{}"]

    def test_a_body_may_hold_what_is_no_unicode(self, store: RunLogStore, other: RunLogStore) -> None:
        """File names in parameters may hold half of a surrogate pair; at least the JSON value comes back."""
        store.create_run(RUN, [_step("a", '"caf\udce9"')])
        assert json.loads(other.get(RUN, RecordKind.STEP, "a") or "") == "caf\udce9"

    def test_a_huge_body_comes_back(self, store: RunLogStore, other: RunLogStore) -> None:
        """5 MB, between small ones, from the start of the run and later."""
        huge = json.dumps("ä" + random.Random(0).randbytes(HUGE_BYTES // 2).hex())  # noqa: S311 - test data
        store.create_run(RUN, [_step("a", huge), HEAD])
        store.put(RUN, [_step("b", "1"), _step("c", huge), _step("d", "2")])
        store.put(RUN, [_step("e", "3")])
        assert other.get(RUN, RecordKind.STEP, "a") == huge
        assert other.get(RUN, RecordKind.STEP, "c") == huge
        assert [other.get(RUN, RecordKind.STEP, name) for name in "bde"] == ["1", "2", "3"]
        assert sum(len(record.body) for record in other.scan(RUN, [RecordKind.STEP])) == 2 * len(huge) + 3

    def test_a_run_may_be_written_to_while_it_is_scanned(self, store: RunLogStore) -> None:
        """What was there before comes whole; what is written meanwhile may be left out."""
        store.create_run(RUN, [_step(f"s{number}", "1") for number in range(500)])
        seen = []
        for record in store.scan(RUN):
            seen.append(record.name)
            assert record.body in {"1", "2"}
            store.put(RUN, [_step(record.name, "2"), _step(f"new {record.name}", "2")], durable=False)
        assert {f"s{number}" for number in range(500)} <= set(seen)
        assert len(list(store.scan(RUN))) == 1000

    def test_an_unknown_run_is_named(self, store: RunLogStore) -> None:
        """By every method that takes one, before and after there are others."""
        for _ in range(2):
            for ask in _questions(store, OTHER_RUN):
                with pytest.raises(RunLogNotFoundError, match=OTHER_RUN):
                    ask()
            with suppress(RunLogExistsError):
                store.create_run(RUN, [HEAD])
        assert list(store.list_runs()) == [RUN]

    @pytest.mark.parametrize(
        "run_id", ["", ".", "..", "../run-1", "run-1/", "*", "run-1\x00", "RUN_1", "ü", "x" * 5000]
    )
    def test_what_is_no_run_id_names_no_run(self, store: RunLogStore, run_id: str) -> None:
        """It may come from a command line; nothing is found by it, and nothing is touched."""
        store.create_run(RUN, [HEAD])
        for ask in _questions(store, run_id):
            with pytest.raises(RunLogNotFoundError):
                ask()
        assert list(store.scan(RUN)) == [HEAD]

    def test_a_deleted_run_is_gone_for_all(self, store: RunLogStore, other: RunLogStore) -> None:
        """Also for clients that have read and written it; other runs stay."""
        store.create_run(OTHER_RUN, [_step("kept")])
        store.create_run(RUN, [HEAD])
        for client in (store, other):
            client.put(RUN, [_step("a")])
            assert client.get(RUN, RecordKind.STEP, "a") == "{}"
        other.delete_run(RUN)
        for client in (store, other):
            assert list(client.list_runs()) == [OTHER_RUN]
            for ask in _questions(client, RUN):
                with pytest.raises(RunLogNotFoundError, match=RUN):
                    ask()
        assert list(store.scan(OTHER_RUN)) == [_step("kept")]

    def test_a_deleted_run_may_be_begun_again(self, store: RunLogStore, other: RunLogStore) -> None:
        """Nothing of the old one shows, also to clients that knew it."""
        for number in range(3):
            store.create_run(RUN, [HEAD, _step(f"s{number}", str(number))])
            other.put(RUN, [_step("by the other", str(number))])
            expected = [HEAD, _step(f"s{number}", str(number)), _step("by the other", str(number))]
            for client in (store, other):
                assert sorted(client.scan(RUN)) == sorted(expected)
            (store, other)[number % 2].delete_run(RUN)
        other.create_run(RUN, [])
        assert list(store.scan(RUN)) == []

    def test_closing_lets_go_of_files_and_loses_nothing(
        self, make_run_log_store: Callable[[], RunLogStore]
    ) -> None:
        """A client that was not used can be closed too; what was written without durability is there."""
        unused = make_run_log_store()
        if not type(unused).capabilities(unused.options).persistent:
            pytest.skip("what the store holds ends with it")
        unused.close()
        before = _open_files()
        with closing(make_run_log_store()) as store:
            store.create_run(RUN, [HEAD])
            store.put(RUN, [_step("a")], durable=False)
            assert len(list(store.scan(RUN))) == 2
        assert _open_files() == before
        with closing(make_run_log_store()) as store:
            assert sorted(store.scan(RUN)) == sorted([HEAD, _step("a")])

    def test_many_runs_may_be_read_by_one_client(self, store: RunLogStore, other: RunLogStore) -> None:
        """As a listing does: 200 of them leave no file or connection open for each."""
        for number in range(200):
            store.create_run(f"run-{number}", [HEAD])
        before = len(_open_files())
        assert [other.get(run_id, RecordKind.RUN, "") for run_id in other.list_runs()] == [HEAD.body] * 200
        assert len(_open_files()) - before < 100

    def test_instances_may_be_used_in_several_threads_at_once(
        self, make_run_log_store: Callable[[], RunLogStore]
    ) -> None:
        """Each thread has its own; all work on one run."""
        with closing(make_run_log_store()) as store:
            _need_writers(store)
            store.create_run(RUN, [HEAD])

        def write(writer: int) -> None:
            with closing(make_run_log_store()) as own:
                for number in range(50):
                    own.put(RUN, [_step(f"{writer}.{number}", str(number))], durable=False)
                    assert own.get(RUN, RecordKind.STEP, f"{writer}.{number}") == str(number)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        with closing(make_run_log_store()) as store:
            assert len(list(store.scan(RUN, [RecordKind.STEP]))) == 200

    def test_writing_costs_the_same_however_long_the_run_is(self, store: RunLogStore) -> None:
        """Neither the calls nor the bytes that 250 puts take grow with the 2,000 records before them."""
        store.create_run(RUN, [HEAD])

        def put(numbers: Iterable[int]) -> None:
            for number in numbers:
                store.put(RUN, [_step(f"branch.step {number}", '"' + "x" * 500 + '"')], durable=False)

        put(range(10))
        first = count_work(lambda: put(range(10, 10 + MEASURED)))
        put(range(10 + MEASURED, MANY - MEASURED))
        last = count_work(lambda: put(range(MANY - MEASURED, MANY)))
        assert last.calls <= GROWTH * first.calls
        assert last.transferred_bytes <= GROWTH * first.transferred_bytes

    def test_of_many_who_begin_a_run_one_succeeds(
        self, make_run_log_store: Callable[[], RunLogStore], tmp_path: Path
    ) -> None:
        """Four processes at the same time; the run holds what the one wrote, and nothing of the others."""
        _need_processes(make_run_log_store)
        for number in range(10):
            run_id = f"run-{number}"

            def begin(creator: int, run_id: str = run_id) -> None:
                with closing(make_run_log_store()) as store, suppress(RunLogExistsError):
                    store.create_run(run_id, [_step(f"{creator}.{part}") for part in range(20)])
                    (tmp_path / f"{run_id}.{creator}.won").touch()

            join([start(begin, creator) for creator in range(4)])
            (winner,) = tmp_path.glob(f"{run_id}.*.won")
            creator = winner.name.split(".")[1]
            with closing(make_run_log_store()) as store:
                names = [record.name for record in store.scan(run_id)]
            assert sorted(names) == sorted(f"{creator}.{part}" for part in range(20))

    def test_many_processes_write_to_one_run_with_nothing_lost(
        self, make_run_log_store: Callable[[], RunLogStore]
    ) -> None:
        """8 processes put 200 steps each, and a value that they have in common with each."""
        with closing(make_run_log_store()) as store:
            _need_writers(store)
            store.create_run(RUN, [HEAD])

        def write(writer: int) -> None:
            with closing(make_run_log_store()) as own:
                for number in range(WRITTEN_BY_EACH):
                    shared = number if writer % 2 else WRITTEN_BY_EACH - 1 - number
                    records = [Record(RecordKind.VALUE, f"{shared}", f"{shared}")]
                    records.append(_step(f"map.{writer}.step {number}", f"[{writer},{number}]"))
                    own.put(RUN, records, durable=number % 20 == 0)

        join([start(write, writer) for writer in range(WRITERS)])
        with closing(make_run_log_store()) as store:
            steps = {record.name: record.body for record in store.scan(RUN, [RecordKind.STEP])}
            values = {record.name: record.body for record in store.scan(RUN, [RecordKind.VALUE])}
        assert steps == {
            f"map.{writer}.step {number}": f"[{writer},{number}]"
            for writer in range(WRITERS)
            for number in range(WRITTEN_BY_EACH)
        }
        assert values == {str(number): str(number) for number in range(WRITTEN_BY_EACH)}

    def test_no_reader_sees_a_part_of_a_record(self, make_run_log_store: Callable[[], RunLogStore]) -> None:
        """While one process replaces a large record again and again, another reads it whole each time."""
        _need_processes(make_run_log_store)
        lengths = {"a": 1 << 20, "b": 3 << 18, "c": 10}
        with closing(make_run_log_store()) as store:
            store.create_run(RUN, [_step("large", json.dumps("c" * lengths["c"]))])

        def write() -> None:
            with closing(make_run_log_store()) as own:
                for number in range(60):
                    letter = "abc"[number % 3]
                    own.put(RUN, [_step("large", json.dumps(letter * lengths[letter]))], durable=False)

        process = start(write)
        reads = 0
        with closing(make_run_log_store()) as store:
            while process.is_alive() or not reads:
                found = [
                    store.get(RUN, RecordKind.STEP, "large"),
                    *(record.body for record in store.scan(RUN)),
                ]
                for body in found:
                    assert body is not None
                    assert body == json.dumps(body[1] * lengths[body[1]])
                reads += 1
        join([process])

    def test_a_killed_writer_leaves_what_it_had_written(
        self, make_run_log_store: Callable[[], RunLogStore], tmp_path: Path
    ) -> None:
        """At any moment, small and large records: what was put is there, and the run can be written to again."""
        _need_processes(make_run_log_store)
        chance = random.Random(0)  # noqa: S311 - test data
        bodies = [json.dumps("x" * length) for length in (10, 300_000, 2000)]
        with closing(make_run_log_store()) as store:
            store.create_run(RUN, [HEAD])

        def write(attempt: int, acknowledged: Path) -> None:
            with (
                closing(make_run_log_store()) as own,
                acknowledged.open("a", buffering=1, encoding="ascii") as file,
            ):
                for number in range(100_000):
                    own.put(RUN, [_step(f"{attempt}.{number}", bodies[number % 3])], durable=False)
                    file.write(f"{number}\n")

        written: dict[str, str] = {}
        for attempt in range(10):
            acknowledged = tmp_path / str(attempt)
            process = start(write, attempt, acknowledged)
            _wait_until(partial(_is_filled, acknowledged))
            time.sleep(chance.random() * 0.03)
            assert kill(process)
            numbers = [int(line) for line in acknowledged.read_text(encoding="ascii").split()]
            written |= {f"{attempt}.{number}": bodies[number % 3] for number in numbers}
            with closing(make_run_log_store()) as store:
                found = {record.name: record.body for record in store.scan(RUN, [RecordKind.STEP])}
                assert {name: found.get(name) for name in written} == written
                for name in found.keys() - written.keys():  # what was being put
                    assert found[name] == bodies[int(name.split(".")[1]) % 3]
                written |= found

    def test_a_killed_creation_leaves_no_run_or_a_whole_one(
        self, make_run_log_store: Callable[[], RunLogStore], tmp_path: Path
    ) -> None:
        """If it is not there, it can be begun."""
        _need_processes(make_run_log_store)
        chance = random.Random(0)  # noqa: S311 - test data
        records = [HEAD, *(_step(f"s{number}", json.dumps("x" * 400_000)) for number in range(20))]

        def begin(run_id: str, ready: Path) -> None:
            with closing(make_run_log_store()) as own:
                list(own.list_runs())
                ready.touch()
                own.create_run(run_id, records)

        for number in range(10):
            run_id = f"run-{number}"
            process = start(begin, run_id, tmp_path / run_id)
            _wait_until((tmp_path / run_id).exists)
            time.sleep(chance.random() * 0.02)
            kill(process)
            with closing(make_run_log_store()) as store:
                if run_id not in store.list_runs():
                    store.create_run(run_id, records)
                assert sorted(store.scan(run_id)) == sorted(records)
                store.put(run_id, [_step("after")])
                assert store.get(run_id, RecordKind.STEP, "after") == "{}"

    def test_a_killed_deletion_can_be_finished(
        self, make_run_log_store: Callable[[], RunLogStore], tmp_path: Path
    ) -> None:
        """The run is gone, or it can still be deleted; then it can be begun again and shows nothing of the old one."""
        _need_processes(make_run_log_store)
        chance = random.Random(0)  # noqa: S311 - test data
        records = [_step(f"s{number}") for number in range(500)]

        def delete(ready: Path) -> None:
            with closing(make_run_log_store()) as own:
                list(own.list_runs())
                ready.touch()
                own.delete_run(RUN)

        for number in range(8):
            with closing(make_run_log_store()) as store:
                store.create_run(RUN, records)
                process = start(delete, tmp_path / str(number))
                _wait_until((tmp_path / str(number)).exists)
                time.sleep(chance.random() * 0.005)
                kill(process)
                if RUN in store.list_runs():
                    store.delete_run(RUN)
                assert list(store.list_runs()) == []
                store.create_run(RUN, [HEAD])
                assert list(store.scan(RUN)) == [HEAD]
                store.delete_run(RUN)

    def test_a_write_that_fails_is_reported_and_leaves_what_was_there(
        self, make_run_log_store: Callable[[], RunLogStore]
    ) -> None:
        """Where a file may not grow on, a `ServiceError` comes, no part of a record, and later writes succeed."""
        if _need_processes(make_run_log_store).reach is not Reach.HOST:
            pytest.skip("the files of this store are not written by the process that asks for it")
        huge = json.dumps(random.Random(0).randbytes(HUGE_BYTES // 2).hex())  # noqa: S311 - test data

        def fill() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            with closing(make_run_log_store()) as own:
                own.create_run(RUN, [HEAD, _step("a", "1")])
                own.put(RUN, [_step("b", "1")])
                resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, limits[1]))
                with pytest.raises(ServiceError, match=r"."):
                    own.put(RUN, [_step("c", "1"), _step("b", huge), _step("d", "1")])
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
                found = {record.name: record.body for record in own.scan(RUN, [RecordKind.STEP])}
                assert found in ({"a": "1", "b": "1"}, {"a": "1", "b": "1", "c": "1"})
                own.put(RUN, [_step("e", huge)])
                assert own.get(RUN, RecordKind.STEP, "e") == huge

        join([start(fill)])


def _step(name: str, body: str = "{}") -> Record:
    return Record(RecordKind.STEP, name, body)


def _questions(store: RunLogStore, run_id: str) -> list[Callable[[], object]]:
    return [
        lambda: store.put(run_id, [HEAD]),
        lambda: store.put(run_id, [HEAD], durable=False),
        lambda: store.get(run_id, RecordKind.RUN, ""),
        lambda: list(store.scan(run_id)),
        lambda: store.delete_run(run_id),
    ]


def _need_writers(store: RunLogStore) -> None:
    if not type(store).capabilities(store.options).concurrent_writers:
        pytest.skip("the store says that it is not for concurrent writers")


def _need_processes(make_run_log_store: Callable[[], RunLogStore]) -> ServiceCapabilities:
    with closing(make_run_log_store()) as store:
        capabilities = type(store).capabilities(store.options)
    if capabilities.reach is Reach.PROCESS or not capabilities.persistent:
        pytest.skip("the store reaches no further than its process")
    return capabilities


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the other process did not get on"
        time.sleep(0.001)


def _is_filled(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():  # not on this system
        return set()
    # The listing's own descriptor is closed when it is looked up.
    links = [folder / name for name in os.listdir(folder)]  # noqa: PTH208 - a listing that is done before it is used
    return {os.readlink(link) for link in links if link.exists() or link.is_symlink()}  # noqa: PTH115 - text is compared
