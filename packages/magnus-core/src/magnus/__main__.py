"""`python -m magnus` is `magnus`."""

from __future__ import annotations

import sys

from magnus.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
