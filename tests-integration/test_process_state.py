"""What a step does to its process does not reach the next one: step one changes it, step two sees a fresh one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import chain, python, steps_of

if TYPE_CHECKING:
    from harness import Project

pytestmark = pytest.mark.usefixtures("quick_project")

KINDS: dict[str, tuple[str, str]] = {
    # name: (what step one does, the expression whose value step two must find as a process of its own would)
    "environment": (
        "os.environ['ADDED'] = '1'; os.environ.pop('HOME', None)",
        "('ADDED' in os.environ, 'HOME' in os.environ)",
    ),
    "putenv": (
        "os.putenv('HIDDEN', '1')",
        "subprocess.run(['sh', '-c', 'echo $HIDDEN'], capture_output=True).stdout.decode()",
    ),
    "working directory": ("os.chdir('/')", "os.getcwd() == '/'"),
    "search path": ("sys.path.insert(0, '/nowhere')", "'/nowhere' in sys.path"),
    "time zone": ("os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()", "time.timezone"),
    "umask": ("os.umask(0o777)", "oct(os.umask(0o22)) + oct(os.umask(0o22))"),
    "handler of SIGTERM": (
        "signal.signal(signal.SIGTERM, lambda *_: None)",
        "signal.getsignal(signal.SIGTERM) is signal.SIG_DFL",
    ),
    "handler of SIGINT": (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "signal.getsignal(signal.SIGINT) is signal.default_int_handler",
    ),
    "handler of SIGCHLD": (
        "signal.signal(signal.SIGCHLD, lambda *_: None)",
        "signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL",
    ),
    "handler of SIGUSR1": (
        "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
        "signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL",
    ),
    "blocked signals": (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
        "len(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    ),
    "alarm": ("signal.signal(signal.SIGALRM, lambda *_: None); signal.alarm(1000)", "signal.alarm(0)"),
    "timer": ("signal.setitimer(signal.ITIMER_VIRTUAL, 1000)", "signal.getitimer(signal.ITIMER_VIRTUAL)[0]"),
    "wake-up descriptor": ("signal.set_wakeup_fd(os.pipe2(os.O_NONBLOCK)[1])", "signal.set_wakeup_fd(-1)"),
    "locale": ("locale.setlocale(locale.LC_ALL, 'C')", "locale.setlocale(locale.LC_ALL)"),
    "level of the root logger": (
        "logging.basicConfig(level=1)",
        "(logging.root.level, len(logging.root.handlers))",
    ),
    "logging switched off": ("logging.disable(logging.CRITICAL)", "logging.root.manager.disable"),
    "another logger": ("logging.getLogger('lib').setLevel(1)", "logging.getLogger('lib').level"),
    "warning filters": ("warnings.simplefilter('error')", "any(f[0] == 'error' for f in warnings.filters)"),
    "recursion limit": ("sys.setrecursionlimit(5000)", "sys.getrecursionlimit()"),
    "start method": (
        "multiprocessing.set_start_method('spawn')",
        "multiprocessing.get_start_method(allow_none=True)",
    ),
    "stdout": ("sys.stdout = open(os.devnull, 'w')", "sys.stdout.fileno()"),
    "stderr": ("sys.stderr = None", "sys.stderr.fileno()"),
    "closed stdout": ("sys.stdout.close()", "sys.stdout.closed"),
    "excepthook": ("sys.excepthook = print", "sys.excepthook is sys.__excepthook__"),
    "displayhook": ("sys.displayhook = print", "sys.displayhook is sys.__displayhook__"),
    "unraisablehook": ("sys.unraisablehook = print", "sys.unraisablehook is sys.__unraisablehook__"),
    "hook of threads": ("threading.excepthook = print", "threading.excepthook is threading.__excepthook__"),
    "trace function": ("sys.settrace(lambda *_: None)", "sys.gettrace()"),
    "profile function": ("sys.setprofile(lambda *_: None)", "sys.getprofile()"),
    "decimal context": ("decimal.getcontext().prec = 3", "decimal.getcontext().prec"),
    "patched function": ("json.dumps = None", "json.dumps is None"),
    "patched function of C": ("os.getcwd = lambda: 'mine'", "os.getcwd() == 'mine'"),
    "patched constant": ("math.pi = 3.0", "math.pi"),
    "patched builtin": ("builtins.abs = None", "abs(-1)"),
    "added builtin": ("builtins.mine = 1", "hasattr(builtins, 'mine')"),
    "deleted module": ("sys.modules.pop('json')", "'json' in sys.modules"),
    "replaced module": ("sys.modules['math'] = None", "sys.modules['math'] is None"),
    "attribute of __main__": ("__import__('__main__').mine = 1", "hasattr(__import__('__main__'), 'mine')"),
    "limit on descriptors": (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (50, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))",
        "resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 50",
    ),
    "priority": ("os.nice(1)", "os.nice(0)"),
    "garbage collection off": ("gc.disable()", "gc.isenabled()"),
    "thresholds of garbage collection": ("gc.set_threshold(1, 1, 1)", "gc.get_threshold()[1:]"),
    "switch interval": ("sys.setswitchinterval(0.5)", "sys.getswitchinterval()"),
    "digits of integers": ("sys.set_int_max_str_digits(0)", "sys.get_int_max_str_digits()"),
    "faulthandler": ("faulthandler.enable()", "faulthandler.is_enabled()"),
    "tracemalloc": ("tracemalloc.start()", "tracemalloc.is_tracing()"),
    "left thread": (
        "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        "threading.active_count()",
    ),
    "left child": ("subprocess.Popen(['sleep', '1000'])", "left_children()"),
    "left grandchild of a session of its own": (
        "subprocess.run(['sh', '-c', 'setsid sleep 1000 & '])",
        "left_children()",
    ),
    "open descriptor": (
        "globals().update(kept=open(os.devnull))",
        "len(os.listdir('/proc/self/fd')) < 40 and 'kept' in globals()",
    ),
    "exit handler": ("atexit.register(print, 'bye')", "atexit._ncallbacks() == fresh_handlers"),
    "finder of modules": (
        "sys.meta_path.insert(0, type('Finder', (), {'find_spec': lambda *_: None}))",
        "len(sys.meta_path)",
    ),
    "bytecode": (
        "sys.dont_write_bytecode = not sys.dont_write_bytecode",
        "sys.dont_write_bytecode == bytecode",
    ),
    "arguments": ("sys.argv.append('mine')", "'mine' in sys.argv"),
    "default timeout of sockets": ("socket.setdefaulttimeout(3)", "socket.getdefaulttimeout()"),
    "event loop policy": (
        "asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())",
        "asyncio.events._event_loop_policy",
    ),
    "context variable": ("VARIABLE.set(1)", "VARIABLE.get(None)"),
    "stack size of threads": ("threading.stack_size(1 << 20)", "threading.stack_size()"),
    "number in a module of the project": ("state.COUNTER += 1", "state.COUNTER"),
    "list in a module of the project": ("state.KNOWN.append(1)", "state.KNOWN"),
    "function in a module of the project": ("state.helper = None", "state.helper()"),
    "class attribute": ("state.Thing.size = 2", "state.Thing.size"),
}

PRELUDE = """\
import asyncio, atexit, builtins, contextvars, decimal, faulthandler, gc, json, locale, logging, math, multiprocessing, os
import random, resource, signal, socket, subprocess, sys, threading, time, tracemalloc, warnings
import state

