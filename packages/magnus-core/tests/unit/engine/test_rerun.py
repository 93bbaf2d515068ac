from __future__ import annotations

import pytest

from magnus.domain.run_log import Status, StepLog
from magnus.engine.rerun import Rerun


def step(name: str, status: Status = Status.SUCCESS, **more: object) -> StepLog:
    """Return a step of the earlier run."""
    return StepLog(name, name, status, work_hash="same", **more)  # type: ignore[arg-type]


RERUN = Rerun(
    "earlier",
    {
        "done": step("done"),
        "failed": step("failed", Status.FAIL),
        "killed": step("killed", Status.PROCESSING),
        "map": step("map", output_parameters={"score": [1, 2]}),
        "broken": step("broken", Status.FAIL, output_parameters={"score": [1, 2]}),
    },
    {"map": {"map.a", "map.b"}},
    outputs=lambda old: {},  # noqa: ARG005 - has the shape that is asked for
)


@pytest.mark.parametrize(
    ("name", "work_hash", "something_ran_before", "skipped"),
    [
        ("done", "same", False, True),
        ("done", "other", False, False),
        ("done", "same", True, False),
        ("failed", "same", False, False),
        ("killed", "same", False, False),
        ("unknown", "same", False, False),
    ],
)
def test_a_step_is_skipped_only_if_nothing_speaks_against_it(
    name: str,
    work_hash: str,
    something_ran_before: bool,  # noqa: FBT001 - a column of the table
    skipped: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """It had succeeded, does the same work, and nothing before it on its path ran again."""
    assert RERUN.may_skip(name, work_hash, something_ran_before=something_ran_before) is skipped


@pytest.mark.parametrize(
    ("name", "work_hash", "changed"),
    [
        ("done", "same", False),
        ("done", "other", True),
        ("failed", "other", True),
        ("unknown", "other", False),
    ],
)
def test_other_work_is_told_of_steps_that_were_there(
    name: str,
    work_hash: str,
    changed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A new step is not a changed one."""
    assert RERUN.work_changed(name, work_hash) is changed


@pytest.mark.parametrize(
    ("name", "branches", "outputs", "same"),
    [
        ("map", ["map.b", "map.a"], {"score": [1, 2]}, True),
        ("map", ["map.a"], {"score": [1, 2]}, False),
        ("map", ["map.a", "map.b", "map.c"], {"score": [1, 2]}, False),
        ("map", ["map.a", "map.b"], {"score": [2, 1]}, False),
        ("broken", [], {"score": [1, 2]}, False),
        ("unknown", [], {}, False),
    ],
)
def test_a_join_is_the_same_with_the_same_branches_and_the_same_outcome(
    name: str,
    branches: list[str],
    outputs: dict[str, object],
    same: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """An item more, an item less, another order of what they left: what follows has something new to work on."""
    assert RERUN.had_joined(name, branches, outputs) is same


def test_a_skipped_step_says_which_run_it_comes_from() -> None:
    """For whoever reads the log."""
    assert RERUN.message() == "succeeded in run earlier, not run again"
