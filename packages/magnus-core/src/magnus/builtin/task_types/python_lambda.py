"""Tasks that are the text of a lambda expression."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Any

from magnus.builtin.task_types.arguments import Plan, plan_call
from magnus.builtin.task_types.python import to_result
from magnus.ports.task_type import TaskFailedError, TaskResult, TaskType

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.ports.task_type import TaskContext

_BUILTINS = {
    name: getattr(builtins, name)
    for name in (
        *(
            "abs",
            "all",
            "any",
            "bin",
            "bool",
            "chr",
            "dict",
            "divmod",
            "enumerate",
            "filter",
            "float",
            "frozenset",
            "hex",
        ),
        *(
            "int",
            "isinstance",
            "len",
            "list",
            "map",
            "max",
            "min",
            "oct",
            "ord",
            "pow",
            "range",
            "repr",
            "reversed",
        ),
        *("round", "set", "sorted", "str", "sum", "tuple", "zip"),
    )
}

_NOT_HARMLESS = frozenset({"format", "format_map", "encode", "decode"})
"""Methods of strings that look up attributes written in a text, or modules by the name of an encoding."""

_METHODS = frozenset(
    name
    for kind in (str, int, float, list, tuple, dict, set)
    for name in dir(kind)
    if not name.startswith("_") and name not in _NOT_HARMLESS
)

_ALLOWED = (
    *(ast.Expression, ast.Lambda, ast.arguments, ast.arg, ast.keyword, ast.Call, ast.Starred),
    *(ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.NamedExpr, ast.expr_context),
    *(
        ast.BoolOp,
        ast.BinOp,
        ast.UnaryOp,
        ast.Compare,
        ast.IfExp,
        ast.boolop,
        ast.operator,
        ast.unaryop,
        ast.cmpop,
    ),
    *(ast.Dict, ast.Set, ast.List, ast.Tuple, ast.JoinedStr, ast.FormattedValue),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.comprehension),
)


class PythonLambdaTask(TaskType):
    """Evaluates `lambda x, y: {"z": x + y}`, with the arguments filled from the parameters by name.

    It protects from a pipeline file that reaches for more than its parameters: the expression is checked against a
    list of what it may hold before anything is evaluated. There are no imports, files, processes, `eval` or `getattr`;
    no name and no attribute that begins with an underscore; of attributes only the methods of strings, numbers, lists,
    tuples, dicts and sets, without `format` and `encode`.

    It does not protect from an expression that takes all the time or memory there is (`9**9**9`; give the step a
    `timeout`), nor from its result being used unwisely later. It is no sandbox for code from people you do not trust:
    run that in a container.
    """

    def __init__(self) -> None:
        """Know no expression yet."""
        self._known: dict[str, tuple[Callable[..., Any], Plan]] = {}

    def find_problem(self, command: str) -> str | None:
        """Return the first thing in the expression that is not allowed; nothing is evaluated."""
        try:
            _parse(command)
        except ValueError as error:
            return str(error)
        return None

    def required_parameters(self, command: str) -> list[str]:
        """Return the arguments without default."""
        from magnus.builtin.task_types.signature_in_source import required_by

        body = _parse(command).body
        return required_by(body.args) if isinstance(body, ast.Lambda) else []

    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Evaluate the expression.

        Raises:
            ParameterNotFoundError: An argument has neither a parameter nor a default.
            TaskFailedError: The expression is not allowed.
            Exception: Whatever the expression raised.
        """
        known = self._known.get(command)
        if known is None:
            try:
                function = _compile(command)
            except ValueError as error:
                raise TaskFailedError(str(error)) from None
            known = self._known[command] = (function, plan_call(function, "the lambda"))
        positional, named = known[1].fill(context)
        return to_result(known[0](*positional, **named), "the lambda")


def _compile(command: str) -> Callable[..., Any]:
    tree = _parse(command)
    try:
        code = compile(tree, "<python-lambda>", "eval")
    except (RecursionError, MemoryError, SyntaxError) as error:
        message = f"the lambda cannot be compiled: {error}"
        raise ValueError(message) from None
    return eval(code, {"__builtins__": _BUILTINS})  # type: ignore[no-any-return]  # noqa: S307 - checked by `_parse`


def _parse(command: str) -> ast.Expression:
    """Parse *command*; raise a `ValueError` that says what is not allowed in it."""
    try:
        tree = ast.parse(command.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        message = (
            f"this is no Python expression ({reason}); write a lambda, as in 'lambda x: {{\"y\": x + 1}}'"
        )
        raise ValueError(message) from None
    if not isinstance(tree.body, ast.Lambda):
        message = "the command is an expression, but not a lambda; write 'lambda x: {\"y\": x + 1}'"
        raise ValueError(message)  # noqa: TRY004 - the text is wrong, not the type of an argument
    bound = _bound_names(tree)
    for node in ast.walk(tree):
        problem = _problem_of(node, bound)
        if problem:
            message = f"{problem}; use a python task where a lambda does not do"
            raise ValueError(message)
    return tree


def _bound_names(tree: ast.AST) -> set[str]:
    """Return the names that the expression itself gives to something."""
    bound = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return bound | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _problem_of(node: ast.AST, bound: set[str]) -> str | None:
    if not isinstance(node, _ALLOWED):
        return f"'{type(node).__name__.lower()}' is not allowed in a lambda task"
    name = _name_of(node)
    if name is None:
        return None
    if name.startswith("_"):
        return f"the name '{name}' begins with an underscore, which is not allowed in a lambda task"
    if isinstance(node, ast.Attribute) and name not in _METHODS:
        return f"the attribute '.{name}' is not allowed in a lambda task"
    if isinstance(node, ast.Name) and name not in bound and name not in _BUILTINS:
        return f"the name '{name}' is not an argument of the lambda, and is not allowed in a lambda task"
    return None


def _name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.arg if isinstance(node, ast.arg | ast.keyword) else None
