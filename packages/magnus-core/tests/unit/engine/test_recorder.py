from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.buffered import BufferedRunLogStore
from magnus.domain.parameters import INLINE_LIMIT, REFERENCE, Value, encode_all
from magnus.domain.records import Record, RecordKind
from magnus.domain.run_log import BranchLog, RunLog, Status, StepAttempt, StepLog
from magnus.engine.masking import MASK, Masker
from magnus.engine.recorder import RunRecorder, read_run_log, read_steps
from magnus.errors import RunLogExistsError, RunLogNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "hunter2-and-more"
LARGE = {"text": "x" * INLINE_LIMIT}


class NotingStore(BufferedRunLogStore):
    """Notes every write."""

    def __init__(self) -> None:
        """Nothing was written."""
        super().__init__()
        self.writes: list[tuple[list[tuple[RecordKind, str]], bool]] = []

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """Note it, and write."""
        self.writes.append(([(record.kind, record.name) for record in records], durable))
        super().put(run_id, records, durable=durable)


@pytest.fixture
def store() -> NotingStore:
    """Return an empty store."""
    return NotingStore()


@pytest.fixture
def recorder(store: NotingStore) -> RunRecorder:
    """Return the recorder of a run that has begun, which knows a secret."""
    made = RunRecorder(store, "run", Masker([SECRET]))
    made.create_run_log(RunLog("run"), encode_all({"rate": 0.1, "large": LARGE}, "test"))
    return made


def body(store: NotingStore, kind: RecordKind, name: str) -> Any:
    """Return what a record holds."""
    return json.loads(store.get("run", kind, name) or "null")


def test_a_run_begins_with_its_parameters(store: NotingStore, recorder: RunRecorder) -> None:
    """A large one is a value of its own, which the head and the parameters refer to."""
    reference = {REFERENCE: Value.of(LARGE).digest}
    assert body(store, RecordKind.PARAMETERS, "") == {"rate": 0.1, "large": reference}
    assert recorder.get_run_log().input_parameters == {"rate": 0.1, "large": reference}
    assert recorder.get_parameters("")["large"].decode() == LARGE


def test_a_run_id_that_is_taken_is_refused(store: NotingStore, recorder: RunRecorder) -> None:
    """What is there stays."""
    with pytest.raises(RunLogExistsError):
        RunRecorder(store, "run", Masker()).create_run_log(RunLog("run", tag="other"), {})
    assert recorder.get_run_log().tag == ""


def test_a_large_value_is_written_once_however_many_steps_set_it(
    store: NotingStore, recorder: RunRecorder
) -> None:
    """The one that the run began with included; a new one goes before the step that refers to it, in one write."""
    other = Value.of([LARGE])
    for name in ("one", "two"):
        recorder.add_step_log(StepLog(name, name), new_values=[Value.of(LARGE), other, Value.of(1)])
    assert store.writes == [
        ([(RecordKind.VALUE, other.digest), (RecordKind.STEP, "one")], False),
        ([(RecordKind.STEP, "two")], False),
    ]


def test_a_value_that_another_process_has_written_is_not_written_again(
    store: NotingStore, recorder: RunRecorder
) -> None:
    """Its worker said so."""
    value = Value.of([LARGE])
    recorder.adopt([value, Value.of(1)])
    recorder.add_step_log(StepLog("one", "one"), new_values=[value])
    assert store.writes == [([(RecordKind.STEP, "one")], False)]


def test_a_step_its_values_and_its_parameters_are_one_write(
    store: NotingStore, recorder: RunRecorder
) -> None:
    """A step that is marked as done has everything that it refers to, in this order, wherever a kill falls."""
    value = Value.of([LARGE])
    recorder.add_step_log(
        StepLog("one", "one"), new_values=[value], parameters=("", {"a": value.in_record()}), durable=True
    )
    kinds = [RecordKind.VALUE, RecordKind.STEP, RecordKind.PARAMETERS]
    ((names, durable),) = store.writes
    assert ([kind for kind, _ in names], durable) == (kinds, True)
    assert recorder.get_parameters("")["a"].decode() == [LARGE]