VARIABLE = contextvars.ContextVar("variable")
fresh_handlers = atexit._ncallbacks()
bytecode = sys.dont_write_bytecode


def left_children():
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return [line for line in listing.splitlines() if line.startswith("sleep 1000")]

"""
STATE = """\
COUNTER = 0
KNOWN = []


class Thing:
    size = 1


def helper():
    return "helper"
"""
NOT_SEEN = {"class attribute", "putenv"}
"""Changes inside classes are not looked for, since libraries change their own; `os.putenv` goes past Python's own view."""


def write_tasks(project: Project) -> list[str]:
    """Write one function that changes and one that looks for each kind; return their number as names."""
    source = PRELUDE
    names = []
    for number, (change, look) in enumerate(value for name, value in KINDS.items() if name not in NOT_SEEN):
        names.append(f"{number}")
        source += f"\ndef change_{number}():\n    {change}\n\n"
        source += f"\ndef look_{number}():\n    return {{'seen_{number}': {look}}}\n\n"
    project.write("work.py", source)
    project.write("state.py", STATE)
    return names


def expected(project: Project, names: list[str]) -> dict[str, Any]:
    """Return what each look gives in a run in which nothing has changed anything."""
    steps = {f"look {number}": python(f"work.look_{number}") for number in names}
    project.write("pipeline.yaml", {"dag": chain(steps)})
    return dict(project.execute()["parameters"])


