"""Tasks of a parallel map may use processes and threads of their own, as they do without magnus."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from harness import chain, python, steps_of

if TYPE_CHECKING:
    from harness import Project

TRIES = int(os.environ.get("MAGNUS_TRIES", "6"))

TASKS = """\
    import concurrent.futures
    import multiprocessing
    import multiprocessing.pool
    import os
    import signal
    import subprocess
    import sys
    import threading
    import time


    def square(number):
        return number * number


    def fork_pool(x):
        with multiprocessing.get_context("fork").Pool(3) as pool:
            return sum(pool.map(square, range(x + 1)))


    def closed_pool(x):
        pool = multiprocessing.Pool(2)
        results = pool.imap_unordered(square, range(x + 1))
        found = sum(results)
        pool.close()
        pool.join()
        return found


    def left_pool(x):
        return sum(multiprocessing.get_context("fork").Pool(2).map(square, range(x + 1)))


    def spawn_pool(x):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return sum(pool.map(square, range(x + 1)))


    def forkserver_pool(x):
        with multiprocessing.get_context("forkserver").Pool(1) as pool:
            return sum(pool.map(square, range(x + 1)))


    def executor(x):
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            return sum(pool.map(square, range(x + 1)))


    def left_executor(x):
        return sum(concurrent.futures.ProcessPoolExecutor(1).map(square, range(x + 1)))


    def threads(x):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return sum(pool.map(square, range(x + 1)))


    def thread_pool(x):
        with multiprocessing.pool.ThreadPool(3) as pool:
            return sum(pool.map(square, range(x + 1)))


    def raw_threads(x):
        found = []
        started = [threading.Thread(target=lambda n=n: found.append(n * n)) for n in range(x + 1)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
        return sum(found)


    def child(x):
        code = f"print(sum(n * n for n in range({x + 1})))"
        return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


    def printing_child(x):
        subprocess.run("for i in $(seq 2000); do echo line $i; done", shell=True, check=True)
        return sum(square(number) for number in range(x + 1))


    def terminated(x):
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        process.start()
        process.terminate()
        process.join(30)
        assert process.exitcode == -signal.SIGTERM, process.exitcode
        return sum(square(number) for number in range(x + 1))


    def queue(x):
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        process = context.Process(target=put, args=(results, x))
        process.start()
        found = results.get(timeout=60)
        process.join(30)
        assert process.exitcode == 0, process.exitcode
        return found


    def put(results, x):
        print("in the child", x)
        results.put(sum(square(number) for number in range(x + 1)))


    def manager(x):
        with multiprocessing.get_context("fork").Manager() as shared:
            numbers = shared.list([square(number) for number in range(x + 1)])
            return sum(numbers)


    def shared_memory(x):
        from multiprocessing.shared_memory import SharedMemory

        memory = SharedMemory(create=True, size=8)
        memory.buf[0] = sum(square(number) for number in range(x + 1))
        found = memory.buf[0]
        memory.close()
        memory.unlink()
        return found


    def loky(x):
        import joblib

        return sum(joblib.Parallel(n_jobs=2)(joblib.delayed(square)(number) for number in range(x + 1)))


    def joblib_threads(x):
        import joblib

        work = (joblib.delayed(square)(number) for number in range(x + 1))
        return sum(joblib.Parallel(n_jobs=2, backend="threading")(work))


    def work(x: int, way: str):
        return {"found": globals()[way](x)}
"""
ALL = (
    *("fork_pool", "closed_pool", "left_pool", "spawn_pool", "forkserver_pool", "executor", "left_executor"),
    *("threads", "thread_pool", "raw_threads", "child", "printing_child", "terminated", "queue", "manager"),
    *("shared_memory", "loky", "joblib_threads"),
)
OFTEN = ("fork_pool", "executor", "child", "threads", "terminated", "loky")
"""The ways that are tried again and again."""

ITEMS = 4
EXPECTED = [sum(number * number for number in range(x + 1)) for x in range(ITEMS)]


def needs(way: str) -> None:
    """Skip where the package that *way* uses is missing."""
    if way in {"loky", "joblib_threads"}:
        pytest.importorskip("joblib")


def write_project(project: Project, ways: tuple[str, ...]) -> None:
    """Write a map over four items; each takes all *ways*, one after another."""
    project.write("tasks.py", TASKS)
    functions = "".join(f"\n\ndef {way}(x: int):\n    return tasks.work(x, {way!r})\n" for way in ways)
    project.write("steps.py", f"import tasks\n{functions}")
    branch = chain({way: python(f"steps.{way}") for way in ways})
    step = {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": branch}
    project.write("pipeline.yaml", {"dag": chain({"each": step})})
    project.configure(enable_parallel=True)


def run_once(project: Project, ways: tuple[str, ...]) -> None:
    """Run the map, and insist on right results, silence of ours, and no process that is left."""
    done = project.magnus(
        "execute", "--json", "-c", "config.yaml", MAGNUS_PRM_xs=json.dumps(list(range(ITEMS)))
    )
    assert done.returncode == 0, done.stderr
    steps = steps_of(json.loads(done.stdout))
    for way in ways:
        found: list[Any] = [
            step["output_parameters"]["found"] for name, step in steps.items() if name.endswith(f".{way}")
        ]
        assert sorted(found) == EXPECTED, way
    if (
        "loky" not in ways
    ):  # its tracker complains at times when the workers that it keeps are ended with the step
        assert "Traceback" not in done.stderr
    assert "bug in magnus" not in done.stderr
    project.wait_until_nothing_runs()


@pytest.mark.parametrize("way", ALL)
def test_a_parallel_map_whose_tasks_start_processes_and_threads(project: Project, way: str) -> None:
    """Each way gives what it gives without magnus, and ends."""
    needs(way)
    write_project(project, (way,))
    run_once(project, (way,))


@pytest.mark.parametrize("way", ALL)
def test_a_step_of_a_chain_that_starts_processes_and_threads(quick_project: Project, way: str) -> None:
    """With a limit, and as one of two steps in one worker."""
    needs(way)
    quick_project.write("tasks.py", TASKS)
    quick_project.write(
        "steps.py", f"import tasks\n\n\ndef {way}(x: int):\n    return tasks.work(x, {way!r})\n"
    )
    steps = {"one": python(f"steps.{way}"), "two": python(f"steps.{way}", timeout=100)}
    quick_project.write("pipeline.yaml", {"dag": chain(steps)})
    log = quick_project.execute(MAGNUS_PRM_x="3")
    assert [log["steps"][name]["output_parameters"]["found"] for name in ("one", "two")] == [14, 14]


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * TRIES)
def test_again_and_again(quick_project: Project) -> None:
    """A fork at the wrong moment hangs once in a hundred runs; `MAGNUS_TRIES` in the environment sets their number."""
    ways = OFTEN
    needs("loky")
    write_project(quick_project, ways)
    begin = time.monotonic()
    for number in range(TRIES):
        try:
            run_once(quick_project, ways)
        except AssertionError as error:
            error.add_note(f"in run {number + 1} of {TRIES}, after {time.monotonic() - begin:.0f} s")
            raise
