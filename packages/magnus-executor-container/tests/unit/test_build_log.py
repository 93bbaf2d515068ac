from __future__ import annotations

from typing import Any

import pytest

from magnus_executor_container.build_log import BuildLog


def added(*messages: dict[str, Any]) -> tuple[BuildLog, list[str]]:
    """Return a log of *messages* and the lines that it reported."""
    lines: list[str] = []
    log = BuildLog(lines.append)
    for message in messages:
        log.add(message)
    return log, lines


def test_a_line_that_comes_in_pieces_is_reported_whole() -> None:
    """Empty lines are left out, and so are carriage returns."""
    assert added({"stream": "one, "}, {"stream": "two\r\n\n"}, {"stream": "three\n"})[1] == [
        "one, two",
        "three",
    ]


def test_a_line_that_was_not_ended_is_reported_before_an_error() -> None:
    """It is most often the cause."""
    log, lines = added({"stream": "cannot"}, {"error": " failed\n"})
    assert (lines, log.error) == (["cannot"], "failed")


def test_downloads_are_told_by_their_steps_and_not_by_their_bars() -> None:
    """A bar would be hundreds of lines."""
    log, lines = added(
        {"status": "Pulling from library/python", "id": "3.12"},
        {"status": "Downloading", "id": "a1", "progressDetail": {"current": 1}},
        {"status": "Digest: sha256:1"},
    )
    assert lines == ["3.12 Pulling from library/python", "Digest: sha256:1"]
    assert log.error == ""


def test_the_image_is_the_one_that_was_named_last() -> None:
    """What the engine says beside it changes nothing."""
    assert added({"aux": {"ID": "sha256:1"}}, {"aux": {}})[0].image_id == "sha256:1"


def test_a_failure_names_the_instruction_and_the_last_lines_of_it() -> None:
    """Not those of an earlier one, nor what the engine does besides."""
    steps = [
        {"stream": "Step 1/2 : RUN one\n"},
        {"stream": "of one\n"},
        {"stream": "Step 2/2 : RUN two\n"},
        {"stream": " ---> Running in 1\n"},
        *({"stream": f"line {number}\n"} for number in range(12)),
        {"stream": "Removing intermediate container 1\n"},
    ]
    said = "".join(f"\n  line {number}" for number in range(2, 12))
    assert added(*steps)[0].failure("it broke") == (
        "the Dockerfile fails at 'Step 2/2 : RUN two': it broke; mend it and build again; the last lines were:"
        + said
    )


@pytest.mark.parametrize("messages", [[], [{"stream": "\n"}]])
def test_a_failure_before_the_first_instruction_names_none(messages: list[dict[str, Any]]) -> None:
    """There is nothing to show."""
    assert (
        added(*messages)[0].failure("it broke") == "the Dockerfile fails: it broke; mend it and build again"
    )
