from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.context import Context
from magnus.usecases.build_docker.files import choose_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.usecases.build_docker.conftest import Project


def context_of(folder: Path, **additions: Path) -> Context:
    """Return the context with every file of *folder*."""
    return Context(folder, choose_files(folder, every=True).files, "FROM scratch\n", additions)


def unpacked(context: Context) -> tarfile.TarFile:
    """Return the archive, opened."""
    return tarfile.open(fileobj=io.BytesIO(b"".join(context.archive())))


def test_the_archive_holds_the_files_the_additions_and_the_dockerfile(
    project: Project, tmp_path: Path
) -> None:
    """Whoever runs steps may write the project's files, and nobody the additions."""
    project.write("src/a.py", "print()\n")
    project.write("run.sh").chmod(0o700)
    project.write("empty", "")
    project.write("d" * 200 + "/" + "ä" * 120)
    (project.folder / "link").symlink_to("src/a.py")
    (project.folder / os.fsdecode(b"not-utf8-\xff")).touch()
    (tmp_path / "bundle").write_text("trust")
    archive = unpacked(context_of(project.folder, **{"x/bundle": tmp_path / "bundle"}))
    members = {member.name: (member.type, oct(member.mode)) for member in archive}
    file, folder, link = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE
    assert members == {
        "src": (folder, "0o777"),
        "src/a.py": (file, "0o666"),
        "run.sh": (file, "0o777"),
        "empty": (file, "0o666"),
        "d" * 200: (folder, "0o777"),
        "d" * 200 + "/" + "ä" * 120: (file, "0o666"),
        "link": (link, "0o777"),
        os.fsdecode(b"not-utf8-\xff"): (file, "0o666"),
        "x": (folder, "0o777"),
        "x/bundle": (file, "0o644"),
        ".magnus-build": (folder, "0o777"),
        ".magnus-build/Dockerfile": (file, "0o666"),
    }
    assert archive.extractfile("src/a.py").read() == b"print()\n"  # type: ignore[union-attr]
    assert archive.extractfile(".magnus-build/Dockerfile").read() == b"FROM scratch\n"  # type: ignore[union-attr]
    assert archive.getmember("link").linkname == "src/a.py"
    assert {(member.uid, member.gid, member.uname) for member in archive} == {(0, 0, "")}


def test_a_large_file_is_never_whole_in_memory(project: Project) -> None:
    """It comes in pieces, with what a sparse file has between its data."""
    with project.write("big").open("r+b") as file:
        file.truncate(5_000_001)
    pieces = [len(piece) for piece in context_of(project.folder).archive()]
    assert max(pieces) < 1_000_000
    assert sum(pieces) % 512 == 0


def test_a_file_that_grew_is_cut_and_one_that_shrank_is_refused(project: Project) -> None:
    """The archive has promised how long it is."""
    path = project.write("log", "1234")
    context = context_of(project.folder)
    path.write_text("123456")
    assert unpacked(context).extractfile("log").read() == b"1234"  # type: ignore[union-attr]
    path.write_text("1")
    with pytest.raises(ConfigurationError) as caught:
        list(context.archive())
    assert str(caught.value) == f"'{path}' became shorter while it was read; build again when it is at rest"


def test_a_file_that_cannot_be_read_or_became_a_link_is_refused(project: Project) -> None:
    """It may lead anywhere."""
    path = project.write("a")
    context = context_of(project.folder)
    path.unlink()
    with pytest.raises(ConfigurationError) as caught:
        list(context.archive())
    assert str(caught.value) == (
        f"'{path}' cannot be read: No such file or directory; mend that, and build again"
    )
    path.symlink_to("/etc/hostname")
    with pytest.raises(ConfigurationError, match=r"cannot be read"):
        list(context.archive())
