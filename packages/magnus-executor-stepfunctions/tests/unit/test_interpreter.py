"""What the interpreter does, in time that nobody waits for."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from rendering_kit import Renderer, chain, map_of, parallel

from magnus.errors import ConfigurationError, InterruptedRunError
from magnus.ports.emulator import CommandEnd, ContainerCommand
from magnus.testing.emulation import ScriptedCompute
from magnus_executor_stepfunctions import client
from magnus_executor_stepfunctions.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@pytest.fixture
def compute_for(tmp_path: Path) -> Callable[..., ScriptedCompute]:
    """Return a function that makes a compute with a script."""
    return lambda **more: ScriptedCompute(tmp_path, **more)


@pytest.fixture
def items(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what S3 holds, by address."""
    objects: dict[str, str] = {}
    monkeypatch.setattr(client, "get_object", lambda bucket, key: objects[f"s3://{bucket}/{key}"])
    return objects


def fan_out(
    objects: dict[str, str], lists: Mapping[str, Sequence[Any]]
) -> dict[str, Callable[[ContainerCommand], None]]:
    """Return what fan-outs do: put the items of each map, those of the maps around it with them."""

    def put(name: str) -> Callable[[ContainerCommand], None]:
        def work(command: ContainerCommand) -> None:
            arguments = command.arguments
            around = (
                arguments[arguments.index("--map-variable") + 1] if "--map-variable" in arguments else "{}"
            )
            variables = [json.dumps({**json.loads(around), name: each}) for each in lists[name]]
            objects[arguments[arguments.index("--items-to") + 1].partition("?")[0]] = json.dumps(variables)

        return work

    return {f"out {name}": put(name.split(".")[-1]) for name in lists}


