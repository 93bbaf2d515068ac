"""The image that jobs of AWS Batch run in: magnus, and a project baked in, as no job sees a folder of this machine."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from containers.images import build, has, named_by

if TYPE_CHECKING:
    from docker import DockerClient

_DOCKERFILE = """\
FROM {magnus}
COPY project /project
WORKDIR /project
RUN chmod -R a+rwX /project
"""


_IN_FOLDER = """\
FROM {magnus}
WORKDIR {folder}
"""


def image_that_works_in(engine: DockerClient, magnus: str, folder: str) -> str:
    """Return the tag of an image that stands on the image *magnus*, and whose working directory is *folder*."""
    tag = named_by("magnus-tests-folder", magnus, _IN_FOLDER, folder)
    if not has(engine, tag):
        with TemporaryDirectory(prefix="magnus-folder-") as name:
            text = _IN_FOLDER.format(magnus=magnus, folder=folder)
            Path(name, "Dockerfile").write_text(text, encoding="utf-8")
            build(engine, tag, Path(name))
    return tag


def project_image(engine: DockerClient, magnus: str, folder: Path) -> str:
    """Return the tag of an image that stands on the image *magnus* and holds the files of *folder*, but for hidden ones."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith((".", "__py")) for part in path.relative_to(folder).parts)
    ]
    content: list[str | bytes] = []
    for path in files:
        content += [str(path.relative_to(folder)), path.read_bytes()]
    tag = named_by("magnus-tests-project", magnus, _DOCKERFILE, *content)
    if not has(engine, tag):
        with TemporaryDirectory(prefix="magnus-project-") as name:
            context = Path(name)
            (context / "project").mkdir()
            for path in files:
                target = context / "project" / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
            (context / "Dockerfile").write_text(_DOCKERFILE.format(magnus=magnus), encoding="utf-8")
            build(engine, tag, context)
    return tag
