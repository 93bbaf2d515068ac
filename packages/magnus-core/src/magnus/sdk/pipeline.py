"""A pipeline written in Python: the same dag as in a file, with the same hash."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magnus.errors import DefinitionError, Problem
from magnus.sdk.nodes import Chain, Fail, Node, Success, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus.domain.graph import Graph
    from magnus.plugins.manager import AdapterManager
    from magnus.sdk.running import RunResult

_MAX_DEPTH = 100
"""How deep pipelines may stand in pipelines; less than in files, because here a level takes more frames."""


class Pipeline:
    """Steps and what follows what.

    The first step is the start; beyond that the order in which steps are given means nothing. What a step leads to,
    by `>>` or `on_failure`, belongs to the pipeline, listed or not. A success and a fail node are added where they are
    left out; a step that says nothing of what follows leads to the success node, or, if only a failure leads to it,
    to the fail node.
    """

    def __init__(
        self,
        steps: Node | Chain | Iterable[Node | Chain] = (),
        *,
        name: str | None = None,
        description: str | None = None,
        max_time: float | None = None,
        start_at: Node | str | None = None,
    ) -> None:
        """Take the steps; nothing is checked and nothing runs yet.

        Args:
            steps: Nodes, or chains of them.
            name: What people call it; not part of its hash.
            description: For people; not part of the hash.
            max_time: Seconds that it may take in all.
            start_at: The first step, if that is not the first of *steps*.
        """
        self.name = name
        self.description = description
        self.max_time = max_time
        self.start_at = start_at
        self._given: list[Node | Chain] = []
        self.construct(steps)

    def construct(self, steps: Node | Chain | Iterable[Node | Chain]) -> Pipeline:
        """Take the steps, in place of any that were given before; return the pipeline.

        Raises:
            DefinitionError: Something among *steps* is none.
        """
        given: list[Any] = [steps] if isinstance(steps, Node | Chain) else list(steps)
        strangers = [step for step in given if not isinstance(step, Node | Chain)]
        if strangers:
            message = (
                f"{strangers[0]!r} is no step; give Task(...), Parallel(...), ..., or steps chained by >>"
            )
            raise DefinitionError(message)
        self._given = given
        return self

    def execute(  # noqa: PLR0913 - everything that the command line takes
        self,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        parameters: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        run_id: str | None = None,
        tag: str = "",
        use_cached: str | None = None,
        strict: bool = False,
        raise_on_failure: bool = True,
        output: str | os.PathLike[str] | None = None,
        log_level: str = "INFO",
        configuration_file: str | os.PathLike[str] | None = None,
        parameters_file: str | os.PathLike[str] | None = None,
    ) -> RunResult:
        """Check and run the pipeline in this process, and return how it ended.

        Progress is reported to the logger `magnus`, or on stderr where logging is not set up.

        Args:
            config: A configuration file, or its content; None for the usual places, as for `magnus execute`.
            parameters: A parameters file, or the parameters by name. `MAGNUS_PRM_` variables win over them.
            run_id: None to have one made.
            tag: A mark of your own.
            use_cached: The run to continue: what succeeded there is skipped.
            strict: Whether what cannot be judged, or a changed dag in a re-run, is refused.
            raise_on_failure: Raise `RunFailedError` if the run fails; otherwise look at `status` of the result.
            output: Where an executor that renders writes; `-` for stdout.
            log_level: How much is told where logging is not set up: DEBUG, INFO, WARNING, ERROR or FATAL.
            configuration_file: The older name of *config*.
            parameters_file: The older name of *parameters*; may be given beside parameters by name, which win.

        Raises:
            DefinitionError: The pipeline is wrong; holds every mistake.
            ConfigurationError: So is the configuration, or the two do not go together.
            RunFailedError: The run failed; `result` of the error has its log. Uncaught, it ends the script with exit code 1.
            ServiceError: A service failed.
            InterruptedRunError: SIGINT or SIGTERM ended the run.
        """
        from magnus.sdk.running import Ask, run_failed, run_graph

        ask = Ask(
            config=_one_of("config", config, "configuration_file", configuration_file),
            parameters_file=_parameters_file(parameters, parameters_file),
            parameters=parameters if isinstance(parameters, Mapping) else {},
            run_id=run_id,
            tag=tag,
            use_cached=use_cached,
            strict=strict,
            output=None if output is None else os.fspath(output),
            log_level=log_level,
        )
        result = run_graph(self.build, ask)
        if raise_on_failure and result.status == "FAIL":
            raise run_failed(result)
        return result

    def to_yaml(self) -> str:
        """Return a pipeline file with the same dag and the same hash.

        Raises:
            DefinitionError: The pipeline is wrong, or holds `${NAME}`, which in a file would be a variable.
        """
        from magnus.sdk.yaml_text import render

        return render(self.build(_installed()))

    @property
    def dag_hash(self) -> str:
        """The hash of everything that has a meaning when the pipeline runs, as run logs show it.

        Raises:
            DefinitionError: The pipeline is wrong.
        """
        return self.build(_installed()).hash()

    def build(self, adapters: AdapterManager) -> Graph:
        """Return the checked graph.

        Raises:
            DefinitionError: Holds every mistake.
        """
        from magnus.definition.pipeline import build_graph

        problems: list[Problem] = []
        block = self._block("", problems, ())
        try:
            graph = build_graph(block, adapters=adapters, environ=os.environ)
        except DefinitionError as error:
            raise DefinitionError([*problems, *error.problems]) from error
        if problems:
            raise DefinitionError(problems)
        return graph

    def _block(self, what: str, problems: list[Problem], around: tuple[Pipeline, ...]) -> dict[str, Any]:
        """Return the `dag` block; *what* names the pipeline in messages, *around* are those that it stands in."""
        prefix = f"{what}: " if what else ""
        if self in around:
            raise DefinitionError([*problems, Problem(f"{prefix}the pipeline holds itself; make a new one")])
        if len(around) > _MAX_DEPTH:
            message = f"pipelines are nested more than {_MAX_DEPTH} levels deep; flatten them"
            raise DefinitionError([*problems, Problem(message)])
        nodes, mistakes = self._nodes()
        problems += [Problem(f"{prefix}{mistake}") for mistake in mistakes]
        after_failure_only = self._after_failure_only(nodes)
        ends: dict[type[Terminal], Terminal] = {}
        for kind in (Success, Fail):
            end = ends[kind] = _end(kind, nodes)
            if nodes.get(end.name, end) is not end:
                problems.append(
                    Problem(
                        f"{prefix}the name '{end.name}' is taken; give {kind.__name__}(name) a name of its own"
                    )
                )
                end.name += " node"  # so that nothing else is found wrong because of it
            nodes[end.name] = end

        def convert(inner: str, pipeline: Pipeline) -> Mapping[str, Any]:
            return pipeline._block(f"{prefix}{inner}", problems, (*around, self))

        steps = {}
        for name, node in nodes.items():
            definition = node.own_definition(convert, problems)
            if not isinstance(node, Terminal):
                end = ends[Fail if name in after_failure_only else Success]
                definition["next"] = _name_of(node.next) or end.name
                if node.on_failure is not None:
                    definition["on_failure"] = _name_of(node.on_failure)
            steps[name] = definition
        start = _name_of(self.start_at) or next(iter(nodes))
        block = {"name": self.name, "description": self.description, "max_time": self.max_time}
        return {key: value for key, value in block.items() if value is not None} | {
            "start_at": start,
            "steps": steps,
        }

    def _nodes(self) -> tuple[dict[str, Node], list[str]]:
        """Return the nodes by name, those included that only other nodes lead to; and what is wrong."""
        nodes: dict[str, Node] = {}
        mistakes = []
        seen: set[Node] = set()
        pending = list(self._listed())[::-1]
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            known = nodes.setdefault(node.name, node)
            if known is not node:
                mistakes.append(
                    f"two steps are called '{node.name}', {known!r} and {node!r}; give each a name of its own"
                )
                continue
            pending += [item for item in (node.on_failure, node.next) if isinstance(item, Node)]
        if not nodes:
            mistakes.append("the pipeline has no steps; give it some, Pipeline([Task(...)])")
        return nodes, mistakes

    def _listed(self) -> Iterator[Node]:
        if isinstance(self.start_at, Node):
            yield self.start_at
        for step in self._given:
            if isinstance(step, Chain):
                yield from step
            else:
                yield step

    def _after_failure_only(self, nodes: Mapping[str, Node]) -> set[str]:
        """Return the names of the nodes to which only a failure leads."""
        reached: set[str] = set()
        name = _name_of(self.start_at) or next(iter(nodes), None)
        while name is not None and name in nodes and name not in reached:
            reached.add(name)
            name = _name_of(nodes[name].next)
        after_failure: set[str] = set()
        pending = [_name_of(node.on_failure) for node in nodes.values()]
        while pending:
            name = pending.pop()
            if name is not None and name in nodes and name not in reached and name not in after_failure:
                after_failure.add(name)
                pending.append(_name_of(nodes[name].next))
        return after_failure


def _end(kind: type[Terminal], nodes: Mapping[str, Node]) -> Terminal:
    """Return the node of *kind* that closes the pipeline: the one given, or a new one."""
    return next((node for node in nodes.values() if isinstance(node, kind)), None) or kind()  # type: ignore[call-arg]


def _name_of(node: Node | str | None) -> str | None:
    return node.name if isinstance(node, Node) else node


def _one_of(name: str, value: Any, older: str, older_value: Any) -> Any:
    if value is not None and older_value is not None:
        message = f"'{older}' is the older name of '{name}'; give one of them"
        raise DefinitionError(message)
    return older_value if value is None else value


def _parameters_file(parameters: Any, older: str | os.PathLike[str] | None) -> str | None:
    named = None if isinstance(parameters, Mapping) else parameters
    file = _one_of("parameters", named, "parameters_file", older)
    return None if file is None else os.fspath(file)


def _installed() -> AdapterManager:
    from magnus.plugins.discovery import find_plugins
    from magnus.plugins.manager import AdapterManager

    return AdapterManager(find_plugins())
