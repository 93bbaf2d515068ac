"""Steps in containers of a real engine: what they see, what they leave, and what is left of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from containers.images import build
from harness import Project, chain, python, shell, steps_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from containers.fixtures import PostgresqlInContainers
    from docker import DockerClient

# The first session on a machine builds the image.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CANARY = "canary-7f3b9c-tweet"
RUN_LABEL = "magnus.run_id"


class Containers(Project):
    """A project whose steps run in containers."""

    def __init__(self, folder: Path, engine: DockerClient, image: str) -> None:
        """Work in *folder* with *image*."""
        super().__init__(folder)
        self.engine = engine
        self.image = image
        self.configure_containers()

    def configure_containers(self, executor: Mapping[str, Any] | None = None, **blocks: Any) -> None:
        """Write `config.yaml` with options for the executor besides its image, and other blocks."""
        config = {"docker_image": self.image, **(executor or {})}
        self.write("config.yaml", {"executor": {"type": "local-container", "config": config}, **blocks})

    def run(
        self, graph: Mapping[str, Any], *options: str, expect: int = 0, **variables: str
    ) -> dict[str, Any]:
        """Run *graph* in containers, insist on the exit code, and return the run log."""
        self.write("pipeline.yaml", {"dag": graph})
        return self.execute("-c", "config.yaml", *options, expect=expect, **variables)

    def left(self, run_id: str | None = None) -> list[Any]:
        """Return the containers of this project's runs, running or not."""
        mine = self.engine.containers.list(all=True, filters={"label": RUN_LABEL}, ignore_removed=True)
        return [
            container
            for container in mine
            if (run_id is None or container.labels[RUN_LABEL] == run_id)
            and any(mount["Source"] == str(self.folder) for mount in container.attrs["Mounts"])
        ]


@pytest.fixture
def containers(tmp_path: Path, engine: DockerClient, magnus_image: str) -> Iterator[Containers]:
    """Give a test a project in containers, and leave none of them behind."""
    project = Containers(tmp_path / "project", engine, magnus_image)
    yield project
    project.kill_what_is_left()
    for container in project.left():
        container.remove(force=True)


