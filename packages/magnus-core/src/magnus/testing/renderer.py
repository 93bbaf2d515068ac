"""What every executor that renders promises, and the emulator of its files.

That what is rendered means the same as a traversal is shown by running it; here is what can be said of every target's file.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from magnus.engine.reporting import SilentReporter
from magnus.engine.terminal import Terminal
from magnus.errors import ConfigurationError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.usecases.execute import execute
from magnus.usecases.outcome import Request

if TYPE_CHECKING:
    from pathlib import Path

    from magnus.ports.emulator import Emulator

CANARY = "canary-5b1e"

AWKWARD_NAMES = (
    "a b",
    "A-B",
    "a-b",
    "ä ö",
    "日本語",
    '"; exit 9; #',
    "$(exit 9)`x`",
    "{{workflow}}",
    "{{$}}",
    "Ref::x",
    "\\'{}",
    "-n",
    "~",
    "n" * 200,
    "n" * 199 + "m",
)
"""Names of steps, which differ only in what targets cannot write, or mean something to one of them."""


class RendererContract:
    """Derive from it, and set `executor`.

    Attributes:
        executor: The block of the configuration, with the options that the executor cannot do without.
        services: Blocks of services that the executor goes with; none of them is spoken to.
    """

    executor: ClassVar[dict[str, Any]]
    services: ClassVar[dict[str, Any]] = {
        "run_log_store": {"type": "s3", "config": {"bucket": "bucket", "prefix": "runs"}},
        "catalog": {"type": "s3", "config": {"bucket": "bucket", "prefix": "catalog"}},
    }

    @pytest.fixture(autouse=True)
    def in_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work in an empty folder with a configuration."""
        monkeypatch.chdir(tmp_path)
        # JSON is YAML too.
        configuration = {"executor": self.executor, **self.services}
        (tmp_path / "config.yaml").write_text(json.dumps(configuration), encoding="utf-8")

    def test_equal_input_gives_equal_text(self, tmp_path: Path) -> None:
        """Byte by byte; nothing but the file is left."""
        write(tmp_path, everything())
        render("one")
        render("two")
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
        assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "one", "pipeline.yaml", "two"}

    def test_the_file_says_where_it_comes_from(self, tmp_path: Path) -> None:
        """By magnus's version, the hash of the dag, and for every task file and line."""
        from importlib.metadata import version

        from magnus.definition.pipeline import load_pipeline

        write(tmp_path, everything())
        render("file")
        text = (tmp_path / "file").read_text(encoding="utf-8")
        graph = load_pipeline("pipeline.yaml", environ={}, adapters=AdapterManager(find_plugins())).graph
        assert version("magnus-core") in text
        assert graph.hash() in text
        for _, node in graph.walk():
            if node.task is not None and node.place is not None:
                assert f"pipeline.yaml:{node.place.line}" in text, node.name

    def test_its_emulator_reads_it(self, tmp_path: Path) -> None:
        """And no other takes the file for its own."""
        write(tmp_path, everything())
        render("file")
        text = (tmp_path / "file").read_text(encoding="utf-8")
        kinds = emulators()
        assert [name for name, kind in kinds.items() if kind.recognises(text)] == [self.executor["type"]]
        assert kinds[self.executor["type"]](text, "file") is not None

    def test_awkward_names_are_rendered(self, tmp_path: Path) -> None:
        """The emulator, which is strict, reads them too."""
        names = [*AWKWARD_NAMES, "done"]
        steps: dict[str, Any] = {
            name: {"type": "task", "command_type": "shell", "command": "true", "next": following}
            for name, following in itertools.pairwise(names)
        }
        write(tmp_path, {"start_at": names[0], "steps": steps | ENDS})
        render("file")
        emulators()[self.executor["type"]]((tmp_path / "file").read_text(encoding="utf-8"), "file")

    def test_a_secret_of_the_environment_is_not_in_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A parameter's value neither: it is read where steps run."""
        monkeypatch.setenv("MAGNUS_PRM_token", CANARY)
        monkeypatch.setenv("TOKEN", CANARY)
        write(tmp_path, everything())
        render("file")
        assert CANARY not in (tmp_path / "file").read_text(encoding="utf-8")

    def test_the_time_of_a_branch_is_refused(self, tmp_path: Path) -> None:
        """With what it is called, where it stands and on which executor; nothing is written."""
        graph = everything()
        graph["steps"]["both"]["branches"]["left"]["max_time"] = 5
        write(tmp_path, graph)
        with pytest.raises(ConfigurationError) as refusal:
            render("file")
        words = ("max_time", "both", self.executor["type"])
        assert all(word in str(refusal.value) for word in words), str(refusal.value)
        assert not (tmp_path / "file").exists()

    def test_text_that_is_cut_off_is_refused(self, tmp_path: Path) -> None:
        """By the emulator, in one sentence."""
        write(tmp_path, everything())
        render("file")
        text = (tmp_path / "file").read_text(encoding="utf-8")
        kind = emulators()[self.executor["type"]]
        if not self.is_its_own_interpreter:
            with pytest.raises(ConfigurationError):
                kind(text[: len(text) * 2 // 3], "file")

    is_its_own_interpreter: ClassVar[bool] = False
    """Whether files are run by what they are written for, so that the emulator reads nothing itself."""


ENDS = {"done": {"type": "success"}, "failed": {"type": "fail"}}


def everything() -> dict[str, Any]:
    """Return a graph with a node of every type, in each other."""

    def task(following: str, **more: Any) -> dict[str, Any]:
        return {"type": "task", "command_type": "shell", "command": "true", "next": following, **more}

    inner = {
        "start_at": "try it",
        "steps": {"try it": task("done", on_failure="mend"), "mend": task("done"), **ENDS},
    }
    return {
        "start_at": "first",
        "max_time": 3600,
        "steps": {
            "first": task(
                "each", retry={"max_attempts": 3, "backoff": {"initial": 10, "factor": 2}}, timeout=90
            ),
            "each": {
                "type": "map",
                "iterate_on": "xs",
                "iterate_as": "x",
                "max_concurrency": 2,
                "branch": {
                    "start_at": "inside",
                    "steps": {
                        "inside": {"type": "parallel", "branches": {"only": inner}, "next": "done"},
                        **ENDS,
                    },
                },
                "next": "both",
                "on_failure": "note",
            },
            "both": {
                "type": "parallel",
                "branches": {"left": dict(inner), "right": dict(inner)},
                "next": "note",
            },
            "note": {"type": "as-is", "next": "done"},
            **ENDS,
        },
    }


def write(folder: Path, graph: dict[str, Any]) -> None:
    """Write a pipeline file, one key a line."""
    text = json.dumps({"dag": graph}, indent=1, ensure_ascii=False)
    (folder / "pipeline.yaml").write_text(text, encoding="utf-8")


def render(output: str) -> None:
    """Render the pipeline of this folder."""
    request = Request(pipeline_file="pipeline.yaml", config_file="config.yaml", output=output)
    with Terminal() as terminal:
        execute(request, os.environ, terminal, SilentReporter())


def emulators() -> dict[str, type[Emulator]]:
    """Return the emulators that are installed."""
    adapters = AdapterManager(find_plugins())
    return {name: adapters.load("emulator", name) for name in adapters.offers("emulator")}
