from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.jobs import Job
from magnus.domain.nodes import Node
from magnus_executor_awsbatch.naming import definition_name, job_name, run_folder, tag_value

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""What Batch takes for the name of a job or a definition."""


def jobs(*names: str, run: str = "run", attempt: int = 1) -> Sequence[Job]:
    """Return jobs of steps."""
    return [Job(run, name, Node(name, "task", {}), attempt) for name in names]


def test_a_name_is_the_same_in_every_process() -> None:
    """Or what a killed one has submitted would not be found; so it may never change between versions either."""
    assert job_name(jobs("fit"), "fit", 0) == "magnus-fit-311e5669c7f556483fdc"


@pytest.mark.parametrize(
    "other",
    [
        job_name(jobs("a", "c"), "x", 0),
        job_name(jobs("b", "a"), "x", 0),
        job_name(jobs("a", "b", run="other"), "x", 0),
        job_name(jobs("a", "b", attempt=2), "x", 0),
        job_name(jobs("a", "b"), "x", 1),
        job_name(jobs("a"), "x", 0),
    ],
)
def test_other_work_has_another_name(other: str) -> None:
    """Other steps, in another order, of another run, another attempt, or submitted once more."""
    assert job_name(jobs("a", "b"), "x", 0) != other


@given(st.text(max_size=200))
def test_any_step_has_a_name_that_batch_takes(shown_as: str) -> None:
    """Whatever people call it."""
    assert NAME.fullmatch(job_name(jobs("a"), shown_as, 3))


@given(st.text(min_size=1, max_size=60))
def test_the_folder_of_a_run_is_one_folder(run_id: str) -> None:
    """No run's is within that of another."""
    folder = run_folder(run_id)
    assert folder.count("/") == 1
    assert folder.endswith("/")


def test_runs_whose_ids_are_like_paths_have_folders_apart() -> None:
    """A slash is no folder."""
    assert (run_folder("a/b"), run_folder("a%2Fb")) == ("a%2Fb/", "a%252Fb/")


def test_definitions_are_named_by_their_content() -> None:
    """Whatever the order of its keys."""
    name = definition_name({"a": 1, "b": [1, 2]})
    assert name == definition_name({"b": [1, 2], "a": 1})
    assert name != definition_name({"a": 1, "b": [2, 1]})
    assert NAME.fullmatch(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [("map.*.fit", "map._.fit"), ("a b/c:d=e+f-g@h_ü", "a b/c:d=e+f-g@h_ü"), ("x" * 300, "x" * 256)],
)
def test_a_tag_holds_what_tags_may_hold(text: str, value: str) -> None:
    """The rest is replaced."""
    assert tag_value(text) == value
