from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from s3transfer.exceptions import CancelledError

from magnus_stores.aws.client import uploads

if TYPE_CHECKING:
    from s3transfer.futures import TransferFuture

PATIENCE_SECONDS = 30.0


class Endless:
    """A file that is read for as long as its transfer is wanted."""

    def __init__(self) -> None:
        """Nobody reads."""
        self.transfer: TransferFuture | None = None
        self.is_read = threading.Event()
        self._pause = threading.Event()

    def read(self, size: int = -1) -> bytes:
        """Wait until the transfer is cancelled."""
        self.is_read.set()
        while self.transfer is None or not self.transfer.done():
            self._pause.wait(0.001)
        return b""


def test_what_is_under_way_can_be_cancelled(s3: Any, bucket: str) -> None:
    """The base of the manager would fail, and hide why the transfers are not wanted any more."""
    content: Any = Endless()
    with uploads(s3) as manager:
        content.transfer = manager.upload(content, bucket, "endless")
        assert content.is_read.wait(PATIENCE_SECONDS)
        manager.shutdown(cancel=True)
    with pytest.raises(CancelledError, match="not wanted any more"):
        content.transfer.result()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
