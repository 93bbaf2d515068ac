from __future__ import annotations

import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# What a state puts back belongs to a whole process, so each test has one of its own.
PROLOGUE = """
import os, subprocess, sys
from magnus.worker.state import ProcessState

start = os.getcwd()
path, argv, environ = sys.path, sys.argv, os.environ
before = (list(path), list(argv))
state = ProcessState()
"""


def check(folder: Path, code: str) -> None:
    """Run *code* behind the prologue in a process of its own that starts in *folder*."""
    done = subprocess.run(
        # Not as __main__, whose names are put back, too.
        [sys.executable, "-c", f"exec({PROLOGUE + dedent(code)!r}, {{'__name__': 'task'}})"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "KEPT": "before"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_working_directory_is_restored_when_the_one_the_task_went_to_is_gone(tmp_path: Path) -> None:
    """A task may work in a temporary folder and remove it."""
    check(
        tmp_path,
        """
        os.mkdir("other")
        os.chdir("other")
        os.rmdir(start + "/other")
        assert state.restore() == []
        assert os.getcwd() == start
        """,
    )


def test_the_working_directory_is_the_same_folder_and_not_the_same_name(tmp_path: Path) -> None:
    """A run goes on in its folder when somebody renames it meanwhile."""
    folder = tmp_path / "project"
    folder.mkdir()
    check(
        folder,
        """
        os.chdir("/")
        os.rename(start, start + ".renamed")
        assert state.restore() == []
        assert os.getcwd() == start + ".renamed"
        """,
    )


def test_the_environment_is_restored_for_child_processes_too(tmp_path: Path) -> None:
    """What was added is gone, what was changed or removed is as before."""
    check(
        tmp_path,
        """
        os.environ["NEW"] = "leak"
        del os.environ["KEPT"]
        assert state.restore() == []
        seen = subprocess.run(["sh", "-c", "echo $NEW$KEPT"], capture_output=True, text=True).stdout
        assert seen == "before\\n"
        """,
    )


@pytest.mark.parametrize(
    "change",
    [
        "sys.path.insert(0, 'elsewhere'); sys.argv.append('--more')",
        "sys.path = ['elsewhere', *sys.path]; sys.argv = ['prog', '--more']",
        "del sys.path, sys.argv",
        "sys.path, sys.argv = tuple(sys.path), 'prog'",
    ],
)
def test_the_search_path_and_the_arguments_are_the_same_lists_as_before(tmp_path: Path, change: str) -> None:
    """Whoever holds the list sees it too, whether a task has changed the list or put another one in its place."""
    check(
        tmp_path,
        f"""
        {change}
        state.restore()  # it may say that the process is to serve no other step
        assert sys.path is path and sys.argv is argv
        assert (path, argv) == before
        """,
    )


@pytest.mark.parametrize("change", ["os.environ = {'NEW': 'leak'}", "del os.environ"])
def test_the_environment_is_the_same_object_as_before(tmp_path: Path, change: str) -> None:
    """A plain dict in its place would reach no child process of the next step."""
    check(
        tmp_path,
        f"""
        environ["ALSO"] = "leak"
        {change}
        assert state.restore() == []
        assert os.environ is environ
        assert "ALSO" not in environ
        """,
    )


def test_a_module_that_only_imports_others_keeps_the_worker(tmp_path: Path) -> None:
    """The state of the libraries that it names is not its own."""
    (tmp_path / "work.py").write_text("import os, signal, sys, time\n")
    check(
        tmp_path,
        """
        path.insert(0, start)
        before[0].insert(0, start)
        again = ProcessState()
        import work
        again.notice_imports()
        assert [again.restore() for _ in range(3)] == [[], [], []]
        """,
    )
