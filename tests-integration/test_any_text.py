"""Text that a run has accepted can be shown: half characters, names of bytes, control characters."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from harness import chain, python
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnus.cli.app import main
from magnus.domain.names import decode_map_value, encode_map_value, is_shortened
from magnus.domain.parameters import encode_all
from magnus.domain.run_log import DataCatalog, RunLog, Status, StepAttempt, StepLog
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    from pathlib import Path

    from harness import Project

STORES = {
    "file-system": {"log_folder": "log"},
    "chunked-fs": {"log_folder": "log"},
    "sql": {"url": "sqlite:///log.db"},
}

TEXTS = st.text(st.characters(codec=None, categories=None), max_size=8) | st.sampled_from(
    ["emoji cut \ud83d", "\udce9", "a\0b", "\x1b[31m", "\r\n\u2028", "é😀", "\udc80" * 1500]
)

STEPS = """
    import os
    from magnus import track_this

    def make():
        return {"text": "cut \\ud83d", "items": ["a\\udc80", "b"], "long": "x\\ud83d" * 2000}

    def name_files():
        os.makedirs("data", exist_ok=True)
        open(b"data/caf\\xe9.txt", "w").write("x")

    def work(item, text, long):
        assert text == "cut \\ud83d" and long == "x\\ud83d" * 2000
        track_this(note=item)
        print("item", ascii(item))

    def fail():
        raise ValueError("bad \\ud83d text")
"""


class Answer(io.TextIOWrapper):
    """A stdout as a terminal without any locale has it: strict, and of one encoding."""

    def __init__(self, encoding: str) -> None:
        """Begin empty."""
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict")

    def bytes(self) -> bytes:
        """Return what was written."""
        self.flush()
        written = self.buffer
        assert isinstance(written, io.BytesIO)
        return written.getvalue()


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str, encoding: str = "utf-8") -> str:
    """Call a command in this process; insist on success and on output that can be decoded."""
    out, err = Answer(encoding), Answer(encoding)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = main(arguments)
    assert code == 0, err.bytes()
    return out.bytes().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("store", STORES)
def test_every_text_in_a_run_log_can_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, encoding: str
) -> None:
    """As a table, and as JSON from which the text comes back as it was."""
    monkeypatch.chdir(tmp_path)
    block: dict[str, Any] = {"run_log_store": {"type": store, "config": STORES[store]}}
    (tmp_path / "config.yaml").write_text(json.dumps(block))
    count = 0

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(TEXTS)
    def check(text: str) -> None:
        nonlocal count
        count += 1
        run_id = f"r{count}"
        with open_run_log_store(load_setup("config.yaml", os.environ)) as logs:
            recorder = RunRecorder(logs, run_id, Masker())
            recorder.create_run_log(RunLog(run_id, tag=text), encode_all({"text": text, text: 1}, "test"))
            name = f"each.{encode_map_value([text])}.work"
            step = StepLog("work", name, Status.FAIL, message=text, user_defined_metrics={text: text})
            step.attempts = [StepAttempt(1, "2026-01-01T00:00:00+00:00", status=Status.FAIL, message=text)]
            step.data_catalog = [DataCatalog(text, "0" * 64, 1, "put", text)]
            recorder.add_step_log(StepLog("each", "each", Status.FAIL, "map", message=text))
            recorder.add_step_log(step)
            recorder.set_run_log(RunLog(run_id, status=Status.FAIL, message=text, tag=text))
        shown = json.loads(
            call(monkeypatch, "runs", "show", run_id, "--json", "-c", "config.yaml", encoding=encoding)
        )
        assert shown["message"] == text
        call(monkeypatch, "runs", "show", run_id, "-c", "config.yaml", encoding=encoding)
        arguments = ("runs", "list", "--json", "-c", "config.yaml", "--limit", "1000")
        listed = json.loads(call(monkeypatch, *arguments, encoding=encoding))
        assert text in [run["tag"] for run in listed]
        call(monkeypatch, "runs", "list", "-c", "config.yaml", "--limit", "3", encoding=encoding)

    check()


@given(TEXTS)
def test_a_map_item_of_any_text_has_a_name_that_can_be_encoded(text: str) -> None:
    """And is read back from it."""
    name = encode_map_value(text)
    name.encode()
    assert is_shortened(name) or decode_map_value(name) == text


@pytest.mark.parametrize("store", STORES)
def test_a_run_with_half_characters_goes_through_and_is_shown(project: Project, store: str) -> None:
    """In parameters, map items, metrics, messages and names of files."""
    project.write("steps.py", STEPS)
    branch = chain({"work": python("steps.work")})
    each = {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch}
    files = python("steps.name_files", catalog={"put": ["*.txt"]})
    steps = {"make": python("steps.make"), "files": files, "each": each, "fail": python("steps.fail")}
    project.write("pipeline.yaml", {"dag": chain(steps)})
    project.configure(enable_parallel=False, run_log_store={"type": store, "config": STORES[store]})
    log = project.execute("-c", "config.yaml", "--run-id", "r", expect=1)
    assert log["parameters"]["text"] == "cut \ud83d"
    assert "bad \ud83d text" in log["steps"]["fail"]["message"]
    assert {step["status"] for step in log["steps"].values()} == {"SUCCESS", "FAIL"}
    commands = (
        ("runs", "show", "r"),
        ("runs", "list"),
        ("runs", "logs", "r"),
        ("runs", "compare", "r", "r"),
        ("catalog", "list", "r"),
        ("catalog", "verify", "r"),
    )
    for command in commands:
        done = project.magnus(*command, "-c", "config.yaml")
        assert done.returncode == 0, done.stderr
    names = json.loads(project.magnus("catalog", "list", "r", "--json", "-c", "config.yaml").stdout)
    assert "caf\udce9.txt" in [each["name"] for each in names]
    assert project.magnus("runs", "show", "r", "--log-level", "DEBUG", "-c", "config.yaml").returncode == 0