def shown(project: Project, *arguments: str) -> str:
    """Return what a command prints on stdout."""
    done = project.magnus(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestWorkspace:
    """What a step finds around it."""

    def test_it_works_in_the_mounted_project_and_leaves_no_container(self, containers: Containers) -> None:
        """Files that it makes are there afterwards; the image is in the identities of the code."""
        log = containers.run(chain({"one": shell("pwd; touch made; test -w .")}), "--run-id", "r")
        assert containers.lines("made") == []
        assert (containers.folder / "made").exists()
        identities = steps_of(log)["one"]["code_identities"]
        found = containers.engine.images.get(containers.image).id
        assert [
            each["code_identifier"] for each in identities if each["code_identifier_type"] == "docker"
        ] == [found]
        assert containers.left() == []
        assert shown(containers, "runs", "logs", "r").endswith("/magnus/project\n")

    @pytest.mark.parametrize("isolation", ["branch", "step"])
    def test_branches_have_a_data_folder_each(self, containers: Containers, isolation: str) -> None:
        """Items that write the same file do not meet; with `step` a step finds the files that it gets, and no others."""
        containers.configure_containers({"enable_parallel": True, "max_workers": 2, "isolation": isolation})
        steps = {
            "write": shell("test ! -e data/x; echo $MAGNUS_PRM_item > data/x; touch data/y")
            | {"catalog": {"put": ["x"]}},
            "read": shell(
                f"test $(cat data/x) = $MAGNUS_PRM_item; test {'!' * (isolation == 'step')} -e data/y"
            )
            | {"catalog": {"get": ["x"]}},
        }
        branch = chain(steps)
        node = {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch}
        containers.write("parameters.json", json.dumps({"items": ["a", "b"]}))
        log = containers.run(chain({"each": node}), "-p", "parameters.json")
        assert log["status"] == "SUCCESS"
        assert list((containers.folder / "data").iterdir()) == []
        assert containers.left() == []

    def test_nodes_override_what_is_configured_by_value_and_by_placeholder(
        self, containers: Containers
    ) -> None:
        """Image, variables and limits of one step are not those of another."""
        containers.configure_containers(
            {
                "environment": {"WHO": "all"},
                "placeholders": {"shm": {"shm": "16MiB", "environment": {"WHO": "small"}}},
            }
        )
        measure = "import os; s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize >> 20)"
        command = f'echo $WHO $(python3 -c "{measure}") >> seen'
        own = {"local-container": {"environment": {"WHO": "me"}, "shm": 32}}
        steps = {
            "plain": shell(command),
            "value": shell(command, executor_config=own),
            "placeholder": shell(command, executor_config={"local-container": {"shm": None}}),
        }
        containers.run(chain(steps))
        assert containers.lines("seen") == ["all 64", "me 32", "small 16"]

    def test_resources_are_enforced(self, containers: Containers) -> None:
        """The kernel's own figures; `executor_config` wins over `resources`."""
        read = "cat /sys/fs/cgroup/{v2} 2>/dev/null || cat /sys/fs/cgroup/{v1}"
        memory = read.format(v2="memory.max", v1="memory/memory.limit_in_bytes")
        cpu = read.format(v2="cpu.max", v1="cpu/cpu.cfs_quota_us")
        command = f"echo $({memory}) $({cpu}) >> seen"
        resources = {"cpu": 0.5, "memory": "200MiB", "shm": "24MiB"}
        steps = {
            "asked": shell(command, resources=resources),
            "overridden": shell(command, resources=resources, executor_config={"memory": "300MiB"}),
        }
        containers.run(chain(steps))
        asked, overridden = (line.split() for line in containers.lines("seen"))
        assert (asked[0], asked[1]) == (str(200 * 1024**2), "50000")
        assert overridden[0] == str(300 * 1024**2)

    def test_a_project_in_the_image_needs_no_mount(self, containers: Containers, tmp_path: Path) -> None:
        """What a step leaves for the next one goes through the catalog alone."""
        baked = tmp_path / "baked"
        baked.mkdir()
        (baked / "work.py").write_text(
            "from pathlib import Path\n"
            "def write():\n    Path('data').mkdir(exist_ok=True)\n    Path('data/x.txt').write_text('from the image')\n"
            "def read():\n    return {'content': Path('data/x.txt').read_text()}\n"
        )
        (baked / "Dockerfile").write_text(
            f"FROM {containers.image}\nCOPY work.py /srv/\nRUN chmod 777 /srv\nWORKDIR /srv\n"
        )
        tag = f"magnus-tests-baked:{os.getpid()}"
        build(containers.engine, tag, baked)
        try:
            containers.configure_containers({"docker_image": tag, "mount_project": False})
            steps = {
                "one": python("work.write", catalog={"put": ["x.txt"]}),
                "two": python("work.read", catalog={"get": ["x.txt"]}),
            }
            log = containers.run(chain(steps))
        finally:
            containers.engine.images.remove(tag, force=True)
        assert log["parameters"] == {"content": "from the image"}
        assert not (containers.folder / "data").exists()

    def test_run_in_local_runs_one_step_on_this_machine(self, containers: Containers) -> None:
        """With the same catalog and the same parameters."""
        command = "test -e /.dockerenv && echo inside >> seen || echo outside >> seen"
        local = {"local-container": {"run_in_local": True}}
        for parallel in (False, True):
            containers.configure_containers({"enable_parallel": parallel})
            steps = {
                "in": shell(command),
                "out": shell(f"! ls -d /magnus/project && {command}", executor_config=local),
            }
            containers.run(chain(steps))
        assert containers.lines("seen")[::2] == ["inside", "inside"]
        assert len(containers.lines("seen")) == 4

    @pytest.mark.parametrize("everywhere", [False, True])
    def test_limits_are_refused_where_nobody_enforces_them(
        self, containers: Containers, *, everywhere: bool
    ) -> None:
        """Rather than dropped: for one step that stays on this machine, and for all of them."""
        local = {"run_in_local": True}
        containers.configure_containers(local if everywhere else {})
        step = shell("touch ran", resources={"cpu": 1}, **({} if everywhere else {"executor_config": local}))
        containers.write("pipeline.yaml", {"dag": chain({"one": step})})
        done = containers.magnus("execute", "-c", "config.yaml")
        assert done.returncode == 2
        assert "on this machine nobody limits processors and memory" in done.stderr
        assert not (containers.folder / "ran").exists()

    def test_a_step_in_a_container_is_refused_where_services_were_judged_for_this_machine(
        self, containers: Containers
    ) -> None:
        """A buffered run log, say, that a container cannot write to."""
        containers.configure_containers({"run_in_local": True}, run_log_store={"type": "buffered"})
        step = shell("true", executor_config={"run_in_local": False})
        containers.write("pipeline.yaml", {"dag": chain({"one": step})})
        done = containers.magnus("execute", "-c", "config.yaml")
        assert done.returncode == 2
        assert "no service was judged for a container" in done.stderr

    def test_branches_run_at_the_same_time_where_that_is_configured(self, containers: Containers) -> None:
        """Two containers can wait for each other."""
        containers.configure_containers({"enable_parallel": True, "max_workers": 2})
        meet = "touch {mine}; for i in $(seq 200); do [ -e {other} ] && exit 0; sleep 0.05; done; exit 1"
        branches = {
            "a": chain({"one": shell(meet.format(mine="a", other="b"))}),
            "b": chain({"one": shell(meet.format(mine="b", other="a"))}),
        }
        containers.run(chain({"split": {"type": "parallel", "branches": branches}}))

    @pytest.mark.parametrize("user", [12345])
    def test_files_belong_to_the_caller(self, containers: Containers, user: int) -> None:
        """Magnus is called by another user here: in a container that talks to the same engine."""
        containers.write(
            "pipeline.yaml",
            {
                "dag": chain(
                    {
                        "one": shell(
                            'id -u; echo "$HOME"; echo x > data/x; touch "$HOME/y"',
                            catalog={"put": ["x"]},
                        )
                    }
                )
            },
        )
        folder = str(containers.folder)
        for path in (containers.folder, *containers.folder.rglob("*")):
            os.chown(path, user, user)
        address = "/var/run/docker.sock"
        said = containers.engine.containers.run(
            containers.image,
            ["magnus", "execute", "-c", "config.yaml", "--run-id", "r"],
            user=f"{user}:{user}",
            group_add=[str(Path(address).stat().st_gid)],
            volumes={address: {"bind": address}, folder: {"bind": folder}},
            working_dir=folder,
            stderr=True,
            remove=True,
        )
        assert f"one | {user}" in said.decode()
        made = {path.relative_to(containers.folder).parts[0] for path in containers.folder.rglob("*")}
        assert {"data", ".catalog", ".run_log_store"} <= made
        assert {path.lstat().st_uid for path in containers.folder.rglob("*")} == {user}


class TestOutput:
    """What a step prints."""

    def test_it_is_shown_while_the_step_runs_and_kept_to_the_last_line(self, containers: Containers) -> None:
        """Behind the step's name; both streams, a line without an end too."""
        command = "echo first; echo second >&2; until [ -e go ]; do sleep 0.05; done; printf last"
        containers.write("pipeline.yaml", {"dag": chain({"one": shell(command)})})
        process = containers.start("execute", "-c", "config.yaml", "--run-id", "r")
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert process.stdout.readline() == b"one | first\n"
            while b"second" not in (line := process.stderr.readline()):
                assert line
            (containers.folder / "go").touch()
            assert process.stdout.read() == b"one | last\n"
        finally:
            process.stdout.close()
            process.stderr.close()
            assert process.wait() == 0
        kept = containers.folder / ".catalog" / "r" / "_logs" / "one.1.log"
        assert sorted(kept.read_text().splitlines()) == ["first", "last", "second"]

    def test_what_a_killed_step_printed_is_kept(self, containers: Containers) -> None:
        """The step could not do it itself; the log names what killed it."""
        log = containers.run(
            chain({"one": shell("echo before; sleep 0.3; kill -9 $PPID; sleep 9")}), "--run-id", "r", expect=1
        )
        attempt = steps_of(log)["one"]["attempts"][0]
        assert (attempt["exit_code"], attempt["failure"]) == (137, ["exit:137"])
        assert "SIGKILL" in attempt["message"]
        assert (containers.folder / ".catalog" / "r" / "_logs" / "one.1.log").read_text() == "before\n"


class TestSecrets:
    """What must not be seen."""

    @pytest.mark.parametrize("manager", ["dotenv", "env-secrets-manager"])
    def test_they_reach_the_step_and_nothing_that_can_be_looked_at(
        self, containers: Containers, tmp_path: Path, manager: str
    ) -> None:
        """Neither `docker inspect` nor the container's files, its processes or its log; the run log neither."""
        outside = tmp_path / "elsewhere"
        outside.mkdir()
        (outside / "secrets.env").write_text(f"TOKEN={CANARY}\n")
        config = (
            {"location": str(outside / "secrets.env")} if manager == "dotenv" else {"prefix": "APP_SECRET_"}
        )
        containers.configure_containers(secrets={"type": manager, "config": config})
        containers.write(
            "work.py",
            """
            import time
            from pathlib import Path
            from magnus import get_secret

            def use():
                secret = get_secret("TOKEN")
                print("it is", secret)
                Path("length").write_text(str(len(secret)))
                while not Path("go").exists():
                    time.sleep(0.05)
                return {"token": secret}
            """,
        )
        containers.write("pipeline.yaml", {"dag": chain({"one": python("work.use")})})
        process = containers.start(
            "execute", "-c", "config.yaml", "--run-id", "r", "--log-level", "DEBUG", APP_SECRET_TOKEN=CANARY
        )
        wait_for((containers.folder / "length").exists, 30, "the step to hold the secret")
        (running,) = containers.left("r")
        looked_at = json.dumps(running.attrs) + json.dumps(running.top()) + json.dumps(running.diff())
        (containers.folder / "go").touch()
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert containers.lines("length") == [str(len(CANARY))]
        assert CANARY not in looked_at
        assert CANARY not in (out + err).decode()
        assert b"one | it is ***" in out
        for path in containers.folder.rglob("*"):
            assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path

    def test_what_one_step_was_handed_out_is_hidden_in_what_another_prints(
        self, containers: Containers
    ) -> None:
        """Though it went from one to the other by a file, and the other never asked for it."""
        containers.write("secrets.env", f"TOKEN={CANARY}\n")
        containers.configure_containers(secrets={"type": "dotenv", "config": {"location": "secrets.env"}})
        containers.write(
            "work.py",
            """
            from pathlib import Path
            from magnus import get_secret

            def hand_over():
                Path("handed-over").write_text(get_secret("TOKEN"))
            """,
        )
        log = containers.run(
            chain({"one": python("work.hand_over"), "two": shell("cat handed-over")}), "--run-id", "r"
        )
        assert log["status"] == "SUCCESS"
        assert CANARY not in shown(containers, "runs", "logs", "r")


class TestServices:
    """What the steps' services look like from inside."""

    @pytest.mark.parametrize(
        "store",
        [
            {"type": "chunked-fs"},
            {"type": "sql"},
            {"type": "sql", "config": {"url": "sqlite:///logs/mine.db"}},
        ],
        ids=["chunked-fs", "sql", "sql-in-a-folder"],
    )
    def test_run_logs_on_this_machine_are_written_from_containers_at_once(
        self, containers: Containers, store: dict[str, Any]
    ) -> None:
        """Eight branches, and no step is lost."""
        containers.configure_containers({"enable_parallel": True, "max_workers": 4}, run_log_store=store)
        branches = {f"b{number}": chain({"one": shell("true"), "two": shell("true")}) for number in range(8)}
        log = containers.run(chain({"split": {"type": "parallel", "branches": branches}}))
        assert len([name for name in steps_of(log) if name.endswith((".one", ".two"))]) == 16

    def test_a_postgresql_in_a_container_keeps_the_run_log(
        self, containers: Containers, postgresql_in_containers: PostgresqlInContainers
    ) -> None:
        """It has one address from inside and another from here."""
        server = postgresql_in_containers
        host, port = re.search(r"@([^:/]+):(\d+)/", server.outside).groups()  # type: ignore[union-attr]
        containers.configure_containers(
            {
                "network": server.network,
                "service_addresses": {f"{host}:{port}": "postgresql:5432"},
                "enable_parallel": True,
            },
            run_log_store={"type": "sql", "config": {"url": server.outside}},
        )
        branches = {f"b{number}": chain({"one": shell("true")}) for number in range(4)}
        log = containers.run(
            chain({"split": {"type": "parallel", "branches": branches}}), "--run-id", f"pg-{os.getpid()}"
        )
        assert len(steps_of(log)) == 4 * 2 + 2

    def test_a_server_that_does_not_answer_inside_is_told_before_the_first_step(
        self, containers: Containers
    ) -> None:
        """Nothing is left: no run log, no container."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            containers.configure_containers(
                {"service_addresses": {"127.0.0.1": "172.17.0.1"}},
                experiment_tracker={"type": "mlflow", "config": {"server_url": f"http://127.0.0.1:{port}"}},
            )
            containers.write("pipeline.yaml", {"dag": chain({"one": shell("touch ran")})})
            done = containers.magnus("execute", "-c", "config.yaml", "--run-id", "r")
        assert done.returncode == 2
        assert f"172.17.0.1:{port} does not answer" in done.stderr
        assert "Traceback" not in done.stderr
        assert sorted(path.name for path in containers.folder.iterdir()) == ["config.yaml", "pipeline.yaml"]
        assert containers.left() == []


class TestInterrupts:
    """What is left when a run is stopped."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
    @pytest.mark.parametrize("parallel", [False, True], ids=["alone", "branches"])
    def test_a_signal_stops_the_containers_within_ten_seconds(
        self, containers: Containers, number: signal.Signals, *, parallel: bool
    ) -> None:
        """The log is closed with the reason, and the run can be continued."""
        containers.configure_containers({"enable_parallel": True, "max_workers": 2})
        stubborn = "[ -e fixed ] && exit 0; trap '' TERM INT; touch {name}; sleep 60 & wait; sleep 60"
        names = ["a", "b"] if parallel else ["a"]
        if parallel:
            branches = {name: chain({"one": shell(stubborn.format(name=name))}) for name in names}
            graph = chain({"split": {"type": "parallel", "branches": branches}})
        else:
            graph = chain({"one": shell(stubborn.format(name="a"))})
        containers.write("pipeline.yaml", {"dag": graph})
        process = containers.start("execute", "-c", "config.yaml", "--run-id", "r")
        wait_for(lambda: all((containers.folder / name).exists() for name in names), 30, "the steps to run")
        before = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate()
        assert time.monotonic() - before < 10
        assert process.returncode == 130
        assert containers.left() == []
        log = containers.run_log("r")
        assert (log["status"], log["message"]) == ("FAIL", f"interrupted by {number.name}"), err
        containers.write("fixed", "")
        again = containers.execute("-c", "config.yaml", "--use-cached", "r")
        assert again["status"] == "SUCCESS"

    def test_a_timeout_ends_the_container_with_all_it_started(self, containers: Containers) -> None:
        """It counts from the begin of the attempt: starting the container takes longer. The step may save its work."""
        saving = "trap 'sleep 1; echo saved >>saved; exit 1' TERM; sleep 60 & wait"
        log = containers.run(
            chain({"quick": shell("true", timeout=0.4), "one": shell(saving, timeout=0.4, retry=2)}),
            expect=1,
        )
        attempts = steps_of(log)["one"]["attempts"]
        assert [attempt["failure"] for attempt in attempts] == [["timeout"], ["timeout"]]
        assert containers.lines("saved") == ["saved", "saved"]
        assert steps_of(log)["quick"]["status"] == "SUCCESS"
        assert containers.left() == []

    @pytest.mark.parametrize("by", ["reap", "use-cached"])
    def test_what_a_killed_magnus_left_is_removed_by_the_next_one(
        self, containers: Containers, by: str
    ) -> None:
        """And only that: the containers of a run that goes on are left alone."""
        run_id = f"killed-{by}"  # any re-run of a run of that name removes them, that of another test as well
        graph = chain(
            {"first": shell("echo . >> firsts"), "one": shell("[ -e fixed ] || { touch running; sleep 60; }")}
        )
        containers.write("pipeline.yaml", {"dag": graph})
        process = containers.start("execute", "-c", "config.yaml", "--run-id", run_id, process_group=0)
        wait_for((containers.folder / "running").exists, 30, "the step to run")
        alive = containers.magnus("runs", "reap", run_id, "-c", "config.yaml")
        assert "left alone" in alive.stderr
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert len(containers.left(run_id)) == 1
        wait_for(lambda: containers.left(run_id)[0].status == "exited", 10, "the container to end by itself")
        containers.write("fixed", "")
        if by == "reap":
            done = containers.magnus("runs", "reap", run_id, "-c", "config.yaml")
            assert done.returncode == 0
            assert f"of the step 'one' of run '{run_id}'" in done.stderr
            assert containers.left(run_id) == []
        log = containers.execute("-c", "config.yaml", "--use-cached", run_id)
        assert log["status"] == "SUCCESS"
        assert containers.left() == []
        assert containers.lines("firsts") == ["."]


class TestResume:
    """A run that failed in one place is completed in another."""

    @pytest.mark.parametrize("first_in_containers", [True, False])
    def test_only_what_had_not_succeeded_runs(
        self, containers: Containers, *, first_in_containers: bool
    ) -> None:
        """Per branch, from local to containers and back."""
        work = "echo {0} >> ${{HERE:-.}}/worked"
        branches = {
            "good": chain({"one": shell(work.format("good"))}),
            "bad": chain(
                {
                    "one": shell(work.format("bad")),
                    "two": shell("cd ${HERE:-.}; test -e fixed && echo two >> worked"),
                }
            ),
        }
        steps = {
            "first": shell(work.format("first") + "; mkdir -p data; echo x > data/x", catalog={"put": ["x"]}),
            "split": {"type": "parallel", "branches": branches},
            "last": shell(work.format("last"), catalog={"get": ["x"]}),
        }
        containers.write("pipeline.yaml", {"dag": chain(steps)})
        containers.write("local.yaml", {"executor": {"type": "local"}})
        order = ["config.yaml", "local.yaml"] if first_in_containers else ["local.yaml", "config.yaml"]
        containers.execute("-c", order[0], "--run-id", "r", expect=1)
        assert sorted(containers.lines("worked")) == ["bad", "first", "good"]
        containers.write("fixed", "")
        (containers.folder / "worked").unlink()
        containers.execute("-c", order[1], "--run-id", "s", "--use-cached", "r")
        assert containers.lines("worked") == ["two", "last"]


class TestContainerTasks:
    """Commands in an image of their own."""

    @pytest.mark.parametrize("executor", ["local", "local-container"])
    @pytest.mark.parametrize("parallel", [False, True])
    def test_they_take_and_leave_what_a_shell_task_does(
        self, containers: Containers, base_image: Any, executor: str, *, parallel: bool
    ) -> None:
        """In an image without magnus, on both executors, the files of the catalog included."""
        options = {"docker_image": containers.image} if executor == "local-container" else {}
        containers.write(
            "config.yaml", {"executor": {"type": executor, "config": options | {"enable_parallel": parallel}}}
        )
        command = (
            "test $MAGNUS_PRM_n = 1 && grep -q '\"n\":1' $MAGNUS_PARAMETERS_FILE && ! command -v magnus && mkdir -p data "
            "&& echo made > data/x && echo n=2 >> $MAGNUS_OUTPUT_PARAMETERS && "
            "echo MAGNUS_TRACK_score=0.5 >> $MAGNUS_OUTPUT_PARAMETERS && echo said"
        )
        task = {"command_type": "container", "command": command, "command_config": {"image": base_image.tag}}
        inner = chain({"one": task | {"catalog": {"put": ["x"]}}})
        log = containers.run(
            chain({"split": {"type": "parallel", "branches": {"a": inner}}}),
            "--run-id",
            "r",
            MAGNUS_PRM_n="1",
        )
        step = steps_of(log)["split.a.one"]
        assert log["parameters"] == {"n": 2}
        assert step["user_defined_metrics"] == {"score": 0.5}
        assert {entry["name"] for entry in step["data_catalog"] if entry["stage"] == "put"} == {"x"}
        assert shown(containers, "runs", "logs", "r").endswith("said\n")
        assert containers.left() == []

    def test_they_get_the_resources_that_the_step_asks_for(
        self, containers: Containers, base_image: Any
    ) -> None:
        """The container is their own."""
        command = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null >> seen || true"
        task = {"command_type": "container", "command": command, "command_config": {"image": base_image.tag}}
        containers.run(chain({"one": task | {"resources": {"memory": "123MiB"}}}))
        assert containers.lines("seen") == [str(123 * 1024**2)]

    def test_a_timeout_removes_the_container(self, containers: Containers, base_image: Any) -> None:
        """The process that started it is killed, and cannot do it."""
        containers.write("config.yaml", {"executor": {"type": "local"}})
        task = {"command_type": "container", "command": "touch begun; sleep 60"}
        graph = chain({"one": task | {"command_config": {"image": base_image.tag}, "timeout": 3}})
        log = containers.run(graph, expect=1)
        assert steps_of(log)["one"]["attempts"][0]["failure"] == ["timeout"]
        assert (containers.folder / "begun").exists()
        wait_for(lambda: not containers.left(), 10, "the guardian to remove the container")

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            (
                {"image": "magnus-tests-nowhere:1", "pull": "never"},
                "is not on this machine, and `pull: never` forbids",
            ),
            ({"shell": "/bin/nothing"}, "there is no program '/bin/nothing' in the image"),
        ],
    )
    def test_one_that_cannot_start_says_why(
        self, containers: Containers, base_image: Any, config: dict[str, Any], message: str
    ) -> None:
        """In the step's own record."""
        task = {
            "command_type": "container",
            "command": "true",
            "command_config": {"image": base_image.tag} | config,
        }
        log = containers.run(chain({"one": task}), expect=1)
        assert message in steps_of(log)["one"]["message"]
        assert containers.left() == []


