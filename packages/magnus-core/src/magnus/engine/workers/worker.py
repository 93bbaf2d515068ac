"""One worker process, seen from the engine: its connections, its task, and its limits."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from enum import Enum, auto
from socket import MSG_PEEK
from typing import TYPE_CHECKING, Any

from magnus.engine.workers.messages import Inbox, decode_json, encode_json, framed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.engine.workers.keeper import WorkerEnds
    from magnus.engine.workers.running import Running

_CHUNK = 65_536
_CHUNKS_AT_ONCE = 16
_RECEIVED_AT_ONCE = 1 << 18


class WorkerState(Enum):
    """How far a worker is."""

    READY = auto()
    """It takes a task as soon as it has started, or has cleaned up after the last one."""
    BUSY = auto()
    LEAVING = auto()
    """It takes no further task, and has not ended yet."""


class BrokenChannelError(Exception):
    """A worker has sent something that is no message: its task wrote into the connection."""


class Worker:
    """One worker process and its guard."""

    def __init__(self, ends: WorkerEnds) -> None:
        """Take our ends of the connections of a process that was just forked."""
        self.ends = ends
        self.state = WorkerState.READY
        self.has_started = False
        self.is_cleaned = True
        self.running: Running | None = None
        self.last_step = ""
        self.kill_at: float | None = None
        self.exit_code: int | None = None
        self._outgoing = bytearray()
        self._channel = Inbox()
        self._lifeline = Inbox()
        self._open_streams = {ends.stdout: 1, ends.stderr: 2}

    @property
    def has_to_send(self) -> bool:
        """True if a message waits until the worker reads."""
        return bool(self._outgoing)

    @property
    def is_gone(self) -> bool:
        """True if the process has ended, which its guard is about to tell."""
        try:
            return not self.ends.channel.recv(1, MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def send(self, message: object) -> None:
        """Send a message that the worker trusts."""
        self._post(pickle.dumps(message))

    def answer(self, message: dict[str, Any]) -> None:
        """Answer a question of the task."""
        self._post(encode_json(message).encode())

    def _post(self, data: bytes) -> None:
        self._outgoing += framed(data)
        self.flush()

    def flush(self) -> None:
        """Send as much as the worker takes now."""
        while self._outgoing:
            try:
                sent = self.ends.channel.send(self._outgoing)
            except BlockingIOError:
                return
            except OSError:  # it has ended, which its guard tells
                self._outgoing.clear()
                return
            del self._outgoing[:sent]

    def command(self, command: bytes) -> None:
        """Have the guard do something; nothing happens if it is gone."""
        with suppress(OSError):
            self.ends.lifeline.send(command)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what the worker has sent.

        Raises:
            BrokenChannelError: It is no message.
            EOFError: The other end has closed the connection.
        """
        yield from self._received(self.ends.channel, self._channel)

    def reports(self) -> Iterator[dict[str, Any]]:
        """Yield what the guard has sent; raises like `messages`."""
        yield from self._received(self.ends.lifeline, self._lifeline)

    def _received(self, connection: Any, inbox: Inbox) -> Iterator[dict[str, Any]]:
        try:
            data = connection.recv(_RECEIVED_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise EOFError
        try:
            for message in inbox.feed(data):
                decoded = decode_json(message.decode())
                if not isinstance(decoded, dict):
                    raise BrokenChannelError
                yield decoded
        except (ValueError, UnicodeDecodeError) as error:
            raise BrokenChannelError from error

    def read_output(self, descriptor: int) -> Iterator[tuple[bytes, int]]:
        """Yield what is in one of the pipes, and the number of the stream; at its end the pipe is closed for us."""
        for _ in range(_CHUNKS_AT_ONCE):
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._open_streams.pop(descriptor, None)
                return
            yield data, self._open_streams[descriptor]

    def is_open(self, descriptor: int) -> bool:
        """Return False for a stream whose end was read."""
        return descriptor in self._open_streams

    def close(self) -> None:
        """Close our ends; the guard then ends whatever is left."""
        self.ends.close()
