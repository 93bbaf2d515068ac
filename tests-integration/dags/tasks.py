"""The functions of the cases; nothing in them depends on where they run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from magnus import (
    get_object,
    get_parameter,
    get_secret,
    put_in_catalog,
    put_object,
    set_parameter,
    track_this,
)

KEPT = os.environ.get("KEPT_FOLDER") or os.environ.get("HERE", "")
"""What outlives an attempt also where each has a file system of its own."""


class Model(BaseModel):
    """A parameter with a shape."""

    rate: float
    layers: list[int]


def add(n: int, by: int = 1) -> dict[str, int]:
    """Return a parameter that is one more."""
    return {"n": n + by}


def kinds(
    *, text: str, number: float, flag: bool, nothing: None, items: list[Any], model: Model
) -> dict[str, Any]:
    """Return parameters of every kind."""
    return {
        "text_out": text[::-1],
        "number_out": number / 2,
        "flag_out": not flag,
        "nothing_out": nothing,
        "items_out": [*items, {"nested": items}],
        "model_out": model.model_dump(),
        "CamelCase": "ü🐤",
        "large": "x" * 5000,
    }


def model() -> Model:
    """Return a model, which becomes parameters."""
    return Model(rate=0.5, layers=[1, 2])


def fail() -> None:
    """Fail with a message."""
    set_parameter(lost=1)
    track_this(lost=1)
    message = "on purpose"
    raise ValueError(message)


def fail_until_fixed() -> dict[str, bool]:
    """Fail until somebody made the file."""
    if not Path(KEPT, "fixed").exists():
        message = "not fixed yet"
        raise RuntimeError(message)
    return {"fixed": True}


def fail_first(name: str = "tried") -> dict[str, str]:
    """Fail at the first attempt."""
    path = Path(KEPT, name)
    if not path.exists():
        path.touch()
        message = "the first attempt"
        raise ConnectionError(message)
    return {"tried": "twice"}


def leave() -> None:
    """Leave with success."""
    set_parameter(left=True)
    sys.exit(0)


def leave_badly() -> None:
    """Leave with a code that means failure."""
    set_parameter(left=False)
    sys.exit(4)


def square(item: Any) -> dict[str, Any]:
    """Return the square of a number, anything else as it is."""
    return {"square": item * item if isinstance(item, int | float) else item}


def pair(x: Any, y: Any) -> dict[str, Any]:
    """Return both items of a map in a map."""
    return {"pair": [x, y]}


def odd(item: int) -> dict[str, int]:
    """Fail for even numbers."""
    if item % 2 == 0:
        message = f"{item} is even"
        raise ValueError(message)
    return {"odd": item}


def write(name: str = "one") -> None:
    """Write files for the catalog."""
    for path, text in (
        (f"{name}.csv", "1,2\n"),
        (f"{name}/deep/ä.txt", "deep"),
        (f"{name}.log", "not wanted"),
    ):
        Path("data", path).parent.mkdir(parents=True, exist_ok=True)
        Path("data", path).write_text(text, encoding="utf-8")


def read(names: list[str]) -> dict[str, str]:
    """Return what is in the files."""
    return {"content": "".join(Path("data", name).read_text(encoding="utf-8") for name in names)}


def put_own() -> None:
    """Put a file by calling magnus."""
    Path("data").mkdir(exist_ok=True)
    Path("data", "own.txt").write_text("own", encoding="utf-8")
    put_in_catalog("data/own.txt")


def secret() -> dict[str, Any]:
    """Hand on a secret, which must not show."""
    value = get_secret("TOKEN")
    track_this(token=value)
    return {"token": value, "length": len(value)}


def metrics() -> None:
    """Track metrics of every kind."""
    track_this(accuracy=0.9, name="best", list=[1, 2])
    for epoch in range(3):
        track_this(step=epoch, loss=1 / (epoch + 1))


def interact(n: int) -> None:
    """Set a parameter by calling magnus."""
    set_parameter(n=get_parameter("n") + n)


def keep_same(x: Any = "", y: Any = "") -> None:
    """Write a file and an object that have the same names in every branch and item."""
    Path("data", "same.txt").write_text(f"{x} {y}\n", encoding="utf-8")
    put_object([x, y], "same")


def change_same(x: Any = "", y: Any = "") -> None:
    """Read both, and write them anew."""
    assert Path("data", "same.txt").read_text(encoding="utf-8") == f"{x} {y}\n"
    assert get_object("same") == [x, y]
    Path("data", "same.txt").write_text(f"changed: {x} {y}\n", encoding="utf-8")
    put_object(["changed", x, y], "same")


def check_same(x: Any = "", y: Any = "") -> dict[str, str]:
    """Return what is in the file; the object has the same."""
    assert get_object("same") == ["changed", x, y]
    text = Path("data", "same.txt").read_text(encoding="utf-8")
    assert text == f"changed: {x} {y}\n"
    return {"seen": text.strip().removeprefix("changed: ")}


def collect_same() -> dict[str, list[str]]:
    """Return what is in all files of branches and items."""
    texts = [path.read_text(encoding="utf-8") for path in Path("data").glob("[!.]*/**/same.txt")]
    return {"collected": sorted(text.strip().removeprefix("changed: ") for text in texts)}


def half_first(item: int) -> None:
    """Leave half of the work at the first attempt."""
    tried = Path(KEPT, f"tried {item}")
    if not tried.exists():
        tried.touch()
        Path("data", "half.txt").write_text("half", encoding="utf-8")
        put_in_catalog("data/half.txt")
        message = "half of the work is done"
        raise ConnectionError(message)
    Path("data", "whole.txt").write_text("whole", encoding="utf-8")


def find_half() -> dict[str, list[str]]:
    """Return which files there are."""
    return {"found": sorted(path.name for path in Path("data").iterdir())}
