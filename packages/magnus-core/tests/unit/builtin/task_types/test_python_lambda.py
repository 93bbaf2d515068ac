from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.task_types.python_lambda import PythonLambdaTask
from magnus.errors import ParameterNotFoundError
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('lambda x, y: {"z": x + y}', {"z": 5}),
        ('lambda x, y=10: {"z": [x * i for i in range(y)]}', {"z": [0, 2, 4]}),
        ('lambda names: {"z": ", ".join(sorted(n.upper() for n in names))}', {"z": "A, B"}),
        ('lambda x, **rest: {"z": sorted(rest)}', {"z": ["names", "y"]}),
        ('lambda x: {"z": f"{x:03d}"}', {"z": "002"}),
        ('lambda x: {"z": (lambda n: n + 1)(x)}', {"z": 3}),
    ],
)
def test_a_lambda_sets_parameters(
    command: str, expected: dict[str, Any], make_context: Callable[..., Any]
) -> None:
    """Its arguments are filled by name."""
    assert PythonLambdaTask().find_problem(command) is None
    context = make_context({"x": 2, "y": 3, "names": ["b", "a"]})
    assert PythonLambdaTask().run(command, None, context).parameters == expected


@pytest.mark.parametrize(
    "command",
    [
        "x + 1",
        "lambda x:",
        "lambda: open('f')",
        "lambda: __import__('os')",
        "lambda: eval('1')",
        "lambda: exec('1')",
        "lambda: getattr(str, 'x')",
        "lambda: globals()",
        "lambda: type(1)",
        "lambda _x: 1",
        "lambda x: x.__class__",
        "lambda x: x._hidden",
        "lambda x: '{0.__class__}'.format(x)",
        "lambda x: '{x.y}'.format_map({'x': x})",
        "lambda x: x.encode('zlib_codec')",
        "lambda: (i for i in ()).gi_frame.f_back.f_globals",
        "lambda: [g := (i for i in ()), g.gi_code]",
        "lambda f: f(_x=1)",
        "lambda: (yield 1)",
        "lambda: os.system('true')",
        "lambda x: [_y for _y in x]",
        "lambda: " + "(" * 500 + ")" * 500,
        "lambda: " + "-" * 100_000 + "1",
        "lambda: '\0'",
        "",
    ],
)
def test_what_reaches_further_is_refused_before_anything_is_evaluated(
    command: str, make_context: Callable[..., Any]
) -> None:
    """At the loading of the definition and, should it come that far, at the run."""
    assert PythonLambdaTask().find_problem(command)
    with pytest.raises(TaskFailedError):
        PythonLambdaTask().run(command, None, make_context({"x": "text", "f": 1}))


def test_a_missing_argument_is_named(make_context: Callable[..., Any]) -> None:
    """As for a function."""
    with pytest.raises(ParameterNotFoundError, match="the lambda needs the argument 'x'"):
        PythonLambdaTask().run("lambda x: None", None, make_context())
