"""The clients of AWS: the only module of the package that imports boto3, and imported when one is first needed."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import CancelledError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from magnus_stores.aws.failures import Refusal, code_of, not_answered, refused
from magnus_stores.aws.parallel import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

    from magnus.errors import ServiceError

_ATTEMPTS = 5
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_TRANSFER_WORKERS = 10
_FETCHED_BLOCK_BYTES = 8 << 20
_PIECE_BYTES = 64 << 10
_PIECES_WAITING = 16
"""How much of what arrives is written at once, and how many such pieces wait for that. Four times the one was measured to
take 34 MiB more memory, four times the other 30 MiB."""

_SENT_BLOCK_BYTES = 5 << 20
"""The least that S3 takes; more for a content of over 10,000 blocks, of which it takes no more."""

_BLOCKS_HELD = 3
"""Blocks that wait in memory to be sent; the one that is being read comes on top. What arrives is written at once."""

_ACTIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    # Without the second, what is missing looks as if it were forbidden.
    "GetObject": "s3:GetObject, and s3:ListBucket",
    "GetSecretValue": "secretsmanager:GetSecretValue",
    "HeadObject": "s3:GetObject, and s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}

# These write whole requests and answers, tokens and secrets among them, as soon as a task turns on debug lines for all.
for _name in ("botocore.auth", "botocore.endpoint", "botocore.parsers"):
    _logger = logging.getLogger(_name)
    if _logger.level == logging.NOTSET:
        _logger.setLevel(logging.INFO)

_lock = Lock()
"""Making a client is not safe among threads; using one is."""


def connect(service: str, region: str | None, endpoint_url: str | None) -> Any:
    """Return a client of *service*, which any thread of this process may use; nothing is asked of AWS yet.

    Args:
        service: As boto3 calls it.
        region: None for what the environment or the profile says.
        endpoint_url: None for the address of AWS, or what the environment or the profile says.
    """
    with _lock:
        session = _session(os.getpid(), _settings())
        # boto3 itself does not look at the variable that the other clients of AWS, and its services, go by.
        region = region or session.region_name or os.environ.get("AWS_REGION")
        make: Any = session.client
        return make(service, region_name=region, endpoint_url=endpoint_url, config=_config())


def uploads(client: S3Client) -> TransferManager:
    """Return what sends large contents in blocks, several at once, of which few are in memory."""
    return _Transfers(client, _transfer_config(_SENT_BLOCK_BYTES))


def downloads(client: S3Client) -> TransferManager:
    """Return what fetches large contents in blocks, several at once, that are written as they arrive."""
    return _Transfers(client, _transfer_config(_FETCHED_BLOCK_BYTES))


def _transfer_config(block_bytes: int) -> TransferConfig:
    return TransferConfig(
        multipart_threshold=block_bytes,
        multipart_chunksize=block_bytes,
        max_request_concurrency=_TRANSFER_WORKERS,
        max_submission_concurrency=1,
        max_io_queue_size=_PIECES_WAITING,
        io_chunksize=_PIECE_BYTES,
        max_in_memory_upload_chunks=_BLOCKS_HELD,
    )


def known_size(size: int) -> BaseSubscriber:
    """Return what tells a transfer that it is one of *size* bytes, so that it need not find out."""
    return _KnownSize(size)


class _Transfers(TransferManager):
    def shutdown(self, cancel: bool = False, cancel_msg: str = "") -> None:  # noqa: FBT001, FBT002 - as the base has it
        """Do what the base says: it takes its own arguments for others, and fails while something is being moved."""
        reason = CancelledError(cancel_msg or "not wanted any more") if cancel else None
        self.__exit__(type(reason) if reason else None, reason, None)


class _KnownSize(BaseSubscriber):
    def __init__(self, size: int) -> None:
        self._size = size

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self._size)


@contextmanager
def talking(
    what: str, resource: str, address: Callable[[], str], error: type[ServiceError]
) -> Iterator[None]:
    """Raise what boto3 raises as an *error*, without anything that could hold a credential.

    Args:
        what: What was wanted and could not be done.
        resource: What permissions are given on.
        address: Tells where requests go.
        error: The class to raise.
    """
    try:
        yield
    except ClientError as refusal:
        # Not chained: the whole answer hangs on the error, and may quote the key or the signed request.
        raise refused(what, resource, _refusal(refusal), error) from None
    except (BotoCoreError, Boto3Error) as failure:
        used = address()
        shown = without_user(used)
        text = str(failure).replace(used, shown)
        raise not_answered(what, shown, _kind(failure), text, error) from None


def without_user(address: str) -> str:
    """Return *address* without a user and password in it."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _refusal(error: ClientError) -> Refusal:
    answer: Any = error.response
    return Refusal(
        code=code_of(error),
        message=str(answer.get("Error", {}).get("Message", "")),
        action=_ACTIONS.get(error.operation_name, error.operation_name),
        status=int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
    )


def _kind(failure: Exception) -> str:
    """Return the name of the first class of *failure* that tells what kind it is: many are special cases of another."""
    names = [kind.__name__ for kind in type(failure).__mro__]
    return "HTTPClientError" if "HTTPClientError" in names else names[0]


def _settings() -> tuple[tuple[str, str], ...]:
    names = ("HOME", "AWS_")
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(names)))


@lru_cache(maxsize=2)
def _session(_process_id: int, _variables: tuple[tuple[str, str], ...]) -> boto3.session.Session:
    """Return a session for these settings: reading what describes a service takes fifteen times as long as a client."""
    return boto3.session.Session()


def _config() -> Config:
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=WORKERS + _TRANSFER_WORKERS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        tcp_keepalive=True,
        user_agent_extra=f"magnus-stores/{version('magnus-stores')}",
    )
