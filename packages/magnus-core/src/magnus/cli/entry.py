"""What the `magnus` command starts: the command line, with nothing wasted before or after it."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

# Loading modules makes many objects and hardly any garbage; looking for it as often as usual takes a tenth of the start.
_ALLOCATIONS_BETWEEN_COLLECTIONS = 20_000


def run() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
    _open_closed_streams()
    code = 0

    def end_at_once() -> None:
        # Registered first, so it runs last, after every thread and every other exit handler. Taking all modules
        # apart one by one would cost twice as much as starting Python, and nothing is left to do.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(code)

    atexit.register(end_at_once)
    if sys.argv[1:2] == ["execute"] and "--help" not in sys.argv:
        from magnus.engine.workers.keeper import start_early

        start_early()
    from magnus.cli.app import main

    code = main()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Let what was closed (`magnus ... >&-`) lead nowhere: the next file to be opened would take its number, and its output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor == number:
                os.set_inheritable(number, True)  # noqa: FBT003 - it takes no keyword
            else:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
