"""Folders of branches and runs by the command line: who works where, and what is left of it."""

# ruff: noqa: FBT001 - pytest passes what is parametrised by name

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import chain, python, shell, steps_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness import Project

pytestmark = pytest.mark.usefixtures("quick_project")

ITEMS = ("a", "b", "c", "d")
TASKS = """\
    from pathlib import Path
    import helper


    def write(item):
        helper.note(item)
        assert not Path("data/x.txt").exists()
        Path("data/x.txt").write_text(item)
        Path("work.txt").write_text(item)


    def read(item):
        assert Path("data/x.txt").read_text() == item
        assert Path("work.txt").read_text() == item
        assert Path("tasks.py").exists()


    def open_foreign():
        print(Path("data/x.txt").read_text())


    def make_and_read():
        Path("data/own.txt").write_text("own")
        Path("data/moved.tmp").write_text("moved")
        Path("data/moved.tmp").replace("data/moved.txt")
        Path("data/own.txt").read_text() + Path("data/moved.txt").read_text() + Path("data/x.txt").read_text()
"""
HELPER = """\
    import os
    from pathlib import Path

    FOLDER = Path(__file__).parent
    with (FOLDER / "imported.txt").open("a") as file:
        file.write(f"{os.getpid()}\\n")


    def note(item):
        with (FOLDER / "ran.txt").open("a") as file:
            file.write(f"{item}\\n")
"""


def each(*steps: Mapping[str, Any], iterate_as: str = "item") -> dict[str, Any]:
    """Return a map over the items of a chain of steps."""
    graph = chain({f"s{number}": step for number, step in enumerate(steps)})
    return {"type": "map", "iterate_on": "items", "iterate_as": iterate_as, "branch": graph}


def write(project: Project, steps: Mapping[str, Any], **executor: Any) -> None:
    """Write a pipeline of *steps*, and the configuration of its executor."""
    project.write("tasks.py", TASKS)
    project.write("helper.py", HELPER)
    project.write("parameters.json", json.dumps({"items": ITEMS}))
    project.write("pipeline.yaml", {"dag": chain(steps)})
    executor = {"type": "local"} | executor
    kind = executor.pop("type")
    project.write("config.yaml", {"executor": {"type": kind, "config": executor}})


def run(project: Project, *options: str, expect: int = 0, temporary: str = "") -> str:
    """Run the pipeline; return what magnus said on stderr."""
    variables = {"TMPDIR": temporary} if temporary else {}
    done = project.magnus("execute", "-p", "parameters.json", "-c", "config.yaml", *options, **variables)
    assert done.returncode == expect, done.stderr + done.stdout
    return done.stderr


PUT = {"catalog": {"put": ["x.txt"]}}
GET = {"catalog": {"get": ["x.txt"]}}


