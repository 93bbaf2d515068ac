from __future__ import annotations

from threading import Barrier, Event

import pytest

from magnus_stores.aws.parallel import in_parallel


def test_results_come_in_order_from_several_threads() -> None:
    """Four that wait for each other come through with four workers."""
    together = Barrier(4, timeout=10)

    def work(number: int) -> int:
        together.wait()
        return number

    assert list(in_parallel(work, range(40), workers=4)) == list(range(40))


def test_no_more_is_begun_than_twice_the_workers() -> None:
    """So that what is held does not grow with the number of items."""
    begun: list[int] = []
    results = in_parallel(begun.append, range(100), workers=4)
    next(results)
    results.close()  # type: ignore[attr-defined]  # what a generator has
    assert len(begun) <= 9


def test_the_first_failure_ends_it() -> None:
    """What has not begun does not begin."""
    released = Event()
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            message = "the second"
            raise ValueError(message)
        released.wait(0.2)

    with pytest.raises(ValueError, match="the second"):
        list(in_parallel(work, range(100), workers=2))
    assert len(begun) < 10


def test_what_has_begun_is_stopped_before_it_is_waited_for() -> None:
    """An upload of an hour would otherwise go on for an hour after the failure beside it, or after an interrupt."""
    stopped = Event()

    def work(number: int) -> None:
        if number == 0:
            message = "the first"
            raise ValueError(message)
        assert stopped.wait(30)

    with pytest.raises(ValueError, match="the first"):
        list(in_parallel(work, range(2), stop=stopped.set))
