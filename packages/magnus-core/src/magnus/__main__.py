"""`python -m magnus` is `magnus`."""

from __future__ import annotations

from magnus.cli.entry import run

if __name__ == "__main__":
    run()
