"""Runs, on this machine, a state machine that `aws-step-functions` has rendered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from magnus.ports import emulator
from magnus_executor_stepfunctions.limits import LONGEST_EXECUTION_NAME
from magnus_executor_stepfunctions.reading import read_machine

if TYPE_CHECKING:
    from magnus.ports.emulator import EmulatedCompute


class Emulator(emulator.Emulator):
    """Interprets the subset of the States Language that we render. Jobs are commands here; S3 is called as it is there."""

    @classmethod
    def recognises(cls, text: str) -> bool:
        """See the port."""
        if not text.lstrip().startswith("{"):
            return False
        try:
            machine = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(machine, dict) and {"StartAt", "States"} <= machine.keys()

    def __init__(self, text: str, path: str) -> None:
        """See the port."""
        self._machine = read_machine(text, path)
        self._path = path

    def run(self, run_id: str, compute: EmulatedCompute) -> bool:
        """See the port."""
        from magnus.errors import ConfigurationError
        from magnus_executor_stepfunctions.client import get_object
        from magnus_executor_stepfunctions.interpreter import Interpreter

        if len(run_id) > LONGEST_EXECUTION_NAME:
            raise ConfigurationError(
                f"the name of an execution has {LONGEST_EXECUTION_NAME} characters at most, and '{run_id}' has {len(run_id)}"
            )
        return Interpreter(self._machine, compute, get_object).run(run_id)
