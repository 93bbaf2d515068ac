"""Field cases about processes: tasks that crash, hang, swallow signals or change everything around them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from harness import chain, python, shell, steps_of, wait_for

if TYPE_CHECKING:
    from harness import Project

PATIENCE_SECONDS = 60.0
MOST_PROCESSES = 40
"""Of one project at the same time; a bomb passes it within a second."""


def execute(
    project: Project, tasks: str, steps: dict[str, Any], expect: int = 0, **variables: str
) -> dict[str, Any]:
    """Write the functions *tasks* and a chain of *steps*, run it, and return its steps by name."""
    project.write("tasks.py", tasks)
    project.write("pipeline.yaml", {"dag": chain(steps)})
    return steps_of(project.execute("--run-id", "run", expect=expect, **variables))


class TestOutput:
    """Whatever a task prints, and in whatever state it prints it, cannot block it."""

    def test_native_code_that_holds_the_interpreter_may_print_more_than_a_pipe_holds(
        self, quick_project: Project
    ) -> None:
        """The reader is another process, so it needs no lock of the task's."""
        steps = execute(
            quick_project,
            """\
            import ctypes


            def noisy():
                ctypes.PyDLL(None).write(1, b"x" * 400_000, 400_000)


            def after():
                print("after")
            """,
            {"noisy": python("tasks.noisy"), "after": python("tasks.after")},
        )
        assert steps["after"]["status"] == "SUCCESS"
        assert steps["noisy"]["data_catalog"][0]["size"] == 400_000

    @pytest.mark.parametrize(
        "command",
        [
            "rm -rf \"$TMPDIR\"/*; head -c 300000 /dev/zero | tr '\\0' x",
            "head -c 3000000 /dev/zero | tr '\\0' x",
        ],
        ids=["cleaned", "full"],
    )
    def test_a_log_that_cannot_be_kept_is_given_up_and_the_step_goes_on(
        self, quick_project: Project, tmp_path: Path, command: str, request: pytest.FixtureRequest
    ) -> None:
        """The temporary folder was emptied by the task, or is full."""
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        is_full = request.node.callspec.id == "full"
        if is_full:
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(temporary)],
                capture_output=True,
                check=False,
            )
            if mounted.returncode:
                pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
        try:
            steps = execute(
                quick_project, "", {"a": shell(command), "b": shell("echo b")}, TMPDIR=str(temporary)
            )
        finally:
            if is_full:
                subprocess.run(["umount", str(temporary)], check=True)
        assert [steps[name]["status"] for name in "ab"] == ["SUCCESS", "SUCCESS"]

    def test_a_task_without_descriptors_left_may_print(self, quick_project: Project) -> None:
        """And the next step finds the limit as it was."""
        steps = execute(
            quick_project,
            """\
            import resource


            def greedy():
                resource.setrlimit(resource.RLIMIT_NOFILE, (60, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
                files = []
                try:
                    while True:
                        files.append(open("/dev/null"))
                except OSError:
                    print("z" * 200_000)


            def after():
                return {"limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
            """,
            {"greedy": python("tasks.greedy"), "after": python("tasks.after")},
        )
        assert steps["greedy"]["data_catalog"][0]["size"] == 200_001
        assert steps["after"]["output_parameters"]["limit"] > 60

    def test_a_step_reads_nothing_whatever_stdin_magnus_has(self, project: Project) -> None:
        """It must not wait for a person who is not there."""
        project.write("tasks.py", "def ask():\n    input('really? ')\n")
        project.write("pipeline.yaml", {"dag": chain({"ask": python("tasks.ask")})})
        with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE) as sleeper:
            done = subprocess.run(
                [sys.executable, "-m", "magnus", "execute", "-f", "pipeline.yaml"],
                cwd=project.folder,
                env=project.environment(),
                stdin=sleeper.stdout,
                capture_output=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
            sleeper.kill()
        assert done.returncode == 1
        assert b"EOFError" in done.stderr


ENDS = """\
    import ctypes
    import json
    import os
    import signal
    import sys


    def crash():
        print("about to crash", flush=True)
        ctypes.string_at(0)


    def leave():
        os._exit(0)


    def kill():
        os.kill(os.getpid(), signal.SIGKILL)


    def close_descriptors():
        os.closerange(3, 256)
        raise RuntimeError("after all were closed")


    def close_output():
        os.close(1)
        os.close(2)
        raise RuntimeError("nothing can be printed")


    class Unspeakable(Exception):
        def __init__(self, kind):
            self.kind = kind

        def __str__(self):
            if self.kind == "number":
                return 3
            if self.kind == "exit":
                raise SystemExit(0)
            if self.kind == "interrupt":
                raise KeyboardInterrupt
            return self.nothing


    def number():
        raise Unspeakable("number")


    def leaves_in_text():
        raise Unspeakable("exit")


    def interrupts_in_text():
        raise Unspeakable("interrupt")


    def slip():
        raise Unspeakable("slip")


    class Odd(dict):
        def keys(self):
            raise RuntimeError("no keys")

        def __repr__(self):
            raise RuntimeError("no text")


    def odd_result():
        return {"value": Odd(a=1)}


    class Dying:
        def __del__(self):
            raise RuntimeError("not even the end")


    def dies_badly():
        Dying()
        return {"fine": 1}


    def patches():
        json.dumps = json.loads = None
        sys.modules.clear()


    def exits():
        sys.exit("bye")


    def half_a_character():
        raise ValueError("cut \\ud83d")


    def after():
        print(json.dumps([1]))
"""


class TestEnds:
    """However a task ends, it is the end of that step, and of nothing else."""

    @pytest.mark.parametrize(
        ("function", "message", "exit_code"),
        [
            ("crash", "killed by SIGSEGV", 139),
            ("leave", "ended by itself with exit code 0", 0),
            ("kill", "killed by SIGKILL", 137),
            ("close_descriptors", "RuntimeError: after all were closed", None),
            ("close_output", "RuntimeError: nothing can be printed", None),
            ("number", "its text cannot be made: TypeError", None),
            ("leaves_in_text", "its text cannot be made: SystemExit", None),
            ("interrupts_in_text", "its text cannot be made: KeyboardInterrupt", None),
            ("slip", "its text cannot be made: AttributeError", None),
            ("exits", "the task called sys.exit: bye", 1),
            ("half_a_character", "ValueError: cut", None),
        ],
    )
    @pytest.mark.parametrize("timeout", [None, 50])
    def test_a_task_that_ends_badly_fails_its_step_alone(
        self, quick_project: Project, function: str, message: str, exit_code: int | None, timeout: int | None
    ) -> None:
        """`retry` and `on_failure` go on as ever, and the run ends with 1, never with 0."""
        limit = {} if timeout is None else {"timeout": timeout}
        bad = python(f"tasks.{function}", on_failure="after", retry=2, next="done", **limit)
        steps = execute(
            quick_project, ENDS, {"bad": bad, "after": python("tasks.after", next="failed")}, expect=1
        )
        assert steps["bad"]["status"] == "FAIL"
        assert message in steps["bad"]["message"]
        assert [attempt["exit_code"] for attempt in steps["bad"]["attempts"]] == [exit_code] * 2
        assert steps["after"]["status"] == "SUCCESS"

    @pytest.mark.parametrize("function", ["dies_badly", "patches", "odd_result"])
    def test_objects_that_misbehave_after_the_task_harm_nothing(
        self, quick_project: Project, function: str
    ) -> None:
        """User code is called only where user code may fail."""
        steps = execute(
            quick_project, ENDS, {"bad": python(f"tasks.{function}"), "after": python("tasks.after")}
        )
        assert steps["after"]["status"] == "SUCCESS"

    def test_a_crash_keeps_what_was_printed(self, quick_project: Project) -> None:
        """It is in the log of the step."""
        execute(quick_project, ENDS, {"crash": python("tasks.crash")}, expect=1)
        assert "about to crash" in quick_project.magnus("runs", "logs", "run").stdout

    def test_a_crash_of_one_item_lets_its_siblings_finish(self, quick_project: Project) -> None:
        """In parallel: another worker takes over."""
        quick_project.configure(enable_parallel=True)
        quick_project.write(
            "tasks.py",
            "import os\n\n\ndef work(x):\n    if x == 2:\n        os.abort()\n    return {'y': x}\n",
        )
        branch = chain({"work": python("tasks.work")})
        step = {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": branch}
        quick_project.write("pipeline.yaml", {"dag": chain({"each": step})})
        log = quick_project.execute("-c", "config.yaml", expect=1, MAGNUS_PRM_xs="[1, 2, 3, 4, 5]")
        ended = {name: step["status"] for name, step in steps_of(log).items() if name.endswith(".work")}
        assert sorted(ended.values()) == ["FAIL"] + ["SUCCESS"] * 4

    @pytest.mark.parametrize("way", ["sys.exit(3)", "raise ValueError", "return"])
    def test_a_forked_child_that_returns_from_the_task_touches_nothing_of_ours(
        self, quick_project: Project, way: str
    ) -> None:
        """It ends there; the steps after it run once, in the parent."""
        steps = execute(
            quick_project,
            f"""\
            import os, sys


            def forks():
                pid = os.fork()
                if pid == 0:
                    {way}
                _, status = os.waitpid(pid, 0)
                return {{"code": os.waitstatus_to_exitcode(status)}}


            def second():
                with open("second.log", "a") as file:
                    print("ran", file=file)
            """,
            {"forks": python("tasks.forks"), "second": python("tasks.second")},
        )
        code = {"sys.exit(3)": 3, "raise ValueError": 1, "return": 0}[way]
        assert steps["forks"]["output_parameters"] == {"code": code}
        assert quick_project.lines("second.log") == ["ran"]


class TestBeforeTheRun:
    """What can be known from the source is refused before anything runs."""

    @pytest.mark.parametrize("prefix", ["", "async "])
    def test_a_generator_is_refused(self, quick_project: Project, prefix: str) -> None:
        """A call of it would run nothing of its body."""
        quick_project.write("tasks.py", f"{prefix}def produce():\n    open('ran', 'w')\n    yield 1\n")
        quick_project.write(
            "pipeline.yaml", {"dag": chain({"one": shell("true"), "two": python("tasks.produce")})}
        )
        done = quick_project.magnus("execute", "-f", "pipeline.yaml")
        assert done.returncode == 2
        assert "it is a generator" in done.stderr
        assert not quick_project.lines("ran")

    def test_a_generator_that_no_source_shows_fails_its_step(self, quick_project: Project) -> None:
        """One that a decorator has made, say."""
        steps = execute(
            quick_project,
            """\
            import functools


            def decorated(function):
                @functools.wraps(function)
                def inner():
                    yield function()
                return inner


            @decorated
            def produce():
                return 1
            """,
            {"one": python("tasks.produce")},
            expect=1,
        )
        assert "it is a generator" in steps["one"]["message"]

    def test_a_coroutine_function_is_awaited(self, quick_project: Project) -> None:
        """As ever."""
        steps = execute(
            quick_project, "async def work():\n    return {'y': 1}\n", {"one": python("tasks.work")}
        )
        assert steps["one"]["output_parameters"] == {"y": 1}


SHADOWS = (
    "queue",
    "calendar",
    "secrets",
    "docker",
    "catalog",
    "select",
    "json",
    "socket",
    "signal",
    "random",
)


class TestModules:
    """Modules of the project, and those of the standard library."""

    @pytest.mark.parametrize("python_path", ["", "."])
    def test_modules_called_like_those_of_the_standard_library_do_no_harm(
        self, project: Project, python_path: str
    ) -> None:
        """Nothing in the user's folder stands in for what magnus imports, in a step with a timeout as well."""
        for name in SHADOWS:
            project.write(f"{name}.py", "WHOSE = 'mine'\n\n\ndef work():\n    return {'whose': WHOSE}\n")
        steps = {"plain": python("catalog.work"), "limited": python("docker.work", timeout=50)}
        variables = {"PYTHONPATH": ""} if python_path else {}
        project.write("pipeline.yaml", {"dag": chain(steps)})
        # The command itself, not `python -m`: that puts the folder first on the path before magnus begins.
        done = subprocess.run(
            [str(Path(sys.executable).parent / "magnus"), "execute", "-f", "pipeline.yaml", "--json"],
            cwd=project.folder,
            env=project.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["parameters"] == {"whose": "mine"}


class TestShell:
    """Shell tasks end at the first line that fails."""

    FAILS_FIRST = "cat no-such-file | sort > sorted\npython3 -c 'raise SystemExit(3)'\necho loaded"

    def test_the_first_line_that_fails_ends_the_command(self, quick_project: Project) -> None:
        """With its exit code."""
        steps = execute(quick_project, "", {"load": shell(self.FAILS_FIRST)}, expect=1)
        assert steps["load"]["attempts"][0]["exit_code"] == 3

    def test_that_can_be_turned_off(self, quick_project: Project) -> None:
        """As `sh -c` does without options."""
        lenient = shell(self.FAILS_FIRST, command_config={"strict": False})
        assert execute(quick_project, "", {"load": lenient})["load"]["status"] == "SUCCESS"

    def test_a_pipe_fails_with_any_of_its_parts_where_the_shell_has_that(
        self, quick_project: Project
    ) -> None:
        """As bash does."""
        step = shell("cat no-such-file | sort\necho loaded", command_config={"executable": "/bin/bash"})
        assert execute(quick_project, "", {"load": step}, expect=1)["load"]["status"] == "FAIL"


UNGUARDED = """\
    from magnus import Map, Pipeline, Task


    def square(x: int):
        return {"y": x * x}


    pipeline = Pipeline(Map("each", "xs", "x", Task("square", square)))
"""
RUN = (
    'pipeline.execute(parameters={"xs": [1, 2, 3]}, config={"executor": {"type": "local", "config": CONFIG}})'
)


class TestScripts:
    """Pipelines in scripts, and in interactive sessions."""

    @pytest.mark.parametrize("config", ['{"enable_parallel": True}', "{}"])
    @pytest.mark.parametrize("folder", ["", "nested/"])
    def test_a_script_without_guard_is_refused_at_once(
        self, project: Project, config: str, folder: str
    ) -> None:
        """With one error that shows the guard; no worker starts it again, and no run log is left."""
        script = f"{dedent(UNGUARDED)}\n{RUN.replace('CONFIG', config)}\n"
        project.write(f"{folder}flow.py", script)
        flow = subprocess.Popen(
            [sys.executable, f"{folder}flow.py"],
            cwd=project.folder,
            env=project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        until = time.monotonic() + PATIENCE_SECONDS
        while flow.poll() is None:  # a bomb is ended before it has filled the machine
            if len(project.processes()) > MOST_PROCESSES or time.monotonic() > until:
                flow.kill()
                project.kill_what_is_left()
                pytest.fail("workers start the pipeline again")
            time.sleep(0.05)
        _, stderr = flow.communicate()
        assert flow.returncode != 0
        assert b'if __name__ == "__main__":' in stderr
        assert not list(project.folder.glob(".run_log_store/*"))
        project.wait_until_nothing_runs()

    def test_the_command_line_is_refused_as_well_while_a_worker_imports(self, quick_project: Project) -> None:
        """A module that calls `magnus` when it is imported would start itself without end."""
        steps = execute(
            quick_project,
            """\
            import subprocess

            done = subprocess.run(["magnus", "execute", "-f", "pipeline.yaml"], capture_output=True, text=True)
            print(done.returncode, done.stderr)


            def work():
                return {"code": done.returncode, "said": done.stderr}
            """,
            {"one": python("tasks.work")},
        )
        assert steps["one"]["output_parameters"]["code"] == 2
        assert "was being imported" in steps["one"]["output_parameters"]["said"]

    def test_a_guarded_script_runs_in_parallel(self, project: Project) -> None:
        """Its functions are imported by name."""
        body = f"result = {RUN}\nprint(result.status, result.parameters['y'])"
        guarded = "".join(
            f"    {line}\n" for line in body.replace("CONFIG", '{"enable_parallel": True}').splitlines()
        )
        project.write("flow.py", f'{dedent(UNGUARDED)}\nif __name__ == "__main__":\n{guarded}')
        done = project.call(sys.executable, "flow.py")
        assert done.stdout.splitlines()[-1] == "SUCCESS [1, 4, 9]", done.stderr

    def test_functions_of_a_session_that_no_process_can_import_run_in_parallel(
        self, project: Project
    ) -> None:
        """They are carried by value."""
        session = f"{dedent(UNGUARDED)}\nresult = {RUN}\nprint(result.status, result.parameters['y'])\n"
        done = subprocess.run(
            [sys.executable, "-i", "-"],
            input=session.replace("CONFIG", '{"enable_parallel": True}').replace("\n\n\n", "\n\n"),
            cwd=project.folder,
            env=project.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "SUCCESS [1, 4, 9]" in done.stdout, done.stderr

    def test_two_pipelines_in_two_threads_keep_their_outputs_apart(self, project: Project) -> None:
        """Each step's log holds its own lines only."""
        project.write(
            "flow.py",
            """\
            import threading

            from magnus import Pipeline, Task


            def talk(who: str):
                for number in range(200):
                    print(who, number)


            def run(who):
                Pipeline(Task("talk", talk)).execute(parameters={"who": who}, run_id=who, log_level="ERROR")


            if __name__ == "__main__":
                threads = [threading.Thread(target=run, args=(who,)) for who in ("ann", "bob")]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            """,
        )
        done = project.call(sys.executable, "flow.py")
        assert done.returncode == 0, done.stderr
        for who in ("ann", "bob"):
            lines = project.magnus("runs", "logs", who).stdout.splitlines()
            assert [line for line in lines if line.startswith(("ann", "bob"))] == [
                f"{who} {n}" for n in range(200)
            ]


SIGNALLED = """\
    import signal
    import time
    from pathlib import Path


    def stolen():
        signal.signal(signal.SIGTERM, lambda *_: print("checkpoint saved"))


    def wait():
        Path("waiting").touch()
        time.sleep(60)


    def swallow():
        Path("waiting").touch()
        for _ in range(60):
            try:
                time.sleep(1)
            except BaseException:
                pass


    def ignore():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        Path("waiting").touch()
        while True:
            time.sleep(1)


    def checkpoint():
        def save(*_):
            Path("checkpoint").write_text("saved")
            raise SystemExit(0)
        signal.signal(signal.SIGTERM, save)
        Path("waiting").touch()
        time.sleep(60)
"""


class TestSignals:
    """Signals and limits are kept by a process that runs no user code."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    @pytest.mark.parametrize("function", ["wait", "swallow", "ignore"])
    def test_a_signal_ends_the_run_whatever_the_task_does(
        self, project: Project, number: signal.Signals, function: str
    ) -> None:
        """Exit code 130, a closed log with the reason, and nothing left running; a handler of an earlier step is gone."""
        project.write("tasks.py", SIGNALLED)
        steps = {"stolen": python("tasks.stolen"), "last": python(f"tasks.{function}")}
        project.write("pipeline.yaml", {"dag": chain(steps)})
        project.write("config.yaml", {"executor": {"type": "local", "config": {"stop_grace": 0.5}}})
        process = project.start("execute", "-c", "config.yaml", "--run-id", "run")
        wait_for((project.folder / "waiting").exists, PATIENCE_SECONDS, "the step to begin")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130, stderr
        assert b"Traceback" not in stderr
        log = project.run_log("run")
        assert (log["status"], log["steps"]["last"]["status"]) == ("FAIL", "FAIL")
        assert log["message"] == f"interrupted by {number.name}"
        project.wait_until_nothing_runs()

    def test_a_second_signal_shortens_the_grace_and_closes_the_log_all_the_same(
        self, project: Project
    ) -> None:
        """Wrappers that forward a signal which the terminal has sent as well give this pattern."""
        project.write("tasks.py", SIGNALLED)
        project.write("pipeline.yaml", {"dag": chain({"last": python("tasks.ignore")})})
        project.write("config.yaml", {"executor": {"type": "local", "config": {"stop_grace": 50}}})
        process = project.start("execute", "-c", "config.yaml", "--run-id", "run")
        wait_for((project.folder / "waiting").exists, PATIENCE_SECONDS, "the step to begin")
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=40)
        assert process.returncode == 130
        assert project.run_log("run")["steps"]["last"]["status"] == "FAIL"
        project.wait_until_nothing_runs()

    def test_a_step_may_save_a_checkpoint_when_its_time_is_over(self, quick_project: Project) -> None:
        """SIGTERM comes first; the step has failed by its limit all the same."""
        steps = execute(quick_project, SIGNALLED, {"one": python("tasks.checkpoint", timeout=1)}, expect=1)
        assert steps["one"]["message"] == "timed out after 1 s"
        assert quick_project.lines("checkpoint") == ["saved"]

    def test_a_child_of_a_step_has_the_whole_grace_too(self, quick_project: Project) -> None:
        """The process that waits for a shell ends at once; the shell itself may still have much to save."""
        script = "trap 'sleep 1.5; echo saved >$HERE/checkpoint; exit 1' TERM; sleep 30 & wait"
        steps = execute(quick_project, SIGNALLED, {"one": shell(script, timeout=1)}, expect=1)
        assert steps["one"]["message"] == "timed out after 1 s"
        assert quick_project.lines("checkpoint") == ["saved"]

    def test_a_limit_holds_whatever_the_task_does(self, project: Project) -> None:
        """The process is killed after the grace."""
        project.write("tasks.py", SIGNALLED)
        project.write("pipeline.yaml", {"dag": chain({"one": python("tasks.ignore", timeout=0.5)})})
        project.write("config.yaml", {"executor": {"type": "local", "config": {"stop_grace": 0.2}}})
        log = project.execute("-c", "config.yaml", expect=1)
        assert log["steps"]["one"]["message"] == "timed out after 0.5 s"
        project.wait_until_nothing_runs()

    def test_limits_hold_in_a_thread_too(self, project: Project) -> None:
        """Python allows no handlers there, and none are needed."""
        project.write(
            "flow.py",
            """\
            import threading, time

            from magnus import Pipeline, Task


            def wait():
                time.sleep(60)


            def run(**limits):
                result = Pipeline(Task("wait", wait, timeout=limits.get("timeout")), max_time=limits.get("max_time"))
                try:
                    print(result.execute(log_level="ERROR").run_log.steps["wait"].message)
                except Exception as error:
                    print(error)


            if __name__ == "__main__":
                for limits in ({"timeout": 0.5}, {"max_time": 1}):
                    thread = threading.Thread(target=run, kwargs=limits)
                    thread.start()
                    thread.join(30)
                    print("ended", not thread.is_alive())
            """,
        )
        done = project.call(sys.executable, "flow.py")
        assert done.stdout.count("ended True") == 2, done.stdout + done.stderr

    def test_a_hang_up_under_nohup_is_ignored(self, project: Project) -> None:
        """The run goes on to its end."""
        project.write(
            "tasks.py",
            "import time\nfrom pathlib import Path\n\n\ndef work():\n    Path('waiting').touch()\n    time.sleep(1)\n",
        )
        project.write("pipeline.yaml", {"dag": chain({"one": python("tasks.work")})})
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            process = project.start("execute", "-f", "pipeline.yaml")
        finally:
            signal.signal(signal.SIGHUP, before)
        wait_for((project.folder / "waiting").exists, PATIENCE_SECONDS, "the step to begin")
        os.kill(process.pid, signal.SIGHUP)
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0
