"""What a person asks for, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.nothing import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.run_log import RunLog, Status


class Request(NamedTuple):
    """What a person asks for when they execute a pipeline.

    Attributes:
        pipeline_file: The definition; None where a graph is given.
        config_file: The configuration; None for the usual places.
        parameters_file: The parameters; None for none.
        run_id: None to have one made.
        tag: The user's own mark.
        use_cached: The run to continue.
        cached_config: The configuration with which that run can be found, where it is kept in other stores.
        strict: Whether what cannot be judged, or a changed dag in a re-run, is refused.
        single_step: The only step of the outermost graph to run.
        output: Where an orchestration executor writes; `-` for stdout, None for its own default.
        parameters: Given in Python; they win over the file and lose to the environment.
        wants_run_log: Whether the outcome is to hold the whole run log.
        debugs: Whether tasks run in this process, and a debugger begins where one fails.
    """

    pipeline_file: str | None = None
    config_file: str | None = None
    parameters_file: str | None = None
    run_id: str | None = None
    tag: str = ""
    use_cached: str | None = None
    cached_config: str | None = None
    strict: bool = False
    single_step: str | None = None
    output: str | None = None
    parameters: Mapping[str, Any] = NOTHING
    wants_run_log: bool = False
    debugs: bool = False


class Outcome(NamedTuple):
    """What came of it.

    Attributes:
        run_id: The run; empty where something was rendered instead.
        status: Of the run.
        rendered: Where the definition was written.
        run_log: The whole run log, where it was asked for.
    """

    run_id: str
    status: Status
    rendered: str = ""
    run_log: RunLog | None = None
