from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.task_types.python import PythonTask, function_command
from magnus.errors import ParameterNotFoundError
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODULE = """
    from __future__ import annotations
    import functools
    from dataclasses import dataclass
    from typing import TYPE_CHECKING, Optional
    from pydantic import BaseModel
    if TYPE_CHECKING:
        from decimal import Decimal

    class Point(BaseModel):
        x: int
        y: float = 0.5

    @dataclass
    class Pair:
        left: int
        right: list[int]

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)
        return wrapper

    def plain(a, b=2): return {"a": a, "b": b}
    def positional(a, b=5, c=6, /): return {"got": [a, b, c]}
    def keyword(*, a): return {"got": a}
    def everything(a, *args, **kwargs): return {"got": [a, list(args), kwargs]}
    def coerced(n: int, x: Optional[float], p: Point, q: Pair):
        return {"got": [n, x, p.x, p.y, q.left, q.right], "types": [type(n).__name__, type(x).__name__]}
    @logged
    def decorated(a: int): return {"got": a}
    def hidden(d: Decimal): return {}
    def with_hidden_default(a: int, d: Decimal = None): return {"got": a}
    def model(): return Point(x=3)
    def number(): return 7
    async def later(a): return {"got": a}
    def boom(): raise LookupError("the user's own")
    def lazy():
        import helper_of_lazy
        return {"got": helper_of_lazy.VALUE}
    class Holder:
        @staticmethod
        def static(a): return {"got": a}
        def method(self): return {}
    class Callable:
        def __call__(self, a: int): return {"got": a}
    callable_object = Callable()
    partial = functools.partial(plain, b=9)
    not_callable = 3
"""


@pytest.fixture
def module(working_directory: Path) -> Path:
    """Have the module `steps_for_test` in the working directory."""
    path = working_directory / "steps_for_test.py"
    path.write_text(textwrap.dedent(MODULE))
    return path


def run(command: str, context: Any) -> dict[str, Any]:
    """Return what the function set."""
    return dict(PythonTask().run(command, None, context).parameters)


@pytest.mark.parametrize(
    ("function", "parameters", "expected"),
    [
        ("plain", {"a": 1, "unused": 0}, {"a": 1, "b": 2}),
        ("plain", {"a": 1, "b": None}, {"a": 1, "b": None}),
        ("positional", {"a": 1, "c": 3}, {"got": [1, 5, 3]}),
        ("keyword", {"a": 1}, {"got": 1}),
        ("everything", {"a": 1, "b": 2, "args": 3}, {"got": [1, [], {"b": 2, "args": 3}]}),
        ("decorated", {"a": "4"}, {"got": 4}),
        ("with_hidden_default", {"a": 1}, {"got": 1}),
        ("model", {}, {"x": 3, "y": 0.5}),
        ("later", {"a": 1}, {"got": 1}),
        ("Holder.static", {"a": 1}, {"got": 1}),
        ("callable_object", {"a": "2"}, {"got": 2}),
        ("partial", {"a": 1}, {"a": 1, "b": 9}),
        (
            "coerced",
            {"n": "3", "x": 1, "p": {"x": "5"}, "q": {"left": 1, "right": ["2"]}},
            {"got": [3, 1.0, 5, 0.5, 1, [2]], "types": ["int", "float"]},
        ),
        (
            "coerced",
            {"n": 3, "x": None, "p": {"x": 5}, "q": {"left": 1, "right": []}},
            {"got": [3, None, 5, 0.5, 1, []], "types": ["int", "NoneType"]},
        ),
    ],
)
@pytest.mark.usefixtures("module")
def test_arguments_are_filled_by_name_and_a_dict_sets_parameters(
    function: str, parameters: dict[str, Any], expected: dict[str, Any], make_context: Callable[..., Any]
) -> None:
    """Whatever the kind of function, of argument and of annotation."""
    assert run(f"steps_for_test.{function}", make_context(parameters)) == expected


@pytest.mark.usefixtures("module")
def test_a_missing_argument_is_named_before_the_call(make_context: Callable[..., Any]) -> None:
    """The message names the function, the argument, what there is, and the nearest name."""
    with pytest.raises(ParameterNotFoundError) as caught:
        run("steps_for_test.everything", make_context({"aa": 1, "zebra": 2}))
    assert str(caught.value) == (
        "steps_for_test.everything needs the argument 'a', and no parameter has that name; "
        "there are: aa, zebra; did you mean 'aa'?"
    )