@pytest.mark.parametrize("parallel", [False, True])
def test_items_that_write_the_same_files_do_not_meet(
    project: Project, parallel: bool, tmp_path: Path
) -> None:
    """In nested maps, whose modules are imported once for each worker; nothing is left of their folders."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    nested = each(python("tasks.write"), python("tasks.read"), iterate_as="item")
    outer = each(python("tasks.write"), {**nested, "type": "map"}, python("tasks.read"), iterate_as="item")
    outer["branch"]["steps"]["s1"]["iterate_as"] = "other"
    inner = outer["branch"]["steps"]["s1"]["branch"]["steps"]
    inner["s0"]["command"], inner["s1"]["command"] = "tasks.write", "tasks.read"
    write(project, {"outer": outer}, enable_parallel=parallel, max_workers=2)
    run(project, temporary=str(temporary))
    assert len(project.lines("ran.txt")) == len(ITEMS) + len(ITEMS) ** 2
    imported = project.lines("imported.txt")
    assert len(imported) == len(set(imported)) <= 2 * (1 + parallel)
    assert not (project.folder / "data").exists()
    assert not (project.folder / "work.txt").exists()
    assert not list(temporary.glob("magnus-work-*"))


def test_files_left_in_branches_are_named_once(project: Project) -> None:
    """In one warning for a map, however many items; files that were put are not left behind."""
    write(project, {"each": each(python("tasks.write") | PUT)})
    told = run(project)
    assert told.count("left files") == 1
    assert (
        "4 branches of 'each' left files that are not in the catalog: work.txt; list them under `put:` to keep them"
    ) in " ".join(told.split())


def test_the_folder_of_a_failed_branch_is_kept(project: Project, tmp_path: Path) -> None:
    """Its path is told, once; the folders of its siblings are removed."""
    fail = "mkdir -p data; echo $MAGNUS_PRM_item > data/x.txt; test $MAGNUS_PRM_item != c"
    write(project, {"each": each(shell(fail))})
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    told = run(project, expect=1, temporary=str(temporary))
    (kept,) = re.findall(r"the files of branch 'each/c' are kept in (\S+)", " ".join(told.split()))
    assert Path(kept, "data/x.txt").read_text() == "c\n"
    assert len([path for path in temporary.glob("magnus-work-*/*") if path.is_dir()]) == 1


def test_the_graph_of_a_dag_node_shares_the_folder_around_it(project: Project) -> None:
    """In a branch, and in the outermost graph."""
    project.write("inner.yaml", {"dag": chain({"read": shell("cat data/x.txt")})})
    inner = {"type": "dag", "dag_definition": "inner.yaml"}
    make = shell("mkdir -p data; echo x > data/x.txt")
    write(project, {"make": make, "dag": inner, "each": each(make, inner)})
    run(project)


def test_attempts_in_parallel_branches_start_from_the_same_files(project: Project) -> None:
    """The files of the step, as they were before its first attempt, whatever other branches do."""
    again = (
        "cat data/x.txt; test $(cat data/x.txt) = $MAGNUS_PRM_item; echo broken > data/x.txt; "
        'test -e "$OLDPWD/never" || test -n "$(ls tried-$MAGNUS_PRM_item 2>/dev/null)" '
        "|| { touch tried-$MAGNUS_PRM_item; exit 1; }"
    )
    write(
        project,
        {"each": each(python("tasks.write") | PUT, shell(again, retry=2) | GET)},
        enable_parallel=True,
        max_workers=2,
    )
    log = json.loads(project.magnus("execute", "-p", "parameters.json", "-c", "config.yaml", "--json").stdout)
    assert {len(step["attempts"]) for name, step in steps_of(log).items() if name.endswith(".s1")} == {2}
    assert log["status"] == "SUCCESS"


def test_isolation_of_steps_is_that_of_batch(project: Project) -> None:
    """A step finds the files that it gets, and no others; its failed attempt is kept."""
    write(
        project,
        {
            "make": shell("echo x > data/x.txt; echo y > data/y.txt") | PUT,
            "use": shell("cat data/x.txt; test ! -e data/y.txt") | GET,
        },
        isolation="step",
    )
    told = " ".join(run(project).split())
    assert "1 attempt of 'make' left files that are not in the catalog: y.txt" in told


def test_isolation_of_runs_gives_the_outermost_graph_a_folder(project: Project) -> None:
    """Nothing is written in the project; what would be lost is told."""
    write(
        project, {"make": shell("mkdir -p data; echo x > data/x.txt; echo y > y.txt") | PUT}, isolation="run"
    )
    told = " ".join(run(project).split())
    assert not (project.folder / "data").exists()
    assert not (project.folder / "y.txt").exists()
    assert "the outermost graph left files that are not in the catalog: y.txt" in told


def test_an_unknown_isolation_is_refused_with_its_place(project: Project) -> None:
    """And with the values that there are."""
    write(project, {"make": shell("true")})
    project.write("config.yaml", "executor: {type: local, config: {isolation: branches}}\n")
    told = run(project, expect=2)
    assert re.search(r"config.yaml:1:\d+: .*isolation", told)
    assert "'branch', 'run' or 'step'" in told


@pytest.mark.parametrize("folder", ["/tmp/elsewhere", "../elsewhere"])  # noqa: S108 - it is refused
def test_a_data_folder_outside_of_the_project_is_refused_before_a_run_with_branches(
    project: Project, folder: str
) -> None:
    """Branches cannot have it to themselves; without branches it is used as ever."""
    write(project, {"each": each(shell("true"))})
    catalog = {"type": "file-system", "config": {"compute_data_folder": folder}}
    project.write("config.yaml", {"executor": {"type": "local"}, "catalog": catalog})
    told = " ".join(run(project, expect=2).split())
    assert f"the compute_data_folder '{folder}' is outside of the project" in told
    assert "each." in told
    assert project.magnus("runs", "list", "--json", "-c", "config.yaml").stdout.strip() in ("", "[]")


def test_the_project_as_data_folder_of_a_branch_puts_only_what_the_branch_made(project: Project) -> None:
    """Entries of the project are links there, about which nothing is said."""
    put = {"catalog": {"compute_data_folder": ".", "put": ["*.txt"]}}
    write(project, {"each": each(shell("echo $MAGNUS_PRM_item > own.txt") | put)})
    project.write("notes.txt", "notes")
    told = run(project, "--run-id", "one")
    assert "passed over" not in told
    assert "left files" not in told
    done = project.magnus("catalog", "list", "one", "--json", "-c", "config.yaml")
    names = [entry["name"] for entry in json.loads(done.stdout) if "_logs" not in entry["name"]]
    assert names == [f"each/{item}/own.txt" for item in ITEMS]


TWO_RUNS = """\
    import time
    from pathlib import Path


    def make(who):
        Path("data").mkdir(exist_ok=True)
        Path("data/x.txt").write_text(who)
        Path(f"{Path(__file__).parent}/made-{who}").write_text("")


    def use(who, pause):
        until = time.monotonic() + 60
        while pause and not Path(f"{Path(__file__).parent}/over").exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert Path("data/x.txt").read_text() == who
