"""A step that runs in a process of its own, as seen by the process that traverses."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

from magnus.engine.forwarding import Forwarded, ForwardedJob, LineSorter, own_version, read_told
from magnus.engine.masking import StreamMasker
from magnus.engine.step_output import StepOutput
from magnus.engine.workspaces import workspace_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from magnus.domain.jobs import Job
    from magnus.engine.context import RunContext
    from magnus.engine.forwarding import Told
    from magnus.ports.executor import ComputeNeeds

_LAST_WORDS = 5
_KEPT_BYTES = 4096
_COMMAND = ("magnus", "execute_single_node")


class ForwardedStep:
    """See `magnus.ports.executor.RemoteStep`."""

    def __init__(
        self,
        context: RunContext,
        job: Job | None,
        needs: Sequence[ComputeNeeds],
        log_path: Path | None,
        *,
        inside_compute: bool,
        address: str = "",
        shown_as: str = "",
        mark: str = "",
    ) -> None:
        """Prepare what goes over.

        Args:
            context: The run.
            job: What to run; None for a rehearsal.
            needs: What the services need there.
            log_path: Where the output is kept; None to show and keep none.
            inside_compute: Whether the process is in another place than this one.
            address: Of its mailbox; empty for stdin.
            shown_as: How the command names the step; empty for its own name.
            mark: Of an earlier one for the same job; empty for a new one.
        """
        self.run_id = context.run_id
        self._masker = context.masker
        self.mark = mark or secrets.token_hex(8)
        self._sorter = LineSorter(self.mark)
        self._output: StepOutput | None = None
        if job is not None and log_path is not None:
            self._output = StepOutput(
                job.step_name, log_path, context.terminal, context.masker, context.reporter.warning
            )
        self._tail = b""
        self._interrupts = context.interrupts
        self.has_begun = False
        self.refusal = ""
        self.has_told_all = False
        self.has_answer = False
        source = "--job-from-stdin"
        if address:
            source = f"--job-from={context.configuration['executor']['type']}:{address}"
        self.command = _command(context.run_id, job, shown_as, source)
        self.message = Forwarded(
            version=own_version(),
            mark=self.mark,
            configuration=context.configuration,
            inside_compute=inside_compute,
            is_unattended=bool(address),
            search_path=() if inside_compute else tuple(sys.path),
            secrets=self._masker.secrets,
            private_files={path: data for need in needs for path, data in need.private_files.items()},
            private_environment={
                name: value for need in needs for name, value in need.private_environment.items()
            },
            endpoints=tuple(endpoint for need in needs for endpoint in need.endpoints),
            job=job and _forwarded(job, context, "" if inside_compute else workspace_of(context, job).folder),
        ).encode()

    def write(self, data: bytes, stream: int) -> bool:
        """See the port."""
        if stream == 1:
            data, told = self._sorter.feed(data)
            for each in told:
                self._learn(each)
        self._take(data, stream)
        return self.has_begun

    def take_answer(self, data: bytes) -> None:
        """See the port."""
        self._learn(read_told(data))

    @property
    def is_hurried(self) -> bool:
        """See the port."""
        return self._interrupts.is_hurried

    def _learn(self, told: Told) -> None:
        self.has_begun |= told.has_begun
        self.refusal = told.refusal or self.refusal
        self.has_told_all |= told.is_last
        self.has_answer |= told.has_answer
        for secret in told.secrets:
            self._masker.add(secret)

    @property
    def last_words(self) -> str:
        """See the port."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        return self._masker.mask("\n".join(lines[-_LAST_WORDS:]))

    def close(self) -> None:
        """See the port."""
        self._take(self._sorter.flush(), 1)
        if self._output is not None:
            self._output.close()

    def _take(self, data: bytes, stream: int) -> None:
        if not data:
            return
        self._tail += data
        if len(self._tail) > 2 * _KEPT_BYTES:
            self._tail = self._hidden(self._tail[-4 * _KEPT_BYTES :])[-_KEPT_BYTES:]
        if self._output is not None:
            self._output.write(data, stream)

    def _hidden(self, data: bytes) -> bytes:
        """Hide the secrets in *data* before it is cut, as part of one would not be known for it."""
        masker = StreamMasker(self._masker)
        return masker.feed(data) + masker.flush()


def _command(run_id: str, job: Job | None, shown_as: str, source: str) -> tuple[str, ...]:
    name = shown_as or ("rehearsal" if job is None else job.step_name)
    return (*_COMMAND, "--step-name", name, "--run-id", run_id, source)


def _forwarded(job: Job, context: RunContext, folder: str) -> ForwardedJob:
    return ForwardedJob(
        job.run_id,
        context.tag,
        job.step_name,
        job.attempt_number,
        job.map_variable,
        job.node.definition,
        job.scopes,
        folder,
        context.is_strict,
    )