class TestAttempts:
    """Retriers, in virtual time."""

    RETRY: ClassVar[Any] = {"max_attempts": 4, "backoff": {"initial": 10, "factor": 3, "max": 60}}

    def run(self, renderer: Renderer, compute: ScriptedCompute) -> bool:
        """Run a pipeline with a step that is tried four times."""
        renderer.write({"one": {"retry": self.RETRY, "on_failure": "two"}, "three": {}, "two": {}})
        return Emulator(renderer.text(), "machine.json").run("r", compute)

    def test_calls_come_after_the_pauses_of_the_file(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """Each from the end of the last call."""
        compute = compute_for(ends={"one": [75, 75, 75, 0]}, takes_seconds=5)
        assert self.run(renderer, compute)
        assert [call.at for call in compute.calls if call.step == "one"] == [0, 15, 50, 115]
        assert compute.steps[4:] == ["three", "two", "done"]
        assert compute.lines == [f"retry {n} of 'one' in {s} s" for n, s in ((1, 10), (2, 30), (3, 60))]

    def test_a_failure_is_followed_when_no_call_is_left(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """Four calls are all, whatever the exit codes."""
        compute = compute_for(ends={"one": [75, 75, 75, 1]})
        assert self.run(renderer, compute)
        assert compute.steps == ["one"] * 4 + ["two", "done"]

    def test_a_job_that_takes_too_long_is_ended_and_tried_again(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """By Batch, later than magnus would have."""
        compute = compute_for(takes_seconds=500)
        renderer.write({"one": {"retry": 2, "timeout": 90}})
        assert not Emulator(renderer.text(), "machine.json").run("r", compute)
        assert [call.at for call in compute.calls if call.step == "one"] == [0, 391]


class TestEnds:
    """How executions end."""

    def run(
        self, renderer: Renderer, compute: ScriptedCompute, steps: Mapping[str, Any], **more: Any
    ) -> bool:
        """Run a pipeline of *steps*."""
        renderer.write(steps, **more)
        return Emulator(renderer.text(), "machine.json").run("r", compute)

    def test_a_run_that_failed_is_a_failed_execution(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """The fail node has closed it, and nothing else is called."""
        compute = compute_for(ends={"one": [1], "failed": [1]})
        assert not self.run(renderer, compute, {"one": {}, "two": {}})
        assert compute.steps == ["one", "failed"]

    def test_a_step_that_could_not_be_run_leads_to_stop(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """What would come after its failure refuses, and so does the fail node."""
        compute = compute_for(ends={"one": [3], "mend": [2], "failed": [2, 1]})
        assert not self.run(renderer, compute, {"one": {"on_failure": "mend"}, "mend": {}})
        assert compute.steps == ["one", "mend", "failed", "failed"]
        assert "--stopped-because" in compute.calls[-1].command.arguments

    def test_a_branch_that_could_not_be_run_ends_the_run(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """From however deep inside; there is no fan-in."""
        inner = parallel(deep=chain({"x": {}}))
        compute = compute_for(
            ends={"both.left.in.deep.x": [3], "both.left.in.deep.failed": [2], "failed": [1]}
        )
        assert not self.run(renderer, compute, {"both": parallel(left=chain({"in": inner}))})
        assert compute.steps == [
            "out both",
            "out both.left.in",
            "both.left.in.deep.x",
            "both.left.in.deep.failed",
            "failed",
        ]
        assert "--stopped-because" in compute.calls[-1].command.arguments

    def test_a_branch_that_failed_does_not_end_its_siblings(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """Its fail node ends it well; the fan-in tells, and its failure is followed."""
        both = parallel(left=chain({"x": {}}), right=chain({"y": {}, "z": {}})) | {"on_failure": "mend"}
        compute = compute_for(ends={"both.left.x": [1], "in both": [1]})
        assert self.run(renderer, compute, {"both": both, "never": {}, "mend": {}})
        assert {"both.left.failed", "both.right.z", "both.right.done"} < set(compute.steps)
        assert compute.steps[-3:] == ["in both", "mend", "done"]

    def test_an_execution_that_takes_too_long_is_ended(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """With its jobs, and without a further call."""
        compute = compute_for(takes_seconds=2000)
        assert not self.run(renderer, compute, {"one": {}, "two": {}, "three": {}}, max_time=60)
        assert (compute.steps, compute.now()) == (["one", "two"], 3661)

    def test_an_interrupt_ends_it(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """Out of branches too."""

        def stop(_: ContainerCommand) -> None:
            compute.is_stopped = True

        compute = compute_for(effects={"both.left.x": stop})
        with pytest.raises(InterruptedRunError):
            self.run(renderer, compute, {"both": parallel(left=chain({"x": {}})), "never": {}})
        assert "never" not in compute.steps

    def test_branches_may_be_walked_one_after_another(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """As the configuration says; and a state of the dag's own comes before its node."""
        note = {"type": "as-is", "render_string": '{"Type": "Wait", "Seconds": 5}'}
        both = parallel(left=chain({"x": {}}), right=chain({"y": {}}))
        renderer.write({"note": note, "both": both})
        compute = compute_for()
        assert Emulator(renderer.text(enable_parallel=False), "machine.json").run("r", compute)
        assert compute.steps == [
            *(
                "note",
                "out both",
                "both.left.x",
                "both.left.done",
                "both.right.y",
                "both.right.done",
                "in both",
                "done",
            )
        ]
        assert compute.calls[0].at == 5

    def test_the_name_of_an_execution_is_short(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute]
    ) -> None:
        """Longer run ids are refused."""
        renderer.write({"one": {}})
        with pytest.raises(ConfigurationError, match="80 characters at most"):
            Emulator(renderer.text(), "machine.json").run("r" * 81, compute_for())


class TestMaps:
    """Items out of S3, each with the texts that it came with."""

    @pytest.mark.parametrize("most", [2, None])
    def test_each_item_is_walked_with_its_map_variable(
        self,
        renderer: Renderer,
        compute_for: Callable[..., ScriptedCompute],
        items: dict[str, str],
        most: int | None,
    ) -> None:
        """Those of a map in a map too, and no list is taken for another's."""
        lists = {"outer": [1, "a"], "outer.%.inner": [1.5, {"k": "{}'"}]}
        more = {} if most is None else {"max_concurrency": most}
        inner = map_of(chain({"x": {}}), iterate_as="inner", **more)
        outer = map_of(chain({"inner": inner}), iterate_as="outer", **more)
        renderer.write({"outer": outer})
        effects = fan_out(items, {"outer": lists["outer"]}) | {
            "out outer.%.inner": fan_out(items, {"inner": lists["outer.%.inner"]})["out inner"]
        }
        compute = compute_for(effects=effects)
        assert Emulator(renderer.text(), "machine.json").run("r", compute), compute.lines
        commands = [call.command.arguments for call in compute.calls if call.step == "outer.%.inner.%.x"]
        seen = [json.loads(each[each.index("--map-variable") + 1]) for each in commands]
        expected = [{"outer": o, "inner": i} for o in lists["outer"] for i in lists["outer.%.inner"]]
        assert sorted(map(str, seen)) == sorted(map(str, expected))
        assert {each[each.index("--run-id") + 1] for each in commands} == {"r"}
        assert sorted(items) == [f"s3://bucket/items/r{n}/{key}.json" for n, key in self.places(items)]

    def places(self, items: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return where the lists are: that of the outer map, and one for each of its items."""
        inner = next(each.rpartition("/")[2] for each in items if "/r/0/" in each).removesuffix(".json")
        return sorted([("", "outer"), ("/0", inner), ("/1", inner)], key=lambda each: f"{each[0]}/{each[1]}")

    def test_no_more_items_run_at_the_same_time_than_may(
        self, renderer: Renderer, items: dict[str, str]
    ) -> None:
        """And as many as may."""
        renderer.write({"each": map_of(chain({"x": {}}), max_concurrency=3)})
        items["s3://bucket/items/r/each.json"] = json.dumps([json.dumps({"x": n}) for n in range(9)])
        compute = Counting(3)
        assert Emulator(renderer.text(), "machine.json").run("r", compute)
        assert compute.most == 3

    def test_items_that_cannot_be_read_end_it(
        self, renderer: Renderer, compute_for: Callable[..., ScriptedCompute], items: dict[str, str]
    ) -> None:
        """They are no list."""
        renderer.write({"each": map_of(chain({"x": {}}))})
        items["s3://bucket/items/r/each.json"] = "5"
        with pytest.raises(ConfigurationError, match="the items of 'each' are no list"):
            Emulator(renderer.text(), "machine.json").run("r", compute_for())

    @pytest.mark.parametrize("most", [2, None])
    def test_an_item_that_could_not_be_walked_ends_the_run(
        self,
        renderer: Renderer,
        compute_for: Callable[..., ScriptedCompute],
        items: dict[str, str],
        most: int | None,
    ) -> None:
        """After those that run, and with nothing after them."""
        more = {} if most is None else {"max_concurrency": most}
        renderer.write({"each": map_of(chain({"x": {}}), **more)})
        items["s3://bucket/items/r/each.json"] = json.dumps(['{"x": 1}'])
        compute = compute_for(ends={"each.%.x": [3], "each.%.failed": [2], "failed": [1]})
        assert not Emulator(renderer.text(), "machine.json").run("r", compute)
        assert compute.steps == ["out each", "each.%.x", "each.%.failed", "failed"]


class Counting:
    """A compute in which the commands of steps wait for each other."""

    def __init__(self, together: int) -> None:
        """Let *together* of them go on at the same time."""
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(together)

    @property
    def folder(self) -> Path:
        """Not asked for."""
        raise NotImplementedError

    def run(self, command: ContainerCommand) -> CommandEnd:
        """Wait until as many run as may, if it is a step."""
        if command.arguments[3] == "each.%.x":
            with self._lock:
                self._running += 1
                self.most = max(self.most, self._running)
            self._barrier.wait(30)
            with self._lock:
                self._running -= 1
            self._barrier.wait(30)
        return CommandEnd(0)

    def now(self) -> float:
        """Stand still."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Do not wait."""

    def report(self, line: str) -> None:
        """Say nothing."""
