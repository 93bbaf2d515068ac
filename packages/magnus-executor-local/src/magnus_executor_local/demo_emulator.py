"""Runs what `demo-renderer` has rendered: a script is its own interpretation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.ports.emulator import ContainerCommand, Emulator

if TYPE_CHECKING:
    from magnus.ports.emulator import EmulatedCompute


class DemoEmulator(Emulator):
    """Calls bash. The script tells the outcome of the run by its exit code."""

    @classmethod
    def recognises(cls, text: str) -> bool:
        """See the port."""
        first, _, rest = text.partition("\n")
        return first == "#!/usr/bin/env bash" and "(demo-renderer)" in rest.partition("\n")[0]

    def __init__(self, text: str, path: str) -> None:
        """See the port."""
        self._path = path

    def run(self, run_id: str, compute: EmulatedCompute) -> bool:
        """See the port."""
        command = ContainerCommand(("bash", self._path, run_id), self._path)
        return compute.run(command).exit_code == 0