def make_image(engine: DockerClient, folder: Path, name: str, dockerfile: str) -> str:
    """Build a small image."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    tag = f"magnus-tests-{name}:{os.getpid()}"
    build(engine, tag, folder)
    return tag


class TestCauses:
    """Each thing that can be wrong has a sentence of its own, before the first step where it can be known then."""

    @pytest.fixture
    def image(self, engine: DockerClient, tmp_path: Path) -> Iterator[Callable[[str, str], str]]:
        """Return a function that makes an image, which is gone after the test."""
        made: list[str] = []

        def make(name: str, dockerfile: str) -> str:
            made.append(make_image(engine, tmp_path / name, name, dockerfile))
            return made[-1]

        yield make
        for tag in made:
            engine.images.remove(tag, force=True)

    def refused(
        self, containers: Containers, executor: Mapping[str, Any], expect: int = 2, **variables: str
    ) -> str:
        """Return the message with which a run is refused that leaves nothing behind."""
        containers.configure_containers(executor)
        containers.write("pipeline.yaml", {"dag": chain({"one": shell("touch ran")})})
        before = sorted(containers.folder.rglob("*"))
        done = containers.magnus("execute", "-c", "config.yaml", **variables)
        assert done.returncode == expect, done.stderr
        assert "Traceback" not in done.stderr
        assert sorted(containers.folder.rglob("*")) == before
        assert containers.left() == []
        return done.stderr

    def test_an_image_that_is_missing(self, containers: Containers) -> None:
        """With `pull: never` nothing is asked of a registry."""
        message = self.refused(containers, {"docker_image": "magnus-tests-nowhere:1", "pull": "never"})
        assert message == (
            "magnus: the image 'magnus-tests-nowhere:1' is not on this machine, and `pull: never` forbids to fetch it; "
            "check the name, or build it: magnus build_docker magnus-tests-nowhere:1\n"
        )

    def test_an_image_without_magnus(self, containers: Containers, base_image: Any) -> None:
        """The remedy names what to install."""
        message = self.refused(containers, {"docker_image": base_image.tag})
        assert message == (
            f"magnus: magnus is missing in the image '{base_image.tag}'; build one that has it by `magnus build_docker`, "
            "or install magnus-core[container] in it\n"
        )

    def test_another_version_of_magnus(
        self, containers: Containers, image: Callable[[str, str], str]
    ) -> None:
        """Both versions are named."""
        command = (
            "import importlib.metadata as m, pathlib; "
            "p = pathlib.Path(m.distribution('magnus-core')._path); "
            "f = p / 'METADATA'; f.write_text(f.read_text().replace('Version: 0.1.0', 'Version: 0.0.9'))"
        )
        tag = image("other-version", f'FROM {containers.image}\nRUN python3 -c "{command}"\n')
        message = self.refused(containers, {"docker_image": tag})
        assert "here is magnus-core 0.0.9, but the run was started by 0.1.0" in message
        assert "build it again" in message

    def test_a_magnus_that_knows_no_jobs_from_stdin(
        self, containers: Containers, image: Callable[[str, str], str]
    ) -> None:
        """As one before this way of handing over a step."""
        script = '#!/bin/sh\\necho "No such option: --job-from-stdin" >&2; exit 2\\n'
        tag = image("old", f"FROM {containers.image}\nRUN printf '{script}' > $(command -v magnus)\n")
        assert "has another version of magnus" in self.refused(containers, {"docker_image": tag})

    def test_an_entry_point_that_runs_something_else(
        self, containers: Containers, image: Callable[[str, str], str]
    ) -> None:
        """It can be set aside."""
        tag = image("entry-point", f'FROM {containers.image}\nENTRYPOINT ["python3"]\n')
        message = self.refused(containers, {"docker_image": tag})
        assert f"the entry point of the image '{tag}' (python3) did not run the command" in message
        assert "set `entrypoint: []`" in message
        containers.configure_containers({"docker_image": tag, "entrypoint": []})
        assert containers.run(chain({"one": shell("true")}))["status"] == "SUCCESS"

    def test_limits_that_the_engine_refuses(self, containers: Containers) -> None:
        """Though only a later step asks for them."""
        containers.write(
            "pipeline.yaml",
            {"dag": chain({"one": shell("touch ran"), "two": shell("true", resources={"cpu": 4000})})},
        )
        done = containers.magnus("execute", "-c", "config.yaml")
        assert done.returncode == 2
        assert "the engine refused the container: Range of CPUs" in done.stderr
        assert not (containers.folder / "ran").exists()

    def test_a_gpu_that_is_not_there(self, containers: Containers) -> None:
        """The driver is what the engine misses."""
        assert "no driver for graphics processors" in self.refused(containers, {"gpu": 1})

    def test_an_engine_that_does_not_answer(self, containers: Containers) -> None:
        """Exit code 3: a service failed."""
        message = self.refused(containers, {}, expect=3, DOCKER_HOST="unix:///nowhere/docker.sock")
        assert (
            "no container engine answers at unix:///nowhere/docker.sock (No such file or directory)"
            in message
        )

    def test_memory_that_is_not_enough(self, containers: Containers) -> None:
        """In the terminal and in the step's record, with the limit."""
        log = containers.run(
            chain(
                {
                    "one": shell(
                        'python3 -c "x = [bytearray(10**7) for _ in range(100)]"',
                        resources={"memory": "64MiB"},
                    )
                }
            ),
            expect=1,
        )
        assert (
            "the step was killed because it needed more than its 64 MiB of memory"
            in steps_of(log)["one"]["message"]
        )

    def test_an_image_that_goes_away_during_the_run(
        self, containers: Containers, image: Callable[[str, str], str], tmp_path: Path, engine: DockerClient
    ) -> None:
        """It is the step's own failure then, and `on_failure` is followed."""
        folder = tmp_path / "leaving"
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"FROM {containers.image}\nLABEL leaving=yes\n")
        leaving = f"magnus-tests-leaving:{os.getpid()}"
        build(engine, leaving, folder)
        containers.configure_containers({"pull": "never"})
        steps = {
            "one": shell("touch running; until [ -e gone ]; do sleep 0.05; done"),
            "two": shell("true", executor_config={"docker_image": leaving}, on_failure="repair"),
            "repair": shell("touch repaired"),
        }
        containers.write("pipeline.yaml", {"dag": chain(steps)})
        process = containers.start("execute", "-c", "config.yaml", "--run-id", "r")
        wait_for((containers.folder / "running").exists, 30, "the first step to run")
        engine.images.remove(leaving, force=True)
        (containers.folder / "gone").touch()
        _, err = process.communicate()
        assert process.returncode == 0
        message = steps_of(containers.run_log("r"))["two"]["message"]
        assert f"the image '{leaving}' is not on this machine" in message
        assert message in err.decode()
        assert (containers.folder / "repaired").exists()
