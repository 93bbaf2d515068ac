from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.parameters import encode_all
from magnus.domain.run_log import DataCatalog
from magnus.engine.child import ChildBridge, child_environment, parse_outputs
from magnus.engine.child_session import ChildSession
from magnus.engine.context import Services
from magnus.engine.current import running_step
from magnus.errors import OutsideRunError, ParameterNotFoundError, ParametersError
from magnus.ports.experiment_tracker import Metric
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Step:
    """As much of a session as the bridge looks at."""

    run_id = "run-1"
    tag = "tag"
    step_name = "step"
    scopes = ("each.%=1",)
    staging_token = "token"
    map_variable = (("i", 1),)
    compute_data_folder = Path("data")


class OneSecret:
    """A secrets manager that holds `token`."""

    def get(self, name: str) -> str:
        """Return it."""
        return {"token": "s3cret"}[name]


@contextmanager
def bridge_with(parameters: dict[str, Any]) -> Iterator[tuple[ChildBridge, ChildSession]]:
    """Yield both ends of a bridge."""
    bridge = ChildBridge(Step(), {"secrets": {"type": "one"}})  # type: ignore[arg-type]
    environment, _ = bridge.environment(encode_all(parameters, "test"))

    def open_services(configuration: Any) -> Services:
        assert configuration == {"secrets": {"type": "one"}}
        nothing: Any = None
        return Services(nothing, nothing, OneSecret(), nothing)  # type: ignore[arg-type]

    yield bridge, ChildSession(Path(environment["MAGNUS_STEP_CONTEXT"]), open_services)
    bridge.close()


def environment_of(parameters: dict[str, Any], **more: str) -> dict[str, str]:
    """Return the parameters' part of an environment."""
    made = child_environment(encode_all(parameters, "test"), "run-1", "tag", {}, more)
    return {name: value for name, value in made.items() if name.startswith("MAGNUS_PRM_")}


def test_the_environment_holds_small_parameters_and_nothing_of_other_runs() -> None:
    """Text stays plain where it cannot be mistaken for JSON; what no environment can hold is left to the file."""
    parameters = {
        "a": "text",
        "b": "1",
        "c": [1, "ü"],
        "Case": None,
        "big": "x" * 70_000,
        "n=m": 1,
        "nul": "a\0b",
    }
    assert environment_of(parameters, MAGNUS_PRM_stale="1", MAGNUS_TRACK_stale="1") == {
        "MAGNUS_PRM_a": "text",
        "MAGNUS_PRM_b": '"1"',
        "MAGNUS_PRM_c": '[1,"ü"]',
        "MAGNUS_PRM_Case": "null",
        "MAGNUS_PRM_nul": '"a\\u0000b"',
    }
    other = child_environment(
        {}, "run-1", "tag", {}, {"HOME": "/h", "MAGNUS_STEP_CONTEXT": "x", "MAGNUS_RUN_ID": "x"}
    )
    assert other == {"HOME": "/h", "MAGNUS_RUN_ID": "run-1", "MAGNUS_RUN_TAG": "tag"}


def test_the_size_of_the_environment_is_bounded() -> None:
    """Many parameters that are small each could still keep a process from being started."""
    made = environment_of({f"p{number}": "x" * 60_000 for number in range(100)})
    assert 0 < sum(map(len, made.values())) <= 256 * 1024


def test_lines_are_parameters_and_metrics() -> None:
    """A value is JSON or a plain string; a later line wins."""
    outputs = parse_outputs(b'a=1\n\nb = two words \nc="x\\ny"\na=[1,2]\r\nMAGNUS_TRACK_loss=0.5\nd=a=b\ne=')
    assert outputs.parameters == {"a": [1, 2], "b": "two words", "c": "x\ny", "d": "a=b", "e": ""}
    assert outputs.metrics == [Metric("loss", 0.5)]


@pytest.mark.parametrize(
    "line", [b"no equals sign", b"=1", b'a={"b": ', b'a="open', b"MAGNUS_RUN_ID=1", b"a=\xff"]
)
def test_a_line_that_cannot_be_read_is_named_by_its_number(line: bytes) -> None:
    """Its content stays out of the message: it might be a secret."""
    with pytest.raises(TaskFailedError, match=r"^line 2 of the file named in MAGNUS_OUTPUT_PARAMETERS"):
        parse_outputs(b"ok=1\n" + line + b"\nok=2\n")


def test_what_a_child_sets_reaches_the_parent_once() -> None:
    """With any name, next to what others of the task have set."""
    with bridge_with({"a": 1, "big": "x" * 100_000}) as (bridge, child):
        child.set_parameters({"strange = name\n": {"x": 1}, "MAGNUS_": 2})
        child.track([Metric("loss", 0.5, 3)])
        assert child.get_parameter("strange = name\n") == {"x": 1}
        assert child.get_parameter("big") == "x" * 100_000
        assert child.map_variable == (("i", 1),)
        first, second = bridge.read_outputs(), bridge.read_outputs()
    assert first.parameters == {"strange = name\n": {"x": 1}, "MAGNUS_": 2}
    assert first.metrics == [Metric("loss", 0.5, 3)]
    assert second.metrics == []


def test_a_child_is_told_what_is_wrong() -> None:
    """As in the process of the step itself."""
    with bridge_with({"a": 1}) as (bridge, child):
        with pytest.raises(ParameterNotFoundError, match="no parameter 'b'; there are: a"):
            child.get_parameter("b")
        with pytest.raises(ParametersError, match="the parameter 'b' is not a JSON value"):
            child.set_parameters({"a": 2, "b": object()})
        assert bridge.read_outputs().parameters == {}


def test_the_name_of_a_secret_reaches_the_parent_and_its_value_no_file() -> None:
    """So that the parent hides it in what the child prints."""
    with bridge_with({}) as (bridge, child):
        names: list[str] = []
        bridge.secret_names.tell_new(names.append)
        assert child.get_secret("token") == "s3cret"
        bridge.secret_names.tell_new(names.append)
        bridge.secret_names.tell_new(names.append)
        folder = Path(bridge.environment({})[1]).parent
        assert names == ["token"]
        assert all("s3cret" not in file.read_text() for file in folder.iterdir())
        assert folder.stat().st_mode & 0o077 == 0
        assert bridge.read_outputs().parameters == {}


def test_catalog_entries_reach_the_parent() -> None:
    """For the log of the step."""
    entry = DataCatalog("a.csv", "00", 3, "put", "objects/00")
    line = "MAGNUS_CATALOG=" + json.dumps(["a.csv", "00", 3, "put", "objects/00"])
    assert parse_outputs(line.encode()).data_catalog == [entry]


def test_a_child_that_outlives_its_step_is_told_so(tmp_path: Path) -> None:
    """The files of the bridge are gone by then."""
    with pytest.raises(OutsideRunError, match="has ended"):
        ChildSession(tmp_path / "gone", lambda _: pytest.fail("opens nothing"))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_step_is_found_by_its_threads_and_not_by_forks() -> None:
    """What a forked process set would be lost with it."""
    step: Any = Step()
    assert running_step.get() is None
    token = running_step.set(step)
    try:
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(running_step.get).result() is step
        reader, writer = os.pipe()
        if (pid := os.fork()) == 0:
            os.write(writer, b"none" if running_step.get() is None else b"some")
            os._exit(0)
        os.waitpid(pid, 0)
        assert os.read(reader, 4) == b"none"
        os.close(reader)
        os.close(writer)
    finally:
        running_step.reset(token)
    assert running_step.get() is None
