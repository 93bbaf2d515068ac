from __future__ import annotations

import select
import threading
from typing import TYPE_CHECKING, Any

import pytest

from magnus.engine.workers.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def background() -> Iterator[Background]:
    """Return threads for one piece of work at a time."""
    made = Background(1)
    yield made
    made.close()


def results(background: Background, *works: Callable[[], Any]) -> list[tuple[Any, BaseException | None]]:
    """Do *works* and return their values and errors, in the order in which they came."""
    found: list[tuple[Any, BaseException | None]] = []
    for work in works:
        background.submit(work, lambda value, error: found.append((value, error)))
    poll = select.poll()
    poll.register(background.wake_descriptor, select.POLLIN)
    while background.is_busy:
        assert poll.poll(30_000)
        background.deliver()
    return found


def test_a_value_comes_back_to_the_thread_that_asks(background: Background) -> None:
    """The work is done in another one."""
    ((thread, error),) = results(background, threading.current_thread)
    assert error is None
    assert thread is not threading.current_thread()


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, MemoryError])
def test_whatever_ends_the_work_is_its_result(background: Background, kind: type[BaseException]) -> None:
    """The thread lives on and does the next piece."""

    def fail() -> None:
        raise kind

    (_, error), (value, none) = results(background, fail, lambda: 3)
    assert isinstance(error, kind)
    assert (value, none) == (3, None)


def test_a_thread_that_has_ended_before_its_work_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop that waits for it would wait for ever."""
    monkeypatch.setattr(Background, "_serve", lambda _: None)
    background = Background(1)
    background.submit(lambda: 1, lambda *_: None)
    for thread in background._threads:  # noqa: SLF001 - it is what the test is about
        thread.join(30)
    with pytest.raises(RuntimeError, match="has ended before its work"):
        background.check()


def test_as_many_threads_work_at_the_same_time_as_are_allowed(background: Background) -> None:
    """Two pieces can wait for each other."""
    background.allow(2)
    meeting = threading.Barrier(2)
    assert [
        error for _, error in results(background, lambda: meeting.wait(30), lambda: meeting.wait(30))
    ] == [None] * 2
