"""`magnus`: its commands, found by name and imported only when one is called."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from typer.core import TyperGroup, TyperOption

from magnus.cli.streams import accept_any_text, flush_output, output_problem
from magnus.errors import InterruptedRunError, MagnusError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

BUG_EXIT_CODE = 3
INTERRUPTED_EXIT_CODE = 130


class _Entry(NamedTuple):
    """A command: the module of `magnus.cli` that holds its typer app as `app`, and what it is for."""

    module: str
    help: str
    is_internal: bool = False


COMMANDS = {
    "execute": _Entry("execute", "Run a pipeline, or render it for an orchestrator."),
    "emulate": _Entry("emulate", "Run a rendered pipeline on this machine, as its orchestrator would."),
    "execute-step": _Entry("execute_step", "Run one step of the outermost graph; the others count as done."),
    "execute-notebook": _Entry("execute_notebook", "Run one notebook as a run of its own."),
    "execute-function": _Entry("execute_function", "Run one function as a run of its own."),
    "build-docker": _Entry("build_docker", "Build an image with the project and magnus."),
    "check": _Entry("check", "Say whether a pipeline goes with a configuration, before anything runs."),
    "plan": _Entry("plan", "Say what each node would do, and why."),
    "integrations": _Entry("integrations", "Show which installed executors and services go together."),
    "runs": _Entry("runs", "Look at runs, attach to them: list, show, compare, logs, delete, attach, reap."),
    "catalog": _Entry("catalog", "Look at the files of runs: list, get, verify, gc."),
    "graph": _Entry("graph", "Draw the graph as mermaid, dot, svg or html."),
    "schema": _Entry("schema", "Print the JSON Schema of pipelines, configurations or run logs."),
    "adapters": _Entry("adapters", "Show what is installed and what is broken; `new` begins an adapter."),
    "execute-single-node": _Entry(
        "execute_single_node", "Run one node of a run; what orchestrators call.", is_internal=True
    ),
    "execute-single-branch": _Entry("execute_single_branch", "Run one branch of a run.", is_internal=True),
    "execute-nb-or-func": _Entry(
        "execute_nb_or_func", "Run a notebook or function as a step of a run.", is_internal=True
    ),
    "fan": _Entry("fan", "Open or join the branches of a composite node.", is_internal=True),
}


class _Commands(TyperGroup):
    """Knows its commands by name; imports and builds one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the module of a command; `-` and `_` mean the same in its name."""
        name = cmd_name.replace("_", "-")
        if name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"magnus.cli.{COMMANDS[name].module}")
        command = typer.main.get_command(module.app)
        _accept_log_level(command)
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an exit or interruption from within is no exit code of Click's."""
        try:
            return super().invoke(ctx)
        except SystemExit as stop:
            message = f"something that the command called has ended it by SystemExit({stop.code!r})"
            raise RuntimeError(message) from stop
        except KeyboardInterrupt as error:
            raise InterruptedRunError("interrupted") from error
        except OSError as error:
            if isinstance(error, BrokenPipeError) and (problem := output_problem()):
                message = f"cannot write to stdout: {problem}"
                raise ServiceError(message) from error
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is called; of a misspelt one say what it may have been meant to be."""
        name = args[0].replace("_", "-")
        if name not in COMMANDS:
            from difflib import get_close_matches

            if close := get_close_matches(name, COMMANDS, n=1):
                ctx.fail(f"No such command '{args[0]}'. Did you mean '{close[0]}'?")
        return super().resolve_command(ctx, _with_dashes(args))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing any."""
        for title, internal in (("Commands", False), ("Called by executors and orchestrators", True)):
            with formatter.section(title):
                rows = [
                    (name, entry.help) for name, entry in COMMANDS.items() if entry.is_internal is internal
                ]
                formatter.write_dl(rows)


def _with_dashes(arguments: Sequence[str]) -> list[str]:
    """Let `--config_file` be `--config-file`.

    Not by click's `token_normalize_func`: that changes the names of choices too, such as `run_log_store`.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [_option_with_dashes(argument) for argument in arguments[:end]] + list(arguments[end:])


def _option_with_dashes(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"magnus {version('magnus-core')}")
        raise typer.Exit


app = typer.Typer(cls=_Commands, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.callback(no_args_is_help=True)
def _magnus(
    version: bool = typer.Option(
        False,  # noqa: FBT003 - typer's default of a switch
        "--version",
        callback=_version,
        is_eager=True,
        help="Show the version and exit.",
    ),
) -> None:
    """Run a pipeline, written once, anywhere.

    Exit codes: 0 success, 1 the pipeline failed, 2 something in the input is wrong, 3 an adapter or service failed,
    130 interrupted.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, 0 only for a command that has succeeded; errors become text on stderr.

    Args:
        argv: The arguments without the program's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    accept_any_text()
    try:
        if "MAGNUS_IMPORTING" in os.environ:
            from magnus.engine.reentry import refuse_reentry

            refuse_reentry("`magnus`")
        try:
            app(args=arguments, prog_name="magnus")
        except SystemExit as stop:  # Click's own: `_Commands.invoke` lets none of other code through
            flush_output()
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except MagnusError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED_EXIT_CODE
    except Exception as error:  # noqa: BLE001 - the top: only a bug comes here, and it must not look like the user's mistake
        if getattr(signal.getsignal(signal.SIGINT), "has_fired", False):
            _say("interrupted")  # while something was imported that turns that into an error of its own
            return INTERRUPTED_EXIT_CODE
        if isinstance(error, OSError) and (problem := output_problem()):
            _say(f"cannot write to stdout: {problem}; direct the output elsewhere")
        else:
            _say_bug(error, arguments)
    return BUG_EXIT_CODE


def _say(text: str) -> None:
    sys.stderr.write(f"magnus: {text}\n" if "\n" not in text else f"magnus:\n{text}\n")


def _say_bug(error: Exception, arguments: list[str]) -> None:
    if any(argument.upper().rpartition("=")[2] == "DEBUG" for argument in arguments):
        import traceback

        traceback.print_exception(error)
    _say(
        f"this is a bug in magnus, not in your pipeline: {type(error).__name__}: {error}; "
        "run again with --log-level DEBUG and report what it prints"
    )


def _accept_log_level(command: Any) -> None:
    """Add `--log-level` to the commands that lack it: the message about a bug tells everyone to use it."""
    commands = getattr(command, "commands", None)
    if commands is not None:
        for each in commands.values():
            _accept_log_level(each)
    elif not any("--log-level" in parameter.opts for parameter in command.params):
        option = TyperOption(
            param_decls=["--log-level"],
            expose_value=False,
            metavar="LEVEL",
            help="DEBUG shows the traceback of a bug.",
        )
        command.params.append(option)
