"""Fills the arguments of a function from the parameters, by name."""

from __future__ import annotations

import functools
import inspect
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.errors import ParameterNotFoundError
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.ports.task_type import TaskContext

_NONE = type(None)
_EXACT = frozenset({str, int, float, bool, list, dict, _NONE})
"""A JSON value whose type is exactly the annotation needs no validation."""

_MANY_NAMES = 20


@dataclass(slots=True)
class Argument:
    """One argument of a function.

    Attributes:
        name: The parameter it is filled from.
        default: Its default; `inspect.Parameter.empty` where there is none.
        annotation: What it is annotated with, evaluated; `Any` where it is not annotated.
        exact: The types of values that satisfy the annotation as they are.
        unresolved: Why the annotation could not be evaluated; empty where it could.
    """

    name: str
    default: Any
    annotation: Any
    exact: frozenset[type]
    unresolved: str = ""
    _validate: Callable[[Any], Any] | None = field(default=None, repr=False)

    def accept(self, value: Any, command: str) -> Any:
        """Return *value* as the annotation wants it.

        Raises:
            TaskFailedError: It does not fit.
        """
        if self.annotation is Any or type(value) in self.exact:
            return value
        if self.unresolved:
            message = (
                f"the annotation of the argument '{self.name}' of {command} cannot be evaluated ({self.unresolved}); "
                "import what it names at the top of the module, outside `if TYPE_CHECKING:`"
            )
            raise TaskFailedError(message)
        if self._validate is None:
            self._validate = _validator(self.annotation)
        from pydantic import ValidationError

        try:
            return self._validate(value)
        except ValidationError as error:
            # The value itself stays out of the message: it may be large, or private.
            problems = "; ".join(
                f"{'.'.join(str(part) for part in (self.name, *item['loc']))}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False, include_context=False)
            )
            message = f"the parameter '{self.name}' does not fit the argument of {command}: {problems}"
            raise TaskFailedError(message) from None


class Plan(NamedTuple):
    """How one function is called.

    Attributes:
        command: The function's name, for messages.
        positional: Arguments that have no name for the caller.
        named: Arguments passed by name.
        rest: The `**` argument, which gets all remaining parameters; None where there is none.
    """

    command: str
    positional: tuple[Argument, ...]
    named: tuple[Argument, ...]
    rest: Argument | None

    def fill(self, context: TaskContext) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments for a call.

        Raises:
            ParameterNotFoundError: An argument without a default has no parameter.
            TaskFailedError: A parameter does not fit its annotation.
        """
        if not (self.positional or self.named or self.rest):
            return [], {}
        names = context.parameter_names
        positional = []
        for argument in self.positional:
            if argument.name in names:
                positional.append(argument.accept(context.get_parameter(argument.name), self.command))
            elif argument.default is inspect.Parameter.empty:
                raise _missing(argument.name, self.command, names)
            else:
                positional.append(argument.default)
        named = {}
        for argument in self.named:
            if argument.name in names:
                named[argument.name] = argument.accept(context.get_parameter(argument.name), self.command)
            elif argument.default is inspect.Parameter.empty:
                raise _missing(argument.name, self.command, names)
        if self.rest is not None:
            taken = named.keys() | {argument.name for argument in self.positional}
            for name in sorted(names - taken):
                named[name] = self.rest.accept(context.get_parameter(name), self.command)
        return positional, named


def plan_call(function: Callable[..., Any], command: str) -> Plan:
    """Read the signature of *function*, that of the function it wraps where it is decorated.

    Raises:
        TaskFailedError: It has no signature that could be read, as some functions written in C.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        message = f"the arguments of {command} cannot be read ({error}); wrap it in a function of your own"
        raise TaskFailedError(message) from error
    hints = _Hints(function)
    positional: list[Argument] = []
    named: list[Argument] = []
    rest = None
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        argument = hints.argument(parameter)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            rest = argument
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            positional.append(argument)
        else:
            named.append(argument)
    return Plan(command, tuple(positional), tuple(named), rest)


class _Hints:
    """Evaluates the annotations of one function; one that cannot be evaluated does not spoil the others."""

    def __init__(self, function: Callable[..., Any]) -> None:
        while isinstance(function, functools.partial):
            function = function.func
        if inspect.isclass(function):
            function = function.__init__
        elif not inspect.isroutine(function) and not hasattr(function, "__wrapped__"):
            function = type(function).__call__  # an instance that can be called
        function = inspect.unwrap(function)
        self._globals = getattr(function, "__globals__", {})
        try:
            self._all: dict[str, Any] | None = typing.get_type_hints(function, include_extras=True)
        except Exception:  # noqa: BLE001 - annotations are user code; each is tried by itself, and reported when it is needed
            self._all = None

    def argument(self, parameter: inspect.Parameter) -> Argument:
        annotation, unresolved = Any, ""
        if parameter.annotation is not inspect.Parameter.empty:
            if self._all is not None:
                annotation = self._all.get(parameter.name, parameter.annotation)
            else:
                annotation, unresolved = self._evaluate(parameter.annotation)
        if annotation is object:
            annotation = Any
        return Argument(parameter.name, parameter.default, annotation, _exact_types(annotation), unresolved)

    def _evaluate(self, annotation: Any) -> tuple[Any, str]:
        def holder() -> None:
            """Carry one annotation."""

        holder.__annotations__ = {"it": annotation}
        try:
            return typing.get_type_hints(holder, globalns=self._globals, include_extras=True)["it"], ""
        except Exception as error:  # noqa: BLE001 - annotations are user code
            return annotation, f"{type(error).__name__}: {error}"


def _exact_types(annotation: Any) -> frozenset[type]:
    """Return the types whose values satisfy *annotation* without a look inside."""
    if annotation is None:
        return frozenset({_NONE})
    if isinstance(annotation, type) and annotation in _EXACT:
        return frozenset({annotation})
    arguments = typing.get_args(annotation)
    if arguments and _NONE in arguments:  # Optional[...] and `... | None`
        others = {item for item in arguments if isinstance(item, type)}
        if len(others) == len(arguments) and others <= _EXACT:
            return frozenset(others)
    return frozenset()


def _validator(annotation: Any) -> Callable[[Any], Any]:
    from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter

    try:
        return TypeAdapter(annotation).validate_python
    except PydanticSchemaGenerationError:
        # A class that pydantic knows nothing of: the value has to be one of its instances already.
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True)).validate_python


def _missing(name: str, command: str, names: frozenset[str]) -> ParameterNotFoundError:
    from difflib import get_close_matches

    if name == "self":
        text = f"{command} is a method that needs an instance; make it a static or class method, or name a function"
        return ParameterNotFoundError(text)
    known = sorted(names)
    shown = ", ".join(known[:_MANY_NAMES]) + (", ..." if len(known) > _MANY_NAMES else "")
    close = get_close_matches(name, known, n=1)
    hint = (
        f"did you mean '{close[0]}'?"
        if close
        else f"set '{name}' before this step, or give the argument a default"
    )
    text = (
        f"{command} needs the argument '{name}', and no parameter has that name; there are: {shown or 'none'}"
    )
    return ParameterNotFoundError(f"{text}; {hint}")
