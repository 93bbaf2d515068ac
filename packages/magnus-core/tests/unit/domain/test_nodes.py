from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.nodes import Backoff, Node, Place, RetryPolicy, canonical_json, work_hash

BACKOFFS = st.builds(
    Backoff,
    initial=st.floats(0, 1e6),
    factor=st.floats(1, 1e6),
    maximum=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
)
CHANCES = st.floats(0, 1, exclude_max=True)
DEFINITION: dict[str, Any] = {
    "type": "task",
    "command": "work.fit",
    "command_config": {"a": 1},
    "catalog": {"get": ["*.csv"], "put": ["out/*"]},
    "next": "done",
}


@pytest.mark.parametrize(("failed", "pause"), [(1, 2), (2, 6), (3, 18), (4, 20), (50, 20)])
def test_each_pause_is_the_one_before_it_times_the_factor(failed: int, pause: float) -> None:
    """Up to the maximum."""
    assert Backoff(initial=2, factor=3, maximum=20).delay_seconds(failed, chance=0.5) == pause


def test_pauses_grow_for_as_long_as_they_are_below_the_maximum() -> None:
    """However slowly."""
    backoff = Backoff(initial=1, factor=1.05, maximum=3600)
    assert backoff.delay_seconds(101, chance=0) == pytest.approx(1.05**100)
    assert backoff.delay_seconds(1000, chance=0) == 3600


@given(BACKOFFS, st.integers(1, 10**9), CHANCES)
def test_a_pause_lies_between_its_least_and_its_most(backoff: Backoff, failed: int, chance: float) -> None:
    """After a thousand million attempts too: nothing overflows."""
    whole = backoff._replace(jitter=0).delay_seconds(failed, chance)
    pause = backoff.delay_seconds(failed, chance)
    assert 0 <= whole <= backoff.maximum
    assert whole * (1 - backoff.jitter) <= pause <= whole


@given(BACKOFFS, st.integers(1, 100), CHANCES)
def test_pauses_never_get_shorter(backoff: Backoff, failed: int, chance: float) -> None:
    """A factor is at least 1."""
    assert backoff.delay_seconds(failed, chance) <= backoff.delay_seconds(failed + 1, chance)


def test_jitter_takes_its_share_by_chance() -> None:
    """No chance, the whole pause; all of it, the rest that jitter leaves."""
    backoff = Backoff(initial=10, jitter=0.3)
    assert backoff.delay_seconds(1, chance=0) == 10
    assert backoff.delay_seconds(1, chance=1) == pytest.approx(7)


def test_a_step_without_a_policy_is_tried_once() -> None:
    """And without a pause."""
    assert not RetryPolicy().allows_another(1, ["ValueError"])
    assert Backoff().delay_seconds(1, chance=0) == 0


@pytest.mark.parametrize(("attempt", "allowed"), [(1, True), (2, True), (3, False), (4, False)])
def test_attempts_are_counted_in_all(attempt: int, allowed: bool) -> None:  # noqa: FBT001 - a column of the table
    """The third of three is the last one."""
    assert RetryPolicy(max_attempts=3).allows_another(attempt, []) is allowed


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (["ConnectionError", "OSError"], True),
        (["timeout"], True),
        (["ValueError"], False),
        (["connectionerror"], False),
        ([], False),
    ],
)
def test_only_the_failures_that_are_listed_are_tried_again(names: list[str], allowed: bool) -> None:  # noqa: FBT001 - a column of the table
    """Names are compared whole, any of a failure's names will do, and a failure without a name never fits."""
    policy = RetryPolicy(max_attempts=2, retry_on=("OSError", "timeout"))
    assert policy.allows_another(1, names) is allowed


@pytest.mark.parametrize(
    "change",
    [
        {"next": "other"},
        {"on_failure": "cleanup"},
        {"retry": {"max_attempts": 3}},
        {"timeout": 60},
        {"resources": {"cpu": 2}},
        {"executor_config": {"local": {"max_workers": 2}}},
        {"branches": {"a": {"start_at": "x"}}},
        {"branch": {"start_at": "x"}},
        {"dag": {"start_at": "x"}},
        {"max_concurrency": 4},
    ],
)
def test_where_and_how_often_a_step_runs_is_not_its_work(change: dict[str, Any]) -> None:
    """So a re-run does not run it again for that."""
    assert work_hash({**DEFINITION, **change}) == work_hash(DEFINITION)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "as-is"},
        {"command": "work.predict"},
        {"command_type": "shell"},
        {"command_config": {"a": 2}},
        {"command_config": {}},
        {"catalog": {"get": ["*.csv"], "put": []}},
        {"iterate_on": "items"},
        {"iterate_as": "item"},
        {"render_string": "x"},
    ],
)
def test_what_a_step_does_is_its_work(change: dict[str, Any]) -> None:
    """Any change of it makes a re-run run it again."""
    assert work_hash({**DEFINITION, **change}) != work_hash(DEFINITION)


def test_the_order_of_keys_is_no_part_of_the_work() -> None:
    """At any depth."""
    turned = json.loads(json.dumps(DEFINITION), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert list(turned) != list(DEFINITION)
    assert work_hash(turned) == work_hash(DEFINITION)


def test_the_work_hash_is_stable() -> None:
    """It is in run logs that later versions continue: it may not change."""
    assert work_hash({"type": "task", "command": "a.b"}) == "0d952eaf9cf03a38"


def test_a_node_hashes_what_was_written() -> None:
    """Name and place do not matter."""
    one = Node("one", "task", DEFINITION, next="done")
    assert one.work_hash() == one._replace(name="two", place=Place("p.yaml", 3, 5)).work_hash()
    assert one.work_hash() == work_hash(DEFINITION)


def test_canonical_text_has_one_form() -> None:
    """Keys in order, no blanks, unicode as it is."""
    assert canonical_json({"b": [1, 1.0, None], "a": "ä"}) == '{"a":"ä","b":[1,1.0,null]}'


def test_a_place_is_written_as_editors_read_it() -> None:
    """A click on it leads there."""
    assert str(Place("dir/p.yaml", 3, 5)) == "dir/p.yaml:3:5"
