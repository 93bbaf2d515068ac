"""Keeps who collects garbage in S3 from removing what someone is putting, although S3 has no locks.

Who puts says so first, in an object that names the contents, and then looks whether someone collects; who collects says so
first, and then looks who puts. At least one of them sees the other: a collector spares what is being put, and a put that
meets a collector waits for that one to end. Times are those of the clock of S3.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from magnus.errors import CatalogError
from magnus_stores.aws.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from magnus_stores.aws.bucket import Bucket

ABANDONED = timedelta(days=7)
"""A put that takes longer is taken for one that was killed."""

COLLECTING = ".collecting/"
PUTTING = ".putting/"
_COLLECTOR_LIVES = timedelta(minutes=10)
"""How long a collector that was killed keeps puts waiting. Longer than one request and all its repetitions can take."""

_RENEWED_AFTER_SECONDS = 20
_GIVES_UP_AFTER_SECONDS = 60
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


class Guard:
    """The agreement between puts and collectors of one catalog."""

    def __init__(self, bucket: Bucket) -> None:
        """Ask nothing yet."""
        self._bucket = bucket

    @contextmanager
    def putting(self, hashes: Collection[str]) -> Iterator[None]:
        """Have contents spared, those that are there and those that come, until they are listed in a run."""
        key = f"{PUTTING}{os.urandom(8).hex()}"
        self._bucket.put(key, "\n".join(sorted(hashes)).encode("ascii"))
        try:
            self._wait_for_collectors()
            yield
        except BaseException:
            with suppress(CatalogError):  # what went wrong first is what matters
                self._bucket.delete([key])
            raise
        self._bucket.delete([key])

    @contextmanager
    def collecting(self) -> Iterator[Callable[[], None]]:
        """Keep puts waiting; the function that is lent is called before each step, and says so anew in time."""
        key = f"{COLLECTING}{os.urandom(8).hex()}"
        said = time.monotonic()
        self._bucket.put(key, b"")

        def go_on() -> None:
            nonlocal said
            now = time.monotonic()
            if now - said > _GIVES_UP_AFTER_SECONDS:
                raise CatalogError(
                    "collecting garbage was held up for too long; start it again", retriable=True
                )
            if now - said > _RENEWED_AFTER_SECONDS:
                said = now
                self._bucket.put(key, b"")

        try:
            yield go_on
        finally:
            with suppress(CatalogError):
                self._bucket.delete([key])

    def spared(self) -> set[str]:
        """Return the hashes of all that is being put."""
        keys = [found.key for found in self._bucket.list(PUTTING) if found.age <= ABANDONED]
        named = in_parallel(self._bucket.get, keys)
        return {line for data in named if data for line in data.decode("ascii").splitlines()}

    def tidy(self) -> None:
        """Remove what killed puts and collectors have said."""
        stale = [found.key for found in self._bucket.list(PUTTING) if found.age > ABANDONED]
        stale += [found.key for found in self._bucket.list(COLLECTING) if found.age > _COLLECTOR_LIVES]
        self._bucket.delete(stale)

    def _wait_for_collectors(self) -> None:
        # Those that begin later find what has been said, and need not be waited for.
        awaited = self._collectors()
        pause = _FIRST_PAUSE_SECONDS
        while awaited:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            awaited &= self._collectors()

    def _collectors(self) -> set[str]:
        return {found.key for found in self._bucket.list(COLLECTING) if found.age <= _COLLECTOR_LIVES}