"""


@pytest.mark.parametrize("isolation", ["branch", "run"])
def test_two_runs_in_one_folder_are_kept_apart(project: Project, isolation: str) -> None:
    """The second is refused, with the first one's name and the remedy; with the remedy both run."""
    write(
        project, {"make": python("tasks.make") | PUT, "use": python("tasks.use") | GET}, isolation=isolation
    )
    project.write("tasks.py", TWO_RUNS)
    options = ("execute", "-c", "config.yaml")
    first = project.start(*options, "--run-id", "first", MAGNUS_PRM_who="alice", MAGNUS_PRM_pause="1")
    wait_for((project.folder / "made-alice").exists, 30, "the first run")
    second = project.magnus(*options, "--run-id", "second", MAGNUS_PRM_who="bob", MAGNUS_PRM_pause="0")
    project.write("over", "")
    _, told = first.communicate(timeout=60)
    assert first.returncode == 0, told
    if isolation == "run":
        assert second.returncode == 0, second.stderr
        return
    assert second.returncode == 2
    assert "'first'" in second.stderr
    assert "isolation: run" in " ".join(second.stderr.split())
    after = project.magnus(*options, "--run-id", "second", MAGNUS_PRM_who="bob", MAGNUS_PRM_pause="0")
    assert after.returncode == 0, after.stderr


def test_a_run_inside_a_step_may_use_the_folder_of_the_run_around(project: Project) -> None:
    """At any depth: the run around waits for it."""
    write(project, {"outer": shell("magnus execute -f middle.yaml") | PUT})
    project.write("middle.yaml", {"dag": chain({"middle": shell("magnus execute -f inner.yaml") | PUT})})
    make = shell("mkdir -p data; echo x > data/x.txt") | PUT
    project.write("inner.yaml", {"dag": chain({"inner": make})})
    run(project)


def test_a_file_that_a_task_has_neither_got_nor_made_is_told(project: Project) -> None:
    """Once it is opened; with --strict the step fails. Files that it got or made are its own."""
    make = shell("mkdir -p data; echo x > data/x.txt") | PUT
    write(project, {"make": make, "use": python("tasks.open_foreign")})
    told = " ".join(run(project).split())
    assert (
        "step 'use': the task has opened files of the data folder that it neither got nor made: x.txt; on other executors "
        "they would be missing, so list them under `get:`"
    ) in told
    assert "neither got nor made: x.txt" in " ".join(run(project, "--strict", expect=1).split())
    write(project, {"make": make, "use": python("tasks.make_and_read") | GET})
    assert "neither got" not in run(project, "--strict")


@pytest.mark.parametrize("parallel", [False, True])
def test_a_rendered_script_gives_branches_the_same_folders(
    project: Project, parallel: bool, tmp_path: Path
) -> None:
    """Each step is a process of its own, and finds the folder of its branch; the join removes it and names what is left."""
    write(
        project,
        {"each": each(python("tasks.write"), python("tasks.read"))},
        type="demo-renderer",
        enable_parallel=parallel,
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    project.render("-p", "parameters.json", "-c", "config.yaml")
    done = project.run_script("one", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert "4 branches of 'each' left files that are not in the catalog: work.txt, x.txt" in " ".join(
        done.stderr.split()
    ).replace("x.txt, work.txt", "work.txt, x.txt")
    assert not list(temporary.glob("magnus-work-*"))
    assert not (project.folder / "work.txt").exists()


def test_a_rendered_script_keeps_the_folder_of_a_failed_branch(project: Project, tmp_path: Path) -> None:
    """And says where."""
    write(project, {"each": each(shell("test $MAGNUS_PRM_item != c"))}, type="demo-renderer")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    project.render("-p", "parameters.json", "-c", "config.yaml")
    done = project.run_script("one", TMPDIR=str(temporary))
    assert done.returncode == 1, done.stderr
    (kept,) = re.findall(r"the files of branch 'each/c' are kept in (\S+)", " ".join(done.stderr.split()))
    assert Path(kept).is_dir()
