"""The examples run as their READMEs say, and leave in the run log and the catalog what they promise."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import copy_example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from containers.reader import ReaderOfContainers

PNG = b"\x89PNG\r\n\x1a\n"


class Project:
    """A copy of one example, in which commands are typed."""

    def __init__(self, name: str, folder: Path) -> None:
        """Copy the example *name* to *folder*, without what earlier runs left in it."""
        self.folder = folder / name
        copy_example(name, self.folder)

    def type(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run *command* with this Python's programs first on the path, and *variables* over the environment."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MAGNUS_")}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=inherited | {"PATH": path, "NO_COLOR": "1"} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def execute(self, *options: str, expect: int = 0, **variables: str) -> dict[str, Any]:
        """Run the example's pipeline, insist on the exit code *expect*, and return the run log."""
        done = self.type("magnus", "execute", "-f", "pipeline.yaml", "--json", *options, **variables)
        assert done.returncode == expect, done.stderr + done.stdout
        log: dict[str, Any] = json.loads(done.stdout)
        return log


def steps_of(log: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every step of a run log by its internal name, those inside branches too."""

    def walk(steps: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for step in steps.values():
            yield step["internal_name"], step
            for branch in step["branches"].values():
                yield from walk(branch["steps"])

    return dict(walk(log["steps"]))


def statuses_of(log: dict[str, Any]) -> dict[str, str]:
    """Return how every step ended."""
    return {name: step["status"] for name, step in steps_of(log).items()}


def skipped_in(log: dict[str, Any]) -> set[str]:
    """Return the steps that counted as done without having run."""
    return {name for name, step in steps_of(log).items() if step["mock"]}


def entries_of(step: dict[str, Any], stage: str) -> set[str]:
    """Return the names of the files that a step took (`get`) or left (`put`)."""
    return {entry["name"] for entry in step["data_catalog"] if entry["stage"] == stage}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give all tests of the machine-learning pipeline one copy."""
    return Project("digits", tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def digits_log(digits: Project) -> dict[str, Any]:
    """Run the machine-learning pipeline once for all its tests."""
    return digits.execute("-c", "config.yaml", "-p", "parameters.yaml", "--run-id", "one", "--tag", "test")


class TestDigits:
    """The machine-learning pipeline."""

    ITEMS = ("%=0%2E01", "%=0%2E1", "%=1%2E0", "%=10%2E0")
    """The names of the map's branches."""

    def test_every_step_of_every_branch_succeeds(self, digits_log: dict[str, Any]) -> None:
        """The log holds each step once, under its dotted name, as SUCCESS."""
        expected = {
            "load and split",
            "describe",
            "try regularisations",
            "select",
            "evaluate",
            "report",
            "done",
        }
        expected |= {
            f"describe.{branch}.{step}" for branch in ("pixels", "gradients") for step in ("compute", "done")
        }
        expected |= {
            f"try regularisations.{item}.{step}" for item in self.ITEMS for step in ("train", "score", "done")
        }
        assert digits_log["status"] == "SUCCESS"
        assert statuses_of(digits_log) == dict.fromkeys(expected, "SUCCESS")

    def test_what_is_tracked_is_in_the_log_of_the_step_that_tracked_it(
        self, digits_log: dict[str, Any]
    ) -> None:
        """Each item of the map has its own accuracies; the chosen model is at least as good as all of them."""
        steps = steps_of(digits_log)
        tracked = [steps[f"try regularisations.{item}.score"]["user_defined_metrics"] for item in self.ITEMS]
        assert [set(metrics) for metrics in tracked] == [
            {"pixels_validation_accuracy", "gradients_validation_accuracy"}
        ] * len(self.ITEMS)
        accuracies = [accuracy for metrics in tracked for accuracy in metrics.values()]
        assert len(set(accuracies)) > 1
        assert steps["select"]["user_defined_metrics"] == {"best_validation_accuracy": max(accuracies)}
        assert 0.95 < steps["evaluate"]["user_defined_metrics"]["test_accuracy"] < 1
        assert 0.7 < steps["report"]["user_defined_metrics"]["worst_digit_recall"] < 1

    def test_the_map_joins_its_branches_in_item_order(self, digits_log: dict[str, Any]) -> None:
        """The parameter `scores` is one list per item, in the order of `regularisations`."""
        parameters = digits_log["parameters"]
        assert [{score["regularisation"] for score in item} for item in parameters["scores"]] == [
            {item} for item in parameters["regularisations"]
        ]
        assert parameters["best"] in [score for item in parameters["scores"] for score in item]

    def test_every_artefact_is_in_the_catalog(self, digits_log: dict[str, Any], digits: Project) -> None:
        """What a step put is in its log with hash and size, and as a file under the run's folder."""
        steps = steps_of(digits_log)
        items = ("0.01", "0.1", "1", "10")
        models = {f"models/{features}-{item}.npz" for features in ("pixels", "gradients") for item in items}
        put = {entry for step in steps.values() for entry in entries_of(step, "put")}
        assert put >= models | {
            "split.npz",
            "features/pixels.npz",
            "features/gradients.npz",
            "evaluation.json",
            "predictions.npz",
            "report/candidates.png",
            "report/confusion.png",
            "report/report.md",
        }
        top = digits.folder / ".catalog" / "one"
        files = [path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()]
        for name in put:  # those of branches are below `_branches`
            assert any(f"/{path}".endswith(f"/{name}") for path in files), name
        # A step of the map puts its own models only.
        assert entries_of(steps[f"try regularisations.{self.ITEMS[1]}.train"], "put") == {
            "models/pixels-0.1.npz",
            "models/gradients-0.1.npz",
        }
        assert entries_of(steps["evaluate"], "get") == {
            "split.npz",
            "features/pixels.npz",
            "features/gradients.npz",
            *models,
        }

    def test_the_report_has_its_plots_and_the_values_of_the_run(
        self, digits_log: dict[str, Any], digits: Project
    ) -> None:
        """The pictures are pictures, and the text names the chosen model."""
        report = digits.folder / ".catalog" / "one" / "report"
        assert (report / "confusion.png").read_bytes().startswith(PNG)
        assert (report / "candidates.png").read_bytes().startswith(PNG)
        text = (report / "report.md").read_text(encoding="utf-8")
        best = digits_log["parameters"]["best"]
        assert (
            f"Chosen: {best['feature_set']} with regularisation {best['regularisation']:g}, of 8 candidates"
            in text
        )
        assert f"test accuracy {digits_log['parameters']['test_accuracy']:.3f} on 359 images" in text

    def test_the_executed_notebook_is_kept(self, digits_log: dict[str, Any], digits: Project) -> None:
        """`report_out.ipynb` is in the catalog, with what its cells printed."""
        kept = {entry["name"]: entry for entry in steps_of(digits_log)["report"]["data_catalog"]}
        path = digits.folder / ".catalog" / kept["report_out.ipynb"]["catalog_relative_path"]
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        printed = [
            line for cell in cells for output in cell.get("outputs", ()) for line in output.get("text", ())
        ]
        assert any("Hardest digit" in line for line in printed)

    def test_the_dag_in_python_is_the_dag_in_yaml(self, digits_log: dict[str, Any], digits: Project) -> None:
        """Both spellings have one hash, the one in the run log."""
        done = digits.type(sys.executable, "-c", "import pipeline; print(pipeline.build().dag_hash)")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == digits_log["dag_hash"]

    @pytest.mark.slow
    def test_run_from_python_it_leaves_the_same_log(
        self, digits_log: dict[str, Any], digits: Project
    ) -> None:
        """The script ends with 0, and the canonical part of its log is that of the run from YAML."""
        done = digits.type(sys.executable, "pipeline.py", "two")
        assert done.returncode == 0, done.stderr
        shown = digits.type("magnus", "runs", "show", "two", "--json")
        assert shown.returncode == 0, shown.stderr
        assert json.loads(shown.stdout)["status"] == "SUCCESS"
        compared = digits.type("magnus", "runs", "compare", digits_log["run_id"], "two")
        assert compared.returncode == 0, compared.stdout + compared.stderr

    @pytest.mark.slow
    def test_branches_in_worker_processes_leave_the_same_log(
        self, digits_log: dict[str, Any], digits: Project
    ) -> None:
        """The canonical part of the log does not depend on how the branches ran, nor on what matplotlib says of its caches."""
        nowhere = "/proc/none"  # it says so where it can keep none
        options = ("-c", "config-parallel.yaml", "-p", "parameters.yaml", "--run-id", "three")
        parallel = digits.execute(*options, MPLCONFIGDIR=nowhere)
        assert parallel["dag_hash"] == digits_log["dag_hash"]
        compared = digits.type("magnus", "runs", "compare", "one", "three")
        assert compared.returncode == 0, compared.stdout + compared.stderr

    @pytest.mark.slow
    def test_a_run_stopped_by_the_quality_gate_continues_there(self, digits: Project) -> None:
        """The gate fails the run; the re-run with another threshold runs the gate and what follows, nothing else."""
        stopped = digits.execute(
            "-p", "parameters.yaml", "--run-id", "four", expect=1, MAGNUS_PRM_minimum_accuracy="0.999"
        )
        assert stopped["status"] == "FAIL"
        assert statuses_of(stopped)["evaluate"] == "FAIL"
        assert "report" not in stopped["steps"]
        assert "below the minimum of 0.999" in json.dumps(stopped["steps"]["evaluate"])

        continued = digits.execute(
            "--run-id", "five", "--use-cached", "four", MAGNUS_PRM_minimum_accuracy="0.95"
        )
        assert continued["status"] == "SUCCESS"
        ran = {
            name
            for name, step in steps_of(continued).items()
            if step["step_type"] == "task" and not step["mock"]
        }
        assert ran == {"evaluate", "report"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_in_containers_the_digits_leave_the_same_log(
    tmp_path: Path, digits_log: dict[str, Any], digits: Project, reader_of_containers: ReaderOfContainers
) -> None:
    """As the README says: the image is built of what git tracks, and the run log is that of the run on this machine."""
    project, adapt = Project("digits", tmp_path), reader_of_containers.adapt
    shutil.copytree(digits.folder / ".run_log_store", project.folder / ".run_log_store")
    configuration = project.folder / "config-container.yaml"
    configuration.write_text(adapt(configuration.read_text(encoding="utf-8")), encoding="utf-8")
    (block,) = [
        block
        for block in COMMANDS.finditer((project.folder / "README.md").read_text(encoding="utf-8"))
        if block["engine"]
    ]
    text = block["text"].replace("digits-1", digits_log["run_id"])
    done = project.type(
        *("bash", "-e", "-c", f"git init --quiet && git add digits *.*\n{adapt(text)}"),
        **reader_of_containers.variables,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("one and digits-3 are equal\n")


class TestRetryAndRerun:
    """The pipeline that meets a flaky service and a file with a hole in it."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        """Give every test a copy of its own: the first request to the station fails."""
        return Project("retry_and_rerun", tmp_path)

    @pytest.fixture
    def first(self, project: Project) -> dict[str, Any]:
        """Run into the failure."""
        return project.execute("-p", "parameters.yaml", "--run-id", "first", expect=1)

    def test_the_flaky_step_succeeds_at_its_second_attempt(self, first: dict[str, Any]) -> None:
        """Both attempts are in the log, the first with its reason, with the pause between them."""
        fetch = first["steps"]["fetch"]
        assert [(attempt["attempt_number"], attempt["status"]) for attempt in fetch["attempts"]] == [
            (1, "FAIL"),
            (2, "SUCCESS"),
        ]
        assert "the station is busy" in fetch["attempts"][0]["message"]
        assert fetch["status"] == "SUCCESS"

    def test_one_failed_branch_fails_the_run_after_its_siblings_and_the_cleanup(
        self, first: dict[str, Any]
    ) -> None:
        """Lima fails, the others finish, the clean-up runs and leads to the fail node, nothing is published."""
        assert first["status"] == "FAIL"
        assert statuses_of(first) == {
            "fetch": "SUCCESS",
            "average": "FAIL",
            "average.oslo.compute": "SUCCESS",
            "average.oslo.done": "SUCCESS",
            "average.lima.compute": "FAIL",
            "average.lima.failed": "SUCCESS",  # the node was reached; what failed is its branch
            "average.nairobi.compute": "SUCCESS",
            "average.nairobi.done": "SUCCESS",
            "clean up": "SUCCESS",
            "failed": "SUCCESS",
        }
        assert "n/a" in steps_of(first)["average.lima.compute"]["attempts"][0]["message"]
        assert first["parameters"]["left_behind"] == ["lima"]
        assert "averages" not in first["parameters"]

    def test_the_rerun_repeats_only_what_had_not_succeeded(
        self, first: dict[str, Any], project: Project
    ) -> None:
        """The flaky step and the finished branches are skipped; the fixed branch and what follows run."""
        second = project.execute("--run-id", "second", "--use-cached", "first", MAGNUS_PRM_gaps="skip")
        assert second["status"] == "SUCCESS"
        assert second["use_cached"]
        assert second["original_run_id"] == first["run_id"]
        assert {"fetch", "average.oslo.compute", "average.nairobi.compute"} <= skipped_in(second)
        assert not {"average.lima.compute", "publish"} & skipped_in(second)
        assert all(steps_of(second)[name]["message"] for name in skipped_in(second))
        assert (project.folder / ".station_requests").read_text(encoding="utf-8").strip() == "4"
        assert (project.folder / "data" / "averages.csv").read_text(encoding="utf-8").splitlines() == [
            "station,celsius",
            "oslo,-2.3",
            "lima,18.1",
            "nairobi,18.1",
        ]

    def test_the_rerun_needs_nothing_but_the_run_log_and_the_catalog(
        self, first: dict[str, Any], project: Project
    ) -> None:
        """The working files may be lost: the re-run brings them back from the first run's catalog."""
        shutil.rmtree(project.folder / "data")
        second = project.execute(
            "--run-id", "second", "--use-cached", first["run_id"], MAGNUS_PRM_gaps="skip"
        )
        assert second["status"] == "SUCCESS"
        assert "fetch" in skipped_in(second)

    def test_without_the_fix_the_rerun_fails_again(self, first: dict[str, Any], project: Project) -> None:
        """A re-run does not hide a failure."""
        second = project.execute("--run-id", "second", "--use-cached", first["run_id"], expect=1)
        assert statuses_of(second)["average.lima.compute"] == "FAIL"


class TestShellAndParameters:
    """The pipeline whose tasks are of several kinds."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        """Give every test a copy of its own."""
        return Project("shell_and_parameters", tmp_path)

    def test_each_kind_of_task_hands_its_parameters_on(self, project: Project) -> None:
        """Function to lambda to shell to function."""
        log = project.execute("-p", "parameters.yaml")
        assert log["parameters"] == {
            "text": "the quick brown fox jumped over the lazy dog",
            "words": ["the", "quick", "brown", "fox", "jumped", "over", "the", "lazy", "dog"],
            "word_count": 9,
            "longest": "jumped",
            "shouted": "JUMPED!",
        }
        assert log["steps"]["shout"]["user_defined_metrics"] == {"letters": 6}
        summary = project.folder / ".catalog" / log["run_id"] / "summary.txt"
        assert summary.read_text(encoding="utf-8") == "9 words, the longest is jumped (JUMPED!).\n"

    def test_the_environment_wins_over_the_file(self, project: Project) -> None:
        """`MAGNUS_PRM_text` replaces the text of the parameters file."""
        log = project.execute("-p", "parameters.yaml", MAGNUS_PRM_text="a longer b")
        assert log["parameters"]["longest"] == "longer"


COMMANDS = re.compile(
    r"(?:<!-- exit code: (?P<code>\d+) -->\n)?(?P<engine><!-- engine -->\n)?```bash\n(?P<text>.*?)```",
    re.DOTALL,
)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "name", [pytest.param("digits", marks=pytest.mark.slow), "retry_and_rerun", "shell_and_parameters"]
)
def test_the_commands_of_the_readme_work_in_their_order(name: str, tmp_path: Path) -> None:
    """Typed one after another, each block ends with 0, or with the exit code that a comment above it names."""
    project = Project(name, tmp_path)
    readme = (project.folder / "README.md").read_text(encoding="utf-8")
    blocks = list(COMMANDS.finditer(readme))
    assert blocks
    for block in blocks:
        if block["engine"]:
            continue
        # What the examples import is in the environment of the tests, whose point is not to install it again.
        text = re.sub(r"^pip install .*$", "true", block["text"], flags=re.MULTILINE)
        done = project.type("bash", "-e", "-c", text)
        assert done.returncode == int(block["code"] or 0), f"{block['text']}\n{done.stdout}\n{done.stderr}"
