"""Runs a rendered file on this machine, as the orchestrator that it was rendered for would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from magnus.domain.names import run_id_problem
from magnus.engine.emulation import emulated_compute
from magnus.errors import ConfigurationError, MagnusError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.usecases.run_ids import new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.ports.emulator import Emulator


def emulate(
    file: str,
    run_id: str | None,
    environment: Mapping[str, str],
    report: Callable[[str], None],
    *,
    in_containers: bool = False,
) -> bool:
    """Run *file*, and tell whether the orchestrator would show that as a success.

    Args:
        file: What `magnus execute` has written with an executor that renders.
        run_id: What the orchestrator is to call the run; None for a new one.
        environment: What every command gets, besides what the file sets for it.
        report: Told what happens, line by line.
        in_containers: Whether commands run in containers of the images that the file names, not as processes.

    Raises:
        MagnusError: The file is wrong, or holds what nobody here interprets; a service failed; or a signal ended it.
    """
    if run_id is not None and (problem := run_id_problem(run_id)):
        raise ConfigurationError(problem)
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"{file} cannot be read: {reason}") from error
    kind, name = _emulator_for(text, file)
    emulator = kind(text, file)
    run_id = run_id or new_run_id()
    report(f"run {run_id} as {name} would run it")
    with emulated_compute(environment, report, in_containers=in_containers) as compute:
        succeeded = emulator.run(run_id, compute)
    report(f"{name} would show run {run_id} as a {'success' if succeeded else 'failure'}")
    return succeeded


def _emulator_for(text: str, file: str) -> tuple[type[Emulator], str]:
    adapters = AdapterManager(find_plugins())
    names = sorted(adapters.offers("emulator"))
    broken = []
    for name in names:
        try:
            kind: type[Emulator] = adapters.load("emulator", name)
        except MagnusError as error:  # stops only who needs it
            broken.append(str(error))
            continue
        if kind.recognises(text):
            return kind, name
    installed = ", ".join(names) or "none"
    message = (
        f"{file} is nothing that can be emulated; give it what `magnus execute` has written with an executor that renders. "
        f"Emulators are installed for: {installed}"
    )
    raise ConfigurationError("; not usable: ".join([message, *broken]))