def test_there_are_many_kinds() -> None:
    """The table is the promise."""
    assert len(KINDS) - len(NOT_SEEN) >= 25


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_what_a_step_does_to_its_process_reaches_no_other_step(project: Project, workers: int) -> None:
    """One after another, and in branches with one worker or two; the looks come right behind the changes."""
    names = write_tasks(project)
    fresh = expected(project, names)
    steps: dict[str, Any] = {}
    for number in names:
        steps[f"change {number}"] = python(f"work.change_{number}")
        steps[f"look {number}"] = python(f"work.look_{number}")
    graph = chain(steps)
    if workers:
        project.write(
            "config.yaml",
            {"executor": {"type": "local", "config": {"enable_parallel": True, "max_workers": workers}}},
        )
        graph = chain({"both": {"type": "parallel", "branches": {"one": graph, "two": graph}}})
    project.write("pipeline.yaml", {"dag": graph})
    log = project.execute(*(["-c", "config.yaml"] if workers else []))
    kinds = [name for name in KINDS if name not in NOT_SEEN]
    for name, step in steps_of(log).items():
        last = name.rpartition(".")[2]
        if last.startswith("look "):
            number = last.removeprefix("look ")
            seen = step["output_parameters"][f"seen_{number}"]
            assert seen == fresh[f"seen_{number}"], f"{kinds[int(number)]} in {name}"
    assert not steps_of(log)["both"]["message"] if workers else True
    project.wait_until_nothing_runs()


def test_random_numbers_differ_from_step_to_step(project: Project) -> None:
    """Each step draws its own, as processes of their own do, also after one has set a seed."""
    project.write(
        "work.py",
        "import random\n\n\ndef seed():\n    random.seed(1)\n\n\n"
        "def draw():\n    from magnus import get_parameter\n"
        "    return {'drawn': [*get_parameter().get('drawn', []), random.random()]}\n",
    )
    steps = {
        "seed": python("work.seed"),
        "a": python("work.draw"),
        "b": python("work.draw"),
        "again": python("work.seed"),
        "c": python("work.draw"),
    }
    project.write("pipeline.yaml", {"dag": chain(steps)})
    drawn = project.execute()["parameters"]["drawn"]
    assert len(set(drawn)) == 3
    assert 0.13436424411240122 not in drawn


def test_modules_stay_imported_from_step_to_step(project: Project) -> None:
    """A worker that nothing was done to serves the next step."""
    project.write(
        "work.py",
        """\
        from pathlib import Path

        with Path("imports").open("a") as file:
            print("imported", file=file)


        def work():
            pass
        """,
    )
    project.write("pipeline.yaml", {"dag": chain({name: python("work.work") for name in "abcdef"})})
    project.execute()
    assert project.lines("imports") == ["imported"]


def test_children_that_a_step_leaves_are_named_and_ended_before_the_next_step(project: Project) -> None:
    """In one warning."""
    project.write(
        "work.py",
        """\
        import subprocess


        def leave():
            subprocess.Popen(["sleep", "4321"])


        def look():
            listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
            assert "sleep 4321" not in listing
        """,
    )
    project.write(
        "pipeline.yaml", {"dag": chain({"leave": python("work.leave"), "look": python("work.look")})}
    )
    done = project.magnus("execute", "-f", "pipeline.yaml")
    assert done.returncode == 0, done.stderr
    assert "step 'leave' left processes running, which were ended" in done.stderr
    assert "sleep 4321" in done.stderr
