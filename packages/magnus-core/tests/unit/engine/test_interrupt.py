from __future__ import annotations

import os
import select
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from magnus.engine.interrupt import Interrupts, StopRun

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    """Return what catches signals while a test runs."""
    made = Interrupts()
    made.install()
    yield made
    made.uninstall()


def send(number: signal.Signals) -> None:
    """Send a signal to this process; Python handles it before the next line."""
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_only_noted_while_records_are_written(
    interrupts: Interrupts, number: signal.Signals
) -> None:
    """It is raised where the run next asks."""
    send(number)
    with pytest.raises(StopRun) as caught:
        interrupts.check()
    assert caught.value.reason == f"interrupted by {number.name}"
    assert caught.value.interrupted


def test_a_noted_signal_is_raised_before_user_code_begins(interrupts: Interrupts) -> None:
    """The stretch is not entered."""
    send(signal.SIGTERM)
    entered = False
    with pytest.raises(StopRun), interrupts.deliver():
        entered = True
    assert not entered


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_user_code_is_raised_there(interrupts: Interrupts, number: signal.Signals) -> None:
    """At once, and user code cannot take it for an error of its own."""

    def user_code() -> None:
        with suppress(Exception):
            send(number)
            pytest.fail("the signal was not raised")

    with pytest.raises(StopRun, match=number.name), interrupts.deliver():
        user_code()


def test_after_user_code_a_signal_is_only_noted_again(interrupts: Interrupts) -> None:
    """The stretch ends with the block, an error out of it included."""
    with pytest.raises(ValueError, match="mine"), interrupts.deliver():
        raise ValueError("mine")
    send(signal.SIGINT)
    with pytest.raises(StopRun):
        interrupts.check()


def test_one_signal_is_raised_once_in_user_code(interrupts: Interrupts) -> None:
    """What cleans up behind it is not interrupted again by the same signal."""
    cleaned: list[int] = []

    def user_code() -> None:
        try:
            send(signal.SIGINT)
        finally:
            time.sleep(0)
            cleaned.append(1)

    with pytest.raises(StopRun), interrupts.deliver():
        user_code()
    assert cleaned == [1]


def test_a_second_signal_hurries_and_interrupts_no_closing(interrupts: Interrupts) -> None:
    """The grace of what is being stopped becomes short; the records are written all the same."""
    send(signal.SIGINT)
    assert not interrupts.is_hurried
    send(signal.SIGINT)
    assert interrupts.is_hurried


def test_a_process_that_hangs_can_be_left_with_more_signals(interrupts: Interrupts) -> None:
    """A store that never answers must not keep a person."""
    for _ in range(3):
        send(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_a_signal_wakes_a_loop_that_polls(interrupts: Interrupts) -> None:
    """The descriptor is readable until it is drained."""
    poll = select.poll()
    poll.register(interrupts.wake_descriptor, select.POLLIN)
    assert not poll.poll(0)
    send(signal.SIGTERM)
    assert poll.poll(0)
    interrupts.drain()
    assert not poll.poll(0)


def test_in_a_quiet_stretch_a_signal_is_only_noted(interrupts: Interrupts) -> None:
    """Also within one in which it may be raised."""
    raised = True
    with suppress(StopRun), interrupts.deliver(), interrupts.quiet():
        send(signal.SIGINT)
        raised = False
    assert not raised
    with pytest.raises(StopRun):
        interrupts.check()


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    """As under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts = Interrupts()
    interrupts.install()
    try:
        send(signal.SIGHUP)
        interrupts.check()
    finally:
        interrupts.uninstall()
        signal.signal(signal.SIGHUP, before)


def test_without_a_signal_nothing_is_raised(interrupts: Interrupts) -> None:
    """Neither at a check nor in user code."""
    interrupts.check()
    with interrupts.deliver():
        pass


def test_a_run_that_takes_too_long_is_stopped() -> None:
    """The reason names the limit, and nobody interrupted it."""
    interrupts = Interrupts()
    interrupts.install(max_time_seconds=0.02)
    try:
        left = interrupts.seconds_left()
        assert left is not None
        assert left <= 0.02
        time.sleep(left)
        with pytest.raises(StopRun) as caught:
            interrupts.check()
    finally:
        interrupts.uninstall()
    assert caught.value.reason == "the run took longer than its max_time of 0.02 s"
    assert not caught.value.interrupted


def test_what_is_left_of_the_time_is_counted_from_the_beginning() -> None:
    """A run that was left for a while has less of it; the reason still names the whole."""
    interrupts = Interrupts()
    interrupts.install(max_time_seconds=100, elapsed_seconds=99.98)
    try:
        left = interrupts.seconds_left()
        assert left is not None
        assert left <= 0.02
        time.sleep(left)
        with pytest.raises(StopRun) as caught:
            interrupts.check()
    finally:
        interrupts.uninstall()
    assert caught.value.reason == "the run took longer than its max_time of 100 s"


@pytest.mark.parametrize("elapsed", [100, 100_000])
def test_a_run_whose_time_is_over_is_stopped_before_it_goes_on(elapsed: float) -> None:
    """Not a moment later, in which it could begin something."""
    interrupts = Interrupts()
    interrupts.install(max_time_seconds=100, elapsed_seconds=elapsed)
    try:
        with pytest.raises(StopRun) as caught:
            interrupts.check()
    finally:
        interrupts.uninstall()
    assert caught.value.reason == "the run took longer than its max_time of 100 s"
    assert not caught.value.interrupted


def test_the_signals_are_given_back() -> None:
    """To the handlers that were there before."""
    before = [signal.getsignal(number) for number in SIGNALS]
    interrupts = Interrupts()
    interrupts.install(max_time_seconds=60)
    during = [signal.getsignal(number) for number in SIGNALS]
    interrupts.uninstall()
    assert all(one != other for one, other in zip(before, during, strict=True))
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_outside_the_main_thread_nothing_is_caught() -> None:
    """Python allows no handlers there; a run in a thread of a server works all the same."""
    before = [signal.getsignal(number) for number in SIGNALS]
    interrupts = Interrupts()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            interrupts.install(max_time_seconds=60)
            interrupts.uninstall()
        except BaseException as error:  # noqa: BLE001 - a thread's error would be lost
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []
    assert [signal.getsignal(number) for number in SIGNALS] == before
