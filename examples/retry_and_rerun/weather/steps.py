"""Fetch readings, average them per station, publish one table; or, where that failed, tidy up."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from magnus import track_this
from weather.station import download, release, reserve, reserved

READINGS = Path("data/readings")
PUBLISHED = Path("data/averages.csv")


def fetch(stations: list[str]) -> None:
    """Download the readings of all *stations* to `data/readings/`."""
    for station in stations:
        download(station, READINGS / f"{station}.csv")


def average(station: str, gaps: Literal["refuse", "skip"]) -> dict[str, Any]:
    """Average the temperatures of one *station*, in degrees Celsius.

    Args:
        station: The item of the map.
        gaps: What to do with a reading that is no number: `refuse` to average the station, or `skip` the reading.

    Returns:
        `averages`: the station and its mean. After the map this parameter is the list of these, in item order.

    Raises:
        ValueError: A reading is no number and *gaps* is `refuse`.
    """
    reserve(station)
    with (READINGS / f"{station}.csv").open(encoding="utf-8", newline="") as file:
        readings = [row["celsius"] for row in csv.DictReader(file)]
    numbers = [float(reading) for reading in readings if gaps == "refuse" or reading != "n/a"]
    track_this(readings_used=len(numbers))
    release(station)
    return {"averages": {"station": station, "celsius": round(fmean(numbers), 2)}}


def publish(averages: list[dict[str, Any]]) -> None:
    """Write one line per station to `data/averages.csv`."""
    with PUBLISHED.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=["station", "celsius"], lineterminator="\n")
        table.writeheader()
        table.writerows(averages)


def clean_up() -> dict[str, Any]:
    """Release the stations that a failed step has left reserved.

    Returns:
        `left_behind`: their names.
    """
    left_behind = reserved()
    for station in left_behind:
        release(station)
    return {"left_behind": left_behind}
