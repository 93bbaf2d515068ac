"""usage: list_modules.py FILE ARGUMENT... Runs the command line and leaves the names of all loaded modules in a file.

Not `python -X importtime`, which does not see what `importlib.import_module` loads: adapters are loaded by that.
"""

from __future__ import annotations

import sys
from pathlib import Path

from magnus.cli.app import main

if __name__ == "__main__":
    exit_code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text("\n".join(sys.modules))
    sys.exit(exit_code)
