"""The image of a PostgreSQL server: `postgres:15`, or this machine's programs where no registry is."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from containers.engine import unavailable
from containers.images import build, can_be_had, has, named_by
from containers.root_folder import RootFolder

if TYPE_CHECKING:
    from docker import DockerClient

USUAL = "postgres:15"
_PROGRAMS = ("postgres", "initdb", "pg_isready")

# The database is made beforehand, so that a server answers at once; like `postgres:15` it has one named after its user.
_DOCKERFILE = """\
FROM {base}
ADD root.tar /
RUN echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >>/etc/passwd \\
    && mkdir -p /var/lib/postgresql /var/run/postgresql && chown 999 /var/lib/postgresql /var/run/postgresql
ENV PATH={programs}:$PATH PGDATA=/var/lib/postgresql/data
USER 999
RUN initdb -A trust -U magnus --locale=C --encoding=UTF8 --no-sync >/dev/null \\
    && echo 'host all all all trust' >>$PGDATA/pg_hba.conf \\
    && echo 'create database magnus' | postgres --single postgres >/dev/null
CMD ["postgres", "-c", "listen_addresses=*", "-c", "fsync=off"]
"""


def postgresql_image(engine: DockerClient, base: str) -> str:
    """Return the tag of an image whose server takes any password for the user `magnus` of the database `magnus`.

    Raises:
        Skipped: The usual image cannot be pulled, and there are no programs of a server here that could be copied.
    """
    if can_be_had(engine, USUAL):
        return USUAL
    programs = _folder_of_programs()
    dockerfile = _DOCKERFILE.format(base=base, programs=programs)
    version = str((programs / "postgres").stat().st_mtime_ns)
    tag = named_by("magnus-tests-postgresql", Path(__file__).read_bytes(), dockerfile, version)
    if not has(engine, tag):
        with TemporaryDirectory(prefix="magnus-postgresql-") as name:
            folder = Path(name)
            _root(programs).write(folder / "root.tar")
            (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
            build(engine, tag, folder)
    return tag


def _folder_of_programs() -> Path:
    """Return where Debian's package of the newest version keeps its programs."""
    found = [
        folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if all(os.access(folder / program, os.X_OK) for program in _PROGRAMS)
    ]
    return max(found, key=lambda folder: int(folder.parent.name), default=None) or unavailable(
        f"needs {USUAL}, or the programs of a PostgreSQL server: apt-get install postgresql"
    )


def _root(programs: Path) -> RootFolder:
    root = RootFolder()
    for program in _PROGRAMS:
        root.add_program(programs / program)
    # The compiler for queries would bring all of LLVM; the server does without it.
    libraries = programs.parent / "lib"
    root.add_tree(libraries, str(libraries), without=("bitcode", "llvmjit*", "pgxs"))
    root.add_libraries_of(path for path in libraries.glob("*.so") if not path.name.startswith("llvmjit"))
    share = Path("/usr/share/postgresql", programs.parent.name)
    root.add_tree(share, str(share), without=("locale", "man"))
    return root
