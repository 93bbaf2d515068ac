"""Expressions of Argo's, as far as we write them."""

from __future__ import annotations

import re

import pytest

from magnus_executor_argo.depends import read_depends
from magnus_executor_argo.retry_expression import RetryExpression, read_retry_expression
from magnus_executor_argo.variables import filled_in, variables_in
from magnus_executor_argo.workflow import Phase

PHASES = {"a": Phase.SUCCEEDED, "b-c": Phase.FAILED, "d": Phase.OMITTED, "e": Phase.ERROR, "f": Phase.SKIPPED}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a.Succeeded", True),
        ("a.Failed", False),
        ("b-c.Failed || b-c.Errored", True),
        ("e.Failed || e.Errored", True),
        ("d.Omitted && f.Skipped", True),
        ("a.Failed || a.Succeeded && d.Omitted", True),
        ("(a.Succeeded || a.Failed) && d.Succeeded", False),
        ("((a.Succeeded))&&(b-c.Failed)", True),
    ],
)
def test_a_task_depends_on_how_others_have_ended(text: str, holds: bool) -> None:  # noqa: FBT001 - a case
    """`&&` binds more than `||`."""
    depends = read_depends(text)
    assert depends.holds(PHASES) is holds
    assert depends.tasks() == {name for name in PHASES if f"{name}." in text}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a", "'a' cannot be read"),
        ("!a.Failed", "'!a.Failed' cannot be read"),
        ("a.Succeeded b.Failed", "'b.Failed' stands where"),
        ("a.Daemoned", "a result that is not interpreted"),
        ("a.Succeeded &&", "it ends where"),
        ("a.Succeeded || )", "')' stands where"),
        ("in.Succeeded", "begins with a word of the language"),
        ("(a.Succeeded", "a parenthesis is not closed"),
        ("", "it ends where"),
    ],
)
def test_a_condition_that_we_do_not_write_is_refused(text: str, told: str) -> None:
    """With what it is that is not understood."""
    with pytest.raises(ValueError, match=re.escape(told)):
        read_depends(text)


def test_a_condition_on_many_tasks_needs_no_depth() -> None:
    """A fail node may follow thousands."""
    depends = read_depends(" || ".join(f"t{number}.Failed" for number in range(5000)))
    assert not depends.holds({f"t{number}": Phase.SUCCEEDED for number in range(5000)})


def test_a_pod_is_made_again_after_some_ends() -> None:
    """By exit code or by phase."""
    text = 'asInt(lastRetry.exitCode) == 75 || lastRetry.status == "Error" || asInt(lastRetry.exitCode) > 128'
    assert read_retry_expression(text) == RetryExpression((75,), 128, (Phase.ERROR,))


@pytest.mark.parametrize("text", ["true", "lastRetry.exitCode == 75", "asInt(lastRetry.exitCode) < 3", ""])
def test_an_expression_that_we_do_not_write_is_refused(text: str) -> None:
    """By name."""
    with pytest.raises(ValueError, match="is not interpreted"):
        read_retry_expression(text)


def test_variables_are_replaced_once() -> None:
    """What takes their place is no variable again."""
    assert variables_in("{{a}}-{{b.c-d}}") == ["a", "b.c-d"]
    assert filled_in("{{a}}-{{b}}", {"a": "{{b}}", "b": "2"}) == "{{b}}-2"


@pytest.mark.parametrize("text", ["{{a", "{{=1+1}}", "{{ a }}", "{{a}} {{"])
def test_braces_that_name_no_variable_are_refused(text: str) -> None:
    """Argo could make something of them."""
    with pytest.raises(ValueError, match=r"\{\{"):
        variables_in(text)
