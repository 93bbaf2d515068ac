"""The fenced code blocks of a README, and what a shell prints and returns when they are typed in order.

- A `yaml`, `python`, ... block whose first line is the comment `# <file>` is written to that file.
- A `bash` block is typed into a shell that stops at the first failure. `<!-- exit code: 1 -->` on the line before it says
  that it is to end so; `<!-- slow -->` that it is only tried together with the others of its kind; `<!-- engine -->` that it
  needs a Docker engine; `<!-- account -->` that it needs an account of AWS.
- A `text` block behind a `bash` block is what it prints, stdout and stderr together. In it `…` stands for anything within
  a line, and a line of `…` alone for any lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(
    r"^(?P<comments>(?:<!-- [^\n]* -->\n)*)```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_EXIT_CODE = re.compile(r"<!-- exit code: (\d+) -->")
_FILE = re.compile(r"# (\S+\.\w+)\n")


@dataclass(frozen=True, slots=True)
class File:
    """A block that is saved.

    Attributes:
        name: Relative to the reader's folder.
        text: Its content.
        line: Where the block begins.
    """

    name: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Commands:
    """A block that is typed.

    Attributes:
        text: The commands.
        line: Where the block begins.
        exit_code: With which they end.
        is_slow: Whether they download or build.
        needs_engine: Whether they build images or run containers.
        needs_account: Whether they speak to AWS.
        shown: What the README says that they print; None where it does not say.
    """

    text: str
    line: int
    exit_code: int
    is_slow: bool
    needs_engine: bool
    needs_account: bool
    shown: str | None


def read_blocks(readme: Path) -> list[File | Commands]:
    """Return what a reader of *readme* saves and types, in order.

    Raises:
        ValueError: A block is none of those that are known; the message names its line.
    """
    content = readme.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(content))
    blocks: list[File | Commands] = []
    for index, match in enumerate(found):
        line = content.count("\n", 0, match.start("language")) + 1
        language, text = match["language"], match["text"]
        if language == "bash":
            following = found[index + 1] if index + 1 < len(found) else None
            shown = following["text"] if following is not None and following["language"] == "text" else None
            code = _EXIT_CODE.search(match["comments"])
            marks = [f"<!-- {word} -->" in match["comments"] for word in ("slow", "engine", "account")]
            blocks.append(Commands(text, line, int(code[1]) if code else 0, *marks, shown))
        elif file := _FILE.match(text):
            blocks.append(File(file[1], text, line))
        elif language != "text":
            message = f"{readme}:{line}: a block that no test runs; begin it with the comment '# <file>'"
            raise ValueError(message)
    return blocks


def shows(shown: str, printed: str) -> bool:
    """Tell whether *printed* is what *shown* says, with its elisions."""
    pattern = "".join(_line_pattern(line) for line in shown.splitlines())
    return re.fullmatch(pattern, printed if printed.endswith("\n") else f"{printed}\n") is not None


def _line_pattern(line: str) -> str:
    if line.strip() == "…":
        return r"(?:.*\n)*"
    return ".*".join(re.escape(part) for part in line.split("…")) + r"\n"
