from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.run_log import (
    BranchLog,
    CodeIdentity,
    DataCatalog,
    RunLog,
    Status,
    StepAttempt,
    StepLog,
    branch_from_dict,
    branch_to_dict,
    full_dict,
    full_step_dict,
    run_from_dict,
    run_to_dict,
    step_from_dict,
    step_to_dict,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
OBJECT = st.dictionaries(TEXT, TEXT | st.integers() | st.none() | st.lists(NUMBER, max_size=2), max_size=3)
STATUS = st.sampled_from(Status)
ATTEMPTS = st.builds(
    StepAttempt,
    attempt_number=st.integers(1),
    start_time=TEXT,
    end_time=TEXT,
    duration=NUMBER,
    status=STATUS,
    message=TEXT,
    exit_code=st.none() | st.integers(),
    failure=st.lists(TEXT, max_size=2),
    parameters=OBJECT,
)
IDENTITIES = st.builds(CodeIdentity, TEXT, TEXT, st.booleans(), TEXT, TEXT)
ENTRIES = st.builds(DataCatalog, TEXT, TEXT, st.integers(0), TEXT, TEXT)
STEPS = st.builds(
    StepLog,
    name=TEXT,
    internal_name=TEXT,
    status=STATUS,
    step_type=TEXT,
    message=TEXT,
    mock=st.booleans(),
    code_identities=st.lists(IDENTITIES, max_size=2),
    attempts=st.lists(ATTEMPTS, max_size=2),
    user_defined_metrics=OBJECT,
    output_parameters=OBJECT,
    branches=st.just({}),
    data_catalog=st.lists(ENTRIES, max_size=2),
    work_hash=TEXT,
)
RUNS = st.builds(
    RunLog,
    run_id=TEXT,
    schema_version=st.integers(1),
    dag_hash=TEXT,
    tag=TEXT,
    status=STATUS,
    message=TEXT,
    use_cached=st.booleans(),
    original_run_id=TEXT,
    start_time=TEXT,
    end_time=TEXT,
    input_parameters=OBJECT,
    parameters=OBJECT,
    run_config=OBJECT,
    steps=st.just({}),
)


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    """Return *data* as it is read back from a record."""
    read: dict[str, Any] = json.loads(json.dumps(data))
    return read


@given(STEPS)
def test_a_step_comes_back_from_its_record(step: StepLog) -> None:
    """With statuses, attempts, identities and entries of their own types."""
    back = step_from_dict(through_json(step_to_dict(step)))
    assert back == step
    assert isinstance(back.status, Status)
    assert all(isinstance(attempt.status, Status) for attempt in back.attempts)
    assert all(isinstance(entry, DataCatalog) for entry in back.data_catalog)


@given(RUNS)
def test_the_head_of_a_run_comes_back_from_its_record(run: RunLog) -> None:
    """Everything but the steps, which are records of their own."""
    back = run_from_dict(through_json(run_to_dict(run)))
    assert back == run
    assert isinstance(back.status, Status)


@given(TEXT, STATUS)
def test_a_branch_comes_back_from_its_record(name: str, status: Status) -> None:
    """Its name and how it ended."""
    assert branch_from_dict(through_json(branch_to_dict(BranchLog(name, status)))) == BranchLog(name, status)


def test_what_a_newer_schema_adds_is_ignored() -> None:
    """To a step, a branch and a run; an older magnus reads the rest."""
    step = {**step_to_dict(StepLog("a", "a")), "later": 1}
    assert step_from_dict(step) == StepLog("a", "a")
    assert branch_from_dict({**branch_to_dict(BranchLog("a.b")), "later": 1}) == BranchLog("a.b")
    assert run_from_dict({**run_to_dict(RunLog("r")), "later": 1}) == RunLog("r")


def test_what_a_newer_schema_adds_inside_a_step_is_ignored() -> None:
    """To an attempt, an identity and an entry of the catalog."""
    step = StepLog(
        "a",
        "a",
        attempts=[StepAttempt(1, "t")],
        code_identities=[CodeIdentity("c", "git", code_identifier_dependable=True)],
        data_catalog=[DataCatalog("f", "h", 1, "put", "p")],
    )
    data = through_json(step_to_dict(step))
    for part in ("attempts", "code_identities", "data_catalog"):
        data[part][0]["later"] = 1
    assert step_from_dict(data) == step


def test_what_an_older_schema_lacks_has_its_default() -> None:
    """A log that was written before a field came is read all the same."""
    assert step_from_dict({"name": "a", "internal_name": "a", "status": "SUCCESS"}) == StepLog(
        "a", "a", Status.SUCCESS
    )
    assert run_from_dict({"run_id": "r", "status": "FAIL"}) == RunLog("r", status=Status.FAIL)


def nested(depth: int) -> RunLog:
    """Return a run whose step has a branch whose step has a branch, *depth* times."""
    leaf = name = ".".join(["s", "b"] * depth + ["s"])
    step = StepLog("s", leaf, Status.SUCCESS)
    for _ in range(depth):
        branch = name.rpartition(".")[0]
        name = branch.rpartition(".")[0]
        outer = StepLog("s", name, Status.SUCCESS)
        outer.branches[branch] = BranchLog(branch, Status.SUCCESS, {step.internal_name: step})
        step = outer
    return RunLog("r", steps={"s": step})


def test_the_whole_run_log_holds_the_steps_of_branches_inside_their_steps() -> None:
    """As `magnus runs show --json` prints it."""
    whole = full_dict(nested(1))
    outer = whole["steps"]["s"]
    assert set(outer["branches"]) == {"s.b"}
    assert outer["branches"]["s.b"]["status"] == "SUCCESS"
    assert outer["branches"]["s.b"]["steps"]["s.b.s"]["branches"] == {}
    assert whole == json.loads(json.dumps(whole))
    assert full_step_dict(nested(1).steps["s"]) == outer


def test_a_run_log_nests_without_limit() -> None:
    """Neither walking nor writing it out recurses."""
    run = nested(3_000)
    steps = full_dict(run)["steps"]
    found = 0
    while steps:
        found += 1
        (step,) = steps.values()
        steps = next(iter(step["branches"].values()), {"steps": {}})["steps"]
    assert found == sum(1 for _ in run.walk()) == 3_001


def test_only_success_and_failure_are_ends() -> None:
    """A killed run stays in one of the others."""
    assert {status for status in Status if status.has_ended} == {Status.SUCCESS, Status.FAIL}
