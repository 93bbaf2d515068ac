"""The image that all others stand on: `python:3.11-slim`, or one made of this machine's Python where no registry is."""

from __future__ import annotations

import ssl
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from containers.engine import unavailable
from containers.images import can_be_had, has, named_by, remove_unused
from containers.root_folder import MERGED, RootFolder, library_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

USUAL = "python:3.11-slim"
"""What users write in a Dockerfile; used where the engine has it or can pull it."""
_NAME = "magnus-tests-base"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_STDLIB = f"/usr/local/lib/python{_VERSION}"
# Debian's own Python looks elsewhere for packages, and in an image writes scripts to /usr/local/local/bin.
_IS_DEBIANS = "posix_local" in sysconfig.get_scheme_names()
_PACKAGES = f"{_STDLIB}/{'dist' if _IS_DEBIANS else 'site'}-packages"
_PATH = f"/usr/local/bin:/usr/bin:/bin{':/usr/local/local/bin' if _IS_DEBIANS else ''}"

# What shell tasks and tests of them call; a machine that lacks one of the second line still makes an image.
_TOOLS = "sh bash cat chmod chown cp echo env false id ls mkdir mv rm sleep test touch true"
_MORE_TOOLS = "basename cut date dirname find grep head kill ln mktemp ps readlink sed seq sort stat tail tr uname wc xargs"

# Loaded by name while a program runs, so that `ldd` does not list them; the wheels of PyPI expect the first ones.
_MORE_LIBRARIES = (
    "libgcc_s.so.1 libstdc++.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libutil.so.1 libresolv.so.2 "
    "libnss_dns.so.2 libnss_files.so.2"
)

# Large, of no use to a step, or bound to this machine.
_NOT_IN_THE_IMAGE = (
    *("site-packages", "dist-packages", "EXTERNALLY-MANAGED", "sitecustomize.py", "config-*"),
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3"),
)

_TEXTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",  # without it, names of `/etc/hosts` are asked of a name server
}
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_CHANGES = [
    f"ENV PATH={_PATH}",
    "ENV LANG=C.UTF-8",
    f"ENV SSL_CERT_FILE={_CERTIFICATES}",
    f"ENV PIP_CERT={_CERTIFICATES}",
    'CMD ["python3"]',
]


@dataclass(frozen=True)
class BaseImage:
    """An image with Python, pip and a shell."""

    tag: str
    origin: str
    """For people: where it comes from."""


def usual_is_here(engine: DockerClient) -> bool:
    """Tell whether the usual image needs no pull."""
    return has(engine, USUAL)


def base_image(engine: DockerClient) -> BaseImage:
    """Return the usual image if it can be had, else build one from this machine's Python."""
    if can_be_had(engine, USUAL):
        return BaseImage(USUAL, "from the registry")
    if sys.platform != "linux":
        unavailable(f"{USUAL} cannot be pulled, and this machine's Python is none for Linux")
    tag = named_by(_NAME, Path(__file__).read_bytes(), sys.version, sys.base_prefix)
    if not has(engine, tag):
        _import(engine, tag)
    return BaseImage(tag, f"this machine's Python {sys.version.split()[0]}")


def _import(engine: DockerClient, tag: str) -> None:
    root = RootFolder()
    for name in MERGED:
        root.add_link(f"/{name}", f"usr/{name}")
    for folder in ("/dev", "/proc", "/root", "/sys"):
        root.add_folder(folder)
    root.add_folder("/tmp", mode=0o1777)  # noqa: S108 - the image's
    for path, text in _TEXTS.items():
        root.add_content(path, text)
    _add_tools(root)
    _add_python(root)
    with TemporaryDirectory(prefix="magnus-base-") as folder:
        archive = Path(folder, "root.tar")
        root.write(archive)
        name, version = tag.split(":")
        engine.api.import_image(str(archive), repository=name, tag=version, changes=_CHANGES)
    remove_unused(engine, name)


def _add_tools(root: RootFolder) -> None:
    for name in [*_TOOLS.split(), *_MORE_TOOLS.split()]:
        found = next((path for path in _places(name) if path.exists()), None)
        if found:
            # `sh` is a link to another name, which is of no interest here.
            root.add_program(found.resolve(), f"/usr/bin/{name}")
        elif name in _TOOLS.split():
            unavailable(f"this machine has no program '{name}' to make an image of")
    for name in _MORE_LIBRARIES.split():
        library = library_folder() / name
        if library.exists():
            root.add_library(library)
    for names in ("/usr/share/zoneinfo", "/usr/lib/locale/C.utf8"):
        root.add_tree(Path(names), names, without=("posix", "right"))


def _places(name: str) -> Iterator[Path]:
    yield from (Path(folder, name) for folder in ("/bin", "/usr/bin"))


def _add_python(root: RootFolder) -> None:
    # In a virtual environment too, this is the interpreter that it was made from.
    interpreter = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]  # noqa: SLF001 - has no other name
    root.add_program(interpreter, f"/usr/local/bin/python{_VERSION}")
    for name in ("python", "python3"):
        root.add_link(f"/usr/local/bin/{name}", f"python{_VERSION}")
    prefixes = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    for kind in ("stdlib", "platstdlib"):
        source = Path(sysconfig.get_path(kind, vars=prefixes))
        root.add_tree(source, _STDLIB, without=_NOT_IN_THE_IMAGE)
        root.add_libraries_of((source / "lib-dynload").glob("*.so"))
    with zipfile.ZipFile(_wheel_of_pip()) as wheel:
        for member in wheel.infolist():
            root.add_content(f"{_PACKAGES}/{member.filename}", wheel.read(member))
    root.add_content("/usr/local/bin/pip", '#!/bin/sh\nexec python3 -m pip "$@"\n', mode=0o755)
    certificates = ssl.get_default_verify_paths().cafile or _CERTIFICATES
    if Path(certificates).exists():
        root.add_content(_CERTIFICATES, Path(certificates).read_text(encoding="utf-8"))


def _wheel_of_pip() -> Path:
    """Return the wheel that `python -m ensurepip` would install; Debian keeps it apart."""
    places = [Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled"), Path("/usr/share/python-wheels")]
    found = next((wheel for place in places for wheel in place.glob("pip-*.whl")), None)
    return found or unavailable(
        "this machine's Python has no wheel of pip (Debian: apt-get install python3-venv)"
    )
