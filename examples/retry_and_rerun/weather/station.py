"""A weather station that is as unreliable as a real one, but predictably so."""

from __future__ import annotations

import shutil
from pathlib import Path

STATION = Path("station")
"""What the station measured. It stands for a remote service: magnus neither stores nor restores it."""

_REQUESTS = Path(".station_requests")
_RESERVED = STATION / ".reserved"


class StationBusyError(ConnectionError):
    """The station did not answer; it will when it is asked again."""


def download(name: str, target: Path) -> None:
    """Copy the readings of the station *name* to *target*, counting the requests in `.station_requests`.

    Raises:
        StationBusyError: At the first request that this working directory has seen.
    """
    requests = 1 + (int(_REQUESTS.read_text(encoding="utf-8")) if _REQUESTS.exists() else 0)
    _REQUESTS.write_text(f"{requests}\n", encoding="utf-8")
    if requests == 1:
        raise StationBusyError("the station is busy")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(STATION / f"{name}.csv", target)


def reserve(name: str) -> None:
    """Keep others from changing the readings of the station *name*."""
    _RESERVED.mkdir(exist_ok=True)
    (_RESERVED / name).touch()


def release(name: str) -> None:
    """Let others change them again."""
    (_RESERVED / name).unlink(missing_ok=True)


def reserved() -> list[str]:
    """Return the names of the stations that are reserved."""
    return sorted(path.name for path in _RESERVED.glob("*"))
