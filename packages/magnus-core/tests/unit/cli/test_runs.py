from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from magnus.domain.run_log_schema import run_log_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

pytestmark = pytest.mark.usefixtures("in_runs")


def test_runs_are_listed_newest_first_with_their_counts(magnus: Callable[..., Said]) -> None:
    """Terminal nodes are not counted; composite ones are."""
    runs = magnus("runs", "list", "--json").json()
    assert [run["run_id"] for run in runs] == ["killed", "at-once", "completed", "failed"]
    by_id = {run["run_id"]: run for run in runs}
    assert (by_id["failed"]["status"], by_id["failed"]["steps_failed"]) == (
        "FAIL",
        2,
    )  # the item, and the map around it
    assert (by_id["at-once"]["steps_done"], by_id["at-once"]["steps_failed"]) == (9, 0)
    assert by_id["completed"]["original_run_id"] == "failed"
    assert by_id["at-once"]["duration"] > 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tag", "night"], ["failed"]),
        (["--status", "success"], ["at-once", "completed"]),
        (["--status", "FAIL"], ["failed"]),
        (["--limit", "1"], ["killed"]),
        (["--tag", "nobody's"], []),
    ],
)
def test_a_list_can_be_narrowed(magnus: Callable[..., Said], options: list[str], expected: list[str]) -> None:
    """Only what was asked for is listed."""
    assert [run["run_id"] for run in magnus("runs", "list", "--json", *options).json()] == expected


def test_a_killed_run_is_listed_as_lost_with_a_remark(magnus: Callable[..., Said]) -> None:
    """The remark says how to close it and how to continue it."""
    said = magnus("runs", "list", "--status", "LOST")
    assert said.out.splitlines()[1].split()[:2] == ["killed", "LOST"]
    assert "killed is lost: its process " in said.err
    assert "magnus runs reap killed" in said.err
    assert "--use-cached killed" in said.err
    assert magnus("runs", "list", "--status", "PROCESSING", "--json").json() == []
    (run,) = magnus("runs", "list", "--status", "LOST", "--json").json()
    assert (run["status"], run["lost"]) == ("PROCESSING", True)


def test_a_killed_run_is_shown_as_lost(magnus: Callable[..., Said]) -> None:
    """So are its steps that have not ended; JSON holds the recorded status as well."""
    out = magnus("runs", "show", "killed").out
    assert out.startswith("run killed: LOST\n")
    assert "kill  (task)  LOST" in out
    assert "before  (task)  SUCCESS" in out
    run = magnus("runs", "show", "killed", "--json").json()
    assert (run["status"], run["lost"]) == ("PROCESSING", True)
    assert magnus("runs", "show", "failed", "--json").json()["lost"] is False


def test_lines_are_aligned_and_hold_no_colours_where_there_is_no_terminal(
    magnus: Callable[..., Said],
) -> None:
    """A pipe gets plain columns."""
    lines = magnus("runs", "list").out.splitlines()
    assert "\x1b" not in "".join(lines)
    assert {
        line.index(word) for line, word in zip(lines, ("STATUS", "LOST", "SUCC", "SUCC", "FAIL"), strict=True)
    } == {11}


def test_a_run_is_shown_with_everything_in_it(magnus: Callable[..., Said]) -> None:
    """Steps, branches, attempts, messages, metrics, parameters and files."""
    out = magnus("runs", "show", "failed").out
    for expected in (
        "run failed: FAIL",
        "tag: night",
        'items=["x", "b", "c.d"]',
        "first  (task)  SUCCESS",
        "metrics: accuracy=0.5",
        "set: n=3",
        "put: x.csv  6 bytes",
        "[left side]  SUCCESS",
        "[c%2Ed]  SUCCESS",
        "message: failed in b",
    ):
        assert expected in out


def test_a_step_is_shown_alone_with_what_is_inside_it(magnus: Callable[..., Said]) -> None:
    """Its siblings are left out."""
    out = magnus("runs", "show", "completed", "each").out
    assert "work  (task)  SUCCESS  skipped" in out
    assert "first" not in out
    assert (
        magnus("runs", "show", "completed", "each.b.work", "--json").json()["attempts"][0]["status"]
        == "SUCCESS"
    )


@pytest.mark.parametrize("run_id", ["failed", "completed", "at-once", "killed"])
def test_a_real_run_log_fits_the_schema(magnus: Callable[..., Said], run_id: str) -> None:
    """Whatever happened to the run."""
    jsonschema = pytest.importorskip("jsonschema")
    run = magnus("runs", "show", run_id, "--json").json()
    jsonschema.Draft202012Validator.check_schema(run_log_schema())
    jsonschema.validate(run, run_log_schema(), cls=jsonschema.Draft202012Validator)
    assert run["run_id"] == run_id
    assert run["steps"]


