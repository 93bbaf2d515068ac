"""What a node's `executor_config` makes of the executor's options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.checks import check
from magnus.definition.findings import Findings, Spot, in_order
from magnus.definition.options import build_options, option_names
from magnus.definition.words import hint, one_of
from magnus.domain.nodes import canonical_json
from magnus.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from magnus.definition.config import Block
    from magnus.definition.options import Source
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node


class Effective(NamedTuple):
    """The executor's options for one node, not yet validated.

    Attributes:
        values: The options.
        sources: Where each of them stands, if not in the global configuration.
    """

    values: dict[str, Any]
    sources: dict[str, Source]


class NodeOptions:
    """Finds the options that an executor has for each node."""

    def __init__(self, executor: Block, executor_names: Collection[str]) -> None:
        """Start from the global options of *executor*; *executor_names* tells overrides by type from flat ones."""
        self._executor = executor
        self._names = executor_names
        self._known: dict[str, Any] = {}

    def of(self, node: Node) -> Any:
        """Return the options for *node*: the global ones where it overrides nothing.

        Raises:
            ConfigurationError: Holds every mistake in the node's `executor_config`.
        """
        if not node.executor_config:
            return self._executor.options
        # Many nodes share few overrides, and validation is the slow part.
        key = canonical_json(node.executor_config)
        if key not in self._known:
            self._known[key] = self._build(node)
        return self._known[key]

    def check(self, graph: Graph) -> None:
        """Resolve the options of every node of *graph* and its branches.

        Raises:
            ConfigurationError: Holds every mistake of all nodes.
        """
        problems: list[Problem] = []
        for _, node in graph.walk():
            try:
                self.of(node)
            except ConfigurationError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigurationError(in_order(problems))

    def _build(self, node: Node) -> Any:
        executor = self._executor
        what = f"step '{node.name}': 'executor_config'"
        findings = Findings(node.place.path if node.place else None)
        names = option_names(executor.adapter.Options)
        effective = resolve(
            node.executor_config, executor.raw, executor.type, self._names, names, what, findings
        )
        if findings.problems:
            raise ConfigurationError(findings.problems)
        values = dict(effective.values)
        if "placeholders" in names and "placeholders" in executor.raw:
            # The executor may still want to see them; they are no override of the node's.
            values["placeholders"] = executor.raw["placeholders"]
        return build_options(executor.adapter.Options, values, what, executor.path, effective.sources)


def resolve(
    written: Mapping[str, Any],
    config: Mapping[str, Any],
    executor: str,
    executors: Collection[str],
    options: Collection[str],
    what: str,
    findings: Findings,
) -> Effective:
    """Lay a node's overrides over the global configuration and fill in placeholders.

    A key with a value replaces the global one; where both are mappings their keys are merged. A key whose value is null
    is replaced by the placeholder of that name: by the keys of a mapping, or by a plain value for the key itself. `0`,
    `false` and the empty text are values. `placeholders` itself is left out of the result.

    Args:
        written: The node's `executor_config`: by type of executor, or flat.
        config: The executor's global configuration.
        executor: The type of the executor in use.
        executors: Every type of executor there is.
        options: The names that the executor's options have; none if they are not known.
        what: How messages call the node's `executor_config`.
        findings: Takes the mistakes.
    """
    values = {key: value for key, value in config.items() if key != "placeholders"}
    effective = Effective(values, {})
    placeholders = config.get("placeholders") or {}
    for overrides, label in _overrides(written, executor, executors, what, findings):
        for key in overrides:
            if key == "placeholders":
                text = f"{label}: 'placeholders' belong to the executor's own configuration; move them there"
                findings.add_key(text, overrides, key)
            elif overrides[key] is not None:
                _put(effective, key, overrides[key], (overrides, key, findings.path))
            elif key in placeholders:
                _fill(effective, key, placeholders[key], options, (overrides, key, findings.path))
            else:
                text = (
                    f"{label}: '{key}' has no value, and the executor's configuration has no placeholder of that name; "
                    f"give a value, or one of the placeholders {one_of(placeholders) or '(there are none)'}"
                    f"{hint(key, placeholders)}"
                )
                findings.add(text, overrides, key)
        for key in _unknown(overrides, placeholders, options):
            known = [*options, *executors]
            text = f"{label}: unknown key '{key}'; the executor '{executor}' takes {one_of(options)}{hint(key, known)}"
            findings.add_key(text, overrides, key)
    return effective


def _unknown(
    overrides: Mapping[str, Any], placeholders: Mapping[str, Any], options: Collection[str]
) -> Iterable[str]:
    if options:
        for key, value in overrides.items():
            if key not in options and not (value is None and key in placeholders) and value is not None:
                yield key


def _overrides(
    written: Mapping[str, Any], executor: str, executors: Collection[str], what: str, findings: Findings
) -> list[tuple[Mapping[str, Any], str]]:
    """Return the overrides that concern *executor*: the flat ones, then those under its name."""
    flat = {key for key in written if key not in executors and key != executor}
    result: list[tuple[Mapping[str, Any], str]] = []
    if flat:
        others = [key for key in written if key not in flat]
        if others:
            text = (
                f"{what} has keys for any executor ({one_of(sorted(flat))}) beside those by type ({one_of(others)}); "
                f"write all under the types{hint(min(flat), executors)}"
            )
            findings.add_key(text, written, next(key for key in written if key in flat))
        else:
            result.append((written, what))
    for key in written:
        if key in flat:
            continue
        if not check(written[key], {"type": "object"}, Spot(f"{what}: '{key}'", findings, written, key)):
            continue
        if key == executor:
            result.append((written[key], f"{what}: '{key}'"))
    return result


def _put(effective: Effective, key: str, value: Any, source: Source) -> None:
    old = effective.values.get(key)
    if isinstance(old, dict) and isinstance(value, dict):
        value = merged(old, value)
    effective.values[key] = value
    effective.sources[key] = source


def _fill(effective: Effective, key: str, placeholder: Any, options: Collection[str], source: Source) -> None:
    """Put a placeholder in the place of *key*; one that has the shape of the option *key* itself becomes its value."""
    is_option = key in options and isinstance(placeholder, dict) and not placeholder.keys() <= set(options)
    if not isinstance(placeholder, dict) or is_option:
        _put(effective, key, placeholder, source)
        return
    for name, value in placeholder.items():
        _put(effective, name, value, source)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return *old* with *new* laid over it, mapping by mapping."""
    result = dict(old)
    for key, value in new.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
