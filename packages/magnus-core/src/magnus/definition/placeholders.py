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
    from collections.abc import Collection, Mapping

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


class Target(NamedTuple):
    """The executor that a node's overrides are for.

    Attributes:
        type: Its name.
        config: Its global configuration as written.
        executors: The name of every executor there is, which tell overrides by type from flat ones.
        options: The names that its options have; none if they are not known.
    """

    type: str
    config: Mapping[str, Any]
    executors: Collection[str]
    options: Collection[str]


class NodeOptions:
    """Finds the options that an executor has for each node."""

    def __init__(self, executor: Block, executor_names: Collection[str]) -> None:
        """Start from the global options of *executor*; *executor_names* tells overrides by type from flat ones."""
        self._executor = executor
        options = option_names(executor.adapter.Options)
        self._target = Target(executor.type, executor.raw, executor_names, options)
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
        findings = Findings(node.place.path if node.place else None)
        what = f"step '{node.name}': 'executor_config'"
        effective = resolve(node.executor_config, self._target, Spot(what, findings, None, None))
        if findings.problems:
            raise ConfigurationError(findings.problems)
        values = dict(effective.values)
        if "placeholders" in self._executor.raw:
            # They are options of the executor like others, only not for a node to override.
            values["placeholders"] = self._executor.raw["placeholders"]
        options = self._executor.adapter.Options
        return build_options(options, values, what, self._executor.path, effective.sources)


def resolve(written: Mapping[str, Any], target: Target, spot: Spot) -> Effective:
    """Lay a node's overrides over the global configuration and fill in placeholders.

    A key with a value replaces the global one; where both are mappings their keys are merged. A key whose value is null
    is replaced by the placeholder of that name: by the keys of a mapping, or by a plain value for the key itself. `0`,
    `false` and the empty text are values. `placeholders` itself is left out of the result.

    Args:
        written: The node's `executor_config`: by type of executor, or flat.
        target: The executor in use.
        spot: Where *written* stands; takes the mistakes.
    """
    effective = Effective({key: value for key, value in target.config.items() if key != "placeholders"}, {})
    placeholders = target.config.get("placeholders") or {}
    findings = spot.findings
    for overrides, label in _overrides(written, target, spot):
        for key, value in overrides.items():
            source = (overrides, key, findings.path)
            if key == "placeholders":
                text = f"{label}: 'placeholders' belong to the executor's own configuration; move them there"
                findings.add_key(text, overrides, key)
            elif value is None and key in placeholders:
                _fill(effective, placeholders[key], target.options, source)
            elif target.options and key not in target.options:
                known = [*target.options, *target.executors]
                takes = f"the executor '{target.type}' takes {one_of(target.options)}"
                findings.add_key(f"{label}: unknown key '{key}'; {takes}{hint(key, known)}", overrides, key)
            elif value is None:
                findings.add(f"{label}: '{key}' {_no_placeholder(key, placeholders)}", overrides, key)
            else:
                _put(effective, key, value, source)
    return effective


def _no_placeholder(key: str, placeholders: Mapping[str, Any]) -> str:
    there = one_of(placeholders) or "none"
    text = "has no value, and the executor's configuration has no placeholder of that name"
    return f"{text}; give it a value, or add the placeholder (there are: {there}){hint(key, placeholders)}"


def _overrides(written: Mapping[str, Any], target: Target, spot: Spot) -> list[tuple[Mapping[str, Any], str]]:
    """Return the overrides that concern the executor in use, and how messages call them."""
    by_type = [key for key in written if key == target.type or key in target.executors]
    flat = [key for key in written if key not in by_type]
    if not by_type:
        return [(written, spot.what)]
    if flat:
        text = (
            f"{spot.what} has '{flat[0]}' beside the types of executors ({one_of(by_type)}); "
            f"write every key under the type that it is for{hint(flat[0], target.executors)}"
        )
        spot.findings.add_key(text, written, flat[0])
    chosen: list[tuple[Mapping[str, Any], str]] = []
    for key in by_type:
        label = f"{spot.what}: '{key}'"
        if (
            check(written[key], {"type": "object"}, Spot(label, spot.findings, written, key))
            and key == target.type
        ):
            chosen.append((written[key], label))
    return chosen


def _put(effective: Effective, key: str, value: Any, source: Source) -> None:
    old = effective.values.get(key)
    if isinstance(old, dict) and isinstance(value, dict):
        value = merged(old, value)
    effective.values[key] = value
    effective.sources[key] = source


def _fill(effective: Effective, placeholder: Any, options: Collection[str], source: Source) -> None:
    """Put a placeholder in the place of a key; one that has the shape of the option of that name becomes its value."""
    key = source[1]
    if not isinstance(placeholder, dict) or (key in options and not placeholder.keys() <= set(options)):
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
