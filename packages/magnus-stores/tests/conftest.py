from __future__ import annotations

import glob
import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

import boto3
import pytest

from magnus_stores.aws import client as aws_client

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 90


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a real MLflow server, which keeps everything in SQLite."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Return the address of a server that stands in for AWS, in a process of its own."""
    program = Path(__file__).with_name("moto_server.py")
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


@pytest.fixture
def aws(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the variables of AWS to reach the server; return its address."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return moto_server


@pytest.fixture
def s3(aws: str) -> Iterator[Any]:
    """Lend boto3's own client of the server."""
    client = boto3.client("s3", region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any) -> str:
    """Return the name of an empty bucket."""
    name = f"magnus-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


class Requests:
    """What was sent to AWS.

    Attributes:
        sent: For each request the operation, the address and the bytes of its body.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int]] = []

    def watch(self, client: Any) -> None:
        """Take down all that *client* sends from now on."""
        client.meta.events.register("before-send", self._note)

    @property
    def operations(self) -> list[str]:
        """What was asked for, in order."""
        return [operation for operation, _, _ in self.sent]

    def _note(self, event_name: str, request: Any, **_: Any) -> None:
        body = request.body or b""
        size = len(body) if isinstance(body, bytes) else int(request.headers.get("Content-Length", 0))
        self.sent.append((event_name.rpartition(".")[2], request.url, size))


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    """Return what stores that are made from now on send to AWS."""
    found = Requests()
    connect = aws_client.connect

    def connect_watched(*arguments: Any) -> Any:
        client = connect(*arguments)
        found.watch(client)
        return client

    monkeypatch.setattr(aws_client, "connect", connect_watched)
    return found


@contextmanager
def running_mlflow(folder: Path) -> Iterator[str]:
    """Run a server that keeps everything in *folder*; yield its address."""
    if importlib.util.find_spec("mlflow.server") is None or importlib.util.find_spec("flask") is None:
        reason = "needs the full mlflow: uv sync --group tracking"
        if os.environ.get("MAGNUS_REQUIRE_MLFLOW") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
    ]
    command += [
        "--artifacts-destination",
        str(folder / "artifacts"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--workers", "1"]
    # What it would run in the background costs as much as the server itself.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        # The group ends with the server, or with its input: nothing is left where the tests are interrupted.
        server = subprocess.Popen(
            ["sh", "-c", '("$@"; kill -KILL 0) & read -r _; kill -KILL 0', "sh", *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/health", server, folder / "server.log")
        yield address
    finally:
        server.communicate()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Return the URL of a real PostgreSQL server, without a database; it takes any password for the user `magnus`."""
    initdb, pg_ctl = (_postgresql_program(name) for name in ("initdb", "pg_ctl"))
    if initdb is None or pg_ctl is None:
        reason = "needs the programs of a PostgreSQL server: apt-get install postgresql"
        if os.environ.get("MAGNUS_CI") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # Outside pytest's folders, which another user may not enter; short, because the path of a socket has to be.
    with TemporaryDirectory(prefix="magnus-pg-") as folder:
        # The server refuses to run as root.
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        port = _free_port()
        _run_as(user, [initdb, "-D", f"{folder}/data", "-A", "trust", "-U", "magnus", "--no-sync"])
        settings = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder}"
        # Pages written in full after a checkpoint would be counted by the tests that count what is written.
        settings += " -c fsync=off -c full_page_writes=off -c max_connections=60"
        control = [pg_ctl, "-D", f"{folder}/data", "-w"]
        _run_as(user, [*control, "-l", f"{folder}/log", "-o", settings, "start"])
        # It is stopped when this process closes the pipe, or ends.
        stopping = ["sh", "-c", 'read -r _; exec "$@" >&2', "sh", *control, "-m", "immediate", "stop"]
        with subprocess.Popen(
            stopping,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            user=user,
            cwd="/",
            start_new_session=True,
        ):
            yield f"postgresql+psycopg://magnus@127.0.0.1:{port}"


def _postgresql_program(name: str) -> str | None:
    found = shutil.which(name)
    # Debian keeps them apart, one folder for each version.
    return found or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)  # noqa: PTH207 - text is wanted


def _run_as(user: str | None, command: list[str]) -> None:
    done = subprocess.run(
        command, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed with exit code {done.returncode}")


def _free_port() -> int:
    """Return a port for a server that is yet to start: none of those that clients get meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - it is no secret
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - an address of this machine
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the MLflow server did not start:\n{log.read_text(errors='replace')[-2000:]}")
