"""What every measurement gets: where magnus is installed, a folder to work in, and how thorough to be."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from installation import Installation

_PAYLOAD = Path(__file__).parent / "payload"


class Bench(NamedTuple):
    """The means of measuring.

    Attributes:
        installation: Where magnus is.
        folder: Where measurements make their own folders.
        is_quick: Whether fewer and smaller runs do, to see that everything works.
    """

    installation: Installation
    folder: Path
    is_quick: bool

    @property
    def rounds(self) -> int:
        """How often a run of seconds is measured."""
        return 2 if self.is_quick else 5

    @property
    def many_rounds(self) -> int:
        """How often a run of a fraction of a second is measured, whose noise is large beside it."""
        return 5 if self.is_quick else 25

    @contextmanager
    def project(self) -> Iterator[Path]:
        """Lend a folder with what `payload` holds, and remove it afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            shutil.copytree(
                _PAYLOAD, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
            yield folder
        finally:
            shutil.rmtree(folder)

    def execute(self, pipeline: Path, *arguments: str | Path) -> list[str | Path]:
        """Return the command that runs *pipeline*."""
        return [self.installation.magnus, "execute", "-f", pipeline, *arguments]
