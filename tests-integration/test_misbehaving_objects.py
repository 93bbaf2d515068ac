"""Objects that a task returns or raises may misbehave wherever their code is called: that fails the step, and nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness import Project

FLOW = """\
    import sys

    from pydantic import BaseModel, model_serializer

    from magnus import Pipeline, Task


    class Mute(Exception):
        def __repr__(self):
            raise RuntimeError("no repr")

        __str__ = __repr__


    class MuteInArguments(Exception):
        pass


    class NoItems(dict):
        def items(self):
            raise RuntimeError("no items")

        keys = __iter__ = items


    class Unspoken:
        def __repr__(self):
            raise RuntimeError("no repr")


    class Model(BaseModel):
        x: int = 1

        @model_serializer
        def serialize(self):
            raise RuntimeError("no serializer")


    class Leaves(dict):
        def items(self):
            raise SystemExit(0)

        keys = __iter__ = items


    def raises_mute():
        raise Mute


    def raises_mute_argument():
        raise MuteInArguments(Unspoken())


    def returns_no_items():
        return NoItems(a=1)


    def returns_value_without_text():
        return {"value": Unspoken()}


    def returns_model():
        return Model()


    def leaves_while_it_is_read():
        return Leaves(a=1)


    def after():
        print("after ran")


    if __name__ == "__main__":
        bad = Task("bad", globals()[sys.argv[1]], retry=2, on_failure="after")
        try:
            Pipeline([bad, Task("after", after)]).execute(run_id="run")
        except Exception as error:  # a failed run may be raised; the test reads the log
            print(type(error).__name__)
"""


@pytest.mark.parametrize(
    "function",
    [
        "raises_mute",
        "raises_mute_argument",
        "returns_no_items",
        "returns_value_without_text",
        "returns_model",
        "leaves_while_it_is_read",
    ],
)
def test_an_object_that_misbehaves_fails_its_step_alone(project: Project, function: str) -> None:
    """The attempts are made, `on_failure` is taken, and the message is about the task."""
    project.write("flow.py", FLOW)
    done = project.call(sys.executable, "flow.py", function)
    assert done.returncode == 0, done.stderr
    assert "bug in magnus" not in done.stderr
    assert "after ran" in done.stdout + done.stderr
    log = project.run_log("run")
    bad, after = log["steps"]["bad"], log["steps"]["after"]
    assert (bad["status"], len(bad["attempts"])) == ("FAIL", 2)
    assert bad["message"]
    assert after["status"] == "SUCCESS"
