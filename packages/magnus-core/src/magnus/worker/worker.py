"""The process that runs tasks, one after another: user code runs here and nowhere else.

Nothing of what a task needs from magnus afterwards is looked up by name at that time: the task may have replaced functions of
the standard library, or emptied `sys.modules`.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import pickle
import signal
import sys
import threading
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from magnus.builtin.task_types.importing import after_import
from magnus.engine.workers.messages import LENGTH_BYTES, decode_json, encode_json, framed
from magnus.worker import leftovers, task
from magnus.worker.state import ProcessState

if TYPE_CHECKING:
    from magnus.engine.workers.messages import TaskMessage, WorkerSetup

_HIGH_DESCRIPTOR = 512
"""A task that closes a range of descriptors rarely reaches that far."""

_LOST_CHANNEL_EXIT_CODE = 70
_exit = os._exit
_getpid = os.getpid


class EngineGoneError(BaseException):
    """The engine has closed the channel."""


class Channel:
    """The worker's end of the connection to the engine; any thread of the task may ask questions."""

    def __init__(self, descriptor: int) -> None:
        """Speak on *descriptor*."""
        self.descriptor = descriptor
        self._lock = threading.RLock()
        self._read = os.read
        self._write = os.write

    def receive(self) -> bytes:
        """Return the next message.

        Raises:
            EngineGoneError: There will be none.
        """
        length = int.from_bytes(self._exactly(LENGTH_BYTES))
        return self._exactly(length)

    def send(self, message: dict[str, Any]) -> None:
        """Send *message*.

        Raises:
            EngineGoneError: Nobody reads any more.
        """
        view = memoryview(framed(encode_json(message).encode()))
        with self._lock:
            try:
                while view:
                    view = view[self._write(self.descriptor, view) :]
            except OSError as error:
                raise EngineGoneError from error

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send *question* and return the answer."""
        with self._lock:
            self.send(question)
            answer: dict[str, Any] = decode_json(self.receive().decode())
            return answer

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                piece = self._read(self.descriptor, min(count - len(data), 1 << 20))
            except OSError as error:
                raise EngineGoneError from error
            if not piece:
                raise EngineGoneError
            data += piece
        return bytes(data)


def run(channel: int, stdout: int, stderr: int) -> NoReturn:
    """Serve tasks until the engine closes the channel; never returns."""
    try:
        _serve(_begin(channel, stdout, stderr))
    except EngineGoneError:
        _end()
    finally:
        _exit(_LOST_CHANNEL_EXIT_CODE)


def _begin(channel: int, stdout: int, stderr: int) -> Channel:
    """Become a process of its own: session, descriptors, signals, streams."""
    os.setsid()
    high = _moved_up(channel)
    for number, descriptor in ((1, stdout), (2, stderr)):
        os.dup2(descriptor, number)
    os.closerange(3, high)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    sys.stdout, sys.stderr = text_stream(1), text_stream(2)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    return Channel(high)


def _moved_up(descriptor: int) -> int:
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH_DESCRIPTOR)
    except OSError:  # the limit on descriptors is lower than that
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return high


def text_stream(number: int) -> Any:
    """Return a stream for *number* that takes any text, line by line."""
    return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _serve(channel: Channel) -> None:
    setup: WorkerSetup = pickle.loads(channel.receive())  # noqa: S301 - from the engine, which has started this process
    _prepare(setup)
    state = ProcessState()
    after_import.append(state.notice_imports)
    runner = task.TaskRunner(setup, channel)
    state.begin()
    channel.send({"ready": True})
    pid = _getpid()
    receive, send = channel.receive, channel.send
    context = copy_context()
    while True:
        data = receive()
        try:
            message: TaskMessage | None = pickle.loads(data)  # noqa: S301 - as above
            # In a context of its own: what the task sets in context variables ends with it.
            work = runner.import_main if message is None else partial(runner.run, message)
            result = context.copy().run(work)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this task only
            result = task.unexpected(error)
        if _getpid() != pid:
            _leave_forked_child(result)
        _flush()
        send(result)
        # The engine records the step meanwhile, and may have sent the next task already: it gives that to another worker if
        # this one says that it retires.
        left = leftovers.find()
        has_threads = leftovers.threads()
        reasons = state.restore()
        if has_threads:
            reasons.append("threads")
        if reasons or left:
            send({"retire": reasons, "left": left})
            _end()
        state.begin()


def _prepare(setup: WorkerSetup) -> None:
    os.umask(setup.umask)
    os.chdir(setup.folder)
    if dict(os.environ) != setup.environment:
        os.environ.clear()
        os.environ.update(setup.environment)
    sys.path[:] = setup.search_path
    sys.argv[:] = setup.argv


def _leave_forked_child(result: dict[str, Any]) -> NoReturn:
    """End a process that the task has forked and that has returned from the task: it is none of ours."""
    _flush()
    failed = result.get("failed")
    code = 0 if failed is None else failed.get("exit_code")
    _exit(1 if code is None else code & 0xFF)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the task may have closed it, or put anything in its place
            stream.flush()


def _end() -> NoReturn:
    """End as a Python does: handlers that tasks have registered run."""
    with suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001 - `sys.exit` would wait for threads that tasks have left
    _flush()
    _exit(0)
