"""usage: hash_file.py FILE. Prints the SHA-256 of a file, by hashlib."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

if __name__ == "__main__":
    with Path(sys.argv[1]).open("rb") as file:
        print(hashlib.file_digest(file, "sha256").hexdigest())
