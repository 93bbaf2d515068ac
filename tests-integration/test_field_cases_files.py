"""Field cases about files, objects and names: pipelines of users, run by the command line."""

# ruff: noqa: FBT001 - pytest passes what is parametrised by name

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import chain, python, shell, steps_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness import Project

pytestmark = pytest.mark.usefixtures("quick_project")

CASES = Path(__file__).parent / "field_cases"
REGIONS = ("north", "south", "east")
SCOPED = """\
    import json
    from pathlib import Path
    from magnus import get_from_catalog, get_object, put_in_catalog, put_object


    def begin():
        Path("data").mkdir(exist_ok=True)
        Path("data/result.txt").write_text("begin")
        put_object("begin", "model")


    def score(region):
        Path("data").mkdir(exist_ok=True)
        Path("data/result.txt").write_text(region)
        put_in_catalog("data/result.txt")
        put_object({"model of": region}, "model")
        assert get_object("model") == {"model of": region}


    def check(region):
        assert Path("data/result.txt").read_text() == region
        assert get_object("model") == {"model of": region}


    def collect():
        for region in ("north", "south", "east"):
            assert Path("data/each", region, "result.txt").read_text() == region
            assert get_object(f"each/{region}/model") == {"model of": region}


    def fail():
        Path("data").mkdir(exist_ok=True)
        Path("data/half.txt").write_text("half")
        put_in_catalog("data/half.txt")
        put_object("half", "half")
        assert get_object("half") == "half"
        assert get_from_catalog("half.txt") == ["half.txt"]
        raise ValueError("failed")
"""


def copied(project: Project, case: str) -> Project:
    """Return *project* with the files of a field case."""
    shutil.copytree(CASES / case, project.folder, dirs_exist_ok=True)
    return project


