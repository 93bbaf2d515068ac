"""A run inside a step is a fresh one: it takes nothing of the run around it, and its log names its parent."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from harness import chain, python, shell

if TYPE_CHECKING:
    from harness import Project

SHOW = """
    from magnus import get_tag

    def show(lr, **everything):
        with open(SEEN, "a") as file:
            print(f"lr {lr} others {sorted(everything)} tag {get_tag()!r}", file=file)

    def call(command="magnus execute -f inner.yaml -p inner-parameters.yaml --run-id inner"):
        import subprocess
        subprocess.run(command, shell=True, check=True)

    def in_python():
        from magnus import Pipeline, Task
        Pipeline(Task("show", show)).execute(parameters={"lr": 0.5}, run_id="inner")
"""


@pytest.fixture
def nested(project: Project) -> Project:
    """Return a project with an inner pipeline and the parameters of an outer one."""
    project.write("tasks.py", f"SEEN = {str(project.folder / 'seen')!r}\n{dedent(SHOW)}")
    project.write("inner.yaml", {"dag": chain({"show": python("tasks.show")})})
    project.write("inner-parameters.yaml", "lr: 0.5\n")
    project.write("outer-parameters.yaml", "lr: 0.1\nseeds: [1, 2]\nsecret_path: /outer/only\n")
    return project


def run(project: Project, **variables: str) -> list[str]:
    """Run the outer pipeline; return the lines that the inner one has written."""
    project.execute("-p", "outer-parameters.yaml", "--run-id", "outer", "--tag", "mine", **variables)
    return project.lines("seen")


def test_the_parameters_of_the_outer_run_do_not_count(nested: Project) -> None:
    """The field case: a map whose items call magnus from a shell task."""
    command = "magnus execute -f inner.yaml -p inner-parameters.yaml --log-level ERROR"
    branch = chain({"inner": shell(command)})
    each = {"type": "map", "iterate_on": "seeds", "iterate_as": "seed", "branch": branch}
    nested.write("pipeline.yaml", {"dag": chain({"each": each})})
    assert run(nested) == ["lr 0.5 others [] tag ''"] * 2


WAYS = {
    "shell": shell("magnus execute -f inner.yaml -p inner-parameters.yaml --run-id inner"),
    "a process of a python task": python("tasks.call"),
    "a python task": python("tasks.in_python"),
    "python of a shell task": shell(f"{sys.executable} -c 'import tasks; tasks.in_python()'"),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_inner_run_is_fresh_and_names_its_parent(nested: Project, way: str) -> None:
    """However it is begun, and also where the outer run took parameters from its environment."""
    nested.write("pipeline.yaml", {"dag": chain({"out": WAYS[way]})})
    assert run(nested, MAGNUS_PRM_lr="7", MAGNUS_PRM_more="8") == ["lr 0.5 others [] tag ''"]
    inner, outer = nested.run_log("inner"), nested.run_log("outer")
    assert inner["input_parameters"] == {"lr": 0.5}
    assert outer["input_parameters"]["lr"] == 7
    assert (inner["parent_run_id"], inner["parent_step"]) == ("outer", "out")
    assert (outer["parent_run_id"], outer["parent_step"]) == ("", "")
    assert "begun by: step 'out' of run outer" in nested.magnus("runs", "show", "inner").stdout


@pytest.mark.parametrize("way", ["shell", "python"])
def test_parameters_that_the_caller_of_the_inner_run_sets_count(nested: Project, way: str) -> None:
    """Only those that are as the outer step left them are dropped."""
    command = "MAGNUS_PRM_lr=0.7 MAGNUS_PRM_extra=1 magnus execute -f inner.yaml --run-id inner"
    step = shell(command) if way == "shell" else python("tasks.call")
    nested.write("pipeline.yaml", {"dag": chain({"out": step})})
    if way == "python":
        nested.write("outer-parameters.yaml", f"lr: 0.1\ncommand: {command}\n")
    assert run(nested) == ["lr 0.7 others ['extra'] tag ''"]


def test_the_steps_of_the_inner_run_find_their_own_run(nested: Project) -> None:
    """Not the step around it, whose context is in the environment of the inner run."""
    nested.write(
        "inner.yaml",
        {
            "dag": chain(
                {
                    "show": shell(
                        "echo $MAGNUS_RUN_ID $MAGNUS_STEP_NAME >> seen; python -c "
                        "'import magnus; print(magnus.get_run_id(), magnus.get_parameter())' >> seen"
                    )
                }
            )
        },
    )
    nested.write("pipeline.yaml", {"dag": chain({"out": WAYS["shell"]})})
    assert run(nested) == ["inner show", "inner {'lr': 0.5}"]
