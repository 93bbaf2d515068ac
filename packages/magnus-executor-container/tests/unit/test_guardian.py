from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS = 30.0

GUARDED = """
import os, sys
from magnus_executor_container.guardian import guarded
with guarded("mine"):
    print("guarded", flush=True)
    if sys.stdin.readline() == "leave\\n":
        pass
"""


class Answers(BaseHTTPRequestHandler):
    """Answers as far as it takes to remove a container."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Tell the version, which is all that is asked for."""
        self._answer(200, {"ApiVersion": "1.43", "MinAPIVersion": "1.12", "Arch": "amd64"})

    def do_DELETE(self) -> None:
        """Note what is to be removed."""
        self.server.removed.append(self.path.partition("?")[0].rpartition("/")[2])
        self.server.was_asked.set()  # before the answer: who asked may have gone when it is written
        self._answer(204, None)

    def _answer(self, status: int, value: object) -> None:
        self.send_response(status)
        if value is None:
            self.end_headers()
            return
        body = json.dumps(value).encode()
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """A socket in a folder has no address."""
        return ""


class Server(ThreadingMixIn, UnixStreamServer):
    """Stands for the engine, for another process."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        """Listen at *path*."""
        super().__init__(str(path), Answers)
        self.removed: list[str] = []
        self.was_asked = threading.Event()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return the engine that `DOCKER_HOST` names."""
    path = tmp_path / "engine.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with Server(path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_container_whose_magnus_is_killed_is_removed(server: Server) -> None:
    """By a process that outlives the group of the killed one."""
    with subprocess.Popen(
        [sys.executable, "-c", GUARDED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "guarded\n"
        assert not server.was_asked.is_set()
        os.killpg(process.pid, signal.SIGKILL)
    assert server.was_asked.wait(PATIENCE_SECONDS)
    assert server.removed == ["mine"]


def test_a_container_whose_magnus_lives_is_left_to_it(server: Server) -> None:
    """The guardian has ended by then, and has asked for nothing."""
    done = subprocess.run(
        [sys.executable, "-c", GUARDED], input="leave\n", capture_output=True, text=True, check=True
    )
    assert done.stdout == "guarded\n"
    assert server.removed == []
