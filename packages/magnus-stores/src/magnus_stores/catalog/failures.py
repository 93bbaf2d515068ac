"""Failures of the file system as errors that a person can act on."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magnus.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def reported(catalog: str, action: str, what: str) -> Iterator[None]:
    """Raise what the file system refuses as a `CatalogError`: *catalog* could not do *action* with *what*."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        place = f" ({error.filename})" if error.filename else ""
        # A full disk may have room later; a missing file will not come back by itself.
        retriable = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT}
        raise CatalogError(
            f"the {catalog} catalog could not {action} {what}: {reason}{place}", retriable=retriable
        ) from error
