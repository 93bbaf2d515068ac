"""What becomes of each dag on each orchestrator: rendered, checked by others, emulated, compared; or refused.

`python tests-integration/target_outcomes.py` tries all of it, and prints the table that stands in docs/targets.md.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dag_set import CASES, DAGS, LOCAL, RENDERED, TARGETS, Way, render_case, run_case, write_case
from harness import Project

from magnus.domain.canonical import first_difference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws.stores import Stores

    from magnus.domain.run_log import RunLog

SAME = "same log"
CHECKS = {
    "demo-renderer": "outside.bash",
    "aws-step-functions": "outside.step_functions",
    "argo": "outside.argo",
    "kubeflow": "outside.kubeflow",
}
"""The modules that ask others about a rendered file."""


def way_of(target: str, stores: Stores) -> Way:
    """Return how dags are run on a target; its files are written for stores that are not on this machine's disk."""
    blocks = stores.blocks(DAGS / "secrets.env")
    options = dict(TARGETS[target])
    if target == "aws-step-functions":
        options["items"] = f"s3://{blocks['run_log_store']['config']['bucket']}/items"
    return Way({"type": target, "config": options}, blocks if target != "demo-renderer" else {})


def outcome_of(project: Project, case: Mapping[str, Any], way: Way, expected: list[RunLog]) -> str:
    """Return `SAME`, or why the target refuses the case.

    Raises:
        AssertionError: It neither refuses it nor gives what `local` gives.
    """
    write_case(project, case, way)
    if refusal := render_case(project):
        assert not (project.folder / RENDERED).exists(), "refused, but written"
        return refusal
    checks = importlib.import_module(CHECKS[way.executor["type"]])
    if not checks.missing():
        assert not (problems := checks.problems(project.folder / RENDERED)), "\n".join(problems)
    for log, other in zip(expected, run_case(project, case, way), strict=True):
        difference = first_difference(log, other)
        assert difference is None, f"differs from local at {difference.place}: {difference}"
    return SAME


def short(refusal: str) -> str:
    """Return the sentence of a refusal, without what differs from run to run."""
    return " ".join(refusal.split()).removeprefix("magnus: ")


def table(outcomes: Mapping[tuple[str, str], str]) -> str:
    """Return the table as Markdown: one row for each dag, and below it why a target refuses what it refuses."""
    reasons: dict[str, int] = {}
    lines = [f"| dag | {' | '.join(TARGETS)} |", f"| --- |{' --- |' * len(TARGETS)}"]
    for name, case in CASES.items():
        cells = []
        for target in TARGETS:
            outcome = outcomes[name, target]
            if outcome != SAME:
                outcome = f"refused ({reasons.setdefault(outcome, len(reasons) + 1)})"
            cells.append(outcome)
        lines.append(f"| {name}: {case['about']} | {' | '.join(cells)} |")
    if reasons:
        lines += ["", *(f"{number}. {reason}" for reason, number in reasons.items())]
    return "\n".join(lines) + "\n"


def documented(text: str) -> dict[tuple[str, str], str]:
    """Return the outcomes that a page with the table gives."""
    reasons = dict(re.findall(r"^(\d+)\. (.*)$", text, re.MULTILINE))
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = cells[0].partition(": ")[0]
        if line.startswith("| ") and name in CASES:
            for target, cell in zip(TARGETS, cells[1:], strict=True):
                number = re.fullmatch(r"refused \((\d+)\)", cell)
                found[name, target] = reasons[number[1]] if number else cell
    return found


def main() -> int:
    """Try every dag on every target, and print the table; return the exit code."""
    from aws.stores import Stores
    from quick_magnus import quick_magnus

    stores = Stores()
    os.environ.update(stores.environment)
    with tempfile.TemporaryDirectory() as folder, quick_magnus(Path(folder) / "quick") as quick:
        outcomes = {}
        for number, (name, case) in enumerate(CASES.items()):
            expected = run_case(Project(Path(folder) / f"{number}-local", quick=quick), case, Way(LOCAL))
            for target in TARGETS:
                project = Project(Path(folder) / f"{number}-{target}", quick=quick)
                try:
                    outcome = short(outcome_of(project, case, way_of(target, stores), expected))
                except AssertionError as error:
                    outcome = "FAILED"
                    sys.stderr.write(f"{name} on {target}: {error}\n")
                outcomes[name, target] = outcome
    stores.close()
    sys.stdout.write(table(outcomes))
    return int("FAILED" in outcomes.values())


if __name__ == "__main__":
    sys.exit(main())
