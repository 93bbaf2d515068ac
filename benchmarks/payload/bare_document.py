"""usage: bare_document.py PARAMETERS TIMES {dump|dumps}. Changes a document and writes it to disk, without magnus."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tasks import revise

if __name__ == "__main__":
    parameters = json.loads(Path(sys.argv[1]).read_text())
    for number in range(int(sys.argv[2])):
        parameters = revise(**parameters)
        with Path(f"bare-{number}.json").open("w") as file:
            if sys.argv[3] == "dump":
                json.dump(parameters["document"], file)
            else:
                file.write(json.dumps(parameters["document"]))
            file.flush()
