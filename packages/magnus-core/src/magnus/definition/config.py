"""Finds, reads and checks the configuration: which adapter stands behind each port, with which options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.blocks import BLOCK_ALIASES, BLOCKS, RawBlock, collect_blocks
from magnus.definition.checks import check, check_names
from magnus.definition.findings import Findings, Spot, in_order, without_consequences
from magnus.definition.options import build_options
from magnus.definition.source import read_document
from magnus.definition.words import found
from magnus.errors import ConfigurationError, InputError, Problem, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.nodes import Place
    from magnus.plugins.manager import AdapterManager

DEFAULT_FILE = "magnus-config.yaml"
FILE_VARIABLE = "MAGNUS_CONFIG_FILE"

DEFAULT_TYPES = {
    "executor": "local",
    "run_log_store": "file-system",
    "catalog": "file-system",
    "secrets": "do-nothing",
    "experiment_tracker": "do-nothing",
}


class Block(NamedTuple):
    """The adapter chosen for one port.

    Attributes:
        port: `executor`, `run_log_store`, `catalog`, `secrets` or `experiment_tracker`.
        type: The adapter's name.
        adapter: Its class.
        options: An instance of the class's `Options`.
        raw: The options as written; empty where there were none.
        path: The file; None for the default and for configuration given in Python.
        place: Where the adapter's name stands; None like *path*.
    """

    port: str
    type: str
    adapter: Any
    options: Any
    raw: Mapping[str, Any]
    path: str | None = None
    place: Place | None = None

    def as_written(self) -> dict[str, Any]:
        """Return the block for a run log; whoever stores it masks credentials first."""
        return {"type": self.type, "config": dict(self.raw)}


class Config(NamedTuple):
    """The whole configuration of a run.

    Attributes:
        executor: Where steps run.
        run_log_store: Where the run log is kept.
        catalog: Where files are kept.
        secrets: Where secrets come from.
        experiment_tracker: Where metrics go.
        variables: Names of the `MAGNUS_VAR_` variables that were used.
        files: The configuration files that were read.
    """

    executor: Block
    run_log_store: Block
    catalog: Block
    secrets: Block
    experiment_tracker: Block
    variables: frozenset[str] = frozenset()
    files: tuple[str, ...] = ()

    def block(self, port: str) -> Block:
        """Return the block of *port*."""
        block: Block = getattr(self, port)
        return block

    def with_block(self, block: Block) -> Config:
        """Return the configuration with *block* in the place of the one of its port."""
        changed: dict[str, Any] = {block.port: block}
        return self._replace(**changed)


def load_config(
    config_file: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str],
    adapters: AdapterManager,
    pipeline_blocks: Mapping[str, RawBlock] | None = None,
    working_directory: str | os.PathLike[str] = "",
) -> Config:
    """Return the configuration, put together block by block.

    A block of *config_file*, or else of the file that `MAGNUS_CONFIG_FILE` names, wins over that of
    `magnus-config.yaml` in the working directory, that over the pipeline file's, and any over the default.

    Args:
        config_file: The file that was named; None for none.
        environ: Holds `MAGNUS_CONFIG_FILE` and the variables.
        adapters: What is installed. The chosen adapters are imported, and no others.
        pipeline_blocks: Of a `Pipeline`.
        working_directory: Where `magnus-config.yaml` is looked for; the current one if empty.

    Raises:
        ConfigurationError: Holds every mistake of all the files.
        ServiceError: A chosen adapter is installed but cannot be imported.
    """
    problems: list[Problem] = []
    named = os.fspath(config_file) if config_file is not None else environ.get(FILE_VARIABLE) or None
    default = os.path.join(os.fspath(working_directory), DEFAULT_FILE)  # noqa: PTH118 - pathlib is slow to import
    files = [] if named is None else [named]
    if os.path.lexists(default) and not (named is not None and _is_same(named, default)):
        files.append(default)
    raw = dict(pipeline_blocks or {})
    variables: set[str] = set()
    unset: list[Problem] = []
    for path in reversed(files):
        blocks, used = _read(path, environ, problems, unset)
        raw |= blocks
        variables |= used
    if config_file is None:
        problems = [
            _blame_variable(each) if each.path == named and each.line is None else each for each in problems
        ]
    chosen = _choose(raw, adapters, problems)
    problems = without_consequences(problems, unset)
    if problems:
        raise ConfigurationError(in_order(problems))
    return _config(chosen, frozenset(variables), tuple(files))


def config_from_mapping(value: Mapping[str, Any], adapters: AdapterManager) -> Config:
    """Return the configuration that a mapping like the content of a configuration file says, and no file.

    Raises:
        ConfigurationError: Holds every mistake.
        ServiceError: A chosen adapter is installed but cannot be imported.
    """
    spot = Spot("the configuration", Findings(None), None, None)
    if not check(value, {"type": "object"}, spot):
        raise ConfigurationError(spot.findings.problems)
    check_names(value, BLOCKS, (), spot, BLOCK_ALIASES)
    chosen = _choose(collect_blocks(value, spot.findings), adapters, spot.findings.problems)
    if spot.findings.problems:
        raise ConfigurationError(spot.findings.problems)
    return _config(chosen)


def _config(
    chosen: dict[str, Block], variables: frozenset[str] = frozenset(), files: tuple[str, ...] = ()
) -> Config:
    executor, run_log_store, catalog, secrets, tracker = (chosen[port] for port in DEFAULT_TYPES)
    return Config(executor, run_log_store, catalog, secrets, tracker, variables, files)


def _blame_variable(problem: Problem) -> Problem:
    """Say of a file that cannot be read that it was the environment that named it."""
    return Problem(f"{problem.message} ({FILE_VARIABLE} names it)", problem.path)


def _is_same(one: str, other: str) -> bool:
    return "\0" not in one and os.path.realpath(one) == os.path.realpath(other)


def _read(
    path: str, environ: Mapping[str, str], problems: list[Problem], unset: list[Problem]
) -> tuple[dict[str, RawBlock], frozenset[str]]:
    """Return the blocks of one file, and the variables it used."""
    try:
        document = read_document(path, environ=environ, error=ConfigurationError)
    except ConfigurationError as error:
        problems.extend(error.problems)
        return {}, frozenset()
    if not isinstance(document.value, dict):
        problems.append(
            document.problem(f"the file holds {found(document.value)}; expected a mapping of blocks")
        )
        return {}, document.used_variables
    findings = Findings(document.path, problems)
    value = document.value
    has_defaults = os.path.basename(path) == DEFAULT_FILE  # noqa: PTH119 - as above
    known = [*BLOCKS, *(["defaults"] if has_defaults else [])]
    check_names(value, known, (), Spot("the file", findings, None, None), BLOCK_ALIASES)
    blocks: dict[str, RawBlock] = {}
    if has_defaults and "defaults" in value:
        inner = value["defaults"]
        if check(inner, {"type": "object"}, Spot("'defaults'", findings, value, "defaults")):
            check_names(inner, BLOCKS, (), Spot("'defaults'", findings, value, "defaults"), BLOCK_ALIASES)
            blocks |= collect_blocks(inner, findings)
    own = collect_blocks(value, findings)
    for port in own.keys() & blocks.keys():
        place = own[port].place
        text = f"'{port}' stands both at the top and under 'defaults'; keep one of them"
        problems.append(Problem(text, path, *((place.line, place.column) if place else (None, None))))
    unset.extend(document.unset_problems(lambda _: False))
    return blocks | own, document.used_variables


def _choose(
    raw: Mapping[str, RawBlock], adapters: AdapterManager, problems: list[Problem]
) -> dict[str, Block]:
    """Load the adapter of every port and build its options."""
    chosen: dict[str, Block] = {}
    unusable: ServiceError | None = None
    is_unread = bool(problems)
    for port, default in DEFAULT_TYPES.items():
        written = raw.get(port) or RawBlock(port, default, {})
        try:
            chosen[port] = _block(written, adapters)
        except InputError as error:
            if port in raw or not is_unread:  # else the file that cannot be read may have chosen another
                problems.extend(error.problems)
        except ServiceError as error:
            unusable = unusable or error
    if unusable is not None and not problems:
        raise unusable
    return chosen


def _block(written: RawBlock, adapters: AdapterManager) -> Block:
    try:
        adapter = adapters.load(written.port, written.type)
    except ConfigurationError as error:
        place = written.place
        if place is None:
            raise
        raise ConfigurationError(Problem(str(error), place.path, place.line, place.column)) from error
    what = f"'{written.port}' ({written.type}): 'config'"
    options = build_options(adapter.Options, written.config, what, written.path)
    return Block(written.port, written.type, adapter, options, written.config, written.path, written.place)
