"""The nodes of a pipeline that is written in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from magnus.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from magnus.sdk.pipeline import Pipeline


class Node:
    """What all nodes have: a name, and what follows.

    `first >> second` sets what runs after *first* succeeded. A node can be used in several pipelines; what follows
    it is then the same in all of them.
    """

    type: ClassVar[str]

    def __init__(
        self,
        name: str,
        *,
        next_node: Node | str | None = None,
        on_failure: Node | str | None = None,
        executor_config: Mapping[str, Any] | None = None,
        mode_config: Mapping[str, Any] | None = None,
        **keys: Any,
    ) -> None:
        """Take the keys that a node of this type has in a pipeline file; None leaves one out.

        Args:
            name: Unique in its pipeline.
            next_node: What runs after success, as a node or its name; another way to write `>>`.
            on_failure: What runs after failure, as a node or its name; without it the pipeline's fail node.
            executor_config: Overrides of the executor's options.
            mode_config: The older name of *executor_config*.
            keys: The keys of the type.
        """
        self.name = name
        self.next = next_node
        self.on_failure = on_failure
        written = {**keys, "executor_config": executor_config, "mode_config": mode_config}
        self.keys = {key: value for key, value in written.items() if value is not None}

    def __rshift__(self, other: Node | Chain) -> Chain:
        """Run *other* after this node.

        Raises:
            DefinitionError: Something else follows already, or nothing can.
        """
        return Chain(self, self) >> other

    def __repr__(self) -> str:
        """Show type and name."""
        return f"{type(self).__name__}({self.name!r})"

    def lead_to(self, other: Node) -> None:
        """Let *other* be what follows.

        Raises:
            DefinitionError: Something else follows already.
        """
        if self.next is not None and self.next is not other:
            already = self.next.name if isinstance(self.next, Node) else self.next
            message = (
                f"step '{self.name}' leads to '{already}' already, so it cannot lead to '{other.name}' too; "
                "use Parallel for what is to run side by side"
            )
            raise DefinitionError(message)
        self.next = other

    def own_definition(
        self, convert: Callable[[str, Pipeline], Mapping[str, Any]], problems: list[Problem]
    ) -> dict[str, Any]:
        """Return the node as it stands in a pipeline file, without what follows it.

        Args:
            convert: Turns a pipeline inside the node into its `dag` block; its first argument is what messages call
                that pipeline.
            problems: Takes the mistakes.
        """
        return {"type": self.type, **{key: plain(value) for key, value in self.keys.items()}}


class Chain:
    """Nodes that run one after another: what `first >> second` gives."""

    def __init__(self, first: Node, last: Node) -> None:
        """Begin with *first*, from which what follows leads to *last*."""
        self.first = first
        self.last = last

    def __rshift__(self, other: Node | Chain) -> Chain:
        """Run *other* after the last node."""
        if not isinstance(other, Node | Chain):
            return NotImplemented
        link = other if isinstance(other, Chain) else Chain(other, other)
        self.last.lead_to(link.first)
        return Chain(self.first, link.last)

    def __iter__(self) -> Iterator[Node]:
        """Go through the nodes in order."""
        node: Node | str | None = self.first
        while isinstance(node, Node):
            yield node
            if node is self.last:
                return
            node = node.next


class Task(Node):
    """Does the work: a function, or a command of any type of task."""

    type = "task"

    def __init__(
        self,
        name: str,
        command: Callable[..., Any] | str | os.PathLike[str],
        *,
        command_type: str | None = None,
        command_config: Mapping[str, Any] | None = None,
        catalog: Mapping[str, Any] | None = None,
        retry: int | Mapping[str, Any] | None = None,
        timeout: float | None = None,
        resources: Mapping[str, Any] | None = None,
        **common: Any,
    ) -> None:
        """Say what to run; each argument means what it means in a pipeline file.

        Args:
            name: Unique in its pipeline.
            command: A function that can be imported, its dotted name, or what the type of task takes.
            command_type: `python` (the default), `shell`, `notebook`, `python-lambda`, ...
            command_config: Options of the type of task.
            catalog: The files to bring before, and to keep after: `get`, `put`, `optional`, `compute_data_folder`.
            retry: Attempts in all, or a mapping with `max_attempts`, `backoff`, `retry_on`.
            timeout: Seconds that one attempt may take.
            resources: `cpu`, `memory`, `gpu`.
            common: `next_node`, `on_failure`, `executor_config`.
        """
        super().__init__(
            name,
            command=command,
            command_type=command_type,
            command_config=command_config,
            catalog=catalog,
            retry=retry,
            timeout=timeout,
            resources=resources,
            **common,
        )

    def own_definition(
        self, convert: Callable[[str, Pipeline], Mapping[str, Any]], problems: list[Problem]
    ) -> dict[str, Any]:
        """Return the node; a function becomes its dotted name."""
        command = self.keys["command"]
        definition = super().own_definition(convert, problems)
        if isinstance(command, str | os.PathLike) or not callable(command):
            return definition
        from magnus.builtin.task_types.python import function_command

        try:
            definition["command"] = function_command(command)
        except ValueError as error:
            problems.append(Problem(f"step '{self.name}': {error}"))
            definition["command"] = "left.out"
        if definition.get("command_type", "python") != "python":
            problems.append(
                Problem(
                    f"step '{self.name}': a function runs as a task of type 'python', "
                    f"not '{definition['command_type']}'; leave out command_type"
                )
            )
            del definition["command_type"]
        return definition


class AsIs(Node):
    """Runs nothing and succeeds; any other keys are kept, for the executors that render."""

    type = "as-is"


class Stub(AsIs):
    """Another name of `AsIs`."""


class _Composite(Node):
    """Holds pipelines."""

    def own_definition(
        self, convert: Callable[[str, Pipeline], Mapping[str, Any]], problems: list[Problem]
    ) -> dict[str, Any]:
        """Return the node; the pipelines inside become `dag` blocks."""
        inside = {key: self._convert(key, value, convert) for key, value in self.keys.items()}
        return {"type": self.type, **inside}

    def _convert(self, key: str, value: Any, convert: Callable[[str, Pipeline], Mapping[str, Any]]) -> Any:
        if key == "branches" and isinstance(value, Mapping):
            return {
                name: self._convert(f"branch '{name}'", branch, convert) for name, branch in value.items()
            }
        pipeline = _as_pipeline(value)
        if pipeline is None:
            return plain(value)
        return convert(f"step '{self.name}', {key}", pipeline)


class Parallel(_Composite):
    """Walks several pipelines, at the same time where the executor can."""

    type = "parallel"

    def __init__(
        self,
        name: str,
        branches: Mapping[str, Pipeline | Node | Chain | Sequence[Node | Chain]],
        **common: Any,
    ) -> None:
        """Take the branches by name: pipelines, or steps that make one.

        Args:
            name: Unique in its pipeline.
            branches: In the order in which what they set is merged.
            common: `next_node`, `on_failure`, `executor_config`.
        """
        super().__init__(name, branches=branches, **common)


class Map(_Composite):
    """Walks one pipeline for every item of a list."""

    type = "map"

    def __init__(
        self,
        name: str,
        iterate_on: str,
        iterate_as: str,
        branch: Pipeline | Node | Chain | Sequence[Node | Chain],
        max_concurrency: int | None = None,
        **common: Any,
    ) -> None:
        """Say over what to iterate, and what to do with each item.

        Args:
            name: Unique in its pipeline.
            iterate_on: The parameter that holds the list.
            iterate_as: The name under which the branch finds its item.
            branch: A pipeline, or steps that make one.
            max_concurrency: The most items that may be in work at the same time.
            common: `next_node`, `on_failure`, `executor_config`.
        """
        super().__init__(
            name,
            iterate_on=iterate_on,
            iterate_as=iterate_as,
            branch=branch,
            max_concurrency=max_concurrency,
            **common,
        )


class Dag(_Composite):
    """Walks one other pipeline: one that stands in a file, or one made in Python."""

    type = "dag"

    def __init__(self, name: str, dag_definition: str | os.PathLike[str] | Pipeline, **common: Any) -> None:
        """Take the pipeline.

        Args:
            name: Unique in its pipeline.
            dag_definition: A pipeline file, relative to the working directory; or a pipeline, or steps that make one.
            common: `next_node`, `on_failure`, `executor_config`.
        """
        is_file = isinstance(dag_definition, str | os.PathLike)
        keys: dict[str, Any] = {"dag_definition" if is_file else "dag": dag_definition}
        super().__init__(name, **keys, **common)


class Terminal(Node):
    """Closes its pipeline."""

    def __init__(self, name: str) -> None:
        """Give it a *name*, which shows in the run log and counts for the hash of the dag."""
        super().__init__(name)

    def lead_to(self, other: Node) -> None:
        """Refuse: nothing follows.

        Raises:
            DefinitionError: Always.
        """
        message = f"'{self.name}' closes its pipeline, so '{other.name}' cannot follow it"
        raise DefinitionError(message)


class Success(Terminal):
    """Closes its pipeline with success."""

    type = "success"

    def __init__(self, name: str = "success") -> None:
        """Give it a *name*, which shows in the run log and counts for the hash of the dag."""
        super().__init__(name)


class Fail(Terminal):
    """Closes its pipeline with failure."""

    type = "fail"

    def __init__(self, name: str = "fail") -> None:
        """Give it a *name*, which shows in the run log and counts for the hash of the dag."""
        super().__init__(name)


def plain(value: Any) -> Any:
    """Return *value* with what Python writes in more than one way as YAML would give it: lists, dicts and text."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _as_pipeline(value: Any) -> Pipeline | None:
    """Return the pipeline that *value* is or makes; None if it is something else."""
    from magnus.sdk.pipeline import Pipeline

    if isinstance(value, Pipeline):
        return value
    is_steps = isinstance(value, list | tuple) and all(isinstance(item, Node | Chain) for item in value)
    return Pipeline(value) if is_steps or isinstance(value, Node | Chain) else None
