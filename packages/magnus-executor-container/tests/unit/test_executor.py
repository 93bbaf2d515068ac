from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.capabilities import Feature, Placement
from magnus.domain.graph import Graph
from magnus.domain.limits import Limits
from magnus.domain.nodes import Node, Resources, TaskSettings
from magnus.domain.owner import own_label
from magnus.domain.run_log import Status
from magnus.errors import ConfigurationError
from magnus.ports.executor import ComputeNeeds
from magnus_executor_container.client import ContainerEnd, Found, Image
from magnus_executor_container.config import LocalContainerOptions
from magnus_executor_container.executor import LocalContainerExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import FakeContainer, Kit

    from magnus.domain.jobs import JobEnd

PARALLEL = LocalContainerOptions(docker_image="image", enable_parallel=True, max_workers=4)
LOCAL = LocalContainerOptions(run_in_local=True)
LOCAL_PARALLEL = LocalContainerOptions(run_in_local=True, enable_parallel=True, max_workers=2)
DEAD = own_label() + "0"
"""The number of this process, which began at another time."""


@pytest.fixture
def executors(kit: Kit) -> Iterator[list[LocalContainerExecutor]]:
    """Return where executors are put that are stopped in the end."""
    made: list[LocalContainerExecutor] = []
    yield made
    for container in kit.engine.created:
        container.killed.set()
    for executor in made:
        executor.stop_jobs()
        executor.close()


@pytest.fixture
def executor(executors: list[LocalContainerExecutor]) -> LocalContainerExecutor:
    """Return one with room for several jobs."""
    executors.append(LocalContainerExecutor(PARALLEL))
    return executors[0]


def waited(executor: LocalContainerExecutor, count: int, patience_seconds: float) -> list[JobEnd]:
    """Return *count* ends of jobs."""
    ends: list[JobEnd] = []
    until = time.monotonic() + patience_seconds
    while len(ends) < count:
        assert time.monotonic() < until
        ends += executor.wait_for_jobs(1.0)
    return ends


class TestCapabilities:
    """What is said before anything runs."""

    @pytest.mark.parametrize(
        ("options", "placement", "concurrent", "room"),
        [
            (LocalContainerOptions(docker_image="image"), Placement.CONTAINER, False, 1),
            (PARALLEL, Placement.CONTAINER, True, 4),
            (LOCAL_PARALLEL, Placement.SAME_HOST, True, 2),
        ],
    )
    def test_they_follow_the_options(
        self,
        options: LocalContainerOptions,
        placement: Placement,
        concurrent: bool,  # noqa: FBT001 - a column of a table
        room: int,
    ) -> None:
        """No engine is asked."""
        said = LocalContainerExecutor.capabilities(options)
        assert (said.placement, said.concurrent_branches) == (placement, concurrent)
        assert set(said.refused_features) == ({Feature.RESOURCES} if options.run_in_local else set())
        assert LocalContainerExecutor(options).max_concurrent_jobs == room

    def test_without_a_number_there_is_room_for_as_many_jobs_as_there_are_cores(self) -> None:
        """At least one."""
        options = LocalContainerOptions(docker_image="image", enable_parallel=True)
        assert LocalContainerExecutor(options).max_concurrent_jobs >= 1

    def test_the_traversal_sees_a_steps_files_where_the_project_is_mounted(self) -> None:
        """And not where it is baked in."""
        baked = LocalContainerOptions(docker_image="image", mount_project=False)
        assert LocalContainerExecutor.capabilities(PARALLEL).shares_working_folder
        assert not LocalContainerExecutor.capabilities(baked).shares_working_folder