def test_what_is_resolved_is_what_was_recorded(recorder: RunRecorder) -> None:
    """Also an object that looks like a reference."""
    raw = {"plain": [1], "large": [LARGE], "tricky": {REFERENCE: "not a digest"}}
    values = encode_all(raw, "test")
    recorder.add_step_log(StepLog("one", "one"), new_values=values.values())
    in_record = {name: value.in_record() for name, value in values.items()}
    found = recorder.resolve(json.loads(json.dumps(in_record)))
    assert {name: value.decode() for name, value in found.items()} == raw


def test_a_value_that_is_missing_is_named_with_its_run(recorder: RunRecorder) -> None:
    """A damaged log ends in a message, not in a traceback."""
    with pytest.raises(RunLogNotFoundError, match="'run' lacks the value abc"):
        recorder.resolve({"a": {REFERENCE: "abc"}})


def test_secrets_are_hidden_in_what_the_user_writes_only() -> None:
    """A status, a name or a key of the schema may look like one, and the log must stay readable."""
    store = NotingStore()
    recorder = RunRecorder(store, "run", Masker(["SUCCESS", "message", "train", SECRET]))
    run = RunLog("run", tag=SECRET, run_config={"url": f"x{SECRET}"}, status=Status.SUCCESS)
    recorder.create_run_log(run, {})
    step = StepLog(
        "train",
        "train",
        Status.SUCCESS,
        message=f"got {SECRET}",
        user_defined_metrics={SECRET: [{"k": SECRET}], "fine": 1.5},
        attempts=[StepAttempt(1, "t", status=Status.SUCCESS)],
    )
    recorder.add_step_log(step)
    head = body(store, RecordKind.RUN, "")
    assert (head["tag"], head["run_config"], head["status"]) == (MASK, {"url": f"x{MASK}"}, "SUCCESS")
    read = recorder.get_step_log("train")
    assert read is not None
    assert (read.name, read.status, read.attempts[0].status) == ("train", Status.SUCCESS, Status.SUCCESS)
    assert read.message == f"got {MASK}"
    assert read.user_defined_metrics == {MASK: [{"k": MASK}], "fine": 1.5}


def test_a_secret_inside_a_parameter_is_hidden_at_any_depth(recorder: RunRecorder) -> None:
    """In keys, texts and numbers; a value without one is the same object as before."""
    value = Value.of({"a": [f"x {SECRET}"], SECRET: None, "n": 1})
    assert recorder.mask_value(value).decode() == {"a": [f"x {MASK}"], MASK: None, "n": 1}
    assert RunRecorder(BufferedRunLogStore(), "r", Masker(["123456"])).mask_value(
        Value.of([1234567, 12345])
    ).decode() == [f"{MASK}7", 12345]
    fine = Value.of({"a": 1})
    assert recorder.mask_value(fine) is fine


def test_the_run_log_is_assembled_with_steps_inside_their_branches(
    store: NotingStore, recorder: RunRecorder
) -> None:
    """Whatever order the records were written in, as several processes write them."""
    for name in ("p.a.m.0.leaf", "p.b.x", "p", "p.a.m", "last"):
        recorder.add_step_log(StepLog(name.rpartition(".")[2], name, Status.SUCCESS))
    for name in ("p.a.m.0", "p.b", "p.a"):
        recorder.add_branch_log(BranchLog(name, Status.SUCCESS))
    run = read_run_log(store, "run")
    assert list(run.steps) == ["p", "last"]
    branches = run.steps["p"].branches
    assert set(branches) == {"p.a", "p.b"}
    assert list(branches["p.b"].steps) == ["p.b.x"]
    assert list(branches["p.a"].steps["p.a.m"].branches["p.a.m.0"].steps) == ["p.a.m.0.leaf"]
    assert read_steps(store, "run").keys() == {"p", "p.a.m", "p.a.m.0.leaf", "p.b.x", "last"}


