"""usage: bare_branches.py ROUNDS PROCESSES. The work of four branches, without magnus."""

from __future__ import annotations

import sys
from multiprocessing import Pool

from tasks import burn

if __name__ == "__main__":
    work = [int(sys.argv[1])] * 4
    processes = int(sys.argv[2])
    if processes == 1:
        for rounds in work:
            burn(rounds)
    else:
        with Pool(processes) as pool:
            pool.map(burn, work, chunksize=1)
