"""The same pipeline rendered for every orchestrator, and runs that begin on one executor and are finished on another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from dag_set import RENDERED, TARGETS
from harness import Project, chain, copy_example, shell, wait_for
from target_outcomes import way_of

from magnus.domain.canonical import first_difference
from magnus.engine.recorder import read_run_log
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aws.stores import Stores

    from magnus.domain.run_log import RunLog


class Site:
    """A folder with a pipeline, one set of stores, and a configuration for each executor."""

    def __init__(self, folder: Path, stores: Stores, quick: Path) -> None:
        """Use the stores with every executor."""
        self.project = Project(folder, quick=quick)
        blocks = stores.blocks()
        for target in TARGETS:
            way = way_of(target, stores)
            self.project.write(f"{target}.yaml", {"executor": way.executor} | blocks)
        self.project.write("local.yaml", {"executor": {"type": "local"}} | blocks)

    def run(self, executor: str, run_id: str, *options: str, expect: int = 0) -> RunLog:
        """Run the pipeline, or render and emulate it; return the run log."""
        call = self.project.call
        config = f"{executor}.yaml"
        if executor == "local":
            done = call("magnus", "execute", "-c", config, "--run-id", run_id, *options)
        else:
            done = call("magnus", "execute", "-c", config, "-o", RENDERED, *options)
            assert done.returncode == 0, done.stderr
            done = call("magnus", "emulate", RENDERED, "--run-id", run_id)
        assert done.returncode == expect, done.stdout + done.stderr
        with open_run_log_store(load_setup(str(self.project.folder / "local.yaml"), {})) as store:
            return read_run_log(store, run_id)


@pytest.fixture(scope="module")
def digits_on_local(tmp_path_factory: pytest.TempPathFactory) -> RunLog:
    """Run the digits pipeline on `local`, with the stores of its folder."""
    project = Project(tmp_path_factory.mktemp("local") / "digits")
    copy_example("digits", project.folder)
    done = project.magnus("execute", "-c", "config.yaml", "-p", "parameters.yaml", "--run-id", "one")
    assert done.returncode == 0, done.stderr
    here = {"type": "file-system", "config": {"log_folder": str(project.folder / ".run_log_store")}}
    config = project.write("config-here.yaml", {"run_log_store": here})
    with open_run_log_store(load_setup(str(config), {})) as store:
        return read_run_log(store, "one")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("digits on orchestrators")
@pytest.mark.parametrize("target", TARGETS)
def test_the_digits_pipeline_has_the_log_of_the_local_run(
    target: str, digits_on_local: RunLog, tmp_path: Path, stores: Stores, quick: Path
) -> None:
    """No code and no dag changes; steps hand files on through the catalog alone."""
    site = Site(tmp_path / "digits", stores, quick)
    copy_example("digits", site.project.folder)
    log = site.run(target, "one", "-p", "parameters.yaml")
    difference = first_difference(digits_on_local, log)
    assert difference is None, f"{target} differs from local at {difference.place}: {difference}"


class TestContinued:
    """A run that fails on one executor, and is finished on another once the fault is mended."""

    @pytest.fixture
    def site(self, tmp_path: Path, stores: Stores, quick: Path) -> Site:
        """Have a pipeline with a branch and an item that fail until there is a file `fixed`."""
        site = Site(tmp_path / "site", stores, quick)
        each = shell('cd "$HERE"; echo "each $MAGNUS_PRM_x" >>ran; test "$MAGNUS_PRM_x" != 1 -o -e fixed')
        branches: Mapping[str, Any] = {
            "good": chain({"work": shell("echo good >>$HERE/ran; echo g=1 >>$MAGNUS_OUTPUT_PARAMETERS")}),
            "bad": chain({"work": shell("cd $HERE; echo bad >>ran; test -e fixed")}),
        }
        steps = {
            "first": shell("echo first >>$HERE/ran; echo 'xs=[1, 2]' >>$MAGNUS_OUTPUT_PARAMETERS"),
            "each": {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": chain({"work": each})},
            "split": {"type": "parallel", "branches": branches},
            "last": shell("echo last >>$HERE/ran"),
        }
        # The map's failure does not end the run, so that both are found unfinished.
        graph = chain(steps)
        graph["steps"]["each"]["on_failure"] = "split"
        site.project.write("pipeline.yaml", {"dag": graph})
        return site

    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.parametrize("order", [("rendered", "local"), ("local", "rendered")])
    def test_it_runs_only_what_had_not_succeeded(
        self, target: str, order: tuple[str, str], site: Site
    ) -> None:
        """And leaves the log of a run that was continued where it began."""
        first, second = (target if each == "rendered" else "local" for each in order)
        failed = site.run(first, "one", expect=1)
        assert failed.status == "FAIL"
        ran = sorted(site.project.lines("ran"))
        assert ran == ["bad", "each 1", "each 2", "first", "good"]
        site.project.write("fixed", "")
        (site.project.folder / "ran").unlink()
        log = site.run(second, "two", "--use-cached", "one")
        assert (log.status, log.original_run_id) == ("SUCCESS", "one")
        # After an item has run again, everything that follows it does.
        assert sorted(site.project.lines("ran")) == ["bad", "each 1", "good", "last"]
        expected = site.run("local", "three", "--use-cached", "one")
        difference = first_difference(expected, log)
        assert difference is None, f"differs at {difference.place}: {difference}"


@pytest.mark.parametrize("target", TARGETS)
def test_an_emulation_that_is_interrupted_leaves_nothing_running(
    target: str, tmp_path: Path, stores: Stores, quick: Path, request: pytest.FixtureRequest
) -> None:
    """Exit code 130; the steps that ran are recorded as stopped, and the run can be continued."""
    site = Site(tmp_path / "site", stores, quick)
    project = site.project
    request.addfinalizer(project.kill_what_is_left)
    waits = {name: chain({"wait": shell(f"touch $HERE/{name}; sleep 60")}) for name in ("left", "right")}
    project.write("pipeline.yaml", {"dag": chain({"split": {"type": "parallel", "branches": waits}})})
    done = project.call("magnus", "execute", "-c", f"{target}.yaml", "-o", RENDERED, quick=quick)
    assert done.returncode == 0, done.stderr
    with subprocess.Popen(
        [sys.executable, "-m", "magnus", "emulate", RENDERED, "--run-id", "one"],
        cwd=project.folder,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        parallel = [name for name in waits if target != "demo-renderer" or name == "left"]
        wait_for(lambda: all((project.folder / name).exists() for name in parallel), 60, "the branches")
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    project.wait_until_nothing_runs()
