"""Failures of the file system as errors that a person can act on."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magnus.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE}
)


@contextmanager
def reported(action: str, path: str) -> Iterator[None]:
    """Raise what the file system refuses as a `ServiceError`: the run log at *path* could not be *action*."""
    try:
        yield
    except OSError as error:
        raise failure(action, path, error) from error


def failure(action: str, path: str, error: OSError) -> ServiceError:
    """Return *error* as a `ServiceError`; a full disk may have room later, a permission does not come by itself."""
    message = f"the run log {path} could not be {action}: {error.strerror or error}"
    return ServiceError(message, retriable=error.errno in _PASSING)