def test_steps_stand_in_the_order_in_which_they_began_whatever_the_store_gives(
    store: NotingStore, recorder: RunRecorder
) -> None:
    """A composite began when the first step inside it did; what has no time stays where it was, and ends are last."""

    def step(name: str, began: str = "", step_type: str = "task") -> StepLog:
        attempts = [StepAttempt(1, f"2026-11-26T12:00:{began}.000+00:00")] if began else []
        return StepLog(name.rpartition(".")[2], name, step_type=step_type, attempts=attempts)

    for log in (
        step("a end", step_type="success"),
        step("b third", "30"),
        step("c noted", step_type="as-is"),
        step("d both", step_type="parallel"),
        step("e first", "10"),
        step("d both.x.late", "25"),
        step("d both.x.early", "20"),
        step("d both.y.between", "22"),
    ):
        recorder.add_step_log(log)
    for name in ("d both.x", "d both.y"):
        recorder.add_branch_log(BranchLog(name))
    run = read_run_log(store, "run")
    assert list(run.steps) == ["e first", "d both", "b third", "c noted", "a end"]
    assert list(run.steps["d both"].branches["d both.x"].steps) == ["d both.x.early", "d both.x.late"]


def test_the_parameters_of_a_killed_run_are_those_it_had_last(
    store: NotingStore, recorder: RunRecorder
) -> None:
    """Its head says nothing of them, because it was never closed."""
    recorder.add_step_log(StepLog("one", "one"), parameters=("", {"rate": 0.2}))
    assert read_run_log(store, "run").parameters == {"rate": 0.2}


def test_the_parameters_of_a_run_that_has_ended_are_those_of_its_head(
    store: NotingStore, recorder: RunRecorder
) -> None:
    """With large values in their places, those it began with too."""
    recorder.set_run_log(RunLog("run", end_time="t"), encode_all({"rate": 0.3, "large": [LARGE]}, "test"))
    run = read_run_log(store, "run")
    assert run.parameters == {"rate": 0.3, "large": [LARGE]}


def test_an_unknown_run_is_told_by_its_id(store: NotingStore) -> None:
    """Whatever is asked of it."""
    for ask in (read_run_log, read_steps):
        with pytest.raises(RunLogNotFoundError, match="nowhere"):
            ask(store, "nowhere")


def test_a_step_that_has_not_begun_is_none(recorder: RunRecorder) -> None:
    """And a branch that has not begun has no parameters."""
    assert recorder.get_step_log("later") is None
    assert recorder.get_parameters("later.branch") == {}


class TestTogether:
    """Many writes as one."""

    def test_what_is_not_durable_is_written_at_the_end(
        self, store: NotingStore, recorder: RunRecorder
    ) -> None:
        """The newest of each name, values before what refers to them; nobody sees it before."""
        store.writes.clear()
        extra = encode_all({"large": {"text": "y" * INLINE_LIMIT}}, "test")
        with recorder.together():
            for item in ("a", "b"):
                recorder.add_branch_log(BranchLog(f"each.{item}"), {}, extra.values())
                recorder.add_step_log(StepLog("one", f"each.{item}.one"))
            recorder.add_step_log(StepLog("one", "each.a.one", message="newer"))
            assert store.writes == []
        (values, _), (records, _) = store.writes
        assert [kind for kind, _ in values] == [RecordKind.VALUE]
        assert [name for kind, name in records if kind == RecordKind.STEP] == ["each.a.one", "each.b.one"]
        assert body(store, RecordKind.STEP, "each.a.one")["message"] == "newer"

    def test_what_is_durable_comes_after_what_was_held_back(
        self, store: NotingStore, recorder: RunRecorder
    ) -> None:
        """So that no step is done before its branch is open."""
        store.writes.clear()
        with recorder.together():
            recorder.add_branch_log(BranchLog("each.a"))
            recorder.add_step_log(StepLog("one", "each.a.one"), durable=True)
            assert [durable for _, durable in store.writes] == [False, True]

    def test_what_was_held_back_is_written_when_something_fails(
        self, store: NotingStore, recorder: RunRecorder
    ) -> None:
        """It has happened."""

        def fail() -> None:
            with recorder.together():
                recorder.add_step_log(StepLog("one", "one"))
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert recorder.get_step_logs(["one", "two"]).keys() == {"one"}
