"""A `magnus` that starts in a tenth of the time: a process of its own for every call, forked from one that has imported all.

A rendered pipeline calls magnus once for every node. What such a test is about is what these processes do, and not how long
Python takes to start. Signals to the caller do not reach the process, and what Python reads when it starts is read no more,
as `PYTHONPATH`: tests of those use the real command.
"""

from __future__ import annotations

import array
import functools
import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENT = """\
#!{python} -ISE
import array, json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
request = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
descriptors = array.array("i", [0, 1, 2])
connection.sendmsg([len(request).to_bytes(8)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
connection.sendall(request)
answer = connection.recv(1)
sys.exit(answer[0] if answer else 137)
"""

_FIRST = """\
dag:
  start_at: split
  steps:
    split:
      type: parallel
      branches:
        one:
          start_at: work
          steps:
            work: {type: task, command_type: python-lambda, command: "lambda: {'n': 1}", next: done}
            done: {type: success}
            failed: {type: fail}
      next: done
    done: {type: success}
    failed: {type: fail}
executor: {type: demo-renderer, config: {max_workers: 2}}
secrets: {type: dotenv, config: {location: nowhere.env}}
"""
_RENDERERS = (
    "{type: aws-step-functions, config: {job_queue: q, job_definition: d}}",
    "{type: argo, config: {docker_image: i}}",
    "{type: kubeflow, config: {docker_image: i}}",
)
_STORES = """\
run_log_store: {type: s3, config: {bucket: bucket, prefix: runs}}
catalog: {type: s3, config: {bucket: bucket, prefix: catalog}}
secrets: {type: aws-secrets-manager}
"""

_HEAVY = (
    *("boto3", "docker", "kfp", "magnus_stores.aws", "magnus_stores.run_log.sql"),
    *("numpy", "sklearn.datasets", "sklearn.linear_model", "sklearn.model_selection", "matplotlib.pyplot"),
)
"""What some calls import, and steps of the examples, where it is installed."""

_CALLS = (
    ("execute", "-o", "-"),
    ("fan", "-m", "out", "--step-name", "split", "--run-id", "first"),
    ("execute-single-node", "--step-name", "split.one.work", "--run-id", "first"),
)


@contextmanager
def quick_magnus(folder: Path) -> Iterator[Path]:
    """Run the server; yield the folder to be put on the PATH, which holds `magnus`."""
    address = folder / "socket"
    client = folder / "bin" / "magnus"
    client.parent.mkdir(parents=True)
    client.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    server = subprocess.Popen([sys.executable, __file__, str(address)], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        while not address.exists():
            assert server.poll() is None, "the server did not start"
            time.sleep(0.01)
        yield client.parent
    finally:
        server.kill()
        server.wait()


def serve(address: str) -> None:
    """Fork for every call, until this process is killed."""
    sys.path.pop(0)  # this file's folder is none of the user's
    _make_keepers_quickly()
    _call_once()
    gc.collect()
    gc.freeze()  # what is here by now is looked through by no process any more
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen(64)
    os.rename(f"{address}.new", address)  # noqa: PTH104 - it is there when it listens
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.send(bytes([_call(connection)]))
            os._exit(0)
        connection.close()


_KEEPERS = """
import os, signal, socket, sys
sys.path.append(sys.argv[1])
from magnus.worker import keeper
keeper._preload()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
requests = socket.socket(fileno=int(sys.argv[2]))
while True:
    data, descriptors, _, _ = socket.recv_fds(requests, 1, 1)
    if not data:
        break
    (descriptor,) = descriptors
    if os.fork() == 0:
        requests.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        keeper.main(descriptor)
    os.close(descriptor)
"""


class _Process:
    """Stands in for the process of a keeper, whose parent is another one here."""

    def wait(self, timeout: float | None = None) -> int:
        """Do not wait: it ends when its connection is closed."""
        return 0

    def kill(self) -> None:
        """Leave it alone, for the same reason."""


def _make_keepers_quickly() -> None:
    """Fork the process that workers are made from, too: it is a Python of its own otherwise."""
    from magnus.engine.workers import keeper

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    root = str(Path(keeper.__file__).parents[3])
    subprocess.Popen(
        [sys.executable, "-P", "-c", _KEEPERS, root, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(theirs.fileno(),),
    )
    theirs.close()

    def start(self: Any) -> None:
        if self._socket is None:
            self._socket, end = socket.socketpair()
            socket.send_fds(ours, [b"k"], [end.fileno()])
            end.close()
            self._process = _Process()

    keeper.Keeper.start = start  # type: ignore[method-assign]


def _call_once() -> None:
    """Do what is done at every call, so that all that is imported and read for it is there."""
    from magnus.cli.app import main

    Path("pipeline.yaml").write_text(_FIRST, encoding="utf-8")
    for call in _CALLS:
        assert main([*call, "--file", "pipeline.yaml", "--log-level", "ERROR"]) == 0
    for number, executor in enumerate(_RENDERERS):
        config = f"elsewhere-{number}.yaml"
        Path(config).write_text(f"executor: {executor}\n{_STORES}", encoding="utf-8")
        main(["execute", "-o", "-", "-c", config, "--file", "pipeline.yaml", "--log-level", "ERROR"])
    _read_descriptions_of_aws()
    for name in _HEAVY:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)


def _read_descriptions_of_aws() -> None:
    """Keep what botocore reads of its services before it can speak to one: otherwise every process reads it anew."""
    if importlib.util.find_spec("boto3") is None:
        return
    import boto3
    import botocore.session

    botocore.session.create_loader = functools.cache(botocore.session.create_loader)  # type: ignore[attr-defined]
    for service in ("s3", "secretsmanager"):
        boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    boto3.DEFAULT_SESSION = None


def _call(connection: socket.socket) -> int:
    """Be the process that the client asks for; return its exit code."""
    from magnus.cli.app import main

    arguments, folder, environment = _receive(connection)
    os.setpgid(0, 0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = ["magnus", *arguments]
    tempfile.tempdir = None  # to be asked for in this environment
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _receive(connection: socket.socket) -> Any:
    descriptors = array.array("i")
    length, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * descriptors.itemsize))
    for _, _, data in ancillary:
        descriptors.frombytes(data)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    wanted = int.from_bytes(length)
    request = bytearray()
    while len(request) < wanted:
        request += connection.recv(wanted - len(request))
    return json.loads(request)


if __name__ == "__main__":
    serve(sys.argv[1])