class TestJobs:
    """Jobs between their start and their end."""

    def test_a_job_that_is_asked_for_twice_is_started_once(
        self, kit: Kit, executor: LocalContainerExecutor
    ) -> None:
        """While it runs and after it has ended; another attempt is another job."""
        job = kit.job()
        assert [executor.trigger_job(job, kit.lent) for _ in range(2)] == [Status.TRIGGERED] * 2
        waited(executor, 1, kit.patience_seconds)
        assert executor.trigger_job(job, kit.lent) is Status.SUCCESS
        assert len(kit.engine.created) == 1
        assert executor.trigger_job(job._replace(attempt_number=2), kit.lent) is Status.TRIGGERED
        waited(executor, 1, kit.patience_seconds)
        assert len(kit.engine.created) == 2

    def test_the_ends_of_several_jobs_all_arrive(self, kit: Kit, executor: LocalContainerExecutor) -> None:
        """Each once, in whatever order."""
        names = [f"step{number}" for number in range(20)]
        for name in names:
            executor.trigger_job(kit.job(name), kit.lent)
        ends = waited(executor, len(names), kit.patience_seconds)
        assert sorted(end.job.step_name for end in ends) == sorted(names)
        assert executor.wait_for_jobs(None) == []

    def test_waiting_for_no_time_only_looks(self, kit: Kit, executor: LocalContainerExecutor) -> None:
        """And where nothing runs even an endless wait ends."""
        assert executor.wait_for_jobs(None) == []
        kit.engine.script = kit.run_until_killed
        executor.trigger_job(kit.job(), kit.lent)
        assert executor.wait_for_jobs(0) == []

    def test_what_has_ended_before_is_there_at_the_first_look(
        self, kit: Kit, executor: LocalContainerExecutor
    ) -> None:
        """A wait of no time returns it."""
        for name in ("a", "b"):
            executor.trigger_job(kit.job(name), kit.lent)
        for thread in threading.enumerate():
            if thread.name in ("magnus-a", "magnus-b"):
                thread.join(kit.patience_seconds)
        assert {end.job.step_name for end in executor.wait_for_jobs(0)} == {"a", "b"}

    def test_a_timeout_is_counted_from_the_begin_of_the_attempt(
        self, kit: Kit, executor: LocalContainerExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However long the container took to start; magnus in it has some time to end it before."""
        monkeypatch.setattr("magnus_executor_container.executor._SECONDS_TO_TIME_OUT", 0.05)
        may_begin = threading.Event()

        def start_slowly(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
            assert may_begin.wait(kit.patience_seconds)
            return kit.run_until_killed(container, on_output)

        kit.engine.script = start_slowly
        executor.trigger_job(kit.job(timeout=0.05), kit.lent)
        assert executor.wait_for_jobs(0.15) == []
        assert not kit.engine.created[0].killed.is_set()
        may_begin.set()
        (end,) = waited(executor, 1, kit.patience_seconds)
        assert (end.failure, end.message) == ("timeout", "timed out after 0.05 s")

    def test_the_timeout_of_one_job_leaves_the_others_alone(
        self, kit: Kit, executor: LocalContainerExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They go on."""
        monkeypatch.setattr("magnus_executor_container.executor._SECONDS_TO_TIME_OUT", 0.05)
        kit.engine.script = kit.run_until_killed
        executor.trigger_job(kit.job("long"), kit.lent)
        executor.trigger_job(kit.job("short", timeout=0.05), kit.lent)
        (end,) = waited(executor, 1, kit.patience_seconds)
        assert end.job.step_name == "short"
        killed = [container.killed.is_set() for container in kit.engine.created]
        assert sorted(killed) == [False, True]

    def test_stopping_asks_first_and_kills_what_does_not_end(
        self, kit: Kit, executor: LocalContainerExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So that a step can record that it was interrupted; nothing is left then."""
        monkeypatch.setattr("magnus_executor_container.executor._SECONDS_TO_STOP", 0.05)
        begun = threading.Semaphore(0)

        def run(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
            begun.release()
            return kit.run_until_killed(container, on_output)

        kit.engine.script = run
        for name in ("a", "b"):
            executor.trigger_job(kit.job(name), kit.lent)
            assert begun.acquire(timeout=kit.patience_seconds)
        executor.stop_jobs()
        assert [container.signals for container in kit.engine.created] == [
            [signal.SIGTERM, signal.SIGKILL]
        ] * 2
        assert sorted(kit.engine.removed) == sorted(container.id for container in kit.engine.created)
        assert executor.wait_for_jobs(None) == []

    def test_a_second_wish_to_stop_shortens_the_time_that_is_given(
        self, kit: Kit, executor: LocalContainerExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What does not end by itself is killed soon, not after the hour that it would have had."""
        monkeypatch.setattr("magnus_executor_container.executor._SECONDS_TO_STOP", 3600.0)
        begun = threading.Event()

        def run(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
            begun.set()
            return kit.run_until_killed(container, on_output)

        kit.engine.script = run
        executor.trigger_job(kit.job("a"), kit.lent)
        assert begun.wait(kit.patience_seconds)
        kit.lent.remotes[0][0].is_hurried = True
        executor.stop_jobs()
        assert kit.engine.created[0].signals == [signal.SIGTERM, signal.SIGKILL]

    def test_a_container_is_asked_for_with_its_labels_and_limits(
        self, kit: Kit, executor: LocalContainerExecutor
    ) -> None:
        """By run, step and attempt; stdin holds what the core lends."""
        options = LocalContainerOptions(docker_image="image", memory="1GiB")
        executor.trigger_job(kit.job("a.b", options, resources=Resources(cpu=0.5)), kit.lent)
        waited(executor, 1, kit.patience_seconds)
        spec = kit.engine.created[0].spec
        assert spec is not None
        assert spec.command == kit.lent.command
        assert spec.limits == Limits(0.5, 1024)
        labels = {"magnus.run_id": "run", "magnus.step": "a.b", "magnus.attempt": "1"}
        assert spec.labels == {**labels, "magnus.owner": own_label()}
        assert [inside for _, inside in kit.lent.remotes] == [True]


class TestOnThisMachine:
    """Jobs that stay here."""

    @pytest.mark.parametrize("options", [LOCAL, LOCAL_PARALLEL])
    def test_jobs_run_in_workers_of_this_machine(
        self, kit: Kit, executors: list[LocalContainerExecutor], options: LocalContainerOptions
    ) -> None:
        """As those of the executor `local`; one that is asked for twice is started once."""
        executors.append(executor := LocalContainerExecutor(options))
        job = kit.job("a", options)
        assert [executor.trigger_job(job, kit.lent) for _ in range(2)] == [Status.TRIGGERED] * 2
        assert [end.status for end in executor.wait_for_jobs(None)] == [Status.SUCCESS]
        assert executor.trigger_job(job, kit.lent) is Status.SUCCESS
        assert kit.lent.here == ["a"]
        assert kit.lent.remotes == []
        assert executor.add_code_identities(job) == []

    def test_the_capabilities_say_so(self) -> None:
        """The process that traverses works with the services."""
        said = LocalContainerExecutor.capabilities(LOCAL)
        assert (said.placement, said.serves_from_traversal) == (Placement.SAME_HOST, True)

    def test_a_task_with_an_image_of_its_own_is_run_from_here(
        self, kit: Kit, executors: list[LocalContainerExecutor]
    ) -> None:
        """There need be no magnus in that image."""
        executors.append(executor := LocalContainerExecutor(LocalContainerOptions(docker_image="image")))
        assert executor.trigger_job(kit.job(command_type="container"), kit.lent) is Status.TRIGGERED
        assert [end.status for end in executor.wait_for_jobs(None)] == [Status.SUCCESS]
        assert kit.engine.created == []


def graph(*nodes: Node) -> Graph:
    """Return a graph of *nodes*."""
    return Graph(nodes[0].name, {node.name: node for node in (*nodes, Node("done", "success", {}))})


def task(name: str, command_type: str = "shell", **executor_config: Any) -> Node:
    """Return a task node."""
    settings = TaskSettings("true", command_type)
    return Node(name, "task", {}, next="done", task=settings, executor_config=executor_config)


class TestRehearsal:
    """What is tried before the first step."""

    def prepare(
        self,
        executor: LocalContainerExecutor,
        kit: Kit,
        *nodes: Node,
        needs: tuple[ComputeNeeds, ...] = (),
        **general: Any,
    ) -> None:
        """Get ready for a graph of *nodes*, which override options of the executor by their `executor_config`."""

        def options_of(node: Node) -> LocalContainerOptions:
            return LocalContainerOptions(**{"docker_image": "image", **general, **node.executor_config})

        executor.prepare_for_graph_execution(graph(*nodes), options_of, needs, kit.lent)

    def test_every_variant_is_tried_once(self, kit: Kit, executor: LocalContainerExecutor) -> None:
        """An image, or limits, of its own make one; what is run from here makes none."""
        kit.engine.images["other"] = kit.engine.images["image"]
        nodes = [
            task("a"),
            task("b"),
            task("c", docker_image="other"),
            task("d", memory=64),
            task("e", run_in_local=True),
            task("f", command_type="container"),
        ]
        self.prepare(executor, kit, *nodes)
        specs = [container.spec for container in kit.engine.created if container.spec]
        tried = [(spec.image, spec.limits.memory_mib) for spec in specs]
        assert sorted(tried, key=str) == [("image", 64), ("image", None), ("other", None)]
        assert {spec.labels["magnus.step"] for spec in specs} == {""}
        assert sorted(kit.engine.removed) == sorted(container.id for container in kit.engine.created)
        assert all(remote.is_closed for remote, _ in kit.lent.remotes)

    def test_a_graph_without_containers_needs_no_engine(
        self, kit: Kit, executor: LocalContainerExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Though the executor is the one for containers."""
        monkeypatch.setattr("magnus_executor_container.client.Engine", None)
        self.prepare(executor, kit, task("a", run_in_local=True), Node("b", "as-is", {}, next="done"))

    def test_all_that_is_wrong_is_told_at_once(self, kit: Kit, executor: LocalContainerExecutor) -> None:
        """Each problem once."""

        def refuse(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
            on_output(kit.refuse + b"db:5432 does not answer", 1)
            return ContainerEnd(3, out_of_memory=False)

        kit.engine.script = refuse
        nodes = (task("a"), task("b", memory=64), task("c", docker_image="missing", pull="never"))
        with pytest.raises(ConfigurationError) as caught:
            self.prepare(executor, kit, *nodes)
        assert str(caught.value) == (
            "in the image 'image': db:5432 does not answer\n"
            "the image 'missing' is not on this machine, and `pull: never` forbids to fetch it; check the name, or build "
            "it: magnus build_docker missing"
        )

    def test_magnus_must_begin(self, kit: Kit, executor: LocalContainerExecutor) -> None:
        """A container that ends without a word is told, even with exit code 0."""
        kit.engine.script = lambda _container, _on_output: ContainerEnd(0, out_of_memory=False)
        with pytest.raises(ConfigurationError, match=r"^magnus could not begin in the image 'image'"):
            self.prepare(executor, kit, task("a"))

    @pytest.mark.parametrize(
        ("pull", "is_here", "fetched"),
        [("missing", True, []), ("missing", False, ["new"]), ("always", True, ["new"]), ("never", True, [])],
    )
    def test_an_image_is_fetched_when_the_options_say(
        self,
        kit: Kit,
        executor: LocalContainerExecutor,
        pull: str,
        is_here: bool,  # noqa: FBT001 - a column of a table
        fetched: list[str],
    ) -> None:
        """Before the run, never during it."""
        image = Image("sha256:2", "", "amd64", ())
        kit.engine.registry["new"] = image
        if is_here:
            kit.engine.images["new"] = image
        self.prepare(executor, kit, task("a"), docker_image="new", pull=pull)
        assert kit.engine.pulled == fetched

    @pytest.mark.parametrize("is_refused", [False, True])
    def test_folders_that_are_mounted_are_made_unless_the_run_is_refused(
        self, kit: Kit, executor: LocalContainerExecutor, tmp_path: Path, *, is_refused: bool
    ) -> None:
        """The engine would make them as root's; a refused run leaves nothing."""
        need = ComputeNeeds(mounts={str(tmp_path / "runs" / "deep"): ("/x", False)})
        if is_refused:
            kit.engine.images.clear()
            with pytest.raises(ConfigurationError):
                self.prepare(executor, kit, task("a"), needs=(need,))
        else:
            self.prepare(executor, kit, task("a"), needs=(need,))
        assert (tmp_path / "runs" / "deep").exists() is not is_refused
        assert (tmp_path / "runs").exists() is not is_refused

    def test_rehearsals_that_a_killed_magnus_has_left_are_removed(
        self, kit: Kit, executor: LocalContainerExecutor
    ) -> None:
        """And nothing of a magnus that lives, nor a step's."""
        kit.engine.left = [
            Found("dead", {"magnus.run_id": "x", "magnus.step": "", "magnus.owner": DEAD}, is_running=True),
            Found(
                "alive",
                {"magnus.run_id": "x", "magnus.step": "", "magnus.owner": own_label()},
                is_running=True,
            ),
            Found("step", {"magnus.run_id": "x", "magnus.step": "a", "magnus.owner": DEAD}, is_running=True),
        ]
        self.prepare(executor, kit, task("a"))
        assert kit.engine.removed == ["dead", kit.engine.created[0].id]


class TestIdentities:
    """Which code a job runs."""

    @pytest.mark.parametrize(("digest", "known_as"), [("sha256:d", "sha256:d"), ("", "sha256:1")])
    def test_an_image_is_known_by_its_digest(
        self, kit: Kit, executor: LocalContainerExecutor, digest: str, known_as: str
    ) -> None:
        """Or by its content, where no registry has it; it is looked up once."""
        kit.engine.images["image"] = Image("sha256:1", digest, "amd64", ())
        (identity,) = executor.add_code_identities(kit.job())
        assert (identity.code_identifier, identity.code_identifier_type) == (known_as, "docker")
        assert identity.code_identifier_url == "image"
        kit.engine.images.clear()
        assert executor.add_code_identities(kit.job()) == [identity]


class TestReaping:
    """What a killed magnus has left."""

    def test_only_what_belongs_to_a_dead_magnus_is_removed(
        self, kit: Kit, executor: LocalContainerExecutor
    ) -> None:
        """One line for each container."""
        kit.engine.left = [
            Found(
                "1234567890123",
                {"magnus.run_id": "r", "magnus.step": "a.b", "magnus.owner": DEAD},
                is_running=True,
            ),
            Found("2", {"magnus.run_id": "r", "magnus.step": "", "magnus.owner": DEAD}, is_running=False),
            Found(
                "3", {"magnus.run_id": "r", "magnus.step": "c", "magnus.owner": own_label()}, is_running=True
            ),
            Found("4", {"magnus.run_id": "other", "magnus.step": "c", "magnus.owner": DEAD}, is_running=True),
        ]
        assert executor.reap("r", list) == [
            (
                "removed the container 123456789012 of the step 'a.b' of run 'r' (still running), which a killed magnus had "
                "left"
            ),
            "removed the container 2 of the rehearsal of run 'r' (ended), which a killed magnus had left",
            (
                "left alone: the container 3 of the step 'c' of run 'r'; the magnus that started it still runs, or runs "
                "elsewhere"
            ),
        ]
        assert kit.engine.removed == ["1234567890123", "2"]

    def test_nothing_is_told_where_nothing_is_left(self, kit: Kit, executor: LocalContainerExecutor) -> None:
        """The core then says so."""
        assert executor.reap("r", list) == []


def test_closing_lets_go_of_an_engine_that_was_used(kit: Kit) -> None:
    """And asks for none where none was."""
    LocalContainerExecutor(PARALLEL).close()
    assert not kit.engine.is_closed
    executor = LocalContainerExecutor(PARALLEL)
    executor.reap("r", list)
    executor.close()
    assert kit.engine.is_closed
