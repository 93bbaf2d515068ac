"""The Python steps of the pipeline beside this file."""

from __future__ import annotations

from pathlib import Path


def split(text: str) -> dict[str, list[str]]:
    """Split *text* into `words`."""
    return {"words": text.split()}


def write_down(word_count: int, longest: str, shouted: str, ending: str = ".") -> None:
    """Write what the steps before found out to `data/summary.txt`.

    *word_count* and *longest* come from the lambda, *shouted* from the shell; nothing sets *ending*, so that its
    default holds.
    """
    data = Path("data")
    data.mkdir(exist_ok=True)
    summary = f"{word_count} words, the longest is {longest} ({shouted}){ending}\n"
    (data / "summary.txt").write_text(summary, encoding="utf-8")