def test_the_schema_refuses_what_is_no_run_log(magnus: Callable[..., Said]) -> None:
    """A key too many deep inside, and a status that does not exist."""
    jsonschema = pytest.importorskip("jsonschema")
    for path, value in (
        (("attempts", 0, "host"), "h"),
        (("status",), "DONE"),
        (("attempts", 0, "duration"), "long"),
    ):
        run = magnus("runs", "show", "at-once", "--json").json()
        *way, key = path
        target = run["steps"]["sides"]["branches"]["sides.left side"]["steps"]["sides.left side.a"]
        for part in way:
            target = target[part]
        target[key] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(run, run_log_schema())


def test_a_run_completed_by_a_rerun_equals_one_that_went_through_at_once(magnus: Callable[..., Said]) -> None:
    """Skipped steps are compared by what they left."""
    said = magnus("runs", "compare", "completed", "at-once")
    assert (said.code, said.out) == (0, "completed and at-once are equal\n")
    assert magnus("runs", "compare", "completed", "at-once", "--json").json() == {
        "equal": True,
        "difference": None,
    }


def test_the_first_difference_is_named_with_both_values(magnus: Callable[..., Said]) -> None:
    """It is the step that failed, and not the map or the run that failed because of it."""
    said = magnus("runs", "compare", "failed", "at-once")
    assert said.code == 1
    assert "steps.each.branches['each.b'].steps['each.b.work'].attempts[0].status" in said.out
    assert '"FAIL"' in said.out
    assert '"SUCCESS"' in said.out
    difference = magnus("runs", "compare", "failed", "at-once", "--json").json()["difference"]
    assert (difference["left"], difference["right"]) == ("FAIL", "SUCCESS")


def test_logs_come_in_the_order_of_the_steps_and_alone_on_stdout(magnus: Callable[..., Said]) -> None:
    """Whose they are stands on stderr."""
    said = magnus("runs", "logs", "at-once")
    assert said.out.splitlines() == ["said by first", "said by a", "said by last"]
    assert "==> _logs/first.1.log" in said.err
    assert magnus("runs", "logs", "at-once", "sides").out == "said by a\n"


def test_logs_of_skipped_steps_are_those_of_the_run_they_ran_in(magnus: Callable[..., Said]) -> None:
    """A re-run has the whole story."""
    assert magnus("runs", "logs", "completed", "first").out == "said by first\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "at-onse"),
        ("logs", "at-onse"),
        ("compare", "at-once", "at-onse"),
        ("delete", "at-once", "at-onse", "--yes"),
    ],
)
def test_an_unknown_run_is_refused_with_what_to_do(
    magnus: Callable[..., Said], arguments: tuple[str, ...]
) -> None:
    """The nearest id is named, and the command that lists all."""
    said = magnus("runs", *arguments)
    assert (said.code, said.out) == (2, "")
    assert "no run 'at-onse'" in said.err
    assert "Did you mean 'at-once'?" in said.err
    assert "`magnus runs list`" in said.err
    assert magnus("runs", "show", "at-once").code == 0


def test_an_unknown_step_is_refused_with_the_nearest_name(magnus: Callable[..., Said]) -> None:
    """The names are those that `show` prints."""
    said = magnus("runs", "logs", "at-once", "each.x.wrok")
    assert said.code == 2
    assert "Did you mean 'each.x.work'?" in said.err


def test_an_empty_store_is_told_apart_from_an_unknown_run(
    magnus: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most often the configuration was forgotten."""
    monkeypatch.chdir(tmp_path)
    assert magnus("runs", "list") == (0, "", "no runs\n")
    assert "by -c" in magnus("runs", "show", "any").err


def test_deleting_asks_where_somebody_can_answer_and_is_refused_elsewhere(
    magnus: Callable[..., Said],
) -> None:
    """A script has to say --yes."""
    said = magnus("runs", "delete", "failed")
    assert said.code == 2
    assert "--yes" in said.err
    assert magnus("runs", "show", "failed").code == 0


def test_deleted_runs_are_gone_from_the_run_log_store_and_the_catalog(
    magnus: Callable[..., Said], in_copy: Path
) -> None:
    """Other runs keep what they had."""
    assert magnus("runs", "delete", "failed", "at-once", "--yes").code == 0
    assert [run["run_id"] for run in magnus("runs", "list", "--json").json()] == ["killed", "completed"]
    assert "at-once" not in magnus("catalog", "list").out
    assert magnus("runs", "logs", "completed", "first").out == "said by first\n"
    assert not (in_copy / ".catalog" / "at-once").exists()


def test_a_configuration_file_can_be_named_everywhere(magnus: Callable[..., Said], in_copy: Path) -> None:
    """Each command reads the store that the file names."""
    (in_copy / ".run_log_store").rename(in_copy / "elsewhere")
    config = in_copy / "config.json"
    config.write_text(
        json.dumps({"run_log_store": {"type": "file-system", "config": {"log_folder": "elsewhere"}}})
    )
    assert magnus("runs", "show", "failed").code == 2
    for arguments in (
        ("list",),
        ("show", "failed"),
        ("compare", "at-once", "completed"),
        ("logs", "failed"),
        ("delete", "failed", "--yes"),
    ):
        assert magnus("runs", *arguments, "-c", str(config)).code == 0
