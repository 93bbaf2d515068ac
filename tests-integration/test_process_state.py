"""A step finds no state of the process that an earlier step has changed: each kind of state is a case of `kinds.py`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from harness import Project, chain, python, steps_of

KINDS = Path(__file__).parent / "field_cases" / "process-state-leaks" / "kinds.py"

WAYS = {
    "one after another": {},
    "one worker": {"enable_parallel": True, "max_workers": 1},
    "two workers": {"enable_parallel": True, "max_workers": 2},
}
"""Options of `local`."""

NOT_PROMISED = frozenset(
    {"audit_hook", "codec", "error_handler", "fork_handler", "function_default", "variable_in_c"}
)
"""Kinds that the documentation names as exceptions: they are not looked at."""

pytestmark = [pytest.mark.xdist_group("process state"), pytest.mark.timeout(300)]


class Fresh(NamedTuple):
    """Answers of processes that nothing has changed, and of those that have changed themselves."""

    before: dict[str, Any]
    after: dict[str, Any]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Ask plain Python processes, one for each answer."""
    project = Project(tmp_path_factory.mktemp("fresh") / "project")
    shutil.copy(KINDS, project.folder)
    try:
        subprocess.run(
            [sys.executable, "kinds.py"],
            cwd=project.folder,
            env=project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # no pipe: the processes that are left would keep it open
            timeout=60,
            check=True,
        )
    finally:
        project.kill_what_is_left()
    answers = json.loads((project.folder / "fresh.json").read_text(encoding="utf-8"))
    pairs = {kind: [json.loads(each) for each in pair] for kind, pair in answers.items()}
    return Fresh(
        {kind: pair[0] for kind, pair in pairs.items()}, {kind: pair[1] for kind, pair in pairs.items()}
    )


def test_every_kind_of_the_table_can_be_seen(fresh: Fresh) -> None:
    """Without magnus, the process that was changed answers otherwise than a fresh one."""
    assert len(fresh.before) >= 100
    assert not [kind for kind, answer in fresh.before.items() if fresh.after[kind] == answer]


def test_a_step_of_a_chain_finds_a_fresh_process(project: Project, fresh: Fresh) -> None:
    """Each step finds what a plain Python process finds, after a step that has changed it."""
    shutil.copy(KINDS, project.folder)
    tasks = ["import kinds"]
    names = [f"{verb}_{kind}" for kind in fresh.before for verb in ("change", "look")]
    for name in names:
        verb, _, kind = name.partition("_")
        tasks.append(f"def {name}():\n    return kinds.{verb}({kind!r})")
    following = [*names[1:], "done"]
    steps = {
        name: python(f"tasks.{name}", on_failure=after) for name, after in zip(names, following, strict=True)
    }
    project.write("tasks.py", "\n\n\n".join(tasks) + "\n")
    project.write("pipeline.yaml", {"dag": chain(steps)})
    compare(project, {kind: f"look_{kind}" for kind in fresh.before}, fresh)


@pytest.mark.parametrize("way", WAYS)
def test_a_step_of_a_branch_finds_a_fresh_process(project: Project, fresh: Fresh, way: str) -> None:
    """As in a chain; a map has a branch of two steps for each kind."""
    shutil.copy(KINDS, project.folder)
    branch = chain({"change": python("kinds.change", on_failure="look"), "look": python("kinds.look")})
    step = {"type": "map", "iterate_on": "names", "iterate_as": "kind", "branch": branch}
    project.write("pipeline.yaml", {"dag": chain({"each": step})})
    project.write("config.yaml", {"executor": {"type": "local", "config": WAYS[way]}})
    names = {kind: f"each.{kind}.look" for kind in fresh.before}
    compare(project, names, fresh, "-c", "config.yaml", MAGNUS_PRM_names=json.dumps(list(names)))


def compare(project: Project, names: dict[str, str], fresh: Fresh, *options: str, **variables: str) -> None:
    """Run the pipeline, and insist that the step with the name of each kind has found what is *fresh*."""
    done = project.magnus("execute", "--json", "--log-level", "ERROR", *options, **variables)
    steps = steps_of(json.loads(done.stdout))
    leaked = {}
    for kind, name in names.items():
        if kind in NOT_PROMISED:
            continue
        step = steps.get(name, {"status": "not run", "message": ""})
        if step["status"] != "SUCCESS":
            leaked[kind] = f"{step['status']}: {step['message']}"
        elif (found := json.loads(step["output_parameters"]["found"])) != fresh.before[kind]:
            leaked[kind] = f"found {found!r}, not {fresh.before[kind]!r}"
    assert not leaked, "\n".join(f"{kind}: {text}" for kind, text in leaked.items())
    assert done.returncode == 0, done.stderr
    project.wait_until_nothing_runs()
