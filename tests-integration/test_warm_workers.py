"""One warm worker serves step after step: modules stay imported, random numbers are new, and nothing of a step lives on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from harness import chain, python

if TYPE_CHECKING:
    from harness import Project

pytestmark = pytest.mark.usefixtures("quick_project")


def test_random_numbers_differ_from_step_to_step(project: Project) -> None:
    """Each step draws its own, as processes of their own do, also after one has set a seed."""
    project.write(
        "work.py",
        "import random\n\n\ndef seed():\n    random.seed(1)\n\n\n"
        "def draw():\n    from magnus import get_parameter\n"
        "    return {'drawn': [*get_parameter().get('drawn', []), random.random()]}\n",
    )
    steps = {
        "seed": python("work.seed"),
        "a": python("work.draw"),
        "b": python("work.draw"),
        "again": python("work.seed"),
        "c": python("work.draw"),
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    drawn = project.execute()["parameters"]["drawn"]
    assert len(set(drawn)) == 3
    assert 0.13436424411240122 not in drawn


def test_modules_stay_imported_from_step_to_step(project: Project) -> None:
    """A worker that nothing was done to serves the next step."""
    project.write(
        "work.py",
        """\
        from pathlib import Path

        with Path("imports").open("a") as file:
            print("imported", file=file)


        def work():
            pass
        """,
    )
    project.write("pipeline.yaml", {"dag": chain({name: python("work.work") for name in "abcdef"})})
    project.execute()
    assert project.lines("imports") == ["imported"]


def test_children_that_a_step_leaves_are_named_and_ended_before_the_next_step(project: Project) -> None:
    """In one warning."""
    project.write(
        "work.py",
        """\
        import subprocess


        def leave():
            subprocess.Popen(["sleep", "4321"])


        def look():
            listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
            assert "sleep 4321" not in listing
        """,
    )
    project.write(
        "pipeline.yaml", {"dag": chain({"leave": python("work.leave"), "look": python("work.look")})}
    )
    done = project.magnus("execute", "-f", "pipeline.yaml")
    assert done.returncode == 0, done.stderr
    assert "step 'leave' left processes running, which were ended" in done.stderr
    assert "sleep 4321" in done.stderr