def each(*steps: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """Return a map over the regions of a chain of steps."""
    names = [f"s{number}" for number in range(len(steps))]
    graph = chain(dict(zip(names, steps, strict=True)))
    return {"type": "map", "iterate_on": "regions", "iterate_as": "region", "branch": graph, **keys}


def catalog_names(project: Project, run_id: str) -> list[str]:
    """Return the names of the files of a run, without the logs of steps."""
    done = project.magnus("catalog", "list", run_id, "--json")
    assert done.returncode == 0, done.stderr
    return [entry["name"] for entry in json.loads(done.stdout) if not entry["name"].startswith("_logs/")]


@pytest.mark.parametrize("parallel", [False, True])
def test_items_that_put_the_same_name_keep_a_file_each(project: Project, parallel: bool) -> None:
    """The next step is told that the plain name means several files, and gets them all by their addresses."""
    copied(project, "map-items-same-file")
    options = ["-c", "parallel.yaml"] if parallel else []
    log = project.execute("-p", "parameters.yaml", "--run-id", "one", *options, expect=1)
    assert steps_of(log)["collect"]["message"] == (
        "'result.txt' was put with different contents by 3 branches: each/east/result.txt, "
        "each/north/result.txt, each/south/result.txt; get one of them, or all by 'each/*/result.txt'"
    )
    assert catalog_names(project, "one") == [f"each/{region}/result.txt" for region in sorted(REGIONS)]
    for region in REGIONS:
        entry = steps_of(log)[f"each.{region}.score"]["data_catalog"][0]
        assert (entry["name"], entry["data_hash"]) == ("result.txt", sha256(region.encode()).hexdigest())
    done = project.magnus("catalog", "get", "one", "each/*/result.txt", "-o", "out")
    assert done.returncode == 0, done.stderr
    for region in REGIONS:
        assert (project.folder / f"out/each/{region}/result.txt").read_text() == region
    done = project.magnus("catalog", "get", "one", "result.txt")
    assert done.returncode == 2
    assert "each/north/result.txt" in done.stderr


def write_scoped_pipeline(project: Project) -> None:
    """Write a pipeline whose items all use the same names for files and objects."""
    project.write("tasks.py", SCOPED)
    get_own = {"catalog": {"get": ["result.txt"]}}
    get_all = {"catalog": {"get": ["each/*/result.txt"]}}
    steps = {
        "begin": python("tasks.begin") | {"catalog": {"put": ["result.txt"]}},
        "each": each(python("tasks.score"), shell("rm -r data"), python("tasks.check") | get_own),
        "wipe": shell("rm -rf data"),
        "collect": python("tasks.collect") | get_all,
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    project.write("parameters.json", json.dumps({"regions": REGIONS}))


def test_files_and_objects_of_items_are_their_own(project: Project) -> None:
    """Through the whole pipeline: an item gets its own, and the step behind the map each by its address."""
    write_scoped_pipeline(project)
    log = project.execute("-p", "parameters.json", "--run-id", "one")
    got = [entry["name"] for entry in steps_of(log)["collect"]["data_catalog"] if entry["stage"] == "get"]
    assert got == [
        *(f"each/{region}/result.txt" for region in sorted(REGIONS)),
        *(f"each/{region}/_objects/model.object" for region in REGIONS),
    ]


def test_a_rendered_script_has_the_same_scopes(project: Project) -> None:
    """Each node in a process of its own: it finds its branch by its address, and joins mark what they have to."""
    write_scoped_pipeline(project)
    project.execute("-p", "parameters.json", "--run-id", "local")
    project.render("-p", "parameters.json", "-c", render_config(project))
    done = project.run_script("rendered")
    assert done.returncode == 0, done.stdout + done.stderr
    compared = project.magnus("runs", "compare", "local", "rendered")
    assert compared.returncode == 0, compared.stdout
    assert catalog_names(project, "rendered") == catalog_names(project, "local")


def test_child_processes_use_the_names_of_their_branch(project: Project) -> None:
    """A script that a shell task calls, and the cells of a notebook."""
    project.write("tasks.py", SCOPED)
    project.write(
        "child.py", "import os, sys, tasks; getattr(tasks, sys.argv[1])(os.environ['MAGNUS_PRM_region'])\n"
    )
    cell = {"cell_type": "code", "id": "c", "execution_count": None, "metadata": {}, "outputs": []}
    cell["source"] = "import tasks; tasks.check(region)"
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    project.write("check.ipynb", "")
    (project.folder / "check.ipynb").write_text(json.dumps(notebook))
    get_own = {"catalog": {"get": ["result.txt"]}}
    in_notebook = {"command_type": "notebook", "command": "check.ipynb"}
    steps = {
        "each": each(shell("python child.py score"), shell("rm -r data"), in_notebook | get_own),
        "wipe": shell("rm -rf data"),
        "collect": python("tasks.collect") | {"catalog": {"get": ["each/*/result.txt"]}},
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    project.write("parameters.json", json.dumps({"regions": REGIONS}))
    project.execute("-p", "parameters.json", "--run-id", "one")
    assert "each/north/check_out.ipynb" in catalog_names(project, "one")


def test_a_file_that_a_map_puts_is_no_longer_hidden_by_an_older_one(project: Project) -> None:
    """What the graph itself had put before wins until the join, and again once it is put anew, also in a re-run."""
    files = {"catalog": {"get": ["x.txt"], "put": ["x.txt"]}}
    one_item = each(shell("cat data/x.txt && printf new > data/x.txt") | files)
    steps = {
        "old": shell("mkdir -p data && printf old > data/x.txt") | {"catalog": {"put": ["x.txt"]}},
        "before": shell("grep old data/x.txt") | {"catalog": {"get": ["x.txt"]}},
        "each": one_item,
        "after": shell("grep new data/x.txt") | {"catalog": {"get": ["x.txt"]}},
        "anew": shell("printf old > data/x.txt") | {"catalog": {"put": ["x.txt"]}},
        "last": shell("rm data/x.txt") | {"next": "end"},
        "end": shell("grep old data/x.txt && test -e again") | {"catalog": {"get": ["x.txt"]}},
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    project.write("parameters.json", json.dumps({"regions": ["north"]}))
    project.execute("-p", "parameters.json", "--run-id", "one", expect=1)
    project.write("again", "")
    project.execute("--use-cached", "one")


def test_a_failed_attempt_leaves_no_files(project: Project) -> None:
    """It sees what it has stored itself; the next attempt, other steps and the run log do not."""
    project.write("tasks.py", SCOPED)
    steps = {
        "fail": python("tasks.fail") | {"retry": 2, "on_failure": "later"},
        "later": shell("true") | {"catalog": {"optional": ["half.txt"]}},
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    log = project.execute("--run-id", "one")
    recorded = steps_of(log)["fail"]["data_catalog"]
    assert {entry["stage"] for entry in recorded} == {"get", "log"}
    assert steps_of(log)["later"]["data_catalog"] == []
    assert not list(project.folder.glob(".catalog/one/[!_]*"))
    done = project.magnus("catalog", "list", "one")
    assert "half" not in done.stdout


@pytest.mark.parametrize("store", [{}, {"run_log_store": {"type": "chunked-fs"}}])
def test_items_of_any_size_work(project: Project, store: Mapping[str, Any]) -> None:
    """A map over dictionaries, whose names would be longer than a file's may be, prints, puts and is shown."""
    copied(project, "long-map-items")
    project.configure(enable_parallel=False, **store)
    project.execute("-p", "parameters.json", "-c", "config.yaml", "--run-id", "one")
    logs = project.magnus("runs", "logs", "one", "-c", "config.yaml")
    assert "fitting tree" in logs.stdout
    assert "fitting linear" in logs.stdout
    assert project.magnus("runs", "show", "one", "-c", "config.yaml").returncode == 0


def test_long_names_of_steps_work_at_any_depth(project: Project) -> None:
    """A step of 265 bytes inside maps of maps over long texts: it prints, puts, and is run by its address."""
    name, item = "s" * 265, "i" * 300
    inner = {
        "start_at": name,
        "steps": {
            name: shell("mkdir -p data; echo hello > data/x; cat data/x")
            | {"type": "task", "next": "ok", "catalog": {"put": ["x"]}},
            "ok": {"type": "success"},
            "ko": {"type": "fail"},
        },
    }
    for depth in range(3):
        inner = {
            "start_at": "m" * 100,
            "steps": {
                "m" * 100: {
                    "type": "map",
                    "iterate_on": "items",
                    "iterate_as": f"item{depth}",
                    "branch": inner,
                    "next": "ok",
                },
                "ok": {"type": "success"},
                "ko": {"type": "fail"},
            },
        }
    project.write("pipeline.yaml", {"dag": inner})
    project.write("parameters.json", json.dumps({"items": [item]}))
    for store in ("file-system", "chunked-fs"):
        project.configure(enable_parallel=False, run_log_store={"type": store})
        log = project.execute("-p", "parameters.json", "-c", "config.yaml", "--run-id", store)
        steps = [each for each in steps_of(log).values() if each["step_type"] == "task"]
        assert [each["name"] for each in steps] == [name]
        assert "hello" in project.magnus("runs", "logs", store, "-c", "config.yaml").stdout
    project.render("-p", "parameters.json", "-c", render_config(project))
    done = project.run_script("rendered")
    assert done.returncode == 0, done.stdout + done.stderr


def render_config(project: Project) -> str:
    """Write a configuration that renders a script, and return its name."""
    project.write("render.yaml", {"executor": {"type": "demo-renderer"}})
    return "render.yaml"


def test_a_pattern_that_is_the_name_of_a_file_means_that_file(project: Project) -> None:
    """For put and for get, whatever characters the name holds."""
    copied(project, "brackets-in-names")
    log = project.execute()
    recorded = [entry["name"] for entry in steps_of(log)["make"]["data_catalog"]]
    assert recorded == ["50%*.csv", "report [final].csv", "what?.csv"]


def test_a_program_stays_executable(project: Project) -> None:
    """Through the catalog, and where people look at the files of a run."""
    copied(project, "executable-bit")
    project.execute("--run-id", "one")
    assert (project.folder / ".catalog/one/tool").stat().st_mode & 0o777 == 0o555


def test_a_put_pattern_that_meets_nothing_is_a_warning(project: Project) -> None:
    """It names links that lead out of the folder, and special files; the step succeeds."""
    command = "mkdir -p data && mkfifo data/pipe.csv && ln -s /etc/hostname data/big.csv"
    steps = {"make": shell(command) | {"catalog": {"put": ["*.csv", "*.txt"]}}}
    project.write("pipeline.yaml", {"dag": chain(steps)})
    done = project.magnus("execute", "--run-id", "one")
    assert done.returncode == 0
    assert "the put pattern '*.csv' matches no file in" in done.stderr
    assert (
        "; it passed over big.csv (a link to /etc/hostname, outside the folder), pipe.csv (a named pipe)"
    ) in done.stderr
    assert "the put pattern '*.txt' matches no file in" in done.stderr
    assert "passed over big.csv" in project.run_log("one")["steps"]["make"]["message"]


def test_a_notebook_may_print_a_line_of_any_length(project: Project) -> None:
    """In time that grows with the length, and not with its square: 1 MB would take minutes."""
    copied(project, "notebook-long-line")
    notebook = project.folder / "long_line.ipynb"
    notebook.write_text(notebook.read_text().replace("300*1000", "1000*1000"))
    done = project.magnus("execute-notebook", "long_line.ipynb")
    assert done.returncode == 0
    assert "x" * 1_000_000 in (project.folder / "long_line_out.ipynb").read_text()


def test_two_steps_with_one_notebook_keep_two_files(project: Project) -> None:
    """On disk and in the catalog, named after the steps; a step that is alone with its notebook names it after that."""
    cells = [
        {
            "cell_type": "code",
            "id": "c",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": "1",
        }
    ]
    for name in ("shared.ipynb", "alone.ipynb"):
        project.write(name, {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        path = project.folder / name
        path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    notebook = {"type": "task", "command_type": "notebook"}
    steps = {
        "a": notebook | {"command": "shared.ipynb"},
        "b": notebook | {"command": "shared.ipynb"},
        "c": notebook | {"command": "alone.ipynb"},
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    project.execute("--run-id", "one")
    names = ["alone_out.ipynb", "shared_a_out.ipynb", "shared_b_out.ipynb"]
    assert catalog_names(project, "one") == names
    assert all((project.folder / name).exists() for name in names)