@pytest.mark.parametrize(
    ("command", "parameters", "message"),
    [
        ("no_such_module_here.f", {}, "there is no module 'no_such_module_here' to import. Searched: "),
        ("steps_for_test.plian", {}, r"has no 'plian'; did you mean 'plain'\?"),
        ("steps_for_test.Holder.statc", {"a": 1}, r"'Holder' .*has no 'statc'; did you mean 'static'\?"),
        ("steps_for_test.not_callable", {}, "a int cannot be called"),
        (
            "steps_for_test.coerced",
            {"n": "x", "x": 1, "p": {"x": 1}, "q": {}},
            "parameter 'n' does not fit .*: n: ",
        ),
        ("steps_for_test.hidden", {"d": 1}, "annotation of the argument 'd' .* outside `if TYPE_CHECKING:`"),
    ],
)
@pytest.mark.usefixtures("module")
def test_what_cannot_be_called_is_explained(
    command: str, parameters: dict[str, Any], message: str, make_context: Callable[..., Any]
) -> None:
    """Each message says what is wrong and what to do."""
    with pytest.raises(TaskFailedError, match=message):
        run(command, make_context(parameters))


@pytest.mark.usefixtures("module")
def test_a_method_without_an_instance_is_explained(make_context: Callable[..., Any]) -> None:
    """Nobody is told to set a parameter called 'self'."""
    with pytest.raises(ParameterNotFoundError, match="needs an instance"):
        run("steps_for_test.Holder.method", make_context())


@pytest.mark.usefixtures("module")
def test_other_return_values_are_ignored_with_a_warning(make_context: Callable[..., Any]) -> None:
    """The message of the step says so."""
    result = PythonTask().run("steps_for_test.number", None, make_context())
    assert result.parameters == {}
    assert "returned a value of type 'int', which is ignored" in result.message


@pytest.mark.usefixtures("module")
def test_what_the_function_raises_passes_through(make_context: Callable[..., Any]) -> None:
    """The core records the user's own error."""
    with pytest.raises(LookupError, match="the user's own"):
        run("steps_for_test.boom", make_context())


def test_an_import_that_fails_inside_the_module_is_the_users_error(
    working_directory: Path, make_context: Callable[..., Any]
) -> None:
    """A module that is there is not said to be missing."""
    (working_directory / "broken_inside.py").write_text("import surely_not_installed_here\ndef f(): pass\n")
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed_here"):
        run("broken_inside.f", make_context())


def test_the_search_path_is_left_as_it_was(module: Path, make_context: Callable[..., Any]) -> None:
    """Also while the function imports a module of the working directory by itself."""
    module.with_name("helper_of_lazy.py").write_text("VALUE = 5\n")
    before = list(sys.path)
    task = PythonTask()
    for _ in range(3):
        assert task.run("steps_for_test.lazy", None, make_context()).parameters == {"got": 5}
    assert sys.path == before


def test_a_module_of_the_same_name_elsewhere_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_context: Callable[..., Any]
) -> None:
    """Two runs of one process in two directories each find their own."""
    task = PythonTask()
    got = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "same_name_here.py").write_text(f"def f(): return {{'got': {number}}}\n")
        monkeypatch.chdir(folder)
        got.append(task.run("same_name_here.f", None, make_context()).parameters["got"])
    assert got == [1, 2]


@pytest.mark.parametrize("command", ["f", "", "a b.c", "m.f()", "m.", ".m.f", "m.class", "m-x.f"])
def test_a_command_that_is_no_dotted_name_is_a_problem(command: str) -> None:
    """It is found before anything is imported."""
    assert PythonTask().find_problem(command)


def test_a_function_is_named_by_its_module() -> None:
    """Lambdas and local functions have no name that another process could use."""
    assert function_command(textwrap.dedent) == "textwrap.dedent"

    def local() -> None:
        """Do nothing."""

    with pytest.raises(ValueError, match="inside another function"):
        function_command(local)
    with pytest.raises(ValueError, match="python-lambda"):
        function_command(lambda: None)
