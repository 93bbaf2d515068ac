"""Runs one job that another process forwards, in a container, on another machine, or in a process of its own on the same."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup, open_run
from magnus.definition.config import config_from_mapping
from magnus.definition.pipeline import build_graph
from magnus.domain.capabilities import Isolation
from magnus.domain.jobs import Job
from magnus.domain.names import short_name
from magnus.domain.run_log import Status
from magnus.engine.forwarding import Told, decode, own_version
from magnus.engine.interrupt import StopRun
from magnus.engine.masking import Masker
from magnus.engine.reporting import SilentReporter
from magnus.engine.workspaces import Workspaces
from magnus.errors import ConfigurationError, MagnusError, ServiceError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import InteractiveExecutor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.bootstrap import Run
    from magnus.domain.nodes import Node
    from magnus.engine.context import Services
    from magnus.engine.forwarding import Forwarded, ForwardedJob
    from magnus.engine.terminal import Terminal
    from magnus.ports.executor import Mailbox

_SECONDS_TO_CONNECT = 5.0
_LENGTH_BYTES = 8
_PIECE_BYTES = 1024**2


def run_forwarded_job(terminal: Terminal, source: str = "") -> Status:
    """Take a job, run it, and tell what the process that forwarded it has to know.

    Args:
        terminal: Where it is told, between what the task prints.
        source: The executor's type and the address of the job's mailbox, with a colon between them; empty for stdin.

    Returns:
        How the attempt ended, interrupted ones as FAIL; SUCCESS for a rehearsal.

    Raises:
        MagnusError: It could not be begun, which the other side has been told.
    """
    adapters = AdapterManager(find_plugins())
    mailbox = _mailbox(source, adapters) if source else None
    forwarded = _unpacked(mailbox.read(), source) if mailbox else _read_stdin()

    def tell(told: Told) -> None:
        terminal.write_task_output(told.line(forwarded.mark), 1)

    with ExitStack() as stack:
        try:
            _prepare_process(forwarded)
            setup = Setup(config_from_mapping(forwarded.configuration, adapters), adapters)
            job = forwarded.job
            node = _node(job, adapters) if job is not None else None
            setup.refuse(None, strict=False)
            inside = setup.inside_compute() if forwarded.inside_compute else setup
            services = inside.build_services()
            stack.callback(services.close)
            _rehearse(services, forwarded)
            if job is None or node is None:
                tell(Told(has_begun=True, is_last=True))
                return Status.SUCCESS
            run = _open(inside, services, forwarded, job, terminal)
            stack.callback(run.close)
        except MagnusError as error:
            tell(Told(refusal=str(error), is_last=True))
            raise
        tell(Told(has_begun=True))
        try:
            return _run(run, job, node)
        finally:
            tell(_last(run.step_runner.secrets, forwarded, mailbox))


def _mailbox(source: str, adapters: AdapterManager) -> Mailbox:
    """Return the mailbox that the job is in.

    Raises:
        ConfigurationError: There is no such executor, or it has no mailboxes.
    """
    name, _, address = source.partition(":")
    executor = adapters.load("executor", name)
    if not issubclass(executor, InteractiveExecutor):
        message = (
            f"--job-from={source} is for processes that magnus starts: the executor '{name}' starts none"
        )
        raise ConfigurationError(message)
    return executor.mailbox(address)


def _last(secrets: tuple[str, ...], forwarded: Forwarded, mailbox: Mailbox | None) -> Told:
    """Return what is told in the end; what is secret does not go where anybody may read it."""
    if mailbox is None:
        return Told(has_begun=True, secrets=secrets, is_last=True)
    new = tuple(secret for secret in secrets if secret not in forwarded.secrets)
    if not new:
        return Told(has_begun=True, is_last=True)
    try:
        mailbox.answer(Told(has_begun=True, secrets=new).encode())
    except ServiceError:
        # Without it the other side hides less of what later steps print; this step has hidden its own.
        return Told(has_begun=True, is_last=True)
    return Told(has_begun=True, has_answer=True, is_last=True)


def _run(run: Run, forwarded: ForwardedJob, node: Node) -> Status:
    job = Job(
        run_id=forwarded.run_id,
        step_name=forwarded.step_name,
        node=node,
        attempt_number=forwarded.attempt_number,
        map_variable=forwarded.map_variable,
        options=run.context.types.executor_options(node),
        scopes=forwarded.scopes,
    )
    run.context.interrupts.install()
    try:
        return run.step_runner(job)
    except StopRun:
        return Status.FAIL  # it is in the run log, and who sent the signal says why
    finally:
        run.context.interrupts.uninstall()


def _open(
    setup: Setup, services: Services, forwarded: Forwarded, job: ForwardedJob, terminal: Terminal
) -> Run:
    return open_run(
        setup,
        run_id=job.run_id,
        tag=job.tag,
        terminal=terminal,
        reporter=SilentReporter(),
        masker=Masker(forwarded.secrets),
        services=services,
        names_steps=False,
        records_stops=not forwarded.is_unattended,
        workspaces=Workspaces(Isolation.NONE, str(Path.cwd()), fixed=job.folder),
        is_strict=job.is_strict,
    )


def _read_stdin() -> Forwarded:
    """Read the message, and end this process with all that it has started once the other end of stdin is gone.

    Raises:
        ConfigurationError: There is no message that this magnus understands.
    """
    descriptor = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # a task has nothing to read
    os.close(nothing)
    length = int.from_bytes(_read(descriptor, _LENGTH_BYTES))
    forwarded = _understood(_read(descriptor, length), "")
    threading.Thread(target=_die_with_sender, args=(descriptor,), daemon=True).start()
    return forwarded


def _unpacked(message: bytes, source: str) -> Forwarded:
    """Return what came over as a whole; what follows the message is not part of it."""
    length = int.from_bytes(message[:_LENGTH_BYTES])
    return _understood(message[_LENGTH_BYTES : _LENGTH_BYTES + length], source)


def _understood(data: bytes, source: str) -> Forwarded:
    """Return the message.

    Raises:
        ConfigurationError: It is none that this magnus understands.
    """
    try:
        return decode(data)
    except ValueError as error:
        option = f"--job-from={source}" if source else "--job-from-stdin"
        message = f"{option} is for processes that magnus starts: {error}"
        raise ConfigurationError(message) from error


def _read(descriptor: int, count: int) -> bytes:
    data = bytearray()
    # In pieces of bounded size: room is made for as many bytes as are asked for, and *count* may be anything.
    while len(data) < count and (piece := os.read(descriptor, min(count - len(data), _PIECE_BYTES))):
        data += piece
    return bytes(data)


def _die_with_sender(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while os.read(descriptor, 1):
        poll.poll()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _prepare_process(forwarded: Forwarded) -> None:
    if forwarded.version != (version := own_version()):
        message = (
            f"here is magnus-core {version}, but the run was started by {forwarded.version}; "
            "install the same version in both places (an image: build it again)"
        )
        raise ConfigurationError(message)
    if forwarded.search_path:
        sys.path[:] = forwarded.search_path
    os.environ.update(forwarded.private_environment)
    for name, content in forwarded.private_files.items():
        path = Path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.write_bytes(content)
        except OSError as error:
            message = f"what must not be seen outside could not be kept in {path.parent}: {error.strerror}"
            raise ServiceError(message) from error


def _node(job: ForwardedJob, adapters: AdapterManager) -> Node:
    """Build the node alone: what a step costs must not grow with the graph around it."""
    name = short_name(job.step_name).replace("%", "")  # which only a shortened name has, and no node
    success, fail = (f"{name} {end}" for end in ("succeeded", "failed"))
    definition = {key: value for key, value in job.node.items() if key != "on_failure"} | {"next": success}
    steps: Mapping[str, object] = {name: definition, success: {"type": "success"}, fail: {"type": "fail"}}
    return build_graph({"start_at": name, "steps": steps}, adapters=adapters).nodes[name]


def _rehearse(services: Services, forwarded: Forwarded) -> None:
    """Make sure, in a rehearsal, that what every step needs is there.

    Raises:
        ServiceError: The run log is not, or a server does not answer.
    """
    if forwarded.job is not None:
        return
    for host, port in forwarded.endpoints:
        try:
            socket.create_connection((host, port), _SECONDS_TO_CONNECT).close()
        except OSError as error:
            message = f"{host}:{port} does not answer: {error.strerror or error}"
            raise ServiceError(message) from error
    for _ in services.run_log_store.list_runs():
        break
