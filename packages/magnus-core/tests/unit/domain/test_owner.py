from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from magnus.domain.owner import is_alive, own_label


def label_of_a_dead_process() -> str:
    """Return what a process was known by that has ended."""
    code = "from magnus.domain.owner import own_label; print(own_label())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_this_process_is_alive() -> None:
    """And stays the same."""
    assert is_alive(own_label())
    assert own_label() == own_label()


def test_a_process_that_has_ended_is_not() -> None:
    """Its label was made on this machine."""
    assert not is_alive(label_of_a_dead_process())


def test_a_process_that_nobody_has_waited_for_is_not() -> None:
    """A zombie does nothing any more."""
    code = "from magnus.domain.owner import own_label; print(own_label(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        label = process.stdout.read().strip()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(label)


def test_another_process_with_the_same_number_is_not_the_one_that_was() -> None:
    """Numbers come round; the moment at which it began does not."""
    host, number, started = own_label().split("/")
    assert not is_alive(f"{host}/{number}/{started}0")


@pytest.mark.parametrize(
    "label", ["elsewhere/1/x", "", "nonsense", f"{socket.gethostname()}/x/y", socket.gethostname()]
)
def test_what_cannot_be_looked_up_counts_as_alive(label: str) -> None:
    """What belongs to another machine's magnus is not for this one to end."""
    assert is_alive(label)
