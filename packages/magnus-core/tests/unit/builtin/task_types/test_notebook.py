from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.task_types.notebook import NotebookOptions, NotebookTask, masked, output_path
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client.*")
pytest.importorskip("nbclient", reason="needs the extra magnus-core[notebook]")


def cell(source: str, *tags: str) -> dict[str, Any]:
    """Return a code cell that was never run."""
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {"tags": list(tags)},
        "outputs": [],
        "execution_count": None,
    }


def write_notebook(path: Path, *cells: dict[str, Any], kernel: str = "python3") -> None:
    """Write a notebook file in a slightly older format."""
    metadata = {"kernelspec": {"name": kernel, "language": "python", "display_name": "any"}}
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": list(cells)})
    )


def test_parameters_are_injected_typed_and_the_notebook_sets_others(
    working_directory: Path, make_context: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """The defaults of the tagged cell are overridden, magnus works inside, prints are shown, the output is kept."""
    write_notebook(
        working_directory / "train.ipynb",
        cell("rate = 0.1\nepochs = 3", "parameters"),
        cell(
            "import magnus, sys\nprint('rate', rate, type(rate).__name__, epochs)\nprint('warned', file=sys.stderr)"
        ),
        cell("magnus.set_parameter(score=rate * 2, data=len(big), run=magnus.get_run_id())"),
        cell("magnus.track_this(loss=0.25, step=2)\nprint('token is s3cret')"),
        kernel="environment-of-someone-else",
    )
    context = make_context(
        {"rate": 0.5, "nested": {"a": [True, None]}, "big": "x" * 100_000}, secrets=["s3cret"]
    )
    NotebookTask().run("train.ipynb", NotebookOptions(), context)
    assert context.outputs.parameters == {"score": 1.0, "data": 100_000, "run": "run-1"}
    assert [tuple(metric) for metric in context.outputs.metrics] == [("loss", 0.25, 2)]
    shown = capfd.readouterr()
    assert "rate 0.5 float 3" in shown.out
    assert "warned" in shown.err
    kept = json.loads(context.kept["train_out.ipynb"])
    assert json.loads((working_directory / "train_out.ipynb").read_text()) == kept
    tags = [each["metadata"].get("tags") for each in kept["cells"]]
    assert tags[:2] == [["parameters"], ["injected-parameters"]]
    injected = "".join(kept["cells"][1]["source"])
    assert "nested = {'a': [True, None]}" in injected
    assert "x" * 5000 not in injected
    assert "token is *****" in json.dumps(kept["cells"])
    assert "is s3cret" not in json.dumps(kept["cells"][-1]["outputs"])


def test_a_failing_cell_fails_the_step_and_the_notebook_is_kept(
    working_directory: Path, make_context: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """The message names the cell and the error, and what was executed can be looked at."""
    write_notebook(working_directory / "n.ipynb", cell("x = 1"), cell("raise ValueError('no such luck')"))
    context = make_context()
    options = NotebookOptions(notebook_output_path="out/report.ipynb")
    with pytest.raises(TaskFailedError, match=r"cell 3 of out/report.ipynb failed: ValueError: no such luck"):
        NotebookTask().run("n.ipynb", options, context)
    assert "no such luck" in context.kept["report.ipynb"]
    assert "ValueError" in capfd.readouterr().err


def test_an_interrupt_kills_the_kernel(working_directory: Path, make_context: Callable[..., Any]) -> None:
    """The kernel does not outlive the step, and the signal handlers are those that were there before."""
    write_notebook(
        working_directory / "n.ipynb",
        cell("import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)"),
    )
    pid_file = working_directory / "pid"

    def interrupt() -> None:
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        NotebookTask().run("n.ipynb", NotebookOptions(), make_context())
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no notebook 'nb.ipynb' in the working directory .*; did you mean 'n.ipynb'\?"),
        ("not json", "is not a notebook: it is not JSON"),
        ("[]", "has no 'nbformat'"),
        ('{"nbformat": 4}', "is not a valid notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}', "is not a valid notebook"),
        ('{"nbformat": 99, "nbformat_minor": 5, "metadata": {}, "cells": []}', "is not a valid notebook"),
    ],
)
def test_what_is_no_notebook_is_refused(
    content: str | None, message: str, working_directory: Path, make_context: Callable[..., Any]
) -> None:
    """A missing file and a broken one are told apart."""
    if content is None:
        write_notebook(working_directory / "n.ipynb")
    else:
        (working_directory / "nb.ipynb").write_text(content)
    with pytest.raises(TaskFailedError, match=message):
        NotebookTask().run("nb.ipynb", NotebookOptions(), make_context())


def test_an_unknown_kernel_is_refused(working_directory: Path, make_context: Callable[..., Any]) -> None:
    """The message lists the kernels that there are."""
    write_notebook(working_directory / "n.ipynb", cell("1"))
    with pytest.raises(TaskFailedError, match=r"no kernel 'cobol'; installed: .*python3"):
        NotebookTask().run("n.ipynb", NotebookOptions(kernel="cobol"), make_context())


@pytest.mark.parametrize(
    ("wanted", "items", "expected"),
    [
        (None, (), "nb/a_out.ipynb"),
        ("b.ipynb", (), "b.ipynb"),
        (None, (("x", "one"),), "nb/a_one_out.ipynb"),
        (None, (("x", 0.5), ("y", "a/b")), "nb/a_%=0%2E5_a%2Fb_out.ipynb"),
        ("b.ipynb", (("x", "one"),), "b_one.ipynb"),
    ],
)
def test_items_of_a_map_have_outputs_of_their_own(wanted: str | None, items: Any, expected: str) -> None:
    """The item stands before the ending, encoded as in the names of branches."""
    assert output_path(Path("nb/a.ipynb"), wanted, items) == Path(expected)


def test_a_secret_over_two_lines_of_a_cell_is_hidden(make_context: Callable[..., Any]) -> None:
    """The lines of a text in a notebook file are one text."""
    assert masked({"text": ["a one\n", "two b\n"]}, make_context(secrets=["one\ntwo"])) == {
        "text": ["a ***** b\n"]
    }


def test_a_command_that_is_no_notebook_is_a_problem() -> None:
    """It is found before anything runs."""
    assert NotebookTask().find_problem("a.ipynb") is None
    assert "ends in .ipynb" in (NotebookTask().find_problem("a.py") or "")


def test_equal_runs_leave_equal_notebooks(working_directory: Path, make_context: Callable[..., Any]) -> None:
    """Neither times nor ids drawn at random are written: the hash of the kept notebook tells what it came to."""
    write_notebook(working_directory / "n.ipynb", cell("x = 1", "parameters"), cell("print(x)"))
    kept = []
    for _ in range(2):
        context = make_context({"x": 2})
        NotebookTask().run("n.ipynb", NotebookOptions(), context)
        kept.append(context.kept["n_out.ipynb"])
    assert kept[0] == kept[1]
