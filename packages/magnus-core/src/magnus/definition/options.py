"""Builds the options of an adapter or task type from what a user wrote.

Without anything written no validation is needed, and pydantic, whose import costs more than a small run, stays away.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from magnus.definition.checks import plain
from magnus.definition.findings import Findings, Spot
from magnus.definition.words import KINDS, hint, kind_of, one_of
from magnus.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Source = tuple[Any, Any, "str | None"]
"""The holder, the key and the file of an option that does not stand in the mapping itself."""


def build_options(
    options_class: type[Any],
    raw: Mapping[str, Any],
    what: str,
    path: str | None = None,
    sources: Mapping[str, Source] | None = None,
) -> Any:
    """Return an instance of *options_class* with the values of *raw*.

    Args:
        options_class: A dataclass or a pydantic model.
        raw: What was written, with positions where it came from a file. Types are strict: text is not a number.
        what: How messages call it.
        path: The file.
        sources: Where single options stand, if not in *raw*.

    Raises:
        ConfigurationError: Holds every mistake.
    """
    if not raw and not _required(options_class):
        with suppress(ValueError):  # it asks for more than its fields say, which is told below with its place
            return options_class()
    options, problems = _validate(options_class, raw, what, path, sources or {})
    if problems:
        raise ConfigurationError(problems)
    return options


def option_problems(
    options_class: type[Any], raw: Mapping[str, Any], what: str, path: str | None = None
) -> list[Problem]:
    """Return what is wrong with *raw* as options of *options_class*; the arguments are those of `build_options`."""
    return _validate(options_class, raw, what, path, {})[1] if raw else []


def option_names(options_class: type[Any]) -> list[str]:
    """Return the names that *options_class* takes."""
    fields = getattr(options_class, "model_fields", None)
    if fields is not None:
        return [field.alias or name for name, field in fields.items()]
    return [field.name for field in dataclasses.fields(options_class) if field.init]


def option_values(options: Any) -> dict[str, Any]:
    """Return the values of *options*, from which `build_options` makes equal ones."""
    if dataclasses.is_dataclass(options) and not isinstance(options, type):
        return dataclasses.asdict(options)
    values: dict[str, Any] = options.model_dump(mode="json", by_alias=True)
    return values


def _required(options_class: type[Any]) -> bool:
    fields = getattr(options_class, "model_fields", None)
    if fields is not None:
        return any(field.is_required() for field in fields.values())
    missing = dataclasses.MISSING
    return any(
        field.default is missing and field.default_factory is missing
        for field in dataclasses.fields(options_class)
        if field.init
    )


def _validate(
    options_class: type[Any],
    raw: Mapping[str, Any],
    what: str,
    path: str | None,
    sources: Mapping[str, Source],
) -> tuple[Any, list[Problem]]:
    findings = Findings(path)

    def note(location: Sequence[Any], message: str, *, is_key: bool = False) -> None:
        holder, key, shown, file = _find(raw, location, sources, path)
        where = Findings(file, findings.problems)
        label = f"{what}: '{shown}'" if shown else what
        if is_key and isinstance(holder, dict):
            where.add_key(f"{what}: {message}", holder, key)
        else:
            where.add(f"{label} {message}", holder, key)

    unknown = list(_unknown(options_class, raw))
    for location, known in unknown:
        name = str(location[-1])
        note(location, f"unknown key '{name}'; {_known(known)}{hint(name, known)}", is_key=True)
    values = plain(raw, Spot(what, findings, raw, None))
    if findings.problems and not unknown:
        return None, findings.problems
    from pydantic import TypeAdapter, ValidationError

    for location, _ in unknown:
        _remove(values, location)
    try:
        # As JSON: strict there means that text is no number, but a list may still become a tuple, and text a path.
        options = TypeAdapter(options_class).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        _note_errors(error.errors(include_url=False, include_input=False), values, note)
        return None, findings.problems
    return options, findings.problems


def _known(names: Iterable[str]) -> str:
    listed = one_of(names)
    return f"known are {listed}" if listed else "it takes none"


def _unknown(
    wanted: Any, value: Any, at: tuple[Any, ...] = ()
) -> Iterator[tuple[tuple[Any, ...], list[str]]]:
    """Yield the location of every key that no dataclass has, at any depth; pydantic would let them pass."""
    if isinstance(value, list):
        items = {index: (get_args(wanted), each) for index, each in enumerate(value)}
    elif not isinstance(value, dict):
        return
    elif dataclasses.is_dataclass(wanted) or hasattr(wanted, "model_fields"):
        names, hints = option_names(wanted), get_type_hints(wanted)
        yield from (((*at, key), names) for key in value if key not in names)
        items = {key: ((hints[key],), each) for key, each in value.items() if key in hints}
    elif get_origin(wanted) in _UNIONS:
        for argument in get_args(wanted):
            yield from _unknown(argument, value, at)
        return
    else:
        items = {key: (get_args(wanted)[1:], each) for key, each in value.items()}
    for step, (types, each) in items.items():
        for each_type in types:
            yield from _unknown(each_type, each, (*at, step))


_UNIONS = (Union, UnionType)


def _remove(values: Any, location: Sequence[Any]) -> None:
    for step in location[:-1]:
        values = values[step]
    values.pop(location[-1], None)


def _find(
    raw: Any, location: Sequence[Any], sources: Mapping[str, Source], path: str | None
) -> tuple[Any, Any, str, str | None]:
    """Follow *location* as far as it leads: return holder and key of what is there, its name for people, and its file.

    What pydantic puts into a location besides keys (the branch of a union) leads nowhere and is left out.
    """
    holder, key, value, names = None, None, raw, ""
    for step in location:
        known = isinstance(value, dict) and step in value
        if not known and not (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            break
        if not names and step in sources:
            holder, key, path = sources[step]
            value = value[step]
        else:
            holder, key, value = value, step, value[step]
        names += f"[{step}]" if isinstance(step, int) else f".{step}" if names else str(step)
    if not names:
        holder = raw
    return holder, key, names, path


def _note_errors(errors: Iterable[Any], values: Any, note: Callable[..., None]) -> None:
    """Put pydantic's errors into our words; those that concern one value become one."""
    by_place: dict[tuple[Any, ...], list[str]] = {}
    for error in errors:
        location, value = _shorten(error["loc"], values)
        if error["type"] == "missing":
            by_place.setdefault((*location, None), []).append(f"lacks the key '{error['loc'][-1]}'")
            continue
        message = error["msg"]
        for beginning in ("Value error, ", "Assertion failed, "):
            message = message.removeprefix(beginning)
        if message.startswith("Input should be "):
            kind = KINDS.get(kind_of(value), "a value")
            wanted = message.removeprefix("Input should be ")
            message = f"is {kind}; expected {_WORDS.get(wanted, wanted)}"
        else:
            message = f"cannot be used: {message[:1].lower()}{message[1:]}"
        by_place.setdefault(location, []).append(message)
    for place, messages in by_place.items():
        location = place[:-1] if place and place[-1] is None else place
        if place and place[-1] is None:
            for message in dict.fromkeys(messages):
                note(location, message)
            continue
        note(location, _join(list(dict.fromkeys(messages))))


_WORDS = {
    "a valid boolean": "true or false",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid list": "a list",
    "a valid tuple": "a list",
    "a valid array": "a list",
    "a valid dictionary": "a mapping",
    "an object": "a mapping",
    "None": "nothing (null)",
}
"""What pydantic calls a type, in our words."""


def _shorten(location: Sequence[Any], values: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the part of *location* that leads to something in *values*, and what is there."""
    path: list[Any] = []
    for step in location:
        if (isinstance(values, dict) and step in values) or (
            isinstance(values, list) and isinstance(step, int) and step < len(values)
        ):
            values = values[step]
            path.append(step)
    return tuple(path), values


def _join(messages: list[str]) -> str:
    """Join what the alternatives of one value want: `is text; expected a or b`."""
    first, *others = messages
    for other in others:
        same = other.split("; expected ", 1)
        first += f" or {same[1]}" if len(same) > 1 else f"; {other}"
    return first
