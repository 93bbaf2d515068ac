"""Checks values against the subset of JSON Schema that the tables of keys use, and says where a mistake is.

The subset: `type`, `enum`, `minimum`, `exclusiveMinimum`, `maximum`, `minLength`, `items`, `properties`,
`required`, `additionalProperties`, and `oneOf` whose alternatives differ in type.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from magnus.definition.findings import Spot
from magnus.definition.variables import is_encodable
from magnus.definition.words import KINDS, found, hint, kind_of, one_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping


Schema = dict[str, Any]

MAX_DEPTH = 100
"""How deep lists and mappings of free form (`command_config`, keys of an `as-is` node, ...) may be nested."""


_MOST_BITS = 8192
"""Python turns no larger whole number into text, unless told to."""


def check(value: Any, schema: Mapping[str, Any], spot: Spot) -> bool:
    """Check the *value* that stands at *spot*, note every mistake in it, and say whether there was none."""
    kind = kind_of(value)
    chosen = _alternative(schema, kind)
    if chosen is None:
        spot.note(f"is {found(value)}; expected {expected(schema)}")
        return False
    problem = _scalar_problem(value, kind, chosen)
    if problem:
        spot.note(f"is {problem}")
        return False
    if kind == "object":
        return _check_object(value, chosen, spot)
    if kind == "array":
        return _check_array(value, chosen, spot)
    return True


def expected(schema: Mapping[str, Any]) -> str:
    """Say in words what *schema* takes."""
    if "oneOf" in schema:
        return " or ".join(expected(each) for each in schema["oneOf"])
    if "enum" in schema:
        return "one of " + one_of(schema["enum"])
    words = KINDS.get(schema.get("type", ""), "a value")
    if "exclusiveMinimum" in schema:
        words += f" above {schema['exclusiveMinimum']}"
    if "minimum" in schema and "maximum" in schema:
        return f"{words} from {schema['minimum']} to {schema['maximum']}"
    if "minimum" in schema:
        words += f" of at least {schema['minimum']}"
    if schema.get("type") == "array" and "type" in schema.get("items", {}):
        words += f", each item {KINDS[schema['items']['type']]}"
    return words


def _alternative(schema: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return the part of *schema* that is for values of *kind*; None if there is none."""
    for each in schema.get("oneOf", (schema,)):
        wanted = each.get("type")
        if wanted is None or wanted == kind or (wanted == "number" and kind == "integer"):
            alternative: Mapping[str, Any] = each
            return alternative
    return None


def _scalar_problem(value: Any, kind: str, schema: Mapping[str, Any]) -> str | None:
    if kind in {"integer", "number"}:
        too_small = value < schema.get("minimum", value) or value <= schema.get("exclusiveMinimum", -math.inf)
        if not _is_finite(value) or too_small or value > schema.get("maximum", value):
            return f"{found(value)}; expected {expected(schema)}"
    elif kind == "string":
        if "enum" in schema and value not in schema["enum"]:
            return f"{found(value)}; expected {expected(schema)}{hint(value, schema['enum'])}"
        if schema.get("minLength") and not value.strip():
            return "empty; expected text"
        if not is_encodable(value):
            return "text with half of a surrogate pair, which is no character; leave it out"
    return None


def _is_finite(value: float) -> bool:
    # A whole number too large for a float would raise in `isfinite`; it is not wanted anywhere either.
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_object(value: Mapping[str, Any], schema: Mapping[str, Any], spot: Spot) -> bool:
    properties = schema.get("properties")
    if properties is None:
        return True
    valid = check_names(value, properties, schema.get("required", ()), spot)
    for name, item in value.items():
        if name in properties:
            valid &= check(item, properties[name], Spot(f"{spot.what}: '{name}'", spot.findings, value, name))
    return valid


def check_names(
    value: Mapping[Any, Any],
    known: Iterable[str],
    required: Iterable[str],
    spot: Spot,
    aliases: Container[str] = (),
) -> bool:
    """Note the names in *value* that are not *known*, and those *required* that it lacks; say whether all is well.

    A name that was only misspelt is told once: as unknown, and not as missing too. *aliases* are taken but not told of.
    """
    names = list(known)
    unknown = [name for name in value if name not in names and name not in aliases]
    for name in unknown:
        text = f"unknown key {name!r}; known are {one_of(names)}{hint(str(name), names)}"
        spot.findings.add_key(f"{spot.what}: {text}", value, name)
    missing = [name for name in required if name not in value and not is_misspelt(name, unknown, names)]
    for name in missing:
        spot.findings.add(f"{spot.what} lacks the key '{name}'", value)
    return not unknown and not missing


def is_misspelt(name: str, unknown: Iterable[Any], known: Iterable[str]) -> bool:
    """Whether one of the *unknown* names is nearest to *name* among the *known* ones."""
    return any(hint(str(each), known) == hint(name, [name]) for each in unknown)


def _check_array(value: list[Any], schema: Mapping[str, Any], spot: Spot) -> bool:
    items = schema.get("items")
    if items is None:
        return True
    spots = (Spot(f"{spot.what}, item {n + 1},", spot.findings, value, n) for n in range(len(value)))
    checks = [check(each, items, at) for each, at in zip(value, spots, strict=True)]
    return all(checks)


def plain(value: Any, spot: Spot, depth: int = 0) -> Any:
    """Return a copy of a value of free form without places, and note what in it is not a JSON value."""
    if isinstance(value, str):
        if not is_encodable(value):
            spot.note("holds half of a surrogate pair, which is no character; leave it out")
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            spot.note("is a number of too many digits; write it as text")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            spot.note(f"is {value}, which JSON does not have; use null or text")
        return value
    if isinstance(value, dict | list | tuple):
        return _plain_container(value, spot, depth)
    spot.note(f"is {found(value)}; expected a JSON value")
    return None


def _plain_container(value: Any, spot: Spot, depth: int) -> Any:
    what, findings, _, _ = spot
    if depth == MAX_DEPTH:
        spot.note(f"is nested more than {MAX_DEPTH} levels deep; flatten it")
        return None
    if not isinstance(value, dict):
        return [plain(each, Spot(what, findings, value, n), depth + 1) for n, each in enumerate(value)]
    copy: dict[str, Any] = {}
    for name, each in value.items():
        if isinstance(name, str):
            copy[name] = plain(each, Spot(what, findings, value, name), depth + 1)
        else:
            spot.note(f"has the name {name!r}; a name has to be text")
    return copy
