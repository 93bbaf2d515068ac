"""What a reader of the documents types about images, made to work where no registry and no index has them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BUILD = re.compile(r"^(magnus build[-_]docker .*)$", re.MULTILINE)
_WHEELS = re.compile(r"--magnus-wheels \S+")


class ReaderOfContainers(NamedTuple):
    """Replaces what stands in the documents.

    Attributes:
        names: Images as they are called there, to what they are called here.
        base: What images are built on: it holds what magnus depends on.
        wheels: The folder with the wheels of magnus.
    """

    names: Mapping[str, str]
    base: str
    wheels: Path

    @property
    def variables(self) -> dict[str, str]:
        """What the reader's environment has besides: packages are not looked for on any index."""
        return {"PIP_INDEX_URL": self.wheels.as_uri()}

    def adapt(self, text: str) -> str:
        """Return *text* with names of images replaced, and `magnus build-docker` told what to build on."""
        text = _BUILD.sub(
            rf"\1 --base-image {self.base} --magnus-wheels {self.wheels}", _WHEELS.sub("", text)
        )
        for name, here in self.names.items():
            text = re.sub(rf"(?<![\w./-]){re.escape(name)}(?![\w./-])", here, text)
        return text
