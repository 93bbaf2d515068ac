"""The same done for many things at once, as far as threads are of use."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

WORKERS = 16
"""How many requests wait for their answers at the same time."""


def in_parallel(
    work: Callable[[_Given], _Made],
    items: Iterable[_Given],
    workers: int = WORKERS,
    stop: Callable[[], object] = lambda: None,
) -> Iterator[_Made]:
    """Yield what *work* makes of each item, in their order; the first that fails ends it.

    At most twice as many results as there are *workers* are held, however slowly they are taken.

    Args:
        work: Done in several threads.
        items: What it is done for.
        workers: How many threads.
        stop: Has work that has begun end soon, when something has failed or nobody wants the rest.
    """
    remaining = iter(items)
    first = list(islice(remaining, 2))
    if len(first) <= 1 or workers == 1:
        yield from map(work, chain(first, remaining))
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="magnus-s3")
    try:
        begun: deque[Future[_Made]] = deque(pool.submit(work, item) for item in first)
        begun.extend(pool.submit(work, item) for item in islice(remaining, 2 * workers - 2))
        while begun:
            made = begun.popleft().result()
            begun.extend(pool.submit(work, item) for item in islice(remaining, 1))
            yield made
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        stop()
        raise
    finally:
        pool.shutdown()
